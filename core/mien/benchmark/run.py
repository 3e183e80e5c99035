"""The benchmark of explanations on planted truth, from rendering to the scores of every method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mien.benchmark.measuring import (
    MAPS_FILE,
    SCORES_FILE,
    Depth,
    Measured,
    MeasureTask,
    MeasureWorker,
    inside,
    measure,
    measure_task,
    region_in_time,
)
from mien.benchmark.methods import MethodList, benchmark_methods, fitting_methods
from mien.benchmark.networks import TaskClips, TaskNetwork, prepare_task, recipe, train_networks
from mien.benchmark.result import BenchmarkResult, about_run
from mien.benchmark.tables import SCORES
from mien.benchmark.tasks import TASKS, PlantedTask, chosen_tasks
from mien.config.run_config import RunConfig, dump
from mien.errors import ModelError
from mien.faithfulness import similarity
from mien.parallel import run_tasks
from mien.progress import Progress
from mien.registry import Registry
from mien.statistics import WindowedSeries, circular_shift_test, participant_bootstrap
from mien.steps.context import RunContext
from mien.steps.explain_run import trained_network, untrained_networks
from mien.steps.pipeline import make_context
from mien.steps.results import GAP_FLOOR
from mien.store.store import Store
from mien.training.checkpoint import explained_model
from mien.types import ClipKey, IntArray

UNTRAINED = 10
"""Untrained networks beside the trained ones."""

PILOT_SEEDS = tuple(range(1, 13))
"""Of the networks, on participants of their own, that fixed the recipe and the bounds that were set from a pilot."""


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes
    ----------
    tasks : tuple of str or None
        The planted tasks, unless others are asked for; None: all.
    overrides : tuple of str
        Changes of the recipe.
    seeds : tuple of int
        Of the networks; none of them chose the recipe.
    clips : int
        Clips explained of each participant, with trained networks.
    control_people : int
        Participants of whom untrained networks explain one clip each.
    thorough : tuple of str
        Tasks whose networks are tested for faithfulness too ...
    thorough_seeds : int
        ... and for how many of the seeds.
    depth : Depth
        Of these tests.
    epochs : int, optional
        Of every training, in place of the tasks' own.
    """

    tasks: tuple[str, ...] | None
    overrides: tuple[str, ...]
    seeds: tuple[int, ...]
    clips: int
    control_people: int
    thorough: tuple[str, ...]
    thorough_seeds: int
    depth: Depth
    epochs: int | None = None


FULL = Plan(None, (), (21, 22, 23, 24, 25), 1, 6, ("AU12", "AU09"), 1, Depth(True, stages=1, draws=2))
QUICK = Plan(
    ("AU12", "AU09", "badge_cue"),
    ("dataset.participants=27", "dataset.test_participants=6"),
    (21, 22),
    1,
    1,
    ("AU12",),
    1,
    Depth(True, stages=1, draws=1, steps=8, orders=2),
)


def benchmark_explanations(
    *,
    quick: bool = False,
    store: Store,
    workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
    registry: Registry | None = None,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    plan: Plan | None = None,
    time_limit: float | None = None,
) -> BenchmarkResult:
    """Train networks on planted labels, explain what was held out with every method, and measure how true that is.

    All is taken from ``store`` when it is there: a benchmark that was stopped goes on, and one more method costs its
    own explanations alone.

    Parameters
    ----------
    quick : bool
        Two seeds, fewer participants, clips and tests; minutes on two cores.
    tasks, methods : sequence of str, optional
        Names; all by default.
    plan : Plan, optional
        In place of the two that come with mien.
    time_limit : float, optional
        Seconds that a worker may spend on one explanation with its tests before it is ended and noted.

    Raises
    ------
    ConfigError
        When a name is not known, or the plugin with the planted data set is not installed.
    MienError
        When a network cannot be trained, or no method explains any clip.  Where one method fails, that is noted.
    """
    context = make_context(store, registry, workers, device, time_limit, None, progress)
    plan, chosen = _planned(plan or (QUICK if quick else FULL), tasks)
    config = recipe(context.registry, plan.overrides)
    listed = _listed(config, context.registry, methods)
    clips = [prepare_task(task, config, context, plan.epochs) for task in chosen]
    networks = train_networks(clips, plan.seeds, context)
    measured = Measured(tuple(clips), listed.methods, store.root, context.device)
    work = _work(measured, networks, plan)
    failed = _measured(measured, [one.task for one in work], context)
    scores = _all_scores(work, store, failed)
    about = about_run(
        listed.methods,
        listed.refused,
        device=context.device,
        workers=workers,
        quick=quick,
        seeds=list(plan.seeds),
        pilot_seeds=list(PILOT_SEEDS),
        untrained=UNTRAINED,
        recipe=dump(config),
        plan={**asdict(plan), "tasks": [asdict(task) for task in chosen]},
        temporal_tests=_temporal_tests(work, measured, store),
        notes=[*context.notes, *_set_aside(clips), *_untested(plan, chosen), *failed],
    )
    return BenchmarkResult(scores, pd.DataFrame([_model(network) for network in networks]), about)


def _planned(plan: Plan, tasks: Sequence[str] | None) -> tuple[Plan, Sequence[PlantedTask]]:
    """Return the plan with those of its tasks to test for faithfulness that were chosen, and the chosen tasks.

    Where none of them was, it is the first chosen one whose label is an Action Unit.
    """
    chosen = chosen_tasks(plan.tasks if tasks is None else tasks)
    among = [task.name for task in chosen if task.name in plan.thorough]
    instead = [task.name for task in chosen if task.units and task.badge == "none"][:1] if plan.thorough else []
    return replace(plan, thorough=tuple(among or instead)), chosen


def _listed(config: RunConfig, registry: Registry, methods: Sequence[str] | None) -> MethodList:
    """Return the methods that can explain the recipe's network, and why others cannot."""
    network = config.backbone.architecture(config.objective.outputs).eval()
    return fitting_methods(benchmark_methods(registry, methods), explained_model(config.backbone, network))


def _set_aside(clips: Sequence[TaskClips]) -> Iterator[str]:
    """Yield which recordings took no part, and why; tasks may share them."""
    for badge, own in {one.task.badge: one for one in clips}.items():
        kind = "" if badge == "none" else f", badge {badge}"
        yield from (f"Recording {one.recording}{kind} was set aside: {one.reason}" for one in own.exclusions)


def _untested(plan: Plan, chosen: Sequence[PlantedTask]) -> Iterator[str]:
    """Yield what the chosen tasks do not allow to be measured."""
    if not plan.thorough:
        yield "Deletion, insertion, randomisation, stability and memory were not measured: no task of an Action Unit."
    if not any(task.shuffled for task in chosen):
        yield "Label randomisation was not measured: it takes the task of shuffled labels."


@dataclass(frozen=True)
class _Work:
    """A task of a worker, and what its scores are of."""

    task: MeasureTask
    planted: tuple[PlantedTask, ...]
    seed: int
    role: str
    index: int


def _work(measured: Measured, networks: Sequence[TaskNetwork], plan: Plan) -> list[_Work]:
    """Return all explanations: of every trained network, and of the untrained ones on each set of videos."""
    work = [one for network in networks for one in _of_trained(measured, network, plan)]
    for badge in dict.fromkeys(one.task.badge for one in measured.clips):
        alike = [one for one in measured.clips if one.task.badge == badge]
        work += _of_untrained(measured, alike, plan)
    return work


def _of_trained(measured: Measured, network: TaskNetwork, plan: Plan) -> list[_Work]:
    clips, task, seed = network.clips, network.clips.task, network.seed
    place = _place(measured, clips)
    thorough = task.name in plan.thorough and seed in plan.seeds[: plan.thorough_seeds]
    scale = network.trained.scale
    floor = GAP_FLOOR * float(network.predictions["prediction"].std(ddof=0)) / scale.std
    work = []
    for number, keys in enumerate(_keys(clips, plan.clips)):
        # Memory is that of the network and the clip's size: once is enough.
        first = number == 0 and seed == plan.seeds[0] and task.name in plan.thorough[:1]
        depth = replace(plan.depth, memory=first) if thorough else Depth()
        for method in measured.methods:
            made = measure_task(measured, trained_network(network.trained), place, method, keys, [task], depth, floor)
            work.append(_Work(made, (task,), seed, "trained", 0))
    return work


def _of_untrained(measured: Measured, alike: Sequence[TaskClips], plan: Plan) -> list[_Work]:
    """Return what untrained networks make of videos, held against the truth of every task that has these videos."""
    config, place = alike[0].config, _place(measured, alike[0])
    planted = tuple(one.task for one in alike)
    # Held against all of them, also those not asked for this time, so that the result serves again.
    scored = [task for task in TASKS if task.badge == planted[0].badge]
    return [
        _Work(
            measure_task(measured, network, place, method, keys, scored, Depth(), 0.0), planted, 0, "untrained", index
        )
        for index, network in enumerate(untrained_networks(config.backbone, UNTRAINED, measured.seed))
        for keys in _keys(alike[0], 1)[: plan.control_people]
        for method in measured.methods
    ]


def _place(measured: Measured, clips: TaskClips) -> int:
    return next(place for place, one in enumerate(measured.clips) if one.task == clips.task)


def _keys(clips: TaskClips, each: int) -> list[list[ClipKey]]:
    """Return the clips to explain of each held-out participant: one of each of the first recordings."""
    by_person: dict[str, list[str]] = {}
    for recording in clips.recordings:
        if recording.split == "test":
            by_person.setdefault(recording.participant, []).append(recording.id)
    return [clips.source.select(1, ids[:each]) for ids in by_person.values()]


def _measured(measured: Measured, tasks: Sequence[MeasureTask], context: RunContext) -> list[str]:
    """Measure what the store does not hold yet; return what failed, in words."""
    missing = [task for task in tasks if context.store.find("benchmark", task.key) is None]
    failed: dict[str, list[str]] = {}
    with context.progress.task("explaining and measuring", len(missing), "explanations") as bar:
        outcomes = run_tasks(
            measure,
            missing,
            workers=max(1, min(context.workers, len(missing))) if context.device == "cpu" else 1,
            initializer=MeasureWorker,
            initargs=(measured,),
            time_limit=context.time_limit,
            on_advance=lambda index, amount: bar.advance(amount),
        )
        for outcome in outcomes:
            if outcome.error is not None:
                task = missing[outcome.index]
                failed.setdefault(task.method, []).append(f"({task.network.id.role} network) {outcome.error}")
    asked = Counter(task.method for task in tasks)
    return [
        f"The method '{method}' gave nothing for {len(errors)} of its {asked[method]} explanations; the first: "
        f"{errors[0]}"
        for method, errors in failed.items()
    ]


def _all_scores(work: Sequence[_Work], store: Store, failed: Sequence[str]) -> pd.DataFrame:
    """Return the table `SCORES`; where there is none of it, the error says what failed."""
    found = [*_scores(work, store), *_label_randomisation(work, store)]
    if not found:
        raise ModelError("No clip could be explained. " + " ".join(failed))
    return pd.concat(found, ignore_index=True)


def _scores(work: Sequence[_Work], store: Store) -> Iterator[pd.DataFrame]:
    for one in work:
        entry = store.find("benchmark", one.task.key)
        if entry is None:
            continue  # it failed, as the notes say
        table = pd.read_parquet(entry / SCORES_FILE)
        general = table[table["task"].isna()]
        for planted in one.planted:
            own = pd.concat([general, table[table["task"] == planted.name]])
            yield _rows(own.drop(columns="task"), one, planted.name)


def _rows(table: pd.DataFrame, one: _Work, task: str) -> pd.DataFrame:
    made = table.assign(
        task=task,
        seed=one.seed,
        network=one.role,
        index=one.index,
        method=one.task.method,
        participant=one.task.participant,
    )
    return made[[column.name for column in SCORES.columns]]


def _temporal_tests(work: Sequence[_Work], measured: Measured, store: Store) -> list[dict[str, Any]]:
    """Test whether relevance follows the planted Action Unit, over all participants, by circular shifts of the latter.

    One clip of a participant is too short for a test of its own.
    """
    series: dict[tuple[str, int, str], list[WindowedSeries]] = {}
    for one in work:
        entry = store.find("benchmark", one.task.key)
        planted, clips = one.planted[0], measured.clips[one.task.place]
        if (
            entry is None
            or one.role != "trained"
            or not planted.regions
            or not measured.methods[one.task.method].signed
        ):
            continue
        batch = next(clips.source.batches(one.task.keys, len(one.task.keys)))
        region = inside(batch.regions.numpy(), batch.region_names, planted.regions)
        maps = np.load(entry / MAPS_FILE, allow_pickle=False)
        found = region_in_time(clips, planted, one.task, maps, region)
        series.setdefault((planted.name, one.seed, one.task.method), []).extend(found)
    tests = []
    for (task, seed, method), found in series.items():
        evidence = circular_shift_test(found, np.random.default_rng(seed), kind="pearson")
        r, p = (float(values[0, 0]) for values in (evidence.effect, evidence.p))
        tests.append({"task": task, "seed": seed, "method": method, "r": _number(r), "p": _number(p)})
    return tests


def _number(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def _label_randomisation(work: Sequence[_Work], store: Store) -> Iterator[pd.DataFrame]:
    """Hold the maps of a network against those of its twin of the same seed that learnt shuffled labels."""
    shuffled = {
        (one.seed, one.task.method, one.task.keys): one
        for one in work
        if one.role == "trained" and one.planted[0].shuffled
    }
    for one in work:
        twin = shuffled.get((one.seed, one.task.method, one.task.keys))
        if one.role != "trained" or twin is None or one is twin or one.planted[0].badge != "none":
            continue
        entries = [store.find("benchmark", each.task.key) for each in (one, twin)]
        if None in entries:
            continue
        maps = [np.load(entry / MAPS_FILE, allow_pickle=False) for entry in entries if entry is not None]
        alike = similarity(*maps)
        known = alike[np.isfinite(alike)]
        value = float(known.mean()) if len(known) else float("nan")
        table = pd.DataFrame({"measure": ["label_randomisation"], "value": [value], "n": [len(alike)]})
        yield _rows(table, one, one.planted[0].name)


def _model(network: TaskNetwork) -> dict[str, Any]:
    """Return how well a network predicts the held-out recordings; participants are drawn for the interval."""
    recordings = network.predictions.groupby("recording", sort=True)
    table = recordings.agg({"participant": "first", "label": "first", "prediction": "mean"})
    label, prediction = table["label"].to_numpy(float), table["prediction"].to_numpy(float)

    def r(rows: IntArray) -> float:
        if label[rows].std() == 0 or prediction[rows].std() == 0:
            return float("nan")
        return float(np.corrcoef(label[rows], prediction[rows])[0, 1])

    found = participant_bootstrap(r, table["participant"], np.random.default_rng(network.seed))
    return {
        "task": network.clips.task.name,
        "seed": network.seed,
        "network": "trained",
        "r": found.value,
        "r_low": found.low,
        "r_high": found.high,
        "mae": float(np.abs(prediction - label).mean()),
        "n": found.n,
    }

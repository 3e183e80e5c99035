"""The tests that need no planted truth, on a network and videos of the user's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mien.attribution.attributing import unchanged
from mien.benchmark.cost import measure_cost
from mien.benchmark.methods import benchmark_methods, fitting_methods
from mien.benchmark.own_videos import own_videos
from mien.benchmark.result import BenchmarkResult, about_run
from mien.clips.source import ClipSource
from mien.config.run_config import ExplainConfig
from mien.errors import ModelError, printable
from mien.faithfulness import Perturbation, own_seed, parameter_randomisation, stability
from mien.interfaces import AttributionMethod
from mien.parallel import run_tasks
from mien.progress import Progress
from mien.registry import Registry
from mien.report.words import count
from mien.steps.context import RunContext
from mien.steps.explain import Explainer, clips_identity
from mien.steps.identity import component_identity, step_key
from mien.steps.network import Network, NetworkId
from mien.steps.pipeline import make_context
from mien.steps.prepare_clips import prepare_clips
from mien.steps.results import GAP_FLOOR
from mien.store.store import Store
from mien.training.checkpoint import WEIGHTS_FILE, Checkpoint, load_checkpoint
from mien.types import ClipBatch, ClipKey, Exclusion, Layout

CLIPS_FILE = "clips.parquet"
_STEP = "faithfulness"
_FILLS = {"blur": "blur", "neutral": "median"}
"""By the end of a measure's name: what takes the place of a part.  A clip's median is its resting face."""


@dataclass(frozen=True)
class Depth:
    """How thoroughly clips are tested.

    Attributes
    ----------
    recordings : int or None
        At most so many, spread evenly; all when None.
    windows : int
        Of each recording, spread evenly.
    steps, orders : int
        Of the deletion and insertion curves: points, and random orders.
    draws : int
        Of the noise.
    """

    recordings: int | None = None
    windows: int = 4
    steps: int = 16
    orders: int = 5
    draws: int = 2


QUICK = Depth(recordings=8, windows=1, steps=10, orders=3, draws=1)


@dataclass(frozen=True)
class _Task:
    """One recording's clips and one method."""

    method: str
    keys: tuple[ClipKey, ...]
    key: str


@dataclass(frozen=True)
class _Shared:
    """What is the same for all tasks; travels to the workers once."""

    explainer: Explainer
    depth: Depth
    seed: int


def benchmark_own(
    checkpoint: Path,
    data: Path,
    *,
    store: Store,
    registry: Registry,
    quick: bool = False,
    workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
    methods: Sequence[str] | None = None,
    seed: int = 0,
    time_limit: float | None = None,
) -> BenchmarkResult:
    """Test every attribution method that a network can be explained with on videos of the user's own.

    Measured are deletion and insertion (blurred, and with the clip's temporal median in place of a neutral face),
    parameter randomisation, stability, completeness gap, seconds and peak memory, under the task ``""``.

    Parameters
    ----------
    checkpoint : Path
        A checkpoint folder, or a file in it.
    data : Path
        A configuration (YAML) that names the data set, a manifest (CSV), a folder of videos, or a video.
    quick : bool
        Fewer recordings, clips and steps (`QUICK`).
    methods : sequence of str, optional
        Names or ids; every installed method when None.
    time_limit : float, optional
        Seconds that a worker may spend on one task, a method and a recording, before it is ended and noted.

    Raises
    ------
    MienError
        When the checkpoint or the videos cannot be used, or no method can explain the network.
    """
    began, depth = time.perf_counter(), QUICK if quick else Depth()
    context = make_context(store, registry, workers, device, time_limit, None, progress)
    loaded = load_checkpoint(checkpoint, registry)
    listed = fitting_methods(benchmark_methods(registry, methods), loaded.explained_model())
    config, recordings, exclusions = own_videos(data, checkpoint, context)
    prepared, source = prepare_clips(recordings, config, loaded.backbone, context)
    shared = _Shared(_explainer(loaded, checkpoint, config, source, listed.methods, context), depth, seed)
    keys = _selected(source, depth)
    clips, failed = _measured(shared, keys, context)
    if clips.empty:
        raise ModelError("No clip could be explained. " + " ".join(failed), where=str(checkpoint))
    about = about_run(
        {name: method for name, method in listed.methods.items() if name in set(clips["method"])},
        listed.refused,
        device=context.device,
        workers=workers,
        seed=seed,
        quick=quick,
        checkpoint=f"{printable(checkpoint.name)}, weights {loaded.digest[:12]}",
        data=printable(data.name),
        recipe={"tests": asdict(depth), "clips": sum(map(len, keys.values()))},
        notes=[
            *context.notes,
            *_few(source, keys),
            *_set_aside([*exclusions, *prepared.exclusions]),
            *failed,
            *_undefined(clips),
        ],
        seconds=round(time.perf_counter() - began, 1),
    )
    return BenchmarkResult(_scores(clips, loaded.seed), about=about)


def _explainer(
    loaded: Checkpoint,
    checkpoint: Path,
    config: ExplainConfig,
    source: ClipSource,
    methods: Mapping[str, AttributionMethod],
    context: RunContext,
) -> Explainer:
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    network = Network(NetworkId(), loaded.digest, folder / WEIGHTS_FILE)
    return Explainer(source, loaded.backbone, config.objective, methods, (network,), context.store.root, context.device)


def _selected(source: ClipSource, depth: Depth) -> dict[str, tuple[ClipKey, ...]]:
    names = [recording.id for recording in source.recordings]
    wanted = len(names) if depth.recordings is None else min(depth.recordings, len(names))
    chosen = [names[int((place + 0.5) * len(names) / wanted)] for place in range(wanted)]
    return {name: tuple(source.select(depth.windows, [name])) for name in chosen}


def _few(source: ClipSource, keys: Mapping[str, Sequence[ClipKey]]) -> list[str]:
    clips, left_out = sum(map(len, keys.values())), len(source.recordings) - len(keys)
    said = f"Tested on {count(clips, 'clip')} of {count(len(keys), 'recording')}, spread evenly"
    return [said + (f"; {count(left_out, 'further recording')} took no part." if left_out else ".")]


def _set_aside(exclusions: Sequence[Exclusion]) -> Iterator[str]:
    yield from (f"{one.recording} was set aside: {one.reason}" for one in exclusions)


def _plan(shared: _Shared, keys: Mapping[str, tuple[ClipKey, ...]]) -> list[_Task]:
    explainer = shared.explainer
    same = {
        "network": explainer.networks[0].identity,
        "backbone": component_identity(explainer.backbone),
        "objective": component_identity(explainer.objective),
        "depth": asdict(shared.depth),
        "seed": shared.seed,
        "device": explainer.device.partition(":")[0],
    }
    tasks = []
    for recording, own in keys.items():
        clips, windows = clips_identity(explainer.source, recording), [key.window for key in own]
        for name, method in explainer.methods.items():
            identity = component_identity(method)
            key = step_key(_STEP, method=identity, clips=clips, windows=windows, recording=recording, **same)
            tasks.append(_Task(name, own, key))
    return tasks


def _measured(
    shared: _Shared, keys: Mapping[str, tuple[ClipKey, ...]], context: RunContext
) -> tuple[pd.DataFrame, list[str]]:
    """Return a row a clip and method, and what could not be measured."""
    tasks, store = _plan(shared, keys), context.store
    missing = [task for task in tasks if store.find(_STEP, task.key) is None]
    failed: dict[str, list[str]] = {}
    with context.progress.task("testing explanations", sum(len(task.keys) for task in missing), "clips") as bar:
        for outcome in run_tasks(
            _test,
            missing,
            workers=1 if context.device != "cpu" else max(1, min(context.workers, len(missing))),
            initializer=_Worker,
            initargs=(shared,),
            time_limit=context.time_limit,
            on_advance=lambda index, amount: bar.advance(amount),
        ):
            if outcome.error is not None:
                task = missing[outcome.index]
                failed.setdefault(task.method, []).append(f"{task.keys[0].recording} ({outcome.error})")
    found = []
    for task in tasks:
        folder = store.find(_STEP, task.key)
        if folder is not None:
            who = {"method": task.method, "participant": task.keys[0].participant}
            found.append(pd.read_parquet(folder / CLIPS_FILE).assign(**who))
    said = [
        f"Method '{name}' was not measured on {count(len(where), 'recording')}, first {where[0]}."
        for name, where in failed.items()
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(), said


class _Worker:
    """One process: the network, and the clips that it saw last."""

    def __init__(self, shared: _Shared) -> None:
        self.shared = shared
        self.store = Store(shared.explainer.root)
        self._begin()

    def _begin(self) -> None:
        self.model = self.shared.explainer.model(self.shared.explainer.networks[0])
        self._clips: tuple[tuple[ClipKey, ...], ClipBatch, dict[str, Perturbation]] | None = None

    @contextmanager
    def kept(self, method: AttributionMethod) -> Iterator[None]:
        """Hold a method to leaving the network as it was; after one that failed, it is built again."""
        try:
            with unchanged(method, self.model.module):
                yield
        except Exception:
            self._begin()
            raise

    def clips(self, keys: tuple[ClipKey, ...]) -> tuple[ClipBatch, dict[str, Perturbation]]:
        """Return the clips and what they are perturbed with; made once for all methods."""
        if self._clips is None or self._clips[0] != keys:
            shared, explainer = self.shared, self.shared.explainer
            batch = explainer.source.batch(keys).to(explainer.device)
            made = {
                name: Perturbation(
                    self.model,
                    batch,
                    explainer.objective.target,
                    fill="blur" if fill == "blur" else "median",
                    steps=shared.depth.steps,
                    orders=shared.depth.orders,
                    seed=own_seed(shared.seed, keys[0].participant),
                )
                for name, fill in _fills(batch.layout)
            }
            self._clips = keys, batch, made
        return self._clips[1], self._clips[2]


def _fills(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield what a clip can be filled with: landmarks cannot be blurred in space."""
    yield from ((name, fill) for name, fill in _FILLS.items() if layout == "video" or fill != "blur")


def _test(worker: _Worker, task: _Task, report: Callable[[float], None]) -> None:
    with worker.kept(worker.shared.explainer.methods[task.method]):
        rows = _tested(worker, task)
    with worker.store.write(_STEP, task.key, {"method": task.method, "recording": task.keys[0].recording}) as folder:
        rows.to_parquet(folder / CLIPS_FILE, index=False)
    report(len(rows))


def _tested(worker: _Worker, task: _Task) -> pd.DataFrame:
    """Return what the tests give for each clip of a task."""
    explainer, depth = worker.shared.explainer, worker.shared.depth
    seed = own_seed(worker.shared.seed, task.keys[0].participant)
    method, target, model = explainer.methods[task.method], explainer.objective.target, worker.model
    batch, perturbations = worker.clips(task.keys)
    memory = measure_cost(method, model, batch[:1], target).memory_mb
    cost = measure_cost(method, model, batch, target, memory=False)  # after it: libraries are imported on use
    explanation, relevance = cost.explanation, cost.explanation.relevance.detach().to("cpu", torch.float32)
    columns: dict[str, Any] = {
        "output": explanation.output,
        "baseline_output": explanation.baseline_output,
        "absolute_gap": None if explanation.gap is None else explanation.gap.abs(),
        "seconds": cost.seconds,
        "memory_mb": memory,
    }
    for name, perturbation in perturbations.items():
        curves = perturbation.curves(relevance)
        columns |= {f"deletion_{name}": curves.deletion, f"insertion_{name}": curves.insertion}
    last = [next(iter(model.stages))] if model.stages else None  # the first stage is the last to be drawn anew
    columns["randomisation"] = parameter_randomisation(
        model, method, batch, target, original=relevance, seed=seed, only=last
    ).left
    steady = stability(model, method, batch, target, original=relevance, draws=depth.draws, seed=seed)
    columns |= {"stability_noise": steady.noise, "stability_shift": steady.shift}
    return pd.DataFrame({name: _column(values, len(batch)) for name, values in columns.items()})


def _column(values: Any, count: int) -> Any:
    if values is None:
        return np.full(count, np.nan)
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    return np.broadcast_to(np.asarray(array, float), count)


def _scores(clips: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the table `SCORES` from a row a clip: means over a participant's clips, of the gap the largest.

    Clips in which a measure is undefined are not counted in its ``n``.
    """
    floor = clips["method"].map(GAP_FLOOR * clips.groupby("method")["output"].std(ddof=0))
    change = (clips["output"] - clips["baseline_output"].fillna(0)).abs()
    gap = (clips["absolute_gap"] / np.maximum(change, floor)).where(clips["absolute_gap"] != 0, 0.0)
    clips = clips.assign(gap=gap.where(clips["absolute_gap"].notna() & np.isfinite(gap)))
    clips = clips.drop(columns=["output", "baseline_output", "absolute_gap"])
    keys = ["method", "participant"]
    measures = [name for name in clips if name not in keys]
    how = {name: "max" if name == "gap" else "mean" for name in measures}
    grouped = clips.groupby(keys, sort=False)
    long = {"value": grouped.agg(how), "n": grouped[measures].count()}
    rows = pd.concat({name: wide.stack(future_stack=True) for name, wide in long.items()}, axis=1)
    rows = rows.rename_axis([*keys, "measure"]).reset_index()
    return rows.assign(task="", seed=seed, network="trained", index=0)


def _undefined(clips: pd.DataFrame) -> list[str]:
    """Return what could not be told of clips, though it was tested."""
    curves = clips[[name for name in clips if str(name).startswith(("deletion", "insertion"))]]
    if curves.isna().all(axis=None):
        return [
            "The network's output did not change with what was replaced in any clip: neither deletion nor insertion "
            "is defined. It may give the same output for every clip."
        ]
    lost = clips[curves.isna().any(axis=1)].groupby("method", sort=False).size()
    total = {str(name): int(many) for name, many in clips["method"].value_counts().items()}
    return [
        f"{name}: deletion or insertion is undefined in {many} of {count(total[str(name)], 'clip')}, which hold no "
        "relevance or do not change the output."
        for name, many in lost.items()
    ]

"""Explains one participant's clips in one network with one method, and holds the maps against what is planted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch

from mien.attribution.attributing import attributed, unchanged
from mien.benchmark import localisation
from mien.benchmark.cost import measure_cost
from mien.benchmark.networks import TaskClips
from mien.benchmark.tasks import PlantedTask
from mien.benchmark.truth import neutral_clip, truth_maps
from mien.faithfulness import Perturbation, own_seed, parameter_randomisation, pooled, stability
from mien.interfaces import AttributionMethod, ExplainedModel
from mien.regions.names import FACE
from mien.statistics import WindowedSeries
from mien.steps.explain import clips_identity
from mien.steps.identity import component_identity, step_key
from mien.steps.network import Network
from mien.store.store import Store
from mien.training.checkpoint import explained_model
from mien.types import BoolArray, ClipBatch, ClipKey, Explanation, FloatArray

SCORES_FILE, MAPS_FILE = "scores.parquet", "maps.npy"

T = TypeVar("T")


@dataclass(frozen=True)
class Depth:
    """How thoroughly a network's explanations are tested.

    Attributes
    ----------
    curves : bool
        Deletion and insertion.
    stages : int
        Stages of the network after which randomised maps are compared, the last ones from the head down; 0: not tested.
    draws : int
        Draws of noise for stability; 0: not tested.
    steps, orders : int
        Of the deletion and insertion curves: points, and random orders.
    memory : bool
        Whether the peak of memory is measured.
    """

    curves: bool = False
    stages: int = 0
    draws: int = 0
    steps: int = 12
    orders: int = 3
    memory: bool = False


@dataclass(frozen=True)
class MeasureTask:
    """One method, network and participant.

    Attributes
    ----------
    network : Network
    place : int
        The number of the clips in `Measured.clips`.
    scored : tuple of PlantedTask
        The tasks whose truth the maps are held against.
    floor : float
        What a completeness gap is divided by at least: a tenth of the standard deviation of held-out outputs.
    key : str
        In the store.
    """

    network: Network
    place: int
    method: str
    participant: str
    keys: tuple[ClipKey, ...]
    scored: tuple[PlantedTask, ...]
    depth: Depth
    floor: float
    key: str


@dataclass(frozen=True)
class Measured:
    """What is the same for all tasks; travels to the workers once."""

    clips: tuple[TaskClips, ...]
    methods: Mapping[str, AttributionMethod]
    root: Path
    device: str
    seed: int = 0


def measure_task(
    measured: Measured,
    network: Network,
    place: int,
    method: str,
    keys: Sequence[ClipKey],
    scored: Sequence[PlantedTask],
    depth: Depth,
    floor: float,
) -> MeasureTask:
    """Return the task that explains a participant's clips, with its key."""
    clips = measured.clips[place]
    config = clips.config
    key = step_key(
        "benchmark",
        network=network.identity,
        backbone=component_identity(config.backbone),
        objective=component_identity(config.objective),
        method=component_identity(measured.methods[method]),
        truth=component_identity(config.dataset),
        clips={one.recording: clips_identity(clips.source, one.recording) for one in keys},
        windows=[[one.recording, one.window] for one in keys],
        scored=[[task.name, list(task.regions), dict(task.label)] for task in scored],
        depth=asdict(depth),
        floor=floor,
        seed=measured.seed,
        device=measured.device.partition(":")[0],
    )
    return MeasureTask(network, place, method, keys[0].participant, tuple(keys), tuple(scored), depth, floor, key)


class MeasureWorker:
    """One process: the networks, clips and truths that it used last."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        self.store = Store(measured.root)
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._warm: set[str] = set()

    def seed(self, task: MeasureTask) -> int:
        """Return the seed of what is drawn at random in a task: each participant and network has its own."""
        return own_seed(self.measured.seed, task.network.identity, task.participant)

    def warmed_up(self, task: MeasureTask) -> AttributionMethod:
        """Return the task's method, which has explained something in this process: libraries are imported on use."""
        method = self.measured.methods[task.method]
        if task.method not in self._warm:
            target = self.measured.clips[task.place].config.objective.target
            attributed(method, self.model(task), self.batch(task)[:1], target)
            self._warm.add(task.method)
        return method

    def model(self, task: MeasureTask) -> ExplainedModel:
        """Return the task's network, on its device."""
        config = self.measured.clips[task.place].config

        def build() -> ExplainedModel:
            module = task.network.build(config.backbone, config.objective).to(self.measured.device)
            return explained_model(config.backbone, module)

        return self._keep(("model", task.network.identity), build)

    @contextmanager
    def kept(self, task: MeasureTask) -> Iterator[None]:
        """Hold the task's method to leaving the network as it was; after one that failed, it is built again."""
        try:
            with unchanged(self.measured.methods[task.method], self.model(task).module):
                yield
        except Exception:
            for name in [name for name in self._kept if isinstance(name, tuple) and task.network.identity in name]:
                del self._kept[name]
            raise

    def batch(self, task: MeasureTask) -> ClipBatch:
        """Return the task's clips, on the device of the networks."""
        source = self.measured.clips[task.place].source
        made = self._keep(("batch", task.place, task.keys), lambda: next(source.batches(task.keys, len(task.keys))))
        return made.to(self.measured.device)

    def truths(self, task: MeasureTask) -> list[Mapping[str, FloatArray]]:
        """Return the truth maps of each clip, by Action Unit."""
        clips = self.measured.clips[task.place]
        return [
            self._keep(("truth", task.place, key), partial(truth_maps, clips.truth, clips.source, key))
            for key in task.keys
        ]

    def perturbation(self, task: MeasureTask, fill: str) -> Perturbation:
        """Return the clips with what replaces their regions: ``blur``, or the face at rest (``neutral``)."""
        clips, batch, model = self.measured.clips[task.place], self.batch(task), self.model(task)

        def make() -> Perturbation:
            chosen: Any = fill
            if fill == "neutral":
                rest = [neutral_clip(clips.truth, clips.source, key) for key in task.keys]
                chosen = torch.cat(rest).to(batch.inputs)
            return Perturbation(
                model,
                batch,
                clips.config.objective.target,
                fill=chosen,
                steps=task.depth.steps,
                orders=task.depth.orders,
                seed=self.seed(task),
            )

        return self._keep(("fill", fill, task.network.identity, task.place, task.keys), make)

    def _keep(self, name: Hashable, make: Callable[[], T]) -> T:
        if name not in self._kept:
            self._kept[name] = make()
            while len(self._kept) > 200:  # clips and truth maps of a few megabytes together
                self._kept.popitem(last=False)
        self._kept.move_to_end(name)
        found: T = self._kept[name]
        return found


def measure(worker: MeasureWorker, task: MeasureTask, report: Callable[[float], None]) -> None:
    """Write the scores of a task, and its maps summed over channels, into the store."""
    with worker.kept(task):
        table, maps = _measured(worker, task)
    with worker.store.write("benchmark", task.key, {"method": task.method}) as folder:
        table.to_parquet(folder / SCORES_FILE, index=False)
        np.save(folder / MAPS_FILE, maps.astype(np.float32), allow_pickle=False)
    report(1)


def _measured(worker: MeasureWorker, task: MeasureTask) -> tuple[pd.DataFrame, FloatArray]:
    model, batch = worker.model(task), worker.batch(task)
    method = worker.warmed_up(task)
    target = worker.measured.clips[task.place].config.objective.target
    cost = measure_cost(method, model, batch, target, memory=False)
    relevance = cost.explanation.relevance.detach().to("cpu", torch.float32)
    maps = pooled(relevance, batch)
    rows = _planted(worker, task, maps)
    rows += [(None, "seconds", cost.seconds)]
    if task.depth.memory:
        one = measure_cost(method, model, batch[:1], target)
        rows += [(None, "memory_mb", one.memory_mb)]
    rows += [(None, "gap", _gap(cost.explanation, task.floor))]
    rows += _faithful(worker, task, method, maps)
    return pd.DataFrame(rows, columns=["task", "measure", "value"]).assign(n=len(batch)), maps


Rows = list[tuple[str | None, str, float]]
"""Task (None: every scored one), measure and value."""


def _planted(worker: MeasureWorker, task: MeasureTask, maps: FloatArray) -> Rows:
    batch, absolute = worker.batch(task), np.abs(maps)
    bits, names = batch.regions.cpu().numpy(), batch.region_names
    face = inside(bits, names, (FACE,))
    rows: Rows = [
        (
            None,
            "background_share",
            _mean(localisation.background_share(*one) for one in zip(absolute, face, strict=True)),
        )
    ]
    with_truth = [planted for planted in task.scored if planted.regions]
    if not with_truth:
        return rows
    found = [localisation.densities(one, own, names) for one, own in zip(absolute, bits, strict=True)]
    densities = {name: _mean(each[name] for each in found) for name in found[0]}
    shares = _mean_map(absolute.sum(1))
    truths = worker.truths(task)
    truth = {unit: np.mean([each[unit] for each in truths], axis=0) for unit in truths[0]}
    named = localisation.matched_unit(shares, truth, face.any((0, 1)))
    for planted in with_truth:
        region = inside(bits, names, planted.regions)
        own = [localisation.union(each, planted.units) for each in truths]
        flat = absolute.sum(1)
        rows += [
            (planted.name, "densest_planted", localisation.put_first(densities, planted.regions)),
            (planted.name, "unit_named", np.nan if named is None else float(named in planted.units)),
            (
                planted.name,
                "density",
                _mean(localisation.density(*one) for one in zip(absolute, region, face, strict=True)),
            ),
            (
                planted.name,
                "mass_accuracy",
                _mean(localisation.mass_accuracy(*one) for one in zip(flat, own, strict=True)),
            ),
            (
                planted.name,
                "rank_accuracy",
                _mean(localisation.rank_accuracy(*one) for one in zip(flat, own, strict=True)),
            ),
        ]
        if worker.measured.methods[task.method].signed:  # without a sign nothing could follow for and against
            series = region_in_time(worker.measured.clips[task.place], planted, task, maps, region)
            followed = localisation.temporal_correlation(series, draws=1)[task.participant]  # tested over all people
            rows += [(planted.name, "temporal_r", followed.r)]
    return rows


def region_in_time(
    clips: TaskClips, planted: PlantedTask, task: MeasureTask, maps: FloatArray, region: BoolArray
) -> list[WindowedSeries]:
    """Return a participant's planted intensity and the planted region's signed relevance, recording by recording.

    Parameters
    ----------
    maps : ndarray, shape (B, T, H, W)
        Signed relevance of the task's clips.
    region : ndarray of bool, same shape
        Where the planted Action Units show.
    """
    places = [clips.truth.planted_units.index(unit) for unit in planted.units]
    windows: dict[str, list[Any]] = {}
    for key, own, mask in zip(task.keys, maps, region, strict=True):
        content = np.asarray(clips.source.windows(key.recording)[key.window].content)
        windows.setdefault(key.recording, []).append((content, localisation.region_series(own, mask)[:, None]))
    return [
        WindowedSeries(task.participant, clips.truth.intensities(id_)[:, places].mean(1, keepdims=True), found)
        for id_, found in windows.items()
    ]


def _faithful(worker: MeasureWorker, task: MeasureTask, method: AttributionMethod, maps: FloatArray) -> Rows:
    depth, model, batch = task.depth, worker.model(task), worker.batch(task)
    target = worker.measured.clips[task.place].config.objective.target
    original, rows = torch.from_numpy(maps), Rows()
    for fill in ("blur", "neutral") if depth.curves else ():
        curves = worker.perturbation(task, fill).curves(original)
        rows += [
            (None, f"deletion_{fill}", _mean(curves.deletion)),
            (None, f"insertion_{fill}", _mean(curves.insertion)),
        ]
    if depth.stages:
        compared = list(reversed(list(model.stages)))[-depth.stages :]
        after = parameter_randomisation(
            model, method, batch, target, original=original, seed=worker.seed(task), only=compared
        )
        rows += [(None, "randomisation", _mean(after.left))]
    if depth.draws:
        steady = stability(model, method, batch, target, original=original, draws=depth.draws, seed=worker.seed(task))
        rows += [(None, "stability_noise", _mean(steady.noise)), (None, "stability_shift", _mean(steady.shift))]
    return rows


def _gap(explanation: Explanation, floor: float) -> float:
    if explanation.gap is None:
        return float("nan")
    before = explanation.baseline_output
    change = explanation.output - (torch.zeros_like(explanation.output) if before is None else before)
    relative = explanation.gap.abs() / change.abs().clamp(min=max(floor, 1e-12))
    return float(relative.max())


def inside(bits: Any, names: Sequence[str], regions: Sequence[str]) -> BoolArray:
    """Return which elements are in any of some regions."""
    wanted = sum(1 << names.index(region) for region in regions)
    held: BoolArray = (bits & wanted) > 0
    return held


def _mean_map(absolute: FloatArray) -> FloatArray:
    """Return the mean of maps that each count the same; all 0 where none has relevance."""
    totals = absolute.sum((1, 2), keepdims=True)
    shares = np.divide(absolute, totals, out=np.zeros_like(absolute), where=totals > 0)
    return np.asarray(shares.mean(0))


def _mean(values: Any) -> float:
    """Return the mean of the defined values; NaN where there is none."""
    known = np.array([value for value in values if np.isfinite(value)])
    return float(known.mean()) if len(known) else float("nan")

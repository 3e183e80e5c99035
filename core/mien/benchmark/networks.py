"""The networks of the benchmark: one for each planted task and seed, trained through the store."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mien.benchmark.tasks import PlantedTask
from mien.clips.source import ClipSource
from mien.config.loading import load_document, parse_config
from mien.config.run_config import RunConfig
from mien.errors import ConfigError, PluginError
from mien.interfaces.planted import PlantedTruth
from mien.parallel import run_tasks
from mien.registry import Registry, load_registry
from mien.steps.context import RunContext
from mien.steps.identity import component_identity, step_key
from mien.steps.learn import Trained, predict_once, train_once
from mien.steps.network import NetworkId
from mien.steps.networks import relabelled
from mien.steps.prepare_clips import prepare_clips
from mien.store.store import Store
from mien.training.permutation import permuted_labels
from mien.types import Exclusion, Recording

if TYPE_CHECKING:
    from collections.abc import Callable

PLANTED = ("dataset", "animated_face")
"""The data set whose truth is planted; its package holds the recipe too."""


@dataclass(frozen=True)
class TaskClips:
    """The clips of a task, and what is known of them.

    Attributes
    ----------
    config : RunConfig
        With the task's data set.
    source : ClipSource
        Under the labels that the networks learn.
    recordings : sequence of Recording
        Those of the source.
    truth : PlantedTruth
    exclusions : sequence of Exclusion
        Recordings that were set aside.
    """

    task: PlantedTask
    config: RunConfig
    source: ClipSource
    recordings: Sequence[Recording]
    truth: PlantedTruth
    exclusions: Sequence[Exclusion] = ()


@dataclass(frozen=True)
class TaskNetwork:
    """A trained network: its task and seed, the weights, and what it says of the held-out recordings."""

    clips: TaskClips
    seed: int
    trained: Trained
    predictions: pd.DataFrame


def recipe(registry: Registry, overrides: Sequence[str] = ()) -> RunConfig:
    """Return the configuration that all networks share.

    Raises
    ------
    ConfigError
        When the plugin with the planted data set is not installed, or an override does not fit.
    """
    package = registry.entry(*PLANTED).target.partition(".")[0]
    file: Traversable = importlib.resources.files(package) / "configs" / "explanations.yaml"
    if not file.is_file():
        raise ConfigError("The recipe of the benchmark is not installed.", where=str(file))
    with importlib.resources.as_file(file) as path:
        return parse_config(load_document(path, overrides), registry)


def prepare_task(task: PlantedTask, config: RunConfig, context: RunContext, epochs: int | None = None) -> TaskClips:
    """Render the task's videos, find the faces and cut the clips; tasks that share videos share this work.

    Parameters
    ----------
    epochs : int, optional
        In place of the task's own.

    Raises
    ------
    PluginError
        When the data set does not know its planted truth.
    """
    dataset = config.dataset.model_copy(update={"label": dict(task.label), "badge": task.badge})
    if not isinstance(dataset, PlantedTruth):
        raise PluginError("The data set does not tell what is planted in it.", where=f"dataset '{dataset.use}'")
    training = config.training.model_copy(update={"epochs": epochs or task.epochs})
    config = config.model_copy(update={"dataset": dataset, "training": training})
    # Without a badge nothing in the videos tells which label they are for.
    filmed = dataset.model_copy(update={"label": {"AU12": 1.0}}) if task.badge == "none" else dataset
    folder = context.store.scratch("dataset", step_key("dataset", dataset=component_identity(filmed)))
    listing = dataset.recordings(folder, context.progress)
    prepared, source = prepare_clips(listing.recordings, config, config.backbone, context)
    used = [item.recording for item in prepared.recordings]
    return TaskClips(task, config, source, used, dataset, prepared.exclusions)


@dataclass(frozen=True)
class _TrainTask:
    clips: TaskClips
    seed: int


def train_networks(tasks: Sequence[TaskClips], seeds: Sequence[int], context: RunContext) -> list[TaskNetwork]:
    """Return the trained network of every task and seed, in order; those of a CPU train beside each other.

    On a CPU each trains in a process with one thread: for networks this small two at a time are faster than one after
    the other with two threads, and the weights do not depend on the number of workers.
    """
    todo = [_TrainTask(clips, seed) for clips in tasks for seed in seeds]
    workers = context.workers if context.device == "cpu" else 1
    made: dict[int, TaskNetwork] = {}
    with context.progress.task("training the networks", len(todo), "networks") as bar:
        for outcome in run_tasks(
            _train, todo, workers=workers, initializer=_Worker, initargs=(context.store.root, context.device)
        ):
            if outcome.error is not None:
                raise outcome.error
            assert outcome.value is not None
            made[outcome.index] = outcome.value
            bar.advance()
    return [made[index] for index in range(len(todo))]


class _Worker:
    def __init__(self, root: Path, device: str) -> None:
        self.context = RunContext(Store(root), load_registry(), device=device)


def _train(worker: _Worker, task: _TrainTask, report: Callable[[float], None]) -> TaskNetwork:
    clips, context = task.clips, worker.context
    config = clips.config.model_copy(update={"seed": task.seed})
    source, recordings = clips.source, clips.recordings
    if clips.task.shuffled:
        labels = permuted_labels([r for r in recordings if r.split != "test"], task.seed, 0, 0)
        source = relabelled(source, labels)
        recordings = [replace(r, label=labels.get(r.id, r.label)) for r in recordings]
    trained = train_once(config, source, recordings, context, NetworkId("trained", task.seed))
    held_out: Mapping[str, Recording] = {r.id: r for r in recordings if r.split == "test"}
    backbone: Any = config.backbone
    predictions = predict_once(trained, backbone, config.objective, source, held_out, context)
    return TaskNetwork(clips, task.seed, trained, predictions)

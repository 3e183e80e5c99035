"""Explain windows with every method, for the trained networks and for those of the controls, and pool the relevance.

On a CPU the recordings are explained by processes with one thread each, so that the tables do not depend on
how many there are; on a GPU by this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from mien.attribution.attributing import attributed, unchanged
from mien.clips.source import ClipSource
from mien.config.network import analyzer_parts, method_parts, raise_all, refusals
from mien.errors import DataError, MienError, ModelError
from mien.interfaces import AttributionMethod, Backbone, ExplainedModel, Objective
from mien.parallel import Cluster, run_tasks
from mien.regions.pooling import pool_cells
from mien.registry import Registry
from mien.steps.identity import component_identity, step_key
from mien.steps.network import Network, NetworkId
from mien.store.store import Store
from mien.training.checkpoint import explained_model
from mien.types import ClipBatch, ClipKey, Explanation, FloatArray

if TYPE_CHECKING:
    from mien.config.run_config import ExplainConfig
    from mien.progress import Progress


@dataclass(frozen=True)
class ExplainTask:
    """Explain these windows of one recording with one method, in one network."""

    method: str
    network: NetworkId
    recording: str
    keys: tuple[ClipKey, ...]
    key: str


@dataclass(frozen=True)
class Explainer:
    """What is the same for all tasks; travels to the workers once."""

    source: ClipSource
    backbone: Backbone
    objective: Objective
    methods: Mapping[str, AttributionMethod]
    networks: tuple[Network, ...]
    root: Path
    device: str
    batch: int = 1

    def model(self, network: Network) -> ExplainedModel:
        """Return a network as attribution methods get it."""
        module = network.build(self.backbone, self.objective).to(self.device)
        return explained_model(self.backbone, module)


def check_methods(methods: Mapping[str, AttributionMethod], model: ExplainedModel, registry: Registry) -> None:
    """Raise `MienError` when a method cannot explain the network; before any computing."""
    raise_all(_refusing(methods, model, registry))


def check_parts(config: ExplainConfig, model: ExplainedModel, registry: Registry) -> None:
    """Raise `MienError` when methods or analyzers cannot work with the network, with all of them; before any computing.

    ``where`` is the place in the configuration.
    """
    refused = _refusing(config.explain.methods, model, registry)
    raise_all([*refused, *refusals(analyzer_parts(config.analyzers), lambda analyzer: analyzer.check(model), "check")])


def _refusing(methods: Mapping[str, AttributionMethod], model: ExplainedModel, registry: Registry) -> list[MienError]:
    def ask(method: AttributionMethod) -> None:
        registry.require("attribution", method.use)
        method.check(model)

    return list(refusals(method_parts(methods), ask, "check"))


def plan(explainer: Explainer, selected: Mapping[str, Sequence[ClipKey]], network: Network) -> list[ExplainTask]:
    """Return the tasks of one network.

    Parameters
    ----------
    selected : mapping of str to sequence of ClipKey
        The windows to explain by recording.
    """
    tasks = []
    backbone, objective = component_identity(explainer.backbone), component_identity(explainer.objective)
    for name, method in explainer.methods.items():
        identity = component_identity(method)
        for recording, keys in selected.items():
            key = step_key(
                "explain",
                network=network.identity,
                backbone=backbone,
                method=identity,
                objective=objective,
                clips=clips_identity(explainer.source, recording),
                windows=[key.window for key in keys],
            )
            tasks.append(ExplainTask(name, network.id, recording, tuple(keys), key))
    return tasks


def clips_identity(source: ClipSource, recording: str) -> dict[str, object]:
    """Return what decides the clips of a recording: its stored crops and track, and how windows are cut."""
    prepared = source.prepared(recording)
    return {
        "track": prepared.track.name,
        "crops": prepared.crops.name,
        "windows": source.windows_settings.model_dump(),
        "pooling": source.pooling.model_dump(),
        "input": asdict(source.spec),
    }


class _Worker:
    """One process's network: the last one that was asked for, since tasks come ordered by network."""

    def __init__(self, explainer: Explainer) -> None:
        self.explainer = explainer
        self.store = Store(explainer.root)
        self._networks = {network.id: network for network in explainer.networks}
        self._model: tuple[NetworkId, ExplainedModel] | None = None

    def model(self, network: NetworkId) -> ExplainedModel:
        if self._model is None or self._model[0] != network:
            self._model = None  # one network at a time in memory
            self._model = network, self.explainer.model(self._networks[network])
        return self._model[1]

    @contextmanager
    def kept(self, method: AttributionMethod) -> Iterator[None]:
        """Hold a method to leaving the network as it was; after one that failed, the network is built again."""
        assert self._model is not None
        try:
            with unchanged(method, self._model[1].module):
                yield
        except BaseException:
            self._model = None
            raise


def _explain(worker: _Worker, task: ExplainTask, report: Callable[[float], None]) -> None:
    explainer, model = worker.explainer, worker.model(task.network)
    method = explainer.methods[task.method]
    cells, notes, diagnostics, maps = [], [], [], []
    with worker.kept(method):
        for batch in explainer.source.batches(task.keys, explainer.batch):
            began = time.perf_counter()
            moved = batch.to(explainer.device)
            explanation = attributed(method, model, moved, explainer.objective.target)
            seconds = (time.perf_counter() - began) / len(batch)
            relevance = explanation.relevance.detach().to("cpu", torch.float32)
            if not bool(relevance.isfinite().all()):  # finite in double precision, and too large for single
                raise ModelError("Relevance is larger than 32 bits hold.", where=f"method '{task.method}'")
            cells.append(pool_cells(relevance, batch))
            notes.append(_explanation_rows(explanation, batch, seconds))
            diagnostics.append(_diagnostic_rows(explanation, batch))
            maps.append(relevance.sum(1 if batch.layout == "video" else -1).numpy())
            report(len(batch))
    with worker.store.write("explain", task.key, {"method": task.method, "recording": task.recording}) as folder:
        pd.concat(cells).to_parquet(folder / "cells.parquet", index=False)
        pd.concat(notes).to_parquet(folder / "explanations.parquet", index=False)
        pd.concat(diagnostics).to_parquet(folder / "diagnostics.parquet", index=False)
        if task.network.trained:
            np.save(folder / "maps.npy", np.concatenate(maps).astype(np.float32), allow_pickle=False)


def _explanation_rows(explanation: Explanation, batch: ClipBatch, seconds: float) -> pd.DataFrame:
    def column(values: torch.Tensor | None) -> FloatArray:
        return np.full(len(batch), np.nan) if values is None else _floats(values)

    return pd.DataFrame(
        {
            "recording": [key.recording for key in batch.keys],
            "window": [key.window for key in batch.keys],
            "output": column(explanation.output),
            "baseline_output": column(explanation.baseline_output),
            "absolute": _floats(explanation.relevance.double().abs().flatten(1).sum(1)),
            "gap": column(explanation.gap),
            "seconds": seconds,
            "steps": column(explanation.diagnostics.get("steps")),
        }
    )


def _diagnostic_rows(explanation: Explanation, batch: ClipBatch) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"window": [key.window for key in batch.keys], "name": name, "value": _floats(values)})
        for name, values in explanation.diagnostics.items()
    ]
    # Parquet holds the types of the columns, also where a method measures nothing else.
    none = pd.DataFrame({"window": np.zeros(0, np.int64), "name": pd.Series([], dtype=str), "value": np.zeros(0)})
    return pd.concat(parts) if parts else none


def _floats(values: torch.Tensor) -> FloatArray:
    return np.asarray(values.detach().cpu().numpy(), float)


def explain(
    explainer: Explainer,
    tasks: Sequence[ExplainTask],
    *,
    store: Store,
    workers: int,
    time_limit: float | None,
    progress: Progress,
    done: Callable[[ExplainTask], object] = lambda task: None,
    cluster: Cluster | None = None,
) -> tuple[dict[ExplainTask, Path], list[tuple[ExplainTask, MienError]], int]:
    """Explain what the store does not hold yet.

    Returns
    -------
    found : dict of ExplainTask to Path
        The stored result of each task that has one.
    failed : list of (ExplainTask, MienError)
    reused : int
        How many results the store held already.
    """
    missing = [task for task in tasks if store.find("explain", task.key) is None]
    failed: list[tuple[ExplainTask, MienError]] = []
    if missing:
        clips = sum(len(task.keys) for task in missing)
        with progress.task("explaining", clips, "clips") as bar:
            outcomes = run_tasks(
                _explain,
                missing,
                workers=1 if explainer.device != "cpu" else min(workers, len(missing)),
                time_limit=time_limit,
                initializer=_Worker,
                initargs=(explainer,),
                on_advance=lambda index, amount: bar.advance(amount),
                name=lambda task: f"Explaining recording {task.recording} with the method '{task.method}'",
                cluster=cluster,
            )
            for outcome in outcomes:
                task = missing[outcome.index]
                if outcome.error is not None:
                    failed.append((task, outcome.error))
                else:
                    done(task)
    broken = {task for task, _ in failed}
    return (
        {task: _entry(store, task) for task in tasks if task not in broken},
        failed,
        len(tasks) - len(missing),
    )


def _entry(store: Store, task: ExplainTask) -> Path:
    path = store.find("explain", task.key)
    if path is None:
        raise DataError("A stored explanation disappeared during the run.", where=str(store.root), hint="Run again.")
    return path

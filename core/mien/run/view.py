"""The view of a run that analyzers and the report get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from mien.errors import ModelError, nearest
from mien.steps.track import load_track
from mien.store.arrays import read_rows

if TYPE_CHECKING:
    from mien.clips.source import ClipSource
    from mien.interfaces import AttributionMethod, ExplainedModel, Objective
    from mien.steps.explain import Explainer, ExplainTask
    from mien.types import ClipBatch, ClipKey, FaceTrack, FloatArray, LandmarkScheme


@dataclass(frozen=True)
class RunResults:
    """Implements `mien.interfaces.RunView` over the tables and the store of a run."""

    tables: Mapping[str, pd.DataFrame]
    source: ClipSource
    explainer: Explainer
    found: Mapping[ExplainTask, Path]
    seed: int

    @property
    def recordings(self) -> pd.DataFrame:
        """One row a recording."""
        return self.tables["recordings"]

    @property
    def predictions(self) -> pd.DataFrame:
        """One row a window."""
        return self.tables["predictions"]

    @property
    def relevance(self) -> pd.DataFrame:
        """Method x window x frame x region."""
        return self.tables["relevance"]

    @property
    def control_relevance(self) -> pd.DataFrame:
        """The same of untrained networks, summed over frames."""
        return self.tables["control_relevance"]

    @property
    def action_units(self) -> pd.DataFrame:
        """Source x recording x frame x Action Unit."""
        return self.tables["action_units"]

    @property
    def region_names(self) -> tuple[str, ...]:
        """The regions, in the order of their bits."""
        return self.source.region_names

    @property
    def scheme(self) -> LandmarkScheme:
        """Of the tracks' landmarks."""
        return self.source.scheme

    @property
    def objective(self) -> Objective:
        """What the network's output means."""
        return self.explainer.objective

    @property
    def methods(self) -> Mapping[str, AttributionMethod]:
        """Attribution methods by name."""
        return self.explainer.methods

    @cached_property
    def model(self) -> ExplainedModel:
        """The trained network."""
        return self.explainer.model(self.explainer.networks[0])

    @cached_property
    def _tasks(self) -> Mapping[tuple[str, str], ExplainTask]:
        return {(task.method, task.recording): task for task in self.found if task.network is None}

    @property
    def explained(self) -> list[ClipKey]:
        """The clips that were explained."""
        return list(dict.fromkeys(key for task in self._tasks.values() for key in task.keys))

    def was_explained(self, method: str, recording: str) -> bool:
        """Whether a method explained a recording."""
        return (method, recording) in self._tasks

    def track(self, recording: str) -> FaceTrack:
        """Return the whole face track of a recording."""
        return load_track(self.source.prepared(recording).track)

    def clips(self, keys: Sequence[ClipKey] | None = None) -> Iterator[ClipBatch]:
        """Yield the explained clips, or those named."""
        yield from self.source.batches(self.explained if keys is None else keys, self.explainer.batch)

    def maps(self, method: str, key: ClipKey) -> FloatArray:
        """Return the relevance of one clip summed over channels: ``(T, H, W)`` or ``(T, N)``."""
        task = self._tasks[method, key.recording]
        row = task.keys.index(key)
        return np.asarray(read_rows(self.found[task] / "maps.npy", row, row + 1)[0])

    def features(self, stage: str, keys: Sequence[ClipKey] | None = None) -> Iterator[tuple[ClipBatch, torch.Tensor]]:
        """Yield batches of clips with the output of a stage of the network for them, on the CPU.

        Raises
        ------
        ModelError
            When the network has no stage of that name.
        """
        model = self.model
        if stage not in model.stages:
            raise ModelError(f"{model.name} has no stage '{stage}'.", hint=nearest(stage, model.stages))
        kept: list[torch.Tensor] = []
        hook = model.stages[stage].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
        try:
            for batch in self.clips(keys):
                with torch.no_grad():
                    model.module(batch.inputs.to(self.explainer.device))
                yield batch, kept.pop().detach().cpu()
        finally:
            hook.remove()

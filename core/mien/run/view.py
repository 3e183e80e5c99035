"""The view of a run that analyzers and the report get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from mien.attribution import stage_features
from mien.attribution.attributing import differences, network_print
from mien.errors import DataError
from mien.steps.network import Network, NetworkId
from mien.steps.track import load_track
from mien.store.arrays import read_rows

if TYPE_CHECKING:
    from mien.clips.source import ClipSource
    from mien.interfaces import AttributionMethod, ExplainedModel, Objective
    from mien.steps.explain import Explainer, ExplainTask
    from mien.types import ClipBatch, ClipKey, FaceTrack, FloatArray, InputSpec, LandmarkScheme, Recording, Tile

_ABOUT = ("recording", "participant")


@dataclass(frozen=True)
class RunResults:
    """Implements `mien.interfaces.RunView` over the tables and the store of a run.

    ``judging`` is the number of the fold whose network judges a recording, by its id; the first where it is left out.
    """

    tables: Mapping[str, pd.DataFrame]
    source: ClipSource
    explainer: Explainer
    found: Mapping[ExplainTask, Path]
    seed: int
    judging: Mapping[str, int] = field(default_factory=dict)
    _last: dict[NetworkId, ExplainedModel] = field(default_factory=dict, repr=False, compare=False)
    _prints: dict[NetworkId, dict[str, Any]] = field(default_factory=dict, repr=False, compare=False)

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
        """The same of the controls, summed over frames."""
        return self.tables["control_relevance"]

    @property
    def action_units(self) -> pd.DataFrame:
        """Source x recording x frame x Action Unit."""
        return self.tables["action_units"]

    @cached_property
    def covariates(self) -> pd.DataFrame:
        """Recording, participant, and a column for each covariate."""
        return covariates_table(self.source.recordings)

    @property
    def region_names(self) -> tuple[str, ...]:
        """The regions, in the order of their bits."""
        return self.source.region_names

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The rectangles of the crop."""
        return self.source.cropper.tiles

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
        """The trained network of the first fold."""
        return self._built(self.explainer.networks[0])

    def _built(self, network: Network) -> ExplainedModel:
        model = self.explainer.model(network)
        self._prints[network.id] = network_print(model.module)
        return model

    def forget_changed(self) -> str:
        """Return in words what was changed of the networks in memory since they were built; they are built anew."""
        models = dict(self._last)
        if "model" in vars(self):
            models[self.explainer.networks[0].id] = self.model
        found = [differences(self._prints[id_], network_print(model.module)) for id_, model in models.items()]
        changed = ", ".join(text for text in found if text)
        if changed:
            self._last.clear()
            vars(self).pop("model", None)
        return changed

    def model_of(self, recording: str) -> ExplainedModel:
        """Return the trained network that judges a recording."""
        return self._model_of(self._fold_of(recording))

    def _model_of(self, fold: int) -> ExplainedModel:
        """Return the trained network of a fold; that of the first stays in memory, and the last other one."""
        wanted = NetworkId(fold=fold)
        first = self.explainer.networks[0]
        if first.id == wanted:
            return self.model
        if wanted not in self._last:
            network = next(one for one in self.explainer.networks if one.id == wanted)
            self._last.clear()
            self._last[wanted] = self._built(network)
        return self._last[wanted]

    def _fold_of(self, recording: str) -> int:
        return self.judging.get(recording, self.explainer.networks[0].id.fold)

    @cached_property
    def _tasks(self) -> Mapping[tuple[str, str], ExplainTask]:
        return {(task.method, task.recording): task for task in self.found if task.network.trained}

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

    def clips(self, keys: Sequence[ClipKey] | None = None, spec: InputSpec | None = None) -> Iterator[ClipBatch]:
        """Yield the explained clips, or those named, as the network saw them or standardised as ``spec`` says."""
        yield from self.source.batches(self.explained if keys is None else keys, self.explainer.batch, spec)

    def maps(self, method: str, key: ClipKey) -> FloatArray:
        """Return the relevance of one clip summed over channels: ``(T, H, W)`` or ``(T, N)``."""
        task = self._tasks[method, key.recording]
        row = task.keys.index(key)
        return np.asarray(read_rows(self.found[task] / "maps.npy", row, row + 1)[0])

    def features(self, stage: str, keys: Sequence[ClipKey] | None = None) -> Iterator[tuple[ClipBatch, torch.Tensor]]:
        """Yield batches of clips with the output of a stage of their own fold's network for them, on the CPU.

        Raises
        ------
        ModelError
            When the network has no stage of that name, or the stage has no output (see `stage_features`).
        """
        wanted = self.explained if keys is None else keys
        for fold, own in groupby(wanted, lambda key: self._fold_of(key.recording)):
            yield from self._features(self._model_of(fold), stage, list(own))

    def _features(
        self, model: ExplainedModel, stage: str, keys: Sequence[ClipKey]
    ) -> Iterator[tuple[ClipBatch, torch.Tensor]]:
        for batch in self.clips(keys):
            yield batch, stage_features(model, batch.inputs.to(self.explainer.device), stage)


def covariates_table(recordings: Sequence[Recording]) -> pd.DataFrame:
    """Return one row a recording: recording, participant, and a column for each covariate that any of them has.

    A column is numeric (float64) where all known values are numbers, and text otherwise; unknown values are absent.

    Raises
    ------
    DataError
        When a covariate is called like one of the two columns.
    """
    names = list(dict.fromkeys(name for recording in recordings for name in recording.covariates))
    taken = next((name for name in names if name in _ABOUT), None)
    if taken is not None:
        raise DataError(f"A covariate is called '{taken}', which is a column of its own.", hint="Rename it.")
    table = pd.DataFrame([(r.id, r.participant) for r in recordings], columns=list(_ABOUT), dtype="str")
    for name in names:
        values = [recording.covariates.get(name) for recording in recordings]
        numeric = all(isinstance(value, int | float) for value in values if value is not None)
        dtype = "float64" if numeric else "str"
        table[name] = pd.Series(values if numeric else [_text(value) for value in values], dtype=dtype)
    return table


def _text(value: str | float | None) -> str | None:
    # All digits, so that different numbers stay different; 3.0 is the 3 that another recording may have.
    return None if value is None else str(float(value)).removesuffix(".0") if isinstance(value, float) else str(value)

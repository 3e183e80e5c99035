"""Measures the faithfulness of each method's maps on a few clips of a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mien.errors import MienError
from mien.faithfulness import Curves, Perturbation, own_seed, parameter_randomisation, stability
from mien.parallel.worker import attempt

if TYPE_CHECKING:
    from mien.interfaces import AttributionMethod, ExplainedModel, RunView
    from mien.types import ClipBatch, ClipKey, FloatArray
    from mien_plugins.analyzers.faithfulness import Faithfulness

log = logging.getLogger(__name__)

Curve = tuple[str, str, str]
"""Test (deletion or insertion), fill, and method; an empty method is the random orders'."""


@dataclass
class Measured:
    """What was measured.

    Attributes
    ----------
    rows : DataFrame
        method, participant, recording, window, measure, stage, value.
    curves : mapping of Curve to list of ndarray
        A curve a clip, at the shares `mien.faithfulness.curves.GRID`.
    stages : list of str
        The network's stages, in the order in which they were drawn anew.
    gaps : list of str
        What could not be measured, and why.
    """

    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: dict[Curve, list[FloatArray]] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


def measured(asked: Faithfulness, run: RunView, chosen: Mapping[str, Sequence[ClipKey]]) -> Measured:
    """Return the measures of every method on the chosen clips; a method that fails is a gap and not tried again."""
    found = Measured()
    rows: list[dict[str, Any]] = []
    failed: set[str] = set()
    explained = set(zip(run.relevance["method"], run.relevance["recording"], strict=True))
    for recording, keys in chosen.items():
        model = run.model_of(recording)
        device = next((parameter.device for parameter in model.module.parameters()), torch.device("cpu"))
        for batch in run.clips(keys):
            clips = _Clips(asked, run, model, batch.to(device))
            found.gaps += [gap for gap in clips.gaps if gap not in found.gaps]
            for name, method in run.methods.items():
                if name in failed or (name, recording) not in explained:
                    continue
                outcome = attempt(clips.of, name, method, found)
                if outcome.error is None:
                    rows += outcome.value
                else:
                    failed.add(name)
                    log.warning("faithfulness of %s: %s", name, outcome.error)
                    log.debug("%s", outcome.trace)
                    found.gaps.append(f"{name}: its faithfulness is not tested further: {outcome.error}")
    found.rows = pd.DataFrame(rows)
    return found


class _Clips:
    """Clips of one recording, what fills them, and the network that judges them."""

    def __init__(self, asked: Faithfulness, run: RunView, model: ExplainedModel, batch: ClipBatch) -> None:
        self.asked, self.run, self.model, self.batch = asked, run, model, batch
        self.seed = own_seed(run.seed, batch.keys[0].participant)
        self.target = run.objective.target
        self.gaps: list[str] = []
        self.perturbations: dict[str, Perturbation] = {}
        for fill in asked.fills:
            try:
                self.perturbations[fill] = Perturbation(
                    model,
                    batch,
                    self.target,
                    fill=fill,
                    segments=asked.segments,
                    steps=asked.steps,
                    orders=asked.orders,
                    seed=self.seed,
                )
            except MienError as error:
                self.gaps.append(f"Nothing was replaced with the fill '{fill}': {error}")

    def of(self, name: str, method: AttributionMethod, found: Measured) -> list[dict[str, Any]]:
        """Return the rows of one method, and keep its curves."""
        maps = torch.from_numpy(np.stack([self.run.maps(name, key) for key in self.batch.keys]))
        rows = self._randomisation(name, method, maps, found) + self._stability(name, method, maps)
        curves = {fill: made.curves(maps) for fill, made in self.perturbations.items()}
        for test in ("deletion", "insertion"):
            values = {fill: getattr(own, test) for fill, own in curves.items()}
            for fill, own in values.items():
                rows += self._rows(name, f"{test}_{fill}", own)
            if values:
                rows += self._rows(name, test, np.mean(list(values.values()), axis=0))
        for fill, own in curves.items():
            _keep(found, name, fill, own)
        return rows

    def _randomisation(
        self, name: str, method: AttributionMethod, maps: Tensor, found: Measured
    ) -> list[dict[str, Any]]:
        stages = list(self.model.stages)[::-1]
        only = None if self.asked.stages == "every" or not stages else stages[-1:]
        own = parameter_randomisation(
            self.model, method, self.batch, self.target, original=maps, seed=self.seed, only=only
        )
        found.stages += [stage for stage in own.stages if stage not in found.stages]
        pairs = zip(own.stages, own.similarity, strict=True)
        return [row for stage, values in pairs for row in self._rows(name, "randomisation", values, stage)]

    def _stability(self, name: str, method: AttributionMethod, maps: Tensor) -> list[dict[str, Any]]:
        own = stability(
            self.model,
            method,
            self.batch,
            self.target,
            original=maps,
            noise=self.asked.noise,
            draws=self.asked.draws,
            seed=self.seed,
        )
        rows = self._rows(name, "stability_noise", own.noise)
        # Landmarks have no pixels to be shifted by.
        return rows + self._rows(name, "stability_shift", own.shift) if self.batch.layout == "video" else rows

    def _rows(self, method: str, measure: str, values: FloatArray, stage: str = "") -> list[dict[str, Any]]:
        return [
            {
                "method": method,
                "participant": key.participant,
                "recording": key.recording,
                "window": key.window,
                "measure": measure,
                "stage": stage,
                "value": float(value),
            }
            for key, value in zip(self.batch.keys, values, strict=True)
        ]


def _keep(found: Measured, method: str, fill: str, curves: Curves) -> None:
    for test, own, random in (
        ("deletion", curves.deletion_curve, curves.random_deletion),
        ("insertion", curves.insertion_curve, curves.random_insertion),
    ):
        found.curves.setdefault((test, fill, method), []).extend(own)
        found.curves.setdefault((test, fill, ""), []).extend(random)

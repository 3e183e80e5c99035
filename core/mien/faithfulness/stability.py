"""Stability: does the map stay the same when the clip hardly changes?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mien.attribution.attributing import attributed
from mien.faithfulness.similarity import pooled, similarity
from mien.interfaces import AttributionMethod, ExplainedModel
from mien.types import ClipBatch, FloatArray

SHIFTS = ((0, 1), (1, 0))
"""Pixels down and to the right."""


@dataclass(frozen=True)
class Stability:
    """How alike the maps of clips that differ little are.

    Attributes
    ----------
    noise : ndarray, shape (B,)
        Similarity of the map with that of the clip under noise, mean over the draws (`mien.faithfulness.similarity`).
    shift : ndarray, shape (B,)
        Similarity with the map of the clip shifted by one pixel, shifted back, where both show the same; mean over the
        shifts.  NaN for landmarks.
    sensitivity : ndarray, shape (B,)
        The largest change of the map under the draws of noise, relative to the map, as Euclidean norms
        (max-sensitivity; Yeh et al. 2019, of our draws instead of a ball's); NaN without relevance.
    """

    noise: FloatArray
    shift: FloatArray
    sensitivity: FloatArray


def stability(
    model: ExplainedModel,
    method: AttributionMethod,
    batch: ClipBatch,
    target: Callable[[Tensor], Tensor],
    *,
    original: Tensor | None = None,
    noise: float = 0.01,
    draws: int = 2,
    seed: int = 0,
) -> Stability:
    """Return how stable a method's maps are; one explanation a draw, and one a shift.

    Parameters
    ----------
    original : Tensor, optional
        The method's relevance of the clips as they are, where it is known already; may be summed over channels.
    noise : float
        Standard deviation of the noise, as a fraction of the clip's range (largest less smallest value).
    draws : int
        How often noise is drawn.
    """
    if original is None:
        original = attributed(method, model, batch, target).relevance
    before = pooled(original, batch)
    alike, changes = [], []
    for draw in range(draws):
        moved = replace(batch, inputs=noisy(batch.inputs, noise, seed * 1000 + draw))
        after = pooled(attributed(method, model, moved, target).relevance, batch)
        alike.append(similarity(before, after))
        changes.append(_size(after - before))
    size = _size(before)
    change = np.max(changes, axis=0)
    sensitivity = np.divide(change, size, out=np.full(len(size), np.nan), where=size > 0)
    return Stability(np.mean(alike, axis=0), _shifted(model, method, batch, target, before), sensitivity)


def noisy(clips: Tensor, noise: float, seed: int) -> Tensor:
    """Return the clips with Gaussian noise; the same draw for each clip, scaled to its range, whatever the device."""
    clips = clips.detach()
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(clips.shape[1:], generator=generator, dtype=torch.float64).to(clips)
    flat = clips.flatten(1)
    scale = noise * (flat.amax(1) - flat.amin(1))
    return clips + drawn * scale.reshape(-1, *[1] * (clips.ndim - 1))


def _shifted(
    model: ExplainedModel,
    method: AttributionMethod,
    batch: ClipBatch,
    target: Callable[[Tensor], Tensor],
    before: FloatArray,
) -> FloatArray:
    if batch.layout != "video":
        return np.full(len(batch), np.nan)
    alike = []
    height, width = batch.inputs.shape[-2:]
    for down, right in SHIFTS:
        # The regions move along: methods that switch them off would otherwise switch off something else.
        moved = replace(
            batch, inputs=_moved(batch.inputs.detach(), down, right), regions=_moved(batch.regions, down, right)
        )
        after = pooled(attributed(method, model, moved, target).relevance, batch)
        # What was shifted out is not compared, nor the border that took its place.
        alike.append(similarity(before[..., : height - down, : width - right], after[..., down:, right:]))
    return np.asarray(np.mean(alike, axis=0))


def _moved(clips: Tensor, down: int, right: int) -> Tensor:
    """Return the clips moved down and to the right; the border repeats."""
    rows = torch.arange(clips.shape[-2], device=clips.device).sub(down).clamp(min=0)
    columns = torch.arange(clips.shape[-1], device=clips.device).sub(right).clamp(min=0)
    return clips[..., rows, :][..., columns]


def _size(values: FloatArray) -> FloatArray:
    found: FloatArray = np.linalg.norm(values.reshape(len(values), -1), axis=1)
    return found

"""How alike two relevance maps are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mien.errors import DataError
from mien.statistics.ranking import ranks, unit
from mien.types import ClipBatch, FloatArray

_WINDOW = 7  # pixels, as in Wang et al. 2004's usual implementations
_STEADY = (0.01**2, 0.03**2)


def pooled(relevance: Tensor, batch: ClipBatch) -> FloatArray:
    """Return relevance summed over the channels of a pixel (the coordinates of a landmark), float64, on the CPU.

    Parameters
    ----------
    relevance : Tensor
        Of the shape of ``batch.inputs``, or summed already: ``(B, T, H, W)`` or ``(B, T, N)``.

    Raises
    ------
    DataError
        When the shape is another, or a value is not finite.
    """
    values = relevance.detach().cpu().double()
    if values.shape == batch.inputs.shape:
        values = values.sum(1 if batch.layout == "video" else -1)
    if values.shape != batch.regions.shape or not bool(values.isfinite().all()):
        raise DataError(
            f"The relevance of shape {tuple(relevance.shape)} does not fit the clips, or is not finite.",
            where="relevance",
            hint=f"Expected {tuple(batch.inputs.shape)} or {tuple(batch.regions.shape)}.",
        )
    result: FloatArray = values.numpy()
    return result


def similarity(first: Any, second: Any) -> FloatArray:
    """Return how alike two maps of each clip are: Spearman's correlation of their absolute values, -1 to 1.

    Absolute values, because a network may turn its sign and look at the same place (Adebayo et al. 2018).

    Parameters
    ----------
    first, second : array-like, shape (B, ...)
        Maps, summed over channels (`pooled`).

    Returns
    -------
    ndarray, shape (B,)
        NaN where a map is the same everywhere, as where there is no relevance: it has no ranks.
    """
    one, two = _flat(first), _flat(second)
    if one.shape != two.shape:
        raise DataError(f"The maps have the shapes {np.shape(first)} and {np.shape(second)}.", where="similarity")
    found: FloatArray = (unit(ranks(one)) * unit(ranks(two))).sum(1)
    return found


def structural_similarity(first: Any, second: Any) -> FloatArray:
    """Return the structural similarity of two maps of each clip, each divided by its largest absolute value.

    The mean over all places of a window of 7 x 7 pixels that lies in the frame, and over frames (Wang et al. 2004;
    maps as in Adebayo et al. 2018: absolute values).  Unlike ranks it is near 1 for any two maps that are nearly empty.

    Parameters
    ----------
    first, second : array-like, shape (B, T, H, W)
        Height and width at least 7.

    Returns
    -------
    ndarray, shape (B,)
        NaN where a map is 0 everywhere.
    """
    one, two = _scaled(first), _scaled(second)
    area = _WINDOW**2
    mean1, mean2 = _means(one), _means(two)
    square1, square2, product = _means(one * one), _means(two * two), _means(one * two)
    sample = area / (area - 1)  # unbiased, as in skimage.metrics
    variance1, variance2 = sample * (square1 - mean1**2), sample * (square2 - mean2**2)
    shared = sample * (product - mean1 * mean2)
    light = (2 * mean1 * mean2 + _STEADY[0]) / (mean1**2 + mean2**2 + _STEADY[0])
    structure = (2 * shared + _STEADY[1]) / (variance1 + variance2 + _STEADY[1])
    found: FloatArray = (light * structure).flatten(1).mean(1).numpy()
    return found


def _flat(values: Any) -> FloatArray:
    array = np.abs(np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, np.float64))
    return array.reshape(len(array), -1)


def _scaled(values: Any) -> Tensor:
    array = torch.as_tensor(np.asarray(values, np.float64)).abs()
    largest = array.flatten(1).amax(1).reshape(-1, 1, 1, 1)
    return array / torch.where(largest > 0, largest, torch.nan)


def _means(values: Tensor) -> Tensor:
    return functional.avg_pool2d(values, _WINDOW, stride=1)

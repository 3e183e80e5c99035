"""How well a map agrees with fixations (Bylinskii et al. 2019), each over the pixels of one image.

A *map* is any array of numbers; *fixations* are counts (or weights) of the same shape: what fell on each pixel; a
*density* is non-negative and need not sum to 1.  What is not defined is NaN.

Source: Bylinskii, Judd, Oliva, Torralba, Durand: What do different evaluation metrics tell us about saliency models?
IEEE TPAMI 41(3), 2019; the shuffled AUC: Zhang, Tong, Marks, Shan, Cottrell: SUN, Journal of Vision 8(7), 2008.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)
"""Keeps the logarithm of KL finite, as in the MIT benchmark's code."""

_CONSTANT = 1e-9  # relative range below which a map is constant: filters leave rounding errors of 1e-16


def constant(values: npt.ArrayLike) -> bool:
    """Return whether a map has one value, but for rounding errors."""
    numbers = np.asarray(values, np.float64)
    return float(np.ptp(numbers)) <= _CONSTANT * float(np.abs(numbers).max(initial=0.0))


def nss(values: npt.ArrayLike, fixations: npt.ArrayLike) -> float:
    """Return the normalised scanpath saliency: the mean z-score of the map over fixations.

    Every fixation counts, also where two share a pixel.  A constant map has 0: no pixel of it stands out.
    """
    numbers, weights = _arrays(values, fixations)
    if weights.sum() <= 0:
        return float("nan")
    if constant(numbers):
        return 0.0
    return float(((numbers - numbers.mean()) / numbers.std() * weights).sum() / weights.sum())


def cc(values: npt.ArrayLike, density: npt.ArrayLike) -> float:
    """Return Pearson's correlation of a map with a fixation density; NaN where either is constant."""
    first, second = _arrays(values, density)
    if constant(first) or constant(second):
        return float("nan")
    first, second = first - first.mean(), second - second.mean()
    return float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum()))


def sim(values: npt.ArrayLike, density: npt.ArrayLike) -> float:
    """Return the similarity of two distributions: the sum of the smaller of both, 0 to 1.

    Both are divided by their sums; NaN where one has a negative value or no sum.
    """
    pair = _distributions(values, density)
    return float("nan") if pair is None else float(np.minimum(*pair).sum())


def kl(values: npt.ArrayLike, density: npt.ArrayLike) -> float:
    """Return the Kullback-Leibler divergence of the density from the map, in nats; 0 for equal distributions.

    ``sum(Q log(eps + Q / (eps + P)))`` with ``P`` the map, ``Q`` the density and `EPSILON`: it punishes a map that is
    near 0 where people look, and has no upper bound that means anything.  Undefined as `sim` is.
    """
    pair = _distributions(values, density)
    if pair is None:
        return float("nan")
    found, true = pair
    return float((true * np.log(EPSILON + true / (EPSILON + found))).sum())


def auc_judd(values: npt.ArrayLike, fixations: npt.ArrayLike) -> float:
    """Return the area under the ROC curve of telling fixations from pixels that nobody fixated; see `auc`."""
    numbers, weights = _arrays(values, fixations)
    return auc(numbers, weights, (weights == 0).astype(np.float64))


def auc_shuffled(values: npt.ArrayLike, fixations: npt.ArrayLike, others: npt.ArrayLike) -> float:
    """Return the area under the ROC curve of telling an image's fixations from those of other images; see `auc`.

    What all images share, e.g. that people look at the centre, or at the eyes, earns nothing.

    Parameters
    ----------
    values, fixations : array-like
    others : array-like
        Counts of fixations on other images.
    """
    return auc(values, fixations, others)


def auc(values: npt.ArrayLike, positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Return the exact area under the ROC curve of a map over all thresholds.

    It is the chance that a positive has a higher value than a negative, ties counting half (Mann & Whitney), and
    .5 for a constant map.  The code that comes with AUC-Judd draws straight lines between the thresholds at fixations
    alone, which adds up to ``1 / (2 (n + 1))`` on average for n fixations (.25 for a single one on a map of noise);
    the shuffled AUC's code draws as many negatives as positives at random, whose expectation this is.

    Parameters
    ----------
    values : array-like
    positive, negative : array-like
        Weights of each pixel as one and as the other; both may hold the same pixel.  NaN without any.
    """
    numbers, positives = _arrays(values, positive)
    _, negatives = _arrays(values, negative)
    total = positives.sum() * negatives.sum()
    if total <= 0:
        return float("nan")
    if constant(numbers):
        return 0.5
    level = np.unique(numbers, return_inverse=True)[1].ravel()
    won, lost = np.bincount(level, positives), np.bincount(level, negatives)
    return float((won * (np.cumsum(lost) - lost / 2)).sum() / total)


def _arrays(first: Any, second: Any) -> tuple[Array, Array]:
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != two.shape:
        raise ValueError(f"maps of different shapes: {one.shape} and {two.shape}")
    return one.ravel(), two.ravel()


def _distributions(values: Any, density: Any) -> tuple[Array, Array] | None:
    pair = _arrays(values, density)
    if any(one.min(initial=0.0) < 0 or not one.sum() > 0 for one in pair):
        return None
    return pair[0] / pair[0].sum(), pair[1] / pair[1].sum()

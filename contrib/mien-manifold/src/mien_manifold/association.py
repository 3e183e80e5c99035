"""How the axes of an embedding go with ratings, over participants.

Windows of one person are not independent: axes and ratings are averaged over each participant's windows first, and the
participant is the unit of every test, interval and permutation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mien import FloatArray

_CHUNK = 2000  # permutations that are made at once


@dataclass(frozen=True)
class Correlation:
    """Spearman's correlation of an axis with a rating; NaN where it is undefined.

    ``low`` and ``high`` enclose 95 % of its bootstrap over participants; ``p`` is two-sided, by permutation.
    """

    effect: float
    low: float
    high: float
    p: float
    participants: int


def correlation(axis: FloatArray, rating: FloatArray, resamples: int, permutations: int, seed: int) -> Correlation:
    """Return how an axis goes with a rating.

    Parameters
    ----------
    axis, rating : ndarray, shape (participants,)
        Participants whose rating is not known (NaN) are left out.
    """
    from mien import association, participant_bootstrap, permutation_association

    known = np.isfinite(rating) & np.isfinite(axis)
    x, y = axis[known], rating[known]
    evidence = permutation_association(x, y, np.random.default_rng(seed), permutations)
    spread = participant_bootstrap(
        lambda rows: association(x[rows], y[rows]), np.arange(len(x)), np.random.default_rng(seed), resamples
    )
    return Correlation(evidence.effect, spread.low, spread.high, evidence.p, int(known.sum()))


@dataclass(frozen=True)
class Prediction:
    """R2 of a rating predicted from all axes, each participant left out in turn; NaN where it is undefined.

    ``low`` and ``high`` enclose 95 % of its bootstrap over participants' errors; ``p`` is one-sided, by permutation of
    the ratings among participants.
    """

    r2: float
    low: float
    high: float
    p: float
    participants: int


def left_out(axes: FloatArray, ratings: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the errors of predicting each participant from the others: by a line on the axes, and by their mean.

    Both have closed forms: a residual of the fit to all over 1 less the participant's leverage.

    Parameters
    ----------
    axes : ndarray, shape (n, d)
    ratings : ndarray, shape (n,) or (n, m)

    Returns
    -------
    errors, errors_of_mean : ndarray
        Of the shape of ``ratings``; errors are NaN for a participant without whom the axes do not span their space.
    """
    n = len(axes)
    design = np.column_stack([np.ones(n), axes - axes.mean(0)])
    basis, sizes, _ = np.linalg.svd(design, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes[0]]
    leverage = (basis**2).sum(1)
    free = 1 - leverage
    shape = (n, *[1] * (ratings.ndim - 1))
    residual = ratings - basis @ (basis.T @ ratings)
    scale = np.where(free > 1e-9, free, np.nan).reshape(shape)
    return residual / scale, (ratings - ratings.mean(0)) * n / (n - 1)


def prediction(axes: FloatArray, rating: FloatArray, resamples: int, permutations: int, seed: int) -> Prediction:
    """Return how well a rating is predicted from all axes together.

    R2 does not depend on the axes' signs, or on how they are turned or scaled.  It is below 0 where the mean of the
    other participants predicts better.

    Parameters
    ----------
    axes : ndarray, shape (participants, d)
    rating : ndarray, shape (participants,)
        Participants whose rating is not known (NaN) are left out.
    """
    from mien import function_interval

    known = np.isfinite(rating) & np.isfinite(axes).all(1)
    axes, rating = axes[known], rating[known]
    n, nothing = len(axes), float("nan")
    if n < axes.shape[1] + 3 or np.ptp(rating) == 0:
        return Prediction(nothing, nothing, nothing, nothing, n)
    errors, of_mean = left_out(axes, rating)
    observed = 1 - (errors**2).sum() / (of_mean**2).sum()
    if not np.isfinite(observed):
        return Prediction(nothing, nothing, nothing, nothing, n)
    squares = np.column_stack([errors**2, of_mean**2])
    _, low, high = function_interval(_r2, squares, resamples, seed)
    return Prediction(float(observed), low[0], high[0], _p(axes, rating, observed, permutations, seed), n)


def _r2(means: FloatArray) -> FloatArray:
    whole = means[:, 1:]
    return np.where(whole > 0, 1 - means[:, :1] / np.where(whole > 0, whole, 1.0), np.nan)


def _p(axes: FloatArray, rating: FloatArray, observed: float, permutations: int, seed: int) -> float:
    """Return how often permuted ratings are predicted at least as well, the observed order counted."""
    rng = np.random.default_rng(seed)
    hits = 0
    for start in range(0, permutations, _CHUNK):
        count = min(_CHUNK, permutations - start)
        orders = np.argsort(rng.random((count, len(rating))), axis=1)
        errors, of_mean = left_out(axes, rating[orders].T)
        drawn = 1 - (errors**2).sum(0) / (of_mean**2).sum(0)
        hits += int((drawn >= observed - 1e-9).sum())
    return (1 + hits) / (1 + permutations)


def averaged(values: Any, owners: Any) -> FloatArray:
    """Return the mean of each column over the rows of each participant, in the order of their names.

    Parameters
    ----------
    values : array-like, shape (n, d)
        Missing values (NaN) are left out of a mean; it is NaN where all are missing.
    owners : array-like of str, shape (n,)

    Returns
    -------
    ndarray, shape (participants, d)
    """
    import pandas as pd

    frame = pd.DataFrame(np.asarray(values, np.float64))
    return frame.groupby(np.asarray(owners), sort=True).mean().to_numpy(np.float64)

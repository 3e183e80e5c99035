"""Means over participants with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

FEWEST = 3
"""With fewer participants there is no interval: two of them only ever give their own values and their mean."""


def mean_interval(values: Any, resamples: int, seed: int, level: float = 0.95) -> tuple[Array, Array, Array]:
    """Return the mean over participants, and its percentile bootstrap interval.

    Participants are drawn with replacement, all columns together.  A missing value (NaN) leaves its participant out
    of that column.

    Parameters
    ----------
    values : array-like, shape (participants, columns)
    resamples : int
    seed : int

    Returns
    -------
    mean, low, high : ndarray, shape (columns,)
        The interval is NaN with fewer than `FEWEST` known participants, the mean with none.
    """
    import numpy as np

    table = np.asarray(values, np.float64)
    known = np.isfinite(table)
    filled = np.where(known, table, 0.0)
    people, columns = table.shape
    if people == 0:
        nothing = np.full(columns, np.nan)
        return nothing, nothing.copy(), nothing.copy()
    # Drawing participants is multinomial weights for them: one matrix product gives all resampled sums.
    weights = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), resamples)
    means = _ratio(weights @ filled, (weights @ known).astype(np.float64))
    mean = _ratio(filled.sum(0), known.sum(0).astype(np.float64))
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    for column in np.flatnonzero(known.sum(0) >= FEWEST):
        found = means[:, column][np.isfinite(means[:, column])]
        low[column], high[column] = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return mean, low, high


def _ratio(part: Array, whole: Array) -> Array:
    import numpy as np

    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)

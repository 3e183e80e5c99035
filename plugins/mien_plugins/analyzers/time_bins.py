"""How often a window holds a source frame, and how finely a method resolves time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Array = npt.NDArray[np.float64]

_TOLERANCE = 1e-4  # of the largest singular value: above float32 rounding, below any real change


def occurrences(area: pd.Series[float], window: Sequence[str]) -> pd.Series[float]:
    """Return how many times a window holds each of its source frames.

    A window that was resampled to a higher rate holds some frames several times, and their relevance is a sum over the
    occurrences.  So is the area of the total, by which they are told.

    Parameters
    ----------
    area : Series
        The area of each frame's total, with the levels ``window`` in its index; NaN where it is not known.
    window : sequence of str
        What tells windows apart.

    Returns
    -------
    Series
        As ``area``; of the frame that is held least often 1, and 1 where the area is not known.
    """
    least = area.groupby(level=list(window), observed=True).transform("min")
    return (area / least.where(least > 0)).fillna(1.0)


def independent_bins(relevance: pd.DataFrame) -> int:
    """Return how many independent values the relevance of one method has over a window.

    A method that works on a coarser time grid spreads it over the frames by a fixed linear rule (nearest, linear,
    cubic).  The total relevance of all its windows, stacked, then has the rank of the coarse grid, whatever the rule;
    with fewer than twice as many windows, the number of runs of equal values shows at least the nearest rule.

    Parameters
    ----------
    relevance : DataFrame
        Rows of the table ``relevance`` of one method.

    Returns
    -------
    int
        The number of frames of a window where nothing coarser shows; 0 without windows.
    """
    import numpy as np

    window = ["recording", "window"]
    totals = relevance[relevance["region"] == "total"].set_index(window)
    once = totals["signed"] / occurrences(totals["area"], window)
    series = [own.to_numpy(np.float64) for _, own in once.groupby(level=window, sort=False, observed=True)]
    if not series:
        return 0
    frames = max(len(one) for one in series)
    whole = np.stack([one for one in series if len(one) == frames])
    level = np.abs(whole).max(axis=1, keepdims=True)
    whole = whole / np.where(level > 0, level, 1.0)
    runs = int(np.median((np.abs(np.diff(whole, axis=1)) > _TOLERANCE).sum(axis=1))) + 1
    different = _different(whole)
    singular = np.linalg.svd(different, compute_uv=False)
    rank = int((singular > _TOLERANCE * singular[0]).sum())
    coarse = rank > 0 and 2 * rank <= len(different)  # fewer windows could have that rank by chance
    return min(runs, rank if coarse else frames)


def _different(series: Array) -> Array:
    """Return the series that are not multiples of each other; two windows of a still face tell no more than one."""
    import numpy as np

    peak = np.take_along_axis(series, np.abs(series).argmax(axis=1)[:, None], axis=1)
    scaled = np.round(series / np.where(peak != 0, peak, 1.0), 4)
    return np.asarray(np.unique(scaled, axis=0))

"""How finely a method resolves time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_TOLERANCE = 1e-4  # of the largest singular value: above float32 rounding, below any real change


def independent_bins(relevance: pd.DataFrame) -> int:
    """Return how many independent values the relevance of one method has over a window.

    A method that works on a coarser time grid spreads it over the frames by a fixed linear rule (nearest, linear,
    cubic).  The total relevance of all its windows, stacked, then has the rank of the coarse grid, whatever the rule;
    with fewer windows than that, the number of runs of equal values in a window shows at least the nearest rule.

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

    totals = relevance[relevance["region"] == "total"]
    series = [own["signed"].to_numpy(np.float64) for _, own in totals.groupby(["recording", "window"], sort=False)]
    if not series:
        return 0
    frames = max(len(one) for one in series)
    whole = np.stack([one for one in series if len(one) == frames])
    level = np.abs(whole).max(axis=1, keepdims=True)
    changes = np.abs(np.diff(whole, axis=1)) > _TOLERANCE * level
    runs = int(np.median(changes.sum(axis=1))) + 1
    singular = np.linalg.svd(whole / np.where(level > 0, level, 1.0), compute_uv=False)
    rank = int((singular > _TOLERANCE * singular[0]).sum()) if singular.size and singular[0] > 0 else 0
    return min(runs, frames if rank == len(whole) else rank)

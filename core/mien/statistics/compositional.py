"""Shares of a whole as numbers that can be averaged and correlated.

Shares add up to 1, so that one can only grow where others shrink: correlations of raw shares are biased.  Log-ratios
have no such bond.  Source: Aitchison 1986.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mien.types import FloatArray


def log_ratio(share: Any, floor: float) -> FloatArray:
    """Return the log-ratio of a part to the rest of the whole, ln(share / (1 - share)).

    It fits parts that overlap, such as regions: each is held against its own rest.

    Parameters
    ----------
    share : array-like
        0 to 1; NaN stays NaN.
    floor : float
        Shares below it, or above 1 - floor, are set to it: the log-ratio of nothing would be infinite.  State it
        where the result is shown.

    Raises
    ------
    ValueError
        When a share is outside 0 to 1, or the floor outside 0 to 0.5.
    """
    values = _shares(share, floor)
    values = np.clip(values, floor, 1 - floor)
    ratio: FloatArray = np.log(values) - np.log1p(-values)
    return ratio


def centred_log_ratio(parts: Any, floor: float, axis: int = -1) -> FloatArray:
    """Return the centred log-ratios of disjoint parts: the log of each over the geometric mean of all.

    Parameters
    ----------
    parts : array-like
        Non-negative amounts along ``axis``; they need not add up to 1.
    floor : float
        Parts with a smaller share get this share; the others shrink in proportion, so that their ratios stay
        (multiplicative replacement, Martin-Fernandez et al. 2003).

    Returns
    -------
    ndarray
        NaN for a composition with a missing part or nothing in it.

    Raises
    ------
    ValueError
        When a part is negative, or the floor too large for the number of parts.
    """
    values = np.asarray(parts, np.float64)
    if (values < 0).any():
        raise ValueError("a part is negative")
    if not 0 < floor < 1 / values.shape[axis]:
        raise ValueError(f"the floor {floor} does not fit {values.shape[axis]} parts")
    total = values.sum(axis=axis, keepdims=True)
    shares = np.divide(values, total, out=np.full(values.shape, np.nan), where=total > 0)
    small = shares < floor
    room = 1 - floor * small.sum(axis=axis, keepdims=True)
    kept = np.where(small, 0.0, shares)
    kept_total = kept.sum(axis=axis, keepdims=True)
    logs = np.log(np.where(small, floor, kept * np.divide(room, kept_total, out=room * np.nan, where=kept_total > 0)))
    ratio: FloatArray = logs - logs.mean(axis=axis, keepdims=True)
    return ratio


def _shares(share: Any, floor: float) -> FloatArray:
    values = np.asarray(share, np.float64)
    if not 0 < floor < 0.5:
        raise ValueError(f"the floor {floor} is not between 0 and 0.5")
    if (values < -1e-9).any() or (values > 1 + 1e-9).any():
        raise ValueError("a share is outside 0 to 1")
    return values

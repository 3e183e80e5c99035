"""Ranks and correlations of many series at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from mien.types import FloatArray

FLAT = 1e-12
"""A series whose length about its mean is below this part of its size is constant up to rounding."""


def ranks(values: Any, axis: int = -1) -> FloatArray:
    """Return ranks from 1 along an axis; equal values share their mean rank.

    Parameters
    ----------
    values : array-like, shape (..., n, ...)
        Numbers.

    Returns
    -------
    ndarray of float, of the same shape
        NaN throughout for a series in which a value is NaN.
    """
    values = np.asarray(values, np.float64)
    if values.ndim == 1:
        return _ranks_of_one(values)
    from scipy.stats import rankdata

    found: FloatArray = rankdata(values, axis=axis)
    return found


def _ranks_of_one(values: FloatArray) -> FloatArray:
    """Return the ranks of one series, without scipy's overhead: a bootstrap asks for them thousands of times."""
    if np.isnan(values).any():
        return np.full(values.shape, np.nan)
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared: FloatArray = (np.cumsum(counts) - (counts - 1) / 2)[group]
    return shared


def unit(values: Any, axis: int = -1) -> FloatArray:
    """Return series centred and of length 1, so that their product is Pearson's r; NaN where a series is constant."""
    values = np.asarray(values, np.float64)
    if not values.size:
        return np.empty(values.shape)
    centred = values - values.mean(axis=axis, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=axis, keepdims=True))
    size = np.sqrt((values**2).sum(axis=axis, keepdims=True))
    found: FloatArray = np.divide(centred, length, out=np.full(centred.shape, np.nan), where=length > FLAT * size)
    return found


def fisher_z(r: Any, clip: float = 0.999) -> FloatArray:
    """Return Fisher's z of correlations, clipped first: a perfect rank correlation of few values would be infinite.

    NaN stays NaN.  Source: Fisher 1921.
    """
    z: FloatArray = np.arctanh(np.clip(np.asarray(r, np.float64), -clip, clip))
    return z


def fisher_mean(r: Any, axis: int | None = None, clip: float = 0.999) -> FloatArray:
    """Return the mean of correlations over an axis by Fisher's z, transformed back.

    Undefined correlations (NaN) are left out; the mean is NaN where all are.
    """
    z = fisher_z(r, clip)
    known = np.isfinite(z).sum(axis=axis)
    total = np.where(np.isfinite(z), z, 0.0).sum(axis=axis)
    mean: FloatArray = np.tanh(np.divide(total, known, out=np.full(np.shape(total), np.nan), where=known > 0))
    return mean

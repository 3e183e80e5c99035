"""Many tests at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from mien.types import FloatArray


def benjamini_hochberg(p: Any) -> FloatArray:
    """Return q-values: the smallest false discovery rate at which each test would be called.

    Parameters
    ----------
    p : array-like
        The family.  A test that could not be made (NaN) is no member of it, and stays NaN.

    Returns
    -------
    ndarray
        Of the same shape.

    Notes
    -----
    Assumes that tests are independent or positively dependent.  Source: Benjamini & Hochberg 1995; computed by
    `scipy.stats.false_discovery_control`.
    """
    from scipy.stats import false_discovery_control

    values = np.asarray(p, np.float64)
    found = np.full(values.shape, np.nan)
    made = np.isfinite(values)
    if made.any():
        found[made] = false_discovery_control(values[made], method="bh")
    return found

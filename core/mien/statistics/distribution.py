"""What a distribution looks like, in numbers that name nobody; and how far two of them lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mien.types import FloatArray

PROBABILITIES: tuple[float, ...] = tuple(round(0.05 * step, 2) for step in range(1, 20))
FEWEST_FOR_QUANTILES = 5
"""With fewer values, quantiles would be the values themselves."""


class Spread(BaseModel):
    """Mean, standard deviation and quantiles of values, one a participant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: int = Field(description="Participants.")
    mean: float | None = None
    sd: float | None = Field(None, description="Standard deviation (n - 1).")
    quantiles: list[float] = Field(
        default_factory=list, description="At 5, 10, ..., 95 %; empty with fewer than 5 participants."
    )


def spread_of(values: Any) -> Spread:
    """Return the spread of the finite values."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return Spread(
        n=len(known),
        mean=float(known.mean()) if len(known) else None,
        sd=float(known.std(ddof=1)) if len(known) > 1 else None,
        quantiles=[float(value) for value in np.quantile(known, PROBABILITIES)]
        if len(known) >= FEWEST_FOR_QUANTILES
        else [],
    )


def ks_distance(one: Spread, other: Spread) -> float:
    """Return the largest difference of two distribution functions, 0 to 1; NaN where one has no quantiles.

    Both are taken as linear between their quantiles and as 0 and 1 beyond the outermost, so that equal distributions
    have 0 and disjoint ones 1.  Source: the statistic of Kolmogorov and Smirnov.
    """
    if not one.quantiles or not other.quantiles:
        return float("nan")
    places = np.union1d(one.quantiles, other.quantiles)
    gaps = [
        np.abs(_distribution(one.quantiles, places, side) - _distribution(other.quantiles, places, side)).max()
        for side in ("left", "right")
    ]
    return float(max(gaps))


def _distribution(quantiles: Sequence[float], places: FloatArray, side: Any) -> FloatArray:
    """Return the distribution function at some places, or its limit from the left."""
    known, p = np.asarray(quantiles), np.asarray(PROBABILITIES)
    after = np.searchsorted(known, places, side=side)
    inner = np.clip(after, 1, len(known) - 1)
    low, high = known[inner - 1], known[inner]
    rise = np.divide(places - low, high - low, out=np.zeros(len(places)), where=high > low)
    between = p[inner - 1] + np.clip(rise, 0, 1) * (p[inner] - p[inner - 1])
    # The outermost steps: nothing lies below the first quantile, everything at or below the last.
    found: FloatArray = np.where(after == 0, 0.0, np.where(after == len(known), 1.0, between))
    return found

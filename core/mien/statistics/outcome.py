"""What an estimate and a test say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.types import FloatArray

UNDEFINED = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A value with its interval.

    Attributes
    ----------
    value, low, high : float
        NaN where undefined, never 0.
    n : int
        Participants.
    reason : str
        Why the value or the interval is undefined; empty where both are.
    """

    value: float
    low: float
    high: float
    n: int
    reason: str = ""


@dataclass(frozen=True)
class Evidence:
    """An effect with the p-value of a test that draws at random, or counts all cases.

    Attributes
    ----------
    effect : float
        NaN where undefined, never 0.
    p : float
        Two-sided: hits / cases where all cases were counted, (1 + hits) / (1 + draws) where some were drawn
        (Phipson & Smyth 2010), so that it is never 0.  NaN where the effect is undefined.
    n : int
        Units (participants) that the test rests on.
    draws : int
        Random draws, or the number of all cases.
    exact : bool
        Whether all cases were counted.
    reason : str
        Why it is undefined; empty where it is not.
    """

    effect: float
    p: float
    n: int
    draws: int = 0
    exact: bool = False
    reason: str = ""


def undefined(n: int, reason: str) -> Evidence:
    """Return the evidence of a test that cannot be made."""
    return Evidence(UNDEFINED, UNDEFINED, n, reason=reason)


def two_sided(observed: float, drawn: FloatArray, exact: bool) -> float:
    """Return the p-value of |observed| among the drawn values; ``exact``: they are all cases, the observed included.

    Cases that differ from the observed one by rounding alone count as hits, and so do undefined ones (NaN): both
    make the p-value larger, never smaller.
    """
    slack = 1e-9 * max(1.0, abs(observed))
    hits = int(np.count_nonzero(~(np.abs(drawn) < abs(observed) - slack)))
    return hits / len(drawn) if exact else (1 + hits) / (1 + len(drawn))

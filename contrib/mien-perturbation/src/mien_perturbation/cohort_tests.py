"""Two cohorts compared: permutation test, effect size with its interval, many tests at once; numpy alone.

The unit is the participant: one value each.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CELLS = 4_000_000  # of an array that is made at once
_FLAT = 1e-12  # values that differ by less, relative to their size, are the same


@dataclass(frozen=True)
class Difference:
    """How two cohorts differ.

    Attributes
    ----------
    value, low, high : float
        Mean of the first less that of the second, and its 95 % interval.
    effect, effect_low, effect_high : float
        Hedges' g and its interval; NaN where nothing varies within the cohorts.
    p : float
        Two-sided; NaN where the values are all the same.
    cases : int
        Ways to divide the participants that were counted, or drawn.
    exact : bool
        Whether all of them were counted.
    """

    value: float
    low: float
    high: float
    effect: float
    effect_low: float
    effect_high: float
    p: float
    cases: int
    exact: bool


def compared(first: npt.ArrayLike, second: npt.ArrayLike, permutations: int, resamples: int, seed: int) -> Difference:
    """Return how two cohorts differ.

    Parameters
    ----------
    first, second : array-like, shape (n,), (m,)
        One finite value a participant; at least two each.
    permutations : int
        Random divisions; all are counted exactly where there are no more of them.
    resamples : int
        Of the bootstrap: participants are drawn with replacement within their cohort.
    seed : int
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    p, cases, exact = permutation_test(a, b, permutations, np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([seed, 1])
    draws = [own[rng.integers(len(own), size=(resamples, len(own)))] for own in (a, b)]
    differences, effects = _effects(*draws)
    value, effect = _effects(a[None], b[None])
    low, high = _interval(differences)
    effect_low, effect_high = _interval(effects)
    return Difference(float(value[0]), low, high, float(effect[0]), effect_low, effect_high, p, cases, exact)


def permutation_test(
    first: Floats, second: Floats, permutations: int, rng: np.random.Generator
) -> tuple[float, int, bool]:
    """Return the two-sided p-value of no difference, how many divisions it rests on, and whether they are all.

    Participants are divided anew into cohorts of the same sizes.  The statistic is Welch's t: under the null of one
    common distribution the test is exact, and where cohorts differ in spread alone it still keeps its level nearly
    (Janssen 1997), which the bare difference of means does not when the smaller cohort varies more.

    Returns
    -------
    p : float
        hits / cases where all were counted, (1 + hits) / (1 + draws) where some were drawn, so that it is never 0
        (Phipson & Smyth 2010); NaN where all values are the same.
    cases : int
    exact : bool
    """
    values = np.concatenate([first, second])
    spread = float(values.std())
    if spread <= _FLAT * float(np.abs(values).max(initial=0.0)):
        return float("nan"), 0, False
    values = (values - values.mean()) / spread
    everyone, inside = len(values), len(first)
    observed = abs(float(_welch(values, np.arange(everyone)[None] < inside)[0]))
    exact = math.comb(everyone, inside) <= permutations + 1
    divisions = _all(everyone, inside) if exact else _random(everyone, inside, permutations, rng)
    hits = cases = 0
    for some in divisions:
        # Divisions that differ from the observed one by rounding alone are hits.
        hits += int(np.count_nonzero(np.abs(_welch(values, some)) >= observed * (1 - 1e-9) - _FLAT))
        cases += len(some)
    return (hits / cases if exact else (1 + hits) / (1 + cases)), cases, exact


def smallest_p(first: int, second: int) -> float:
    """Return the smallest p-value that cohorts of these sizes can give."""
    return (2 if first == second else 1) / math.comb(first + second, first)


def holm(p: npt.ArrayLike) -> Floats:
    """Return p-values adjusted so that the chance of any false call among all is bounded (Holm 1979); NaN stays NaN."""
    values = np.asarray(p, np.float64)
    found = np.full(values.shape, np.nan)
    made = np.flatnonzero(np.isfinite(values))
    order = made[np.argsort(values[made], kind="stable")]
    found[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1.0)
    return found


def _welch(values: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """Return Welch's t of each division, ``(n,)``; infinite where nothing varies within cohorts that differ.

    Parameters
    ----------
    values : ndarray, shape (people,)
        Of mean 0 and spread 1.
    inside : ndarray of bool, shape (n, people)
    """
    means, errors = [], []
    for rows in (inside.astype(np.float64), (~inside).astype(np.float64)):
        count = rows.sum(axis=1)
        mean = rows @ values / count
        variance = np.maximum(rows @ values**2 / count - mean**2, 0.0) * count / (count - 1)
        means.append(mean)
        errors.append(variance / count)
    difference, error = means[0] - means[1], np.sqrt(errors[0] + errors[1])
    difference = np.where(np.abs(difference) <= _FLAT, 0.0, difference)
    certain = error <= np.sqrt(_FLAT)
    found: Floats = np.divide(difference, error, out=np.where(difference == 0, 0.0, np.inf), where=~certain)
    return found


def _all(everyone: int, inside: int) -> list[npt.NDArray[np.bool_]]:
    members = np.array(list(itertools.combinations(range(everyone), inside)), np.intp)
    rows = np.zeros((len(members), everyone), bool)
    np.put_along_axis(rows, members, True, axis=1)
    return [rows]


def _random(everyone: int, inside: int, wanted: int, rng: np.random.Generator) -> list[npt.NDArray[np.bool_]]:
    size = max(1, _CELLS // everyone)
    counts = [min(size, wanted - start) for start in range(0, wanted, size)]
    return [np.argsort(rng.random((count, everyone)), axis=1) < inside for count in counts]


def _effects(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Return differences of means and Hedges' g of each row; g is NaN where nothing varies."""
    n, m = first.shape[1], second.shape[1]
    difference = first.mean(axis=1) - second.mean(axis=1)
    squares = first.var(axis=1) * n + second.var(axis=1) * m
    pooled = np.sqrt(squares / (n + m - 2))
    size = np.maximum(np.abs(first).max(axis=1), np.abs(second).max(axis=1))
    small = 1 - 3 / (4 * (n + m) - 9)  # Hedges' correction of the bias of few participants
    effect = np.divide(small * difference, pooled, out=np.full(len(pooled), np.nan), where=pooled > _FLAT * size)
    return difference, effect


def _interval(values: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of the finite values."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)

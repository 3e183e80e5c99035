"""Percentile bootstrap intervals over participants, who are drawn with all their rows.

Windows and recordings of one person are not independent, so that they are never drawn by themselves.  The intervals
assume that participants are independent and alike (exchangeable).  Source: Efron & Tibshirani 1993, chapter 13; with
few participants percentile intervals are somewhat too narrow, and with fewer than `FEWEST` there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.statistics.outcome import UNDEFINED, Estimate
from mien.types import FloatArray

FEWEST = 3
"""With fewer participants there is no interval: two of them only ever give their own values and their mean."""

FEW = f"fewer than {FEWEST} participants: no interval"


def numbered(participants: Any) -> npt.NDArray[np.intp]:
    """Return the number of each row's participant, from 0, in the order of their names."""
    _, numbers = np.unique(np.asarray(participants), return_inverse=True)
    return np.asarray(numbers, np.intp)


def resampled_rows(
    owners: npt.NDArray[np.intp], resamples: int, rng: np.random.Generator
) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each resample: participants drawn with replacement, each with all its rows.

    Parameters
    ----------
    owners : ndarray of int, shape (n,)
        The participant of each row, numbered from 0.

    Returns
    -------
    list of ndarray of int
        Empty when there are fewer than `FEWEST` participants.
    """
    participants = int(owners.max()) + 1 if len(owners) else 0
    if participants < FEWEST:
        return []
    order = np.argsort(owners, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(owners))[:-1])
    draws = rng.integers(participants, size=(resamples, participants))
    return [np.concatenate([members[one] for one in draw]) for draw in draws]


def interval(values: Sequence[float] | FloatArray, level: float = 0.95) -> tuple[float, float]:
    """Return the percentiles that enclose ``level`` of the values; NaN when there are none.

    Undefined values (NaN) are left out.  Infinite ones count: a ratio over nothing is larger than any other.  Between
    a number and an infinite value lies the infinite one; between two that are infinite on either side the end is the
    outer one.
    """
    known = np.asarray(values, float)
    known = np.sort(known[~np.isnan(known)])
    if not len(known):
        return UNDEFINED, UNDEFINED
    percent = [50 * (1 - level), 50 * (1 + level)]
    if np.isfinite(known).all():
        low, high = np.percentile(known, percent)
    else:  # numpy's percentile takes infinite values from each other, which gives NaN
        places = np.divide(percent, 100) * (len(known) - 1)
        found = np.interp(places, np.arange(len(known)), known)
        low, high = np.where(np.isnan(found), [-np.inf, np.inf], found)
    return float(low), float(high)


def participant_bootstrap(
    statistic: Callable[[npt.NDArray[np.intp]], float],
    participants: Any,
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """Return a statistic of all rows, with its interval over participants.

    Parameters
    ----------
    statistic : callable
        From row numbers, shape (m,), with repetitions, to a number, which may be infinite; NaN where it is undefined.
    participants : array-like, shape (n,)
        Whose each row is.

    Returns
    -------
    Estimate
        Resamples in which the statistic is undefined are left out of the interval.
    """
    owners = numbered(participants)
    people = int(owners.max()) + 1 if len(owners) else 0
    if people == 0:
        return Estimate(UNDEFINED, UNDEFINED, UNDEFINED, 0, "there are no rows")
    value = float(statistic(np.arange(len(owners))))
    low, high = interval([statistic(rows) for rows in resampled_rows(owners, resamples, rng)], level)
    reason = "the statistic is undefined" if np.isnan(value) else ""
    return Estimate(value, low, high, people, reason or (FEW if people < FEWEST else ""))


def mean_interval(
    values: Any, resamples: int, seed: int | np.random.Generator, level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean over participants of each column, and its interval.

    Participants are drawn with replacement, all columns together.  A missing value (NaN), or one that is not finite,
    leaves its participant out of that column.

    Parameters
    ----------
    values : array-like, shape (participants, columns)
    resamples : int
    seed : int or Generator

    Returns
    -------
    mean, low, high : ndarray, shape (columns,)
        The interval is NaN with fewer than `FEWEST` known participants, the mean with none.
    """
    return function_interval(lambda means: means, values, resamples, seed, level)


def function_interval(
    function: Callable[[FloatArray], FloatArray],
    values: Any,
    resamples: int,
    seed: int | np.random.Generator,
    level: float = 0.95,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a function of means over participants, and its interval; see `mean_interval`.

    Parameters
    ----------
    function : callable
        From means ``(resamples, columns)`` to results ``(resamples, k)``, row by row; see `interval` for those that
        are NaN or infinite.
    values : array-like, shape (participants, columns)

    Returns
    -------
    value, low, high : ndarray, shape (k,)
    """
    table = np.asarray(values, np.float64)
    known = np.isfinite(table)
    filled = np.where(known, table, 0.0)
    people = len(table)
    value = function(_ratio(filled.sum(0), known.sum(0))[None])[0]
    low, high = np.full(len(value), np.nan), np.full(len(value), np.nan)
    if people < FEWEST:
        return value, low, high
    # Drawing participants is multinomial weights for them: one matrix product gives all resampled sums.
    weights = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), resamples)
    enough = known.sum(0) >= FEWEST
    drawn = function(np.where(enough, _ratio(weights @ filled, weights @ known), np.nan))
    for column in range(len(value)):
        low[column], high[column] = interval(drawn[:, column], level)
    return value, low, high


def _ratio(part: FloatArray, whole: npt.NDArray[Any]) -> FloatArray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)

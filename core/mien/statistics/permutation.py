"""Permutation tests over participants.

The unit is the participant: give one value each.  A p-value counts the permutations whose statistic is at least as
far from 0 as the observed one; all of them where they are few, else random ones.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mien.statistics.outcome import UNDEFINED, Evidence, two_sided, undefined
from mien.statistics.ranking import FLAT, ranks, unit
from mien.types import FloatArray

Statistic = Literal["spearman", "pearson"]
IntArray = npt.NDArray[np.intp]

PERMUTATIONS = 9999
_CELLS = 4_000_000  # of an array of permutations that is made at once


def association(x: Any, y: Any, strata: Any = None, statistic: Statistic = "spearman") -> float:
    """Return the correlation that `permutation_association` tests; NaN where it is undefined."""
    standard = _standard(x, y, strata, statistic)
    return float(standard[0] @ standard[1]) if len(standard[0]) > 2 else UNDEFINED


def _standard(x: Any, y: Any, strata: Any, statistic: Statistic) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return x and y centred within strata and of length 1 (NaN where constant), and the strata, sorted."""
    left, right, groups = _complete(x, y, strata)
    left, right, groups = _in_company(groups, left, right, groups)
    return unit(_within(left, groups, statistic)), unit(_within(right, groups, statistic)), groups


def permutation_association(
    x: Any,
    y: Any,
    rng: np.random.Generator,
    permutations: int = PERMUTATIONS,
    strata: Any = None,
    statistic: Statistic = "spearman",
) -> Evidence:
    """Return the correlation of x and y, tested by permuting y among participants.

    With strata (folds), values are ranked within their stratum, relative to its size, centred there, and permuted
    there only: the effect is the association inside strata, which the strata's different means cannot make.

    Parameters
    ----------
    x, y : array-like, shape (n,)
        One value a participant.  Pairs with a missing value (NaN) are left out.
    permutations : int
        Random permutations; all are counted exactly where there are no more of them.
    strata : array-like, shape (n,), optional
    statistic : {"spearman", "pearson"}

    Returns
    -------
    Evidence
        Undefined with fewer than three participants, where a variable is constant within every stratum, and where
        every stratum has one member.  ``n`` counts the participants in strata of two or more.

    Notes
    -----
    Assumes that under the null y is exchangeable within strata: participants independent, and x without influence on
    any part of y's distribution.  Source: Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses.
    """
    left, right, groups = _standard(x, y, strata, statistic)
    if len(groups) < 3:
        return undefined(len(groups), "fewer than three participants (in strata of two or more)")
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        return undefined(len(groups), "a variable is constant (within every stratum)")
    drawn = [right[orders] @ left for orders in _orders(groups, permutations, rng)]
    return _evidence(float(left @ right), drawn, len(groups), groups, permutations)


def adjusted_association(
    x: Any,
    y: Any,
    covariates: Any,
    rng: np.random.Generator,
    permutations: int = PERMUTATIONS,
    strata: Any = None,
    statistic: Statistic = "spearman",
) -> Evidence:
    """Return the partial correlation of x and y given covariates, tested by permuting residuals.

    Freedman & Lane's test: y is regressed on the covariates, its residuals are permuted and put back on the fitted
    values, and the partial correlation of each such y with x is taken; of ranks for ``spearman``, which adjusts for
    what is monotone and additive in the covariates, and for nothing else.

    Parameters
    ----------
    x, y : array-like, shape (n,)
        One value a participant.
    covariates : array-like, shape (n,) or (n, k)
    strata : array-like, shape (n,), optional
        Residuals are permuted within strata, whose means are adjusted for too.

    Returns
    -------
    Evidence
        Undefined where x or y is a linear function of the covariates, and with no more participants than covariates
        and strata, but for one: nothing would be left to vary.

    Notes
    -----
    Nearly exact: residuals are exchangeable up to the error of the fit.  Source: Freedman & Lane 1983; Anderson &
    Legendre 1999 for the choice of a pivotal statistic; Winkler et al. 2014.
    """
    given = np.asarray(covariates, np.float64)
    given = given[:, None] if given.ndim == 1 else given
    x, y, groups, *columns = _complete(x, y, strata, *given.T)
    x, y, groups, *columns = _in_company(groups, x, y, groups, *columns)
    if len(x) < len(columns) + len(np.unique(groups)) + 2:
        return undefined(len(x), "fewer participants than the covariates need")
    basis = _basis([_within(column, groups, statistic) for column in columns])
    own_x, own_y = _within(x, groups, statistic), _within(y, groups, statistic)
    left, rest = (values - basis @ (basis.T @ values) for values in (own_x, own_y))
    sizes = [(np.linalg.norm(one), np.linalg.norm(whole)) for one, whole in ((left, own_x), (rest, own_y))]
    if any(one <= 1e-9 * whole or whole == 0 for one, whole in sizes):
        return undefined(len(x), "a variable is determined by the covariates, or constant")
    drawn = []
    for orders in _orders(groups, permutations, rng):
        shuffled = rest[orders]
        shuffled = shuffled - shuffled @ basis @ basis.T
        length = np.linalg.norm(shuffled, axis=1)
        drawn.append(
            np.divide(shuffled @ left, length * sizes[0][0], out=np.full(len(orders), np.nan), where=length > FLAT)
        )
    observed = float(left @ rest / (sizes[0][0] * sizes[1][0]))
    return _evidence(observed, drawn, len(x), groups, permutations)


def sign_flip(differences: Any, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> Evidence:
    """Return the mean of paired differences, tested by flipping their signs.

    Parameters
    ----------
    differences : array-like, shape (n,)
        One a participant: the mean over its labelled units.  Missing values (NaN) are left out.

    Returns
    -------
    Evidence
        Undefined without participants.  All flips are counted where there are no more than ``permutations``; with
        fewer than six participants no p below 0.05 can come out.

    Notes
    -----
    Assumes that under the null each difference is symmetric about 0, which holds where the two things compared are
    exchangeable.  Source: Fisher 1935; Good 2005.
    """
    values = np.asarray(differences, np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n == 0:
        return undefined(0, "there are no differences")
    mean = float(values.mean())
    if n < 40 and 2**n <= permutations + 1:
        flips = np.array(list(itertools.product((1.0, -1.0), repeat=n)))
        return Evidence(mean, two_sided(mean, flips @ values / n, exact=True), n, len(flips), exact=True)
    drawn = [(1.0 - 2.0 * rng.integers(0, 2, size=(rows, n))) @ values / n for rows in _chunks(permutations, n)]
    return Evidence(mean, two_sided(mean, np.concatenate(drawn), exact=False), n, permutations)


def _complete(x: Any, y: Any, strata: Any, *columns: Any) -> list[FloatArray]:
    """Return x, y, the numbers of the strata and further columns without incomplete rows, sorted by stratum."""
    left, right = np.asarray(x, np.float64), np.asarray(y, np.float64)
    groups = np.zeros(len(left)) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    rows = np.column_stack([left, right, groups.astype(np.float64), *columns])
    rows = rows[np.isfinite(rows).all(axis=1)]
    return list(rows[np.argsort(rows[:, 2], kind="stable")].T)


def _in_company(groups: FloatArray, *columns: FloatArray) -> list[FloatArray]:
    """Return the rows whose stratum has more than one member: alone, a value cannot be permuted."""
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return [column[counts[place] > 1] for column in columns]


def _within(values: FloatArray, groups: FloatArray, statistic: Statistic) -> FloatArray:
    """Return values (or their relative ranks) centred within each stratum."""
    found = np.empty(len(values))
    for group in np.unique(groups):
        rows = groups == group
        own = ranks(values[rows]) / (rows.sum() + 1) if statistic == "spearman" else values[rows]
        found[rows] = own - own.mean() if np.ptp(own) > 0 else 0.0  # rounding must not make a constant vary
    return found


def _basis(columns: list[FloatArray]) -> FloatArray:
    """Return orthonormal columns that span the given ones, ``(n, rank)``."""
    whole, sizes, _ = np.linalg.svd(np.column_stack(columns), full_matrices=False)
    basis: FloatArray = whole[:, sizes > 1e-9 * max(float(sizes[0]), 1e-300)]
    return basis


def _orders(groups: FloatArray, wanted: int, rng: np.random.Generator) -> list[IntArray]:
    """Return permutations within strata, ``(some, n)`` a chunk; all of them where they are few."""
    counts = np.unique(groups, return_counts=True)[1]
    if _cases(groups) <= wanted + 1:
        starts = np.cumsum(counts) - counts
        parts = [
            np.array(list(itertools.permutations(range(start, start + size))), np.intp)
            for start, size in zip(starts, counts, strict=True)
        ]
        rows = itertools.product(*(range(len(part)) for part in parts))
        return [
            np.stack([np.concatenate([part[i] for part, i in zip(parts, row, strict=True)]) for row in some])
            for some in iter(lambda: list(itertools.islice(rows, 100_000)), [])
        ]
    place = np.repeat(np.arange(len(counts)), counts)
    return [np.argsort(rng.random((rows, len(groups))) + place, axis=1) for rows in _chunks(wanted, len(groups))]


def _cases(groups: FloatArray) -> int:
    return math.prod(math.factorial(int(size)) for size in np.unique(groups, return_counts=True)[1])


def _chunks(wanted: int, width: int) -> list[int]:
    size = max(1, _CELLS // max(width, 1))
    return [min(size, wanted - start) for start in range(0, wanted, size)]


def _evidence(observed: float, drawn: list[FloatArray], n: int, groups: FloatArray, wanted: int) -> Evidence:
    exact = _cases(groups) <= wanted + 1
    values = np.concatenate(drawn)
    return Evidence(observed, two_sided(observed, values, exact), n, len(values), exact)

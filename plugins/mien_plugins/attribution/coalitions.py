"""Shapley values of a game from the values of some of its coalitions, as Kernel SHAP finds them; numpy alone.

A coalition is a row of booleans: which of M players take part.  The kernel is ``(M - 1) / (C(M, s) s (M - s))`` for a
coalition of s players; all coalitions of s players together weigh ``(M - 1) / (s (M - s))``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Coalitions:
    """Coalitions to ask for, and what each weighs in the regression.

    Attributes
    ----------
    members : ndarray of bool, shape (n, M)
        No row is empty or full; with every row its complement is there too.
    weights : ndarray, shape (n,)
    complete : bool
        All coalitions are there: the solution is exact.
    """

    members: Booleans
    weights: Floats
    complete: bool


def choose(players: int, budget: int, seed: int) -> Coalitions:
    """Return about ``budget`` coalitions, all of them where they are no more.

    From the outside in, sizes are taken whole (together with the complements) while the budget holds them.  What is
    left is drawn in pairs of a coalition and its complement (antithetic sampling), the size by the weight of
    all coalitions of that size, the members evenly.

    Parameters
    ----------
    players : int
        M, at least 1.
    budget : int
        Coalitions at most, but at least one pair; the empty and the full one are not counted.
    seed : int
    """
    if 2**players - 2 <= budget:
        sizes = range(1, players)
        return Coalitions(*_enumerated(players, sizes), complete=True)
    whole: list[int] = []
    for size in range(1, players // 2 + 1):
        both = {size, players - size}
        if sum(comb(players, each) for each in {*whole, *both}) > budget:
            break
        whole.extend(both)
    members, weights = _enumerated(players, sorted(whole))
    pairs = (budget - len(members)) // 2 if whole else max(1, budget // 2)
    if not pairs:
        return Coalitions(members, weights, complete=False)
    drawn = _drawn(players, whole, pairs, np.random.default_rng(seed))
    rest = sum(_mass(players, size) for size in range(1, players) if size not in whole)
    return Coalitions(
        np.concatenate([members, drawn, ~drawn]),
        np.concatenate([weights, np.full(2 * len(drawn), rest / (2 * len(drawn)))]),
        complete=False,
    )


def _mass(players: int, size: int) -> float:
    return (players - 1) / (size * (players - size))


def _enumerated(players: int, sizes: range | list[int]) -> tuple[Booleans, Floats]:
    rows = [(size, chosen) for size in sizes for chosen in combinations(range(players), size)]
    members = np.zeros((len(rows), players), bool)
    for row, (_, chosen) in enumerate(rows):
        members[row, list(chosen)] = True
    weights = [_mass(players, size) / comb(players, size) for size, _ in rows]
    return members, np.array(weights, np.float64)


def _drawn(players: int, whole: list[int], pairs: int, generator: np.random.Generator) -> Booleans:
    sizes = [size for size in range(1, players) if size not in whole]
    masses = np.array([_mass(players, size) for size in sizes])
    drawn = generator.choice(sizes, size=pairs, p=masses / masses.sum())
    # The players with the smallest random numbers take part.
    places = generator.random((pairs, players)).argsort(axis=1).argsort(axis=1)
    return np.asarray(places < drawn[:, None])


def shapley(coalitions: Coalitions, values: Floats, empty: float, full: float) -> Floats:
    """Return each player's share of ``full - empty``, which the shares add up to.

    The shares are those of the additive game that fits the values best under the weights, among those that are exact
    for the empty and the full coalition.  Of several that fit equally well (too few coalitions), the one nearest to
    equal shares is taken.

    Because each coalition is there with its complement, the result is exact, however few there are (as long as they
    tell the players apart), for games in which players act alone or in pairs: an interaction of two players
    changes the values of a coalition and of its complement by amounts whose difference is additive.

    Parameters
    ----------
    coalitions : Coalitions
    values : ndarray, shape (n,)
    empty, full : float
        The values of the empty and of the full coalition.

    Returns
    -------
    ndarray, shape (M,)
    """
    players = coalitions.members.shape[1]
    share = (full - empty) / players
    if not len(values):
        return np.full(players, share)
    sizes = coalitions.members.sum(axis=1)
    scale = np.sqrt(coalitions.weights)
    # Deviations from equal shares add up to 0; so do the centred rows, and the shortest solution is made of them.
    centred = coalitions.members - sizes[:, None] / players
    left = values - empty - sizes * share
    deviations = np.linalg.lstsq(centred * scale[:, None], left * scale, rcond=None)[0]
    result: Floats = share + deviations
    return result

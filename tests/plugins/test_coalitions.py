"""The regression of Kernel SHAP against Shapley values summed over all coalitions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb, factorial

import numpy as np
import pytest

from mien_plugins.attribution.coalitions import choose, shapley

Game = Callable[[np.ndarray], np.ndarray]


def brute_force(game: Game, players: int) -> np.ndarray:
    """The definition: the mean of a player's contribution over all orders in which players may come."""
    shares = np.zeros(players)
    for player in range(players):
        others = [other for other in range(players) if other != player]
        for size in range(players):
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            for chosen in combinations(others, size):
                without = np.zeros((1, players), bool)
                without[0, list(chosen)] = True
                together = without.copy()
                together[0, player] = True
                shares[player] += weight * float(game(together)[0] - game(without)[0])
    return shares


def solved(game: Game, players: int, budget: int, seed: int = 0) -> np.ndarray:
    coalitions = choose(players, budget, seed)
    ends = game(np.array([[False] * players, [True] * players]))
    return shapley(coalitions, game(coalitions.members), float(ends[0]), float(ends[1]))


def any_game(players: int, seed: int = 0) -> Game:
    """A value for each coalition, at random."""
    values = np.random.default_rng(seed).normal(size=2**players)
    return lambda members: values[members @ (1 << np.arange(players))]


def game_of_pairs(players: int, seed: int = 0) -> Game:
    """What players bring alone and in pairs, and a value of nobody at all."""
    generator = np.random.default_rng(seed)
    alone, pairs = generator.normal(size=players), generator.normal(size=(players, players))
    return lambda members: 3 + members @ alone + np.einsum("ni,ij,nj->n", members, pairs, members)


@pytest.mark.parametrize("players", [1, 2, 3, 4, 7])
def test_all_coalitions_give_the_exact_values(players: int) -> None:
    game = any_game(players)
    assert choose(players, 2**players - 2, 0).complete
    np.testing.assert_allclose(solved(game, players, 2**players - 2), brute_force(game, players), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("budget", [24, 40, 60])
def test_few_coalitions_are_exact_for_games_of_pairs(budget: int, seed: int) -> None:
    game = game_of_pairs(9, seed)
    assert not choose(9, budget, seed).complete
    np.testing.assert_allclose(solved(game, 9, budget, seed), brute_force(game, 9), atol=1e-10)


def test_without_complements_they_would_not_be() -> None:
    """The test above is not passed by any choice of coalitions."""
    game, coalitions = game_of_pairs(9), choose(9, 60, 0)
    rows = np.arange(len(coalitions.members)) < 44  # the drawn half, its complements left out
    half = type(coalitions)(coalitions.members[rows], coalitions.weights[rows], False)
    ends = game(np.array([[False] * 9, [True] * 9]))
    found = shapley(half, game(half.members), float(ends[0]), float(ends[1]))
    assert np.abs(found - brute_force(game, 9)).max() > 0.01


def test_more_coalitions_come_nearer() -> None:
    game = any_game(10)
    truth = brute_force(game, 10)
    errors = [
        np.mean([np.abs(solved(game, 10, budget, seed) - truth).mean() for seed in range(20)])
        for budget in (40, 160, 640)
    ]
    assert errors[1] < 0.7 * errors[0]
    assert errors[2] < 0.7 * errors[1]


@pytest.mark.parametrize("budget", [2, 5, 12, 40, 62])
def test_shares_add_up_however_few_coalitions_there_are(budget: int) -> None:
    game = any_game(6)
    ends = game(np.array([[False] * 6, [True] * 6]))
    assert solved(game, 6, budget).sum() == pytest.approx(float(ends[1] - ends[0]), abs=1e-12)


@pytest.mark.parametrize(("players", "budget"), [(2, 2), (6, 12), (6, 30), (9, 100), (32, 128), (40, 1000)])
def test_coalitions_are_pairs_within_the_budget(players: int, budget: int) -> None:
    coalitions = choose(players, budget, 0)
    rows = sorted(map(tuple, coalitions.members))
    assert rows == sorted(map(tuple, ~coalitions.members))
    assert budget - 1 <= len(rows) <= budget or coalitions.complete
    assert not (set(coalitions.members.sum(1)) & {0, players})
    whole = (1, 5) if (players, budget) == (6, 12) else range(1, players)  # nothing is left to draw there
    assert coalitions.weights.sum() == pytest.approx(sum((players - 1) / (size * (players - size)) for size in whole))


def test_whole_sizes_have_the_kernel_for_weight() -> None:
    coalitions = choose(9, 100, 0)
    sizes = coalitions.members.sum(axis=1)
    for size in (1, 2, 7, 8):
        kernel = 8 / (comb(9, size) * size * (9 - size))
        assert (sizes == size).sum() == comb(9, size)
        np.testing.assert_allclose(coalitions.weights[sizes == size], kernel)
    assert set(sizes[90:]) <= {3, 4, 5, 6}


def test_sizes_are_drawn_by_their_weight() -> None:
    # Sizes 1, 2, 18 and 19 are taken whole.
    sizes = np.concatenate([choose(20, 1000, seed).members[2 * (20 + 190) :].sum(axis=1) for seed in range(40)])
    masses = np.array([1 / (size * (20 - size)) for size in range(3, 18)])
    shares = np.bincount(sizes, minlength=18)[3:18] / len(sizes)
    np.testing.assert_allclose(shares, masses / masses.sum(), atol=0.01)


def test_the_seed_decides() -> None:
    first, again, other = (choose(20, 60, seed).members for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()

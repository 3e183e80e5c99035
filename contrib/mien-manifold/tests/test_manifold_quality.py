"""Trustworthiness and continuity: 1 for the same neighbourhoods, a half at random, and as written down slowly."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from mien_manifold.quality import chance, most_neighbours, neighbour_ranks, quality, same_owner


def slow_trustworthiness(before: np.ndarray, after: np.ndarray, k: int) -> float:
    """Return Venna & Kaski's figure, point by point."""
    n = len(before)
    excess = 0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        true = sorted(others, key=lambda j: float(np.linalg.norm(before[i] - before[j])))
        shown = sorted(others, key=lambda j: float(np.linalg.norm(after[i] - after[j])))
        for j in set(shown[:k]) - set(true[:k]):
            excess += true.index(j) + 1 - k
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * excess


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    before = rng.normal(size=(31, 6))
    return before, before[:, :2] + rng.normal(0, 0.3, (31, 2))


def test_ranks_are_orders():
    ranks = neighbour_ranks(np.array([[0.0], [1.0], [3.0], [3.0]]))
    np.testing.assert_array_equal(ranks, [[0, 1, 2, 3], [1, 0, 2, 3], [3, 2, 0, 1], [3, 2, 1, 0]])


@pytest.mark.parametrize("k", [1, 4, 9, 15])
def test_it_is_the_slow_twin_and_scikit_learns(pair, k):
    before, after = pair
    found = quality(neighbour_ranks(before), neighbour_ranks(after), most_neighbours(31))
    assert found.trustworthiness[:, k - 1].mean() == pytest.approx(slow_trustworthiness(before, after, k))
    assert found.continuity[:, k - 1].mean() == pytest.approx(slow_trustworthiness(after, before, k))
    assert found.trustworthiness[:, k - 1].mean() == pytest.approx(trustworthiness(before, after, n_neighbors=k))


def test_the_identity_is_perfect_and_so_is_any_similarity(pair):
    before = pair[0]
    turned = 3 * before @ np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0] - 7
    found = quality(neighbour_ranks(before), neighbour_ranks(turned), 15)
    assert (found.trustworthiness == 1).all()
    assert (found.continuity == 1).all()


def test_at_random_it_is_a_half_as_chance_says():
    rng = np.random.default_rng(0)
    before = neighbour_ranks(rng.normal(size=(100, 5)))
    drawn = [quality(before, neighbour_ranks(rng.normal(size=(100, 2))), 20) for _ in range(30)]
    for k in (1, 5, 20):
        for measure in ("trustworthiness", "continuity"):
            mean = np.mean([getattr(one, measure)[:, k - 1].mean() for one in drawn])
            assert mean == pytest.approx(chance(100, k), abs=0.02)
    assert chance(100, 5) == pytest.approx(0.5, abs=0.02)


def test_what_is_folded_is_not_trusted_and_what_is_torn_is_not_continuous():
    line = np.linspace(0, 1, 41)[:, None]
    folded, torn = np.abs(line - 0.5), np.where(line > 0.5, line + 5, line)[::-1].copy()
    before = neighbour_ranks(line)
    fold = quality(before, neighbour_ranks(folded), 5)
    assert fold.trustworthiness[:, 4].mean() < 0.8
    assert fold.continuity[:, 4].mean() > fold.trustworthiness[:, 4].mean()
    ring = np.column_stack([np.cos(2 * np.pi * line[:, 0]), np.sin(2 * np.pi * line[:, 0])])[:-1]
    cut = quality(neighbour_ranks(ring), neighbour_ranks(line[:-1]), 5)
    assert cut.continuity[:, 4].mean() < cut.trustworthiness[:, 4].mean()
    assert torn.shape == line.shape


def test_neighbours_of_the_same_participant():
    owners = np.repeat([0, 1], 4)
    apart = neighbour_ranks(np.r_[np.arange(4.0), 100 + np.arange(4.0)][:, None])
    assert same_owner(apart, owners, 3) == (1.0, pytest.approx(3 / 7))
    assert same_owner(apart, owners, 7)[0] == pytest.approx(3 / 7)

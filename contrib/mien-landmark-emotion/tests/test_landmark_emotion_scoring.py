"""Scores against their definitions."""

import itertools

import numpy as np
import pytest

from mien_landmark_emotion.scoring import (
    Judged,
    area_under_roc,
    bootstrap,
    interval,
    mean_scores,
    rank_correlation,
    scores,
)


def test_the_area_is_the_share_of_pairs_in_order():
    random = np.random.default_rng(0)
    values, own = random.integers(0, 6, 40).astype(float), random.random(40) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a, b in itertools.product(values[own], values[~own])]
    assert area_under_roc(values, own) == pytest.approx(np.mean(pairs))
    assert np.isnan(area_under_roc(values, np.ones(40, bool)))


def test_rank_correlation_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(1)
    one, other = random.integers(0, 9, 30).astype(float), random.normal(size=30)
    assert rank_correlation(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert np.isnan(rank_correlation(np.ones(4), np.arange(4.0)))


def test_perfect_logits_score_one_and_constant_ones_chance():
    labels = np.repeat(np.arange(3), 5)
    perfect = np.where(np.eye(3)[labels] > 0, 1.0, -1.0)
    assert set(scores(perfect, labels).values()) == {1.0}
    constant = scores(np.zeros((15, 3)), labels)
    assert constant == {"balanced_accuracy": 0.5, "auc": 0.5, "six_way_accuracy": pytest.approx(1 / 3)}


def test_a_class_that_does_not_occur_is_left_out():
    labels = np.array([0, 0, 1, 1])
    logits = np.where(np.eye(3)[labels] > 0, 1.0, -1.0)
    assert scores(logits, labels)["auc"] == 1.0


def judged(right: dict[str, bool]) -> Judged:
    """Three clips of each person, of whom all or none are judged right."""
    people = tuple(name for name in right for _ in range(3))
    labels = np.tile(np.arange(3), len(right))
    shown = np.array([label if right[name] else (label + 1) % 3 for name, label in zip(people, labels, strict=True)])
    return Judged(np.where(np.eye(3)[shown] > 0, 1.0, -1.0), labels, people)


def test_resamples_are_of_participants():
    """One of two people is judged right: a resample is right by 0, half or all, a quarter of the time each end."""
    (drawn,) = bootstrap([[judged({"a": True, "b": False})]], 800, 0)
    found, counts = np.unique([one["six_way_accuracy"] for one in drawn], return_counts=True)
    assert found.tolist() == [0, 0.5, 1]
    assert counts / 800 == pytest.approx([0.25, 0.5, 0.25], abs=0.06)


def test_networks_are_resampled_together():
    """Where one network is always a third better, so is every resample."""
    better = judged(dict.fromkeys("abcdef", True))
    worse = Judged(better.logits.copy(), better.labels, better.participants)
    worse.logits[::3] = better.logits[1::3]
    one, other = bootstrap([[better], [worse]], 50, 0)
    change = [a["six_way_accuracy"] - b["six_way_accuracy"] for a, b in zip(one, other, strict=True)]
    assert change == pytest.approx([1 / 3] * 50)


def test_seeds_are_averaged():
    both = [judged(dict.fromkeys("ab", True)), judged(dict.fromkeys("cd", False))]
    assert mean_scores(both)["six_way_accuracy"] == 0.5
    (drawn,) = bootstrap([both], 5, 0)
    assert {one["six_way_accuracy"] for one in drawn} == {0.5}


def test_the_interval_is_the_middle():
    assert interval([*range(101), float("nan")]) == pytest.approx((2.5, 97.5))

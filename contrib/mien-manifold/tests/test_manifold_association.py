"""Axes against ratings: the participant is the unit, and nothing is found where nothing is.

1. Effects are Spearman's of participants' means; R2 does not depend on how axes are turned.
2. With many correlated windows of each participant, five tests in a hundred are called at 5 %; tests over windows call
   most.
3. Ratings permuted among participants give no findings.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, spearmanr

from mien_manifold.association import averaged, correlation, prediction

PEOPLE, WINDOWS = 16, 20


def windows(rng: np.random.Generator, people: int = PEOPLE) -> tuple[np.ndarray, np.ndarray]:
    """Return an axis on which windows are mostly their participant's, and whose each is."""
    owners = np.repeat([f"p{i:02d}" for i in range(people)], WINDOWS)
    return np.repeat(rng.normal(size=people), WINDOWS) + rng.normal(0, 0.3, people * WINDOWS), owners


def test_means_are_of_participants():
    values = averaged([[1.0], [3.0], [np.nan], [5.0], [np.nan]], ["b", "b", "b", "a", "c"])
    np.testing.assert_array_equal(values, [[5.0], [2.0], [np.nan]])


def test_the_effect_is_spearmans():
    rng = np.random.default_rng(0)
    axis, rating = rng.normal(size=20), rng.normal(size=20)
    rating[3] = np.nan
    found = correlation(axis, rating, 100, 999, 0)
    known = np.isfinite(rating)
    expected = spearmanr(axis[known], rating[known])
    assert found.effect == pytest.approx(expected[0])
    assert found.p == pytest.approx(expected[1], abs=0.05)
    assert found.participants == 19
    assert found.low < found.effect < found.high


def test_false_positives_stay_at_their_rate_with_many_windows_a_participant():
    rng = np.random.default_rng(1)
    called = {"axis": 0, "all axes": 0, "windows": 0}
    runs = 150
    for run in range(runs):
        axis, owners = windows(rng)
        second, _ = windows(rng)
        rating = rng.normal(size=PEOPLE)
        means = averaged(np.column_stack([axis, second]), owners)
        called["axis"] += correlation(means[:, 0], rating, 100, 199, run).p <= 0.05
        called["all axes"] += prediction(means, rating, 100, 199, run).p <= 0.05
        called["windows"] += spearmanr(axis, np.repeat(rating, WINDOWS))[1] <= 0.05
    most = binom.ppf(0.995, runs, 0.05)
    assert called["axis"] <= most
    assert called["all axes"] <= most
    assert called["axis"] + called["all axes"] > 0
    assert called["windows"] > 0.4 * runs


def test_r2_does_not_depend_on_how_axes_are_turned():
    rng = np.random.default_rng(2)
    axes = rng.normal(size=(PEOPLE, 2))
    rating = axes @ [1.0, -0.5] + rng.normal(0, 0.2, PEOPLE)
    turned = axes @ np.linalg.qr(rng.normal(size=(2, 2)))[0] * 7 + 3
    first, second = prediction(axes, rating, 200, 199, 0), prediction(turned, rating, 200, 199, 0)
    assert first.r2 > 0.8
    assert first.p == pytest.approx(1 / 200)
    assert first.low < first.r2 <= first.high
    np.testing.assert_allclose([*vars(first).values()], [*vars(second).values()])


def test_what_cannot_be_told_is_absent():
    axes = np.random.default_rng(0).normal(size=(4, 2))
    assert np.isnan(prediction(axes, np.arange(4.0), 100, 99, 0).r2)
    few = correlation(axes[:2, 0], np.arange(2.0), 100, 99, 0)
    assert np.isnan([few.effect, few.low, few.p]).all()
    many = np.random.default_rng(0).normal(size=(9, 2))
    assert np.isnan(prediction(many, np.ones(9), 100, 99, 0).p)
    assert np.isnan(correlation(many[:, 0], np.ones(9), 100, 99, 0).effect)
    assert prediction(many, np.full(9, np.nan), 100, 99, 0).participants == 0

"""Guarantees: every test and interval agrees with scipy, statsmodels, a closed form, or a slow twin."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from scipy import stats

from mien.statistics import (
    adjusted_association,
    association,
    benjamini_hochberg,
    calibration,
    centred_log_ratio,
    fisher_mean,
    fisher_z,
    function_interval,
    log_ratio,
    mean_interval,
    participant_bootstrap,
    permutation_association,
    ranks,
    sign_flip,
    unit,
)
from mien.types import FloatArray


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# Ranks and correlations


@pytest.mark.parametrize(
    "values", [[], [2.0], [3, 1, 3, 2, 3, 1], [np.inf, 0.0, -np.inf, 0.0, -0.0], [1.0, np.nan, 2.0]]
)
def test_one_series_is_ranked_as_scipy_does_it(values: list[float]) -> None:
    np.testing.assert_array_equal(ranks(values), stats.rankdata(np.asarray(values, float)))
    tied = generator().integers(0, 9, 200).astype(np.float32)
    np.testing.assert_array_equal(ranks(tied), ranks(np.stack([tied, -tied]), axis=1)[0])


def test_products_of_standard_ranks_are_spearman() -> None:
    x = generator().integers(0, 5, (6, 20)).astype(float)
    found = unit(ranks(x)) @ unit(ranks(x)).T
    assert found == pytest.approx(stats.spearmanr(x, axis=1).statistic)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, -3.7])
def test_a_constant_series_has_no_direction(value: float) -> None:
    assert np.isnan(unit(np.full(7, value))).all()


def test_fisher_is_clipped_and_leaves_out_what_is_undefined() -> None:
    assert fisher_z([1.0, -1.0, 0.5]) == pytest.approx([3.8002, -3.8002, math.atanh(0.5)], abs=1e-4)
    assert fisher_mean([[0.2, np.nan, 0.6], [np.nan] * 3], axis=1)[0] == pytest.approx(
        math.tanh((math.atanh(0.2) + math.atanh(0.6)) / 2)
    )
    assert np.isnan(fisher_mean([[np.nan, np.nan]], axis=1)).all()


# Permuted labels


@pytest.mark.parametrize("statistic", ["pearson", "spearman"])
def test_all_permutations_are_counted_as_scipy_does(statistic: str) -> None:
    x, y = generator(1).normal(size=(2, 6))
    y[2] = y[4]  # a tie
    correlate: Callable[..., object] = stats.pearsonr if statistic == "pearson" else stats.spearmanr
    found = permutation_association(x, y, generator(), statistic=statistic)
    known = stats.permutation_test(
        (y,), lambda one: correlate(x, one).statistic, permutation_type="pairings", n_resamples=np.inf, vectorized=False
    )
    assert found.exact
    assert found.draws == math.factorial(6)
    assert found.effect == pytest.approx(correlate(x, y).statistic)
    # scipy doubles the smaller tail; with |r| as the statistic it counts as we do.
    absolute = stats.permutation_test(
        (y,),
        lambda one: abs(correlate(x, one).statistic),
        permutation_type="pairings",
        n_resamples=np.inf,
        alternative="greater",
        vectorized=False,
    )
    assert known.statistic == pytest.approx(found.effect)
    assert found.p == pytest.approx(absolute.pvalue)


def test_random_permutations_come_near_the_normal_theory() -> None:
    x = generator(2).normal(size=40)
    y = 0.3 * x + generator(3).normal(size=40)
    found = permutation_association(x, y, generator(), 20_000, statistic="pearson")
    assert not found.exact
    assert found.p == pytest.approx(stats.pearsonr(x, y).pvalue, abs=0.006)


def test_strata_are_enumerated_as_a_slow_twin_does() -> None:
    x, y = generator(4).normal(size=(2, 7))
    strata = np.array(["b", "a", "a", "b", "a", "b", "a"])
    found = permutation_association(x, y, generator(), strata=strata, statistic="pearson")
    rows = {name: np.flatnonzero(strata == name) for name in "ab"}

    def within(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[own] - values[own].mean() for own in rows.values()])

    drawn = []
    for first, second in itertools.product(*(itertools.permutations(own) for own in rows.values())):
        moved = y.copy()
        moved[rows["a"]], moved[rows["b"]] = y[list(first)], y[list(second)]
        drawn.append(np.corrcoef(within(x), within(moved))[0, 1])
    assert found.draws == len(drawn) == math.factorial(4) * math.factorial(3)
    assert found.effect == pytest.approx(np.corrcoef(within(x), within(y))[0, 1])
    assert found.p == pytest.approx(np.mean(np.abs(drawn) >= abs(found.effect) - 1e-9))


def test_the_means_of_strata_make_no_association() -> None:
    strata = np.repeat(np.arange(4), 6)
    x, y = 10.0 * strata + generator(5).normal(size=24), 10.0 * strata + generator(6).normal(size=24)
    assert abs(association(x, y, strata)) < 0.5 < association(x, y)
    assert permutation_association(x, y, generator(), 999, strata).p > 0.05


@pytest.mark.parametrize(
    ("x", "y", "strata", "reason"),
    [
        ([1.0, 2.0], [2.0, 1.0], None, "fewer than three"),
        ([1.0, np.nan, 2.0, 3.0], [2.0, 1.0, np.nan, 4.0], None, "fewer than three"),
        ([0.1, 0.1, 0.1, 0.1], [2.0, 1.0, 3.0, 4.0], None, "constant"),
        ([1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 3.0, 4.0], [0, 1, 2, 3], "fewer than three"),
        ([0.1, 0.1, 0.7, 0.7], [2.0, 1.0, 3.0, 4.0], [0, 0, 1, 1], "constant"),
    ],
)
@pytest.mark.parametrize("statistic", ["pearson", "spearman"])
def test_what_is_undefined_says_why(x, y, strata, reason, statistic) -> None:
    found = permutation_association(x, y, generator(), strata=strata, statistic=statistic)
    assert np.isnan([found.effect, found.p]).all()
    assert reason in found.reason
    assert np.isnan(association(x, y, strata, statistic))


# Adjusted association


def test_the_partial_correlation_is_that_of_statsmodels_residuals() -> None:
    api = pytest.importorskip("statsmodels.api")
    rng = generator(7)
    given = rng.normal(size=(30, 2))
    x, y = given @ [1.0, -1.0] + rng.normal(size=30), given @ [0.5, 2.0] + rng.normal(size=30)
    found = adjusted_association(x, y, given, generator(), 20_000, statistic="pearson")
    design = api.add_constant(given)
    rest = [api.OLS(values, design).fit().resid for values in (x, y)]
    assert found.effect == pytest.approx(np.corrcoef(*rest)[0, 1])
    # Its t-test in the full regression is the closed form that the permutation approaches.
    full = api.OLS(y, np.column_stack([design, x])).fit()
    assert found.p == pytest.approx(full.pvalues[-1], abs=0.01)


def test_ranks_are_adjusted_by_ranks() -> None:
    rng = generator(8)
    given = rng.normal(size=25)
    x, y = given + rng.normal(size=25), np.exp(given) + rng.normal(size=25)
    found = adjusted_association(x, y, given, generator(), 99)
    a, b, c = (stats.spearmanr(*pair).statistic for pair in ((x, y), (x, given), (y, given)))
    assert found.effect == pytest.approx((a - b * c) / math.sqrt((1 - b**2) * (1 - c**2)))


def test_freedman_lane_as_a_slow_twin_does_it() -> None:
    rng = generator(9)
    given, noise = rng.normal(size=(2, 6))
    x, y = given + rng.normal(size=6), 2 * given + noise
    design = np.column_stack([np.ones(6), given])
    project = design @ np.linalg.pinv(design)
    rest = y - project @ y
    drawn = []
    for order in itertools.permutations(range(6)):
        again = project @ y + rest[list(order)]
        drawn.append(np.corrcoef(x - project @ x, again - project @ again)[0, 1])
    found = adjusted_association(x, y, given, generator(), statistic="pearson")
    assert found.draws == 720
    assert found.p == pytest.approx(np.mean(np.abs(drawn) >= abs(drawn[0]) - 1e-9))


def test_a_covariate_that_says_all_leaves_nothing() -> None:
    x, given = generator(10).normal(size=(2, 12))
    assert "determined" in adjusted_association(x, 3 * given, given, generator(), 99, statistic="pearson").reason
    assert "determined" in adjusted_association(given, x, given, generator(), 99).reason
    assert "fewer" in adjusted_association(x[:3], x[3:6], given[:3], generator()).reason


def test_a_constant_covariate_changes_nothing() -> None:
    x, y = generator(11).normal(size=(2, 15))
    plain, adjusted = association(x, y), adjusted_association(x, y, np.ones(15), generator(), 99)
    assert adjusted.effect == pytest.approx(plain)


# Sign flips


def test_all_flips_are_counted_as_scipy_does() -> None:
    differences = generator(12).normal(0.4, 1, size=9)
    found = sign_flip(differences, generator())
    known = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert found.exact
    assert found.draws == 512
    assert (found.effect, found.p) == pytest.approx((known.statistic, known.pvalue))


def test_random_flips_come_near_all_flips() -> None:
    differences = generator(13).normal(0.4, 1, size=14)
    all_flips = sign_flip(differences, generator(), 2**14)
    drawn = sign_flip(differences, generator(), 10_000)
    assert all_flips.exact
    assert not drawn.exact
    assert drawn.p == pytest.approx(all_flips.p, abs=0.015)


def test_flips_at_the_edges() -> None:
    assert sign_flip([0.0, 0.0, 0.0], generator()).p == 1
    assert sign_flip([1.0] * 5, generator()).p == 2 / 32
    assert "no differences" in sign_flip([np.nan], generator()).reason
    assert sign_flip([1.0, np.nan, 2.0], generator()).n == 2


# Intervals over participants


def test_rows_of_a_participant_stay_together() -> None:
    participants = np.repeat(list("abcde"), [1, 2, 3, 4, 5])
    values = np.arange(15.0)
    found = participant_bootstrap(lambda rows: float(values[rows].mean()), participants, generator(), 4000)
    sums = np.array([values[participants == name].sum() for name in "abcde"])
    counts = np.array([1, 2, 3, 4, 5])
    draws = generator(1).integers(5, size=(20_000, 5))
    slow = np.percentile(sums[draws].sum(1) / counts[draws].sum(1), [2.5, 97.5])
    assert (found.value, found.n, found.reason) == (7.0, 5, "")
    assert (found.low, found.high) == pytest.approx(tuple(slow), abs=0.25)


def test_two_participants_have_no_interval() -> None:
    found = participant_bootstrap(lambda rows: float(len(rows)), ["a", "a", "b"], generator())
    assert found.value == 3
    assert np.isnan([found.low, found.high]).all()
    assert "fewer than 3" in found.reason
    assert participant_bootstrap(lambda rows: 0.0, [], generator()).reason == "there are no rows"


def test_means_by_weights_are_means_by_rows() -> None:
    values = generator(14).normal(size=(30, 2))
    values[:4, 1] = np.nan
    mean, low, high = mean_interval(values, 20_000, 1)
    assert mean == pytest.approx(np.nanmean(values, axis=0))
    for column in range(2):
        slow = participant_bootstrap(
            lambda rows, column=column: float(np.nanmean(values[rows, column])), np.arange(30), generator(2), 4000
        )
        assert (low[column], high[column]) == pytest.approx((slow.low, slow.high), abs=0.03)


def test_a_mean_is_the_mean_of_all_even_when_there_is_no_interval() -> None:
    mean, low, high = mean_interval([[1.0, np.nan], [3.0, np.nan]], 100, 0)
    assert mean[0] == 2
    assert np.isnan(mean[1])
    assert np.isnan([low, high]).all()
    nothing = mean_interval(np.empty((0, 2)), 100, 0)
    assert np.isnan(nothing).all()


def test_the_interval_of_a_ratio_is_that_of_resampled_rows() -> None:
    values = generator(15).gamma(2, size=(25, 2))
    value, low, high = function_interval(lambda means: means[:, :1] / means[:, 1:], values, 20_000, 3)
    slow = participant_bootstrap(
        lambda rows: float(values[rows, 0].mean() / values[rows, 1].mean()), np.arange(25), generator(4), 4000
    )
    assert value[0] == pytest.approx(slow.value)
    assert (low[0], high[0]) == pytest.approx((slow.low, slow.high), abs=0.03)


def test_a_ratio_over_nothing_is_infinite_and_not_left_out() -> None:
    """Of eight participants one has a denominator: without it, in a third of the resamples, the ratio is infinite."""
    values = np.column_stack([np.ones(8), np.zeros(8)])

    def ratio(means: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            return means[:, :1] / means[:, 1:]

    assert np.isinf(function_interval(ratio, values, 100, 0)).all()
    values[0, 1] = 1.0
    value, low, high = function_interval(ratio, values, 4000, 0)
    assert value[0] == pytest.approx(8)
    assert low[0] == pytest.approx(8 / 3)  # drawn three times
    assert np.isinf(high[0])
    found = participant_bootstrap(lambda rows: float("inf"), np.arange(8), generator(), 100)
    assert (found.value, found.low, found.high, found.reason) == (np.inf, np.inf, np.inf, "")


def test_calibration_is_least_squares() -> None:
    rng = generator(16)
    predictions = rng.normal(20, 5, size=60)
    labels = 4 + 0.5 * predictions + rng.normal(size=60)
    slope, offset = calibration(labels, predictions, np.arange(60), generator(), 2000)
    known = stats.linregress(predictions, labels)
    assert (slope.value, offset.value) == pytest.approx((known.slope, known.intercept))
    assert (slope.high - slope.low) / 3.92 == pytest.approx(known.stderr, rel=0.25)
    assert slope.low < 0.5 < slope.high < 1
    flat = calibration(labels, np.ones(60), np.arange(60), generator(), 10)
    assert all(np.isnan(one.value) and one.reason for one in flat)


# Many tests; shares


def test_q_values_by_hand_and_without_the_missing() -> None:
    found = benjamini_hochberg([[0.01, np.nan], [0.04, 0.03]])
    assert found[[0, 1, 1], [0, 0, 1]] == pytest.approx([0.03, 0.04, 0.04])
    assert np.isnan(found[0, 1])
    assert np.isnan(benjamini_hochberg([np.nan, np.nan])).all()
    assert benjamini_hochberg([]).shape == (0,)


def test_q_values_are_those_of_statsmodels() -> None:
    multiple = pytest.importorskip("statsmodels.stats.multitest")
    p = generator(17).uniform(size=40) ** 2
    assert benjamini_hochberg(p) == pytest.approx(multiple.multipletests(p, method="fdr_bh")[1])


def test_log_ratios_of_shares() -> None:
    found = log_ratio([0.5, 0.2, 0.0, 1.0, np.nan], 0.001)
    assert found[:4] == pytest.approx([0, math.log(0.25), math.log(0.001 / 0.999), -math.log(0.001 / 0.999)])
    assert np.isnan(found[4])
    for bad in (partial(log_ratio, [1.2], 0.01), partial(log_ratio, [0.5], 0.0), partial(log_ratio, [0.5], 0.6)):
        with pytest.raises(ValueError, match="0"):
            bad()


def test_centred_log_ratios() -> None:
    parts = [[1.0, 2.0, 5.0], [10.0, 20.0, 50.0]]
    found = centred_log_ratio(parts, 1e-6)
    assert found[0] == pytest.approx(np.log([1, 2, 5]) - np.log(10) / 3)
    assert found[1] == pytest.approx(found[0])  # the total does not matter
    with_zero = centred_log_ratio([0.0, 2.0, 6.0], 0.01)
    assert with_zero.sum() == pytest.approx(0)
    assert with_zero[2] - with_zero[1] == pytest.approx(math.log(3))  # the others keep their ratio
    assert with_zero[0] - with_zero[1] == pytest.approx(math.log(0.01 / (0.99 / 4)))
    assert np.isnan(centred_log_ratio([[0.0, 0.0], [np.nan, 1.0]], 0.01)).all()
    with pytest.raises(ValueError, match="negative"):
        centred_log_ratio([-1.0, 2.0], 0.01)
    with pytest.raises(ValueError, match="floor"):
        centred_log_ratio([1.0, 2.0], 0.5)

"""Where relevance lies, against maps whose measures are known.

1. Closed forms: flat relevance gives chance, relevance that is the truth gives 1, and shares are what was put there.
2. Slow twins: the mask, rank accuracy with ties, smoothing (scipy's), correlation over time.
3. Planted maps are named through blur, noise, a shift and relevance elsewhere; noise alone names none more than others.
4. What is undefined is NaN or None: no relevance, no truth, an Action Unit that does not move.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter

from mien.benchmark.localisation import (
    background_share,
    densities,
    density,
    first_region,
    mass_accuracy,
    matched_unit,
    put_first,
    rank_accuracy,
    region_series,
    similarity,
    temporal_correlation,
    truth_mask,
    union,
)
from mien.regions.bits import bit, region_names
from mien.regions.names import ELSEWHERE, FACE, REGIONS
from mien.statistics import WindowedSeries

SIDE = 40


def face_bits() -> np.ndarray:
    """A face of 30 x 30 with a mouth of 10 x 5 and a nose of 6 x 6 that share a row of 6 pixels."""
    bits = np.zeros((SIDE, SIDE), np.int32)
    bits[5:35, 5:35] = bit(FACE)
    bits[25:30, 15:25] |= bit("mouth")
    bits[20:26, 17:23] |= bit("nose")
    return bits


def has(bits: np.ndarray, name: str) -> np.ndarray:
    return (bits & bit(name)) != 0


# --- regions


@pytest.mark.parametrize("frames", [0, 3], ids=["map", "stack"])
def test_flat_relevance_has_a_density_of_one_everywhere_and_no_first_region(frames: int) -> None:
    bits = face_bits() if frames == 0 else np.stack([face_bits()] * frames)
    found = densities(np.full(bits.shape, 0.3), bits, region_names)
    assert list(found) == [*REGIONS, ELSEWHERE]
    for name in ("mouth", "nose", ELSEWHERE):
        assert found[name] == pytest.approx(1)
    assert math.isnan(found["left_eye"])  # it is not in the picture
    assert first_region(found) is None


def test_density_is_the_share_of_the_face_s_relevance_over_the_share_of_its_area() -> None:
    bits = face_bits()
    relevance = np.zeros((SIDE, SIDE))
    relevance[28, 15:25] = 3.0  # 30 in the mouth alone
    relevance[6, 6] = 10.0  # elsewhere in the face
    relevance[0, 0] = 960.0  # the background counts for nothing
    found = densities(relevance, bits, region_names)
    assert found["mouth"] == pytest.approx((30 / 40) / (50 / 900))
    assert found["nose"] == 0
    assert found[ELSEWHERE] == pytest.approx((10 / 40) / ((900 - 50 - 36 + 6) / 900))
    assert first_region(found) == "mouth"
    assert background_share(relevance, has(bits, FACE)) == pytest.approx(0.96)


def test_overlapping_regions_both_count_what_they_share() -> None:
    relevance = np.where(has(face_bits(), "mouth") & has(face_bits(), "nose"), 1.0, 0.0)
    found = densities(relevance, face_bits(), region_names)
    assert found["mouth"] == pytest.approx(900 / 50)
    assert found["nose"] == pytest.approx(900 / 36)


def test_sums_of_a_stack_are_taken_before_the_ratio() -> None:
    bits = np.stack([face_bits()] * 2)
    relevance = np.zeros(bits.shape)
    relevance[0, 28, 15] = 9.0
    relevance[1, 6, 6] = 1.0
    assert density(relevance, has(bits, "mouth"), has(bits, FACE)) == pytest.approx(0.9 * 900 / 50)


def test_first_region_leaves_out_what_is_undefined() -> None:
    assert first_region({"mouth": math.nan, "nose": 0.5, "left_eye": 0.2}) == "nose"
    assert first_region({"mouth": math.nan}) is None
    assert first_region({"mouth": 2.0, "nose": 2.0}) is None


def test_a_flat_map_puts_no_region_first_and_one_without_relevance_is_undefined() -> None:
    assert put_first({"mouth": 2.0, "nose": 1.0}, ("mouth",)) == 1
    assert put_first({"mouth": 2.0, "nose": 1.0}, ("nose",)) == 0
    assert put_first({"mouth": 1.0, "nose": 1.0}, ("mouth",)) == 0
    assert math.isnan(put_first({"mouth": math.nan, "nose": math.nan}, ("mouth",)))


# --- the truth map


def slow_mask(truth: np.ndarray, held: float) -> np.ndarray:
    level = next(level for level in np.unique(truth)[::-1] if truth[truth >= level].sum() >= held * truth.sum())
    return truth >= level


@pytest.mark.parametrize("held", [0.3, 0.8, 1.0])
def test_the_mask_is_the_fewest_pixels_that_hold_the_change(held: float) -> None:
    truth = np.random.default_rng(0).integers(0, 60, (SIDE, SIDE)).astype(np.float32)
    mask = truth_mask(truth, held)
    np.testing.assert_array_equal(mask, slow_mask(truth, held) & (truth > 0))
    assert truth[mask].sum() >= held * truth.sum()
    assert truth[mask & (truth > truth[mask].min())].sum() < held * truth.sum()


def test_a_flat_truth_is_a_mask_of_all_of_its_pixels() -> None:
    truth = np.zeros((SIDE, SIDE))
    truth[3:7, 3:8] = 0.1
    np.testing.assert_array_equal(truth_mask(truth), truth > 0)
    assert not truth_mask(np.zeros((4, 4))).any()


def block(y: int, x: int, height: int, width: int, value: float = 1.0) -> np.ndarray:
    truth = np.zeros((SIDE, SIDE))
    truth[y : y + height, x : x + width] = value
    return truth


def test_relevance_that_is_the_truth_is_wholly_accurate() -> None:
    truth = block(10, 10, 4, 5)
    assert mass_accuracy(truth, truth) == 1
    assert rank_accuracy(truth, truth) == 1
    smooth = gaussian_filter(truth, 2)
    assert mass_accuracy(smooth, smooth, held=0.5) == pytest.approx(0.5, abs=0.02)


def test_flat_relevance_is_as_accurate_as_chance() -> None:
    truth = block(10, 10, 4, 5)
    flat = np.full(truth.shape, 2.5)
    assert mass_accuracy(flat, truth) == pytest.approx(20 / SIDE**2)
    assert rank_accuracy(flat, truth) == pytest.approx(20 / SIDE**2)


def test_mass_counts_what_is_inside_and_ranks_what_is_highest() -> None:
    truth = block(10, 10, 4, 5)
    relevance = block(10, 10, 2, 5, 1.0) + block(30, 30, 2, 2, 5.0) + block(0, 0, 3, 4, 0.1)
    assert mass_accuracy(relevance, truth) == pytest.approx(10 / (10 + 20 + 1.2))
    # The four high ones outside, the ten inside, and six of the twelve low ones outside.
    assert rank_accuracy(relevance, truth) == pytest.approx(10 / 20)


def test_ties_count_by_chance() -> None:
    rng = np.random.default_rng(1)
    truth = (rng.random((6, 7)) < 0.4).astype(float)
    relevance = rng.integers(0, 4, truth.shape).astype(float)
    count = int(truth.sum())
    drawn = []
    for _ in range(4000):
        order = np.lexsort((rng.random(truth.size), -relevance.ravel()))[:count]
        drawn.append(truth.ravel()[order].mean())
    assert rank_accuracy(relevance, truth) == pytest.approx(np.mean(drawn), abs=0.005)


def test_measures_do_not_depend_on_the_scale_of_relevance_or_truth() -> None:
    rng = np.random.default_rng(2)
    relevance, truth = rng.random((SIDE, SIDE)), gaussian_filter(block(10, 10, 6, 6), 1)
    for measure in (mass_accuracy, rank_accuracy, similarity):
        assert measure(1e-7 * relevance, 255 * truth) == pytest.approx(measure(relevance, truth))


# --- naming


def test_similarity_is_the_correlation_of_smoothed_maps_inside_the_face() -> None:
    rng = np.random.default_rng(3)
    one, two = rng.random((SIDE, SIDE)), rng.random((SIDE, SIDE))
    inside = face_bits() > 0
    smooth = [gaussian_filter(values, 1.0, truncate=10, mode="constant") for values in (one, two)]
    # scipy has no border that is left out: divide by what of the Gaussian is inside.
    within = gaussian_filter(np.ones((SIDE, SIDE)), 1.0, truncate=10, mode="constant")
    expected = np.corrcoef((smooth[0] / within)[inside], (smooth[1] / within)[inside])[0, 1]
    assert similarity(one, two, inside) == pytest.approx(expected, abs=1e-6)


def planted_maps() -> dict[str, np.ndarray]:
    """Ten maps as Action Units' are: thin, of unlike extent, some beside each other and some over each other."""
    spots = [(8, 12, 2, 6), (8, 6, 2, 4), (9, 13, 3, 8), (17, 6, 6, 12), (18, 18, 6, 4)]
    spots += [(27, 11, 3, 3), (29, 11, 2, 2), (26, 14, 4, 12), (28, 13, 8, 14), (13, 10, 2, 4)]
    mirrored = [block(y, x, h, w) + block(y, SIDE - x - w, h, w) for y, x, h, w in spots]
    return {f"AU{number:02d}": gaussian_filter(truth, 0.6) for number, truth in enumerate(mirrored)}


CASES = {
    "clean": {},
    "blurred": {"blur": 2.0},
    "noisy": {"noise": 1.0},
    "shifted": {"shift": 1},
    "half of it elsewhere": {"elsewhere": 0.5, "blur": 1.0},
    "all at once": {"elsewhere": 0.5, "blur": 1.0, "noise": 0.5, "shift": 1},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_planted_unit_is_named(case: dict[str, float]) -> None:
    truths, inside, rng = planted_maps(), face_bits() > 0, np.random.default_rng(4)
    for name, truth in truths.items():
        shown = np.roll(gaussian_filter(truth, case.get("blur", 0)), int(case.get("shift", 0)), axis=1)
        share = case.get("elsewhere", 0)
        shown = (1 - share) * shown / shown.sum() + share * inside / inside.sum()
        relevance = shown * np.exp(case.get("noise", 0) * rng.standard_normal(shown.shape))
        assert matched_unit(relevance, truths, inside) == name


def test_the_extent_of_a_map_does_not_make_it_likelier() -> None:
    truths, rng = planted_maps(), np.random.default_rng(5)
    named = [matched_unit(rng.random((SIDE, SIDE)), truths, face_bits() > 0) for _ in range(400)]
    assert set(named) == set(truths)
    assert max(named.count(name) for name in truths) < 400 * 0.25


def test_any_of_two_planted_units_is_one_of_them() -> None:
    truths = planted_maps()
    both = union(truths, ("AU05", "AU08"))
    np.testing.assert_array_equal(both, np.maximum(truths["AU05"], truths["AU08"]))
    assert matched_unit(both, truths) in ("AU05", "AU08")


# --- time


def test_a_region_s_series_is_its_signed_sum_in_each_frame() -> None:
    relevance = np.zeros((3, SIDE, SIDE))
    relevance[0, 28, 15:17] = 2.0, -0.5
    relevance[2, 28, 15] = -4.0
    relevance[:, 0, 0] = 100
    region = np.stack([has(face_bits(), "mouth")] * 3)
    np.testing.assert_allclose(region_series(relevance, region), [1.5, 0.0, -4.0])


def recording(participant: str, seed: int, follow: float, windows: int = 3) -> WindowedSeries:
    """An Action Unit that comes and goes with plateaus, and a region that follows it through noise."""
    rng = np.random.default_rng(seed)
    unit = np.clip(2 * np.sin(np.arange(32) / 2.5 + rng.uniform(0, 6)) + 0.5, 0, 1)
    rows = [np.arange(8) * 2 + start for start in (0, 8, 16)[:windows]]
    noise = gaussian_filter(rng.normal(size=32), 1.0)
    noise /= noise.std()
    values = 1e-4 * (follow * unit + (1 - follow) * noise)
    return WindowedSeries(participant, unit[:, None], [(frames, values[frames, None]) for frames in rows])


def test_r_is_the_mean_of_the_clips_pearson_correlations_by_fisher_s_z() -> None:
    recordings = [recording("a", 0, 0.7), recording("a", 1, 0.7), recording("b", 2, 0.2)]
    found = temporal_correlation(recordings, draws=19)
    assert list(found) == ["a", "b"]
    for person, own in (("a", recordings[:2]), ("b", recordings[2:])):
        pairs = itertools.chain.from_iterable(
            [(one.whole[frames, 0], values[:, 0]) for frames, values in one.windows] for one in own
        )
        z = [math.atanh(np.clip(stats.pearsonr(*pair).statistic, -0.999, 0.999)) for pair in pairs]
        assert found[person].r == pytest.approx(math.tanh(np.mean(z)))
        assert found[person].clips == len(z)


def test_relevance_that_follows_is_told_from_relevance_that_does_not() -> None:
    followed = temporal_correlation([recording("a", seed, 0.9) for seed in range(8)])["a"]
    opposed = [recording("a", seed, 0.9) for seed in range(8)]
    opposed = [WindowedSeries("a", 1 - one.whole, one.windows) for one in opposed]
    assert followed.r > 0.9
    assert followed.p < 0.01
    assert temporal_correlation(opposed)["a"].r == pytest.approx(-followed.r)


def test_unrelated_relevance_is_called_related_about_as_often_as_it_should_be() -> None:
    found = [
        temporal_correlation([recording("a", 1000 * run + seed, 0.0) for seed in range(4)], seed=run, draws=199)["a"].p
        for run in range(150)
    ]
    assert np.mean(np.array(found) < 0.05) < 0.11


def test_a_plateau_does_not_keep_a_perfect_follower_from_a_correlation_of_one() -> None:
    assert temporal_correlation([recording("a", 3, 1.0)], draws=9)["a"].r == pytest.approx(0.999)


def test_clips_in_which_nothing_moves_are_counted() -> None:
    one = recording("a", 4, 0.9)
    still = [(frames, np.zeros_like(values)) for frames, values in one.windows[:1]]
    found = temporal_correlation([WindowedSeries("a", one.whole, [*still, *one.windows[1:]])], draws=9)["a"]
    assert (found.clips, found.undefined) == (2, 1)
    assert math.isfinite(found.r)


# --- undefined


def test_without_relevance_nothing_is_defined() -> None:
    bits, truth = face_bits(), block(10, 10, 4, 5)
    none = np.zeros((SIDE, SIDE))
    assert all(math.isnan(value) for value in densities(none, bits, region_names).values())
    assert first_region(densities(none, bits, region_names)) is None
    assert math.isnan(background_share(none, bits > 0))
    for measure in (mass_accuracy, rank_accuracy, similarity):
        assert math.isnan(measure(none, truth))
        assert math.isnan(measure(truth, none))
    assert matched_unit(none, planted_maps()) is None
    assert matched_unit(truth, {}) is None
    still = WindowedSeries("a", np.ones((32, 1)), [(np.arange(8), np.zeros((8, 1)))])
    found = temporal_correlation([still, WindowedSeries("b", np.ones((32, 1)), [])], draws=9)
    assert math.isnan(found["a"].r)
    assert math.isnan(found["a"].p)
    assert (found["a"].clips, found["a"].undefined) == (0, 1)
    assert (found["b"].clips, found["b"].undefined) == (0, 0)


def test_a_face_out_of_the_picture_leaves_its_measures_undefined() -> None:
    relevance, nowhere = np.ones((SIDE, SIDE)), np.zeros((SIDE, SIDE), bool)
    assert math.isnan(density(relevance, nowhere, nowhere))
    assert background_share(relevance, nowhere) == 1
    assert math.isnan(similarity(relevance, relevance, nowhere))


def test_an_undefined_relevance_gives_no_figure() -> None:
    relevance = np.full((SIDE, SIDE), np.nan)
    truth = block(10, 10, 4, 5)
    assert math.isnan(mass_accuracy(relevance, truth))
    assert math.isnan(rank_accuracy(relevance, truth))
    assert matched_unit(relevance, planted_maps()) is None

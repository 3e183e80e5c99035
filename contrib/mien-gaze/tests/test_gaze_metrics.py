"""The measures: cases by hand, slow twins, and what must not change them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mien_gaze import metrics
from mien_gaze.density import centre_map
from mien_gaze.scoring import scores
from mien_gaze.tables import METRICS

FOUR = np.array([[1.0, 2.0], [3.0, 4.0]])


def _at(*places, shape=(2, 2)):
    image = np.zeros(shape)
    for place in places:
        image[place] += 1
    return image


def _random(seed, shape=(9, 13), fixations=7):
    rng = np.random.default_rng(seed)
    counts = np.zeros(shape)
    np.add.at(counts, (rng.integers(shape[0], size=fixations), rng.integers(shape[1], size=fixations)), 1)
    return np.round(rng.gamma(1.5, size=shape), 1), counts, rng.gamma(1.0, size=shape), rng.poisson(0.4, shape)


# by hand


def test_nss_is_the_mean_z_score_at_fixations():
    deviation = math.sqrt(1.25)
    assert metrics.nss(FOUR, _at((1, 1))) == pytest.approx(1.5 / deviation)
    assert metrics.nss(FOUR, _at((0, 0), (1, 1))) == pytest.approx(0)
    assert metrics.nss(FOUR, _at((1, 1), (1, 1), (0, 0))) == pytest.approx(0.5 / deviation)  # both of a pixel count


def test_sim_and_kl_by_hand():
    uniform = np.ones((2, 2))
    assert metrics.sim(FOUR, uniform) == pytest.approx(0.1 + 0.2 + 0.25 + 0.25)
    assert metrics.kl(uniform, _at((0, 0), (0, 1))) == pytest.approx(math.log(2))


def test_cc_by_hand():
    assert metrics.cc(FOUR, 7 - 2 * FOUR) == pytest.approx(-1)
    assert metrics.cc([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]) == pytest.approx(0.5)


def test_auc_by_hand():
    assert metrics.auc_judd(FOUR, _at((1, 0))) == pytest.approx(2 / 3)  # 3 beats 1 and 2, and loses to 4
    assert metrics.auc_judd([[1.0, 2.0], [2.0, 2.0]], _at((1, 1))) == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert metrics.auc_shuffled(FOUR, _at((1, 0)), _at((1, 1), (1, 1), (0, 0))) == pytest.approx(1 / 3)


def test_a_perfect_map_has_the_best_values():
    counts = _at((0, 1), (3, 4), shape=(5, 6))
    density = counts + 0.01
    found = dict(zip(METRICS, scores(density, counts, density, _at((1, 1), (2, 2), shape=(5, 6))), strict=True))
    assert found["auc_judd"] == found["auc_shuffled"] == 1
    assert found["cc"] == pytest.approx(1)
    assert found["sim"] == pytest.approx(1)
    assert found["kl"] == pytest.approx(0, abs=1e-12)
    assert found["nss"] == pytest.approx(math.sqrt(28 / 2))  # z-scores of two ones among thirty: sqrt((1 - p) / p)


def test_a_uniform_map_is_chance_and_has_no_correlation():
    _, counts, density, others = _random(0)
    for uniform in (np.full(counts.shape, 0.3), 0.3 + 1e-14 * density):  # filters leave such rounding errors
        found = dict(zip(METRICS, scores(uniform, counts, density, others), strict=True))
        assert found["nss"] == 0
        assert found["auc_judd"] == found["auc_shuffled"] == 0.5
        assert math.isnan(found["cc"])


def test_what_is_not_defined_is_nan():
    image, counts, density, _ = _random(1)
    nothing = np.zeros(counts.shape)
    assert math.isnan(metrics.nss(image, nothing))
    assert math.isnan(metrics.auc_judd(image, nothing))
    assert math.isnan(metrics.auc_judd(image, np.ones(counts.shape)))  # no pixel without a fixation
    assert math.isnan(metrics.auc_shuffled(image, counts, nothing))
    assert math.isnan(metrics.cc(image, nothing))
    for measure in (metrics.sim, metrics.kl):
        assert math.isnan(measure(nothing, density))
        assert math.isnan(measure(image - 1, density))  # a negative value is no distribution
    with pytest.raises(ValueError, match="different shapes"):
        metrics.nss(image, nothing[1:])


# slow twins


def _slow_auc(image, positive, negative):
    won = total = 0.0
    for p in np.ndindex(image.shape):
        for n in np.ndindex(image.shape):
            weight = positive[p] * negative[n]
            total += weight
            won += weight * (1.0 if image[p] > image[n] else 0.5 if image[p] == image[n] else 0.0)
    return won / total


def _slow(image, counts, density, others):
    pixels = list(np.ndindex(image.shape))
    mean = sum(image[p] for p in pixels) / len(pixels)
    deviation = math.sqrt(sum((image[p] - mean) ** 2 for p in pixels) / len(pixels))
    other_mean = sum(density[p] for p in pixels) / len(pixels)
    other_deviation = math.sqrt(sum((density[p] - other_mean) ** 2 for p in pixels) / len(pixels))
    total, true = sum(image[p] for p in pixels), sum(density[p] for p in pixels)
    shared = sum((image[p] - mean) * (density[p] - other_mean) for p in pixels) / len(pixels)
    eps = 2.220446049250313e-16
    return {
        "nss": sum(counts[p] * (image[p] - mean) / deviation for p in pixels) / sum(counts[p] for p in pixels),
        "cc": shared / deviation / other_deviation,
        "sim": sum(min(image[p] / total, density[p] / true) for p in pixels),
        "kl": sum(density[p] / true * math.log(eps + density[p] / true / (eps + image[p] / total)) for p in pixels),
        "auc_judd": _slow_auc(image, counts, counts == 0),
        "auc_shuffled": _slow_auc(image, counts, others),
    }


@pytest.mark.parametrize("seed", range(4))
def test_measures_equal_their_slow_twins(seed):
    parts = _random(seed, shape=(6, 7))
    found = dict(zip(METRICS, scores(*parts), strict=True))
    assert found == pytest.approx(_slow(*parts))


def _judd_code(image, counts):
    """The benchmark's own way: straight lines between the thresholds at fixations."""
    values = np.sort(image[counts > 0])[::-1]
    pixels, fixated = image.size, len(values)
    hit, false = [0.0], [0.0]
    for number, threshold in enumerate(values, 1):
        above = (image >= threshold).sum()
        hit.append(number / fixated)
        false.append((above - number) / (pixels - fixated))
    hit.append(1.0)
    false.append(1.0)
    return float(sum((false[i + 1] - false[i]) * (hit[i] + hit[i + 1]) / 2 for i in range(len(hit) - 1)))


@pytest.mark.parametrize("fixations", [1, 3, 10])
def test_the_benchmarks_code_adds_what_the_docstring_says(fixations):
    """On noise it gives 1 / (2 (n + 1)) more than chance, on average; the exact area gives chance."""
    rng = np.random.default_rng(fixations)
    exact, coded = [], []
    for _ in range(600):
        image, counts = rng.normal(size=(20, 20)), np.zeros(400)
        counts[rng.choice(400, fixations, replace=False)] = 1
        exact.append(metrics.auc_judd(image, counts.reshape(20, 20)))
        coded.append(_judd_code(image, counts.reshape(20, 20)))
    assert np.mean(exact) == pytest.approx(0.5, abs=0.04)
    assert np.mean(np.subtract(coded, exact)) == pytest.approx(1 / (2 * (fixations + 1)), abs=0.01)


def test_with_many_fixations_both_areas_are_one():
    rng = np.random.default_rng(5)
    image, counts = rng.normal(size=(60, 60)), np.zeros(3600)
    counts[rng.choice(3600, 400, replace=False)] = 1
    counts = counts.reshape(60, 60)
    assert metrics.auc_judd(image, counts) == pytest.approx(_judd_code(image, counts), abs=0.002)


# what must not change them


@pytest.mark.parametrize("seed", range(3))
def test_auc_does_not_change_under_monotone_transforms(seed):
    image, counts, _, others = _random(seed)
    for change in (np.exp, np.sqrt, lambda values: 3 * values**3 - 7):
        assert metrics.auc_judd(change(image), counts) == pytest.approx(metrics.auc_judd(image, counts))
        assert metrics.auc_shuffled(change(image), counts, others) == pytest.approx(
            metrics.auc_shuffled(image, counts, others)
        )
    assert metrics.auc_judd(-image, counts) == pytest.approx(1 - metrics.auc_judd(image, counts))


@pytest.mark.parametrize("seed", range(3))
def test_nss_and_cc_do_not_change_under_affine_transforms(seed):
    image, counts, density, _ = _random(seed)
    assert metrics.nss(0.02 * image + 5, counts) == pytest.approx(metrics.nss(image, counts))
    assert metrics.nss(-image, counts) == pytest.approx(-metrics.nss(image, counts))
    assert metrics.cc(0.02 * image + 5, 3 * density - 1) == pytest.approx(metrics.cc(image, density))


@pytest.mark.parametrize("seed", range(3))
def test_sim_and_kl_do_not_change_under_scale(seed):
    image, _, density, _ = _random(seed)
    image = image + 0.1
    assert metrics.sim(9 * image, density) == pytest.approx(metrics.sim(image, density))
    assert metrics.kl(9 * image, 2 * density) == pytest.approx(metrics.kl(image, density))
    assert metrics.kl(image, density) > 0


def test_the_shuffled_auc_takes_away_a_bias_that_all_images_share():
    """Fixations drawn around the centre of every image, and a map that knows the centre alone."""
    rng, shape = np.random.default_rng(2), (41, 41)
    centre = centre_map(shape, 0.2)
    drawn = [np.zeros(shape) for _ in range(2)]
    for image in drawn:
        places = rng.choice(centre.size, 3000, p=(centre / centre.sum()).ravel())
        np.add.at(image.ravel(), places, 1)
    assert metrics.auc(centre, drawn[0], np.ones(shape)) > 0.75
    assert metrics.auc_shuffled(centre, *drawn) == pytest.approx(0.5, abs=0.02)


def test_the_centre_map_is_symmetric_and_has_its_sigma():
    image = centre_map((11, 21), 0.2)
    assert np.unravel_index(image.argmax(), image.shape) == (5, 10)
    assert image == pytest.approx(image[::-1, ::-1])
    assert image[5, 10] / image[5, 6] == pytest.approx(math.exp(0.5 * (4 / 4.2) ** 2))

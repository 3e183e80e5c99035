"""Simulated studies without any effect, and with one: how often does each test of `mien.statistics` call it?

A study gives the p-values of independent tests; the rate at which they fall to 5 % or below is the test's rate of
false positives, or its power.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from mien.statistics import (
    WindowedSeries,
    adjusted_association,
    circular_shift_test,
    permutation_association,
    sign_flip,
)
from mien.types import FloatArray

DRAWS = 199
"""p = (1 + hits) / (1 + draws) keeps its level with any number of draws; 5 % of 200 is whole."""

Study = Callable[[np.random.Generator], list[float]]


def smooth(rng: np.random.Generator, frames: int, series: int, width: float = 5.0) -> FloatArray:
    """Return Gaussian-smoothed noise ``(frames, series)``; its time of autocorrelation is about 1.8 widths."""
    from scipy.ndimage import gaussian_filter1d

    beyond = int(5 * width)
    noise = rng.normal(size=(frames + 2 * beyond, series))
    found: FloatArray = gaussian_filter1d(noise, width, axis=0)[beyond : beyond + frames]
    return np.asarray(found / found.std())


def autoregressive(rng: np.random.Generator, frames: int, series: int, time: float = 8.0) -> FloatArray:
    """Return AR(1) noise ``(frames, series)`` of variance 1; its autocorrelation falls to 1/e in ``time`` frames."""
    from scipy.signal import lfilter

    keep = np.exp(-1 / time)
    noise = rng.normal(size=(frames, series)) * np.sqrt(1 - keep**2)
    noise[0] /= np.sqrt(1 - keep**2)  # stationary from the first frame on
    found: FloatArray = lfilter([1.0], [1.0, -keep], noise, axis=0)
    return found


def occasional(rng: np.random.Generator, frames: int, series: int) -> FloatArray:
    """Return an Action Unit that is absent (0) most of the time and comes smoothly."""
    return np.maximum(smooth(rng, frames, series) - 0.8, 0.0)


def windows_study(
    rng: np.random.Generator,
    noise: Callable[[np.random.Generator, int, int], FloatArray] = smooth,
    people: int = 12,
    recordings: int = 1,
    length: tuple[int, int] = (64, 300),
    most_windows: int | None = None,
    effect: float = 0.0,
    pairs: int = 4,
) -> list[float]:
    """Return p-values of series of relevance in overlapping windows of 16 frames against as many Action Units.

    Parameters
    ----------
    length : (int, int)
        Shortest and longest recording in frames.
    most_windows : int, optional
        Windows explained of each recording, evenly spread.
    effect : float
        Correlation of the two, frame by frame.
    pairs : int
        Independent pairs of series in a study; they share participants and shifts.
    """
    found = []
    for person in range(people):
        for _ in range(recordings):
            frames = int(rng.integers(length[0], length[1] + 1))
            whole = noise(rng, frames, pairs)
            own = effect * whole + np.sqrt(1 - effect**2) * noise(rng, frames, pairs)
            starts = np.arange(0, frames - 15, 8)
            if most_windows is not None:
                starts = starts[np.linspace(0, len(starts) - 1, most_windows).round().astype(int)]
            windows = [(np.arange(start, start + 16), own[start : start + 16]) for start in starts]
            found.append(WindowedSeries(str(person), whole, windows))
    return [float(p) for p in np.diagonal(circular_shift_test(found, rng, DRAWS).p)]


def association_study(
    rng: np.random.Generator, people: int = 20, effect: float = 0.0, ties: bool = False
) -> list[float]:
    """Return the p-value of a measure against a score of each participant; both have heavy tails."""
    x = rng.standard_t(3, size=people)
    y = effect * x + rng.standard_t(3, size=people)
    if ties:
        x, y = np.round(x), np.round(y)
    return [permutation_association(x, y, rng, DRAWS).p]


def folds_study(rng: np.random.Generator, people: int = 25, effect: float = 0.0) -> list[float]:
    """Return the p-value of predictions of a five-fold cross-validation, each near its fold's training mean."""
    labels = rng.normal(size=people)
    fold = np.arange(people) % 5
    others = np.array([labels[fold != one].mean() for one in fold])
    predictions = others + effect * (labels - others) + 0.1 * rng.normal(size=people)
    return [permutation_association(predictions, labels, rng, DRAWS, fold).p]


def adjusted_study(rng: np.random.Generator, people: int = 24, effect: float = 0.0) -> list[float]:
    """Return the p-value of a measure against a score, given a prediction that both follow."""
    given = rng.normal(size=people)
    x = given + rng.normal(size=people)
    y = given + effect * x + rng.normal(size=people)
    return [adjusted_association(x, y, given, rng, DRAWS).p]


def flips_study(rng: np.random.Generator, people: int = 12, effect: float = 0.0) -> list[float]:
    """Return the p-value of differences of the absolute errors of two networks, whose errors have heavy tails."""
    errors = np.abs(rng.standard_t(4, size=(2, people)))
    return [sign_flip(errors[0] + effect - errors[1], rng, DRAWS).p]


NULLS: dict[str, Study] = {
    "permutation_association": association_study,
    "permutation_association, ties": partial(association_study, ties=True),
    "permutation_association, within folds": folds_study,
    "adjusted_association": adjusted_study,
    "sign_flip": flips_study,
    "circular_shift_test, smooth": windows_study,
    "circular_shift_test, AR(1)": partial(windows_study, noise=autoregressive),
    "circular_shift_test, occasional AU": partial(windows_study, noise=occasional),
    "circular_shift_test, 3 windows each": partial(windows_study, most_windows=3),
    "circular_shift_test, short recordings": partial(windows_study, people=8, length=(64, 64)),
    "circular_shift_test, 2 recordings each": partial(windows_study, people=8, recordings=2, length=(64, 160)),
}
"""Studies without an effect, by the name of the test and its circumstances."""

PLANTED: dict[str, Study] = {
    "permutation_association": partial(association_study, effect=1.0),
    "permutation_association, ties": partial(association_study, effect=1.0, ties=True),
    "permutation_association, within folds": partial(folds_study, effect=0.2),
    "adjusted_association": partial(adjusted_study, effect=0.9),
    "sign_flip": partial(flips_study, effect=1.2),
    "circular_shift_test, smooth": partial(windows_study, effect=0.4),
    "circular_shift_test, AR(1)": partial(windows_study, noise=autoregressive, effect=0.4),
    "circular_shift_test, occasional AU": partial(windows_study, noise=occasional, effect=0.4),
    "circular_shift_test, 3 windows each": partial(windows_study, most_windows=3, effect=0.5),
    "circular_shift_test, short recordings": partial(windows_study, people=8, length=(64, 64), effect=0.5),
    "circular_shift_test, 2 recordings each": partial(
        windows_study, people=8, recordings=2, length=(64, 160), effect=0.4
    ),
}
"""The same with an effect that should mostly be found."""


def p_values(study: Study, wanted: int, seed: int) -> FloatArray:
    """Return at least ``wanted`` p-values of simulated studies, the same for the same seed."""
    found: list[float] = []
    while len(found) < wanted:
        found += study(np.random.default_rng([seed, len(found)]))
    return np.array(found)


def rate(study: Study, wanted: int, seed: int, level: float = 0.05) -> float:
    """Return the fraction of p-values at ``level`` or below."""
    return float((p_values(study, wanted, seed) <= level).mean())

"""When each Action Unit is on: cycles of onset and offset, with duty cycles that are uncorrelated."""

from __future__ import annotations

import numpy as np

from mien.types import FloatArray

_FINE = 8  # steps a frame
_DRAWS = 40
_DUTY = (0.1, 0.9)
_FASTEST = 4.0  # times the slowest rhythm


def duty_cycles(seed: int, participants: int, recordings: int, columns: int) -> FloatArray:
    """Return the share of time that each Action Unit is on, ``(participants, recordings, columns)``.

    Each participant's recordings are a Latin hypercube, so that everyone shows every amount of every Action
    Unit; of 40 draws, the one with the smallest correlation between two columns is taken.
    """
    best, smallest = np.empty(0), np.inf
    for draw in range(_DRAWS):
        random = np.random.default_rng([seed, 2, draw])
        cells = np.tile(np.arange(recordings)[None, :, None], (participants, 1, columns))
        order = random.permuted(cells, axis=1)
        shares = (order + random.uniform(0, 1, order.shape)) / recordings
        correlation = largest_correlation(shares.reshape(-1, columns))
        if not correlation >= smallest:
            best, smallest = shares, correlation
    return duty_of(best)


def severities(seed: int, participants: int, columns: int) -> FloatArray:
    """Return shares that are evenly spaced over the participants, ``(participants, columns)``, 0 to 1.

    Every column is a permutation of the same ones; of 40 draws, the one with the smallest correlation between
    two columns is taken.
    """
    draws = (np.random.default_rng([seed, 8, draw]) for draw in range(_DRAWS))
    cells = np.tile(np.arange(participants)[:, None], (1, columns))
    orders = [random.permuted(cells, axis=0) for random in draws]
    return (np.asarray(min(orders, key=largest_correlation)) + 0.5) / participants


def duty_of(share: FloatArray) -> FloatArray:
    """Return the duty cycle of a share, 0 to 1: nothing is always on or always off."""
    return np.asarray(_DUTY[0] + (_DUTY[1] - _DUTY[0]) * share)


def share_of(duty: FloatArray) -> FloatArray:
    """Return the share that `duty_of` made the duty cycle from."""
    return np.asarray((duty - _DUTY[0]) / (_DUTY[1] - _DUTY[0]))


def largest_correlation(columns: FloatArray) -> float:
    """Return the largest absolute correlation of two columns; 0 with fewer than three rows or two columns."""
    if columns.shape[0] < 3 or columns.shape[1] < 2:
        return 0.0
    matrix = np.abs(np.corrcoef(columns, rowvar=False))
    return float(matrix[~np.eye(len(matrix), dtype=bool)].max())


def course(
    random: np.random.Generator, duty: float, frames: int, rate: float, cycle: float, onset: float
) -> FloatArray:
    """Return one Action Unit's intensity in each frame, 0 to 1.

    Parameters
    ----------
    duty : float
        Share of the time that it is on.
    cycle : float
        Seconds from one onset to the next, varied by up to 15 % and begun at a random phase.
    onset : float
        Seconds that it takes to come, and to go.
    """
    period = cycle * random.uniform(0.85, 1.15) * rate * _FINE
    width = max(3, round(onset * rate * _FINE) | 1)
    steps = np.arange(-(width // 2), frames * _FINE + width // 2)
    phase = (steps / period + random.uniform()) % 1
    window = np.hanning(width + 2)[1:-1]
    smooth = np.convolve(phase < duty, window / window.sum(), mode="valid")
    return np.asarray(smooth[::_FINE][:frames])


def rhythm(random: np.random.Generator, share: float, frames: int, rate: float, cycle: float) -> FloatArray:
    """Return one Action Unit's intensity in each frame, 0 to 1, whose speed alone depends on ``share``.

    A triangle wave of random phase, in which the intensities are then replaced by those that every course of
    this length holds, ``(0.5, 1.5, ...) / frames``, in the order of the wave's.  No single frame, nor any
    set of frames without their order, tells one speed from another.

    Parameters
    ----------
    share : float
        The speed; 0: one onset a ``cycle``; 1: four of them; linear in between.
    cycle : float
        Seconds.
    """
    onsets = (1 + (_FASTEST - 1) * share) / cycle
    phase = (np.arange(frames) * onsets / rate + random.uniform()) % 1
    order = np.argsort(np.argsort(-np.abs(2 * phase - 1), kind="stable"))
    return np.asarray((order + 0.5) / frames)

"""When each Action Unit is on: cycles of onset and offset, with duty cycles that are uncorrelated."""

from __future__ import annotations

import numpy as np

from mien.types import FloatArray

_FINE = 8  # steps a frame
_DRAWS = 40
_DUTY = (0.1, 0.9)


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
    return _DUTY[0] + (_DUTY[1] - _DUTY[0]) * best


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

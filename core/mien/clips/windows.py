"""Which frames of a recording make up each clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.config.settings import WindowSettings
from mien.errors import DataError
from mien.types import BoolArray, FloatArray

_TIE = 1e-6  # seconds; of two frames equally near the earlier is taken, whatever the rounding of time stamps


@dataclass(frozen=True, eq=False)
class Window:
    """The frames of one clip.

    Attributes
    ----------
    index : int
        Number among the recording's windows, from 0; -1 for one that was drawn at random.
    frames : ndarray of int64, shape (frames,)
        Numbers of the source frames.
    content : ndarray of int64, shape (frames,)
        The frames whose crops are shown: ``frames``, but for an invalid one the nearest valid frame of the
        window (of two equally near, the earlier).
    start_s, end_s : float
        Time of the first and of the last frame.
    valid : ndarray of bool, shape (frames,)
        False where a neighbour is shown.
    """

    index: int
    frames: npt.NDArray[np.int64]
    content: npt.NDArray[np.int64]
    start_s: float
    end_s: float
    valid: npt.NDArray[np.bool_]


def plan_windows(times: FloatArray, valid: BoolArray, settings: WindowSettings) -> list[Window]:
    """Return the windows of a recording, in order.

    Without ``rate`` a window takes every ``dilation``-th source frame.  With ``rate`` it takes every
    ``dilation``-th tick of a regular clock that starts with the recording, and of each tick the source
    frame nearest in time, which is right for variable frame rates too.  Windows begin ``1 - overlap`` of
    their span (rounded, at least one frame) after each other; what is left at the end and fills no window
    is not used.  Windows with more than ``max_invalid`` of their frames invalid are left out.

    Parameters
    ----------
    times : ndarray, shape (T,)
        Of the source frames, seconds, increasing.
    valid : ndarray of bool, shape (T,)
        Frames with a face.

    Raises
    ------
    DataError
        When the recording is shorter than a window, or too few frames of every window are valid.
    """
    sequence = _sequence(times, settings)
    stride = max(1, round(settings.span * (1 - settings.overlap)))
    members = _members(sequence, _starts(sequence, times, settings)[::stride], settings)
    usable = members[_usable(members, valid, settings)]
    if not len(usable):
        raise _too_invalid(valid, settings)
    return [_window(index, frames, times, valid) for index, frames in enumerate(usable)]


def random_window(times: FloatArray, valid: BoolArray, settings: WindowSettings, rng: np.random.Generator) -> Window:
    """Return a window that begins at any frame (or tick of ``rate``), all usable ones equally likely.

    Exactly one number is drawn from ``rng``.  Parameters and errors are those of `plan_windows`.
    """
    sequence = _sequence(times, settings)
    members = _members(sequence, _starts(sequence, times, settings), settings)
    usable = np.flatnonzero(_usable(members, valid, settings))
    if not len(usable):
        raise _too_invalid(valid, settings)
    chosen = usable[int(rng.integers(len(usable)))]
    return _window(-1, members[chosen], times, valid)


def _sequence(times: FloatArray, settings: WindowSettings) -> npt.NDArray[np.int64]:
    """Return the source frame at each step: all of them, or the nearest to each tick of the clock."""
    if settings.rate is None or not len(times):
        return np.arange(len(times))
    count = int(np.floor((times[-1] - times[0]) * settings.rate + _TIE)) + 1
    ticks = times[0] + np.arange(count) / settings.rate
    middles = (times[1:] + times[:-1]) / 2
    return np.asarray(np.searchsorted(middles, ticks - _TIE, side="left"), np.int64)


def _starts(sequence: npt.NDArray[np.int64], times: FloatArray, settings: WindowSettings) -> npt.NDArray[np.int64]:
    starts = np.arange(len(sequence) - settings.span + 1)
    if len(starts):
        return starts
    resampled = "" if settings.rate is None else f" ({len(sequence)} at {settings.rate:g} per second)"
    raise DataError(
        f"The recording has {len(times)} frames{resampled}, but a window needs {settings.span}.",
        hint="Shorten 'windows.frames' or 'windows.dilation'.",
    )


def _members(
    sequence: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], settings: WindowSettings
) -> npt.NDArray[np.int64]:
    steps = np.arange(settings.frames) * settings.dilation
    return sequence[starts[:, None] + steps]


def _usable(members: npt.NDArray[np.int64], valid: BoolArray, settings: WindowSettings) -> BoolArray:
    invalid = (~valid[members]).mean(axis=1)
    # max_invalid is below 1, so that at least one frame of a usable window is valid.
    usable: BoolArray = invalid <= settings.max_invalid + 1e-9
    return usable


def _too_invalid(valid: BoolArray, settings: WindowSettings) -> DataError:
    return DataError(
        f"Only {int(valid.sum())} of {len(valid)} frames show a usable face; every window has more than "
        f"{settings.max_invalid:.0%} of its frames without one.",
        hint="Raise 'windows.max_invalid', or shorten 'windows.frames'.",
    )


def _window(index: int, frames: npt.NDArray[np.int64], times: FloatArray, valid: BoolArray) -> Window:
    held = np.asarray(valid[frames], bool)
    start, end = float(times[frames[0]]), float(times[frames[-1]])
    return Window(index, frames, _filled(frames, held), start, end, held)


def _filled(frames: npt.NDArray[np.int64], held: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    places = np.flatnonzero(held)
    distance = np.abs(np.arange(len(frames))[:, None] - places)
    filled: npt.NDArray[np.int64] = frames[places[distance.argmin(axis=1)]]
    return filled

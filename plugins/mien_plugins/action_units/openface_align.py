"""Lays the rows of an OpenFace file beside the frames of the video, and notices when they do not belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien.errors import DataError
from mien.types import FloatArray, IntArray
from mien_plugins.action_units.openface_table import OpenFaceTable

if TYPE_CHECKING:
    from pathlib import Path

_ROUNDING = 1e-3
"""OpenFace prints time stamps to the millisecond."""


@dataclass(frozen=True)
class Video:
    """What the alignment has to know of a video: its file, and its frames' times ``(T,)``, seconds."""

    file: Path
    times: FloatArray

    @property
    def since_start(self) -> FloatArray:
        """Seconds since the first frame, where OpenFace's clock begins."""
        import numpy as np

        return np.asarray(self.times - self.times[0])


def by_time(table: OpenFaceTable, rows: IntArray, video: Video, tolerance: float) -> IntArray:
    """Return for each frame the row whose time stamp is nearest, -1 where none is within half a frame, ``(T,)``.

    Half a frame is that of the video or of the file, whichever is longer.

    Parameters
    ----------
    rows : ndarray of int
        The rows of one face, of which the result has some.
    tolerance : float
        Seconds by which the file's first and last time stamps may differ from the video's.

    Raises
    ------
    DataError
        When the time stamps do not increase, begin or end elsewhere than the video, or drift from it.
    """
    import numpy as np

    stamps, frames = table.key("timestamp"), video.since_start
    _check_finite(table, stamps, "timestamp")
    own = stamps[rows]
    if len(own) > 1 and not (np.diff(own) > 0).all():
        row = int(rows[1 + np.argmax(np.diff(own) <= 0)])
        raise DataError(
            "The time stamps do not increase.", where=f"{table.file}, line {row + 2}", hint="Set 'align: frame'."
        )
    every = np.unique(stamps)
    half = max(_step(every), _step(frames)) / 2 + _ROUNDING
    _check_times(table, every, video, tolerance, half)
    after = np.searchsorted(own, frames).clip(1, max(len(own) - 1, 1))
    before = after - 1
    after = after.clip(max=len(own) - 1)
    nearest = np.where(np.abs(own[after] - frames) < np.abs(own[before] - frames), after, before)
    return np.where(np.abs(own[nearest] - frames) <= half, rows[nearest], -1)


def by_frame(table: OpenFaceTable, rows: IntArray, video: Video, tolerance: float) -> IntArray:
    """Return for each frame the row with its number, -1 without one, ``(T,)``.

    Numbers begin at 1, or at 0 where the file has a frame 0.  Parameters as for `by_time`.

    Raises
    ------
    DataError
        When a number comes twice for one face, or the file has more or fewer frames than the video.
    """
    import numpy as np

    numbers = table.key("frame")
    _check_finite(table, numbers, "frame")
    first = min(1, int(numbers.min()))
    count, frames = int(numbers.max()) - first + 1, len(video.times)
    if first < 0 or abs(count - frames) > max(tolerance / max(_step(video.times), 1e-9), 1):
        raise DataError(
            f"The file is not of this video: {_extent(table, count)}, {_length(video)}.",
            where=str(table.file),
            hint="Give the file that OpenFace made from this very video.",
        )
    places = numbers[rows].astype(int) - first
    if len(np.unique(places)) < len(places):
        raise DataError("A frame comes twice for one face.", where=str(table.file))
    found = np.full(frames, -1)
    inside = places < frames
    found[places[inside]] = rows[inside]
    return found


def _check_times(table: OpenFaceTable, stamps: FloatArray, video: Video, tolerance: float, half: float) -> None:
    import numpy as np

    frames = video.since_start
    starts, ends = float(stamps[0]), float(stamps[-1] - frames[-1])
    both = f"{_extent(table, len(stamps), stamps)}, {_length(video)}"
    where, paired = str(table.file), len(stamps) == len(frames)
    by_number = "As there is a row for each frame, set 'align: frame' if it is of this video."
    if abs(ends - starts) > tolerance:
        hint = by_number if paired else "Give the file that OpenFace made from this very video."
        raise DataError(f"The file's length is not the video's: {both}.", where=where, hint=hint)
    if abs(starts) > tolerance:
        late = f"begins {abs(starts):.2f} s {'after' if starts > 0 else 'before'} the video"
        hint = by_number if paired else "Give the file of the whole video, its clock beginning with the first frame."
        raise DataError(f"The file {late}: {both}.", where=where, hint=hint)
    if paired and float(np.abs(stamps - frames).max()) > half:
        apart = float(np.abs(stamps - frames).max())
        raise DataError(
            f"The file's time stamps run up to {apart:.2f} s away from the video's, at another rate or one that "
            f"varies: {both}.",
            where=where,
            hint=by_number,
        )


def _check_finite(table: OpenFaceTable, values: FloatArray, name: str) -> None:
    import numpy as np

    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f"Column '{name}' is empty.", where=f"{table.file}, line {row + 2}")


def _step(times: FloatArray) -> float:
    import numpy as np

    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def _extent(table: OpenFaceTable, frames: int, stamps: FloatArray | None = None) -> str:
    if stamps is None:
        return f"it has {frames} frames"
    return f"it has {frames} frames from {stamps[0]:.2f} to {stamps[-1]:.2f} s"


def _length(video: Video) -> str:
    return f"{video.file.name} has {len(video.times)} from 0.00 to {video.since_start[-1]:.2f} s"

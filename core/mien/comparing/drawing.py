"""A video with the landmarks of two detectors on the same face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from mien.report import palette
from mien.types import ByteArray, FloatArray, LandmarkScheme, VideoInfo
from mien.video.writer import VideoWriter

_SMALLEST_WIDTH = 480  # pixels; a smaller picture is enlarged, so that its points can be told apart
_LARGEST_SIDE = 960
_LINE = 20  # pixels of a line of the legend
_CRF = 23
_FIXED = 4  # cv2 draws to a sixteenth of a pixel


class Overlay:
    """Writes the video, frame by frame, until it is long enough; a context manager.

    The first detector is blue, the second orange, as the legend under the picture says.

    Parameters
    ----------
    path : Path
        The MP4 file.
    info : VideoInfo
        Of the source.
    names : two str
        Of the detectors.
    schemes : two LandmarkScheme
    seconds : float
        Longest stretch shown; 0 writes nothing.
    """

    def __init__(
        self, path: Path, info: VideoInfo, names: Sequence[str], schemes: Sequence[LandmarkScheme], seconds: float
    ) -> None:
        self._names, self._schemes, self._seconds = names, schemes, seconds
        self._scale = max(_SMALLEST_WIDTH / info.width, 1.0)
        self._scale = min(self._scale, _LARGEST_SIDE / max(info.width, info.height))
        self._size = round(info.height * self._scale), round(info.width * self._scale)
        height, width = self._size
        self._writer = VideoWriter(path, info.rate, height + 3 * _LINE, width, crf=_CRF) if seconds > 0 else None

    def __enter__(self) -> Self:
        if self._writer is not None:
            self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, trace)

    def add(self, frames: ByteArray, times: FloatArray, landmarks: Sequence[FloatArray], distances: FloatArray) -> None:
        """Append frames with the landmarks of both detectors (pixels of the source; NaN without a face)."""
        if self._writer is None:
            return
        for row in np.flatnonzero(times < self._seconds):
            points = [each[row] for each in landmarks]
            self._writer.write(self._draw(frames[row], float(times[row]), points, float(distances[row])))

    def _draw(self, frame: ByteArray, time: float, points: Sequence[FloatArray], distance: float) -> ByteArray:
        height, width = self._size
        how = cv2.INTER_AREA if self._scale < 1 else cv2.INTER_CUBIC
        image = np.array(cv2.resize(frame, (width, height), interpolation=how), dtype=np.uint8)
        for index, (own, scheme) in enumerate(zip(points, self._schemes, strict=True)):
            _draw_face(image, (own + 0.5) * self._scale - 0.5, scheme, _colour(index))
        return np.concatenate([image, self._legend(width, time, points, distance)])

    def _legend(self, width: int, time: float, points: Sequence[FloatArray], distance: float) -> ByteArray:
        strip = np.full((3 * _LINE, width, 3), 255, np.uint8)
        for index, name in enumerate(self._names):
            missing = "" if np.isfinite(points[index]).all() else "  (no face)"
            _write(strip, index, name + missing, _colour(index))
        apart = f"   {distance:.3f} inter-ocular distances apart" if np.isfinite(distance) else ""
        _write(strip, 2, f"{time:6.2f} s{apart}", _rgb(palette.INK))
        return strip


def _colour(index: int) -> tuple[int, int, int]:
    return _rgb(palette.series_colour(index))


def _rgb(code: str) -> tuple[int, int, int]:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def _draw_face(image: ByteArray, points: FloatArray, scheme: LandmarkScheme, colour: tuple[int, int, int]) -> None:
    """Draw a face's lines and points into the image; nothing where it is NaN."""
    if not np.isfinite(points).all():
        return
    # Far outside the picture OpenCV's fixed-point numbers would overflow.
    places = np.round(np.clip(points, -1e4, 1e4) * 2**_FIXED).astype(int).tolist()
    for start, stop in scheme.edges:
        cv2.line(image, places[start], places[stop], colour, 1, cv2.LINE_AA, _FIXED)
    radius = round((2.0 if scheme.points < 150 else 0.8) * 2**_FIXED)
    for place in places:
        cv2.circle(image, place, radius, colour, -1, cv2.LINE_AA, _FIXED)


def _write(strip: ByteArray, line: int, text: str, colour: tuple[int, int, int]) -> None:
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(strip, plain, (6, _LINE * line + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)

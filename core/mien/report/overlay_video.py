"""Overlay videos: the face as it was filmed, beside the face under its relevance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from mien.errors import DataError
from mien.report.overlay import Strip, View, face_view, overlay, region_outlines, relevance_limit, smoothed
from mien.types import ByteArray, FloatArray, IntArray, LandmarkScheme
from mien.video.reader import read_frames
from mien.video.writer import VideoWriter

_FOOTER = 22  # pixels
_CRF = 25  # half the size of the writer's default; overlays are looked at, not analysed
_READ_AT_ONCE = 16


@dataclass(frozen=True)
class OverlayStyle:
    """How an overlay video looks.

    Attributes
    ----------
    signed : bool
        Whether the method tells for from against.
    label : str
        Written under the picture, e.g. the method and what red means.
    shape, padding
        Of the regions, as they were pooled.
    panel : int
        Largest side of each of the two panels, pixels.
    seconds : float
        Longest stretch shown, from the first explained frame on.
    """

    signed: bool = True
    label: str = ""
    shape: str = "hull"
    padding: float = 0.25
    panel: int = 320
    seconds: float = 30.0


def overlay_video(
    path: Path,
    video: Path,
    strip: Strip,
    scheme: LandmarkScheme,
    *,
    rate: float,
    style: OverlayStyle | None = None,
) -> Path:
    """Write a recording with its relevance as H.264 MP4, in the source's time.

    Every source frame is shown, as long as in the source, whatever its frame rate and the windows'.  Frames between
    explained ones show the relevance of the last one before; frames outside the explained windows are shown without
    colours, and say so.

    Parameters
    ----------
    path : Path
        The MP4 file; its folder must exist.
    video : Path
        The source.
    strip : Strip
        At least one frame.
    rate : float
        Of the source, frames a second; where it varies, its mean.

    Raises
    ------
    DataError
        When the source cannot be read or the file not be written.
    """
    style = style or OverlayStyle()
    strip = replace(strip, maps=smoothed(strip.maps, strip.tiles))
    start = int(strip.frames[0])
    frames = _stretch(video, start, int(strip.frames[-1]))
    first = next(frames, None)
    if first is None:
        raise DataError(f"It has no frame {start}, which was explained.", where=str(video))
    zero, picture = first
    scene = _Scene(strip, scheme, style, picture.shape[0], picture.shape[1])
    with VideoWriter(path, rate, *scene.size, crf=_CRF, timed=True) as writer:
        for number, (time, frame) in enumerate(chain([first], frames), start):
            if time - zero > style.seconds - 0.5 / rate:
                break
            writer.write(scene.draw(frame, number, time), np.array([time - zero]))
    return path


def _stretch(video: Path, start: int, stop: int) -> Iterator[tuple[float, ByteArray]]:
    number = 0
    for frames, times in read_frames(video, _READ_AT_ONCE):
        for time, frame in zip(times, frames, strict=True):
            if start <= number <= stop:
                yield float(time), frame
            number += 1
        if number > stop:
            return


class _Scene:
    """Draws the frames of one overlay video."""

    def __init__(self, strip: Strip, scheme: LandmarkScheme, style: OverlayStyle, height: int, width: int) -> None:
        self.strip, self.style = strip, style
        self.view: View = face_view(strip.landmarks, height, width, panel=style.panel)
        self.outlines = region_outlines(strip, scheme, style.shape, style.padding)
        self.limit = relevance_limit(strip.maps)
        self.windows = strip.windows if strip.windows is not None else _reached(strip)

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.view.size
        return height + _FOOTER, 2 * width

    def draw(self, frame: ByteArray, number: int, time: float) -> ByteArray:
        row = int(np.searchsorted(self.strip.frames, number, side="right")) - 1
        near = bool(((self.windows[:, 0] <= number) & (number <= self.windows[:, 1])).any())
        left = self.view.show(frame)
        right = self._explained(frame, row) if near else _greyed(left)
        what = self.style.label if near else "not explained here"
        footer = _footer(left.shape[1] * 2, f"{time:6.2f} s  {what}")
        return np.concatenate([np.concatenate([left, right], axis=1), footer])

    def _explained(self, frame: ByteArray, row: int) -> ByteArray:
        return overlay(
            frame,
            self.strip,
            row,
            view=self.view,
            limit=self.limit,
            signed=self.style.signed,
            outlines=self.outlines,
        )


def _reached(strip: Strip) -> IntArray:
    """Return, where windows are not known, how far each explained frame speaks: two of the smallest steps."""
    steps = np.diff(strip.frames)
    reach = 2 * int(steps.min()) if len(steps) else 1
    return np.stack([strip.frames, strip.frames + reach], axis=1)


def _greyed(image: ByteArray) -> ByteArray:
    grey: FloatArray = image.mean(axis=2, keepdims=True)
    return np.repeat(grey, 3, axis=2).astype(np.uint8)


def _footer(width: int, text: str) -> ByteArray:
    strip = np.full((_FOOTER, width, 3), 24, np.uint8)
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(strip, plain, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (235, 235, 235), 1, cv2.LINE_AA)
    return strip

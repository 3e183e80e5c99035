"""Writes videos that a browser plays."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np

from mien.errors import DataError
from mien.types import ByteArray, FloatArray

_CLOCK = Fraction(1, 90_000)  # seconds; what time stamps are counted in


class VideoWriter:
    """Writes an H.264 MP4 (yuv420p, index at the front), frame by frame; a context manager.

    The file appears under its name when the block ends well, and not at all otherwise.  Odd sizes are
    padded to even ones, which H.264 needs, by repeating the last row and column.

    Parameters
    ----------
    path : Path
        Its folder must exist; a file of that name is replaced.
    rate : float
        Frames a second.
    height, width : int
        Of the frames that `write` takes, pixels.
    crf : int
        Quality: 0 is lossless, 18 hardly differs from the source, 23 is smaller.
    timed : bool
        Whether `write` is told when each frame is shown, for variable frame rates; else the ``rate`` says it.

    Raises
    ------
    DataError
        When the file cannot be written (no permission, disk full), or not one frame was.
    """

    def __init__(
        self, path: Path | str, rate: float, height: int, width: int, crf: int = 18, *, timed: bool = False
    ) -> None:
        self.path = Path(path)
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._size = (height, width)
        self._rate = Fraction(rate).limit_denominator(1001)
        self._crf = crf
        self._clock = _CLOCK if timed else 1 / self._rate
        self._timed = timed
        self._count = 0
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> Self:
        try:
            self._part.touch()  # FFmpeg itself opens the file only with the first frame
            self._container = av.open(str(self._part), "w", format="mp4", options={"movflags": "faststart"})
            self._stream = self._new_stream()
        except (av.error.FFmpegError, OSError) as error:
            self._discard()
            raise self._failure(error) from error
        return self

    def _new_stream(self) -> Any:
        height, width = self._size
        # One thread: x264's output depends on their number, and results must not depend on the machine.
        options = {"crf": str(self._crf), "preset": "veryfast", "threads": "1"}
        stream = self._container.add_stream("libx264", rate=self._rate, options=options)
        stream.codec_context.time_base = self._clock
        stream.height, stream.width = height + height % 2, width + width % 2
        stream.pix_fmt = "yuv420p"
        return stream

    def write(self, frames: ByteArray, times: FloatArray | None = None) -> None:
        """Append frames.

        Parameters
        ----------
        frames : ndarray of uint8, shape (T, height, width, 3) or (height, width, 3)
            RGB.
        times : ndarray, shape (T,), or a number
            When each is shown, seconds from 0, increasing; for a ``timed`` writer, and for no other.
        """
        frames = frames[None] if frames.ndim == 3 else frames
        height, width = self._size
        if frames.shape[1:] != (height, width, 3) or frames.dtype != np.uint8:
            raise ValueError(f"expected uint8 frames (T, {height}, {width}, 3), got {frames.dtype} {frames.shape}")
        if (times is not None) != self._timed:
            raise ValueError("times are given to a timed writer, and to no other")
        numbers = np.arange(self._count, self._count + len(frames))
        stamps = numbers if times is None else np.rint(np.atleast_1d(times) / float(self._clock))
        try:
            for image, stamp in zip(frames, stamps, strict=True):
                self._encode(image, int(stamp))
        except (av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def _encode(self, image: ByteArray, stamp: int) -> None:
        height, width = self._size
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = stamp, self._clock
        self._mux(frame)
        self._count += 1

    def _mux(self, frame: Any = None) -> None:
        """Encode a frame, or what is left when there is none."""
        for packet in self._stream.encode(frame):
            if self._timed:  # or the last frame would last no time
                packet.duration = round(1 / (self._rate * self._clock))
            self._container.mux(packet)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        if self._count == 0:
            self._discard()
            raise DataError("No frame was written.", where=str(self.path))
        try:
            self._mux()
            self._container.close()
            self._part.replace(self.path)
        except (av.error.FFmpegError, OSError) as failure:
            self._discard()
            raise self._failure(failure) from failure

    def _discard(self) -> None:
        try:
            if self._container is not None:
                self._container.close()
        except (av.error.FFmpegError, OSError):
            pass  # the file is thrown away; what broke it is being raised already
        finally:
            self._part.unlink(missing_ok=True)

    def _failure(self, error: Exception) -> DataError:
        reason = getattr(error, "strerror", None) or str(error)
        return DataError(
            f"The video cannot be written: {reason}.",
            where=str(self.path),
            hint="Check that the folder exists, that it may be written to, and that the disk is not full.",
        )

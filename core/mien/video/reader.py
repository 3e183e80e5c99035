"""Decodes video files as they are displayed: upright, in RGB, with the time of each frame.

Every file that cannot be used raises `DataError` with the file, the reason and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from mien.errors import DataError
from mien.types import ByteArray, FloatArray, VideoInfo
from mien.video.display import Display, display_of

_TEXT_FORMATS = {"tty", "bin", "xbin", "adf", "idf"}
"""FFmpeg draws text files as pictures of a terminal; no recording is one."""

_COPY_AGAIN = "Copy the file again from its source, or re-encode it."
_SHORTEST_STEP = 1e-3
"""Seconds between frames whose time stamps do not increase."""


def probe(path: Path | str) -> VideoInfo:
    """Return what a video file says of itself; its first frame is decoded.

    Raises
    ------
    DataError
        When the file is missing, a folder, empty, no video, or has no frame that can be decoded.
    """
    with _opened(Path(path)) as decoder:
        return decoder.info


def read_frames(path: Path | str, batch: int = 16) -> Iterator[tuple[ByteArray, FloatArray]]:
    """Yield the frames of a video in batches, however long it is.

    Yields
    ------
    frames : ndarray of uint8, shape (T, H, W, 3)
        RGB, upright; ``T`` is ``batch`` but for the last one, never 0.
    times : ndarray of float64, shape (T,)
        Seconds from the first frame, strictly increasing; variable frame rates are honoured.

    Raises
    ------
    DataError
        As `probe`, and when the file ends, or cannot be decoded, before its last frame: the frames up to
        there have been yielded by then.
    """
    with _opened(Path(path)) as decoder:
        height, width = decoder.display.height, decoder.display.width
        frames = np.empty((batch, height, width, 3), np.uint8)
        times = np.empty(batch, np.float64)
        filled = 0
        for time, frame in decoder:
            decoder.display.draw(frame, frames[filled])
            times[filled] = time
            filled += 1
            if filled == batch:
                yield frames, times
                # A new array: the caller may keep the last one.
                frames, times, filled = np.empty_like(frames), np.empty_like(times), 0
        if filled:
            yield frames[:filled], times[:filled]


def read_selected(path: Path | str, frame_numbers: Sequence[int]) -> ByteArray:
    """Return the frames of these numbers (from 0), in the order asked for: ``(len(frame_numbers), H, W, 3)``.

    The video is decoded up to the last of them.

    Raises
    ------
    DataError
        As `read_frames`, and when the video has no frame of a number.
    """
    wanted = [int(number) for number in frame_numbers]
    places: dict[int, list[int]] = {}
    for place, number in enumerate(wanted):
        places.setdefault(number, []).append(place)
    with _opened(Path(path)) as decoder:
        chosen = np.empty((len(wanted), decoder.display.height, decoder.display.width, 3), np.uint8)
        last = max(wanted, default=-1)
        missing = set(wanted)
        for number, (_, frame) in enumerate(decoder if wanted else ()):
            for place in places.get(number, ()):
                decoder.display.draw(frame, chosen[place])
            missing.discard(number)
            if number >= last:
                break
    if missing:
        raise DataError(f"The video has no frame number {min(missing)}.", where=str(path))
    return chosen


@contextmanager
def _opened(path: Path) -> Iterator[_Decoder]:
    _check_file(path)
    try:
        # The protocol's name keeps FFmpeg from reading a colon or a percent sign in the name as its own syntax.
        container = av.open(f"file:{path.resolve()}", metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise DataError(
            f"It cannot be opened as a video ({_reason(error)}): it is of another kind, or the end of it is missing.",
            where=str(path),
            hint=_COPY_AGAIN,
        ) from error
    with container:
        yield _Decoder(path, container, _video_stream(path, container))


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise DataError("This is a folder, not a video file.", where=str(path))
        if not path.exists():
            raise DataError("There is no such file.", where=str(path), hint="Check the path of the video.")
        if path.stat().st_size == 0:
            raise DataError("The file is empty.", where=str(path), hint=_COPY_AGAIN)
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"The file cannot be read: {error.strerror}.", where=str(path)) from error


def _video_stream(path: Path, container: Any) -> Any:
    if container.format.name in _TEXT_FORMATS:
        raise DataError("This is a text file, not a video.", where=str(path))
    for stream in container.streams.video:
        if "attached_pic" not in str(stream.disposition):  # the cover of an audio file is no video
            return stream
    kinds = sorted({stream.type for stream in container.streams} - {"video"})
    found = f"It holds only {' and '.join(kinds)}." if kinds else "It holds no stream at all."
    raise DataError(f"The file has no video. {found}", where=str(path), hint="Give the file with the picture.")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".")


@dataclass
class _Claims:
    """What the container says of its length, and how far its packets really went."""

    frames: int
    duration: float
    rate: float
    reached: float = 0.0
    start: float = field(default=0.0)

    def see(self, packet: Any) -> None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or packet.time_base is None:
            return
        end = float((stamp + (packet.duration or 0)) * packet.time_base)
        self.reached = max(self.reached, end - self.start)

    def expected(self, decoded: int) -> int:
        """Return how many frames there should have been, when the file broke off; else ``decoded``."""
        period = 1 / self.rate if self.rate else 0.04
        if self.frames:
            # Edit lists hide frames that the container counts: then the time is reached nevertheless.
            cut = decoded < self.frames and self.reached < self.duration - 0.5 * period
            return self.frames if cut else decoded
        cut = self.reached < self.duration - max(1.0, 0.02 * self.duration)
        return max(decoded + 1, round(self.duration * self.rate)) if cut else decoded


class _Decoder:
    """Iterates over ``(time, frame)`` of an open video, once."""

    def __init__(self, path: Path, container: Any, stream: Any) -> None:
        self.path = path
        self._container = container
        self._stream = stream
        self._rate = float(stream.average_rate or stream.guessed_rate or 25)
        self._claims = _Claims(int(stream.frames or 0), _duration(container, stream), self._rate)
        if container.start_time is not None:
            self._claims.start = container.start_time / av.time_base
        self._frames = self._decode()
        first = next(self._frames, None)
        if first is None:
            raise DataError("The video has no frame.", where=str(path), hint=_COPY_AGAIN)
        self._first = first
        self.display: Display = display_of(first)

    @property
    def info(self) -> VideoInfo:
        return VideoInfo(
            width=self.display.width,
            height=self.display.height,
            rate=self._rate,
            frames=self._claims.frames,
            duration=self._claims.duration,
            rotation=self.display.rotation,
            codec=str(self._stream.codec_context.name),
        )

    def __iter__(self) -> Iterator[tuple[float, Any]]:
        zero = self._first.time
        last = -_SHORTEST_STEP
        for number, frame in enumerate(self._with_first()):
            known = frame.time is not None and zero is not None
            time = max(float(frame.time - zero) if known else number / self._rate, last + _SHORTEST_STEP)
            yield time, frame
            last = time

    def _with_first(self) -> Iterator[Any]:
        yield self._first
        yield from self._frames

    def _decode(self) -> Iterator[Any]:
        decoded = 0
        reason = "the file ends there"
        try:
            for packet in self._container.demux():  # every stream: how far a file reaches is known from all
                self._claims.see(packet)
                if packet.stream_index != self._stream.index:
                    continue
                for frame in packet.decode():
                    decoded += 1
                    yield frame
            expected = self._claims.expected(decoded)
        except av.error.FFmpegError as error:
            expected = max(self._claims.frames, decoded + 1)
            reason = _reason(error)
            raise self._broken(decoded, expected, reason) from error
        if expected > decoded:
            raise self._broken(decoded, expected, reason)

    def _broken(self, decoded: int, expected: int, reason: str) -> DataError:
        message = f"Decoding stopped at frame {decoded} of {expected}: {reason}."
        if decoded == 0:
            message = f"Not one of its frames can be decoded: {reason}."
        return DataError(message, where=str(self.path), hint=_COPY_AGAIN)


def _duration(container: Any, stream: Any) -> float:
    claims = []
    if stream.duration and stream.time_base:
        claims.append(float(stream.duration * stream.time_base))
    if container.duration:
        claims.append(container.duration / av.time_base)
    return min(claims, default=0.0)

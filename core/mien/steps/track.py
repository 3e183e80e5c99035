"""The step from a video to the track of one face, streamed to files.

Which face is followed: of the faces that reach the detector's ``min_confidence``, the most confident one.
Faces whose confidence is within `TIE` of the highest count as equally confident, and of them the one is
taken that overlaps most with the face followed so far, so that the track does not jump between two people
of equal standing; with no overlap the most confident is taken after all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import DataError
from mien.interfaces import Detector, DetectorSession
from mien.promises import at_work, broken
from mien.registry import load_registry
from mien.store.arrays import ArrayWriter, read_rows
from mien.types import BoolArray, FaceTrack, FloatArray, FrameFaces, Recording
from mien.video.reader import probe, read_frames

TIE = 0.1
"""Difference of confidence below which the face followed so far is kept."""

_INFO = "track.json"
_ONE_EACH = "A detector gives a sequence with one FrameFaces for each frame"
_ARRAYS = "A frame's boxes, confidence and landmarks are arrays of numbers, and its extras such arrays by name"
_IN_FRAME = "Boxes (x0 < x1, y0 < y1) and landmarks are pixels of the frame, which shows at least a part of the face"
_FINITE = "A face that is found has finite values; a frame without a face has none"


@dataclass(frozen=True)
class TrackInfo:
    """What a stored track says of itself.

    Attributes
    ----------
    scheme : str
        Id of the landmark scheme.
    width, height : int
        Of the displayed frame, pixels.
    rate : float
        Mean frames a second, from the time stamps.
    frames, valid_frames : int
        All frames, and those with a face.
    duration : float
        Seconds from the first frame to the end of the last.
    max_faces : int
        Most faces seen in one frame.
    frames_with_others : int
        Frames that showed more than the face followed.
    extras : tuple of str
        Names of the detector's further values.
    """

    scheme: str
    width: int
    height: int
    rate: float
    frames: int
    valid_frames: int
    duration: float
    max_faces: int
    frames_with_others: int
    extras: tuple[str, ...] = ()


def track_recording(
    recording: Recording,
    detector: Detector,
    session: DetectorSession,
    folder: Path,
    report: Callable[[int], None] | None = None,
) -> None:
    """Follow the face of a recording and write its track into ``folder``, which exists.

    Neither memory nor time per frame grows with the length of the video.

    Parameters
    ----------
    session : DetectorSession
        Opened from ``detector``; it is reset first.
    report : callable, optional
        Told how many further frames are done, after each batch.

    Raises
    ------
    DataError
        When the video cannot be read, or shows no face in any frame; what lies in ``folder`` is then void.
    PluginError
        When the detector breaks its promise.
    """
    info = probe(recording.video)
    registry = load_registry()
    points = registry.scheme(detector.scheme).points if detector.scheme in registry.ids("landmarks") else None
    with at_work(detector, "reset"):
        session.reset()
    follower = Follower(detector, points, (info.width, info.height))
    with ExitStack() as stack:
        writers: dict[str, ArrayWriter] = {}
        for frames, times in read_frames(recording.video, detector.batch):
            with at_work(detector, "detect"):
                found = session.detect(frames, times)
            rows = follower.follow(found, times)
            if not writers:
                for name, values in rows.items():
                    path = folder / f"{name}.npy"
                    writers[name] = stack.enter_context(ArrayWriter(path, values.dtype, values.shape[1:]))
            for name, writer in writers.items():
                writer.append(rows[name])
            if report is not None:
                report(len(times))
    if follower.valid == 0:
        raise DataError(
            f"No face was found in any of {follower.frames} frames.",
            where=str(recording.video),
            hint="Look at the video; a lower 'detector.min_confidence' accepts less certain faces.",
        )
    summary = follower.info(info.width, info.height, info.rate)
    (folder / _INFO).write_text(json.dumps(asdict(summary), indent=1), encoding="utf-8")


def track_info(folder: Path) -> TrackInfo:
    """Return the summary of a stored track."""
    fields = json.loads((folder / _INFO).read_text(encoding="utf-8"))
    return TrackInfo(**{**fields, "extras": tuple(fields["extras"])})


def load_track(folder: Path, rows: slice | None = None) -> FaceTrack:
    """Return a stored track, or the rows ``start:stop`` of it; only these are read.

    Raises
    ------
    ValueError
        When the slice has a step.
    """
    info = track_info(folder)
    if rows is not None and rows.step not in (None, 1):
        raise ValueError("a track is read in runs of frames: slices without a step")
    start, stop, _ = (rows or slice(None)).indices(info.frames)

    def read(name: str) -> Any:
        return read_rows(folder / f"{name}.npy", start, max(start, stop))

    return FaceTrack(
        scheme=info.scheme,
        times=read("times"),
        boxes=read("boxes"),
        confidence=read("confidence"),
        landmarks=read("landmarks"),
        faces=read("faces"),
        width=info.width,
        height=info.height,
        extras={name: read(f"extras_{name}") for name in info.extras},
    )


@dataclass
class Follower:
    """Chooses the face of each frame of one recording, and counts.

    ``points`` of the landmark scheme and the ``size`` of the frames (width, height; pixels) are held against the faces
    where they are known: a face that lies outside the frame is no face.
    """

    detector: Detector
    points: int | None = None
    size: tuple[int, int] | None = None
    frames: int = 0
    valid: int = 0
    max_faces: int = 0
    with_others: int = 0
    outside: int = 0
    extras: tuple[str, ...] = ()
    _box: FloatArray | None = None
    _first: float = 0.0
    _last: float = 0.0
    _shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def follow(self, found: Sequence[FrameFaces], times: FloatArray) -> dict[str, Any]:
        """Return the rows of a batch by the name of their file."""
        if not isinstance(found, Sequence):
            raise broken(self.detector, f"It returned {type(found).__name__}.", _ONE_EACH)
        if len(found) != len(times):
            raise broken(self.detector, f"It returned {len(found)} results for {len(times)} frames.", _ONE_EACH)
        for faces in found:
            self._check_types(faces)
        if self.frames == 0:
            self._begin(found[0], float(times[0]))
        rows = self._empty(len(times))
        rows["times"][:] = times
        for row, faces in enumerate(found):
            self._check(faces)
            self._fill(rows, row, faces)
        self.frames += len(times)
        self._last = float(times[-1])
        self.valid += int(np.count_nonzero(rows["confidence"] > 0))
        self.max_faces = max(self.max_faces, int(rows["faces"].max()))
        self.with_others += int(np.count_nonzero(rows["faces"] > 1))
        return rows

    def info(self, width: int, height: int, claimed_rate: float) -> TrackInfo:
        """Return the summary of all that was followed.

        Raises
        ------
        PluginError
            When no frame shows any of the faces that were found.
        """
        if self.outside and not self.valid:
            did = f"No face that it found, in {self.outside} frame(s), is in the frame of {width} x {height} pixels."
            raise broken(self.detector, did, _IN_FRAME)
        span = self._last - self._first
        rate = (self.frames - 1) / span if span > 0 else claimed_rate
        return TrackInfo(
            scheme=self.detector.scheme,
            width=width,
            height=height,
            rate=rate,
            frames=self.frames,
            valid_frames=self.valid,
            duration=span + 1 / rate,
            max_faces=self.max_faces,
            frames_with_others=self.with_others,
            extras=self.extras,
        )

    def _begin(self, faces: FrameFaces, time: float) -> None:
        self._first = time
        self.extras = tuple(sorted(faces.extras))
        # A frame without a face still tells the shapes: (0, N, 2).
        self._shapes = {
            "boxes": (4,),
            "landmarks": faces.landmarks.shape[1:] if self.points is None else (self.points, 2),
            **{f"extras_{name}": faces.extras[name].shape[1:] for name in self.extras},
        }

    def _check_types(self, faces: object) -> None:
        """Raise `PluginError` when what a detector gives of a frame is of another type than detectors promise."""
        if not isinstance(faces, FrameFaces):
            raise broken(self.detector, f"It gave {type(faces).__name__} for a frame.", _ONE_EACH)
        if not isinstance(faces.extras, Mapping):
            raise broken(self.detector, f"The extras of a frame are {type(faces.extras).__name__}.", _ARRAYS)
        arrays = {"boxes": faces.boxes, "landmarks": faces.landmarks, "confidence": faces.confidence, **faces.extras}
        for what, values in arrays.items():
            if not (isinstance(values, np.ndarray) and values.dtype.kind in "fiub" and values.ndim):
                kind = f"of {values.dtype}" if isinstance(values, np.ndarray) else type(values).__name__
                raise broken(self.detector, f"The {what} of a frame are {kind}.", _ARRAYS)

    def _check(self, faces: FrameFaces) -> None:
        """Raise `PluginError` when a frame's faces are not what detectors promise."""
        wanted = {
            "boxes": (faces.boxes, (faces.count, *self._shapes["boxes"])),
            "landmarks": (faces.landmarks, (faces.count, *self._shapes["landmarks"])),
            "confidence": (faces.confidence, (faces.count,)),
        }
        for name in self.extras:
            shape = (faces.count, *self._shapes[f"extras_{name}"])
            wanted[f"extra '{name}'"] = (faces.extras.get(name, np.empty(0)), shape)
        for what, (values, shape) in wanted.items():
            if np.shape(values) != shape:
                raise broken(self.detector, f"The {what} of a frame has the shape {np.shape(values)}.", _faces(shape))
        for what, values in (("boxes", faces.boxes), ("landmarks", faces.landmarks), ("confidence", faces.confidence)):
            if not np.isfinite(values).all():
                raise broken(self.detector, f"The {what} of a face found hold NaN or infinite values.", _FINITE)
        empty = (faces.boxes[:, 0] >= faces.boxes[:, 2]) | (faces.boxes[:, 1] >= faces.boxes[:, 3])
        if empty.any():
            place = ", ".join(f"{value:.4g}" for value in faces.boxes[np.argmax(empty)])
            raise broken(self.detector, f"The box of a face, ({place}), is empty.", _IN_FRAME)

    def _shown(self, faces: FrameFaces) -> BoolArray:
        """Return which faces the frame shows a part of: a face that left is followed by some for a frame or two."""
        shown = np.ones(faces.count, bool)
        if self.size is None or not faces.count:
            return shown
        corners = np.concatenate([faces.landmarks.min(1), faces.landmarks.max(1)], 1)
        for x0, y0, x1, y1 in (faces.boxes.T, corners.T):
            shown &= (x0 < self.size[0]) & (y0 < self.size[1]) & (x1 > 0) & (y1 > 0)
        return shown

    def _empty(self, count: int) -> dict[str, Any]:
        rows: dict[str, Any] = {
            "times": np.empty(count, np.float64),
            "confidence": np.zeros(count, np.float32),
            "faces": np.zeros(count, np.int32),
        }
        for name, shape in self._shapes.items():
            rows[name] = np.full((count, *shape), np.nan, np.float32)
        return rows

    def _fill(self, rows: dict[str, Any], row: int, faces: FrameFaces) -> None:
        shown = self._shown(faces)
        self.outside += int(not shown.all())
        good = np.flatnonzero((faces.confidence >= self.detector.min_confidence) & (faces.confidence > 0) & shown)
        rows["faces"][row] = len(good) + faces.others
        if not len(good):
            return
        chosen = self._choose(faces, good)
        self._box = faces.boxes[chosen]
        rows["confidence"][row] = faces.confidence[chosen]
        rows["boxes"][row] = faces.boxes[chosen]
        rows["landmarks"][row] = faces.landmarks[chosen]
        for name in self.extras:
            rows[f"extras_{name}"][row] = faces.extras[name][chosen]

    def _choose(self, faces: FrameFaces, good: Any) -> int:
        confidence = faces.confidence[good]
        best = int(good[np.argmax(confidence)])
        if self._box is None or len(good) == 1:
            return best
        equal = good[confidence >= confidence.max() - TIE]
        overlaps = overlap(self._box, faces.boxes[equal])
        return int(equal[np.argmax(overlaps)]) if overlaps.max() > 0 else best


def _faces(shape: tuple[int, ...]) -> str:
    return f"Here it must be {shape}: all frames of a detector have the shapes of its scheme, with the faces first"


def overlap(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Return the intersection over union of a box ``(4,)`` with each of ``(F, 4)``."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return np.asarray(shared / np.maximum(areas - shared, 1e-9))

"""Two face detectors on one video: who finds the face, how far apart they put it, and how fast they are."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.comparing.agreement import UNIT, Agreement, agreement, frame_table, point_table
from mien.comparing.drawing import Overlay
from mien.errors import printable
from mien.interfaces import Detector, DetectorSession
from mien.progress import Progress, QuietProgress, Task
from mien.registry import Registry
from mien.steps.track import Follower
from mien.types import ByteArray, FloatArray, LandmarkScheme
from mien.video.reader import probe, read_frames

if TYPE_CHECKING:
    import pandas as pd

_FRAMES, _POINTS, _SUMMARY, _OVERLAY = "frames.parquet", "points.csv", "comparison.json", "overlay.mp4"


@dataclass(frozen=True)
class DetectorComparison:
    """What comparing two detectors found.

    Attributes
    ----------
    frames : DataFrame
        `mien.comparing.agreement.FRAMES`.
    points : DataFrame
        `mien.comparing.agreement.POINTS`.
    summary : mapping
        Ready for JSON; distances in inter-ocular distances, None where no frame has both faces.
    """

    frames: pd.DataFrame
    points: pd.DataFrame
    summary: Mapping[str, Any]


@dataclass
class _Side:
    """One detector at work: its face, followed as in a run, and its time."""

    name: str
    detector: Detector
    scheme: LandmarkScheme
    session: DetectorSession
    follower: Follower
    calls: list[tuple[int, float]] = field(default_factory=list)

    def follow(self, frames: ByteArray, times: FloatArray) -> dict[str, Any]:
        """Return the rows of the frames' track."""
        rows = []
        for start in range(0, len(frames), self.detector.batch):
            part = slice(start, start + self.detector.batch)
            began = time.perf_counter()
            found = self.session.detect(frames[part], times[part])
            self.calls.append((len(found), time.perf_counter() - began))
            rows.append(self.follower.follow(found, times[part]))
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    def speed(self) -> float:
        """Return frames a second; the first call, which also warms up, counts only where there is no other."""
        counted = self.calls[1:] or self.calls
        seconds = sum(took for _, took in counted)
        return sum(count for count, _ in counted) / max(seconds, 1e-9)

    def about(self) -> dict[str, Any]:
        """Return what the summary says of the detector."""
        return {
            "name": self.name,
            "detector": self.detector.provenance(),
            "landmarks": self.scheme.id,
            "frames_found": self.follower.valid,
            "share_found": self.follower.valid / self.follower.frames,
            "frames_per_second": self.speed(),
        }


def compare_detectors(
    video: Path,
    detectors: Mapping[str, Detector],
    out: Path,
    *,
    registry: Registry,
    device: str = "cpu",
    seconds: float | None = None,
    overlay_seconds: float = 30.0,
    progress: Progress | None = None,
) -> DetectorComparison:
    """Run two detectors over a video and write what they agree on into ``out``, which exists.

    Each follows one face as a run does. Time is that of the detector alone, without decoding. Written are
    ``frames.parquet``, ``points.csv``, ``comparison.json`` and ``overlay.mp4``, which shows both faces' landmarks.

    Parameters
    ----------
    detectors : mapping of str to Detector
        The first and the second, by the name that they are shown under.
    seconds : float, optional
        Only the video's first seconds are looked at.
    overlay_seconds : float
        Length of the overlay video; 0 for none.

    Raises
    ------
    DataError
        When the video cannot be read.
    ModelError, PluginError
        When a detector cannot be opened.
    """
    info = probe(video)
    progress = progress or QuietProgress()
    for detector in detectors.values():
        for file in detector.needed_weights():
            file.fetch(progress)
    with ExitStack() as stack:
        sides = []
        for name, made in detectors.items():
            scheme = registry.scheme(made.scheme)
            follower = Follower(made, scheme.points, (info.width, info.height))
            sides.append(_Side(name, made, scheme, stack.enter_context(made.open(device)), follower))
        schemes = [side.scheme for side in sides]
        overlay = stack.enter_context(Overlay(out / _OVERLAY, info, list(detectors), schemes, overlay_seconds))
        bar = stack.enter_context(progress.task("comparing detectors", _expected(info, seconds), "frames"))
        parts, times = _watch(video, sides, overlay, seconds, bar)
    table, points = frame_table(parts, times), point_table(parts)
    comparison = DetectorComparison(table, points, _summary(video, sides, table, points))
    _write(comparison, out)
    return comparison


def _watch(
    video: Path, sides: Sequence[_Side], overlay: Overlay, seconds: float | None, bar: Task
) -> tuple[list[Agreement], FloatArray]:
    """Show the video to both detectors; return how they agree, stretch by stretch, and the frames' times."""
    for side in sides:
        side.session.reset()
    schemes = [side.scheme for side in sides]
    parts, seen = [], []
    for frames, times in read_frames(video, max(side.detector.batch for side in sides)):
        inside = len(times) if seconds is None else int(np.searchsorted(times, seconds))
        if not inside:
            break
        shown, stamps = frames[:inside], times[:inside]
        rows = [side.follow(shown, stamps) for side in sides]
        parts.append(agreement(rows[0], rows[1], schemes))
        overlay.add(shown, stamps, [row["landmarks"] for row in rows], parts[-1].frames["distance"])
        seen.append(stamps)
        bar.advance(inside)
    return parts, np.concatenate(seen)


def _expected(info: Any, seconds: float | None) -> float | None:
    frames = info.frames or None
    return frames if seconds is None or frames is None else min(frames, math.ceil(seconds * info.rate))


def _write(made: DetectorComparison, out: Path) -> None:
    made.frames.to_parquet(out / _FRAMES, index=False)
    made.points.to_csv(out / _POINTS, index=False)
    text = json.dumps(made.summary, indent=2, ensure_ascii=False, default=str)
    (out / _SUMMARY).write_text(text + "\n", encoding="utf-8")


def _summary(video: Path, sides: Sequence[_Side], table: pd.DataFrame, points: pd.DataFrame) -> dict[str, Any]:
    first, second = table["first_found"], table["second_found"]
    return {
        "video": printable(str(video)),
        "frames": len(table),
        "unit": UNIT,
        "first": sides[0].about(),
        "second": sides[1].about(),
        "found": {
            "both": int((first & second).sum()),
            "first_only": int((first & ~second).sum()),
            "second_only": int((~first & second).sum()),
            "neither": int((~first & ~second).sum()),
        },
        "places": int((points["kind"] == "place").sum()),
        "distance": _spread(table["distance"]),
        "distance_regions": _spread(table["distance_regions"]),
        "distance_all": _spread(table["distance_all"]),
        "box_overlap": _spread(table["box_overlap"]),
    }


def _spread(values: pd.Series[Any]) -> dict[str, float] | None:
    seen = values.dropna()
    if seen.empty:
        return None
    return {"median": float(seen.median()), "p90": float(seen.quantile(0.9)), "largest": float(seen.max())}

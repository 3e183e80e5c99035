"""Writes a recording's video, landmarks and Action Units, each whole or not at all."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from mien.errors import DataError
from mien.types import FloatArray, Recording
from mien.video.writer import VideoWriter
from mien_plugins.datasets.animated_face.names import NAMES
from mien_plugins.datasets.animated_face.plan import RecordingPlan
from mien_plugins.datasets.animated_face.renderer import Renderer
from mien_plugins.datasets.animated_face.scene import Scene, sensed

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL_INTENSITY = 5.0
"""Intensity 1 is the strongest of FACS' grades (E), 5 in OpenFace's tables."""

_PRESENT = 0.5  # OpenFace's presence, from this grade (1 of 5) on; below it is a trace


@dataclass(frozen=True)
class RecordingFiles:
    """Where a recording's files are."""

    video: Path
    landmarks: Path
    action_units: Path

    @classmethod
    def of(cls, folder: Path, recording: str) -> RecordingFiles:
        """Return the files of a recording under the data set's folder."""
        return cls(
            folder / "videos" / f"{recording}.mp4",
            folder / "landmarks" / f"{recording}.npy",
            folder / "action_units" / f"{recording}.csv",
        )

    @property
    def complete(self) -> bool:
        """Whether all of them exist."""
        return self.video.is_file() and self.landmarks.is_file() and self.action_units.is_file()


def make_folders(folder: Path) -> None:
    """Make the folders that the files of all recordings go into.

    Raises
    ------
    DataError
        When they cannot be made.
    """
    files = RecordingFiles.of(folder, "any")
    try:
        for path in (files.video, files.landmarks, files.action_units):
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"The folder cannot be made: {error.strerror or error}.", where=str(folder)) from error


@dataclass(frozen=True)
class RenderTask:
    """One recording to render into ``folder``."""

    folder: Path
    plan: RecordingPlan
    size: int
    rate: float
    scene: Scene


def render_recording(state: None, task: RenderTask, report: Callable[[float], None]) -> None:
    """Render a recording and write its files; ``report`` counts frames.

    Raises
    ------
    DataError
        When a file cannot be written.
    """
    plan = task.plan
    files = RecordingFiles.of(task.folder, plan.id)
    renderer = Renderer(plan.look, task.size, plan.badge, scene=task.scene)
    grain = np.random.default_rng(plan.grain)
    landmarks = []
    with VideoWriter(files.video, task.rate, task.size, task.size, task.scene.crf) as video:
        for units, pose in zip(plan.units, plan.poses, strict=True):
            video.write(sensed(task.scene, renderer.frame(units, pose), grain))
            landmarks.append(renderer.landmarks(units, pose))
            report(1)
    with written(files.landmarks) as stream:
        np.save(stream, np.stack(landmarks), allow_pickle=False)
    with written(files.action_units) as stream:
        stream.write(openface_table(plan.units, task.rate).encode())


def openface_table(units: FloatArray, rate: float) -> str:
    """Return Action Units ``(T, 10)``, 0 to 1, as OpenFace's CSV: intensities 0 to 5 and presences 0 or 1."""
    header = ["frame", "face_id", "timestamp", "confidence", "success"]
    header += [f"{name}_r" for name in NAMES] + [f"{name}_c" for name in NAMES]
    grades = FULL_INTENSITY * units
    rows = (
        [number + 1, 0, f"{number / rate:.3f}", 1, 1]
        + [f"{grade:.3f}" for grade in row]
        + [int(grade >= _PRESENT) for grade in row]
        for number, row in enumerate(grades)
    )
    return _csv([header, *rows])


def manifest_table(recordings: Iterable[Recording], folder: Path) -> str:
    """Return the recordings as a CSV for the data set ``manifest``; paths are relative to ``folder``."""
    recordings = list(recordings)
    further = list(recordings[0].covariates) if recordings else []
    header = ["recording", "participant", "video", "score", "split", "consent", "action_units", *further]
    rows = [
        [
            recording.id,
            recording.participant,
            recording.video.relative_to(folder).as_posix(),
            f"{recording.label:.4f}",
            recording.split or "",
            "yes",
            "" if recording.action_units is None else recording.action_units.relative_to(folder).as_posix(),
            *recording.covariates.values(),
        ]
        for recording in recordings
    ]
    return _csv([header, *rows])


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Yield a stream that becomes ``path`` when the block ends well, and nothing otherwise.

    Raises
    ------
    DataError
        When it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            yield stream
        part.replace(path)
    except OSError as error:
        raise DataError(
            f"It cannot be written: {error.strerror or error}.",
            where=str(path),
            hint="Check that the folder may be written to, and that the disk is not full.",
        ) from error
    finally:
        part.unlink(missing_ok=True)

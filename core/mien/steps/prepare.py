"""Track, crop and read the Action Units of every recording; each once, in worker processes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mien.clips.source import PreparedRecording
from mien.errors import DataError, MienError
from mien.interfaces import ActionUnitSource, Cropper, Detector, DetectorSession
from mien.parallel import Cluster, Outcome, run_tasks
from mien.parallel.worker import attempt
from mien.progress import Progress
from mien.promises import at_work
from mien.registry import Registry, load_registry
from mien.steps.action_units import check_trace, write_action_units
from mien.steps.crop import crop_recording
from mien.steps.identity import component_identity, scheme_identity, step_key
from mien.steps.track import load_track, track_recording
from mien.store.keys import file_digest
from mien.store.store import Store
from mien.types import ActionUnitTrace, Exclusion, FaceTrack, LandmarkScheme, Recording
from mien.video.reader import probe

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PrepareTask:
    """One recording, and the keys of what has to be made for it."""

    recording: Recording
    track: str
    crops: str
    action_units: Mapping[str, str]


@dataclass(frozen=True)
class Prepared:
    """What preparing found.

    Attributes
    ----------
    recordings : list of PreparedRecording
    tasks : mapping of str to PrepareTask
        By recording id; their keys identify the content.
    action_units : mapping of str to mapping of str to Path
        Source name to recording id to the stored table.
    exclusions : list of Exclusion
    notes : list of str
        Gaps that did not set a recording aside.
    reused : mapping of str to int
    """

    recordings: list[PreparedRecording]
    tasks: Mapping[str, PrepareTask]
    action_units: Mapping[str, Mapping[str, Path]]
    exclusions: list[Exclusion]
    notes: list[str]
    reused: Mapping[str, int]


@dataclass(frozen=True)
class PrepareParts:
    """The components that preparing needs."""

    detector: Detector
    cropper: Cropper
    action_units: Mapping[str, ActionUnitSource]
    device: str


class _Worker:
    """One process's open components; the detector's session is opened for the first recording that needs it."""

    def __init__(self, root: Path, parts: PrepareParts) -> None:
        import cv2

        cv2.setNumThreads(1)  # a frame is too small to share, and the other workers need the cores
        self.store = Store(root)
        self.parts = parts
        self.scheme = load_registry().scheme(parts.detector.scheme)
        self._stack = ExitStack()
        self._session: DetectorSession | None = None

    def session(self) -> DetectorSession:
        if self._session is None:
            with at_work(self.parts.detector, "open"):
                self._session = self._stack.enter_context(self.parts.detector.open(self.parts.device))
        return self._session

    def close(self) -> None:
        self._stack.close()


def _prepare(worker: _Worker, task: PrepareTask, report: Callable[[float], None]) -> list[str]:
    """Make what the store does not hold yet; return the notes on gaps."""
    store, parts, recording = worker.store, worker.parts, task.recording
    about = {"recording": recording.id}
    track = store.find("track", task.track)
    if track is None:
        with store.write("track", task.track, about) as folder:
            track_recording(recording, parts.detector, worker.session(), folder, report)
        track = store.find("track", task.track)
        assert track is not None
    if store.find("crops", task.crops) is None:
        with store.write("crops", task.crops, about) as folder:
            crop_recording(recording, track, worker.scheme, parts.cropper, folder, report)
    notes = []
    for name, source in parts.action_units.items():
        key = task.action_units[name]
        if store.find("action_units", key) is not None:
            continue
        made = attempt(_traced, source, recording, load_track(track), worker.scheme)
        if made.error is not None:
            log.debug("%s", made.trace)
            notes.append(f"No Action Units of '{name}' for recording {recording.id}: {made.error}")
            continue
        with store.write("action_units", key, about) as folder:
            write_action_units(made.value, folder)
    return notes


def _traced(
    source: ActionUnitSource, recording: Recording, track: FaceTrack, scheme: LandmarkScheme
) -> ActionUnitTrace:
    with at_work(source, "action_units"):
        trace = source.action_units(recording, track, scheme)
    check_trace(source, trace, len(track))
    return trace


def prepare(
    recordings: Sequence[Recording],
    parts: PrepareParts,
    *,
    store: Store,
    workers: int,
    time_limit: float | None,
    progress: Progress,
    registry: Registry,
    done: Callable[[Recording], object] = lambda recording: None,
    cluster: Cluster | None = None,
) -> Prepared:
    """Return the prepared recordings; those that cannot be prepared are set aside with their reason.

    The results do not depend on ``workers`` or ``cluster``.  ``done`` is called with each recording that is ready.

    Raises
    ------
    MienError
        When the detector cannot be used at all.
    """
    scheme = registry.scheme(parts.detector.scheme)
    with progress.task("reading videos", len(recordings), "videos") as bar:
        tasks, exclusions = _plan(recordings, parts, scheme, bar.advance)
    missing = [task for task in tasks if not _complete(task, store)]
    notes: list[str] = []
    failed: dict[str, Exclusion] = {}
    if missing:
        _require_usable(parts.detector, registry, progress)
        if cluster is None and any(store.find("track", task.track) is None for task in missing):
            _require_opens(parts)
        with progress.task("tracking and cropping faces", _frames(missing) or None, "frames") as bar:
            outcomes = run_tasks(
                _prepare,
                missing,
                workers=min(workers, len(missing)),
                time_limit=time_limit,
                initializer=_Worker,
                initargs=(store.root, parts),
                on_advance=lambda index, amount: bar.advance(amount),
                name=lambda task: f"Recording {task.recording.id}",
                cluster=cluster,
            )
            notes, failed = _received(missing, outcomes, done)
    usable = [task for task in tasks if task.recording.id not in failed]
    order = {recording.id: position for position, recording in enumerate(recordings)}
    return Prepared(
        recordings=[_prepared(task, store) for task in usable],
        tasks={task.recording.id: task for task in usable},
        action_units=_action_units(usable, parts, store),
        exclusions=sorted([*exclusions, *failed.values()], key=lambda exclusion: order[exclusion.recording]),
        notes=sorted(notes),
        reused={"track": len(tasks) - len(missing), "crops": len(tasks) - len(missing)},
    )


def _require_usable(detector: Detector, registry: Registry, progress: Progress) -> None:
    """Ask for what the detector needs, once, and here: a file that cannot be had concerns all recordings."""
    registry.require("detector", detector.use)
    detector.require_available()
    for file in detector.needed_weights():
        file.fetch(progress)


def _received(
    tasks: Sequence[PrepareTask], outcomes: Iterable[Outcome[list[str]]], done: Callable[[Recording], object]
) -> tuple[list[str], dict[str, Exclusion]]:
    """Return the notes on gaps, and by id the recordings that are set aside; ``done`` is told of the others."""
    notes: list[str] = []
    failed: dict[str, Exclusion] = {}
    for outcome in outcomes:
        recording = tasks[outcome.index].recording
        if outcome.error is not None:
            failed[recording.id] = _exclusion(recording, outcome.error)
            continue
        for note in outcome.value or []:
            log.warning("%s", note)
            notes.append(note)
        done(recording)
    return notes, failed


def _require_opens(parts: PrepareParts) -> None:
    """Open the detector once: what is wrong with its weights is told once, before any recording, not of each."""
    opened = attempt(_open, parts)
    if opened.error is not None:
        log.debug("%s", opened.trace)
        raise opened.error


def _open(parts: PrepareParts) -> None:
    with at_work(parts.detector, "open"), parts.detector.open(parts.device):
        pass


def _plan(
    recordings: Sequence[Recording], parts: PrepareParts, scheme: LandmarkScheme, advance: Callable[[], None]
) -> tuple[list[PrepareTask], list[Exclusion]]:
    points = scheme_identity(scheme)
    detector, cropper = component_identity(parts.detector), component_identity(parts.cropper)
    sources = {name: component_identity(source) for name, source in parts.action_units.items()}
    tasks, exclusions = [], []
    for recording in recordings:
        advance()
        try:
            video = file_digest(_readable(recording.video))
        except MienError as error:
            exclusions.append(_exclusion(recording, error))
            continue
        track = step_key("track", video=video, detector=detector)
        crops = step_key("crops", track=track, scheme=points, cropper=cropper)
        units = {
            name: step_key(
                "action_units",
                track=track,
                scheme=points,
                source=sources[name],
                files=_file_identities(_files(source, recording)),
            )
            for name, source in parts.action_units.items()
        }
        tasks.append(PrepareTask(recording, track, crops, units))
    return tasks, exclusions


def _files(source: ActionUnitSource, recording: Recording) -> Sequence[Path]:
    with at_work(source, "files"):
        return source.files(recording)


def _file_identities(files: Sequence[Path]) -> list[str]:
    return [file_digest(file) if file.is_file() else str(file) for file in files]


def _readable(video: Path) -> Path:
    probe(video)  # its errors say more than a failed read
    return video


def _complete(task: PrepareTask, store: Store) -> bool:
    wanted = [("track", task.track), ("crops", task.crops)]
    wanted += [("action_units", key) for key in task.action_units.values()]
    return all(store.find(step, key) is not None for step, key in wanted)


def _frames(tasks: Sequence[PrepareTask]) -> int:
    return sum(2 * probe(task.recording.video).frames for task in tasks)


def _prepared(task: PrepareTask, store: Store) -> PreparedRecording:
    track, crops = store.find("track", task.track), store.find("crops", task.crops)
    if track is None or crops is None:
        raise DataError(
            "A stored result disappeared while the run was using it.",
            where=str(store.root),
            hint="Do not prune the store during a run; run again.",
        )
    return PreparedRecording(task.recording, track, crops)


def _action_units(tasks: Sequence[PrepareTask], parts: PrepareParts, store: Store) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {name: {} for name in parts.action_units}
    for task in tasks:
        for name, key in task.action_units.items():
            path = store.find("action_units", key)
            if path is not None:
                found[name][task.recording.id] = path
    return found


def _exclusion(recording: Recording, error: MienError) -> Exclusion:
    log.warning("recording %s is set aside: %s", recording.id, error)
    return Exclusion(recording.id, recording.participant, "prepare", str(error), str(recording.video))

"""The track step with detectors whose faces are known."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mien.errors import DataError, PluginError
from mien.interfaces import Detector
from mien.steps.track import TIE, load_track, overlap, track_info, track_recording
from mien.types import FaceTrack, FrameFaces, Recording
from mien.video import VideoWriter

POINTS = 5
RATE = 25
Face = tuple[float, float]  # place of the box's left side, confidence


def faces(found: Sequence[Face], others: int = 0) -> FrameFaces:
    """Boxes of 20x20 pixels at x; the landmarks are x, x+1, ...; the extra ``place`` is x."""
    x = np.array([place for place, _ in found], np.float32)
    order = np.argsort([-confidence for _, confidence in found], kind="stable")
    boxes = np.stack([x, x * 0, x + 20, x * 0 + 20], axis=1).reshape(-1, 4)
    landmarks = np.broadcast_to(x[:, None, None] + np.arange(POINTS)[:, None], (len(x), POINTS, 2))
    confidence = np.array([confidence for _, confidence in found], np.float32)
    return FrameFaces(boxes[order], confidence[order], landmarks[order], {"place": x[order, None]}, others)


class Script:
    """A session that says what the script says of each frame; it notes how it was called."""

    def __init__(self, script: Callable[[int], FrameFaces]) -> None:
        self.script = script
        self.seen = 0
        self.batches: list[int] = []
        self.times: list[float] = []
        self.resets = 0

    def detect(self, frames: np.ndarray, times: np.ndarray) -> Sequence[FrameFaces]:
        self.batches.append(len(frames))
        self.times += times.tolist()
        results = [self.script(self.seen + row) for row in range(len(frames))]
        self.seen += len(frames)
        return results

    def reset(self) -> None:
        self.resets += 1
        self.seen = 0


class Scripted(Detector):
    """The detector of a script; sessions are made by the tests."""

    @property
    def scheme(self) -> str:
        return "five_points"

    @contextmanager
    def open(self, device: str) -> Iterator[Script]:
        yield Script(lambda row: faces([(0, 1)]))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return video(tmp_path_factory.mktemp("video") / "video.mp4", 40)


def video(path: Path, frames: int) -> Recording:
    with VideoWriter(path, RATE, 64, 64) as writer:
        for start in range(0, frames, 100):
            writer.write(np.zeros((min(100, frames - start), 64, 64, 3), np.uint8))
    return Recording("one", "anna", path)


def track(
    recording: Recording, folder: Path, script: Callable[[int], FrameFaces], **fields: object
) -> tuple[FaceTrack, Script]:
    folder.mkdir(exist_ok=True)
    session = Script(script)
    track_recording(recording, Scripted.model_validate(fields), session, folder)
    return load_track(folder), session


def assert_same(left: FaceTrack, right: FaceTrack) -> None:
    for field in dataclasses.fields(FaceTrack):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if field.name == "extras":
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])
        else:
            np.testing.assert_array_equal(one, other)


def gaps(row: int) -> FrameFaces:
    return faces([]) if row % 3 == 1 else faces([(row, 0.9)])


def test_the_track_holds_what_the_detector_said(recording: Recording, tmp_path: Path) -> None:
    result, session = track(recording, tmp_path, gaps)
    present = np.arange(40) % 3 != 1
    rows = np.arange(40, dtype=np.float32)
    np.testing.assert_array_equal(result.valid, present)
    np.testing.assert_array_equal(result.boxes[present, 0], rows[present])
    np.testing.assert_array_equal(result.landmarks[present, 2, 1], rows[present] + 2)
    np.testing.assert_array_equal(result.extras["place"][present, 0], rows[present])
    for absent in (result.boxes, result.landmarks, result.extras["place"]):
        assert absent.dtype == np.float32
        assert np.isnan(absent[~present]).all()
        assert np.isfinite(absent[present]).all()
    assert (result.confidence[~present] == 0).all()
    np.testing.assert_array_equal(result.faces, present.astype(int))
    np.testing.assert_allclose(result.times, np.arange(40) / RATE, atol=1e-6)
    assert (result.scheme, result.width, result.height) == ("five_points", 64, 64)
    np.testing.assert_allclose(session.times, result.times)


def test_the_summary(recording: Recording, tmp_path: Path) -> None:
    track(recording, tmp_path, lambda row: faces([(0, 0.9)] * (row < 30), others=2 if row < 4 else 0))
    info = track_info(tmp_path)
    assert (info.frames, info.valid_frames, info.max_faces, info.frames_with_others) == (40, 30, 3, 4)
    assert info.rate == pytest.approx(RATE)
    assert info.duration == pytest.approx(40 / RATE)
    assert info.extras == ("place",)
    assert json.loads((tmp_path / "track.json").read_text())["scheme"] == "five_points"


@pytest.mark.parametrize("batch", [1, 7, 40, 64])
def test_batches_do_not_matter(recording: Recording, tmp_path: Path, batch: int) -> None:
    expected, _ = track(recording, tmp_path / "a", gaps)
    result, session = track(recording, tmp_path / "b", gaps, batch=batch)
    assert_same(result, expected)
    assert max(session.batches) == min(batch, 40)


@pytest.mark.parametrize("rows", [slice(0, 40), slice(5, 12), slice(38, 99), slice(-3, None), slice(9, 4), slice(None)])
def test_a_part_of_a_track_is_the_slice_of_the_whole(recording: Recording, tmp_path: Path, rows: slice) -> None:
    whole, _ = track(recording, tmp_path, gaps)
    assert_same(load_track(tmp_path, rows), whole[rows])


def test_rows_come_without_a_step(recording: Recording, tmp_path: Path) -> None:
    track(recording, tmp_path, gaps)
    with pytest.raises(ValueError, match="without a step"):
        load_track(tmp_path, slice(0, 10, 2))


# --- which face


def test_the_most_confident_face_is_followed(recording: Recording, tmp_path: Path) -> None:
    result, _ = track(recording, tmp_path, lambda row: faces([(0, 0.7), (40, 0.95)]))
    assert (result.boxes[:, 0] == 40).all()
    assert (result.faces == 2).all()
    assert track_info(tmp_path).frames_with_others == 40


def test_of_equally_confident_faces_the_one_followed_is_kept(recording: Recording, tmp_path: Path) -> None:
    def script(row: int) -> FrameFaces:
        flicker = 0.04 if row % 2 else -0.04
        return faces([(0, 0.9 + flicker), (40, 0.9 - flicker)])

    result, _ = track(recording, tmp_path, script)
    assert (result.boxes[:, 0] == 40).all(), "row 0 starts at 40"


def test_a_clearly_more_confident_face_takes_over(recording: Recording, tmp_path: Path) -> None:
    script = lambda row: faces([(0, 0.8), (40, 0.8 + (TIE + 0.05) * (row >= 10))])  # noqa: E731
    result, _ = track(recording, tmp_path, script)
    assert (result.boxes[:10, 0] == 0).all()
    assert (result.boxes[10:, 0] == 40).all()


def test_without_overlap_the_most_confident_is_taken(recording: Recording, tmp_path: Path) -> None:
    script = lambda row: faces([(0, 0.9)]) if row == 0 else faces([(22, 0.85), (44, 0.9)])  # noqa: E731
    result, _ = track(recording, tmp_path, script)
    assert (result.boxes[1:, 0] == 44).all()


def test_the_face_is_kept_over_a_gap(recording: Recording, tmp_path: Path) -> None:
    def script(row: int) -> FrameFaces:
        if row == 0:
            return faces([(0, 0.95), (40, 0.7)])
        return faces([]) if row < 20 else faces([(2, 0.85), (40, 0.9)])

    result, _ = track(recording, tmp_path, script)
    assert (result.boxes[20:, 0] == 2).all()


@pytest.mark.parametrize(("confidence", "valid"), [(0.74, False), (0.75, True), (0.9, True)])
def test_faces_below_the_threshold_are_none(
    recording: Recording, tmp_path: Path, confidence: float, valid: bool
) -> None:
    script = lambda row: faces([(0, 1.0)]) if row == 0 else faces([(30, confidence), (9, 0.1)])  # noqa: E731
    result, _ = track(recording, tmp_path, script, min_confidence=0.75)
    assert (result.valid[1:] == valid).all()
    assert (result.faces[1:] == int(valid)).all()


def test_a_confidence_of_nothing_is_no_face(recording: Recording, tmp_path: Path) -> None:
    script = lambda row: faces([(0, 1.0 * (row == 0))])  # noqa: E731
    result, _ = track(recording, tmp_path, script, min_confidence=0)
    assert result.valid.tolist() == [True] + [False] * 39


def test_overlap_is_intersection_over_union() -> None:
    box = np.array([0, 0, 10, 10.0])
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4], [50, 50, 60, 60]], float)
    np.testing.assert_allclose(overlap(box, boxes), [1, 1 / 3, 0, 0.04, 0])


# --- what goes wrong


@pytest.mark.parametrize("script", [lambda row: faces([]), lambda row: faces([(0, 0.3)])])
def test_a_video_without_any_face(recording: Recording, tmp_path: Path, script: Callable[[int], FrameFaces]) -> None:
    with pytest.raises(DataError, match=r"[Nn]o face was found in any of 40 frames") as error:
        track(recording, tmp_path, script)
    assert error.value.where == str(recording.video)
    assert not (tmp_path / "track.json").exists()


def test_a_missing_video(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        track(Recording("two", "ben", tmp_path / "absent.mp4"), tmp_path, gaps)


def test_a_detector_that_loses_frames(recording: Recording, tmp_path: Path) -> None:
    class Loses(Script):
        def detect(self, frames: np.ndarray, times: np.ndarray) -> Sequence[FrameFaces]:
            return list(super().detect(frames, times))[1:]

    with pytest.raises(PluginError, match="15 results for 16 frames"):
        track_recording(recording, Scripted(), Loses(gaps), tmp_path)


# --- how it runs


def test_the_session_is_reset_and_progress_told(recording: Recording, tmp_path: Path) -> None:
    session, told = Script(gaps), []
    session.seen = 99
    track_recording(recording, Scripted(batch=16), session, tmp_path, told.append)
    assert session.resets == 1
    assert told == [16, 16, 8]
    assert load_track(tmp_path).valid[0]


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    def peak(frames: int) -> int:
        film = video(tmp_path / f"{frames}.mp4", frames)
        folder = tmp_path / str(frames)
        folder.mkdir()
        session = Script(lambda row: faces([(0, 0.9)]))
        session.times = _Nothing()  # type: ignore[assignment]
        tracemalloc.start()
        try:
            track_recording(film, Scripted(), session, folder)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(50)
    short, long = peak(100), peak(1600)
    assert long < 1.1 * short + 20_000


class _Nothing(list[float]):
    def __iadd__(self, other: object) -> _Nothing:  # type: ignore[misc, override]
        return self

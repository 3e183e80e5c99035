"""Comparing two detectors: closed forms on detectors whose faces are known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mien.cli.app import app
from mien.comparing.agreement import FRAMES, POINTS, box_overlap
from mien.comparing.detectors import DetectorComparison, compare_detectors
from mien.config.inline import component_from_text
from mien.errors import ConfigError, PluginError
from mien.interfaces import Detector
from mien.registry import load_registry
from mien.report import palette
from mien.steps.track import overlap
from mien.types import FrameFaces, LandmarkScheme
from mien.video import VideoWriter, read_frames
from mien.video.reader import probe

FRAMES_COUNT, HEIGHT, WIDTH, RATE = 12, 120, 160, 20
OCULAR = 40.0  # pixels between the eyes


class Planted(Detector):
    """The scheme's mean face, moved and scaled about the eyes' middle; lost in some frames."""

    use_scheme: str = "ibug_68"
    shift: tuple[float, float] = (0, 0)
    size: float = 1
    lost: tuple[int, ...] = ()
    calls: ClassVar[list[tuple[int, str]]] = []

    @property
    def scheme(self) -> str:
        return self.use_scheme

    @contextmanager
    def open(self, device: str) -> Iterator[PlantedSession]:
        yield PlantedSession(self, load_registry().scheme(self.use_scheme), device)


class PlantedSession:
    def __init__(self, detector: Planted, scheme: LandmarkScheme, device: str) -> None:
        self.detector, self.device = detector, device
        middle = np.array([WIDTH / 2, HEIGHT * 0.4]) + detector.shift
        self.points = (scheme.mean_face * OCULAR * detector.size + middle).astype(np.float32)
        self.number = -1

    def reset(self) -> None:
        self.number = 0

    def detect(self, frames: np.ndarray, times: np.ndarray) -> Sequence[FrameFaces]:
        self.detector.calls.append((len(frames), self.device))
        found = []
        for _ in frames:
            seen = 0 if self.number in self.detector.lost else 1
            box = np.concatenate([self.points.min(0), self.points.max(0)])[None]
            confidence = np.full(1, 0.9, np.float32)
            found.append(FrameFaces(box[:seen], confidence[:seen], self.points[None][:seen]))
            self.number += 1
        return found


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "grey.mp4"
    with VideoWriter(path, RATE, HEIGHT, WIDTH) as writer:
        writer.write(np.full((FRAMES_COUNT, HEIGHT, WIDTH, 3), 120, np.uint8))
    return path


def compared(video: Path, out: Path, first: Detector, second: Detector, **options: Any) -> DetectorComparison:
    return compare_detectors(
        video, {"first": first, "second": second}, out, registry=load_registry(), **{"overlay_seconds": 0, **options}
    )


def test_a_shift_is_the_distance_of_every_point(video: Path, tmp_path: Path) -> None:
    """(3, 4) pixels are 5 / 40 inter-ocular distances, at every place, region and landmark."""
    made = compared(video, tmp_path, Planted(), Planted(shift=(3, 4)))
    for column in ("distance", "distance_worst", "distance_regions", "distance_all"):
        np.testing.assert_allclose(made.frames[column], 0.125, rtol=1e-4)
    np.testing.assert_allclose(made.frames["inter_ocular_px"], OCULAR, rtol=1e-3)
    np.testing.assert_allclose(made.points["median"], 0.125, rtol=1e-4)
    np.testing.assert_allclose(made.points["offset_x"], 3 / OCULAR, rtol=1e-3)
    np.testing.assert_allclose(made.points["offset_y"], 4 / OCULAR, rtol=1e-3)
    assert (made.points["n"] == FRAMES_COUNT).all()
    assert made.summary["distance"]["median"] == pytest.approx(0.125, rel=1e-4)


def test_the_unit_is_the_mean_of_both_faces_eyes(video: Path, tmp_path: Path) -> None:
    """A face half as large again: places at r from the middle are r / 2 apart, in units of 1.25."""
    made = compared(video, tmp_path, Planted(), Planted(size=1.5))
    scheme = load_registry().scheme("ibug_68")
    np.testing.assert_allclose(made.frames["inter_ocular_px"], 1.25 * OCULAR, rtol=1e-3)
    for name, place in scheme.places(scheme.mean_face).items():
        row = made.points.set_index("point").loc[name]
        assert row["median"] == pytest.approx(float(np.linalg.norm(place)) * 0.5 / 1.25, rel=1e-3), name


def test_schemes_are_compared_at_the_places_that_both_name(video: Path, tmp_path: Path) -> None:
    """The mean face of the 68 points is made of the mesh's: their places are the same, the whole faces are not."""
    made = compared(video, tmp_path, Planted(), Planted(use_scheme="mediapipe_478"))
    np.testing.assert_allclose(made.frames["distance_worst"], 0, atol=1e-5)
    assert made.frames["distance_all"].isna().all()
    places = made.points[made.points["kind"] == "place"]
    assert {"right_eye_outer", "left_mouth_corner", "nose_tip", "chin"} <= set(places["point"])
    assert made.summary["places"] == len(places) == 17
    assert made.summary["distance_all"] is None
    assert made.frames["distance_regions"].max() < 0.12


def test_frames_found_by_each_are_counted(video: Path, tmp_path: Path) -> None:
    made = compared(video, tmp_path, Planted(lost=(0, 1, 2)), Planted(lost=(2, 3), shift=(3, 4)))
    assert made.summary["found"] == {"both": 8, "first_only": 1, "second_only": 2, "neither": 1}
    assert made.summary["first"]["frames_found"] == 9
    assert made.summary["second"]["share_found"] == pytest.approx(10 / 12)
    both = made.frames["first_found"] & made.frames["second_found"]
    for column in ("distance", "box_overlap", "inter_ocular_px"):
        np.testing.assert_array_equal(made.frames[column].notna(), both)
    assert (made.points["n"] == 8).all()
    assert made.frames["first_faces"].tolist() == [0, 0, 0, *[1] * 9]


def test_detectors_that_never_agree_leave_gaps_and_no_error(video: Path, tmp_path: Path) -> None:
    made = compared(video, tmp_path, Planted(), Planted(lost=tuple(range(FRAMES_COUNT))))
    assert made.summary["found"]["second_only"] == made.summary["found"]["both"] == 0
    assert made.summary["distance"] is made.summary["box_overlap"] is None
    assert (made.points["n"] == 0).all()
    assert made.points["median"].isna().all()


def test_boxes_overlap_as_one_by_one() -> None:
    random = np.random.default_rng(0)
    first, second = np.sort(random.uniform(0, 50, (2, 30, 2, 2)), axis=2).reshape(2, 30, 4)
    slow = [overlap(a, b[None])[0] for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(box_overlap(first, second), slow)
    np.testing.assert_allclose(box_overlap(first, first), 1)
    assert np.isnan(box_overlap(np.full((1, 4), np.nan), first[:1])).all()


def test_each_detector_gets_batches_of_its_own_size(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Planted, "calls", [])
    compared(video, tmp_path, Planted(batch=5), Planted(batch=3), device="cpu")
    sizes = [size for size, _ in Planted.calls]
    assert sizes == [5, 3, 2, 5, 3, 2, 2, 2]


def test_only_the_first_seconds(video: Path, tmp_path: Path) -> None:
    made = compared(video, tmp_path, Planted(batch=4), Planted(batch=4), seconds=0.3)
    assert made.frames["time_s"].tolist() == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.25])


def test_speed_leaves_out_the_first_call(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still but inside calls: the first takes 100 s, the others a tenth of a second a frame."""
    now = [0.0]
    monkeypatch.setattr("mien.comparing.detectors.time.perf_counter", lambda: now[0])
    plain = PlantedSession.detect

    def slow(session: PlantedSession, frames: np.ndarray, times: np.ndarray) -> Sequence[FrameFaces]:
        now[0] += 100 if session.number == 0 else 0.1 * len(frames)
        return plain(session, frames, times)

    monkeypatch.setattr(PlantedSession, "detect", slow)
    made = compared(video, tmp_path, Planted(batch=4), Planted(batch=12))
    assert made.summary["first"]["frames_per_second"] == pytest.approx(10)
    assert made.summary["second"]["frames_per_second"] == pytest.approx(0.12)


def test_what_is_written(video: Path, tmp_path: Path) -> None:
    made = compared(video, tmp_path, Planted(), Planted(shift=(3, 4), lost=(4,)), overlay_seconds=0.4)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "frames.parquet"), made.frames)
    assert list(made.frames) == [column.name for column in FRAMES.columns]
    assert list(made.points) == [column.name for column in POINTS.columns]
    assert list(pd.read_csv(tmp_path / "points.csv")["point"]) == list(made.points["point"])
    assert json.loads((tmp_path / "comparison.json").read_text()) == json.loads(json.dumps(made.summary))
    assert probe(tmp_path / "overlay.mp4").frames == 8


def test_the_overlay_shows_both_faces_in_their_colours(video: Path, tmp_path: Path) -> None:
    """Three times the source's size; a face that is lost is not drawn."""
    compared(video, tmp_path, Planted(), Planted(shift=(-50, 20), lost=(2,)), overlay_seconds=1)
    frames = next(read_frames(tmp_path / "overlay.mp4", FRAMES_COUNT))[0].astype(int)
    assert frames.shape[2] == 3 * WIDTH
    picture = frames[:, : 3 * HEIGHT]
    shown = []
    for index in range(2):
        code = palette.series_colour(index)
        colour = np.array([int(code[start : start + 2], 16) for start in (1, 3, 5)])
        # H.264 keeps colours at half the size: look for what leans towards the hue.
        likeness = (picture - 120) @ (colour - colour.mean())
        shown.append((likeness > 0.3 * np.linalg.norm(colour - colour.mean()) ** 2).sum((1, 2)))
    assert (shown[0] > 200).all()
    assert (np.delete(shown[1], 2) > 200).all()
    assert shown[1][2] < 20


def test_a_failed_comparison_leaves_no_overlay(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Sequence[FrameFaces]:
        raise PluginError("It broke.")

    monkeypatch.setattr(PlantedSession, "detect", broken)
    with pytest.raises(PluginError, match="It broke"):
        compared(video, tmp_path, Planted(), Planted(), overlay_seconds=1)
    assert list(tmp_path.iterdir()) == []


# --- a detector as text, and the command line


def test_a_detector_as_text() -> None:
    registry = load_registry()
    assert component_from_text("detector", "mediapipe", registry) == registry.create("detector", "mediapipe")
    made = component_from_text("detector", "mediapipe:min_confidence=0.7, max_faces=2,model=face.task", registry)
    assert (made.min_confidence, made.max_faces, made.use) == (0.7, 2, "mediapipe")
    assert made.model == Path.cwd() / "face.task"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mediapip", "Did you mean 'mediapipe'"),
        ("mediapipe:max_face=2", "Did you mean 'max_faces'"),
        ("mediapipe:max_faces", "is not a field and its value"),
        ("mediapipe:max_faces=2,max_faces=3", "is not a field and its value"),
        ("mediapipe:max_faces=0", "max_faces: input should be greater than or equal to 1, not 0"),
        ("mediapipe:max_faces=[1", "is not YAML"),
    ],
)
def test_text_that_means_no_detector(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("[", r"\[")):
        component_from_text("detector", text, load_registry())


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(kind: str, text: str, registry: object) -> Planted:
        return Planted(shift=(3, 4)) if text == "b" else Planted(lost=(1,))

    monkeypatch.setattr("mien.config.inline.component_from_text", made)


@pytest.mark.usefixtures("planted")
def test_the_command_prints_what_it_found(video: Path, tmp_path: Path) -> None:
    arguments = ["detectors", "compare", str(video), "a", "b", "--out", str(tmp_path / "made"), "--device", "cpu"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    for part in ("a face in 11 of 12 frames", "both 11", "only the second 1", "median 0.125", "of 17 places"):
        assert part in done.output
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        *("frames.parquet", "points.csv", "comparison.json", "overlay.mp4")
    }
    summary = json.loads(CliRunner().invoke(app, [*arguments, "--json", "--overlay-seconds", "0"]).stdout)
    assert summary["found"]["both"] == 11
    assert [summary[side]["name"] for side in ("first", "second")] == ["a", "b"]


@pytest.mark.usefixtures("planted")
def test_a_detector_may_be_held_against_itself(video: Path, tmp_path: Path) -> None:
    arguments = ["detectors", "compare", str(video), "b", "b", "--out", str(tmp_path), "--json", "--device", "cpu"]
    summary = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert summary["distance"]["largest"] == 0
    assert summary["second"]["name"] == "b (again)"


def test_the_command_without_a_video(tmp_path: Path) -> None:
    arguments = ["detectors", "compare", str(tmp_path / "no.mp4"), "mediapipe", "mediapipe", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "no.mp4" in done.output

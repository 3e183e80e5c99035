"""Blendshapes become Action Units by one table, whose names are MediaPipe's own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.config.check import misfits
from mien.config.loading import load_document, parse_config
from mien.errors import DataError
from mien.registry import load_registry
from mien.testing import mean_face_track
from mien.types import ActionUnitTrace, FaceTrack, Recording
from mien_plugins.action_units.blendshape_map import MAP, NAMES, columns
from mien_plugins.action_units.blendshapes import Blendshapes
from mien_plugins.landmarks import mediapipe_478

SCHEME = mediapipe_478.scheme()
RECORDING = Recording("r0", "p0", Path("r0.mp4"))


def track(shapes: np.ndarray, lost: tuple[int, ...] = ()) -> FaceTrack:
    return replace(mean_face_track(SCHEME, frames=len(shapes), lost=lost), extras={"blendshapes": shapes})


def read(given: FaceTrack) -> ActionUnitTrace:
    return Blendshapes().action_units(RECORDING, given, SCHEME)


def test_the_names_are_mediapipes_in_its_order() -> None:
    landmarker = pytest.importorskip("mediapipe.tasks.python.vision.face_landmarker")
    theirs = [name.name for name in landmarker.Blendshapes]
    ours = [re.sub(r"([A-Z])", r"_\1", name).upper().lstrip("_") for name in NAMES]
    assert ours == theirs


def test_every_line_names_blendshapes_that_exist() -> None:
    for au, line in MAP.items():
        assert re.fullmatch(r"AU\d\d", au)
        assert line.facs
        assert line.apple
        assert all(columns(shape) for shape in line.shapes)
    assert "AU09" not in MAP
    assert "AU07" not in MAP
    assert list(MAP) == sorted(MAP)


@pytest.mark.parametrize("au", MAP)
def test_a_blendshape_gives_its_action_unit_linearly(au: str) -> None:
    """A slow twin: five times the mean of both sides, of the largest of the line's blendshapes."""
    values = np.random.default_rng(3).uniform(0, 1, (20, 52)).astype(np.float32)
    trace = read(track(values))
    expected = []
    for row in values:
        strengths = []
        for shape in MAP[au].shapes:
            own = {shape, f"{shape}Left", f"{shape}Right"}
            sides = [float(value) for name, value in zip(NAMES, row, strict=True) if name in own]
            strengths.append(sum(sides) / len(sides))
        expected.append(5 * max(strengths))
    np.testing.assert_allclose(trace.intensity[:, trace.names.index(au)], expected, rtol=1e-6)
    assert trace.presence is None


def test_full_strength_is_five_and_none_is_zero() -> None:
    trace = read(track(np.stack([np.zeros(52), np.ones(52)])))
    np.testing.assert_array_equal(trace.intensity[0], 0)
    np.testing.assert_array_equal(trace.intensity[1], 5)


def test_frames_without_a_face_are_unknown() -> None:
    trace = read(track(np.full((4, 52), 0.5), lost=(2,)))
    assert np.isnan(trace.intensity[2]).all()
    assert np.isfinite(trace.intensity[[0, 1, 3]]).all()


def test_a_track_without_blendshapes_says_which_detector_gives_them() -> None:
    with pytest.raises(DataError, match="no blendshapes") as error:
        read(mean_face_track(SCHEME))
    assert error.value.where == "r0"
    assert "face_landmarker.task" in (error.value.hint or "")


def test_another_number_of_blendshapes_is_refused() -> None:
    with pytest.raises(DataError, match=r"\(3, 51\)"):
        read(track(np.zeros((3, 51))))


@pytest.mark.parametrize(("api", "told"), [("face_mesh", True), ("tasks", False)])
def test_a_configuration_whose_detector_gives_none_is_told_beforehand(tmp_path: Path, api: str, told: bool) -> None:
    registry = load_registry()
    if registry.entry("detector", "mediapipe").missing():
        pytest.skip("needs MediaPipe")
    file = tmp_path / "run.yaml"
    file.write_text(
        f"dataset: animated_face\ndetector: {{ use: mediapipe, api: {api} }}\ncropper: face\n"
        "backbone: compact_r3d\nobjective: regression\nexplain: { methods: { s: saliency } }\n"
        "action_units: { shapes: blendshapes }\n"
    )
    config = parse_config(load_document(file), registry)
    problems = [problem for problem in misfits(config, registry) if problem.key == "action_units.shapes"]
    assert bool(problems) == told
    if told:
        assert "needs blendshapes" in problems[0].message
        assert "face_landmarker.task" in problems[0].hint

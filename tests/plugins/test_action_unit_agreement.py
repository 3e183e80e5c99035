"""Sources of Action Units follow planted ones through a real detector; the benchmark measures at length."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from mien.interfaces import Detector
from mien.registry import load_registry
from mien.testing import mean_face_track
from mien.types import FaceTrack, LandmarkScheme, Recording

SHARED = Path(os.environ.get("MIEN_SHARED") or Path(__file__).resolve().parents[3] / "shared")
MODEL = SHARED / "models" / "face_landmarker.task"

RECORDED = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "action_units.json"

PARTICIPANTS, FRAMES = 2, 50
MARGIN = 0.05
QUICK_MARGIN = {"AU09": 0.3}
"""Of the short videos here, where one turn of the head may hide a nose's; .1 for the other Action Units."""

# Spearman's correlation that prototypes reached, one Action Unit at a time.
MESH = {
    "AU01": 0.94,
    "AU02": 0.95,
    "AU04": 0.53,
    "AU09": 0.86,
    "AU12": 0.99,
    "AU15": 0.97,
    "AU25": 0.98,
    "AU26": 0.95,
    "AU45": 0.93,
}
# The prototype reached .93 for AU06; with the head moving it is .80 (benchmarks/results/action_units.json).
SHAPES = {**MESH, "AU04": 0.68, "AU06": 0.80}
del SHAPES["AU09"]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None, reason="needs the portrait in scikit-image"
)


@lru_cache(maxsize=PARTICIPANTS)
def _planted(au: str, participant: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the course of one Action Unit, come and gone in two seconds, and the video of a moving head."""
    from mien_plugins.datasets.animated_face import AnimatedFace
    from mien_plugins.datasets.animated_face.pose import draw_poses

    random = np.random.default_rng([participant, sum(au.encode())])
    renderer = AnimatedFace().renderer(participant)
    course = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(FRAMES) / FRAMES + random.uniform()))
    poses = draw_poses(random, FRAMES, 25)
    return course, np.stack([renderer.frame({au: v}, pose) for v, pose in zip(course, poses, strict=True)])


def _track(detector: Detector, frames: np.ndarray) -> FaceTrack:
    times = np.arange(len(frames)) / 25
    with detector.open("cpu") as session:
        faces = session.detect(frames, times)
    return FaceTrack(
        scheme=detector.scheme,
        times=times,
        boxes=np.stack([face.boxes[0] for face in faces]),
        confidence=np.ones(len(frames), np.float32),
        landmarks=np.stack([face.landmarks[0] for face in faces]),
        faces=np.ones(len(frames), np.int32),
        width=256,
        height=256,
        extras={name: np.stack([face.extras[name][0] for face in faces]) for name in detector.extras},
    )


def _agreement(au: str, detector: Detector, source: str) -> float:
    """Return the mean over participants."""
    registry = load_registry()
    values = []
    for participant in range(PARTICIPANTS):
        course, frames = _planted(au, participant)
        recording = Recording("r0", "p0", Path("r0.mp4"))
        made = registry.create("action_units", source)
        trace = made.action_units(recording, _track(detector, frames), registry.scheme(detector.scheme))
        values.append(spearmanr(trace.intensity[:, trace.names.index(au)], course).statistic)
    return float(np.mean(values))


@pytest.mark.parametrize("source", ["mesh_geometry", "blendshapes"])
@pytest.mark.parametrize("au", sorted({*MESH, *SHAPES}))
def test_what_was_found_is_reached(mediapipe_usable: None, au: str, source: str) -> None:
    gates = MESH if source == "mesh_geometry" else SHAPES
    if source == "blendshapes" and not MODEL.is_file():
        pytest.skip("needs a face_landmarker.task file")
    made = load_registry().create("action_units", source)
    if au not in gates:
        assert au not in made.action_units(*_still(source)).names
        return
    fields = {} if source == "mesh_geometry" else {"model": MODEL}
    assert _agreement(au, load_registry().create("detector", "mediapipe", fields), source) > gates[
        au
    ] - QUICK_MARGIN.get(au, 0.1)


@pytest.mark.parametrize(
    ("source", "gates"),
    [("mesh_geometry, exact", MESH), ("mesh_geometry, face_mesh", MESH), ("blendshapes, tasks", SHAPES)],
)
def test_the_recorded_figures_reach_what_was_found(source: str, gates: dict[str, float]) -> None:
    """Means over six participants, in longer videos than a test can render."""
    recorded = json.loads(RECORDED.read_text())["agreement"]
    means = {au: value["mean"] for au, value in recorded[source]["alone"].items() if value is not None}
    assert means.keys() == gates.keys()
    assert {au: mean for au, mean in means.items() if mean < gates[au] - MARGIN} == {}
    assert min(value["mean"] for value in recorded["openface_csv"]["alone"].values()) > 0.999


def _still(source: str) -> tuple[Recording, FaceTrack, LandmarkScheme]:
    scheme = load_registry().scheme("mediapipe_478")
    extras = {"blendshapes": np.zeros((5, 52))} if source == "blendshapes" else {}
    return Recording("r0", "p0", Path("r0.mp4")), replace(mean_face_track(scheme), extras=extras), scheme

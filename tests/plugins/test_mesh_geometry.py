"""Action Units from landmark geometry: closed forms on the mean face, planted ones in an animated face."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from mien.errors import DataError
from mien.types import ActionUnitTrace, FaceTrack, LandmarkScheme, Recording
from mien_plugins.action_units.face_parts import DEPTH, PARTS, POSE_POINTS
from mien_plugins.action_units.mesh_geometry import FULL_SCALE, MeshGeometry
from mien_plugins.landmarks import ibug_68, mediapipe_478

RECORDING = Recording("one", "anna", Path("one.mp4"))
SCHEMES = [mediapipe_478.scheme(), ibug_68.scheme()]
PLANTED = ("AU01", "AU02", "AU04", "AU09", "AU12", "AU15", "AU25", "AU26", "AU45")

# Action Unit; part; shift right and down, inter-ocular distances, mirrored on the left; change of the measure.
MOVES = [
    ("AU01", "inner_brow", (0, -0.1), 0.1),
    ("AU01", "inner_brow", (0.04, 0), 0.02),
    ("AU02", "outer_brow", (0, -0.1), 0.1),
    ("AU04", "inner_brow", (0.03, 0), 0.03),
    ("AU04", "inner_brow", (0, 0.06), 0.06),
    ("AU04", "middle_brow", (0, 0.06), 0.06),
    ("AU09", "nose_wing", (0, -0.05), 0.05),
    ("AU12", "mouth_corner", (-0.08, 0), 0.08),
    ("AU12", "mouth_corner", (0, -0.08), 0.04),
    ("AU15", "mouth_corner", (0, 0.06), 0.06),
    ("AU25", "lower_inner_lip", (0, 0.2), 0.2),
    ("AU26", "chin", (0, 0.3), 0.3),
    ("AU45", "upper_lid", (0, 0.1), 0.1),
]

# Action Unit; the other that moves the same parts, as anatomy has it; part to shift, as above.
OTHERS = [
    ("AU01", "AU04", {"inner_brow": (0.05, 0.05), "middle_brow": (0, 0.05)}),
    ("AU04", "AU02", {"middle_brow": (0, -0.05), "outer_brow": (0, -0.1)}),
    ("AU09", "AU10", {"upper_lip": (0, -0.1), "nose_wing": (0, -0.03)}),
    ("AU15", "AU12", {"mouth_corner": (-0.1, -0.1)}),
]


@pytest.fixture(params=SCHEMES, ids=lambda scheme: scheme.id)
def scheme(request: pytest.FixtureRequest) -> LandmarkScheme:
    value: LandmarkScheme = request.param
    return value


def track(landmarks: np.ndarray, scheme: LandmarkScheme) -> FaceTrack:
    frames = len(landmarks)
    seen = np.isfinite(landmarks).all((1, 2))
    return FaceTrack(
        scheme=scheme.id,
        times=np.arange(frames) / 25,
        boxes=np.zeros((frames, 4), np.float32),
        confidence=seen.astype(np.float32),
        landmarks=landmarks.astype(np.float32),
        faces=seen.astype(np.int32),
        width=640,
        height=360,
    )


def read(landmarks: np.ndarray, scheme: LandmarkScheme, **fields: float) -> ActionUnitTrace:
    source = MeshGeometry.model_validate(fields)
    return source.action_units(RECORDING, track(landmarks, scheme), scheme)


def intensity(trace: ActionUnitTrace, au: str) -> np.ndarray:
    return trace.intensity[:, trace.names.index(au)]


def moved(scheme: LandmarkScheme, shifts: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """Ten frames of the mean face, of which the last one's parts are moved on both sides."""
    faces = np.repeat(scheme.mean_face[None].astype(float), 10, axis=0)
    for part, shift in shifts.items():
        for side, mirror in (("right_", 1), ("left_", -1), ("", 1)):
            points = PARTS[scheme.id].get(side + part, ())
            faces[-1, list(points)] += np.multiply(shift, (mirror, 1))
    return faces


def seen_by_camera(faces: np.ndarray, seed: int = 0) -> np.ndarray:
    """Each frame turned, scaled and shifted in its own way."""
    random = np.random.default_rng(seed)
    z = faces[..., 0] + 1j * faces[..., 1]
    turn = np.exp(1j * random.uniform(-0.5, 0.5, len(faces))) * random.uniform(40, 90, len(faces))
    shift = random.uniform(100, 300, len(faces)) + 1j * random.uniform(100, 200, len(faces))
    z = z * turn[:, None] + shift[:, None]
    return np.stack([z.real, z.imag], axis=-1)


@pytest.mark.parametrize(("au", "part", "shift", "change"), MOVES)
def test_a_shift_gives_its_share_of_full_scale(
    scheme: LandmarkScheme, au: str, part: str, shift: tuple[float, float], change: float
) -> None:
    trace = read(moved(scheme, {part: shift}), scheme)
    expected = min(5 * change / FULL_SCALE[au], 5)
    assert intensity(trace, au)[-1] == pytest.approx(expected, abs=0.01)
    np.testing.assert_allclose(intensity(trace, au)[:-1], 0, atol=0.01)


@pytest.mark.parametrize(("au", "other", "shifts"), OTHERS)
def test_another_action_unit_of_the_same_parts_is_taken_out(
    scheme: LandmarkScheme, au: str, other: str, shifts: Mapping[str, tuple[float, float]]
) -> None:
    assert other != au
    assert intensity(read(moved(scheme, shifts), scheme), au)[-1] < 0.05


def test_the_opposite_shift_gives_nothing(scheme: LandmarkScheme) -> None:
    trace = read(moved(scheme, {"outer_brow": (0, 0.1)}), scheme, neutral_quantile=0.2)
    assert intensity(trace, "AU02").max() < 1e-6


def test_place_size_and_roll_do_not_matter(scheme: LandmarkScheme) -> None:
    random = np.random.default_rng(1)
    faces = scheme.mean_face + 0.03 * random.standard_normal((30, scheme.points, 2))
    still, moving = read(faces, scheme), read(seen_by_camera(faces), scheme)
    assert still.intensity.max() > 1
    np.testing.assert_allclose(moving.intensity, still.intensity, atol=0.02)


def turned(scheme: LandmarkScheme, faces: np.ndarray, seed: int = 2) -> np.ndarray:
    """Each frame seen under a yaw and a pitch of its own, to first order, by the depths that the source knows."""
    random = np.random.default_rng(seed)
    depth = np.zeros(scheme.points)
    for part, points in PARTS[scheme.id].items():
        depth[list(points)] = DEPTH[part.removeprefix("right_").removeprefix("left_")]
    for point, value in POSE_POINTS[scheme.id].items():
        depth[point] = value
    turns = random.uniform(-0.25, 0.25, (len(faces), 1, 2))
    return faces + depth[:, None] * turns


def test_yaw_and_pitch_do_not_matter(scheme: LandmarkScheme) -> None:
    faces = moved(scheme, {"mouth_corner": (-0.1, -0.05), "inner_brow": (0, -0.1)})
    for point in POSE_POINTS[scheme.id]:  # a part that is also a point of the pose has the pose's depth
        assert all(point not in points for part, points in PARTS[scheme.id].items() if "inner_corner" not in part)
    still, turning = read(faces, scheme), read(turned(scheme, faces), scheme)
    assert intensity(still, "AU12")[-1] > 2
    np.testing.assert_allclose(turning.intensity, still.intensity, atol=0.05)


def test_neutral_is_the_recordings_own(scheme: LandmarkScheme) -> None:
    """Somebody whose mouth is always wide is not always smiling."""
    faces = moved(scheme, {"mouth_corner": (-0.08, 0)})
    faces[:] = faces[-1]
    assert read(faces, scheme).intensity.max() < 0.01


def test_the_neutral_quantile_is_a_quantile(scheme: LandmarkScheme) -> None:
    faces = np.repeat(scheme.mean_face[None].astype(float), 11, axis=0)
    faces[:, list(PARTS[scheme.id]["chin"]), 1] += np.linspace(0, 0.4, 11)[:, None]
    for quantile in (0.0, 0.1, 0.5):
        expected = np.clip(5 * (np.linspace(0, 0.4, 11) - 0.4 * quantile) / FULL_SCALE["AU26"], 0, 5)
        measured = intensity(read(faces, scheme, neutral_quantile=quantile), "AU26")
        np.testing.assert_allclose(measured, expected, atol=0.01)


def test_frames_without_a_face_are_unknown_and_do_not_disturb_the_others(scheme: LandmarkScheme) -> None:
    random = np.random.default_rng(2)
    faces = scheme.mean_face + 0.03 * random.standard_normal((20, scheme.points, 2))
    gaps = np.insert(faces, [0, 7, 20], np.nan, axis=0)
    trace = read(gaps, scheme)
    seen = np.isfinite(gaps).all((1, 2))
    assert np.isnan(trace.intensity[~seen]).all()
    assert trace.presence is not None
    assert np.isnan(trace.presence[~seen]).all()
    np.testing.assert_allclose(trace.intensity[seen], read(faces, scheme).intensity, atol=1e-6)


@pytest.mark.parametrize("frames", [0, 3])
def test_no_face_at_all(scheme: LandmarkScheme, frames: int) -> None:
    trace = read(np.full((frames, scheme.points, 2), np.nan), scheme)
    assert trace.intensity.shape == (frames, len(PLANTED))
    assert np.isnan(trace.intensity).all()


def test_presence_is_intensity_from_a_threshold_on(scheme: LandmarkScheme) -> None:
    faces = np.repeat(scheme.mean_face[None].astype(float), 11, axis=0)
    faces[:, list(PARTS[scheme.id]["chin"]), 1] += np.linspace(0, 0.4, 11)[:, None]
    trace = read(faces, scheme, presence_from=2.0)
    assert trace.presence is not None
    np.testing.assert_array_equal(trace.presence, trace.intensity >= 2)
    assert 0 < trace.presence[:, trace.names.index("AU26")].sum() < 11


def test_what_cannot_be_seen_is_absent(scheme: LandmarkScheme) -> None:
    trace = read(scheme.mean_face[None], scheme)
    assert trace.names == PLANTED
    assert "AU06" not in trace.names
    assert set(FULL_SCALE) == set(trace.names)


def test_parts_are_the_same_in_both_schemes_and_lie_alike() -> None:
    mesh, points = SCHEMES
    assert PARTS[mesh.id].keys() == PARTS[points.id].keys()
    for part in PARTS[mesh.id]:
        here = mesh.mean_face[list(PARTS[mesh.id][part])].mean(0)
        there = points.mean_face[list(PARTS[points.id][part])].mean(0)
        # The mesh has points on the chin's pad, the 68 only its edge.
        assert np.linalg.norm(here - there) < (0.2 if part == "chin" else 0.1), part
        mirrored = part.replace("right_", "left_")
        if mirrored != part:
            other = mesh.mean_face[list(PARTS[mesh.id][mirrored])].mean(0)
            np.testing.assert_allclose(other, here * [-1, 1], atol=1e-3)


def test_an_unknown_scheme_is_refused() -> None:
    stranger = replace(SCHEMES[1], id="98_points")
    with pytest.raises(DataError, match="98_points") as error:
        read(stranger.mean_face[None], stranger)
    assert error.value.where == RECORDING.id
    assert "mediapipe_478" in (error.value.hint or "")


# --- planted truth: one Action Unit at a time, the head moving

needs_portrait = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None, reason="needs the portrait in scikit-image"
)


def planted(au: str, participant: int, frames: int) -> tuple[np.ndarray, np.ndarray, object, list[object]]:
    """Return the course of an AU (every value another), exact landmarks, the renderer and the poses."""
    from mien_plugins.datasets.animated_face import AnimatedFace
    from mien_plugins.datasets.animated_face.pose import draw_poses

    random = np.random.default_rng([participant, sum(au.encode())])
    renderer = AnimatedFace().renderer(participant)
    phase = np.arange(frames) / frames * 6 + random.uniform()
    course = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    poses = draw_poses(random, frames, 25)
    landmarks = np.stack([renderer.landmarks({au: value}, pose) for value, pose in zip(course, poses, strict=True)])
    return course, landmarks, renderer, list(poses)


@needs_portrait
@pytest.mark.parametrize("participant", [0, 1, 2])
@pytest.mark.parametrize("au", PLANTED)
def test_the_planted_action_unit_is_followed(scheme: LandmarkScheme, au: str, participant: int) -> None:
    course, landmarks, _, _ = planted(au, participant, 120)
    if scheme.id == "ibug_68":
        landmarks = landmarks[:, list(ibug_68.MESH_POINTS)]
    trace = read(landmarks, scheme)
    assert spearmanr(intensity(trace, au), course).statistic > 0.9
    # The portrait's jaw drops by a third of what a real one can, lest it drown all other Action Units.
    assert intensity(trace, au).max() > (1.0 if au == "AU26" else 2.5)

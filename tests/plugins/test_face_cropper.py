"""The face cropper against faces whose place is known.

1. Aligned: stable points land at their places; turned, scaled and moved faces give the same crop and regions.
2. Box: hand-computed boxes, at borders too.
3. Transforms are affine maps from the source; frames without a face are invalid and hurt no other.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mien.regions.bits import FACE, REGIONS, bit
from mien.registry import load_registry
from mien.types import FaceTrack, LandmarkScheme
from mien_plugins.croppers.boxes import grown_box
from mien_plugins.croppers.face import Face, similarity

SIZE = 300
POSES = [(1, 0.0, 150, 120), (1.25, 0.35, 160, 130), (0.8, -0.6, 140, 125), (1.1, 3.0, 150, 170)]


@pytest.fixture(params=["mediapipe_478", "ibug_68"])
def scheme(request: pytest.FixtureRequest) -> LandmarkScheme:
    return load_registry().scheme(request.param)


def pose(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    """Return the map from inter-ocular distances to source pixels, 55 pixels each."""
    c, s = 55 * scale * np.cos(angle), 55 * scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


def picture(points: np.ndarray) -> np.ndarray:
    """Return the grey levels of a smooth face-like pattern at points in inter-ocular distances."""
    x, y = points[..., 0], points[..., 1]
    waves = [np.sin(2.5 * x + c) * np.cos(2 * y - 2 * c) for c in range(3)]
    return 127.5 + 100 * np.stack(waves, axis=-1)


def track_of(scheme: LandmarkScheme, poses: list[tuple[float, float, float, float]]) -> FaceTrack:
    maps = np.stack([pose(*values) for values in poses])
    landmarks = np.einsum("tij,nj->tni", maps[..., :2], scheme.mean_face) + maps[:, None, :, 2]
    count = len(poses)
    boxes = np.concatenate([landmarks.min(1), landmarks.max(1)], axis=1)
    return FaceTrack(
        scheme.id, np.arange(count) / 25, boxes, np.ones(count), landmarks, np.ones(count, int), SIZE, SIZE
    )


def frames_of(poses: list[tuple[float, float, float, float]]) -> np.ndarray:
    """Return pictures of the pattern in each pose."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    frames = []
    for values in poses:
        matrix = pose(*values)
        inner = np.linalg.solve(matrix[:, :2], np.stack([x.ravel(), y.ravel()]) - matrix[:, 2:])
        frames.append(picture(inner.T).reshape(SIZE, SIZE, 3))
    return np.rint(np.stack(frames)).astype(np.uint8)


def into_crop(points: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    return np.einsum("tij,tnj->tni", transforms[:, 0, :, :2], points) + transforms[:, 0, None, :, 2]


@pytest.mark.parametrize("size", [(112, 112), (64, 96)])
def test_aligned_landmarks_land_at_their_places(scheme: LandmarkScheme, size: tuple[int, int]) -> None:
    cropper = Face(height=size[0], width=size[1])
    track = track_of(scheme, POSES)
    crops = cropper.crop(frames_of(POSES), track, scheme)
    expected = cropper.place(np.asarray(scheme.mean_face, float))
    found = into_crop(track.landmarks, crops.transforms)
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=1e-3)
    # By hand: the eyes are width / extent pixels apart, about the middle, and 0.6 of that above it.
    eyes = scheme.eye_centres(found[0])
    np.testing.assert_allclose(eyes[1] - eyes[0], [size[1] / 2.9, 0], atol=1e-3)
    np.testing.assert_allclose(eyes.mean(0), [(size[1] - 1) / 2, (size[0] - 1) / 2 - 0.6 * size[1] / 2.9], atol=1e-3)
    assert crops.transforms.shape == (4, 1, 2, 3)
    assert crops.transforms.dtype == np.float64
    assert crops.valid.all()


def test_brows_to_chin_are_inside_the_default_crop(scheme: LandmarkScheme) -> None:
    face = Face().place(np.asarray(scheme.mean_face, float))
    regions = face[[point for name in REGIONS for point in scheme.regions[name]]]
    outline = face[list(scheme.outline)]
    assert regions.min() > 5
    assert regions.max() < 106
    assert outline[:, 0].min() > 0
    assert outline.max() < 111


@pytest.mark.parametrize("size", [112, 64, 32, 200])
def test_turned_scaled_and_moved_faces_give_the_same_crop(scheme: LandmarkScheme, size: int) -> None:
    cropper = Face(height=size, width=size, extent=2.0, centre=0.3)
    crops = cropper.crop(frames_of(POSES), track_of(scheme, POSES), scheme)
    v, u = np.mgrid[:size, :size].astype(float)
    places = (np.stack([u, v], axis=-1) - (size - 1) / 2) * 2.0 / size + [0, 0.3]
    expected = picture(places)
    for data in crops.data:
        assert np.abs(data - expected).max() < 6
        assert np.abs(data - expected).mean() < 1.5


def test_aligned_regions_do_not_depend_on_the_pose(scheme: LandmarkScheme) -> None:
    cropper = Face()
    track = track_of(scheme, POSES)
    transforms = cropper.crop(frames_of(POSES), track, scheme).transforms
    bits = cropper.regions(track.landmarks, transforms, scheme)
    assert bits.shape == (4, 112, 112)
    for pose_bits in bits[1:]:
        assert (pose_bits != bits[0]).mean() < 2e-3
    for name in REGIONS:
        inside = np.argwhere(bits[0] & bit(name))
        own = cropper.place(np.asarray(scheme.mean_face, float))[list(scheme.regions[name])]
        np.testing.assert_allclose(
            inside.mean(0)[::-1], (own.min(0) + own.max(0)) / 2, atol=0.35 * np.ptp(own, axis=0).max()
        )
        assert (bits[0][inside[:, 0], inside[:, 1]] & bit(FACE)).all()
    assert 0.5 < (bits[0] & bit(FACE) != 0).mean() < 0.85


def test_similarity_is_the_least_squares() -> None:
    rng = np.random.default_rng(0)
    points, target = rng.normal(size=(3, 6, 2)), rng.normal(size=(6, 2))
    found = similarity(points, target)
    for frame in range(3):
        x, y = points[frame].T
        one, none = np.ones(6), np.zeros(6)
        system = np.concatenate([np.stack([x, -y, one, none], 1), np.stack([y, x, none, one], 1)])
        a, b, tx, ty = np.linalg.lstsq(system, target.T.ravel(), rcond=None)[0]
        np.testing.assert_allclose(found[frame], [[a, -b, tx], [b, a, ty]], atol=1e-12)


def test_only_stable_points_decide_the_alignment(scheme: LandmarkScheme) -> None:
    track = track_of(scheme, POSES)
    moved = np.asarray(track.landmarks).copy()
    others = np.setdiff1d(np.arange(scheme.points), scheme.stable)
    moved[:, others] += np.random.default_rng(0).normal(0, 9, (4, len(others), 2))
    cropper = Face()
    np.testing.assert_array_equal(
        cropper.transforms(replace(track, landmarks=moved), scheme), cropper.transforms(track, scheme)
    )


@pytest.mark.parametrize("mode", ["aligned", "box"])
def test_lost_frames_are_invalid_and_hurt_no_other(scheme: LandmarkScheme, mode: str) -> None:
    whole, frames = track_of(scheme, POSES), frames_of(POSES)
    landmarks, boxes, confidence = (np.array(v) for v in (whole.landmarks, whole.boxes, whole.confidence))
    landmarks[1], boxes[1], confidence[1] = np.nan, np.nan, 0
    confidence[2] = 0  # a box and landmarks that nobody vouches for
    track = replace(whole, landmarks=landmarks, boxes=boxes, confidence=confidence)
    cropper = Face(mode=mode)
    crops, expected = cropper.crop(frames, track, scheme), cropper.crop(frames, whole, scheme)
    assert crops.valid.tolist() == [True, False, False, True]
    assert np.isnan(crops.transforms[1:3]).all()
    for frame in (0, 3):
        np.testing.assert_array_equal(crops.data[frame], expected.data[frame])
        np.testing.assert_array_equal(crops.transforms[frame], expected.transforms[frame])
    assert not cropper.regions(track.landmarks, crops.transforms, scheme)[1:3].any()
    empty = cropper.crop(frames[:0], track[:0], scheme)
    assert empty.data.shape == (0, 112, 112, 3)


def test_points_that_coincide_are_no_face(scheme: LandmarkScheme) -> None:
    track = track_of(scheme, POSES[:1])
    crops = Face().crop(frames_of(POSES[:1]), replace(track, landmarks=np.full_like(track.landmarks, 7.0)), scheme)
    assert not crops.valid.any()


@pytest.mark.parametrize(
    ("box", "aspect", "expected"),
    [
        ([40, 30, 60, 70], 1, [30, 30, 70, 70]),  # grown in width
        ([30, 40, 70, 60], 1, [30, 30, 70, 70]),  # grown in height
        ([40, 30, 60, 70], 2, [10, 30, 90, 70]),
        ([5, 30, 25, 70], 1, [-0.5, 30, 35, 70]),  # -5 to 35, clipped at the first pixel's edge
        ([80, 60, 96, 100], 1, [68, 60, 99.5, 79.5]),  # 68 to 108 and 60 to 100, clipped at 100 x 80
        ([120, 30, 140, 50], 1, None),  # beside the image
        ([-30, -30, 0, 0], 1, None),  # half a pixel is left
        ([50, 40, 50, 60], 1, None),  # no box
        ([np.nan] * 4, 1, None),
    ],
)
def test_box_by_hand(box: list[float], aspect: float, expected: list[float] | None) -> None:
    found = grown_box(np.array([box], float), aspect, 100, 80)[0]
    np.testing.assert_allclose(found, [np.nan] * 4 if expected is None else expected)


def test_box_fills_the_crop_from_edge_to_edge(scheme: LandmarkScheme) -> None:
    # Four pixels of the source to each of the crop's: the crop is the mean over blocks.
    frame = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3)).astype(np.uint8)
    track = replace(track_of(scheme, POSES[:1]), boxes=np.array([[39.5, 59.5, 103.5, 123.5]]))
    crops = Face(mode="box", height=16, width=16).crop(frame, track, scheme)
    expected = frame[0, 60:124, 40:104].reshape(16, 4, 16, 4, 3).mean((1, 3))
    np.testing.assert_allclose(crops.data[0], expected, atol=0.51)
    corners = into_crop(np.array([[[39.5, 59.5], [103.5, 123.5]]]), crops.transforms)
    np.testing.assert_allclose(corners[0], [[-0.5, -0.5], [15.5, 15.5]])


def test_a_clipped_box_stretches_its_picture(scheme: LandmarkScheme) -> None:
    track = replace(track_of(scheme, POSES[:1]), boxes=np.array([[-32.5, 10.0, 31.5, 74.0]]))
    crops = Face(mode="box", height=32, width=32).crop(frames_of(POSES[:1]), track, scheme)
    np.testing.assert_allclose(crops.transforms[0, 0, :, :2], [[1, 0], [0, 0.5]])  # 32 and 64 pixels to 32


def test_box_of_the_landmarks(scheme: LandmarkScheme) -> None:
    track = track_of(scheme, POSES[:1])
    other = replace(track, boxes=track.boxes + 20)
    frames = frames_of(POSES[:1])
    by_landmarks = Face(mode="box", box_of="landmarks").crop(frames, other, scheme)
    np.testing.assert_allclose(by_landmarks.transforms, Face(mode="box").crop(frames, track, scheme).transforms)


def test_one_frame_at_a_time_is_the_same(scheme: LandmarkScheme) -> None:
    track, frames = track_of(scheme, POSES), frames_of(POSES)
    together = Face().crop(frames, track, scheme)
    for frame in range(4):
        alone = Face().crop(frames[frame : frame + 1], track[frame : frame + 1], scheme)
        np.testing.assert_array_equal(alone.data[0], together.data[frame])
        np.testing.assert_allclose(alone.transforms[0], together.transforms[frame], rtol=1e-12)


def test_importing_the_cropper_is_light() -> None:
    code = "import sys, mien_plugins.croppers.face; print(*{'numpy', 'cv2', 'torch', 'pandas'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []

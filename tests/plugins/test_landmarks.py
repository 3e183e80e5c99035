"""The built-in landmark schemes: what the points mean, and that right is the person's own."""

from __future__ import annotations

import numpy as np
import pytest

from mien.types import LandmarkScheme
from mien_plugins.landmarks import ibug_68, mediapipe_478

SCHEMES = [mediapipe_478.scheme(), ibug_68.scheme()]
MIRRORED = {
    "right_eye": "left_eye",
    "right_eyebrow": "left_eyebrow",
    "nose": "nose",
    "mouth": "mouth",
}
IBUG_PAIRS = [
    *((i, 16 - i) for i in range(17)),
    *((17 + i, 26 - i) for i in range(10)),
    *((27 + i, 27 + i) for i in range(4)),
    *((31 + i, 35 - i) for i in range(5)),
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (51, 51), (55, 59), (56, 58), (57, 57)),
    *((60, 64), (61, 63), (62, 62), (65, 67), (66, 66)),
]


@pytest.fixture(params=SCHEMES, ids=lambda scheme: scheme.id)
def scheme(request: pytest.FixtureRequest) -> LandmarkScheme:
    value: LandmarkScheme = request.param
    return value


def centre(scheme: LandmarkScheme, region: str) -> np.ndarray:
    return scheme.mean_face[list(scheme.regions[region])].mean(0)


def test_the_mean_face_is_in_inter_ocular_distances_between_the_eyes(scheme: LandmarkScheme) -> None:
    assert scheme.mean_face.shape == (scheme.points, 2)
    assert scheme.inter_ocular(scheme.mean_face) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(scheme.eye_centres(scheme.mean_face).mean(0), 0, atol=1e-3)


def test_all_points_exist(scheme: LandmarkScheme) -> None:
    groups = [*scheme.regions.values(), scheme.outline, scheme.stable, *scheme.edges]
    groups += [scheme.right_eye_corners, scheme.left_eye_corners]
    for points in groups:
        assert all(0 <= point < scheme.points for point in points)
        assert len(set(points)) == len(points)


def test_the_regions_are_those_of_every_scheme(scheme: LandmarkScheme) -> None:
    names = {"right_eye", "left_eye", "right_eyebrow", "left_eyebrow", "nose", "mouth"}
    assert set(scheme.regions) == names


def test_the_persons_right_is_the_images_left(scheme: LandmarkScheme) -> None:
    for part in ("eye", "eyebrow"):
        assert centre(scheme, f"right_{part}")[0] < -0.3
        assert centre(scheme, f"left_{part}")[0] > 0.3
    assert scheme.eye_centres(scheme.mean_face)[0, 0] == pytest.approx(-0.5, abs=1e-3)


def test_from_brow_to_mouth_the_face_goes_downwards(scheme: LandmarkScheme) -> None:
    heights = [centre(scheme, region)[1] for region in ("right_eyebrow", "right_eye", "nose", "mouth")]
    assert heights == sorted(heights)
    assert heights[3] < scheme.mean_face[list(scheme.outline), 1].max()


def test_corners_are_outer_then_inner(scheme: LandmarkScheme) -> None:
    right, left = (scheme.mean_face[list(c), 0] for c in (scheme.right_eye_corners, scheme.left_eye_corners))
    assert right[0] < right[1] < left[1] < left[0]


def test_the_mean_face_is_symmetric(scheme: LandmarkScheme) -> None:
    mirrored = scheme.mean_face * [-1, 1]
    nearest = np.linalg.norm(mirrored[:, None] - scheme.mean_face[None], axis=-1).min(1)
    assert nearest.max() < 0.03
    for right, left in MIRRORED.items():
        points, others = (scheme.mean_face[list(scheme.regions[name])] for name in (right, left))
        apart = np.linalg.norm((points * [-1, 1])[:, None] - others[None], axis=-1)
        assert apart.min(1).max() < 0.03


def test_the_outline_goes_round_without_crossing_itself(scheme: LandmarkScheme) -> None:
    points = scheme.mean_face[list(scheme.outline)] - [0, 0.4]
    turns = np.diff(np.unwrap(np.arctan2(points[:, 1], points[:, 0])))
    assert (np.sign(turns) == np.sign(turns[0])).all()
    total = abs(turns.sum())
    assert (total > 1.9 * np.pi * (1 - 1 / len(points))) == scheme.closed_outline
    if scheme.closed_outline:
        inside = scheme.mean_face - [0, 0.4]
        angles = np.arctan2(points[:, 1], points[:, 0])
        order = np.argsort(angles)
        radius = np.interp(
            np.arctan2(inside[:, 1], inside[:, 0]),
            angles[order],
            np.linalg.norm(points, axis=1)[order],
            period=2 * np.pi,
        )
        assert (np.linalg.norm(inside, axis=1) <= radius + 0.03).all()


def test_stable_points_lie_on_both_sides_and_far_from_the_mouth(scheme: LandmarkScheme) -> None:
    stable = scheme.mean_face[list(scheme.stable)]
    assert abs(stable[:, 0].mean()) < 0.01
    assert stable[:, 1].max() < 0.5
    moving = {point for region in ("mouth", "right_eyebrow", "left_eyebrow") for point in scheme.regions[region]}
    assert not moving & set(scheme.stable)


def test_the_pairs_of_the_68_points_mirror_each_other() -> None:
    face = ibug_68.scheme().mean_face
    for right, left in IBUG_PAIRS:
        np.testing.assert_allclose(face[right] * [-1, 1], face[left], atol=1e-3, err_msg=f"{right} {left}")


def test_the_68_points_correspond_to_mesh_points_of_the_same_region() -> None:
    mesh, points = mediapipe_478.scheme(), ibug_68.scheme()
    assert len(set(ibug_68.MESH_POINTS)) == 68
    for region in ("right_eye", "left_eye", "right_eyebrow", "left_eyebrow"):
        corresponding = {ibug_68.MESH_POINTS[point] for point in points.regions[region]}
        assert corresponding <= set(mesh.regions[region])
    lips = {*mediapipe_478.LIPS, *mediapipe_478.INNER_LIPS}
    assert {ibug_68.MESH_POINTS[point] for point in points.regions["mouth"]} <= lips
    jaw = {ibug_68.MESH_POINTS[point] for point in points.outline}
    assert jaw <= set(mesh.outline)


def test_irises_lie_in_their_eyes() -> None:
    scheme = mediapipe_478.scheme()
    for first, region in ((468, "right_eye"), (473, "left_eye")):
        eye = scheme.mean_face[list(scheme.regions[region])]
        middle = scheme.mean_face[first]
        assert (eye.min(0) < middle).all()
        assert (middle < eye.max(0)).all()
        np.testing.assert_allclose(scheme.mean_face[first + 1 : first + 5].mean(0), middle, atol=1e-4)


def test_each_call_gives_a_fresh_face() -> None:
    mediapipe_478.scheme().mean_face[:] = 0
    assert mediapipe_478.scheme().mean_face.any()

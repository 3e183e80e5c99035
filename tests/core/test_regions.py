"""Region masks against slow twins.

1. `fill` gives, pixel by pixel, what the winding number of the pixel's centre says.
2. Hulls and boxes grow by the stated fraction, and exactly the centres inside belong.
3. A mask's values are regions with the face, the face alone, or nothing; frames without a face are empty.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mien.regions.bits import FACE, REGIONS, bit, face_outline, point_bits, rasterise, region_names
from mien.regions.polygons import convex_hulls, fill
from mien.types import LandmarkScheme

SQUARE = [[-1, -1], [1, -1], [1, 1], [-1, 1]]


def tiny_scheme() -> LandmarkScheme:
    """Return a scheme of six square regions of four points, and an outline of six more."""
    centres = {
        "right_eye": (-0.5, 0), "left_eye": (0.5, 0), "right_eyebrow": (-0.5, -0.5), "left_eyebrow": (0.5, -0.5),
        "nose": (0, 0.5), "mouth": (0, 1),
    }  # fmt: skip
    points = [np.add(np.multiply(SQUARE, 0.15), centre) for centre in centres.values()]
    outline = [[-1, 0], [-0.8, 1], [-0.3, 1.6], [0.3, 1.6], [0.8, 1], [1, 0]]
    return LandmarkScheme(
        id="tiny",
        points=30,
        regions={name: tuple(range(4 * i, 4 * i + 4)) for i, name in enumerate(centres)},
        outline=tuple(range(24, 30)),
        closed_outline=True,
        stable=(0, 1, 4, 5),
        right_eye_corners=(0, 2),
        left_eye_corners=(4, 6),
        mean_face=np.concatenate([*points, outline]),
    )


def winding_number(polygon: np.ndarray, x: float, y: float) -> int:
    """Return how often a polygon runs round a point: the sum of the angles that its edges span."""
    angle = 0.0
    for start, end in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        a, b = complex(*(start - [x, y])), complex(*(end - [x, y]))
        angle += np.angle(b / a)
    return round(angle / (2 * np.pi))


def slow_fill(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.array([[winding_number(polygon, x, y) != 0 for x in range(width)] for y in range(height)])


@pytest.mark.parametrize("seed", range(4))
def test_fill_is_the_winding_number_of_every_pixel_centre(seed: int) -> None:
    # Random corners: the polygons cross themselves and reach beyond the picture.
    polygons = np.random.default_rng(seed).uniform(-4, 18, (3, 7, 2))
    expected = np.stack([slow_fill(polygon, 12, 15) for polygon in polygons])
    np.testing.assert_array_equal(fill(polygons, 12, 15), expected)


def test_a_star_has_no_hole() -> None:
    angles = np.arange(5) * 4 * np.pi / 5
    star = np.stack([10 + 9.3 * np.sin(angles), 10.1 - 9.3 * np.cos(angles)], axis=-1)
    assert fill(star[None], 21, 21)[0, 10, 10]


def test_of_centres_on_the_edge_left_and_top_belong() -> None:
    square = np.array([[[2, 1], [5, 1], [5, 3], [2, 3]]], float)
    expected = np.zeros((5, 8), bool)
    expected[1:3, 2:5] = True
    np.testing.assert_array_equal(fill(square, 5, 8)[0], expected)
    np.testing.assert_array_equal(fill(square[:, ::-1], 5, 8)[0], expected)


def test_polygons_that_share_edges_share_no_pixel_and_leave_no_gap() -> None:
    rng = np.random.default_rng(0)
    corners = np.array([[-1, -1], [20, -1], [20, 20], [-1, 20]], float)
    middle = rng.integers(0, 19, 2).astype(float)
    triangles = np.stack([np.stack([corners[i], corners[(i + 1) % 4], middle]) for i in range(4)])
    np.testing.assert_array_equal(fill(triangles, 20, 20).sum(axis=0), 1)


def test_frames_are_independent_and_nan_is_empty() -> None:
    polygons = np.random.default_rng(1).uniform(0, 12, (4, 5, 2))
    polygons[2, 3, 1] = np.nan
    together = fill(polygons, 12, 12)
    assert not together[2].any()
    for frame in (0, 1, 3):
        np.testing.assert_array_equal(together[frame], fill(polygons[frame : frame + 1], 12, 12)[0])
    assert fill(polygons[:0], 12, 12).shape == (0, 12, 12)


def test_hulls_hold_all_points_and_turn_one_way() -> None:
    points = np.random.default_rng(2).normal(size=(5, 12, 2))
    points[3] = np.nan
    hulls = convex_hulls(points)
    assert np.isnan(hulls[3]).all()
    for frame in (0, 1, 2, 4):
        edges = np.roll(hulls[frame], -1, axis=0) - hulls[frame]
        to_points = points[frame][None] - hulls[frame][:, None]
        side = edges[:, None, 0] * to_points[..., 1] - edges[:, None, 1] * to_points[..., 0]
        assert (side >= -1e-6).all() or (side <= 1e-6).all()


def in_hull(points: np.ndarray, x: float, y: float) -> bool:
    """Return whether a point is inside a hull: no line through it has all points on one side."""
    angles = np.sort(np.arctan2(points[:, 1] - y, points[:, 0] - x))
    gaps = np.diff(np.append(angles, angles[0] + 2 * np.pi))
    return bool(gaps.max() < np.pi)


@pytest.mark.parametrize("padding", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("shape", ["hull", "box"])
def test_region_is_its_grown_outline(shape: str, padding: float) -> None:
    scheme = tiny_scheme()
    rng = np.random.default_rng(3)
    points = np.asarray(scheme.mean_face)[None] * 12 + 20 + rng.normal(0, 1.5, (2, 30, 2))
    mask = rasterise(points, scheme, 40, 44, shape, padding)
    for name in REGIONS:
        for frame in range(2):
            own = points[frame, list(scheme.regions[name])]
            low, high = own.min(0), own.max(0)
            centre = (low + high) / 2
            if shape == "box":
                half = (high - low) * (0.5 + padding)
                expected = [[(np.abs([x, y] - centre) < half).all() for x in range(44)] for y in range(40)]
            else:
                grown = centre + (own - centre) * (1 + 2 * padding)
                expected = [[in_hull(grown, x, y) for x in range(44)] for y in range(40)]
            np.testing.assert_array_equal(mask[frame] & bit(name) != 0, expected)


def test_box_by_hand() -> None:
    scheme = tiny_scheme()
    points = np.full((1, 30, 2), 50.0)
    points[0, list(scheme.regions["nose"])] = [[4, 5], [8, 5], [8, 7], [4, 7]]
    mask = rasterise(points, scheme, 12, 14, "box", 0.25)  # x 3 to 9, y 4.5 to 7.5
    expected = np.zeros((12, 14), np.uint16)
    expected[5:8, 3:9] = bit("nose") | bit(FACE)
    np.testing.assert_array_equal(mask[0], expected)
    assert mask.dtype == np.uint16


def test_overlapping_regions_keep_both_bits() -> None:
    scheme = tiny_scheme()
    points = np.full((1, 30, 2), 50.0)
    points[0, list(scheme.regions["nose"])] = np.array(SQUARE) * 2 + 5.3
    points[0, list(scheme.regions["mouth"])] = np.array(SQUARE) * 2 + [5.3, 7.3]
    mask = rasterise(points, scheme, 12, 12, padding=0)[0]
    assert mask[6, 5] == bit("nose") | bit("mouth") | bit(FACE)
    assert mask[4, 5] == bit("nose") | bit(FACE)


def test_every_region_pixel_is_of_the_face_and_lost_frames_are_empty() -> None:
    scheme = tiny_scheme()
    points = np.repeat(np.asarray(scheme.mean_face)[None] * 12 + 20, 3, axis=0)
    points[0, list(scheme.regions["mouth"])] += 12  # sticks out of the outline
    points[1] = np.nan
    points[2, 29] = np.nan
    mask = rasterise(points, scheme, 44, 44)
    regions = mask & sum(bit(name) for name in REGIONS)
    assert (mask[regions != 0] & bit(FACE) != 0).all()
    assert (mask[0] == bit(FACE)).any()
    assert (mask[0] == 0).any()
    assert not mask[1:].any()


def test_a_jaw_line_is_closed_above_the_eyebrows() -> None:
    scheme = replace(tiny_scheme(), closed_outline=False)
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    upright = np.asarray(scheme.mean_face)[None] * 12 + 20
    outline = face_outline(upright, scheme)[0]
    # By hand: the tiny brows' upper edge is at -0.65, and goes up by half an inter-ocular distance (of 12 pixels).
    assert outline[:, 1].min() == pytest.approx(20 + 12 * (-0.65 - 0.5))
    np.testing.assert_array_equal(outline[:6], upright[0, 24:])
    assert (np.diff(outline[6:, 0]) <= 1e-9).all()  # back from the person's left (the picture's right)
    # The outline turns with the face.
    turned = face_outline(upright @ turn.T, scheme)[0]
    assert fill(turned[None] + [15, 5], 60, 60).sum() == pytest.approx(fill(outline[None], 60, 60).sum(), rel=0.03)
    assert rasterise(upright, scheme, 44, 44)[0, 12, 20] == bit(FACE)  # the forehead


def test_point_bits() -> None:
    scheme = tiny_scheme()
    found = point_bits(scheme)
    assert found.shape == (30,)
    assert found[0] == bit("right_eye") | bit(FACE)
    assert found[23] == bit("mouth") | bit(FACE)
    assert (found[24:] == bit(FACE)).all()


def test_bits_are_the_places_of_the_names() -> None:
    assert [bit(name) for name in region_names] == [1 << place for place in range(7)]
    assert region_names[-1] == FACE

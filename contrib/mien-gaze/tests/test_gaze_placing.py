"""From the video to the crop: transforms by hand, tiles, times, densities."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from mien import ClipKey, Tile
from mien_gaze.density import fixation_density, relevance_map
from mien_gaze.placing import BETWEEN, NO_FACE, OUTSIDE, USED, Window, place

TURN = [[0.0, 0.5, -10.0], [-0.5, 0.0, 30.0]]  # x' = y / 2 - 10, y' = 30 - x / 2
SHIFT = [[0.5, 0.0, -3.0], [0.0, 0.5, 2.0]]


def _window(*transforms, valid=None, size=(20, 24), tiles=1):
    frames = len(transforms)
    matrices = np.array(transforms, float).reshape(frames, tiles, 2, 3)
    return Window(
        key=ClipKey("r", "p", 0),
        times=1 + 0.2 * np.arange(frames),
        end=1 + 0.2 * (frames - 1) + 0.04,
        valid=np.ones(frames, bool) if valid is None else np.array(valid),
        transforms=matrices,
        face=np.ones(size, bool),
    )


def _fixations(*rows):
    table = pd.DataFrame(rows, columns=["time", "duration", "x", "y"])
    return table.assign(viewer=[f"v{number}" for number in range(len(table))])


WHOLE = (Tile(0, 0, 24, 20),)


def test_a_fixation_goes_through_the_transform_of_its_frame():
    window = _window(TURN, SHIFT)
    points, fates = place(_fixations((1.05, 0.1, 38, 44), (1.21, 0.02, 20, 10)), window, WHOLE)
    assert fates.tolist() == [USED, USED]
    assert points.frame.tolist() == [0, 1]
    assert points.crop.tolist() == [[12, 11], [7, 7]]
    assert points.counts((20, 24))[11, 12] == points.counts((20, 24))[7, 7] == 1
    assert points.counts((20, 24)).sum() == 2


def test_its_frame_is_that_of_the_middle_of_what_the_window_holds():
    window = _window(SHIFT, SHIFT, SHIFT)  # 1.0, 1.2, 1.4 to 1.44
    points, _ = place(_fixations((0.2, 0.9, 9, 9), (0.9, 0.6, 9, 9), (1.39, 5, 9, 9)), window, WHOLE)
    assert points.frame.tolist() == [0, 1, 2]  # middles of 1-1.1, 1-1.44 and 1.39-1.44


def test_only_what_overlaps_the_window_is_in_it():
    window = _window(SHIFT, SHIFT)  # 1.0 to 1.24
    rows = [(0.5, 0.5, 9, 9), (0.5, 0.51, 9, 9), (1.23, 1, 9, 9), (1.24, 1, 9, 9), (1.0, 0, 9, 9), (1.24, 0, 9, 9)]
    _, fates = place(_fixations(*rows), window, WHOLE)
    assert fates.tolist() == [BETWEEN, USED, USED, BETWEEN, USED, BETWEEN]


def test_beside_the_crop_and_without_a_face_are_told_apart():
    window = _window(SHIFT, SHIFT, valid=[True, False])
    rows = [(1.0, 0.1, 9, 9), (1.0, 0.1, 4.9, 8), (1.0, 0.1, 5, 8), (1.2, 0.04, 9, 9), (1.2, 0.04, -900, 9)]
    points, fates = place(_fixations(*rows), window, WHOLE)
    assert fates.tolist() == [USED, OUTSIDE, USED, NO_FACE, NO_FACE]  # the crop begins at -0.5, the edge of its pixel
    assert points.row.tolist() == [0, 2]
    assert points.counts((20, 24))[6, 0] == 1


def test_by_duration_a_fixation_weighs_what_the_window_holds_of_it():
    window = _window(SHIFT, SHIFT)
    points, _ = place(_fixations((0.5, 0.6, 9, 9), (1.05, 0.1, 9, 9)), window, WHOLE, "duration")
    assert points.weight == pytest.approx([0.1, 0.1])


def test_two_tiles_that_show_a_place_share_it():
    tiles = (Tile(0, 0, 12, 20), Tile(12, 0, 24, 20))
    other = [[1.0, 0.0, 8.0], [0.0, 1.0, 0.0]]
    window = _window([SHIFT, other], tiles=2)
    points, fates = place(_fixations((1, 0.1, 9, 10), (1, 0.1, 15.4, 1), (1, 0.1, 40, 10)), window, tiles)
    assert fates.tolist() == [USED, USED, OUTSIDE]  # the last is beyond either tile: at 17, 7 and at 48, 10
    assert points.row.tolist() == [0, 0, 1, 1]
    assert points.tile.tolist() == [0, 1, 0, 1]
    assert points.weight.tolist() == [0.5, 0.5, 0.5, 0.5]
    assert points.counts((20, 24)).sum() == pytest.approx(2)


def test_a_density_is_a_gaussian_of_the_video_seen_through_the_transform():
    """Pixel by pixel: invert the transform by hand, and take the Gaussian there."""
    window = _window(TURN)
    points, _ = place(_fixations((1, 0.1, 38, 44), (1.01, 0.1, 30, 50)), window, WHOLE)
    found = fixation_density(points, window, WHOLE, (20, 24), sigma=6.0)
    for row in range(20):
        for column in range(24):
            x, y = (30 - row) * 2, (column + 10) * 2
            value = sum(math.exp(-((x - a) ** 2 + (y - b) ** 2) / 72) for a, b in ((38, 44), (30, 50)))
            assert found[row, column] == pytest.approx(4 * value / (2 * math.pi * 36))  # a pixel is 2 x 2 of the video


def test_a_density_holds_the_weight_of_its_points():
    window = _window([[0.5, 0, 0], [0, 0.25, 0]], size=(60, 80))
    points, _ = place(_fixations((1, 0.1, 80, 120), (1, 0.1, 70, 110)), window, (Tile(0, 0, 80, 60),))
    density = fixation_density(points, window, (Tile(0, 0, 80, 60),), (60, 80), sigma=8.0)
    assert density.sum() == pytest.approx(2, abs=1e-3)
    down, across = np.mgrid[:60, :80]
    spread = [np.sqrt((density * (axis - (density * axis).sum() / 2) ** 2).sum() / 2) for axis in (across, down)]
    assert spread == pytest.approx([math.hypot(4, 2.5), math.hypot(2, 1.25)], abs=0.02)


def test_a_density_stays_in_its_tile():
    tiles = (Tile(0, 0, 12, 20), Tile(12, 0, 24, 20))
    window = _window([SHIFT, [[1.0, 0, 500], [0, 1.0, 0]]], tiles=2)
    points, _ = place(_fixations((1, 0.1, 26, 10)), window, tiles)
    density = fixation_density(points, window, tiles, (20, 24), sigma=4.0)
    assert density[:, :12].sum() > 0
    assert (density[:, 12:] == 0).all()


def test_relevance_is_summed_over_frames_with_a_face():
    window = _window(SHIFT, SHIFT, SHIFT, valid=[True, False, True])
    relevance = np.stack([np.full((20, 24), value) for value in (1.0, 100.0, -2.0)])
    assert (relevance_map(relevance, window, WHOLE, "absolute", None) == 3).all()
    assert (relevance_map(relevance, window, WHOLE, "positive", None) == 1).all()


def test_blurred_relevance_keeps_its_sum_and_has_the_gaussians_width():
    window = _window([[0.5, 0, 0], [0, 0.25, 0]], size=(40, 60))
    point = np.zeros((1, 40, 60))
    point[0, 20, 30] = 7
    image = relevance_map(point, window, (Tile(0, 0, 60, 40),), "absolute", sigma=8.0)
    down, across = np.mgrid[:40, :60]
    spread = [np.sqrt((image * (axis - at) ** 2).sum() / 7) for axis, at in ((across, 30), (down, 20))]
    assert image.sum() == pytest.approx(7)
    assert spread == pytest.approx([4, 2], abs=0.02)


def test_even_relevance_stays_even_when_blurred():
    tiles = (Tile(0, 0, 12, 20), Tile(12, 0, 24, 20))
    window = _window([SHIFT, TURN], tiles=2)
    image = relevance_map(np.ones((1, 20, 24)), window, tiles, "absolute", sigma=9.0)
    assert image == pytest.approx(np.ones((20, 24)))


def test_nothing_valid_gives_an_empty_map():
    window = _window(SHIFT, valid=[False])
    image = relevance_map(np.ones((1, 20, 24)), window, WHOLE, "absolute", sigma=2.0)
    assert (image == 0).all()

"""Affine crops against pictures whose every pixel is known.

1. The identity gives the frame; whole shifts move it and repeat its border.
2. Shrinking by whole factors gives block means; by any factor it removes what the crop cannot hold.
3. A smooth picture comes out as its own formula, whatever the turn, scale and shift.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.clips.warp import warp


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def affine(scale: float, angle: float = 0, x: float = 0, y: float = 0) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


def smooth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return a picture of slow waves, other ones in each channel."""
    waves = [np.sin(x / 40 + c) * np.cos(y / 35 - c) for c in range(3)]
    return 127.5 + 90 * np.stack(waves, axis=-1)


def test_identity() -> None:
    frame = noise(20, 30)
    np.testing.assert_array_equal(warp(frame, affine(1), 20, 30), frame)


def test_shift_repeats_the_border() -> None:
    frame = noise(20, 30)
    found = warp(frame, affine(1, x=4, y=-3), 20, 30)
    expected = frame[np.clip(np.arange(20) + 3, 0, 19)][:, np.clip(np.arange(30) - 4, 0, 29)]
    np.testing.assert_array_equal(found, expected)


def test_a_crop_beside_the_frame_is_its_border() -> None:
    frame = noise(20, 30)
    np.testing.assert_array_equal(warp(frame, affine(1, x=-90), 20, 8), np.repeat(frame[:, -1:], 8, axis=1))
    assert np.ptp(warp(frame, affine(0.3, x=-90), 6, 8), axis=1).max() == 0


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_whole_factors_give_block_means(factor: int) -> None:
    frame = noise(30, 60)
    half = (factor - 1) / 2 / factor
    found = warp(frame, affine(1 / factor, x=-half, y=-half), 30 // factor, 60 // factor)
    blocks = frame.reshape(30 // factor, factor, 60 // factor, factor, 3).mean((1, 3))
    np.testing.assert_allclose(found, blocks, atol=0.51)


def test_each_axis_shrinks_by_its_own_factor() -> None:
    frame = noise(30, 60)
    matrix = np.array([[0.25, 0, -1.5 * 0.25], [0, 1, 0]])
    np.testing.assert_allclose(warp(frame, matrix, 30, 15), frame.reshape(30, 15, 4, 3).mean(2), atol=0.51)


@pytest.mark.parametrize("scale", [0.9, 0.7, 0.51, 0.49, 0.35, 0.2])
def test_finest_stripes_fade_as_they_no_longer_fit(scale: float) -> None:
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[:, ::2] = 255
    found = warp(frame, affine(scale, x=0.3, y=0.1), int(180 * scale), int(180 * scale))
    spread = found[3:-3, 3:-3].std() / 127.5
    # Three taps of variance v = (1 / scale**2 - 1) / 12 leave 1 - 2 v of the finest stripes; blocks of two
    # leave nothing, of three a third.
    limit = 1 - (1 / scale**2 - 1) / 6 if scale > 0.5 else 0.4
    assert spread <= limit + 0.02
    assert found.mean() == pytest.approx(127.5, abs=4)


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0])
@pytest.mark.parametrize("scale", [1.7, 1.0, 0.8, 0.55, 0.45, 0.3])
def test_smooth_pictures_are_their_formula(scale: float, angle: float) -> None:
    y, x = np.mgrid[:300, :320].astype(float)
    frame = np.rint(smooth(x, y)).astype(np.uint8)
    matrix = affine(scale, angle)
    matrix[:, 2] = [20, 18] - matrix[:, :2] @ [160, 150]
    found = warp(frame, matrix, 36, 40)
    v, u = np.mgrid[:36, :40].astype(float)
    source = np.linalg.solve(matrix[:, :2], np.stack([u.ravel(), v.ravel()]) - matrix[:, 2:])
    expected = smooth(source[0], source[1]).reshape(36, 40, 3)
    assert np.abs(found - expected).max() < 3.0
    assert abs((found - expected).mean()) < 0.5


@pytest.mark.parametrize("scale", [0.8, 0.37, 0.29, 0.12])
def test_cutting_out_what_is_needed_first_changes_nothing(scale: float) -> None:
    frame = noise(211, 197)
    for shift in range(5):
        matrix = affine(scale, 0.3, -17.3 * scale - shift * scale, -9.1 * scale)
        found = warp(frame, matrix, 9, 8)
        block = int(1 / scale)
        variance = ((1 / scale / block) ** 2 - 1) / 12
        filled = cv2.copyMakeBorder(frame, 0, -211 % block, 0, -197 % block, cv2.BORDER_REPLICATE)
        whole = filled.reshape(len(filled) // block, block, -1, block, 3).mean((1, 3))
        taps = np.array([variance / 2, 1 - variance, variance / 2])
        whole = cv2.sepFilter2D(whole, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
        middle = np.full(2, (block - 1) / 2)
        reduced = np.column_stack([matrix[:, :2] * block, matrix[:, :2] @ middle + matrix[:, 2]])
        expected = cv2.warpAffine(whole, reduced, (8, 9), borderMode=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(found, expected, atol=4)  # of 255; OpenCV 5 rounds otherwise than OpenCV 4


def test_the_result_does_not_depend_on_what_lies_far_away() -> None:
    frame = noise(120, 130)
    matrix = affine(0.37, 0.2, -12.3, -9.1)
    changed = frame.copy()
    changed[-15:], changed[:, -15:] = 0, 255
    np.testing.assert_array_equal(warp(frame, matrix, 20, 20), warp(changed, matrix, 20, 20))

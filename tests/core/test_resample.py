"""Lanczos resampling against Pillow, a loop over the definition, and pictures of known formula."""

from __future__ import annotations

import numpy as np
import pytest

from mien.clips.resample import lanczos

BOXES = [
    ([10.3, 20.7, 40.1, 33.2], (37, 56)),  # grows along both axes
    ([-0.5, -0.5, 99.5, 79.5], (16, 20)),  # the whole frame, shrunk
    ([-0.5, 60.0, 30.0, 79.5], (90, 12)),  # grows along one axis and shrinks along the other, at two borders
    ([50.2, 30.1, 51.2, 31.1], (30, 40)),  # one pixel
    ([9.5, 19.5, 39.5, 29.5], (10, 30)),  # whole pixels
]


def noise(low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, (80, 100, 3)).astype(np.uint8)


@pytest.mark.parametrize(("box", "size"), BOXES)
def test_it_is_pillows(box: list[float], size: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    # Pillow clips and rounds between the axes: levels far from 0 and 255 keep it from clipping.
    frame = noise(80, 170)
    resized = image.fromarray(frame).resize(size[::-1], image.Resampling.LANCZOS, box=tuple(np.add(box, 0.5)))
    found = lanczos(frame, np.array(box), *size)
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found.astype(int), np.asarray(resized).astype(int), atol=1)


@pytest.mark.parametrize(("box", "size"), BOXES)
def test_it_is_the_weighted_mean_of_the_definition(box: list[float], size: tuple[int, int]) -> None:
    frame = noise()
    x0, y0, x1, y1 = box

    def weights(low: float, high: float, count: int, place: int, length: int) -> np.ndarray:
        step = (high - low) / count
        centre = low + (place + 0.5) * step
        found = []
        for pixel in range(length):
            a = (pixel - centre) / max(step, 1)
            inside = abs(a) < 3
            found.append(3 * np.sin(np.pi * a) * np.sin(np.pi * a / 3) / (np.pi * a) ** 2 if inside and a else inside)
        return np.array(found, float) / np.sum(found)

    found = lanczos(frame, np.array(box), *size)
    for row, column in [(0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2, size[1] // 3)]:
        down = weights(y0, y1, size[0], row, 80)
        across = weights(x0, x1, size[1], column, 100)
        expected = np.einsum("r,c,rcd->d", down, across, frame.astype(float))
        np.testing.assert_allclose(found[row, column], np.clip(expected, 0, 255), atol=0.51)


def test_whole_pixels_at_their_own_size_are_copied() -> None:
    frame = noise()
    np.testing.assert_array_equal(lanczos(frame, np.array([9.5, 19.5, 39.5, 29.5]), 10, 30), frame[20:30, 10:40])


def test_a_smooth_picture_is_its_formula() -> None:
    y, x = np.mgrid[:80, :100].astype(float)
    picture = np.rint(127.5 + 90 * np.sin(x / 12)[..., None] * np.cos(y / 9)[..., None] * np.ones(3)).astype(np.uint8)
    box = np.array([22.3, 31.2, 60.8, 45.9])
    across = box[0] + (np.arange(70) + 0.5) * (box[2] - box[0]) / 70
    down = box[1] + (np.arange(50) + 0.5) * (box[3] - box[1]) / 50
    expected = 127.5 + 90 * np.sin(across / 12) * np.cos(down / 9)[:, None]
    assert np.abs(lanczos(picture, box, 50, 70)[..., 0] - expected).max() < 1.5


def test_flat_colours_stay_flat_up_to_the_border() -> None:
    frame = np.full((80, 100, 3), (10, 128, 250), np.uint8)
    for box, size in BOXES:
        np.testing.assert_array_equal(lanczos(frame, np.array(box), *size), np.broadcast_to(frame[0, 0], (*size, 3)))

"""Maps over the crop: where people looked, where relevance lies, and the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from mien_gaze.placing import Array, Points, Window

if TYPE_CHECKING:
    from mien import Tile

Part = Literal["absolute", "positive"]


def fixation_density(
    points: Points, window: Window, tiles: Sequence[Tile], shape: tuple[int, int], sigma: float
) -> Array:
    """Return the density of fixations over the crop: a Gaussian around each, of ``sigma`` pixels *of the video*.

    How wide it is on the crop follows from the transform of the frame, so that turned, stretched and tiled crops are
    right: the value of a pixel is that of the place in the video which it shows.  What of a Gaussian lies beside
    the crop (or its tile) is lost.

    Parameters
    ----------
    points : Points
    window : Window
    tiles : sequence of Tile
    shape : (int, int)
        Of the crop.
    sigma : float
        Pixels of the video.

    Returns
    -------
    ndarray, shape (H, W)
        It sums to the weight of the points, but for what is beside the crop.
    """
    density = np.zeros(shape)
    for frame, tile, at, weight in zip(points.frame, points.tile, points.source, points.weight, strict=True):
        matrix, own = window.transforms[frame, tile], tiles[tile]
        down, across = np.mgrid[own.y0 : own.y1, own.x0 : own.x1].astype(np.float64)
        back = np.linalg.inv(matrix[:, :2])
        x = back[0, 0] * (across - matrix[0, 2]) + back[0, 1] * (down - matrix[1, 2]) - at[0]
        y = back[1, 0] * (across - matrix[0, 2]) + back[1, 1] * (down - matrix[1, 2]) - at[1]
        height = weight * abs(np.linalg.det(back)) / (2 * np.pi * sigma**2)
        density[own.y0 : own.y1, own.x0 : own.x1] += height * np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return density


def relevance_map(
    relevance: npt.ArrayLike, window: Window, tiles: Sequence[Tile], part: Part, sigma: float | None
) -> Array:
    """Return where a clip's relevance lies, ``(H, W)``: its sum over the frames with a face.

    Parameters
    ----------
    relevance : array-like, shape (T, H, W)
        Summed over channels.
    window : Window
    tiles : sequence of Tile
    part : {"absolute", "positive"}
        Of the relevance.
    sigma : float or None
        Pixels of the video: the map is blurred as the fixations are, each tile by itself, mirrored at its border, so
        that even relevance stays even.
    """
    values = np.asarray(relevance, np.float64)[window.valid]
    image: Array = (np.abs(values) if part == "absolute" else np.clip(values, 0, None)).sum(0)
    return image if sigma is None else _blurred(image, window, tiles, sigma)


def _blurred(image: Array, window: Window, tiles: Sequence[Tile], sigma: float) -> Array:
    from scipy.ndimage import gaussian_filter

    result = np.zeros_like(image)
    for number, tile in enumerate(tiles):
        matrix = window.transforms[window.valid, number, :, :2]
        if not len(matrix):
            continue
        across, down = sigma * np.linalg.norm(matrix, axis=-1).mean(0)  # of x and of y of the crop
        part = slice(tile.y0, tile.y1), slice(tile.x0, tile.x1)
        result[part] = gaussian_filter(image[part], (down, across), mode="reflect")
    return result


def centre_map(shape: tuple[int, int], fraction: float) -> Array:
    """Return a Gaussian at the crop's centre, whose sigma is a fraction of the crop's width and height."""
    down, across = (((np.arange(length) - (length - 1) / 2) / (fraction * length)) ** 2 for length in shape)
    result: Array = np.exp(-(down[:, None] + across[None, :]) / 2)
    return result

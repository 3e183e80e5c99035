"""Random changes of training clips, the same for all frames of a clip, and regions that move along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.config.settings import AugmentSettings
from mien.types import BitArray, ByteArray, FloatArray, Tile

_Resample = Callable[[npt.NDArray[Any], npt.NDArray[np.float64]], npt.NDArray[Any]]


@dataclass(frozen=True)
class Change:
    """One random change of a clip: mirrored, turned and zoomed about the middle, shifted, brighter, of more contrast.

    What moves, moves within each tile of the crop: no pixel comes into another tile, and what comes into view repeats
    the tile's border.  Regions move with their pixels, so bits keep following the anatomical points: a mirrored left
    eye stays ``left_eye``, in its own tile where it has one, though it then looks like a right one.

    Attributes
    ----------
    mirrored : bool
    down, right : int
        Pixels of the crop.
    degrees : float
        Clockwise as the crop is seen.
    scale : float
        Above 1 brings the face nearer.
    brightness, contrast : float
        Factors.
    """

    mirrored: bool = False
    down: int = 0
    right: int = 0
    degrees: float = 0.0
    scale: float = 1.0
    brightness: float = 1.0
    contrast: float = 1.0

    def pixels(self, clip: ByteArray, tiles: Sequence[Tile] = ()) -> ByteArray:
        """Return the changed clip, ``(T, H, W, 3)`` uint8; turned and zoomed bilinearly.

        Parameters
        ----------
        clip : ndarray of uint8, shape (T, H, W, 3)
        tiles : sequence of Tile
            The crop's rectangles; empty for one that fills it.
        """
        moved: ByteArray = self._by_tile(clip, tiles, _bilinear)
        if (self.brightness, self.contrast) != (1.0, 1.0):
            moved = jitter(moved, self.brightness, self.contrast)
        return np.ascontiguousarray(moved)

    def regions(self, bits: BitArray, tiles: Sequence[Tile] = ()) -> BitArray:
        """Return the region bits ``(T, H, W)`` of the changed clip: each pixel has those of the pixel it came from."""
        return np.ascontiguousarray(self._by_tile(bits, tiles, _nearest))

    def transforms(self, transforms: FloatArray, height: int, width: int, tiles: Sequence[Tile] = ()) -> FloatArray:
        """Return the transforms ``(T, K, 2, 3)`` from source pixels into the changed crop.

        To move regions, use `regions`: rasterised anew, a turned region is grown along other axes, and what comes into
        view beyond a tile's border is no longer what the landmarks say.
        """
        changed = np.empty_like(transforms, dtype=np.float64)
        for place, tile in enumerate(tiles or (Tile(0, 0, width, height),)):
            matrix = self.affine(tile.y1 - tile.y0, tile.x1 - tile.x0)
            origin = np.array([tile.x0, tile.y0])
            matrix[:, 2] += origin - matrix[:, :2] @ origin
            changed[:, place] = matrix[:, :2] @ transforms[:, place]
            changed[:, place, :, 2] += matrix[:, 2]
        return changed

    def affine(self, height: int, width: int) -> npt.NDArray[np.float64]:
        """Return the affine ``(2, 3)`` from a tile's pixels to where they come to lie, in the tile's own pixels."""
        middle = np.array([width - 1, height - 1]) / 2
        angle = np.deg2rad(self.degrees)
        turn = self.scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if self.mirrored:
            turn = turn @ np.diag([-1.0, 1.0])
        return np.column_stack([turn, middle - turn @ middle + [self.right, self.down]])

    def _by_tile(self, values: npt.NDArray[Any], tiles: Sequence[Tile], resample: _Resample) -> npt.NDArray[Any]:
        """Return ``(T, H, W, ...)`` with every tile changed; what lies in no tile stays."""
        if not tiles:
            return self._changed(values, resample)
        changed = values.copy()
        for tile in tiles:
            rectangle = np.s_[:, tile.y0 : tile.y1, tile.x0 : tile.x1]
            changed[rectangle] = self._changed(values[rectangle], resample)
        return changed

    def _changed(self, values: npt.NDArray[Any], resample: _Resample) -> npt.NDArray[Any]:
        if self.degrees or self.scale != 1:
            return resample(values, self.affine(*values.shape[1:3]))
        # Whole pixels move exactly, and much faster.
        values = values[:, :, ::-1] if self.mirrored else values
        return shift(values, self.down, self.right) if self.down or self.right else values


def draw_change(settings: AugmentSettings, rng: np.random.Generator) -> Change:
    """Return a random change.

    The numbers drawn from ``rng`` are the same in kind and count for all settings, so switching one change off
    leaves the others as they were.
    """
    mirrored = bool(rng.random() < 0.5)
    down, right = rng.integers(-settings.shift, settings.shift, size=2, endpoint=True)
    brightness, contrast = 1 + settings.jitter * rng.uniform(-1, 1, size=2)
    turn, zoom = rng.uniform(-1, 1, size=2)
    return Change(
        mirrored=settings.flip and mirrored,
        down=int(down),
        right=int(right),
        degrees=float(settings.rotate * turn),
        scale=float(1 + settings.zoom * zoom),
        brightness=float(brightness),
        contrast=float(contrast),
    )


def augment(
    clip: ByteArray, settings: AugmentSettings, rng: np.random.Generator, tiles: Sequence[Tile] = ()
) -> ByteArray:
    """Return a clip under a random change; `draw_change` gives the change itself, which moves regions too.

    Parameters
    ----------
    clip : ndarray of uint8, shape (T, H, W, 3)
    settings : AugmentSettings
    rng : numpy.random.Generator
    tiles : sequence of Tile
        The crop's rectangles; empty for one that fills it.

    Returns
    -------
    ndarray of uint8, shape (T, H, W, 3)
    """
    return draw_change(settings, rng).pixels(clip, tiles)


def shift(clip: npt.NDArray[Any], down: int, right: int) -> npt.NDArray[Any]:
    """Return frames ``(T, H, W, ...)`` moved by whole pixels; what comes into view repeats the border."""
    height, width = clip.shape[1:3]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    moved: npt.NDArray[Any] = clip[:, rows[:, None], columns[None, :]]
    return moved


def jitter(clip: ByteArray, brightness: float, contrast: float) -> ByteArray:
    """Return the clip with its mean times ``brightness``, and its deviations from the mean times ``contrast`` too."""
    mean = clip.mean(dtype=np.float64)
    levels = brightness * (mean + contrast * (np.arange(256) - mean))
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    changed: ByteArray = table[clip]
    return changed


def _bilinear(clip: npt.NDArray[Any], matrix: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    import cv2

    def moved(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
        size = (frame.shape[1], frame.shape[0])
        return np.asarray(cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

    return np.stack([moved(frame) for frame in np.ascontiguousarray(clip)])


def _nearest(bits: npt.NDArray[Any], matrix: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    height, width = bits.shape[1:3]
    down, right = np.mgrid[:height, :width]
    places = np.stack([right, down]).reshape(2, -1) - matrix[:, 2:]
    x, y = np.rint(np.linalg.solve(matrix[:, :2], places)).astype(np.int64).reshape(2, height, width)
    moved: npt.NDArray[Any] = bits[:, y.clip(0, height - 1), x.clip(0, width - 1)]
    return moved

"""Frames to crops by an affine transform, without aliasing when they shrink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.types import ByteArray, FloatArray


def warp(frame: ByteArray, transform: FloatArray, height: int, width: int) -> ByteArray:
    """Return the crop that an affine transform cuts out of a frame.

    Sampling is bilinear.  Where an axis shrinks by ``r > 1``, the frame is first averaged over blocks of
    ``floor(r)`` pixels and smoothed by three taps, so that the blur has the variance of an average over ``r``
    pixels, ``(r**2 - 1) / 12``: there is no aliasing, and no jump as a face comes nearer.  Beyond the
    frame its border is repeated.

    Parameters
    ----------
    frame : ndarray of uint8, shape (H, W, 3)
    transform : ndarray, shape (2, 3)
        Pixels of the frame to pixels of the crop; invertible.
    height, width : int
        Of the crop, pixels.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    import cv2

    matrix = np.asarray(transform, np.float64)
    shrink = 1 / np.linalg.norm(matrix[:, :2], axis=0)
    blocks = np.maximum(np.floor(shrink + 1e-9), 1).astype(int)
    x0, y0, x1, y1 = _needed(matrix, frame.shape, height, width, blocks)
    part = _reduce(frame[y0:y1, x0:x1], blocks)
    variance = np.clip(((shrink / blocks) ** 2 - 1) / 12, 0, 0.25)
    if variance.max() > 1e-3:
        taps = [np.array([v / 2, 1 - v, v / 2]) for v in variance]
        part = cv2.sepFilter2D(part, -1, taps[0], taps[1], borderType=cv2.BORDER_REPLICATE)
    origin = np.array([x0, y0]) + (blocks - 1) / 2
    reduced = np.column_stack([matrix[:, :2] * blocks, matrix[:, :2] @ origin + matrix[:, 2]])
    warped: Any = cv2.warpAffine(
        part, reduced, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    result: ByteArray = warped
    return result


def _needed(
    matrix: npt.NDArray[np.float64],
    shape: Sequence[int],
    height: int,
    width: int,
    blocks: npt.NDArray[np.int_],
) -> tuple[int, int, int, int]:
    """Return the rectangle of the frame that the crop shows: x0, y0, x1, y1, half-open.

    It begins at a whole block, so that a block holds the same pixels wherever the face is.
    """
    corners = np.array([[-1, -1], [width, -1], [-1, height], [width, height]], np.float64)
    source = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T).T
    limit = np.array([shape[1], shape[0]])
    margin = 2 * blocks
    low = np.clip(np.floor(source.min(0)) - margin, 0, limit - 1).astype(int)
    low -= low % blocks
    high = np.clip(np.ceil(source.max(0)) + margin + 1, low + 1, limit).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _reduce(part: ByteArray, blocks: npt.NDArray[np.int_]) -> Any:
    """Return the means over blocks; the last block is filled up with the border."""
    import cv2

    across, down = int(blocks[0]), int(blocks[1])
    if across == down == 1:
        return part
    height, width = part.shape[:2]
    filled = cv2.copyMakeBorder(part, 0, -height % down, 0, -width % across, cv2.BORDER_REPLICATE)
    size = (filled.shape[1] // across, filled.shape[0] // down)
    return cv2.resize(filled, size, interpolation=cv2.INTER_AREA)

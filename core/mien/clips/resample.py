"""Boxes of a frame to pictures of any size, by Lanczos resampling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mien.types import ByteArray, FloatArray

_LOBES = 3


def lanczos(frame: ByteArray, box: FloatArray, height: int, width: int) -> ByteArray:
    """Return a box of a frame, stretched to a size.

    The kernel is Lanczos' with three lobes; along an axis that shrinks it is as much wider, so that there is no
    aliasing.  Beyond the frame it is cut off and its weights are normalised again: no pixel is made up.  Pixels beside
    the box, but in the frame, take part.  It is what Pillow's ``resize(size, LANCZOS, box)`` gives, without its
    rounding between the axes.

    Parameters
    ----------
    frame : ndarray of uint8, shape (H, W, 3)
    box : ndarray, shape (4,)
        x0, y0, x1, y1 in pixels, inside the frame's edges (-0.5 to ``W - 0.5``).
    height, width : int
        Of the result, pixels.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    x0, y0, x1, y1 = (float(side) + 0.5 for side in box)
    rows, down = _weights(y0, y1, frame.shape[0], height)
    columns, across = _weights(x0, x1, frame.shape[1], width)
    # Channels first: then each axis is one product of matrices.
    part = np.ascontiguousarray(frame[rows, columns].transpose(2, 0, 1), np.float32)
    stretched = np.matmul(down, part @ across.T)
    rounded = np.clip(np.rint(stretched), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(rounded.transpose(1, 2, 0))


def _weights(start: float, stop: float, size: int, count: int) -> tuple[slice, npt.NDArray[np.float32]]:
    """Return which pixels of an axis are needed, and the weight of each in each of ``count`` new ones.

    ``start`` and ``stop`` are measured from the first pixel's edge.
    """
    scale = (stop - start) / count
    spread = max(scale, 1.0)
    centres = start + (np.arange(count) + 0.5) * scale
    begin = np.floor(centres - _LOBES * spread).astype(np.int64)
    pixels = begin[:, None] + np.arange(int(np.ceil(2 * _LOBES * spread)) + 1)
    away = (pixels + 0.5 - centres[:, None]) / spread
    values = np.where(np.abs(away) < _LOBES, np.sinc(away) * np.sinc(away / _LOBES), 0.0)
    weights = np.zeros((count, pixels[-1, -1] + 1 - pixels[0, 0]))
    np.put_along_axis(weights, pixels - pixels[0, 0], values, axis=1)
    first, last = max(0, int(pixels[0, 0])), min(size, int(pixels[-1, -1]) + 1)
    weights = weights[:, first - pixels[0, 0] : last - pixels[0, 0]]
    return slice(first, last), (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)

"""Polygons to pixels, exactly, for many frames at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mien.types import BoolArray, FloatArray


def fill(polygons: FloatArray, height: int, width: int) -> BoolArray:
    """Return which pixels lie in each frame's polygon.

    A pixel belongs when its centre is inside (winding number not 0, so that an outline that crosses itself
    has no holes).  Of centres exactly on the edge, those on the left and on the top belong: polygons that
    share an edge share no pixel.

    Parameters
    ----------
    polygons : ndarray, shape (T, K, 2)
        Corners in order, x and y in pixels; the last is joined to the first.  Corners may repeat; a frame
        with a NaN is empty.
    height, width : int
        Pixels.

    Returns
    -------
    ndarray of bool, shape (T, height, width)
    """
    frames = len(polygons)
    start = np.asarray(polygons, np.float64)
    known = np.isfinite(start).all(axis=(1, 2))
    start = np.where(known[:, None, None], start, 0.0)
    end = np.roll(start, -1, axis=1)
    rows = np.arange(height, dtype=np.float64)[None, :, None]
    (x0, y0), (x1, y1) = _columns(start), _columns(end)
    down = (y0 <= rows) & (rows < y1)
    crossed = down | ((y1 <= rows) & (rows < y0))
    frame, row, edge = np.nonzero(crossed)
    x0, y0, x1, y1 = (values[frame, 0, edge] for values in (x0, y0, x1, y1))
    crossing = x0 + (row - y0) * (x1 - x0) / (y1 - y0)
    # From its first pixel right of the crossing on, a row's winding number is one more, or one less.
    first = np.clip(np.ceil(crossing), 0, width).astype(np.int64)
    direction = np.where(down[frame, row, edge], 1.0, -1.0)
    flat = (frame * height + row) * (width + 1) + first
    turns = np.bincount(flat, weights=direction, minlength=frames * height * (width + 1))
    winding = turns.reshape(frames, height, width + 1).cumsum(axis=2)[:, :, :width]
    inside: BoolArray = (winding != 0) & known[:, None, None]
    return inside


def _columns(corners: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return corners[:, None, :, 0], corners[:, None, :, 1]


def convex_hulls(points: FloatArray) -> FloatArray:
    """Return the convex hull of each frame's points, in order: ``(T, N, 2)`` to ``(T, K, 2)``.

    ``K`` is that of the frame with the most corners; in the others the last corner repeats.  Frames with a
    NaN are NaN.
    """
    import cv2

    corners = []
    for frame in np.asarray(points, np.float64):
        if np.isfinite(frame).all():
            order = cv2.convexHull(frame.astype(np.float32)[:, None], returnPoints=False)
            corners.append(frame[order.ravel()])
        else:
            corners.append(np.full((1, 2), np.nan))
    longest = max((len(hull) for hull in corners), default=1)
    padded = [np.pad(hull, ((0, longest - len(hull)), (0, 0)), mode="edge") for hull in corners]
    return np.stack(padded) if padded else np.empty((0, longest, 2))


def bounding_boxes(points: FloatArray) -> FloatArray:
    """Return the corners of each frame's bounding box, in order: ``(T, N, 2)`` to ``(T, 4, 2)``."""
    low, high = points.min(axis=1), points.max(axis=1)
    x0, y0, x1, y1 = low[:, 0], low[:, 1], high[:, 0], high[:, 1]
    return np.asarray(np.stack([x0, y0, x1, y0, x1, y1, x0, y1], axis=-1).reshape(-1, 4, 2))


def grow(polygons: FloatArray, padding: float) -> FloatArray:
    """Return the polygons scaled so that their bounding box grows by ``padding`` of its side on each side.

    The centre of the bounding box stays; the shape stays; each axis is scaled by ``1 + 2 * padding``.
    """
    centre = (polygons.min(axis=1, keepdims=True) + polygons.max(axis=1, keepdims=True)) / 2
    grown: FloatArray = centre + (polygons - centre) * (1 + 2 * padding)
    return grown

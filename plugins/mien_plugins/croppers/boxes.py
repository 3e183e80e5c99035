"""Boxes in the source, and the transforms that fill a tile with them.

The image reaches from -0.5 to ``width - 0.5``: the origin is the centre of the first pixel.
"""

from __future__ import annotations

from mien.types import FloatArray


def grown_box(boxes: FloatArray, aspect: float, width: int, height: int) -> FloatArray:
    """Return boxes grown to an aspect ratio (width over height) about their centre, then clipped to the image.

    Boxes of which less than one pixel is left are NaN.

    Parameters
    ----------
    boxes : ndarray, shape (T, 4)
        x0, y0, x1, y1 in pixels.
    aspect : float
    width, height : int
        Of the image, pixels.
    """
    import numpy as np

    boxes = np.asarray(boxes, np.float64)
    centre, size = (boxes[:, 2:] + boxes[:, :2]) / 2, boxes[:, 2:] - boxes[:, :2]
    across = np.maximum(size[:, 0], size[:, 1] * aspect)
    half = np.stack([across, across / aspect], axis=-1) / 2
    clipped = clip_to_image(centre - half, centre + half, width, height)
    return np.where((size > 0).all(axis=1, keepdims=True), clipped, np.nan)


def region_box(points: FloatArray, padding: float, least: FloatArray, width: int, height: int) -> FloatArray:
    """Return the bounding box of points, padded by a fraction of each side, then clipped to the image.

    Parameters
    ----------
    points : ndarray, shape (T, N, 2)
        Pixels; frames with a NaN give NaN.
    padding : float
        Fraction of a side that is added on each side.
    least : ndarray, shape (T,)
        The padded box's smallest side, pixels; a shorter one grows about its centre.
    width, height : int
        Of the image, pixels.

    Returns
    -------
    ndarray of float64, shape (T, 4)
        NaN where less than one pixel is left.
    """
    import numpy as np

    points = np.asarray(points, np.float64)
    low, high = points.min(axis=1), points.max(axis=1)
    half = np.maximum((high - low) * (0.5 + padding), np.asarray(least, np.float64)[:, None] / 2)
    middle = (low + high) / 2
    return clip_to_image(middle - half, middle + half, width, height)


def clip_to_image(low: FloatArray, high: FloatArray, width: int, height: int) -> FloatArray:
    """Return boxes ``(T, 4)`` from their corners ``(T, 2)``, clipped; NaN where less than one pixel is left."""
    import numpy as np

    edge = np.array([width, height]) - 0.5
    low, high = np.clip(low, -0.5, edge), np.clip(high, -0.5, edge)
    # A box of one pixel may be a rounding error short of it.
    usable = (high - low >= 1 - 1e-9).all(axis=1, keepdims=True)
    return np.where(usable, np.concatenate([low, high], axis=1), np.nan)


def box_transform(boxes: FloatArray, height: int, width: int) -> FloatArray:
    """Return the transforms that fill ``height`` x ``width`` pixels with each box: ``(T, 4)`` to ``(T, 2, 3)``."""
    import numpy as np

    scale = np.array([width, height]) / (boxes[:, 2:] - boxes[:, :2])
    transforms = np.zeros((len(boxes), 2, 3))
    transforms[:, [0, 1], [0, 1]] = scale
    transforms[:, :, 2] = -boxes[:, :2] * scale - 0.5
    return transforms

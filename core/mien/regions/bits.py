"""Which region each pixel or landmark of a crop belongs to: bit r of a mask is region r.

Regions may overlap.  Every pixel of a region belongs to the face too (bit `FACE`), so a mask has three
kinds of values: some region's bits with the face's, the face's alone (elsewhere in the face), and 0 (the
background).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from mien.regions.names import FACE, REGIONS
from mien.regions.polygons import bounding_boxes, convex_hulls, fill, grow
from mien.types import BitArray, FloatArray, LandmarkScheme

region_names: tuple[str, ...] = (*REGIONS, FACE)
"""Bit i of a mask is ``region_names[i]``."""

_FOREHEAD = 0.5  # inter-ocular distances from the eyebrows up to the middle of the forehead


def bit(name: str) -> int:
    """Return the value of a region's bit."""
    return 1 << region_names.index(name)


def rasterise(
    points: FloatArray,
    scheme: LandmarkScheme,
    height: int,
    width: int,
    shape: str = "hull",
    padding: float = 0.25,
    regions: Iterable[str] = REGIONS,
) -> BitArray:
    """Return the region bits of every pixel of a crop.

    A pixel belongs to a region when its centre is inside the region's polygon, exactly (see
    `mien.regions.polygons.fill`).  The face is its outline, not grown, united with the regions.

    Parameters
    ----------
    points : ndarray, shape (T, N, 2)
        Landmarks in the crop's pixels; frames with a NaN give 0.
    scheme : LandmarkScheme
    height, width : int
        Of the crop, pixels.
    shape : {"hull", "box"}
        ``hull``: the convex hull of the region's points; ``box``: their bounding box, parallel to the
        crop's sides (the paper's).
    padding : float
        The hull or box is scaled about the centre of its bounding box, whose sides grow by this fraction on
        each side.
    regions : iterable of str
        The regions to draw.

    Returns
    -------
    ndarray of uint16, shape (T, height, width)
    """
    outlined = convex_hulls if shape == "hull" else bounding_boxes
    mask = np.zeros((len(points), height, width), np.uint16)
    for name in regions:
        polygons = grow(outlined(points[:, list(scheme.regions[name])]), padding)
        mask |= fill(polygons, height, width) * np.uint16(bit(name))
    face = fill(face_outline(points, scheme), height, width) | (mask != 0)
    mask |= face * np.uint16(bit(FACE))
    # A frame is drawn whole or not at all.
    mask[~np.isfinite(points).all(axis=(1, 2))] = 0
    return mask


def face_outline(points: FloatArray, scheme: LandmarkScheme) -> FloatArray:
    """Return the polygon around the face: ``(T, N, 2)`` to ``(T, K, 2)``.

    A closed outline is taken as it is.  A jaw line is closed along the eyebrows' points, ordered along the
    line between the jaw's ends and moved up by half an inter-ocular distance, about to the middle of the
    forehead; up is the direction from the chin (the middle of the jaw line) to the point between the eyes.
    """
    outline = points[:, list(scheme.outline)]
    if scheme.closed_outline:
        return outline
    corners = len(scheme.outline)
    chin = outline[:, [(corners - 1) // 2, corners // 2]].mean(axis=1)
    eyes = scheme.eye_centres(points).mean(axis=1)
    up = (eyes - chin) / np.linalg.norm(eyes - chin, axis=-1, keepdims=True)
    brows = points[:, [*scheme.regions["right_eyebrow"], *scheme.regions["left_eyebrow"]]]
    along = np.einsum("tnc,tc->tn", brows, outline[:, -1] - outline[:, 0])
    back = np.argsort(-along, axis=1, kind="stable")
    lifted = brows + (_FOREHEAD * scheme.inter_ocular(points)[:, None] * up)[:, None]
    return np.concatenate([outline, np.take_along_axis(lifted, back[..., None], axis=1)], axis=1)


def point_bits(scheme: LandmarkScheme) -> npt.NDArray[np.uint16]:
    """Return the region bits of each landmark, shape (N,); all landmarks belong to the face."""
    bits = np.full(scheme.points, bit(FACE), np.uint16)
    for name in REGIONS:
        bits[list(scheme.regions[name])] |= np.uint16(bit(name))
    return bits

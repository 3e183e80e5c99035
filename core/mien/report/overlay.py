"""Relevance drawn on the frames it came from.

Maps live in the crop's pixels.  They are carried back through the crop's own transforms, frame by frame,
so that what is seen lies where the network saw it, whatever the head's position, size or tilt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mien.regions.names import REGIONS
from mien.regions.polygons import bounding_boxes, convex_hulls, grow
from mien.types import ByteArray, FloatArray, IntArray, LandmarkScheme, Tile

POSITIVE, NEGATIVE, UNSIGNED = (235, 30, 30), (30, 95, 255), (255, 165, 0)
"""RGB of relevance for, against, and without sign."""

_OUTLINE = (255, 255, 255)
_COLOUR_LEFT = 0.25  # of the frame's own colour below a map, so that red lips are not taken for relevance
_MAX_ALPHA = 0.85
_GAMMA = 0.8


@dataclass(frozen=True)
class Strip:
    """The relevance of some frames of one recording, and the way back to the source.

    Attributes
    ----------
    frames : ndarray of int, shape (n,)
        Source frame numbers, increasing.
    maps : ndarray, shape (n, H, W)
        Relevance in the crop's pixels, summed over channels.
    transforms : ndarray, shape (n, K, 2, 3)
        Affine from source pixels into the crop, one for each tile.
    landmarks : ndarray, shape (n, N, 2)
        Source pixels; NaN without a face.
    tiles : sequence of Tile
        The crop's rectangles; empty for one that fills it.
    windows : ndarray of int, shape (W, 2), or None
        First and last source frame of each explained window.
    """

    frames: IntArray
    maps: FloatArray
    transforms: FloatArray
    landmarks: FloatArray
    tiles: Sequence[Tile] = ()
    windows: IntArray | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: slice | IntArray) -> Strip:
        return replace(
            self,
            frames=self.frames[rows],
            maps=self.maps[rows],
            transforms=self.transforms[rows],
            landmarks=self.landmarks[rows],
        )


@dataclass(frozen=True)
class View:
    """A rectangle of the source (pixels, half-open), shown at ``scale``."""

    x0: int
    y0: int
    x1: int
    y1: int
    scale: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what is shown, both even (H.264 needs it)."""
        height, width = (self.y1 - self.y0) * self.scale, (self.x1 - self.x0) * self.scale
        return max(2, 2 * round(height / 2)), max(2, 2 * round(width / 2))

    @property
    def affine(self) -> FloatArray:
        """Source pixels to shown pixels, ``(2, 3)``; the origin is the centre of the top-left pixel."""
        height, width = self.size
        sx, sy = width / (self.x1 - self.x0), height / (self.y1 - self.y0)
        return np.array([[sx, 0, sx * (0.5 - self.x0) - 0.5], [0, sy, sy * (0.5 - self.y0) - 0.5]], dtype=np.float64)

    def show(self, frame: ByteArray) -> ByteArray:
        """Return the rectangle of a source frame ``(H, W, 3)`` at the view's size."""
        cut = frame[self.y0 : self.y1, self.x0 : self.x1]
        height, width = self.size
        if cut.shape[:2] == (height, width):
            return np.array(cut)
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(cut, (width, height), interpolation=how), dtype=np.uint8)


def merge_windows(
    frames: IntArray,
    maps: FloatArray,
    transforms: FloatArray,
    landmarks: FloatArray,
    tiles: Sequence[Tile] = (),
) -> Strip:
    """Return one map a source frame: where windows overlap, their mean.

    Parameters
    ----------
    frames : ndarray of int, shape (W, T)
        Source frame numbers of each window.
    maps : ndarray, shape (W, T, H, W)
    transforms : ndarray, shape (W, T, K, 2, 3)
    landmarks : ndarray, shape (W, T, N, 2)
    """
    numbers, first, place = np.unique(frames.ravel(), return_index=True, return_inverse=True)
    flat = maps.reshape(-1, *maps.shape[2:])
    merged = np.zeros((len(numbers), *maps.shape[2:]), np.float64)
    np.add.at(merged, place.ravel(), flat)
    merged /= np.bincount(place.ravel(), minlength=len(numbers))[:, None, None]
    return Strip(
        numbers,
        merged.astype(np.float32),
        transforms.reshape(-1, *transforms.shape[2:])[first],
        landmarks.reshape(-1, *landmarks.shape[2:])[first],
        tiles,
        frames[:, [0, -1]],
    )


def smoothed(maps: FloatArray, tiles: Sequence[Tile] = (), fraction: float = 0.012) -> FloatArray:
    """Return maps ``(n, H, W)`` blurred a little for the eye: a Gaussian of ``fraction`` of the width.

    Each tile is blurred by itself: what lies side by side in the crop may lie far apart in the face.
    """
    sigma = fraction * maps.shape[-1]
    blurred = np.array(maps, np.float32)
    for tile in tiles or (Tile(0, 0, maps.shape[2], maps.shape[1]),):
        for one in blurred:
            piece = one[tile.y0 : tile.y1, tile.x0 : tile.x1]
            piece[...] = cv2.GaussianBlur(np.ascontiguousarray(piece), (0, 0), sigma)
    return blurred


def relevance_limit(maps: FloatArray, quantile: float = 0.995) -> float:
    """Return where the colours of a whole recording saturate: a quantile of the absolute relevance."""
    finite = np.abs(maps[np.isfinite(maps)])
    limit = float(np.quantile(finite, quantile)) if finite.size else 0.0
    return limit or float(finite.max(initial=0.0)) or 1.0


def to_source(
    maps: FloatArray,
    transforms: FloatArray,
    height: int,
    width: int,
    tiles: Sequence[Tile] = (),
    view: View | None = None,
) -> FloatArray:
    """Carry maps from the crop back to the source.

    Each tile is carried by the inverse of its transform, bilinearly; where tiles show the same pixel their
    relevance is added.  Values are relevance by area of the crop: they are not divided by the change of size.

    Parameters
    ----------
    maps : ndarray, shape (n, H, W)
    transforms : ndarray, shape (n, K, 2, 3)
        Affine from source pixels into the crop.
    height, width : int
        Of the source frame.
    tiles : sequence of Tile
        K rectangles of the crop; empty for one that fills it.
    view : View, optional
        Return this view's pixels instead of the whole frame's.

    Returns
    -------
    ndarray of float32, shape (n, height, width), or the view's size
        0 outside the crop.
    """
    (rows, columns), back = (height, width), np.eye(3)
    if view is not None:
        rows, columns = view.size
        back = _square(cv2.invertAffineTransform(view.affine))
    tiles = tiles or (Tile(0, 0, maps.shape[2], maps.shape[1]),)
    result = np.zeros((len(maps), rows, columns), np.float32)
    for i, relevance in enumerate(maps):
        for tile, transform in zip(tiles, transforms[i], strict=True):
            if not np.isfinite(transform).all():
                continue
            into_tile = transform @ back - np.array([[0, 0, tile.x0], [0, 0, tile.y0]])
            piece = np.ascontiguousarray(relevance[tile.y0 : tile.y1, tile.x0 : tile.x1], dtype=np.float32)
            # With WARP_INVERSE_MAP the matrix says, for each pixel of the result, where it comes from.
            result[i] += cv2.warpAffine(
                piece, into_tile, (columns, rows), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            )
    return result


def _square(affine: object) -> FloatArray:
    return np.vstack([np.asarray(affine, np.float64), [0.0, 0.0, 1.0]])


def blend(frame: ByteArray, relevance: FloatArray, limit: float, *, signed: bool) -> ByteArray:
    """Return a frame ``(H, W, 3)`` under its relevance ``(H, W)``: grey, and coloured where relevance is.

    Red speaks for, blue against, symmetric about 0 and saturated at ``limit``; orange where there is no sign.
    """
    grey = frame.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    base = _COLOUR_LEFT * frame + (1 - _COLOUR_LEFT) * grey[..., None]
    strength = np.clip(np.nan_to_num(relevance) / limit, -1, 1)
    colours = np.where(
        strength[..., None] >= 0,
        np.array(POSITIVE if signed else UNSIGNED, np.float32),
        np.array(NEGATIVE if signed else UNSIGNED, np.float32),
    )
    alpha = _MAX_ALPHA * np.abs(strength[..., None]) ** _GAMMA
    blended: ByteArray = np.clip(base * (1 - alpha) + colours * alpha, 0, 255).astype(np.uint8)
    return blended


def region_outlines(
    strip: Strip, scheme: LandmarkScheme, shape: str = "hull", padding: float = 0.25
) -> Mapping[str, FloatArray]:
    """Return the polygon of each region in source pixels, ``(n, corners, 2)``; NaN without a face.

    They are grown in the crop, as the masks are that relevance is pooled by, and carried back.  Where tiles show one
    region each, they are the tiles themselves: all that a tile shows is pooled as its region.
    """
    tiled = {tile.region: place for place, tile in enumerate(strip.tiles) if tile.region is not None}
    if tiled:
        return {name: _tile_outlines(strip, place) for name, place in tiled.items()}
    outlined = convex_hulls if shape == "hull" else bounding_boxes
    into = strip.transforms[:, 0]
    linear, shift = into[:, :, :2], into[:, :, 2]
    points = np.einsum("tij,tnj->tni", linear, strip.landmarks) + shift[:, None]
    outlines = {}
    for name in REGIONS:
        grown = grow(outlined(points[:, list(scheme.regions[name])]), padding)
        outlines[name] = _from_crop(grown, into)
    return outlines


def _tile_outlines(strip: Strip, place: int) -> FloatArray:
    tile = strip.tiles[place]
    x0, y0, x1, y1 = tile.x0 - 0.5, tile.y0 - 0.5, tile.x1 - 0.5, tile.y1 - 0.5
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return _from_crop(np.broadcast_to(corners, (len(strip), 4, 2)), strip.transforms[:, place])


def _from_crop(points: FloatArray, transforms: FloatArray) -> FloatArray:
    """Carry points ``(n, corners, 2)`` back to the source by transforms ``(n, 2, 3)``."""
    linear, shift = transforms[:, :, :2], transforms[:, :, 2]
    carried: FloatArray = np.linalg.solve(linear[:, None], (points - shift[:, None])[..., None])[..., 0]
    return carried


def draw_outlines(image: ByteArray, polygons: Iterable[FloatArray], view: View) -> ByteArray:
    """Return the image of a view with the outlines of polygons ``(corners, 2)`` in source pixels."""
    drawn = np.ascontiguousarray(image)
    affine = view.affine
    fixed = 16  # cv2 draws to a sixteenth of a pixel
    for polygon in polygons:
        if np.isfinite(polygon).all():
            shown = polygon @ affine[:, :2].T + affine[:, 2]
            corners = np.round(shown * fixed).astype(np.int32)[:, None]
            cv2.polylines(drawn, [corners], True, (0, 0, 0), 2, cv2.LINE_AA, 4)
            cv2.polylines(drawn, [corners], True, _OUTLINE, 1, cv2.LINE_AA, 4)
    return drawn


def face_view(landmarks: FloatArray, height: int, width: int, *, panel: int = 320, margin: float = 0.3) -> View:
    """Return a view, the same for all frames, that holds the face whenever it is seen.

    Parameters
    ----------
    landmarks : ndarray, shape (n, N, 2)
        Source pixels; NaN without a face.
    height, width : int
        Of the source frame.  It is shown whole when the face fills most of it or is never seen.
    panel : int
        Largest side of what is shown, pixels.
    margin : float
        Added on each side, as a fraction of the larger side of the face's box.
    """
    seen = landmarks[np.isfinite(landmarks).all(axis=(1, 2))].reshape(-1, 2)
    if not len(seen):
        return View(0, 0, width, height, panel / max(height, width))
    low, high = seen.min(0), seen.max(0)
    grow_by = margin * float((high - low).max())
    x0, y0 = np.floor(np.maximum(low - grow_by, 0)).astype(int)
    x1, y1 = np.ceil(np.minimum(high + grow_by, [width, height])).astype(int)
    if (x1 - x0) * (y1 - y0) > 0.7 * width * height or x1 - x0 < 8 or y1 - y0 < 8:
        x0, y0, x1, y1 = 0, 0, width, height
    return View(int(x0), int(y0), int(x1), int(y1), panel / max(x1 - x0, y1 - y0))


def overlay(
    frame: ByteArray,
    strip: Strip,
    row: int,
    *,
    view: View,
    limit: float,
    signed: bool,
    outlines: Mapping[str, FloatArray] | None = None,
) -> ByteArray:
    """Return the view of a source frame ``(H, W, 3)`` under the relevance of the strip's ``row``.

    ``outlines`` are those of `region_outlines` for the whole strip.
    """
    one = strip[row : row + 1]
    carried = to_source(one.maps, one.transforms, frame.shape[0], frame.shape[1], strip.tiles, view)[0]
    image = blend(view.show(frame), carried, limit, signed=signed)
    return draw_outlines(image, [polygons[row] for polygons in (outlines or {}).values()], view)


def encode(image: ByteArray, *, width: int = 320, quality: int = 82) -> bytes:
    """Return an RGB image ``(H, W, 3)`` as JPEG, made narrower where it is wider than ``width`` pixels."""
    if image.shape[1] > width:
        size = (width, max(1, round(image.shape[0] * width / image.shape[1])))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data.tobytes())

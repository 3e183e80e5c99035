"""The portrait and the mesh that is laid over it: face points, rings around the face, a fixed border."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from mien.types import ByteArray, FloatArray, IntArray

POINTS = 478
"""Points of MediaPipe's face mesh with irises; they come first among the vertices."""

SIDE = 256
"""Side of the square cut out of the portrait, pixels; the mesh is given in its pixels."""

_LEFT, _TOP = 96, 0
_RINGS = ((1.35, 1.0), (1.75, 0.75), (2.2, 0.3))  # size relative to the face oval, share of the head's motion
_MARGIN = 6.0
_RELIEF = 0.7  # the depth is flattened, or the cheeks' outline folds over when the head turns

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip

# Eleven columns from the right corner of the mouth to the left, four rows from the outer contour inwards.
UPPER_LIP = (
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
)
LOWER_LIP = (
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
)

# From the outer corner to the inner; the subject's right eye, and the subject's left through the mirror.
UPPER_LID = (33, 246, 161, 160, 159, 158, 157, 173, 133)
LOWER_LID = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LID_FOLD = (247, 30, 29, 27, 28, 56, 190)
IRIS = (468, 469, 470, 471, 472)


@dataclass(frozen=True)
class Mesh:
    """Vertices over the portrait, in pixels of its 256-pixel square.

    Attributes
    ----------
    vertices : ndarray, shape (V, 3)
        x, y and depth (smaller is nearer); the face's 478 points, then rings, then the border.
    triangles : ndarray of int, shape (F, 3)
        Delaunay triangulation of x and y.
    motion : ndarray, shape (V,)
        Share of the head's motion that a vertex follows: 1 on the face, 0 on the border.
    mirror : ndarray of int, shape (478,)
        The point on the other side of the face.
    """

    vertices: FloatArray
    triangles: IntArray
    motion: FloatArray
    mirror: IntArray

    @property
    def face(self) -> FloatArray:
        """The face's points, shape (478, 3)."""
        return self.vertices[:POINTS]

    @property
    def eyes(self) -> FloatArray:
        """Centres of the right and the left eye, shape (2, 2)."""
        corners = self.face[[[33, 133], [362, 263]], :2]
        return np.asarray(corners.mean(1))

    @property
    def inter_ocular(self) -> float:
        """Distance between the eye centres, pixels."""
        right, left = self.eyes
        return float(np.linalg.norm(left - right))


@lru_cache(maxsize=1)
def base_mesh() -> Mesh:
    """Return the mesh over the portrait as it is, smile included; made once."""
    from scipy.spatial import Delaunay

    table = np.loadtxt(str(files(__package__) / "mesh_points.csv"), delimiter=",", skiprows=1)
    face = table[:, :3] * (1, 1, _RELIEF)
    rings, motion = _rings(face)
    border = _border()
    vertices = np.concatenate([face, rings, border])
    weights = np.concatenate([np.ones(POINTS), motion, np.zeros(len(border))])
    triangles = Delaunay(vertices[:, :2]).simplices
    return Mesh(vertices, triangles, weights, table[:, 3].astype(int))


def _rings(face: FloatArray) -> tuple[FloatArray, FloatArray]:
    oval = face[list(FACE_OVAL)]
    centre = oval[:, :2].mean(0)
    points, motion = [], []
    for scale, share in _RINGS:
        ring = np.column_stack([centre + scale * (oval[:, :2] - centre), oval[:, 2]])
        inside = ((ring[:, :2] > _MARGIN) & (ring[:, :2] < SIDE - 1 - _MARGIN)).all(1)
        points.append(ring[inside])
        motion.append(np.full(int(inside.sum()), share))
    return np.concatenate(points), np.concatenate(motion)


def _border() -> FloatArray:
    # Half a pixel outside of the outermost pixel centres, so that the triangles cover every pixel.
    ticks = np.linspace(-0.5, SIDE - 0.5, 9)
    low, high = np.full(9, ticks[0]), np.full(9, ticks[-1])
    sides = [(ticks, low), (ticks, high), (low[1:-1], ticks[1:-1]), (high[1:-1], ticks[1:-1])]
    flat = np.concatenate([np.column_stack(side) for side in sides])
    return np.column_stack([flat, np.zeros(len(flat))])


@lru_cache(maxsize=1)
def portrait() -> ByteArray:
    """Return the portrait, ``(256, 256, 3)`` uint8 RGB: Eileen Collins, photographed by NASA; public domain."""
    from skimage import data

    image = np.asarray(data.astronaut())  # type: ignore[no-untyped-call, unused-ignore]
    return np.ascontiguousarray(image[_TOP : _TOP + SIDE, _LEFT : _LEFT + SIDE])

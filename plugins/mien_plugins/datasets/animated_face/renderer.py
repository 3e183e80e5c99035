"""Draws one participant's face with given Action Units and head pose, and knows every landmark exactly."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from mien.errors import ConfigError, nearest
from mien.types import ByteArray, FloatArray, IntArray
from mien_plugins.datasets.animated_face.look import Look, coloured, deformation
from mien_plugins.datasets.animated_face.mesh import POINTS, SIDE, base_mesh, portrait
from mien_plugins.datasets.animated_face.names import NAMES
from mien_plugins.datasets.animated_face.pose import Pose, posed
from mien_plugins.datasets.animated_face.scene import STUDIO, Scene, lit
from mien_plugins.datasets.animated_face.shading import shades
from mien_plugins.datasets.animated_face.units import fields, neutral_vertices

_STILL = Pose()
_SUBPIXEL = 4  # bits after the binary point of drawn triangle corners
_BADGE_DARK, _BADGE_LIGHT = np.array([10.0, 15.0, 20.0]), np.array([40.0, 220.0, 235.0])
_SHADOW = np.array([0.8, 1.0, 1.05], np.float32)  # skin in shadow is warmer
_FINER = 4  # drawn pixels a pixel of the frame, along each axis


class Renderer:
    """A participant's face: a piecewise-affine warp of the portrait over the triangles of the mesh.

    Parameters
    ----------
    look : Look
        The participant.
    size : int
        Side of the square frames, pixels.
    badge : float, optional
        Brightness, 0 to 1, of a badge beside the head; none by default.
    image : ndarray of uint8, shape (256, 256, 3), optional
        Another texture in place of the portrait, under the same mesh.
    scene : Scene, optional
        Its light, backdrop and distance; the portrait's own by default.
    """

    def __init__(
        self,
        look: Look,
        size: int = SIDE,
        badge: float | None = None,
        image: ByteArray | None = None,
        scene: Scene = STUDIO,
    ) -> None:
        self.look = look
        self.size = size
        self.badge = badge
        self._zoom = scene.zoom
        self._mesh = base_mesh()
        self._texture = lit(scene, coloured(look, portrait() if image is None else image), mirrored=look.mirrored)
        self._rest = neutral_vertices().copy()
        self._rest[:, :2] += deformation(look, self._mesh)
        self._fields = fields() * self._mesh.inter_ocular
        self._shades = shades()
        corners = self._mesh.vertices[self._mesh.triangles, :2]
        axes = np.concatenate([corners[:, 0, :, None], _edges(corners)], 2)
        self._facing = np.sign(np.linalg.det(axes[..., 1:]))
        self._texture_table = axes.reshape(-1, 6)
        self._grid = np.mgrid[:size, :size].astype(np.float32)

    def landmarks(self, units: FloatArray | Mapping[str, float], pose: Pose = _STILL) -> FloatArray:
        """Return the exact landmarks, ``(478, 2)`` float32, pixels of the frame, MediaPipe's order.

        Parameters
        ----------
        units : ndarray, shape (10,), or mapping of str to float
            Intensities, 0 to 1, in the order of `NAMES`, or by name.
        """
        points = self._to_frame(self._vertices(intensities(units), pose))[:POINTS]
        if self.look.mirrored:
            points = points[self._mesh.mirror] * (-1, 1) + (self.size - 1, 0)
        return np.asarray(self._at_distance(points), np.float32)

    def frame(self, units: FloatArray | Mapping[str, float], pose: Pose = _STILL) -> ByteArray:
        """Return the frame, ``(size, size, 3)`` uint8 RGB; parameters as for `landmarks`."""
        strengths = intensities(units)
        source = self._source_of(self._to_frame(self._vertices(strengths, pose)))
        across, down = source[..., 0], source[..., 1]
        texture = self._shaded(strengths)
        image: ByteArray = np.asarray(
            cv2.remap(texture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
        if self.look.mirrored:
            image = np.ascontiguousarray(image[:, ::-1])
        if self._zoom != 1:
            image = self._further_away(image)
        if self.badge is not None:
            self._draw_badge(image, self.badge)
        return image

    def badge_box(self) -> tuple[int, int, int, int]:
        """Return where the badge is: x0, y0, x1, y1 in pixels, half-open; beside the brow, off the face."""
        x, y = self._mesh.eyes.mean(0) + np.multiply((1.12, -0.62), self._mesh.inter_ocular)
        x = SIDE - 1 - x if self.look.mirrored else x
        half, zoom = 0.16 * self._mesh.inter_ocular, self.size / SIDE
        corners = np.multiply(zoom, ((x - half, y - half), (x + half, y + half)))
        (low_x, low_y), (high_x, high_y) = np.round(self._at_distance(corners)).astype(int).tolist()
        return low_x, low_y, high_x, high_y

    def _draw_badge(self, image: ByteArray, brightness: float) -> None:
        x0, y0, x1, y1 = self.badge_box()
        image[y0:y1, x0:x1] = np.round(_BADGE_DARK + brightness * _BADGE_LIGHT)

    def _vertices(self, strengths: FloatArray, pose: Pose) -> FloatArray:
        points = self._rest.copy()
        points[:, :2] += np.tensordot(strengths, self._fields, 1)
        return posed(points, pose, self.look.aspect, self._mesh)

    def _at_distance(self, points: FloatArray) -> FloatArray:
        """Return where points of the frame are when the face is further away; the middle of the lower edge stays."""
        anchor = np.array([(self.size - 1) / 2, self.size - 1])
        return points if self._zoom == 1 else np.asarray(anchor + self._zoom * (points - anchor))

    def _further_away(self, image: ByteArray) -> ByteArray:
        corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
        way = cv2.getAffineTransform(corners, self._at_distance(corners).astype(np.float32))
        shape = (self.size, self.size)
        return np.asarray(cv2.warpAffine(image, way, shape, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    def _to_frame(self, points: FloatArray) -> FloatArray:
        return np.asarray((points + 0.5) * (self.size / SIDE) - 0.5)

    def _shaded(self, strengths: FloatArray) -> ByteArray:
        shade = np.tensordot(strengths.astype(np.float32), self._shades, 1)
        light = 1 + shade[..., None] * _SHADOW
        return np.asarray((self._texture * light).clip(0, 255) + np.float32(0.5), np.uint8)

    def _source_of(self, points: FloatArray) -> FloatArray:
        """Return where in the portrait each pixel of the frame comes from, ``(size, size, 2)`` float32."""
        corners = points[self._mesh.triangles]
        edges = _edges(corners)
        owner = _draw(corners, np.linalg.det(edges) * self._facing, self.size)
        # A triangle that an Action Unit closes has no area; its few pixels may take any of its colours.
        edges[np.abs(np.linalg.det(edges)) < 1e-6] = np.eye(2)
        inverse = np.linalg.inv(edges)
        offset = np.einsum("fij,fj->fi", inverse, corners[:, 0])
        table = np.concatenate([inverse.reshape(-1, 4), offset, self._texture_table], 1).astype(np.float32)
        rows = np.take(table.T, owner, axis=1)
        y, x = self._grid
        first, second = rows[0] * x + rows[1] * y - rows[4], rows[2] * x + rows[3] * y - rows[5]
        first, second = _inside(first, second)
        return np.stack(
            [rows[6] + rows[7] * first + rows[8] * second, rows[9] + rows[10] * first + rows[11] * second], -1
        )


def intensities(units: FloatArray | Mapping[str, float]) -> FloatArray:
    """Return intensities as an array in the order of `NAMES`, ``(10,)``.

    Raises
    ------
    ConfigError
        When an Action Unit is named that cannot be planted.
    """
    if not isinstance(units, Mapping):
        return np.asarray(units, float)
    for name in units:
        if name not in NAMES:
            raise ConfigError(f"The Action Unit '{name}' cannot be planted.", hint=nearest(name, NAMES))
    return np.array([units.get(name, 0.0) for name in NAMES], float)


def _draw(corners: FloatArray, areas: FloatArray, size: int) -> IntArray:
    """Return the number of the triangle that covers each pixel's centre, ``(size, size)``.

    OpenCV fills every pixel that the outline touches.  On a finer grid, of which only the centres are kept,
    that is little; and the larger triangle is drawn later, so that a sliver takes no more than is its own
    and a triangle that shows its back (its area is negative) hides nothing.
    """
    owner = np.zeros((size * _FINER, size * _FINER), np.float32)
    centre = (_FINER - 1) // 2
    fixed = np.round((corners * _FINER + centre) * (1 << _SUBPIXEL)).astype(np.int32)
    for number in np.argsort(areas, kind="stable").tolist():
        cv2.fillConvexPoly(owner, fixed[number], number, cv2.LINE_8, _SUBPIXEL)
    return owner[centre::_FINER, centre::_FINER].astype(np.int32)


def _inside(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Move the barycentric coordinates of pixels that are not wholly in their triangle into it."""
    first, second = np.maximum(first, 0), np.maximum(second, 0)
    excess = np.maximum(first + second, 1)
    return first / excess, second / excess


def _edges(corners: FloatArray) -> FloatArray:
    """Return two edges of each triangle as the columns of a matrix: ``(F, 3, 2)`` to ``(F, 2, 2)``."""
    return np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], -1)

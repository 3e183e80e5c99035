"""How Action Units shade the skin: wrinkles, and the dark of an open mouth."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mien.types import FloatArray
from mien_plugins.datasets.animated_face.mesh import LOWER_LIP, SIDE, UPPER_LIP, Mesh, base_mesh
from mien_plugins.datasets.animated_face.names import NAMES

Line = tuple[int, tuple[float, float], tuple[float, float]]
"""A point of the mesh, and where a wrinkle begins and ends from it, in inter-ocular distances."""

# Share of the light that the middle of a wrinkle takes, and the standard deviation of its profile in inter-ocular
# distances.  A smile's crease is soft and broad: the corners' motion alone changes fewer pixels than any other
# Action Unit.
_WRINKLE, _CREASE = (0.34, 0.027), (0.7, 0.06)
_MOUTH_DEPTH = 0.7

# On the subject's right; the mirrored ones are added.
_WRINKLES: dict[str, tuple[Line, ...]] = {
    "AU01": ((107, (-0.10, -0.06), (0.10, -0.07)), (107, (-0.06, -0.10), (0.08, -0.11))),
    "AU02": ((105, (-0.18, -0.06), (0.04, -0.08)), (63, (-0.10, -0.07), (0.06, -0.10))),
    "AU04": ((55, (0.06, -0.08), (0.05, 0.08)), (107, (0.05, -0.02), (0.07, 0.10))),
    "AU06": (
        (33, (-0.08, -0.03), (-0.20, -0.09)),
        (33, (-0.08, 0.02), (-0.22, 0.03)),
        (33, (-0.06, 0.07), (-0.18, 0.13)),
        (23, (-0.12, 0.05), (0.10, 0.06)),
    ),
    "AU09": (
        (6, (-0.14, -0.06), (0.0, -0.03)),
        (6, (-0.14, 0.05), (0.0, 0.08)),
        (197, (-0.15, -0.01), (0.0, 0.03)),
        (48, (-0.05, -0.14), (-0.07, 0.02)),
    ),
    "AU12": ((61, (0.0, -0.07), (-0.05, 0.03)), (61, (-0.05, 0.03), (0.01, 0.14))),
    "AU15": ((61, (-0.02, 0.02), (-0.03, 0.11)),),
}


@lru_cache(maxsize=1)
def shades() -> FloatArray:
    """Return the relative change of the portrait's light at intensity 1, ``(10, 256, 256)`` float32."""
    from scipy.ndimage import gaussian_filter

    mesh = base_mesh()
    maps = np.zeros((len(NAMES), SIDE, SIDE), np.float32)
    for name, lines in _WRINKLES.items():
        depth, width = _CREASE if name == "AU12" else _WRINKLE
        maps[NAMES.index(name)] = -depth * _wrinkles(mesh, lines, width)
    maps[NAMES.index("AU26")] = -_MOUTH_DEPTH * gaussian_filter(_mouth(mesh), 0.7)
    return maps


def _wrinkles(mesh: Mesh, lines: tuple[Line, ...], width: float) -> FloatArray:
    strength = np.zeros((SIDE, SIDE))
    for point, start, end in lines:
        for side in (1, -1):
            origin = mesh.face[point if side == 1 else mesh.mirror[point], :2]
            ends = [origin + mesh.inter_ocular * np.array([side * dx, dy]) for dx, dy in (start, end)]
            strength = np.maximum(strength, _line(ends[0], ends[1], width * mesh.inter_ocular))
    return strength


def _line(start: FloatArray, end: FloatArray, width: float) -> FloatArray:
    """A segment with a Gaussian profile that fades towards its ends, ``(256, 256)``, 0 to 1."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    along = end - start
    position = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along @ along)
    nearest = position.clip(0, 1)
    distance = (x - start[0] - nearest * along[0]) ** 2 + (y - start[1] - nearest * along[1]) ** 2
    return np.asarray(np.exp(-distance / (2 * width**2)) * (0.3 + 0.7 * np.sin(np.pi * nearest)))


def _mouth(mesh: Mesh) -> FloatArray:
    """Depth inside of the portrait's mouth: 0 at the upper teeth, 1 at the lower lip, 0 outside."""
    upper, lower = mesh.face[list(UPPER_LIP[3])], mesh.face[list(LOWER_LIP[3])]
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    top = np.interp(x, upper[:, 0], upper[:, 1])
    bottom = np.interp(x, lower[:, 0], lower[:, 1])
    depth = (y - top) / np.maximum(bottom - top, 1e-6)
    inside = (depth > 0) & (depth < 1) & (x > upper[0, 0]) & (x < upper[-1, 0])
    ramp = ((depth - 0.3) / 0.4).clip(0, 1)
    return np.where(inside, ramp * ramp * (3 - 2 * ramp), 0.0)

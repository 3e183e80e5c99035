"""Where each Action Unit moves the mesh, and where it shades the skin.

A field is compact: it is interpolated from a few handles with a kernel that is zero beyond its radius, and
pinned where the Action Unit must not show.  Otherwise a network would rightly look there too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import numpy as np

from mien.types import FloatArray, IntArray
from mien_plugins.datasets.animated_face import mesh as base
from mien_plugins.datasets.animated_face.mesh import LOWER_LIP, UPPER_LIP, Mesh, base_mesh
from mien_plugins.datasets.animated_face.names import NAMES

Handles = dict[int, tuple[float, float]]
"""Point to its displacement, in inter-ocular distances: x towards the subject's left, y down."""

_PORTRAIT_SMILE = 0.5
_BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)
_EYE_PINS = (33, 133, *base.UPPER_LID, *base.LOWER_LID, *base.LID_FOLD)


@lru_cache(maxsize=1)
def neutral_vertices() -> FloatArray:
    """Return the vertices without the portrait's smile, lips closed: ``(V, 3)``, portrait pixels."""
    mesh = base_mesh()
    vertices = mesh.vertices.copy()
    vertices[:, :2] -= _PORTRAIT_SMILE * fields()[NAMES.index("AU12")] * mesh.inter_ocular
    vertices[:, :2] += _closed_lips(mesh)
    return vertices


@lru_cache(maxsize=1)
def fields() -> FloatArray:
    """Return the displacement of every vertex at intensity 1, ``(10, V, 2)``, in inter-ocular distances."""
    mesh = base_mesh()
    makers: Mapping[str, Callable[[Mesh], FloatArray]] = {
        "AU01": _inner_brow_raiser,
        "AU02": _outer_brow_raiser,
        "AU04": _brow_lowerer,
        "AU06": _cheek_raiser,
        "AU09": _nose_wrinkler,
        "AU12": _lip_corner_puller,
        "AU15": _lip_corner_depressor,
        "AU25": _lips_part,
        "AU26": _jaw_drop,
        "AU45": _blink,
    }
    return np.stack([makers[name](mesh) for name in NAMES])


def _inner_brow_raiser(mesh: Mesh) -> FloatArray:
    handles = {107: (0.01, -0.14), 55: (0.01, -0.13), 66: (0.0, -0.10), 65: (0.0, -0.09)}
    handles |= {105: (0.0, -0.03), 52: (0.0, -0.03)}
    return _field(mesh, handles, pins=(*_EYE_PINS, 70, 46, 63, 53, 168), radius=0.3)


def _outer_brow_raiser(mesh: Mesh) -> FloatArray:
    handles = {70: (0.0, -0.10), 46: (0.0, -0.09), 63: (0.0, -0.14), 53: (0.0, -0.13)}
    handles |= {105: (0.0, -0.09), 52: (0.0, -0.08)}
    return _field(mesh, handles, pins=(*_EYE_PINS, 107, 55, 66, 65), radius=0.3)


def _brow_lowerer(mesh: Mesh) -> FloatArray:
    handles = {107: (0.05, 0.08), 55: (0.05, 0.07), 66: (0.04, 0.07), 65: (0.035, 0.065)}
    handles |= {105: (0.02, 0.055), 52: (0.02, 0.05), 63: (0.0, 0.025), 53: (0.0, 0.025)}
    return _field(mesh, handles, pins=(*_EYE_PINS, 70, 46, 168, 6), radius=0.3)


def _cheek_raiser(mesh: Mesh) -> FloatArray:
    lid = {145: (0.0, -0.025), 144: (0.0, -0.025), 153: (0.0, -0.02)}
    fold = dict.fromkeys((110, 24, 23, 22), (0.0, -0.05))
    cheek = dict.fromkeys((118, 119, 117, 101, 50, 123), (0.0, -0.08))
    pins = (33, 133, *base.UPPER_LID, *_lips(), 64, 98, 48, 131)
    return _field(mesh, lid | fold | cheek, pins=pins, radius=0.3)


def _nose_wrinkler(mesh: Mesh) -> FloatArray:
    handles = {64: (0.0, -0.08), 48: (-0.01, -0.09), 98: (0.0, -0.06), 240: (0.0, -0.06), 49: (-0.01, -0.08)}
    handles |= {131: (0.0, -0.07), 198: (0.0, -0.06), 97: (0.0, -0.03)}
    return _field(mesh, handles, pins=(*_lips(), *_EYE_PINS, 1, 4, 2, 50, 101, 205), radius=0.25)


def _lip_corner_puller(mesh: Mesh) -> FloatArray:
    return _corners(mesh, (-0.25, -0.20))


def _lip_corner_depressor(mesh: Mesh) -> FloatArray:
    return _corners(mesh, (-0.02, 0.10))


def _corners(mesh: Mesh, shift: tuple[float, float]) -> FloatArray:
    handles: Handles = {}
    for row in UPPER_LIP + LOWER_LIP:
        for column, share in enumerate((1.0, 0.65, 0.3, 0.1)):
            handles[row[column]] = (share * shift[0], share * shift[1])
    middle = {row[column] for row in UPPER_LIP + LOWER_LIP for column in (4, 5)}
    return _field(mesh, handles, pins=(*middle, 64, 98, 50, 152), radius=0.25)


def _lips_part(mesh: Mesh) -> FloatArray:
    handles = _lip_handles(UPPER_LIP, -0.05) | _lip_handles(LOWER_LIP, 0.13)
    return _field(mesh, handles, pins=(2, 98, 64), radius=0.25)


def _jaw_drop(mesh: Mesh) -> FloatArray:
    handles = _lip_handles(UPPER_LIP, 0.0) | _lip_handles(LOWER_LIP, 0.16, roundness=0.7)
    handles |= dict.fromkeys((18, 83), (0.0, 0.12)) | dict.fromkeys((200, 201), (0.0, 0.08))
    # The outline moves less far than the lips: before the collar it would show more than all other Action Units.
    chin = base.FACE_OVAL[14:23]
    drops = 0.12 * np.sin(np.pi * np.arange(len(chin)) / (len(chin) - 1))
    handles |= {point: (0.0, float(drop)) for point, drop in zip(chin, drops, strict=True)}
    return _field(mesh, handles, pins=(2, 98, 64, 50), radius=0.3)


def _blink(mesh: Mesh) -> FloatArray:
    face = mesh.face[:, :2]
    lower = face[list(base.LOWER_LID)]
    order = np.argsort(lower[:, 0])
    handles: Handles = {}
    for point in (*base.UPPER_LID[1:-1], *base.IRIS):
        line = np.interp(face[point, 0], lower[order, 0], lower[order, 1])
        handles[point] = (0.0, float(line - face[point, 1]) / mesh.inter_ocular)
    for point, lid in zip(base.LID_FOLD, base.UPPER_LID[1:-1], strict=True):
        handles[point] = (0.0, 0.5 * handles[lid][1])
    return _field(mesh, handles, pins=(33, 133, *base.LOWER_LID, 225, 224, 223, 222, 221, *_BROWS), radius=0.2)


def _lips() -> tuple[int, ...]:
    return tuple(point for row in UPPER_LIP + LOWER_LIP for point in row)


def _lip_handles(rows: Iterable[tuple[int, ...]], drop: float, roundness: float = 1.0) -> Handles:
    """Handles of whole lips: the corners stay, the middle moves by ``drop``."""
    profile = np.sin(np.pi * np.arange(11) / 10).clip(0) ** roundness
    return {point: (0.0, drop * float(share)) for row in rows for point, share in zip(row, profile, strict=True)}


def _closed_lips(mesh: Mesh) -> FloatArray:
    """Displacement, in pixels, that closes the portrait's lips: the lower lip does most of the way."""
    face = mesh.face
    handles: Handles = {}
    for column in range(11):
        gap = (face[LOWER_LIP[3][column], 1] - face[UPPER_LIP[3][column], 1]) / mesh.inter_ocular
        handles |= {row[column]: (0.0, 0.25 * gap) for row in UPPER_LIP}
        handles |= {row[column]: (0.0, -0.70 * gap) for row in LOWER_LIP if 0 < column < 10}
    return _field(mesh, handles, pins=(2, 98, 64, 152), radius=0.3) * mesh.inter_ocular


def _field(mesh: Mesh, handles: Handles, pins: Iterable[int], radius: float) -> FloatArray:
    """Interpolate handles of the subject's right and their mirror images over the vertices, ``(V, 2)``."""
    both = dict.fromkeys((*pins, *(int(mesh.mirror[pin]) for pin in pins)), (0.0, 0.0))
    both |= {int(mesh.mirror[point]): (-dx, dy) for point, (dx, dy) in handles.items()}
    both |= handles
    points = np.array(list(both))
    scale = radius * mesh.inter_ocular
    weights = np.linalg.solve(_kernel(mesh, points, points, scale), np.array(list(both.values())))
    return np.asarray(_kernel(mesh, np.arange(len(mesh.vertices)), points, scale) @ weights)


def _kernel(mesh: Mesh, rows: IntArray, columns: IntArray, radius: float) -> FloatArray:
    """Wendland's compactly supported C2 function of the distance between vertices."""
    flat = mesh.vertices[:, :2]
    distance = np.linalg.norm(flat[rows][:, None] - flat[columns][None], axis=-1) / radius
    return np.asarray((1 - distance).clip(0) ** 4 * (4 * distance + 1))

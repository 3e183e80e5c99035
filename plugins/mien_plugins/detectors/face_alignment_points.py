"""From FAN's heat maps to landmarks, for all faces at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.types import FloatArray

Place = tuple[FloatArray, float]
"""Centre (x, y; pixels) and scale of a face's crop, as face-alignment defines them."""

_REFERENCE = 200.0  # pixels of the image that a crop of scale 1 shows


def landmarks_of(heat: FloatArray, places: Sequence[Place]) -> FloatArray:
    """Return the landmarks of heat maps ``(F, N, 64, 64)``: ``(F, N, 2)`` float32, whole pixels of the image.

    They are those of the library's ``get_preds_fromhm``: a quarter of a cell from the highest cell towards its
    higher neighbour, carried to the image and cut to whole pixels. (Where a coordinate is a whole number before it is
    cut, the last bit of a matrix inverse decides, and it may differ from the library's by a pixel.) The library
    compiles its loops anew in every process, which takes ten seconds and more; this does not.
    """
    faces, points, size, _ = heat.shape
    peak = heat.reshape(faces, points, size * size).argmax(-1)
    rows, columns = np.divmod(peak, size)
    inner = (rows > 0) & (rows < size - 1) & (columns > 0) & (columns < size - 1)
    face, point = np.ogrid[:faces, :points]
    r, c = np.clip(rows, 1, size - 2), np.clip(columns, 1, size - 2)
    across = np.sign(heat[face, point, r, c + 1] - heat[face, point, r, c - 1])
    down = np.sign(heat[face, point, r + 1, c] - heat[face, point, r - 1, c])
    step = np.where(inner[..., None], np.stack([across, down], axis=-1), 0) * 0.25
    cells = np.stack([columns, rows], axis=-1) + 1 + step - 0.5
    homogeneous = np.concatenate([cells, np.ones((faces, points, 1))], axis=-1)
    image = np.einsum("fij,fnj->fni", _to_image(places, size), homogeneous)
    landmarks: FloatArray = np.trunc(image).astype(np.float32)
    return landmarks


def _to_image(places: Sequence[Place], size: int) -> FloatArray:
    """Return the affine from heat-map cells to the image's pixels of each face, ``(F, 2, 3)`` float64."""
    into = np.zeros((len(places), 3, 3))
    into[:, 2, 2] = 1
    for matrix, (centre, scale) in zip(into, places, strict=True):
        zoom = size / (_REFERENCE * float(scale))
        matrix[[0, 1], [0, 1]] = zoom
        matrix[:2, 2] = size * (-np.asarray(centre, np.float64) / (_REFERENCE * float(scale)) + 0.5)
    inverse: FloatArray = np.linalg.pinv(into)
    return inverse[:, :2]

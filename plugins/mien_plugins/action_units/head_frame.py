"""Places of a face's parts as if the head looked straight into the camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mien.types import FloatArray, LandmarkScheme
from mien_plugins.action_units.face_parts import DEPTH, PARTS, POSE_POINTS


def places(landmarks: FloatArray, scheme: LandmarkScheme) -> dict[str, FloatArray]:
    """Return each part's place, ``(T, 2)`` in inter-ocular distances of the mean face, y downwards.

    Under weak perspective a point of the face at (x, y) and depth d is seen at s (x + iy) + t + w d, as complex
    numbers: s is the head's size and roll, t its place, and w = s (yaw + i pitch) for small angles.  The three
    are fitted to `POSE_POINTS`, whose depths are those of a canonical face, and taken out of every part's place.
    What remains of the head's turn is of second order in the angle, and what the person's depths differ by.

    Parameters
    ----------
    landmarks : ndarray, shape (T, N, 2)
        Without NaN.
    """
    import numpy as np

    size, shift, turn = _head(landmarks, scheme)
    found = {}
    for part, points in PARTS[scheme.id].items():
        # The mean of the points first: the fit is linear.
        seen = _complex(landmarks[:, list(points)].mean(1, dtype=np.float64))
        straight = (seen - shift - turn * DEPTH[part.removeprefix("right_").removeprefix("left_")]) / size
        found[part] = np.stack([straight.real, straight.imag], axis=-1)
    return found


def _head(landmarks: FloatArray, scheme: LandmarkScheme) -> tuple[Any, Any, Any]:
    """Return complex s, t and w of every frame, ``(T,)`` each, by least squares."""
    import numpy as np

    depths: Mapping[int, float] = POSE_POINTS[scheme.id]
    points = list(depths)
    model = np.stack([_complex(scheme.mean_face[points]), np.ones(len(points)), np.array(list(depths.values()))], 1)
    size, shift, turn = np.linalg.pinv(model) @ _complex(landmarks[:, points]).T
    return size, shift, turn


def _complex(points: FloatArray) -> Any:
    return points[..., 0].astype("f8") + 1j * points[..., 1].astype("f8")

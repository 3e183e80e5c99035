"""The 68 points of iBUG 300-W, which dlib, FAN and OpenFace give (numbered from 0).

Right and left are the person's own.
"""

from __future__ import annotations

from itertools import pairwise

from mien.types import LandmarkScheme
from mien_plugins.landmarks import mediapipe_478

MESH_POINTS = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),  # jaw 0-16
    *(70, 63, 105, 66, 107),  # right eyebrow 17-21, outer to inner
    *(336, 296, 334, 293, 300),  # left eyebrow 22-26, inner to outer
    *(168, 197, 5, 1),  # bridge of the nose 27-30, down to its tip
    *(98, 97, 2, 326, 327),  # base of the nose 31-35
    *(33, 160, 158, 133, 153, 144),  # right eye 36-41, from its outer corner over the upper lid
    *(362, 385, 387, 263, 373, 380),  # left eye 42-47, from its inner corner over the upper lid
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips 48-59
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips 60-67
)
"""The point of MediaPipe's mesh that lies where each of the 68 points does on a frontal face.

Along the jaw the two schemes follow different curves (68 points turn with the visible contour), so that part
is approximate.
"""

PLACES = {
    "right_eyebrow_outer": 17,
    "right_eyebrow_inner": 21,
    "left_eyebrow_inner": 22,
    "left_eyebrow_outer": 26,
    "nose_tip": 30,
    "nose_base": 33,
    "right_nostril": 31,
    "left_nostril": 35,
    "right_mouth_corner": 48,
    "left_mouth_corner": 54,
    "upper_lip": 51,
    "lower_lip": 57,
    "chin": 8,
}

_LINES = (range(17), range(17, 22), range(22, 27), range(27, 31), range(31, 36))
_RINGS = (range(36, 42), range(42, 48), range(48, 60), range(60, 68))


def scheme() -> LandmarkScheme:
    """Return the scheme ``ibug_68``; its regions are the point ranges of the 300-W annotation.

    The mean face is that of `mediapipe_478` at the corresponding mesh points.
    """
    return LandmarkScheme(
        id="ibug_68",
        points=68,
        regions={
            "right_eye": tuple(range(36, 42)),
            "left_eye": tuple(range(42, 48)),
            "right_eyebrow": tuple(range(17, 22)),
            "left_eyebrow": tuple(range(22, 27)),
            "nose": tuple(range(27, 36)),
            "mouth": tuple(range(48, 68)),
        },
        outline=tuple(range(17)),
        closed_outline=False,
        stable=(36, 39, 42, 45, 27),
        right_eye_corners=(36, 39),
        left_eye_corners=(45, 42),
        mean_face=mediapipe_478.scheme().mean_face[list(MESH_POINTS)],
        edges=_edges(),
        named_points={name: (point,) for name, point in PLACES.items()},
    )


def _edges() -> tuple[tuple[int, int], ...]:
    lines = [pair for line in _LINES for pair in pairwise(line)]
    rings = [pair for ring in _RINGS for pair in zip(ring, (*ring[1:], ring[0]), strict=True)]
    return (*lines, *rings)

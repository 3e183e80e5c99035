"""The 478 points of MediaPipe's face mesh: 468 of the surface and ten of the irises.

Right and left are the person's own; in an unmirrored image the person's right is on the left.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from mien.types import LandmarkScheme

RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
RIGHT_EYEBROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_EYEBROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
NOSE_BRIDGE = (168, 6, 197, 195, 5, 4, 1, 19, 94, 2)
NOSE_WINGS = (98, 97, 2, 326, 327, 294, 278, 344, 440, 275, 4, 45, 220, 115, 48, 64)
FACE_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
RIGHT_IRIS = (469, 470, 471, 472)
LEFT_IRIS = (474, 475, 476, 477)

STABLE = (33, 133, 362, 263, 168, 6, 127, 356, 234, 454)
"""Eye corners, the bridge of the nose between the eyes, temples, and the face's edge before the ears."""

PLACES = {
    "right_eyebrow_outer": 70,
    "right_eyebrow_inner": 107,
    "left_eyebrow_inner": 336,
    "left_eyebrow_outer": 300,
    "nose_tip": 1,
    "nose_base": 2,
    "right_nostril": 98,
    "left_nostril": 327,
    "right_mouth_corner": 61,
    "left_mouth_corner": 291,
    "upper_lip": 0,
    "lower_lip": 17,
    "chin": 152,
}

_MEAN_FACE = Path(__file__).with_name("mean_face_478.csv")


def scheme() -> LandmarkScheme:
    """Return the scheme ``mediapipe_478``.

    The mean face is the canonical face model of MediaPipe (copyright The MediaPipe Authors, Apache-2.0) seen
    from the front, which is neutral and symmetric, its lips a little apart.  The model has no irises: they are
    drawn with their mean size in the middle of the eyes.
    """
    import numpy as np

    return LandmarkScheme(
        id="mediapipe_478",
        points=478,
        regions={
            "right_eye": RIGHT_EYE,
            "left_eye": LEFT_EYE,
            "right_eyebrow": RIGHT_EYEBROW,
            "left_eyebrow": LEFT_EYEBROW,
            "nose": tuple(dict.fromkeys((*NOSE_BRIDGE, *NOSE_WINGS))),
            "mouth": LIPS,
        },
        outline=FACE_OVAL,
        closed_outline=True,
        stable=STABLE,
        right_eye_corners=(33, 133),
        left_eye_corners=(263, 362),
        mean_face=np.loadtxt(_MEAN_FACE, delimiter=",", dtype=np.float32),
        edges=_edges(),
        named_points={name: (point,) for name, point in PLACES.items()},
    )


def _edges() -> tuple[tuple[int, int], ...]:
    rings: list[tuple[int, ...]] = [FACE_OVAL, RIGHT_EYE, LEFT_EYE, RIGHT_EYEBROW, LEFT_EYEBROW]
    rings += [LIPS, INNER_LIPS, RIGHT_IRIS, LEFT_IRIS, NOSE_WINGS]
    closed = [pair for ring in rings for pair in zip(ring, (*ring[1:], ring[0]), strict=True)]
    return (*closed, *pairwise(NOSE_BRIDGE))

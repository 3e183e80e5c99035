"""The points of both landmark schemes that tell Action Units, and how far each lies towards the camera."""

from __future__ import annotations

from collections.abc import Mapping

_MESH: dict[str, tuple[int, ...]] = {
    "right_inner_brow": (107, 55, 66),
    "left_inner_brow": (336, 285, 296),
    "right_middle_brow": (105, 52),
    "left_middle_brow": (334, 282),
    "right_outer_brow": (70, 63, 46),
    "left_outer_brow": (300, 293, 276),
    "right_upper_lid": (160, 159, 158),
    "right_lower_lid": (144, 145, 153),
    "left_upper_lid": (387, 386, 385),
    "left_lower_lid": (373, 374, 380),
    "right_inner_corner": (133,),
    "left_inner_corner": (362,),
    "right_nose_wing": (98, 129, 64),
    "left_nose_wing": (327, 358, 294),
    "nose_base": (2,),
    "right_mouth_corner": (61,),
    "left_mouth_corner": (291,),
    "upper_lip": (0, 37, 267),
    "upper_inner_lip": (82, 13, 312),
    "lower_inner_lip": (87, 14, 317),
    "chin": (148, 152, 377, 175, 199, 200),
}

_IBUG: dict[str, tuple[int, ...]] = {
    "right_inner_brow": (20, 21),
    "left_inner_brow": (22, 23),
    "right_middle_brow": (19,),
    "left_middle_brow": (24,),
    "right_outer_brow": (17, 18),
    "left_outer_brow": (25, 26),
    "right_upper_lid": (37, 38),
    "right_lower_lid": (40, 41),
    "left_upper_lid": (43, 44),
    "left_lower_lid": (46, 47),
    "right_inner_corner": (39,),
    "left_inner_corner": (42,),
    "right_nose_wing": (31,),
    "left_nose_wing": (35,),
    "nose_base": (33,),
    "right_mouth_corner": (48,),
    "left_mouth_corner": (54,),
    "upper_lip": (50, 51, 52),
    "upper_inner_lip": (61, 62, 63),
    "lower_inner_lip": (67, 66, 65),
    "chin": (7, 8, 9),
}

PARTS: Mapping[str, Mapping[str, tuple[int, ...]]] = {"mediapipe_478": _MESH, "ibug_68": _IBUG}
"""Landmark scheme to part of the face to the points whose mean is its place."""

DEPTH: Mapping[str, float] = {
    "inner_brow": 0.82,
    "middle_brow": 0.72,
    "outer_brow": 0.53,
    "upper_lid": 0.61,
    "lower_lid": 0.59,
    "inner_corner": 0.596,
    "nose_wing": 0.82,
    "nose_base": 0.96,
    "mouth_corner": 0.68,
    "upper_lip": 0.94,
    "upper_inner_lip": 0.82,
    "lower_inner_lip": 0.85,
    "chin": 0.73,
}
"""Inter-ocular distances towards the camera, by part without its side.

From MediaPipe's canonical face model (copyright The MediaPipe Authors, Apache-2.0), as `POSE_POINTS`.
"""

POSE_POINTS: Mapping[str, Mapping[int, float]] = {
    "mediapipe_478": {
        33: 0.504,
        263: 0.504,
        133: 0.596,
        362: 0.596,  # eye corners
        168: 0.831,
        6: 0.918,  # between the eyes
        127: -0.318,
        356: -0.318,
        234: -0.387,
        454: -0.387,  # temples and before the ears
    },
    "ibug_68": {
        36: 0.504,
        45: 0.504,
        39: 0.596,
        42: 0.596,
        27: 0.831,
        28: 1.002,
        29: 1.149,
        30: 1.186,  # down the bridge of the nose to its tip
    },
}
"""Landmark scheme to the points that turn with the head but with no Action Unit, to their depth."""

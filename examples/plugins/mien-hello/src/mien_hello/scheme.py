"""The 98 points of WFLW (Wu et al., Look at Boundary, CVPR 2018), numbered from 0."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from mien import LandmarkScheme

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Points = npt.NDArray[np.float64]

CONTOUR, RIGHT_EYEBROW, LEFT_EYEBROW = range(33), range(33, 42), range(42, 51)
BRIDGE, NOSE_BASE = range(51, 55), range(55, 60)
RIGHT_EYE, LEFT_EYE = range(60, 68), range(68, 76)  # from the outer, and from the inner corner, over the upper lid
OUTER_LIPS, INNER_LIPS = range(76, 88), range(88, 96)  # from the right corner over the upper lip
RIGHT_PUPIL, LEFT_PUPIL = 96, 97

_LINES = (CONTOUR, BRIDGE, NOSE_BASE)
_RINGS = (RIGHT_EYEBROW, LEFT_EYEBROW, RIGHT_EYE, LEFT_EYE, OUTER_LIPS, INNER_LIPS)


def scheme() -> LandmarkScheme:
    """Return the scheme ``wflw_98``; right and left are the person's own."""
    return LandmarkScheme(
        id="wflw_98",
        points=98,
        regions={
            "right_eye": tuple(RIGHT_EYE),
            "left_eye": tuple(LEFT_EYE),
            "right_eyebrow": tuple(RIGHT_EYEBROW),
            "left_eyebrow": tuple(LEFT_EYEBROW),
            "nose": (*BRIDGE, *NOSE_BASE),
            "mouth": (*OUTER_LIPS, *INNER_LIPS),
        },
        outline=tuple(CONTOUR),
        closed_outline=False,
        stable=(60, 64, 68, 72, 51),
        right_eye_corners=(60, 64),
        left_eye_corners=(72, 68),
        mean_face=mean_face(),
        edges=_edges(),
        named_points={"right_mouth_corner": (76,), "left_mouth_corner": (82,), "nose_tip": (54,), "chin": (16,)},
    )


def mean_face() -> Points:
    """Return a drawn neutral face, ``(98, 2)``: inter-ocular distance 1, the origin between the eyes, y downwards."""
    import numpy as np

    def arc(centre: tuple[float, float], size: tuple[float, float], start: float, stop: float, points: int) -> Points:
        angles = np.radians(np.linspace(start, stop, points))
        return np.stack([centre[0] + size[0] * np.cos(angles), centre[1] + size[1] * np.sin(angles)], axis=1)

    def ring(centre: tuple[float, float], size: tuple[float, float], points: int) -> Points:
        return arc(centre, size, 180, 540, points + 1)[:-1]

    bridge = np.stack([np.zeros(4), np.linspace(-0.1, 0.6, 4)], axis=1)
    return np.concatenate(
        [
            arc((0, 0.3), (1.23, 1.6), 190, -10, 33),
            ring((-0.56, -0.33), (0.35, 0.07), 9),
            ring((0.56, -0.33), (0.35, 0.07), 9),
            bridge,
            arc((0, 0.66), (0.22, 0.09), 180, 0, 5),
            ring((-0.5, 0), (0.21, 0.05), 8),
            ring((0.5, 0), (0.21, 0.05), 8),
            ring((0, 1.11), (0.39, 0.16), 12),
            ring((0, 1.1), (0.34, 0.05), 8),
            [(-0.5, 0), (0.5, 0)],
        ]
    )


def _edges() -> tuple[tuple[int, int], ...]:
    lines = [pair for line in _LINES for pair in pairwise(line)]
    rings = [pair for ring in _RINGS for pair in zip(ring, (*ring[1:], ring[0]), strict=True)]
    return (*lines, *rings)

"""Where the planted Action Units show: the truth that an explanation is held against."""

from __future__ import annotations

import numpy as np

from mien.regions.bits import rasterise
from mien.types import BitArray, FloatArray, LandmarkScheme
from mien_plugins.datasets.animated_face.pose import Pose
from mien_plugins.datasets.animated_face.renderer import Renderer

_STILL = Pose()


def truth_map(renderer: Renderer, au: str, pose: Pose = _STILL) -> FloatArray:
    """Return the counterfactual ``|render(AU = 1) - render(AU = 0)|``, all other Action Units at 0.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Grey levels, 0 to 255, mean over the colours.
    """
    shown = renderer.frame({au: 1.0}, pose).astype(np.float32)
    return np.asarray(np.abs(shown - renderer.frame({au: 0.0}, pose)).mean(-1), np.float32)


def region_map(
    renderer: Renderer,
    scheme: LandmarkScheme,
    units: FloatArray | dict[str, float],
    pose: Pose = _STILL,
    padding: float = 0.25,
) -> BitArray:
    """Return the region bits of every pixel of a frame, from the exact landmarks; ``(size, size)`` uint16.

    Parameters
    ----------
    scheme : LandmarkScheme
        ``mediapipe_478``, from the registry.
    units : ndarray, shape (10,), or dict of str to float
        Intensities, 0 to 1.
    padding : float
        As for `mien.regions.bits.rasterise`.
    """
    points = renderer.landmarks(units, pose)
    return np.asarray(rasterise(points[None], scheme, renderer.size, renderer.size, padding=padding)[0])

"""How the head turns and moves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mien.types import FloatArray, IntArray
from mien_plugins.datasets.animated_face.mesh import Mesh, base_mesh

_PIVOT = 0.9  # the neck's axis, behind the face, inter-ocular distances


@dataclass(frozen=True)
class Pose:
    """Where the head is; the default is as the portrait shows it.

    Attributes
    ----------
    yaw, pitch, roll : float
        Degrees; positive turns to the right of the picture, down, and clockwise.
    shift : tuple of float
        Right and down, inter-ocular distances.
    scale : float
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0


def draw_poses(random: np.random.Generator, frames: int, rate: float, reach: float = 1.0) -> list[Pose]:
    """Return a head's slow, smooth motion: each angle a sum of two slow waves around a place of its own.

    All of it is ``reach`` times as large as usual.
    """
    seconds = np.arange(frames) / rate
    spans = {"yaw": 7.0, "pitch": 4.5, "roll": 3.5, "right": 0.06, "down": 0.05, "scale": 0.03}
    waves = {name: reach * span * _wave(random, seconds) for name, span in spans.items()}
    return [
        Pose(
            yaw=float(waves["yaw"][i]),
            pitch=float(waves["pitch"][i]),
            roll=float(waves["roll"][i]),
            shift=(float(waves["right"][i]), float(waves["down"][i])),
            scale=float(1 + waves["scale"][i]),
        )
        for i in range(frames)
    ]


def _wave(random: np.random.Generator, seconds: FloatArray) -> FloatArray:
    slow, fast = random.uniform(0.1, 0.3), random.uniform(0.3, 0.7)
    phases = random.uniform(0, 2 * np.pi, 2)
    return np.asarray(
        random.uniform(-0.5, 0.5)
        + 0.45 * np.sin(2 * np.pi * slow * seconds + phases[0])
        + 0.2 * np.sin(2 * np.pi * fast * seconds + phases[1])
    )


def posed(points: FloatArray, pose: Pose, aspect: tuple[float, float], mesh: Mesh) -> FloatArray:
    """Return the vertices as the camera sees them: ``(V, 3)`` to ``(V, 2)``, portrait pixels.

    The head turns about a point behind the face, under parallel projection; a vertex follows by its share.
    """
    centre = _pivot()
    relative = (points - centre) * (*aspect, 1.0)
    turned = relative @ _rotation(pose).T * pose.scale
    moved = centre[:2] + turned[:, :2] + np.multiply(pose.shift, mesh.inter_ocular)
    return np.asarray(points[:, :2] + mesh.motion[:, None] * (moved - points[:, :2]))


@lru_cache(maxsize=1)
def _pivot() -> FloatArray:
    mesh = base_mesh()
    sides: IntArray = np.array([234, 454, 10, 152])
    x, y, _ = mesh.face[sides].mean(0)
    return np.array([x, y, _PIVOT * mesh.inter_ocular])


def _rotation(pose: Pose) -> FloatArray:
    yaw, pitch, roll = np.radians([-pose.yaw, pose.pitch, pose.roll])
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.asarray(np.array(about_z) @ np.array(about_x) @ np.array(about_y))

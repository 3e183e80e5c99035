"""Participants: warps and colourings of the one portrait."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mien.types import ByteArray, FloatArray
from mien_plugins.datasets.animated_face.mesh import POINTS, Mesh

_BUMPS = 14
_SPREAD = 0.45  # inter-ocular distances
_DEFORMATION = 0.035  # standard deviation of the deformation at a bump, inter-ocular distances


@dataclass(frozen=True)
class Look:
    """What tells one participant from another; the defaults leave the portrait as it is.

    Attributes
    ----------
    seed : int or None
        Of the deformation of the face; None for none.
    aspect : tuple of float
        Width and height of the head, relative.
    mirrored : bool
    hue : float
        Degrees.
    saturation, gamma : float
    tint : tuple of float
        Gain of red, green and blue.
    side_light : float
        Relative brightness that the right half of the picture gains and the left half loses.
    """

    seed: int | None = None
    aspect: tuple[float, float] = (1.0, 1.0)
    mirrored: bool = False
    hue: float = 0.0
    saturation: float = 1.0
    gamma: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    side_light: float = 0.0


def draw_look(seed: int, participant: int) -> Look:
    """Return the look of a participant, drawn from the data set's seed."""
    random = np.random.default_rng([seed, 1, participant])
    red, green, blue = random.uniform(0.93, 1.07, 3)
    return Look(
        seed=int(random.integers(2**31)),
        aspect=(float(random.uniform(0.92, 1.1)), float(random.uniform(0.94, 1.06))),
        mirrored=participant % 2 == 1,
        hue=float(random.uniform(-9, 9)),
        saturation=float(random.uniform(0.75, 1.2)),
        gamma=float(random.uniform(0.75, 1.35)),
        tint=(float(red), float(green), float(blue)),
        side_light=float(random.uniform(-0.2, 0.2)),
    )


def deformation(look: Look, mesh: Mesh) -> FloatArray:
    """Return the displacement of the vertices that makes the face another's, ``(V, 2)``, portrait pixels.

    It is smooth and, but for the portrait's own asymmetry, the same on both sides of the face.
    """
    flat = mesh.vertices[:, :2]
    if look.seed is None:
        return np.zeros_like(flat)
    random = np.random.default_rng(look.seed)
    spots = mesh.face[random.choice(POINTS, _BUMPS, replace=False), :2]
    pushes = random.normal(0, _DEFORMATION * mesh.inter_ocular, (_BUMPS, 2))
    squared = ((flat[:, None] - spots[None]) ** 2).sum(-1)
    moved = np.exp(-squared / (2 * (_SPREAD * mesh.inter_ocular) ** 2)) @ pushes
    face = moved[:POINTS].copy()
    moved[:POINTS] = (face + face[mesh.mirror] * (-1, 1)) / 2
    return np.asarray(moved * mesh.motion[:, None])


def coloured(look: Look, image: ByteArray) -> FloatArray:
    """Return the portrait in the participant's colours and light, ``(H, W, 3)`` float32, 0 to 255."""
    import cv2

    light = (image / np.float32(255)).astype(np.float32) ** np.float32(look.gamma)
    hsv = cv2.cvtColor(light, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + look.hue) % 360
    hsv[..., 1] = (hsv[..., 1] * look.saturation).clip(0, 1)
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * np.asarray(look.tint, np.float32)
    across = np.linspace(-look.side_light, look.side_light, image.shape[1], dtype=np.float32)
    return np.asarray((rgb * (1 + across)[None, :, None] * 255).clip(0, 255), np.float32)

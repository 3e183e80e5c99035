"""Where a set is filmed: light, backdrop, distance and camera, the same for all its participants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mien.types import ByteArray, FloatArray
from mien_plugins.datasets.animated_face.mesh import SIDE, portrait

_SEEDS = ((2, 2), (253, 2), (2, 130), (253, 130))  # pixels of the portrait's backdrop
_ALIKE = 4  # grey levels between neighbouring pixels of the backdrop, at most
_FEATHER = 1.5  # softness of the person's outline, portrait pixels


@dataclass(frozen=True)
class Scene:
    """Light, backdrop, distance and camera; the defaults change nothing.

    Attributes
    ----------
    zoom : float
        Size of the face in the frame, relative.
    reach : float
        Size of the head's motion, relative.
    gamma : float
        Above 1 is darker.
    tint : tuple of float
        Gain of red, green and blue: the light's colour.
    side_light : float
        Relative brightness that the right of the frame gains and the left loses.
    backdrop : tuple of float or None
        Colour behind the head, 0 to 255, which replaces the portrait's; None leaves it.
    blur : float
        Standard deviation of the lens's blur, pixels of the frame.
    noise : float
        Standard deviation of the sensor's noise, grey levels.
    crf : int
        Of the video's compression: higher is coarser.
    """

    zoom: float = 1.0
    reach: float = 1.0
    gamma: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    side_light: float = 0.0
    backdrop: tuple[float, float, float] | None = None
    blur: float = 0.0
    noise: float = 0.0
    crf: int = 18


STUDIO = Scene()

SCENES: Mapping[str, Scene] = {
    "studio": STUDIO,
    "evening": Scene(
        zoom=0.78,
        reach=1.4,
        gamma=1.25,
        tint=(1.12, 0.92, 0.68),
        side_light=0.35,
        backdrop=(58.0, 44.0, 38.0),
        blur=0.6,
        noise=5.0,
        crf=24,
    ),
    "webcam": Scene(
        zoom=0.62,
        reach=1.2,
        gamma=0.85,
        tint=(0.9, 1.0, 1.12),
        side_light=-0.15,
        backdrop=(176.0, 188.0, 192.0),
        blur=0.8,
        noise=3.0,
        crf=30,
    ),
}
"""By the name that the configuration's ``look`` takes."""


def lit(scene: Scene, texture: FloatArray, mirrored: bool = False) -> FloatArray:
    """Return the portrait in the scene's light, before its backdrop, ``(256, 256, 3)`` float32, 0 to 255.

    The light comes from the same side of the frame where the portrait is ``mirrored`` in it.
    """
    if scene == STUDIO:
        return texture
    light = 255 * (texture / np.float32(255)) ** np.float32(scene.gamma)
    if scene.backdrop is not None:
        behind = _backdrop()[..., None]
        light = (1 - behind) * light + behind * np.asarray(scene.backdrop, np.float32)
    side = -scene.side_light if mirrored else scene.side_light
    across = np.linspace(-side, side, SIDE, dtype=np.float32)
    light = light * np.asarray(scene.tint, np.float32) * (1 + across)[None, :, None]
    return np.asarray(light.clip(0, 255), np.float32)


def _backdrop() -> FloatArray:
    """Return 1 on the portrait's backdrop and 0 on the person, with a soft outline, ``(256, 256)`` float32."""
    import cv2

    image = cv2.GaussianBlur(portrait(), (0, 0), 1.5)
    mask = np.zeros((SIDE + 2, SIDE + 2), np.uint8)  # OpenCV wants a frame around it
    for seed in _SEEDS:
        cv2.floodFill(image, mask, seed, (0.0,), (_ALIKE,) * 3, (_ALIKE,) * 3, cv2.FLOODFILL_MASK_ONLY | 4)
    return np.asarray(cv2.GaussianBlur(mask[1:-1, 1:-1].astype(np.float32), (0, 0), _FEATHER))


def sensed(scene: Scene, frame: ByteArray, random: np.random.Generator) -> ByteArray:
    """Return the frame as the scene's camera records it, blurred and noisy, ``(H, W, 3)`` uint8."""
    if scene.blur == 0 and scene.noise == 0:
        return frame
    import cv2

    image = cv2.GaussianBlur(frame, (0, 0), scene.blur) if scene.blur else frame
    grain = random.standard_normal(frame.shape, np.float32) * np.float32(scene.noise)
    return np.asarray((image + grain).clip(0, 255) + np.float32(0.5), np.uint8)

"""Short videos with a face and without one, written with mien's own writer.

The face is that of scikit-image's public-domain portrait (NASA), which detectors find; where scikit-image is not
installed it is a drawn one, which most detectors do not take for a face.  The name of the file says which.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mien.types import ByteArray

RATE = 25.0
SECONDS = 3.0
_SKIN, _HAIR, _EYE, _LIP, _WALL = (222, 184, 150), (70, 50, 40), (40, 40, 60), (170, 70, 80), (120, 130, 140)


def write_video(path: Path, frames: ByteArray, rate: float = RATE) -> Path:
    """Write frames ``(T, H, W, 3)`` as a video and return its path."""
    from mien.video.writer import VideoWriter

    with VideoWriter(path, rate, frames.shape[1], frames.shape[2]) as writer:
        writer.write(frames)
    return path


def face_video(folder: Path, *, seconds: float = SECONDS, size: int = 256, seed: int = 0) -> Path:
    """Write a video of a face that sways a little, 25 frames a second, and return its path.

    It is ``face_portrait.mp4``, or ``face_drawn.mp4`` where scikit-image, whose wheel holds the portrait, is not
    installed.  The same arguments give the same video.

    Parameters
    ----------
    folder : Path
        An existing folder.
    size : int
        Side of the square frames, pixels; even.
    seed : int
        Of the sway.
    """
    frames = max(1, round(seconds * RATE))
    if find_spec("skimage") is None:
        return write_video(folder / "face_drawn.mp4", drawn_frames(frames, size, seed))
    return write_video(folder / "face_portrait.mp4", portrait_frames(frames, size, seed))


def video_without_face(folder: Path, *, seconds: float = SECONDS, size: int = 256, seed: int = 0) -> Path:
    """Write ``no_face.mp4``, a video of smooth moving stripes without any face, and return its path.

    Parameters
    ----------
    folder : Path
        An existing folder.
    size : int
        Side of the square frames, pixels; even.
    seed : int
        Of the stripes' colours.
    """
    frames = max(1, round(seconds * RATE))
    colours = np.random.default_rng(seed).uniform(20, 60, 3)
    place = np.arange(size) / size
    waves = np.sin(2 * np.pi * (2 * place[None, :] + np.arange(frames)[:, None] / RATE))
    image = 127 + waves[:, None, :, None] * colours
    return write_video(folder / "no_face.mp4", np.repeat(image, size, axis=1).round().astype(np.uint8))


def portrait_frames(frames: int, size: int = 256, seed: int = 0) -> ByteArray:
    """Return frames ``(T, size, size, 3)`` of the portrait, swaying; it needs scikit-image."""
    from importlib import import_module

    import cv2

    portrait = import_module("skimage.data").astronaut()[:224, 112:336]
    image = cv2.resize(portrait, (size + 16, size + 16), interpolation=cv2.INTER_AREA)
    return np.stack([image[y : y + size, x : x + size] for x, y in _sway(frames, seed)])


def drawn_frames(frames: int, size: int = 256, seed: int = 0) -> ByteArray:
    """Return frames ``(T, size, size, 3)`` of a drawn face that sways, its eyes a quarter of the frame apart."""
    side = size + 16
    y, x = np.mgrid[0:side, 0:side] / size - np.array([8 / size, 8 / size])[:, None, None]
    image = np.empty((side, side, 3), np.uint8)
    image[:] = _WALL

    def ellipse(x0: float, y0: float, width: float, height: float, colour: tuple[int, int, int]) -> None:
        image[((x - x0) / width) ** 2 + ((y - y0) / height) ** 2 <= 1] = colour

    ellipse(0.5, 0.45, 0.31, 0.42, _HAIR)
    ellipse(0.5, 0.5, 0.27, 0.37, _SKIN)
    for side_x in (0.375, 0.625):
        ellipse(side_x, 0.4, 0.05, 0.025, (250, 250, 250))
        ellipse(side_x, 0.4, 0.022, 0.022, _EYE)
        ellipse(side_x, 0.33, 0.07, 0.012, _HAIR)
    ellipse(0.5, 0.55, 0.03, 0.05, (190, 150, 120))
    ellipse(0.5, 0.7, 0.1, 0.03, _LIP)
    return np.stack([image[v : v + size, u : u + size] for u, v in _sway(frames, seed)])


def _sway(frames: int, seed: int) -> list[tuple[int, int]]:
    """Return the corner of each frame, 0 to 16 pixels."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 2)
    turns = 2 * np.pi * np.arange(frames)[:, None] / RATE * np.array([0.7, 0.4]) + phase
    return [(int(u), int(v)) for u, v in np.round(8 + 7.9 * np.sin(turns))]

"""Random changes of training clips, the same for all frames of a clip."""

from __future__ import annotations

import numpy as np

from mien.config.settings import AugmentSettings
from mien.types import ByteArray


def augment(clip: ByteArray, settings: AugmentSettings, rng: np.random.Generator) -> ByteArray:
    """Return a changed clip: mirrored, shifted, and of another brightness and contrast.

    The numbers drawn from ``rng`` are the same in kind and count for all settings, so switching one change off
    leaves the others as they were.

    Parameters
    ----------
    clip : ndarray of uint8, shape (T, H, W, 3)
    settings : AugmentSettings
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of uint8, shape (T, H, W, 3)
    """
    mirrored = rng.random() < 0.5
    down, right = rng.integers(-settings.shift, settings.shift, size=2, endpoint=True)
    brightness, contrast = 1 + settings.jitter * rng.uniform(-1, 1, size=2)
    if settings.flip and mirrored:
        clip = clip[:, :, ::-1]
    if settings.shift:
        clip = shift(clip, int(down), int(right))
    if settings.jitter:
        clip = jitter(clip, float(brightness), float(contrast))
    return np.ascontiguousarray(clip)


def shift(clip: ByteArray, down: int, right: int) -> ByteArray:
    """Return the clip moved by whole pixels; what comes into view repeats the border."""
    height, width = clip.shape[1:3]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    moved: ByteArray = clip[:, rows[:, None], columns[None, :]]
    return moved


def jitter(clip: ByteArray, brightness: float, contrast: float) -> ByteArray:
    """Return the clip with its mean times ``brightness``, and its deviations from the mean times ``contrast`` too."""
    mean = clip.mean(dtype=np.float64)
    levels = brightness * (mean + contrast * (np.arange(256) - mean))
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    changed: ByteArray = table[clip]
    return changed

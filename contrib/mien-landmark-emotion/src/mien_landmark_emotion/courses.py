"""How an expression comes: from the neutral face to its apex, among movements that mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien_landmark_emotion.emotions import shown

_BLINK = "AU45"
_DISTRACTORS = 2


@dataclass(frozen=True)
class Manner:
    """How expressions differ from one another.

    Attributes
    ----------
    intensity : tuple of float
        Smallest and largest intensity of an expression at its apex, 0 to 1.
    distractors : float
        Largest intensity of two further Action Units that do not belong to the emotion.
    blink : float
        Probability of a blink.
    """

    intensity: tuple[float, float] = (0.3, 1.0)
    distractors: float = 0.3
    blink: float = 0.5


def course(
    random: np.random.Generator, emotion: str, units: Sequence[str], frames: int, manner: Manner
) -> tuple[npt.NDArray[np.float64], float]:
    """Return the intensity of each Action Unit in each frame, and that of the expression at its apex.

    The first frame is neutral.  Each Action Unit of the prototype begins within the first quarter of the recording,
    rises smoothly for a quarter to half of it, and stays; its intensity is that of the expression within 20 %.

    Parameters
    ----------
    units : sequence of str
        The Action Units that can be shown, in the order of the columns; those of the prototype that are not among them
        are left out.

    Returns
    -------
    intensities : ndarray, shape (frames, len(units))
        0 to 1.
    intensity : float
    """
    strength = float(random.uniform(*manner.intensity))
    own = shown(emotion, units)
    values = np.zeros((frames, len(units)))
    for unit in own:
        values[:, units.index(unit)] = strength * random.uniform(0.8, 1.2) * _rise(random, frames)
    others = [unit for unit in units if unit not in (*own, _BLINK)]
    for unit in random.choice(others, min(_DISTRACTORS, len(others)), replace=False).tolist():
        values[:, units.index(unit)] = random.uniform(0, manner.distractors) * _rise(random, frames)
    blinks, moment = random.random() < manner.blink, random.uniform(0.25, 1)
    if _BLINK in units and blinks:
        distance = np.abs(np.arange(frames) - moment * (frames - 1))
        values[:, units.index(_BLINK)] = (1.5 - 0.75 * distance).clip(0, 1)
    values[0] = 0
    return values.clip(0, 1), strength


def _rise(random: np.random.Generator, frames: int) -> npt.NDArray[np.float64]:
    start, length = random.uniform(0, 0.25) * frames, random.uniform(0.25, 0.5) * frames
    share = ((np.arange(frames) - start) / length).clip(0, 1)
    return np.asarray(share * share * (3 - 2 * share))

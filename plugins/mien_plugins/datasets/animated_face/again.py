"""Renders frames of a planned recording again, with other Action Units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import ConfigError, DataError, nearest
from mien.interfaces.planted import Strengths
from mien.types import ByteArray, FloatArray
from mien_plugins.datasets.animated_face.mesh import POINTS
from mien_plugins.datasets.animated_face.names import NAMES
from mien_plugins.datasets.animated_face.plan import RecordingPlan
from mien_plugins.datasets.animated_face.renderer import Renderer
from mien_plugins.datasets.animated_face.scene import SCENES

if TYPE_CHECKING:
    from mien_plugins.datasets.animated_face.dataset import AnimatedFace


def intensities(config: AnimatedFace, recording: str) -> FloatArray:
    """Return a recording's planted intensities, ``(T, 10)``, 0 to 1; a copy.

    Raises
    ------
    DataError
        When there is no such recording.
    """
    return _planned(config, recording).units.copy()


def render(config: AnimatedFace, recording: str, frames: Sequence[int], units: Strengths, neutral: bool) -> ByteArray:
    """Return frames of a recording with some Action Units set, ``(len(frames), size, size, 3)``.

    Raises
    ------
    DataError
        When there is no such recording or frame, or the intensities are not as many as the frames.
    ConfigError
        When there is no such Action Unit.
    """
    plan, strengths = _planned(config, recording), _strengths(config, recording, frames, units, neutral)
    renderer = _renderer(type(config), config.model_dump_json(), recording)
    made = np.empty((len(frames), config.size, config.size, 3), np.uint8)
    for place, number in enumerate(frames):
        made[place] = renderer.frame(strengths[place], plan.poses[number])
    return made


def landmarks(
    config: AnimatedFace, recording: str, frames: Sequence[int], units: Strengths, neutral: bool
) -> FloatArray:
    """Return the exact landmarks of what `render` gives, ``(len(frames), 478, 2)`` float32; it raises the same."""
    plan, strengths = _planned(config, recording), _strengths(config, recording, frames, units, neutral)
    renderer = _renderer(type(config), config.model_dump_json(), recording)
    made = np.empty((len(frames), POINTS, 2), np.float32)
    for place, number in enumerate(frames):
        made[place] = renderer.landmarks(strengths[place], plan.poses[number])
    return made


def _strengths(
    config: AnimatedFace, recording: str, frames: Sequence[int], units: Strengths, neutral: bool
) -> FloatArray:
    """Return the intensities of the frames asked for, ``(len(frames), 10)``."""
    plan = _planned(config, recording)
    for number in frames:
        if not 0 <= number < len(plan.poses):
            raise DataError(f"There is no frame {number}; it has {len(plan.poses)}.", where=f"recording {recording}")
    own = plan.units[list(frames)]
    strengths = np.zeros_like(own) if neutral else own
    for name, value in units.items():
        if name not in NAMES:
            raise ConfigError(f"The Action Unit '{name}' cannot be planted.", hint=nearest(name, NAMES))
        if np.ndim(value) and np.shape(value) != (len(frames),):
            message = f"{name} has intensities of shape {np.shape(value)} for {len(frames)} frames."
            raise DataError(message, where=f"recording {recording}", hint="Give one for all of them, or one for each.")
        strengths[:, NAMES.index(name)] = value
    return strengths


def _planned(config: AnimatedFace, recording: str) -> RecordingPlan:
    plans = _plans(type(config), config.model_dump_json())
    if recording not in plans:
        raise DataError(f"There is no recording '{recording}'.", where="animated_face", hint=nearest(recording, plans))
    return plans[recording]


# By their fields, not inside of the component: there a cache would be part of its equality, and a copy with
# other fields would take it along.
@lru_cache(maxsize=16)
def _plans(kind: type[AnimatedFace], fields: str) -> Mapping[str, RecordingPlan]:
    return {plan.id: plan for plan in kind.model_validate_json(fields).plan()}


@lru_cache(maxsize=4)
def _renderer(kind: type[AnimatedFace], fields: str, recording: str) -> Renderer:
    config, plan = kind.model_validate_json(fields), _plans(kind, fields)[recording]
    return Renderer(plan.look, config.size, plan.badge, scene=SCENES[config.look])

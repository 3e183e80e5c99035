"""Renders frames of a planned recording again, with other Action Units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import ConfigError, DataError, nearest
from mien.types import ByteArray, FloatArray
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


def render(
    config: AnimatedFace, recording: str, frames: Sequence[int], units: Mapping[str, float], neutral: bool
) -> ByteArray:
    """Return frames of a recording with some Action Units set, ``(len(frames), size, size, 3)``.

    Raises
    ------
    DataError
        When there is no such recording or frame.
    ConfigError
        When there is no such Action Unit.
    """
    plan = _planned(config, recording)
    for number in frames:
        if not 0 <= number < len(plan.poses):
            raise DataError(f"There is no frame {number}; it has {len(plan.poses)}.", where=f"recording {recording}")
    strengths = np.zeros_like(plan.units) if neutral else plan.units.copy()
    for name, value in units.items():
        if name not in NAMES:
            raise ConfigError(f"The Action Unit '{name}' cannot be planted.", hint=nearest(name, NAMES))
        strengths[:, NAMES.index(name)] = value
    renderer = _renderer(type(config), config.model_dump_json(), recording)
    made = np.empty((len(frames), config.size, config.size, 3), np.uint8)
    for place, number in enumerate(frames):
        made[place] = renderer.frame(strengths[number], plan.poses[number])
    return made


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

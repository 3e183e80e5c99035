"""What is to be rendered: every recording's Action Units, head motion, label and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mien.types import FloatArray, Split
from mien_plugins.datasets.animated_face.look import Look, draw_look
from mien_plugins.datasets.animated_face.names import NAMES
from mien_plugins.datasets.animated_face.people import covariates, split_of, spread_over_sides
from mien_plugins.datasets.animated_face.pose import Pose, draw_poses
from mien_plugins.datasets.animated_face.scene import SCENES
from mien_plugins.datasets.animated_face.schedule import course, duty_cycles, duty_of, rhythm, severities, share_of

if TYPE_CHECKING:
    from mien_plugins.datasets.animated_face.dataset import AnimatedFace

_HIDDEN = len(NAMES)
"""The column after the Action Units: a score that no Action Unit shows."""


@dataclass(frozen=True)
class RecordingPlan:
    """One recording, before it is rendered.

    Attributes
    ----------
    id, participant : str
    look : Look
    units : ndarray, shape (T, 10)
        Intensities, 0 to 1, in the order of `NAMES`.
    poses : sequence of Pose
        One a frame.
    label : float
    split : {"train", "validation", "test"} or None
    badge : float or None
        Brightness of the badge; None for no badge.
    covariates : mapping
        Of the participant.
    grain : sequence of int
        Seed of the sensor's noise.
    """

    id: str
    participant: str
    look: Look
    units: FloatArray
    poses: Sequence[Pose]
    label: float
    split: Split | None
    badge: float | None
    covariates: Mapping[str, str | float]
    grain: Sequence[int]


def plan(config: AnimatedFace) -> list[RecordingPlan]:
    """Return all recordings of a configuration, participant by participant; the same for the same fields."""
    people, each = config.participants, config.recordings_per_participant
    duties = duty_cycles(config.seed, people, each, len(NAMES) + 1)
    if config.label_level == "participant":
        duties = _with_severities(config, duties)
    amounts = _speeds(config, duties) if config.label_kind == "dynamics" else duties
    units = [[_units(config, person, turn, amounts[person, turn]) for turn in range(each)] for person in range(people)]
    shares = _shares(config, amounts, units)
    badges = _badges(config, shares)
    low, high = config.label_range
    return [
        RecordingPlan(
            id=f"p{person + 1:02d}_r{turn + 1:02d}",
            participant=f"p{person + 1:02d}",
            look=draw_look(config.seed, person),
            units=units[person][turn],
            poses=_poses(config, person, turn),
            label=round(float(low + (high - low) * shares[person, turn]), 4),
            split=split_of(config, person),
            badge=None if badges is None else float(badges[person, turn]),
            covariates=covariates(config, person),
            grain=(config.seed, 9, person, turn),
        )
        for person in range(people)
        for turn in range(each)
    ]


def share_of_label(weights: Mapping[str, float], mean_intensity: FloatArray) -> float:
    """Return the weighted mean intensity between its smallest possible value, 0, and its largest, 1.

    Parameters
    ----------
    weights : mapping of str to float
        By Action Unit; those of negative weight lower the label.
    mean_intensity : ndarray, shape (10,) or more
        Of a recording, 0 to 1, in the order of `NAMES`.
    """
    total = sum(weight * float(mean_intensity[NAMES.index(name)]) for name, weight in weights.items())
    lowest = sum(weight for weight in weights.values() if weight < 0)
    return (total - lowest) / sum(abs(weight) for weight in weights.values())


def _shares(config: AnimatedFace, amounts: FloatArray, units: Sequence[Sequence[FloatArray]]) -> FloatArray:
    """Return every recording's label between the ends of its range, ``(participants, recordings)``."""
    if config.badge == "cue":
        return share_of(amounts[..., _HIDDEN])
    if config.label_kind == "level" and config.label_level == "recording":
        amounts = np.array([[unit.mean(0) for unit in row] for row in units])
    return np.array([[share_of_label(config.label, amount) for amount in row] for row in amounts])


def _speeds(config: AnimatedFace, duties: FloatArray) -> FloatArray:
    """Return each Action Unit's speed, 0 to 1: those of the label share one, the others keep the slowest.

    Those of negative weight slow down as the others of the label quicken.  The hidden score stays as it is.
    """
    signs = np.sign([config.label.get(name, 0.0) for name in NAMES])
    first = share_of(duties[..., np.flatnonzero(signs)[:1]])
    speeds = np.where(signs > 0, first, np.where(signs < 0, 1 - first, 0.0))
    return np.concatenate([speeds, duties[..., _HIDDEN:]], axis=-1)


def _with_severities(config: AnimatedFace, duties: FloatArray) -> FloatArray:
    """Return the duty cycles with those that make the label alike in all recordings of a participant."""
    columns = [NAMES.index(name) for name, weight in config.label.items() if weight] + [_HIDDEN]
    drawn = np.zeros((config.participants, len(NAMES) + 1))
    drawn[:, columns] = severities(config.seed, config.participants, len(columns))
    if config.badge == "cue":
        severity = drawn[:, _HIDDEN]
    else:
        amounts = _speeds(config, duty_of(drawn)) if config.label_kind == "dynamics" else drawn
        severity = np.array([share_of_label(config.label, amount) for amount in amounts])
    changed = duties.copy()
    changed[..., columns] = duty_of(drawn[spread_over_sides(config, severity)])[:, None, columns]
    return changed


def _units(config: AnimatedFace, person: int, turn: int, amounts: FloatArray) -> FloatArray:
    random = np.random.default_rng([config.seed, 3, person, turn])
    frames, rate, cycle = config.frames, config.rate, config.cycle
    if config.label_kind == "dynamics":
        courses = [rhythm(random, float(speed), frames, rate, cycle) for speed in amounts[: len(NAMES)]]
    else:
        courses = [course(random, float(duty), frames, rate, cycle, config.onset) for duty in amounts[: len(NAMES)]]
    return np.stack(courses, 1)


def _poses(config: AnimatedFace, person: int, turn: int) -> list[Pose]:
    random = np.random.default_rng([config.seed, 4, person, turn])
    return draw_poses(random, config.frames, config.rate, SCENES[config.look].reach)


def _badges(config: AnimatedFace, shares: FloatArray) -> FloatArray | None:
    if config.badge == "none":
        return None
    if config.badge != "shuffled":
        return shares
    random = np.random.default_rng([config.seed, 5])
    return np.asarray(random.permutation(shares.ravel()).reshape(shares.shape))

"""What is to be rendered: every recording's Action Units, head motion, label and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mien.types import FloatArray, Split
from mien_plugins.datasets.animated_face.look import Look, draw_look
from mien_plugins.datasets.animated_face.names import NAMES
from mien_plugins.datasets.animated_face.pose import Pose, draw_poses
from mien_plugins.datasets.animated_face.schedule import course, duty_cycles

if TYPE_CHECKING:
    from mien_plugins.datasets.animated_face.dataset import AnimatedFace


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
    """

    id: str
    participant: str
    look: Look
    units: FloatArray
    poses: Sequence[Pose]
    label: float
    split: Split | None
    badge: float | None


def plan(config: AnimatedFace) -> list[RecordingPlan]:
    """Return all recordings of a configuration, participant by participant; the same for the same fields."""
    people, each = config.participants, config.recordings_per_participant
    duties = duty_cycles(config.seed, people, each, len(NAMES) + 1)
    units = [[_units(config, person, turn, duties[person, turn]) for turn in range(each)] for person in range(people)]
    # The column after the Action Units is a score that no Action Unit shows.
    hidden = (duties[..., -1] - 0.1) / 0.8
    shown = np.array([[share_of_label(config.label, unit.mean(0)) for unit in row] for row in units])
    shares = hidden if config.badge == "cue" else shown
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
            split=_split(config, person),
            badge=None if badges is None else float(badges[person, turn]),
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
    mean_intensity : ndarray, shape (10,)
        Of a recording, 0 to 1, in the order of `NAMES`.
    """
    total = sum(weight * float(mean_intensity[NAMES.index(name)]) for name, weight in weights.items())
    lowest = sum(weight for weight in weights.values() if weight < 0)
    return (total - lowest) / sum(abs(weight) for weight in weights.values())


def _units(config: AnimatedFace, person: int, turn: int, duties: FloatArray) -> FloatArray:
    random = np.random.default_rng([config.seed, 3, person, turn])
    courses = [
        course(random, float(duties[unit]), config.frames, config.rate, config.cycle, config.onset)
        for unit in range(len(NAMES))
    ]
    return np.stack(courses, 1)


def _poses(config: AnimatedFace, person: int, turn: int) -> list[Pose]:
    return draw_poses(np.random.default_rng([config.seed, 4, person, turn]), config.frames, config.rate)


def _badges(config: AnimatedFace, shares: FloatArray) -> FloatArray | None:
    if config.badge == "none":
        return None
    if config.badge != "shuffled":
        return shares
    random = np.random.default_rng([config.seed, 5])
    return np.asarray(random.permutation(shares.ravel()).reshape(shares.shape))


def _split(config: AnimatedFace, person: int) -> Split | None:
    if config.test_participants == 0 and config.validation_participants == 0:
        return None
    first_test = config.participants - config.test_participants
    if person >= first_test:
        return "test"
    return "validation" if person >= first_test - config.validation_participants else "train"

"""What belongs to a participant: side, severity and covariates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mien.types import FloatArray, IntArray, Split

if TYPE_CHECKING:
    from mien_plugins.datasets.animated_face.dataset import AnimatedFace

_AGES = (18, 80)


def split_of(config: AnimatedFace, person: int) -> Split | None:
    """Return a participant's side: the last ones test, those before them validate; None where nobody is held out."""
    if config.test_participants == 0 and config.validation_participants == 0:
        return None
    first_test = config.participants - config.test_participants
    if person >= first_test:
        return "test"
    return "validation" if person >= first_test - config.validation_participants else "train"


def spread_over_sides(config: AnimatedFace, severity: FloatArray) -> IntArray:
    """Return which severity each participant gets, so that every side has all of them, from low to high.

    The held-out participants take evenly spaced ranks; those who train take the rest in random order.

    Parameters
    ----------
    severity : ndarray, shape (participants,)

    Returns
    -------
    ndarray of int, shape (participants,)
        Indices of ``severity``, participant by participant.
    """
    ranks = list(np.argsort(severity, kind="stable"))
    test = _taken_evenly(ranks, config.test_participants)
    validation = _taken_evenly(ranks, config.validation_participants)
    random = np.random.default_rng([config.seed, 6])
    return np.concatenate([random.permutation(side).astype(int) for side in (ranks, validation, test)])


def _taken_evenly(ranks: list[int], count: int) -> Sequence[int]:
    """Take ``count`` of the ranks, evenly spaced, out of the list."""
    places = [int((number + 0.5) * len(ranks) / count) for number in range(count)]
    taken = [ranks[place] for place in places]
    ranks[:] = [rank for place, rank in enumerate(ranks) if place not in set(places)]
    return taken


def covariates(config: AnimatedFace, person: int) -> Mapping[str, str | float]:
    """Return a participant's ``age`` (years) and ``group`` (A or B), which nothing in the data depends on.

    Groups take turns by twos, since every other participant is mirrored.
    """
    random = np.random.default_rng([config.seed, 7, person])
    return {"age": float(random.integers(*_AGES)), "group": "AB"[person // 2 % 2]}

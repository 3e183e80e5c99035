"""Balanced training: the clips of all severity bands are drawn equally often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mien.errors import ConfigError, DataError
from mien.interfaces import Objective
from mien.training.data import EpochSampler
from mien.types import IntArray


def clip_bands(labels: Sequence[float], objective: Objective) -> tuple[IntArray, list[str]]:
    """Return the severity band of each clip, and the names of the bands that have none.

    Parameters
    ----------
    labels : sequence of float
        Of the clips, in the label's unit.
    objective : Objective

    Returns
    -------
    bands : ndarray of int, shape (len(labels),)
        Numbers from 0, in the order of ``objective.severity_bands``.
    without : list of str
        Bands without a clip.

    Raises
    ------
    ConfigError
        When the objective has no severity bands.
    DataError
        When a label lies below the lowest band.
    """
    lowest: Mapping[str, float] = objective.severity_bands
    if not lowest:
        raise ConfigError(
            f"The objective '{objective.use}' has no severity bands to balance.",
            where="training.balance",
            hint="Set 'objective.bands' to the lowest score of each band, or 'training.balance: none'.",
        )
    bands = np.searchsorted(list(lowest.values()), labels, side="right") - 1
    if len(bands) and bands.min() < 0:
        raise DataError(
            f"The label {min(labels):g} lies below the lowest severity band, which begins at {min(lowest.values()):g}.",
            where="training.balance",
            hint="Let a band of 'objective.bands' begin lower.",
        )
    present = set(bands.tolist())
    return bands, [name for number, name in enumerate(lowest) if number not in present]


class BandSampler(EpochSampler):
    """Asks for clips of each band equally often an epoch, as often as the largest band has clips.

    A smaller band is gone through again and again, each time in another order; a repeated clip is asked for as
    (epoch, index, repetition), so that its random changes are others.  The bands take turns, in an order drawn for each
    turn: a batch holds them as equally as its size allows.

    Parameters
    ----------
    bands : ndarray of int, shape (clips,)
        The band of each clip.
    seed : int
    """

    def __init__(self, bands: IntArray, seed: int) -> None:
        self._members = [np.flatnonzero(bands == band) for band in np.unique(bands)]
        self._turns = max(len(members) for members in self._members)
        super().__init__(self._turns * len(self._members), seed)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        rng = np.random.default_rng([self._seed, self._epoch, 0, 3])
        draws = [_draws(members, self._turns, rng) for members in self._members]
        turns = rng.permuted(np.tile(np.arange(len(draws)), (self._turns, 1)), axis=1)
        return ((self._epoch, *draws[band][turn]) for turn, bands in enumerate(turns) for band in bands)


def _draws(members: IntArray, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return ``count`` pairs of member and repetition: whole rounds through the members, and a part of one."""
    rounds = -(-count // len(members))
    return [(int(member), number) for number in range(rounds) for member in rng.permutation(members)][:count]

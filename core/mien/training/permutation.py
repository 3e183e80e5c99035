"""Labels permuted among participants: what a network learns when faces and labels have nothing in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.errors import DataError
from mien.types import Recording

_TRIES = 100
_STREAM = 7  # tells these draws from the others that begin with the run's seed


def permuted_labels(recordings: Sequence[Recording], seed: int, index: int, fold: int) -> dict[str, float]:
    """Return a label for each recording, by id, after the participants have exchanged their labels.

    The labels of a participant move as a whole: whoever stands in for another takes the labels of the other's
    sessions, in the order of the sessions' names, one session for one session.  Who has more sessions than the other
    takes them again from the first; who has fewer leaves the last ones.  Recordings of one session so keep one label,
    and what is alike within a person stays alike.  Every exchange is as likely as any other, except the one that leaves
    all labels as they were.

    Parameters
    ----------
    recordings : sequence of Recording
        Those that train or validate, each with a label.
    seed, index, fold : int
        Of the run, of the permuted network, and of its fold; together they decide the exchange.

    Raises
    ------
    DataError
        When no exchange changes a label, e.g. because there is one participant.
    """
    sessions = _sessions(recordings)
    people = sorted(sessions)
    before = {recording.id: _label(recording) for recording in recordings}
    rng = np.random.default_rng([seed, _STREAM, index, fold])
    for _ in range(_TRIES):
        donors = [people[place] for place in rng.permutation(len(people))]
        after: dict[str, float] = {}
        for person, donor in zip(people, donors, strict=True):
            after |= _exchanged(sessions[person], sessions[donor])
        if after != before:
            return after
    raise DataError(
        f"Labels cannot be permuted among the {len(people)} participants that train: it changes none.",
        where="explain.controls.permuted",
        hint="Add participants with other labels, or set it to 0.",
    )


def _sessions(recordings: Sequence[Recording]) -> dict[str, list[list[Recording]]]:
    """Return the recordings of each session of each participant, all in the order of their names."""
    found: dict[str, dict[str, list[Recording]]] = {}
    for recording in sorted(recordings, key=lambda r: r.id):
        own = found.setdefault(recording.participant, {})
        own.setdefault(recording.session or recording.id, []).append(recording)
    return {person: [own[name] for name in sorted(own)] for person, own in found.items()}


def _exchanged(mine: Sequence[Sequence[Recording]], theirs: Sequence[Sequence[Recording]]) -> dict[str, float]:
    labels: dict[str, float] = {}
    for place, session in enumerate(mine):
        donor = theirs[place % len(theirs)]
        labels |= {r.id: _label(donor[number % len(donor)]) for number, r in enumerate(session)}
    return labels


def _label(recording: Recording) -> float:
    if recording.label is None:
        raise DataError("A recording without a label cannot train.", where=f"recording {recording.id}")
    return float(recording.label)

"""Which recordings train, validate and test; a participant is never on two sides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from mien.config.settings import SplitSettings
from mien.errors import ConfigError, DataError
from mien.types import Recording, Split

_HINT = "Add participants, or give a split to each recording in the data set."


def assign_splits(recordings: Sequence[Recording], settings: SplitSettings, seed: int) -> dict[str, Split]:
    """Return the split of each recording id.

    Given splits are kept, and hold for all recordings of their participant.  The other participants are
    shuffled by ``seed`` and divided.  A participant's place in the shuffle depends on the seed and its own name
    alone, so the order of the recordings does not matter and setting one aside hardly moves the others.

    Raises
    ------
    DataError
        When a participant was given two splits, or when too few participants are left to train or to test on.
    ConfigError
        When the fractions leave nobody to train on.
    """
    given = _given(recordings)
    free = {recording.participant for recording in recordings} - given.keys()
    sides = {**given, **_divide(sorted(free), settings, seed, set(given.values()))}
    for side, purpose in (("train", "train on"), ("test", "test on")):
        if side not in sides.values():
            raise DataError(f"No participant is left to {purpose}, of {len(sides)} in all.", hint=_HINT)
    return {recording.id: sides[recording.participant] for recording in recordings}


def _given(recordings: Sequence[Recording]) -> dict[str, Split]:
    given: dict[str, Split] = {}
    for recording in recordings:
        if recording.split is None:
            continue
        known = given.setdefault(recording.participant, recording.split)
        if known != recording.split:
            one, other = sorted((known, recording.split))
            raise DataError(
                f"Participant '{recording.participant}' is in two splits, '{one}' and '{other}'.",
                where=f"recording '{recording.id}'",
                hint="A network that has seen a person cannot be tested on that person: choose one split.",
            )
    return given


def _divide(participants: Sequence[str], settings: SplitSettings, seed: int, filled: set[Split]) -> Mapping[str, Split]:
    """Divide shuffled participants; a side that is wanted and not ``filled`` gets at least one of them."""
    if settings.test + settings.validation >= 1:
        raise ConfigError(
            f"The fractions for test ({settings.test:g}) and validation ({settings.validation:g}) leave no "
            "participant to train on.",
            where="split",
        )
    shuffled = sorted(participants, key=lambda participant: _place(participant, seed))
    test = _count(settings.test, len(shuffled), "test" in filled)
    validation = _count(settings.validation, len(shuffled), "validation" in filled)
    if shuffled and len(shuffled) - test - validation < ("train" not in filled):
        raise DataError(
            f"{len(shuffled)} participants are too few to hold out {test} for the test"
            + (f" and {validation} for validation." if validation else "."),
            hint=_HINT,
        )
    return {
        participant: "test" if place < test else "validation" if place < test + validation else "train"
        for place, participant in enumerate(shuffled)
    }


def _count(fraction: float, participants: int, filled: bool) -> int:
    if fraction == 0 or participants == 0:
        return 0
    return max(round(fraction * participants), 0 if filled else 1)


def _place(participant: str, seed: int) -> tuple[str, str]:
    return hashlib.sha256(f"{seed}:{participant}".encode()).hexdigest(), participant

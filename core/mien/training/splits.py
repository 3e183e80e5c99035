"""Which recordings train, validate and test, in one division or in folds; mien never puts a person on two sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mien.config.settings import SplitSettings
from mien.errors import ConfigError, DataError
from mien.types import Recording, Split

_HINT = "Add participants, or give a split to each recording in the data set."
_SEEN: frozenset[Split] = frozenset({"train", "validation"})


@dataclass(frozen=True)
class Fold:
    """One division of the recordings, for one network.

    Attributes
    ----------
    number : int
        From 0.
    splits : mapping of str to str
        Split of each recording, by id.
    """

    number: int
    splits: Mapping[str, Split]

    @property
    def held_out(self) -> frozenset[str]:
        """Ids of the recordings that are tested on."""
        return frozenset(id_ for id_, split in self.splits.items() if split == "test")

    def seen(self, recordings: Iterable[Recording]) -> frozenset[str]:
        """Return the participants of whom a recording, among those given, trains or validates."""
        return frozenset(r.participant for r in recordings if self.splits.get(r.id) in _SEEN)


def plan_folds(recordings: Sequence[Recording], settings: SplitSettings, seed: int) -> list[Fold]:
    """Return the division of a hold-out, or one for each fold of the other schemes.

    With ``k_fold`` and ``leave_one_out`` all participants are divided anew, whatever splits were given: each is held
    out by exactly one fold, with all recordings.  They are shuffled by ``seed`` as `assign_splits` shuffles them and
    cut into blocks whose sizes differ by at most one.  Those who validate for a fold are the next in the shuffle, so
    that the part of validating goes round as well.

    Raises
    ------
    DataError
        When there are fewer participants than folds, or too few are left to train on.
    """
    if settings.scheme == "holdout":
        return [Fold(0, assign_splits(recordings, settings, seed))]
    people = sorted({recording.participant for recording in recordings})
    shuffled = sorted(people, key=lambda participant: _place(participant, seed))
    count = len(people) if settings.scheme == "leave_one_out" else settings.folds
    if len(people) < max(count, 2):
        counted = f"{len(people)} participant" + "s" * (len(people) != 1)
        raise DataError(
            f"{counted} cannot be divided into {max(count, 2)} folds: each holds out one or more.",
            where=f"split.scheme: {settings.scheme}",
            hint="Add participants" + (", or lower 'split.folds'." if settings.scheme == "k_fold" else "."),
        )
    return [Fold(number, _fold(recordings, shuffled, number, count, settings)) for number in range(count)]


def _fold(
    recordings: Sequence[Recording], shuffled: Sequence[str], number: int, count: int, settings: SplitSettings
) -> dict[str, Split]:
    blocks = [place * count // len(shuffled) for place in range(len(shuffled))]
    first, size = blocks.index(number), blocks.count(number)
    others = [*shuffled[first + size :], *shuffled[:first]]
    validating = set(others[: _count(settings.validation, len(others), filled=False)])
    if len(validating) == len(others):
        raise DataError(
            f"{_counted(shuffled)} too few for {count} folds with validation: nobody is left to train on.",
            where="split.validation",
            hint="Add participants, or lower 'split.folds' or 'split.validation'.",
        )
    held_out = set(shuffled[first : first + size])
    return {
        r.id: "test" if r.participant in held_out else "validation" if r.participant in validating else "train"
        for r in recordings
    }


def judging_fold(folds: Sequence[Fold]) -> dict[str, int]:
    """Return the number of the fold whose network judges each recording: the one that holds it out, else the first."""
    judged = dict.fromkeys(folds[0].splits, folds[0].number)
    return judged | {id_: fold.number for fold in folds for id_ in fold.held_out}


def sides_held(folds: Sequence[Fold]) -> dict[str, Split]:
    """Return the side of each recording in the whole run: ``test`` where any fold holds it out."""
    return {id_: "test" if any(id_ in fold.held_out for fold in folds) else s for id_, s in folds[0].splits.items()}


def shared_persons(recordings: Iterable[Recording], splits: Mapping[str, Split]) -> dict[str, frozenset[Split]]:
    """Return the sides of each participant who is on more than one."""
    sides: dict[str, set[Split]] = {}
    for recording in recordings:
        sides.setdefault(recording.participant, set()).add(splits[recording.id])
    return {participant: frozenset(found) for participant, found in sides.items() if len(found) > 1}


def assign_splits(recordings: Sequence[Recording], settings: SplitSettings, seed: int) -> dict[str, Split]:
    """Return the split of each recording id.

    Given splits are kept, and hold for all recordings of their participant.  The other participants are
    shuffled by ``seed`` and divided.  A participant's place in the shuffle depends on the seed and its own name
    alone, so the order of the recordings does not matter and setting one aside hardly moves the others.

    With ``shared_persons: count`` a participant may have been given several splits; each recording then keeps its own.

    Raises
    ------
    DataError
        When a participant was given two splits and that is refused, when a recording of such a participant was given
        none, or when too few participants are left to train or to test on.
    ConfigError
        When the fractions leave nobody to train on.
    """
    given = _given(recordings, settings)
    free = {recording.participant for recording in recordings} - given.keys()
    filled = {side for sides in given.values() for side in sides}
    divided = _divide(sorted(free), settings, seed, filled)
    splits = {r.id: divided.get(r.participant) or _own(r, given[r.participant]) for r in recordings}
    for side, purpose in (("train", "train on"), ("test", "test on")):
        if side not in splits.values():
            people = len(given) + len(free)
            raise DataError(f"No participant is left to {purpose}, of {people} in all.", hint=_HINT)
    return splits


def _given(recordings: Sequence[Recording], settings: SplitSettings) -> dict[str, frozenset[Split]]:
    """Return the splits that each participant was given, of those who were given any."""
    given: dict[str, frozenset[Split]] = {}
    for recording in recordings:
        if recording.split is None:
            continue
        known = given.get(recording.participant, frozenset()) | {recording.split}
        given[recording.participant] = known
        if len(known) > 1 and settings.shared_persons == "refuse":
            one, other = sorted(known)
            raise DataError(
                f"Participant '{recording.participant}' is in two splits, '{one}' and '{other}'.",
                where=f"recording '{recording.id}'",
                hint="A network that has seen a person cannot be tested on that person: choose one split. Where the "
                "data set's official parts share persons, 'split.shared_persons: count' keeps the parts and tells "
                "such persons apart.",
            )
    return given


def _own(recording: Recording, given: frozenset[Split]) -> Split:
    """Return a recording's own split, or that of all its participant's recordings."""
    if recording.split is not None:
        return recording.split
    if len(given) > 1:
        raise DataError(
            f"Participant '{recording.participant}' is in the splits {', '.join(sorted(given))}, and this recording is "
            "in none.",
            where=f"recording '{recording.id}'",
            hint="Give it a split in the data set.",
        )
    return next(iter(given))


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
            f"{_counted(shuffled)} too few to hold out {test} for the test"
            + (f" and {validation} for validation." if validation else "."),
            hint=_HINT,
        )
    return {
        participant: "test" if place < test else "validation" if place < test + validation else "train"
        for place, participant in enumerate(shuffled)
    }


def _counted(people: Sequence[str]) -> str:
    return "1 participant is" if len(people) == 1 else f"{len(people)} participants are"


def _count(fraction: float, participants: int, filled: bool) -> int:
    if fraction == 0 or participants == 0:
        return 0
    return max(round(fraction * participants), 0 if filled else 1)


def _place(participant: str, seed: int) -> tuple[str, str]:
    return hashlib.sha256(f"{seed}:{participant}".encode()).hexdigest(), participant

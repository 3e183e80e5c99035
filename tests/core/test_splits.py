"""Guarantees: participants are never on two sides; the division depends on seed and names alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mien.config.settings import SplitSettings
from mien.errors import ConfigError, DataError
from mien.training.splits import assign_splits
from mien.types import Recording, Split


def _recording(participant: str, number: int = 0, split: Split | None = None) -> Recording:
    return Recording(f"{participant}_{number}", participant, Path("video.mp4"), 1.0, split)


def _people(count: int, each: int = 2) -> list[Recording]:
    return [_recording(f"p{person:03d}", number) for person in range(count) for number in range(each)]


def _sides(recordings: list[Recording], splits: dict[str, Split]) -> dict[str, set[Split]]:
    sides: dict[str, set[Split]] = {}
    for recording in recordings:
        sides.setdefault(recording.participant, set()).add(splits[recording.id])
    return sides


def test_counts_and_no_participant_on_two_sides() -> None:
    recordings = _people(20, each=3)
    splits = assign_splits(recordings, SplitSettings(test=0.25, validation=0.1), seed=1)
    sides = _sides(recordings, splits)
    assert set(splits) == {recording.id for recording in recordings}
    assert all(len(side) == 1 for side in sides.values())
    flat = [next(iter(side)) for side in sides.values()]
    assert (flat.count("test"), flat.count("validation"), flat.count("train")) == (5, 2, 13)


def test_order_of_recordings_does_not_matter_and_seed_does() -> None:
    recordings = _people(12)
    shuffled = recordings.copy()
    random.Random(3).shuffle(shuffled)
    settings = SplitSettings()
    assert assign_splits(recordings, settings, 7) == assign_splits(shuffled, settings, 7)
    assert len({tuple(assign_splits(recordings, settings, seed).values()) for seed in range(8)}) > 1


def test_every_participant_is_tested_equally_often_over_seeds() -> None:
    recordings = _people(8, each=1)
    counts = dict.fromkeys((recording.id for recording in recordings), 0)
    for seed in range(400):
        for id_, split in assign_splits(recordings, SplitSettings(test=0.25), seed).items():
            counts[id_] += split == "test"
    assert sum(counts.values()) == 800
    assert all(60 <= count <= 140 for count in counts.values())  # 100 expected, standard deviation 8.7


def test_setting_one_participant_aside_moves_at_most_one_other() -> None:
    recordings = _people(40, each=1)
    before = assign_splits(recordings, SplitSettings(), 0)
    after = assign_splits(recordings[1:], SplitSettings(), 0)
    assert sum(before[id_] != split for id_, split in after.items()) <= 1


def test_given_splits_are_kept_and_hold_for_the_whole_participant() -> None:
    recordings = [
        *_people(6),
        _recording("given", 0, "validation"),
        _recording("given", 1),
        _recording("tested", 0, "test"),
    ]
    splits = assign_splits(recordings, SplitSettings(), 0)
    assert splits["given_0"] == splits["given_1"] == "validation"
    assert splits["tested_0"] == "test"


def test_official_splits_alone_are_enough() -> None:
    recordings = [_recording("a", 0, "train"), _recording("b", 0, "test")]
    assert assign_splits(recordings, SplitSettings(), 0) == {"a_0": "train", "b_0": "test"}


def test_at_least_one_participant_is_tested() -> None:
    splits = assign_splits(_people(2, each=1), SplitSettings(test=0.01), 0)
    assert sorted(splits.values()) == ["test", "train"]


def test_a_participant_in_two_splits_is_named() -> None:
    recordings = [*_people(4), _recording("anna", 0, "train"), _recording("anna", 1, "test")]
    with pytest.raises(DataError, match=r"'anna' is in two splits, 'test' and 'train'"):
        assign_splits(recordings, SplitSettings(), 0)


@pytest.mark.parametrize(
    ("recordings", "settings"),
    [
        ([], SplitSettings()),
        (_people(1), SplitSettings()),
        (_people(2), SplitSettings(test=0.3, validation=0.3)),
        ([_recording("a", 0, "train"), _recording("b", 0, "train")], SplitSettings()),
        ([_recording("a", 0, "test")], SplitSettings()),
    ],
)
def test_too_few_participants(recordings: list[Recording], settings: SplitSettings) -> None:
    with pytest.raises(DataError, match="participant"):
        assign_splits(recordings, settings, 0)


@pytest.mark.parametrize(("people", "said"), [(1, "1 participant is too few"), (2, "2 participants are too few")])
def test_how_many_are_too_few_is_said_in_words_that_agree(people: int, said: str) -> None:
    with pytest.raises(DataError, match=f"^{said} to hold out 1 for the test and 1 for validation"):
        assign_splits(_people(people), SplitSettings(test=0.3, validation=0.3), 0)


def test_fractions_that_leave_nobody_to_train_on() -> None:
    with pytest.raises(ConfigError, match="leave no participant"):
        assign_splits(_people(9), SplitSettings(test=0.5, validation=0.5), 0)

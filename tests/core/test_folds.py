"""Guarantees: each participant is held out exactly once, and in no fold on two sides; shared persons are told apart."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.config.check import _explained_split
from mien.config.settings import SplitSettings
from mien.errors import DataError
from mien.run.summary import headline_level, shared_people
from mien.run.view import covariates_table
from mien.steps.network import NetworkId
from mien.steps.networks import Networks, division_notes, known_before
from mien.steps.recordings import with_splits
from mien.steps.results import recordings_table
from mien.training.permutation import permuted_labels
from mien.training.splits import Fold, assign_splits, judging_fold, plan_folds, shared_persons, sides_held
from mien.types import Exclusion, Recording


def recording(id_, participant, split=None, label=1.0, session=None, **more):
    return Recording(id_, participant, Path("v.mp4"), label, split, session=session, **more)


def people(count, each=1):
    return [recording(f"p{p:03d}_{n}", f"p{p:03d}", label=float(p)) for p in range(count) for n in range(each)]


SCHEMES = st.one_of(
    st.builds(lambda folds: SplitSettings(scheme="k_fold", folds=folds), st.integers(2, 7)),
    st.just(SplitSettings(scheme="leave_one_out")),
)


class TestFolds:
    @given(
        st.lists(st.integers(1, 3), min_size=7, max_size=25),
        SCHEMES,
        st.sampled_from([0.0, 0.2, 0.5]),
        st.integers(0, 2**31 - 1),
    )
    def test_each_participant_is_held_out_once_and_never_on_two_sides(self, each, settings, validation, seed):
        recordings = [recording(f"p{p}_{n}", f"p{p}") for p, count in enumerate(each) for n in range(count)]
        folds = plan_folds(recordings, settings.model_copy(update={"validation": validation}), seed)
        held_out = Counter()
        for number, fold in enumerate(folds):
            assert fold.number == number
            assert set(fold.splits) == {r.id for r in recordings}
            sides = {
                p: {fold.splits[r.id] for r in recordings if r.participant == p}
                for p in {r.participant for r in recordings}
            }
            assert all(len(side) == 1 for side in sides.values())
            counts = Counter(next(iter(side)) for side in sides.values())
            assert counts["train"] >= 1
            assert (counts["validation"] > 0) == (validation > 0)
            held_out.update(p for p, side in sides.items() if side == {"test"})
            assert not {r.participant for r in recordings if r.id in fold.held_out} & fold.seen(recordings)
        assert set(held_out.values()) == {1}
        assert len(held_out) == len(each)
        sizes = [len({r.participant for r in recordings if r.id in fold.held_out}) for fold in folds]
        assert max(sizes) - min(sizes) <= 1
        assert len(folds) == (len(each) if settings.scheme == "leave_one_out" else settings.folds)

    def test_the_order_of_recordings_does_not_matter_and_the_seed_does(self):
        recordings, settings = people(12, each=2), SplitSettings(scheme="k_fold", folds=4)
        assert plan_folds(recordings, settings, 3) == plan_folds(recordings, settings, 3)
        held_out = [fold.held_out for fold in plan_folds(recordings, settings, 3)]
        assert held_out == [fold.held_out for fold in plan_folds(recordings[::-1], settings, 3)]
        assert held_out != [fold.held_out for fold in plan_folds(recordings, settings, 4)]

    def test_everyone_validates_about_as_often(self):
        recordings = people(20)
        folds = plan_folds(recordings, SplitSettings(scheme="k_fold", folds=5, validation=0.25), 0)
        validated = Counter(id_ for fold in folds for id_, split in fold.splits.items() if split == "validation")
        assert set(validated.values()) == {1}
        assert len(validated) == 20

    def test_a_hold_out_is_one_fold(self):
        recordings = people(8)
        (fold,) = plan_folds(recordings, SplitSettings(), 5)
        assert fold == Fold(0, assign_splits(recordings, SplitSettings(), 5))
        assert sides_held([fold]) == fold.splits
        assert set(judging_fold([fold]).values()) == {0}

    def test_under_folds_everything_is_held_out_and_judged_by_its_own(self):
        recordings = people(9)
        folds = plan_folds(recordings, SplitSettings(scheme="k_fold", folds=4), 1)
        assert set(sides_held(folds).values()) == {"test"}
        judging = judging_fold(folds)
        assert all(folds[number].splits[id_] == "test" for id_, number in judging.items())

    @pytest.mark.parametrize(
        ("count", "changes", "message"),
        [
            (4, {"scheme": "k_fold", "folds": 5}, "4 participants cannot be divided into 5 folds"),
            (1, {"scheme": "leave_one_out"}, "1 participant cannot be divided into 2 folds"),
            (2, {"scheme": "leave_one_out", "validation": 0.5}, "nobody is left to train on"),
        ],
    )
    def test_too_few_participants(self, count, changes, message):
        with pytest.raises(DataError, match=message):
            plan_folds(people(count, each=9), SplitSettings(**changes), 0)

    def test_given_splits_are_not_used_and_that_is_said(self):
        recordings = [recording("a", "a", "train"), recording("b", "b", "train"), recording("c", "c", "test")]
        recordings.append(recording("d", "d"))
        settings = SplitSettings(scheme="k_fold", folds=2)
        folds = plan_folds(recordings, settings, 0)
        assert set(sides_held(folds).values()) == {"test"}
        (note,) = division_notes(recordings, recordings, folds, settings)
        assert note.startswith("The data set's own splits of 3 recordings were not used: k_fold")


SHARED = [
    recording("a1", "a", "train"),
    recording("a2", "a", "test"),
    recording("b1", "b", "train"),
    recording("b2", "b", "validation"),
    recording("b3", "b", "test"),
    recording("c1", "c", "test"),
    recording("d1", "d", "train"),
    recording("d2", "d"),
]
COUNT = SplitSettings(shared_persons="count")


class TestSharedPersons:
    def test_are_refused_with_the_key_that_counts_them(self):
        with pytest.raises(DataError, match="Participant 'a' is in two splits") as caught:
            plan_folds(SHARED, SplitSettings(), 0)
        assert "split.shared_persons: count" in caught.value.hint

    def test_keep_the_given_parts_and_are_counted(self):
        (fold,) = plan_folds(SHARED, COUNT, 0)
        assert {r.id: fold.splits[r.id] for r in SHARED if r.split} == {r.id: r.split for r in SHARED if r.split}
        assert fold.splits["d2"] == "train"  # as all recordings of its participant
        sides = {"a": {"train", "test"}, "b": {"train", "validation", "test"}}
        assert shared_persons(SHARED, fold.splits) == sides
        (note,) = division_notes(SHARED, SHARED, [fold], COUNT)
        assert note.startswith("2 persons have recordings in several of the data set's own parts (1 in test and train ")

    def test_a_recording_in_no_part_of_a_person_in_several_is_named(self):
        with pytest.raises(DataError, match="this recording is in none") as caught:
            plan_folds([*SHARED, recording("a3", "a")], COUNT, 0)
        assert "a3" in caught.value.where

    def test_unseen_are_those_whom_the_judging_network_never_saw(self):
        (fold,) = plan_folds(SHARED, COUNT, 0)
        found = table_of(with_splits(SHARED, fold.splits), [fold]).set_index("recording")
        assert found.index[found["unseen"]].tolist() == ["c1"]
        assert found["fold"].dropna().to_dict() == {"a2": 0, "b3": 0, "c1": 0}
        assert shared_people(found) == 2

    def test_a_person_of_whom_nothing_usable_trained_is_unseen(self):
        (fold,) = plan_folds(SHARED, COUNT, 0)
        used = [one for one in SHARED if one.id != "a1"]
        found = table_of(used, [fold], aside=[Exclusion("a1", "a", "prepare", "no face")]).set_index("recording")
        assert found["unseen"].to_dict()["a2"]
        assert found["unseen"].to_dict()["a1"]
        assert not found["unseen"].to_dict()["b3"]

    def test_whom_the_network_to_start_from_knows_is_not_unseen(self):
        recordings = [recording("a1", "a"), recording("b1", "b"), recording("a2", "a")]
        recordings = [replace(one, video=Path(f"{one.id}.mp4")) for one in recordings]
        context = SimpleNamespace(videos_before={Path("a2.mp4").resolve()})
        known = known_before(recordings, context)
        assert known == {"a"}
        folds = plan_folds(recordings, SplitSettings(scheme="leave_one_out"), 0)
        found = table_of(recordings, folds, known=known).set_index("recording")
        assert found["unseen"].to_dict() == {"a1": False, "b1": True, "a2": False}

    def test_under_folds_everyone_is_unseen_by_their_judge(self):
        recordings = people(6, each=2)
        folds = plan_folds(recordings, SplitSettings(scheme="k_fold", folds=3), 0)
        outside = recording("video", "video", label=None)
        found = table_of([*recordings, outside], folds).set_index("recording")
        assert found["unseen"].all()
        assert found["fold"].drop("video").to_dict() == judging_fold(folds)
        assert pd.isna(found.loc["video", "fold"])


def table_of(recordings, folds, aside=(), known=frozenset()):
    """The table of recordings that were prepared, without their videos."""
    info = SimpleNamespace(
        frames=1, valid_frames=1, duration=1.0, rate=25.0, width=2, height=2, max_faces=1, frames_with_others=0
    )
    prepared = [SimpleNamespace(recording=one, track=info) for one in recordings]
    source = SimpleNamespace(windows=lambda id_: [0])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("mien.steps.results.track_info", lambda track: track)
        return recordings_table(prepared, aside, recordings, source, folds, known)


class TestPermutedLabels:
    def test_a_participants_labels_move_as_a_whole(self):
        recordings = [
            recording(f"{p}{n}", p, label=label, session=f"{p}{s}")
            for p, labels in (("a", (1, 2)), ("b", (3, 4)), ("c", (5, 6)))
            for s, label in enumerate(labels)
            for n in (2 * s, 2 * s + 1)
        ]
        found = permuted_labels(recordings, 0, 0, 0)
        for person in "abc":
            own = [found[f"{person}{n}"] for n in range(4)]
            assert own in ([1, 1, 2, 2], [3, 3, 4, 4], [5, 5, 6, 6])
        assert sorted(found.values()) == sorted(r.label for r in recordings)

    @given(st.lists(st.integers(1, 4), min_size=2, max_size=8), st.integers(0, 9), st.integers(0, 9))
    def test_of_unequal_numbers_the_labels_are_those_of_one_other(self, each, index, fold):
        recordings = [
            recording(f"p{p}_{n}", f"p{p}", label=10.0 * p + n) for p, count in enumerate(each) for n in range(count)
        ]
        found = permuted_labels(recordings, 5, index, fold)
        donors = {}
        for p, count in enumerate(each):
            own = [found[f"p{p}_{n}"] for n in range(count)]
            donor = int(own[0] // 10)
            assert own == [10.0 * donor + n % each[donor] for n in range(count)]
            donors[p] = donor
        assert sorted(donors.values()) == sorted(donors)
        assert found != {r.id: r.label for r in recordings}

    def test_every_exchange_but_none_is_as_likely(self):
        recordings = people(3)
        seen = Counter(tuple(permuted_labels(recordings, seed, 0, 0).values()) for seed in range(1000))
        assert len(seen) == 5
        assert all(140 <= count <= 260 for count in seen.values())  # 200 expected, standard deviation 12.6

    def test_index_and_fold_give_others(self):
        recordings = people(9)
        drawn = [tuple(permuted_labels(recordings, 0, i, f).values()) for i in range(3) for f in range(3)]
        assert len(set(drawn)) == 9

    @pytest.mark.parametrize("recordings", [people(1, each=4), [recording("a", "a"), recording("b", "b")]])
    def test_labels_that_cannot_be_permuted_are_refused(self, recordings):
        with pytest.raises(DataError, match="cannot be permuted") as caught:
            permuted_labels(recordings, 0, 0, 0)
        assert caught.value.where == "explain.controls.permuted"


def test_labels_are_judged_by_session_where_sessions_have_several_recordings():
    rows = pd.DataFrame(
        {"recording": list("abcd"), "participant": list("ppqq"), "session": list("sstt"), "label": [1.0, 1, 2, 2]}
    ).assign(split="test")
    assert headline_level(rows) == "participant"
    assert headline_level(rows.assign(participant="p")) == "session"
    assert headline_level(rows.assign(participant="p", session=rows["recording"])) == "recording"
    # What counts is who is held out: there, each has one label.
    assert headline_level(rows.assign(participant="p", split=["train", "train", "test", "test"])) == "participant"


def test_covariates_are_numbers_where_all_are():
    recordings = [
        recording("a", "p", covariates={"age": 31.0, "sex": "f", "site": "x"}),
        recording("b", "q", covariates={"age": 44.0, "site": 2.0}),
    ]
    table = covariates_table(recordings)
    assert table.columns.tolist() == ["recording", "participant", "age", "sex", "site"]
    assert table["age"].tolist() == [31.0, 44.0]
    assert table["sex"].isna().tolist() == [False, True]
    assert table["site"].tolist() == ["x", "2"]
    assert covariates_table([]).columns.tolist() == ["recording", "participant"]
    with pytest.raises(DataError, match="'recording'"):
        covariates_table([recording("a", "p", covariates={"recording": 1.0})])


@pytest.mark.parametrize(
    "numbers",
    [(1000001.0, 1000002.0), (0.1234567, 0.1234568), (1e22, 1e22 + 2**22), (3.0, 3.5), (np.float64(7.0), 7.25)],
)
def test_numbers_in_a_column_of_text_stay_different(numbers):
    values = ["unknown", *numbers]
    recordings = [recording(f"r{place}", "p", covariates={"site": value}) for place, value in enumerate(values)]
    said = covariates_table(recordings)["site"].tolist()
    assert [float(text) for text in said[1:]] == list(numbers)
    assert not any(text.endswith(".0") for text in said)


def test_networks_are_named_in_the_record():
    def trained(role, index, fold):
        return SimpleNamespace(id=NetworkId(role, index, fold), digest=f"{role}{index}{fold}", began_with={})

    alone = Networks((trained("trained", 0, 0),), (trained("permuted", 0, 0), trained("permuted", 1, 0)))
    assert list(alone.weights) == ["network", "permuted.0", "permuted.1"]
    folds = Networks((trained("trained", 0, 0), trained("trained", 0, 2)), (), {"a": 2})
    assert folds.weights == {"network.fold_0": "trained00", "network.fold_2": "trained02"}
    assert (folds.fold_of("a"), folds.fold_of("a video")) == (2, 0)


@pytest.mark.parametrize(
    ("scheme", "split", "problems"), [("k_fold", "train", 1), ("k_fold", "all", 0), ("holdout", "train", 0)]
)
def test_under_folds_there_is_no_training_recording_to_explain(scheme, split, problems):
    config = SimpleNamespace(split=SplitSettings(scheme=scheme), explain=SimpleNamespace(split=split))
    found = list(_explained_split(config))
    assert [problem.key for problem in found] == ["explain.split"] * problems

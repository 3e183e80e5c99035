"""The data sets `avec2014` and `avec2013` read the challenges' trees, and account for every file in them.

Guarantees: both trees give the same recordings; person, session and task are kept apart; parts become the splits that
are asked for; a label, a video, a part or a folder that lacks is told with what was expected where.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from mien.errors import DataError
from mien.progress import QuietProgress
from mien.testing import avec_tree
from mien.types import DatasetListing, Recording
from mien.video.reader import probe
from mien.video.writer import VideoWriter
from mien_plugins.datasets.animated_face import AnimatedFace
from mien_plugins.datasets.avec import Avec2013, Avec2014
from mien_plugins.datasets.avec_files import part_of

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("avec") / "any.mp4"
    with VideoWriter(path, 25, 32, 32) as writer:
        writer.write(np.zeros((2, 32, 32, 3), np.uint8))
    return path


@pytest.fixture
def recordings(video: Path) -> list[Recording]:
    """Three persons, one a part; two sessions of two tasks each, whose scores are 4, 11, 14, ..."""
    return [
        Recording(f"{split}{turn}", split, video, label=float(10 * side + 3 + 7 * (turn // 2) + turn % 2), split=split)
        for side, split in enumerate(SPLITS)
        for turn in range(4)
    ]


@pytest.fixture(params=["long", "short"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, recordings: list[Recording]) -> Path:
    avec_tree(recordings, tmp_path, layout=request.param)
    return tmp_path


@pytest.fixture
def long(tmp_path: Path, recordings: list[Recording]) -> Path:
    avec_tree(recordings, tmp_path)
    return tmp_path


def listing(folder: Path, **fields: object) -> DatasetListing:
    made = Avec2014.model_validate({"folder": folder, **fields})
    return made.recordings(folder / "unused", QuietProgress())


def facts(found: DatasetListing) -> list[tuple[object, ...]]:
    return [
        (r.id, r.participant, r.session, dict(r.covariates), r.label, r.split, r.video.name) for r in found.recordings
    ]


def reasons(found: DatasetListing) -> dict[str, str]:
    return {exclusion.recording: exclusion.reason for exclusion in found.exclusions}


def at(folder: Path, part: str, name: str) -> Path:
    """The one file of this name in the long tree."""
    (found,) = [path for path in folder.rglob(name) if part in str(path)]
    return found


# --- what a whole tree gives


def test_person_session_and_task_are_kept_apart(tree: Path) -> None:
    found = listing(tree)
    assert not found.exclusions
    assert len(found.recordings) == 12
    assert facts(found)[:5] == [
        ("203_1_Freeform", "203", "203_1", {"task": "Freeform"}, 4, "train", "203_1_Freeform_video.mp4"),
        ("203_2_Freeform", "203", "203_2", {"task": "Freeform"}, 10, "train", "203_2_Freeform_video.mp4"),
        ("203_1_Northwind", "203", "203_1", {"task": "Northwind"}, 4, "train", "203_1_Northwind_video.mp4"),
        ("203_2_Northwind", "203", "203_2", {"task": "Northwind"}, 10, "train", "203_2_Northwind_video.mp4"),
        ("204_1_Freeform", "204", "204_1", {"task": "Freeform"}, 14, "validation", "204_1_Freeform_video.mp4"),
    ]
    assert [r.split for r in found.recordings] == sorted(
        (r.split for r in found.recordings), key=lambda s: SPLITS.index(s)
    )


def test_both_trees_give_the_same(tmp_path: Path, recordings: list[Recording]) -> None:
    for layout in ("long", "short"):
        avec_tree(recordings, tmp_path / layout, layout=layout)  # type: ignore[arg-type]
    assert facts(listing(tmp_path / "long")) == facts(listing(tmp_path / "short"))


@pytest.mark.parametrize("below", ["AVEC2014_AudioVisual", "AVEC2014_AudioVisual/Video"])
def test_labels_may_lie_elsewhere(long: Path, below: str) -> None:
    whole = listing(long)
    assert facts(listing(long / below, labels=long)) == facts(whole)


def test_parts_and_tasks_are_chosen(tree: Path) -> None:
    found = listing(tree, parts={"development": "test", "training": None}, tasks=["Northwind"])
    assert [(r.id, r.split) for r in found.recordings] == [
        ("204_1_Northwind", "test"),
        ("204_2_Northwind", "test"),
        ("203_1_Northwind", None),
        ("203_2_Northwind", None),
    ]
    assert not found.exclusions


def test_a_person_may_be_in_several_parts(tmp_path: Path, recordings: list[Recording]) -> None:
    person = [replace(recording, participant="one") for recording in recordings]
    avec_tree(person, tmp_path)
    found = listing(tmp_path)
    assert {r.participant for r in found.recordings} == {"203"}
    assert {r.session: r.split for r in found.recordings} == {
        f"203_{n + 1}": split for n, split in enumerate(np.repeat(SPLITS, 2))
    }


def test_a_session_number_in_two_parts_is_two_sessions(long: Path, video: Path) -> None:
    twin = long / "AVEC2014_AudioVisual/Video/Development/Freeform/203_1_Freeform_video.mp4"
    twin.write_bytes(video.read_bytes())
    (long / "Final_Labels/Development_DepressionLabels/203_1_Depression.csv").write_text("50")
    found = {r.id: (r.session, r.label, r.split) for r in listing(long).recordings if r.participant == "203"}
    assert found == {
        "203_1_Freeform_training": ("203_1_training", 4, "train"),
        "203_1_Northwind_training": ("203_1_training", 4, "train"),
        "203_2_Freeform": ("203_2", 10, "train"),
        "203_2_Northwind": ("203_2", 10, "train"),
        "203_1_Freeform_development": ("203_1_development", 50, "validation"),
    }


def test_2013_has_one_video_a_session(tmp_path: Path, recordings: list[Recording]) -> None:
    avec_tree(recordings, tmp_path, challenge=2013)
    found = Avec2013(folder=tmp_path).recordings(tmp_path, QuietProgress())
    assert facts(found)[0] == ("203_1", "203", "203_1", {}, 3, "train", "203_1_cut_combined.mp4")
    assert len(found.recordings) == 12
    assert not found.exclusions


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("Video/Training/Freeform", "training"),
        ("Final_Labels/Development_DepressionLabels", "development"),
        ("AVEC2014_Labels_Testset/Testing/DepressionLabels", "testing"),
        ("TEST/Northwind", "testing"),
        ("testing_copy/dev", "development"),
        ("latest/trainers", None),
        (".", None),
    ],
)
def test_the_last_telling_folder_names_the_part(folder: str, part: str | None) -> None:
    assert part_of(Path(folder)) == part


# --- label files


@pytest.mark.parametrize(
    "content", ["7", " 7 \r\n\r\n", "7.0\n", "\ufeff7", ",7,\n", '"7"', "BDI\n7\n", "score, 7", "07", "+7"]
)
def test_label_files_are_read_however_they_are_written(long: Path, content: str) -> None:
    at(long, "Training", "203_1_Depression.csv").write_text(content, encoding="utf-8")
    assert {r.label for r in listing(long).recordings if r.session == "203_1"} == {7}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("high", "holds 'high', not one number"),
        ("7,8", "holds '7 8', not one number"),
        ("7 points", "holds '7 points', not one number"),
        ("64", "holds 64, which is not from 0 to 63"),
        ("-1", "holds -1, which is not from 0 to 63"),
        ("nan", "holds 'nan', not one number"),
    ],
)
def test_a_bad_label_sets_its_session_aside(long: Path, content: str, reason: str) -> None:
    at(long, "Training", "203_1_Depression.csv").write_text(content)
    found = listing(long)
    wanted = f"its label file Final_Labels/Training_DepressionLabels/203_1_Depression.csv {reason}"
    assert reasons(found) == {"203_1_Freeform": wanted, "203_1_Northwind": wanted}
    assert len(found.recordings) == 10
    assert all(exclusion.participant == "203" and exclusion.video for exclusion in found.exclusions)


def test_a_label_file_that_is_no_text_says_so(long: Path) -> None:
    at(long, "Training", "203_1_Depression.csv").write_bytes(b"\xff\xfe7")
    assert "cannot be read as text" in reasons(listing(long))["203_1_Freeform"]


def test_copies_of_a_label_must_agree(long: Path) -> None:
    copy = long / "old" / "train" / "203_1_Depression.csv"
    copy.parent.mkdir(parents=True)
    copy.write_text("4")
    assert not listing(long).exclusions
    copy.write_text("5")
    found = reasons(listing(long))["203_1_Freeform"]
    assert found.startswith("its label files differ: ")
    assert "old/train/203_1_Depression.csv holds 5" in found


# --- what lacks


def test_a_video_without_label_is_set_aside(long: Path) -> None:
    at(long, "Development", "204_2_Depression.csv").unlink()
    found = listing(long)
    wanted = "it has no label: 204_2_Depression.csv is not among the label files"
    assert reasons(found) == {"204_2_Freeform": wanted, "204_2_Northwind": wanted}


def test_a_label_without_video_is_set_aside(tree: Path) -> None:
    (video,) = tree.rglob("204_2_Northwind_video.mp4")
    video.unlink()
    (reason,) = [(e.recording, e.participant, e.reason) for e in listing(tree).exclusions]
    assert reason[:2] == ("204_2_Northwind", "204")
    assert "204_2_Depression.csv has no video of the task Northwind" in reason[2]


def test_videos_that_nothing_can_be_told_of_are_set_aside(long: Path, video: Path) -> None:
    folder = long / "AVEC2014_AudioVisual/Video"
    for name in ("Training/Freeform/intro.mp4", "demo.mp4", "Training/Freeform/203_1_freeform.AVI"):
        (folder / name).write_bytes(video.read_bytes())
    for name in ("Training/Freeform/._203_1_Freeform_video.mp4", "Training/Freeform/notes.txt"):
        (folder / name).write_bytes(b"")
    found = listing(long)
    assert len(found.recordings) == 12
    assert reasons(found) == {
        "demo": "it lies in no part's folder (Training, Development, Testing)",
        "intro": "its name is not like 203_1_Freeform_video.mp4",
        "203_1_Freeform": "AVEC2014_AudioVisual/Video/Training/Freeform/203_1_Freeform_video.mp4 is a video of the "
        "same session and task",
    }


def test_a_part_without_labels_says_what_to_do(long: Path) -> None:
    for path in (long / "AVEC2014_Labels_Testset").rglob("*.csv"):
        path.unlink()
    with pytest.raises(
        DataError, match=r"'testing' has no label files.*Testing_DepressionLabels/205_1_Depression"
    ) as e:
        listing(long)
    assert "development: test" in str(e.value)


@pytest.mark.parametrize(
    ("below", "message"),
    [
        ("AVEC2014_AudioVisual/Video/Training", r"'training' has no videos: expected .*Video/Training/Freeform/203_1"),
        ("Final_Labels", r"'training' has no videos.*Its folders: .*, Training_DepressionLabels\."),
        ("nowhere", "It does not exist"),
        ("AVEC2014_AudioVisual/Video/Training/Freeform/203_1_Freeform_video.mp4", "It is a file"),
        ("empty", "It has no folders"),
    ],
)
def test_a_wrong_folder_says_what_was_expected_where(long: Path, below: str, message: str) -> None:
    (long / "empty").mkdir()
    with pytest.raises(DataError, match=message) as caught:
        listing(long / below)
    assert str(long / below) in str(caught.value)


def test_a_misspelt_part_names_the_nearest_folder(long: Path) -> None:
    (long / "AVEC2014_AudioVisual/Video/Development").rename(long / "AVEC2014_AudioVisual/Video/Devlopment")
    with pytest.raises(DataError, match=r"'development' has no videos.*'Devlopment'"):
        listing(long)


def test_the_other_challenge_is_recognised(tmp_path: Path, recordings: list[Recording]) -> None:
    avec_tree(recordings, tmp_path / "2013", challenge=2013)
    avec_tree(recordings, tmp_path / "2014")
    with pytest.raises(DataError, match="data set 'avec2013'"):
        listing(tmp_path / "2013")
    with pytest.raises(DataError, match="data set 'avec2014'"):
        Avec2013(folder=tmp_path / "2014").recordings(tmp_path, QuietProgress())


def test_a_home_folder_is_not_searched_through(long: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien_plugins.datasets.avec_files._MOST_FOLDERS", 5)
    with pytest.raises(DataError, match="more than 5 folders"):
        listing(long)


@pytest.mark.parametrize(
    "fields", [{"parts": {}}, {"parts": {"train": "train"}}, {"tasks": []}, {"tasks": ["Reading"]}, {"parts": None}]
)
def test_fields_that_make_no_sense_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Avec2014.model_validate({"folder": "any", **fields})


# --- Action Units, and the whole way from animated faces


@pytest.fixture(scope="module")
def animated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("skimage.data")
    folder = tmp_path_factory.mktemp("animated")
    config = AnimatedFace(
        participants=3,
        test_participants=1,
        validation_participants=1,
        recordings_per_participant=2,
        frames=3,
        size=96,
        label_level="participant",
    )
    avec_tree(config.recordings(folder / "made", QuietProgress()).recordings, folder / "tree")
    return folder / "tree"


def test_animated_faces_in_the_challenge_s_layout(animated: Path) -> None:
    found = listing(animated, action_units=animated / "openface")
    assert [r.split for r in found.recordings] == [split for split in SPLITS for _ in range(2)]
    assert len({r.label for r in found.recordings}) == 3
    for recording in found.recordings:
        assert probe(recording.video).frames == 3
        assert recording.action_units == animated / "openface" / f"{recording.video.stem}.csv"


def test_action_units_that_lack_are_told(animated: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    (tmp_path / "Training").mkdir()
    (tmp_path / "Training" / "203_1_Freeform.csv").write_text("")
    with caplog.at_level(logging.WARNING):
        found = listing(animated, action_units=tmp_path)
    assert [r.action_units is None for r in found.recordings] == [False, True, True, True, True, True]
    assert "5 of 6 videos have no file of Action Units" in caplog.text
    (tmp_path / "Training" / "203_1_Freeform.csv").rename(tmp_path / "203_9_Freeform_video.csv")
    with pytest.raises(DataError, match=r"expected e\.g\. 203_1_Freeform_video\.csv.*'203_9_Freeform_video'"):
        listing(animated, action_units=tmp_path)

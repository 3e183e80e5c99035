"""The data set `manifest` reads what a user's CSV says, and says which line it cannot use and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.config.settings import SplitSettings
from mien.errors import DataError
from mien.progress import QuietProgress
from mien.training.splits import assign_splits
from mien.types import DatasetListing
from mien_plugins.datasets.manifest import Columns, Manifest


def listing(folder: Path, text: str | bytes, columns: Columns | None = None) -> DatasetListing:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (folder / name).write_bytes(b"")
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "sub" / "a.mp4").write_bytes(b"")
    file = folder / "data.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return Manifest(file=file, columns=columns or Columns()).recordings(folder / "none", QuietProgress())


def reasons(found: DatasetListing) -> list[str]:
    return [exclusion.reason for exclusion in found.exclusions]


def test_all_columns_arrive(tmp_path: Path) -> None:
    found = listing(
        tmp_path,
        "participant,video,score,recording,split,consent,action_units,age,sex,note\n"
        "p1,a.mp4,12.5,first,train,yes,a.csv,31,f,\n",
    )
    (recording,) = found.recordings
    assert recording.id == "first"
    assert recording.participant == "p1"
    assert recording.video == tmp_path / "a.mp4"
    assert recording.label == 12.5
    assert recording.split == "train"
    assert recording.consent is True
    assert recording.action_units == tmp_path / "a.csv"
    assert recording.covariates == {"age": 31.0, "sex": "f"}
    assert not found.exclusions


def test_optional_columns_may_lack(tmp_path: Path) -> None:
    (recording,) = listing(tmp_path, "participant,video,score\np1,a.mp4,3\n").recordings
    assert (recording.id, recording.split, recording.consent, recording.action_units) == ("a", None, False, None)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_byte_order_marks_and_line_ends(tmp_path: Path, mark: str, start: bytes, end: str) -> None:
    rows = [["participant", "video", "score", "where, exactly"], ["p1", "a.mp4", "3", '"x"'], [], []]
    text = end.join(mark.join(f'"{v}"' if "," in v else v for v in row) for row in rows)
    found = listing(tmp_path, start + text.encode())
    assert [recording.participant for recording in found.recordings] == ["p1"]
    assert found.recordings[0].covariates == {"where, exactly": "x"}


def test_columns_can_be_renamed(tmp_path: Path) -> None:
    found = listing(
        tmp_path, "subject,file,bdi\np1,a.mp4,3\n", Columns(participant="subject", video="file", score="bdi")
    )
    assert found.recordings[0].label == 3
    assert found.recordings[0].covariates == {}


def test_paths_are_relative_to_the_file_or_absolute(tmp_path: Path) -> None:
    found = listing(tmp_path, f"participant,video,score\np1,sub/a.mp4,3\np2,{tmp_path / 'b.mp4'},4\n")
    assert [r.video for r in found.recordings] == [tmp_path / "sub" / "a.mp4", tmp_path / "b.mp4"]


def test_ids_are_distinct_and_fit_for_file_names(tmp_path: Path) -> None:
    found = listing(tmp_path, "participant,video,score,recording\np1,a.mp4,3,\np1,sub/a.mp4,3,\np1,b.mp4,3,x/y z\n")
    assert [recording.id for recording in found.recordings] == ["a", "sub_a", "x_y_z"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("p1,a.mp4,,", "line 2: no score is given"),
        ("p1,a.mp4,high,", "line 2: its score 'high' is not a number"),
        ("p1,a.mp4,nan,", "line 2: its score 'nan' is not a number"),
        ("p1,a.mp4,1e999,", "line 2: its score '1e999' is not a number"),
        ('p1,a.mp4,"1,5",', "line 2: its score '1,5' is not a number"),
        ("p1,gone.mp4,3,", "line 2: the video gone.mp4 does not exist"),
        ("p1,,3,", "line 2: no video is given"),
        (",a.mp4,3,", "line 2: no participant is given"),
        ("p1,a.mp4,3,holdout", "line 2: its split 'holdout' is not train, validation or test"),
        ("p1,a.mp4,3", "line 2: it has 3 values, but the header has 4"),
        ("p1,a.mp4,3,,,", "line 2: it has 6 values, but the header has 4"),
    ],
)
def test_bad_rows_are_set_aside_with_their_line(tmp_path: Path, row: str, reason: str) -> None:
    found = listing(tmp_path, f"participant,video,score,split\n{row}\np2,b.mp4,3,train\n")
    assert reasons(found) == [reason]
    assert [recording.participant for recording in found.recordings] == ["p2"]
    assert found.exclusions[0].stage == "dataset"


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    found = listing(tmp_path, 'participant,video,score,note\n\np1,a.mp4,3,"two\nlines"\np2,b.mp4,x,\n')
    assert reasons(found) == ["line 5: its score 'x' is not a number"]


def test_the_same_video_twice_is_used_once(tmp_path: Path) -> None:
    found = listing(tmp_path, "participant,video,score\np1,a.mp4,3\np1,./a.mp4,3\np1,sub/../a.mp4,9\n")
    assert len(found.recordings) == 1
    assert reasons(found) == ["line 3: its video is that of line 2", "line 4: its video is that of line 2"]


def test_a_name_given_twice_is_used_once(tmp_path: Path) -> None:
    found = listing(tmp_path, "participant,video,score,recording\np1,a.mp4,3,x\np1,b.mp4,3,x\n")
    assert reasons(found) == ["line 3: its name 'x' is that of line 2"]


def test_an_unclear_consent_is_no_consent(tmp_path: Path) -> None:
    found = listing(tmp_path, "participant,video,score,consent\np1,a.mp4,3,maybe\np2,b.mp4,3,no\n")
    assert reasons(found) == ["line 2: its consent 'maybe' is not yes or no"]
    assert [recording.consent for recording in found.recordings] == [False]


@pytest.mark.parametrize(
    ("word", "split"), [("training", "train"), ("DEV", "validation"), ("Test", "test"), ("", None)]
)
def test_common_names_of_splits(tmp_path: Path, word: str, split: str | None) -> None:
    assert listing(tmp_path, f"participant,video,score,split\np,a.mp4,1,{word}\n").recordings[0].split == split


def test_the_splits_of_a_shared_person_are_handed_on(tmp_path: Path) -> None:
    rows = "participant,video,score,split\np1,a.mp4,1,train\np2,b.mp4,1,test\np1,c.mp4,1,test\n"
    found = listing(tmp_path, rows)
    assert [(r.participant, r.split) for r in found.recordings] == [("p1", "train"), ("p2", "test"), ("p1", "test")]
    with pytest.raises(DataError, match=r"'p1' is in two splits"):
        assign_splits(found.recordings, SplitSettings(), seed=0)


# --- sessions, covariates, Action Units


def test_recordings_of_a_session_share_it(tmp_path: Path) -> None:
    found = listing(tmp_path, "participant,video,score,session\np1,a.mp4,3,s1\np1,b.mp4,3,s1\np1,c.mp4,4,\n")
    assert [recording.session for recording in found.recordings] == ["s1", "s1", None]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("p2,b.mp4,3,s1", "line 3: its session 's1' is that of participant p1 in line 2"),
        ("p1,b.mp4,4,s1", "line 3: its score 4 is not that of its session 's1' in line 2, 3"),
    ],
)
def test_a_session_is_one_person_s_and_has_one_score(tmp_path: Path, row: str, reason: str) -> None:
    found = listing(tmp_path, f"participant,video,score,session\np1,a.mp4,3,s1\n{row}\np3,c.mp4,1,s2\n")
    assert reasons(found) == [reason]
    assert len(found.recordings) == 2


def test_a_bad_row_claims_no_session(tmp_path: Path) -> None:
    found = listing(tmp_path, "participant,video,score,session\np2,gone.mp4,9,s1\np1,a.mp4,3,s1\n")
    assert [recording.session for recording in found.recordings] == ["s1"]


def test_a_covariate_is_numeric_where_all_its_values_are(tmp_path: Path) -> None:
    rows = ["p1,a.mp4,3,31,12,f,", "p2,b.mp4,3,,12b,m,", "p3,c.mp4,3,4.5e1,13,,"]
    found = listing(tmp_path, "\n".join(["participant,video,score,age,site,sex,empty", *rows]) + "\n")
    assert [dict(recording.covariates) for recording in found.recordings] == [
        {"age": 31.0, "site": "12", "sex": "f"},
        {"site": "12b", "sex": "m"},
        {"age": 45.0, "site": "13"},
    ]


def test_a_file_of_action_units_may_be_missing(tmp_path: Path) -> None:
    found = listing(tmp_path, "participant,video,score,action_units\np1,a.mp4,3,gone.csv\np2,b.mp4,3,\n")
    assert [recording.action_units for recording in found.recordings] == [tmp_path / "gone.csv", None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"participant,video,score\n", "no rows"),
        (b"\xff\xfe\x00p", "not a CSV file in UTF-8"),
        (b"participant,video,score\n\x00", "not a CSV file"),
        (b'participant,video,score\np1,"a.mp4,3\n', "not a CSV file"),
        (b"participant,video,scores\np1,a.mp4,3\n", "no column 'score'.*Did you mean 'scores'"),
        (b"participant,video,score,score\np1,a.mp4,3,3\n", "Two columns are called 'score'"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        listing(tmp_path, content)
    assert "data.csv" in str(caught.value)


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.csv", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            Manifest(file=path).recordings(tmp_path, QuietProgress())


def test_the_path_is_relative_to_the_configuration(tmp_path: Path) -> None:
    made = Manifest.model_validate({"file": "x.csv"}, context={"base": tmp_path})
    assert made.file == tmp_path / "x.csv"

"""Fixation files: what is read, and what is said of those that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from mien import DataError
from mien_gaze.files import COLUMNS, read_fixations

GOOD = "recording,time,x,y,duration,viewer\nr1,0.5,10,20,0.25,anna\nr2,1e0, 11.5 ,x,0.3,\n"


def _written(folder, text, name="fixations.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_is_read_as_it_is(tmp_path):
    table = read_fixations(_written(tmp_path, GOOD), {}).table
    assert tuple(table.columns) == COLUMNS
    assert table["recording"].tolist() == ["r1", "r2"]
    assert table["viewer"].tolist() == ["anna", ""]
    assert table["x"].tolist() == [10, 11.5]
    assert np.isnan(table["y"][1])  # no number: set aside and counted later


def test_a_byte_order_mark_and_spaces_do_no_harm(tmp_path):
    text = "﻿recording, time, x, y, duration, viewer\nr1, 0.5, 1, 2, 0.1, NA\n"
    table = read_fixations(_written(tmp_path, text), {}).table
    assert table.iloc[0].tolist() == ["r1", 0.5, 1, 2, 0.1, "NA"]  # a viewer may be called NA


def test_columns_may_have_other_names(tmp_path):
    text = GOOD.replace("time", "start_s").replace("viewer", "subject")
    table = read_fixations(_written(tmp_path, text), {"time": "start_s", "viewer": "subject"}).table
    assert table["time"].tolist() == [0.5, 1.0]


def test_a_folder_holds_one_file_a_recording(tmp_path):
    for name in ("r2", "r1"):
        _written(tmp_path, "time,x,y,duration,viewer\n0.5,10,20,0.25,anna\n", f"{name}.csv")
    assert read_fixations(tmp_path, {}).table["recording"].tolist() == ["r1", "r2"]


def test_a_bad_file_of_a_folder_is_counted_and_the_others_are_read(tmp_path, caplog):
    """A file may be called after a person: its name is in the log alone."""
    _written(tmp_path, "time,x,y,duration,viewer\n0.5,10,20,0.25,anna\n", "r1.csv")
    _written(tmp_path, "", "anna_smith.csv")
    _written(tmp_path, "time,x\n1,2\n", "bert.csv")
    read = read_fixations(tmp_path, {})
    assert read.table["recording"].tolist() == ["r1"]
    assert read.problems == ("2 of 3 fixation files cannot be used and are left out; the log says which, and why.",)
    assert "'anna_smith.csv' is left out: The fixation file is empty." in caplog.text
    assert "'bert.csv' is left out: The fixation file lacks the columns y, duration, viewer." in caplog.text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("recording,time,x,y,duration,viewer\n", "holds no fixation"),
        ("time,x,y,duration,viewer\n1,2,3,4,a\n", "a folder with one file for each recording"),
        ("recording,tme,x,y,duration,viewer\nr,1,2,3,4,a\n", "lacks the column time.*Did you mean 'tme'"),
        ("recording;time;x;y;duration;viewer\nr;1;2;3;4;a\n", "separated by commas"),
        ("recording,time,x,y,duration,viewer\nr,soon,2,3,4,a\n", "'time' holds no number"),
        (b"recording,time,x,y,duration,viewer\nr,1,2,3,4,\xff\xfe\n", "cannot be read"),
        ('recording,time,x,y,duration,viewer\nr,1,2,3,4,"a\n', "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, text, says):
    path = _written(tmp_path, text)
    with pytest.raises(DataError, match=f"(?s)fixations.csv.*{says}"):
        read_fixations(path, {})


def test_a_missing_file_names_its_neighbour(tmp_path):
    _written(tmp_path, GOOD, "fixation.csv")
    with pytest.raises(DataError, match=r"does not exist.*Did you mean 'fixation\.csv'"):
        read_fixations(tmp_path / "fixations.csv", {})
    with pytest.raises(DataError, match=r"does not exist.*Give a CSV file"):
        read_fixations(tmp_path / "nowhere" / "fixations.csv", {})


def test_a_folder_without_files_or_with_bad_ones_alone_is_an_error(tmp_path, caplog):
    with pytest.raises(DataError, match="holds no CSV file"):
        read_fixations(tmp_path, {})
    _written(tmp_path, "", "anna_smith.csv")
    with pytest.raises(DataError, match="None of the 1 fixation files of the folder can be used") as caught:
        read_fixations(tmp_path, {})
    assert "anna_smith" not in str(caught.value)  # which is in the report where the analyzer gives no result
    assert "'anna_smith.csv' is left out: The fixation file is empty. Its first line should be" in caplog.text

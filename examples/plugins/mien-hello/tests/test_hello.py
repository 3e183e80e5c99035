"""What this plugin promises, without a run."""

import numpy as np
import pandas as pd
import pytest
from mien_hello import commands, diary, scheme, section
from typer.testing import CliRunner

from mien import DataError
from mien.testing import LandmarkSchemeSuite


class TestScheme(LandmarkSchemeSuite):
    component = scheme.scheme


def test_each_point_is_in_one_part():
    parts = (scheme.CONTOUR, *scheme._RINGS, scheme.BRIDGE, scheme.NOSE_BASE)
    counted = sorted([*(point for part in parts for point in part), scheme.RIGHT_PUPIL, scheme.LEFT_PUPIL])
    assert counted == list(range(98))


def test_the_mean_face_is_symmetric():
    face = scheme.mean_face()
    middle = face[list(scheme.CONTOUR)][16]
    np.testing.assert_allclose(middle[0], 0, atol=1e-9)
    eyes = face[list(scheme.RIGHT_EYE)].mean(0) + face[list(scheme.LEFT_EYE)].mean(0)
    np.testing.assert_allclose(eyes, 0, atol=1e-9)


def _predictions():
    rows = [("anna", 2.0, 3.0), ("anna", 2.0, 5.0), ("ben", 4.0, 4.5)]
    table = pd.DataFrame(rows, columns=["participant", "label", "prediction"])
    return table.assign(split="test")


def test_the_section_averages_over_windows_before_it_compares_people():
    shown = section.held_out_section(_predictions())
    assert shown.charts[0].series[0].values == [0.5, 2.0]  # ben; anna: |4 - 2|
    assert shown.tables[0].rows[0] == ("anna", 2.0, 4.0)
    assert shown.remarks[0].level == "care"


def test_without_held_out_people_there_is_no_section():
    assert section.held_out_section(_predictions().assign(split="train")) is None


def test_the_command_says_what_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"summary\.json"):
        commands.hello(tmp_path)
    (tmp_path / "summary.json").write_text('{"participants": 3, "windows": 9}')
    result = CliRunner().invoke(commands.app, [str(tmp_path)])
    assert result.output == "Hello from 3 participants and 9 windows.\n"


def test_the_diary_keeps_to_the_run_that_began(tmp_path):
    book = diary.Diary()
    book.note("lost: no run has begun")
    book.begin(tmp_path, "a run")
    book.note("tracked x")
    assert (tmp_path / diary.FILE).read_text() == "a run\ntracked x\n"

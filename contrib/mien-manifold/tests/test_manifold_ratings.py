"""What is known of windows: ratings from a file, and the groups that colours show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mien import ConfigError, DataError, Recording
from mien_manifold.analyzer import Manifold
from mien_manifold.ratings import grouped, known, read_ratings, require
from mien_manifold.windows import candidates, chosen


class Bands:
    continuous = True

    def __init__(self, **bands: float) -> None:
        self.severity_bands = bands


class View:
    """As much of a run as is asked for."""

    def __init__(self, **covariates: list[object]) -> None:
        ids = {"recording": ["007", "r1"], "participant": ["p0", "p1"]}
        self.covariates = pd.DataFrame({**ids, **covariates})
        self.recordings = pd.DataFrame(ids)
        self.objective = Bands(minimal=0, mild=14)


ROWS = pd.DataFrame(
    {
        "recording": ["007", "007", "r1"],
        "participant": ["p0", "p0", "p1"],
        "window": [0, 1, 0],
        "label": [13.0, 13.0, 14.0],
        "prediction": [10.0, 11.0, 20.0],
    }
)


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "ratings.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_all_that_is_known_stands_beside_a_window(tmp_path):
    path = written(tmp_path, "recording, warmth ,comment\n007,3.5,ja\n r1 ,,no\nr9,2,\n")
    found = known(View(age=[20.0, 30.0], sex=["f", "m"], band=["x", "y"]), ROWS, path)
    assert found.rated == ("score", "age", "warmth")
    table = found.table
    assert list(table["band"]) == ["minimal", "minimal", "mild"]
    assert list(table["band (covariate)"]) == ["x", "x", "y"]
    assert list(table["sex"]) == ["f", "f", "m"]
    np.testing.assert_array_equal(table["warmth"], [3.5, 3.5, np.nan])
    assert "1 of the 3 rated recordings are not of this run." in found.notes
    assert any("'band (covariate)'" in note for note in found.notes)


def test_participants_may_be_rated(tmp_path):
    path = written(tmp_path, "participant,warmth\np1,2\np0,1\n", "utf-8-sig")
    np.testing.assert_array_equal(known(View(), ROWS, path).table["warmth"], [1, 1, 2])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("recording,x\n\xff\n", "cannot be read"),
        ("recording,x\n1,2,3,4\n1,2\n", "cannot be read"),
        ("name,x\nr1,2\n", "neither of the columns"),
        ("recording,participant,x\nr1,p1,2\n", "both of the columns"),
        ("recording,score\nr1,2\n", "called 'score', which is known already"),
        ("recording,x\nr1,2\nr1,3\n", "'r1' is rated twice"),
        ("recording,x\nr1,2\n,3\n", "1 rows do not say which recording"),
        ("recording,x\nr7,2\n", "None of its 1 rows rates a recording of this run"),
        ("recording,x\n", "None of its 0 rows"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path, text, said):
    with pytest.raises(DataError, match=said) as caught:
        known(View(), ROWS, written(tmp_path, text, "latin-1"))
    assert "ratings.csv" in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_ratings(tmp_path / "none.csv", [])


def test_a_wrong_name_is_told_with_the_nearest():
    table = known(View(age=[1.0, 2.0], sex=["f", "m"]), ROWS, None).table
    with pytest.raises(ConfigError, match=r"colour_by: There is no rating 'scor'. Did you mean 'score'\?"):
        require(["scor"], table, "colour_by")
    with pytest.raises(ConfigError, match="'sex' is not a number"):
        require(["age", "sex"], table, "correlate", numeric=True)
    require(["participant", "band", "sex"], table, "colour_by")


def listed(**covariates):
    """Two participants' recordings, as a data set lists them; None is not known."""
    given = [{name: own[i] for name, own in covariates.items() if own[i] is not None} for i in range(2)]
    return [Recording(f"r{i}", f"p{i}", Path(f"r{i}.mp4"), float(i), covariates=given[i]) for i in range(2)]


BANDED, PLAIN = Bands(minimal=0, mild=14), Bands()


@pytest.mark.parametrize(
    ("fields", "objective", "said"),
    [
        ({"colour_by": ["scor"]}, BANDED, "colour_by: There is no rating 'scor'. Did you mean 'score'?"),
        ({"colour_by": ["agge"]}, BANDED, "colour_by: There is no rating 'agge'. Did you mean 'age'?"),
        ({"colour_by": ["band"]}, PLAIN, "colour_by: There is no rating 'band'."),
        ({"correlate": ["sex"]}, BANDED, "correlate: The rating 'sex' is not a number throughout. Leave it out."),
        (
            {"correlate": ["warmt"], "rated": True},
            BANDED,
            "correlate: There is no rating 'warmt'. Did you mean 'warmth'?",
        ),
    ],
)
def test_a_wrong_name_is_told_when_the_data_set_is_listed(tmp_path, fields, objective, said):
    if fields.pop("rated", False):
        fields["ratings"] = written(tmp_path, "recording,warmth\nr1,2\nr0,1\n")
    with pytest.raises(ConfigError) as caught:
        Manifold(**fields).check_recordings(listed(age=[30.0, None], sex=["f", "m"]), objective)
    assert str(caught.value).startswith(said)


def test_what_will_be_known_is_taken_when_the_data_set_is_listed(tmp_path):
    ratings = written(tmp_path, "participant,warmth\np1,2\np0,1\n")
    colours = ["score", "prediction", "band", "participant", "age", "sex", "band (covariate)", "warmth"]
    made = Manifold(colour_by=colours, correlate=["score", "age", "mixed", "warmth"], ratings=ratings)
    made.check_recordings(listed(age=[30.0, None], sex=["f", "m"], band=["x", "y"], mixed=["none", 2.0]), BANDED)
    with pytest.raises(ConfigError):  # the same, of a data set without these covariates
        made.check_recordings(listed(), BANDED)


def test_ratings_of_nobody_are_told_when_the_data_set_is_listed(tmp_path):
    made = Manifold(ratings=written(tmp_path, "recording,warmth\nr7,2\n"))
    with pytest.raises(DataError, match="None of its 1 rows rates a recording of this run"):
        made.check_recordings(listed(), BANDED)


def test_groups_of_colours():
    numbers = pd.Series([*range(8), np.nan])
    groups, ordered = grouped(numbers)
    assert ordered
    assert [name for name, _ in groups] == ["not known", "0 to 1.75", "1.75 to 3.5", "3.5 to 5.25", "5.25 to 7"]
    assert [int(members.sum()) for _, members in groups] == [1, 2, 2, 2, 2]
    assert sum(members.astype(int) for _, members in groups).tolist() == [1] * 9
    few, _ = grouped(pd.Series([2.0, 1.0, 2.0]))
    assert [name for name, _ in few] == ["1", "2"]
    texts, ordered = grouped(pd.Series(["b", "a", None], dtype="str"))
    assert ([name for name, _ in texts], ordered) == (["not known", "a", "b"], False)
    bands, ordered = grouped(pd.Series(["mild", "minimal"]), ["minimal", "mild", "severe"])
    assert ([name for name, _ in bands], ordered) == (["minimal", "mild"], True)


def test_one_value_that_most_have_leaves_fewer_groups():
    groups, _ = grouped(pd.Series([0.0] * 20 + [1, 2, 3, 4, 5]))
    assert sum(int(members.sum()) for _, members in groups) == 25


def predictions(counts: dict[str, int]) -> pd.DataFrame:
    rows = [
        {"recording": f"{person}_r", "participant": person, "window": i, "split": split, "fold": fold}
        for place, (person, count) in enumerate(counts.items())
        for split, fold in [(["test", "train", "out_of_distribution"][place % 3], place % 2)]
        for i in range(count)
    ]
    return pd.DataFrame(rows)


def test_windows_are_spread_over_participants_and_over_their_own():
    table = predictions({"a": 40, "b": 5, "c": 7, "d": 10, "e": 3})
    rows = chosen(candidates(table, "test", None), 20)
    assert set(rows["participant"]) == {"a", "d"}
    assert list(rows[rows["participant"] == "a"]["window"]) == [2, 6, 10, 14, 18, 22, 26, 30, 34, 38]
    assert len(rows[rows["participant"] == "d"]) == 10
    assert set(chosen(candidates(table, "all", None), 1000)["participant"]) == {"a", "b", "d", "e"}
    assert set(chosen(candidates(table, "all", 0), 1000)["participant"]) == {"a", "e"}
    assert len(chosen(candidates(table, "all", None), 3)) == 3
    assert chosen(candidates(table, "all", None), 3)["participant"].nunique() == 3

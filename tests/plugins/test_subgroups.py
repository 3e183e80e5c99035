"""Groups of people: errors and relevance by covariate on tables whose figures are known by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from mien.errors import ConfigError
from mien.registry import load_registry
from mien.report.charts import BarChart, GroupedBars
from mien.steps.analyze import as_described
from mien.testing.fixtures import run_view
from mien.types import Recording
from mien_plugins.analyzers.groups import groupings
from mien_plugins.analyzers.subgroups import Subgroups


def a_view(errors, covariates=None, participants=None):
    """A run of one recording a participant with these errors; labels are 0, 1, 2, ..."""
    registry = load_registry()
    number = participants or len(errors)
    objective = registry.create("objective", "regression")
    view = run_view(registry.scheme("mediapipe_478"), objective, participants=number)
    named = dict(zip(view.recordings["recording"], errors, strict=True))
    predictions = view.predictions.assign(
        prediction=view.predictions["label"] + view.predictions["recording"].map(named)
    )
    known = view.covariates[["recording", "participant"]].assign(
        **(covariates or {"sex": list("ab" * number)[:number]})
    )
    return replace(view, predictions=predictions, covariates=known)


@pytest.mark.parametrize("fields", [{"by": ["sex", "gendre"]}, {"cut_points": {"gendre": [1.0]}}])
def test_a_covariate_that_there_is_not_is_told_when_the_data_set_is_listed(fields):
    recordings = [Recording("r0", "p0", Path("r0.mp4"), covariates={"sex": "f"}), Recording("r1", "p1", Path("r1.mp4"))]
    Subgroups(by=["sex"], cut_points={"sex": [1.0]}).check_recordings(recordings, None)
    with pytest.raises(ConfigError) as caught:
        Subgroups(**fields).check_recordings(recordings, None)
    assert str(caught.value) == f"{next(iter(fields))}: There is no covariate 'gendre' in the data set. Known: sex."
    with pytest.raises(ConfigError, match="It has none"):
        Subgroups(**fields).check_recordings(recordings[1:], None)


def tables_of(view, **fields):
    analyzer = Subgroups(**fields)
    return as_described(analyzer, analyzer.analyze(view), view.recordings).tables


def test_errors_by_hand():
    errors = [1.0, -2.0, 3.0, -4.0, 5.0, -6.0]  # a: 1, 3, 5; b: -2, -4, -6
    table = tables_of(a_view(errors))["subgroup_errors"].set_index("group")
    assert table.loc["a", ["participants", "mae", "bias"]].tolist() == pytest.approx([3, 3.0, 3.0])
    assert table.loc["a", "rmse"] == pytest.approx(np.sqrt(35 / 3))
    assert table.loc["b", ["mae", "bias"]].tolist() == pytest.approx([4.0, -4.0])
    assert table.loc["a", "mae_difference"] == pytest.approx(-1.0)
    assert table.loc["b", "bias_difference"] == pytest.approx(-7.0)
    labels = np.array([0.0, 2.0, 4.0])
    assert table.loc["a", "pearson"] == pytest.approx(stats.pearsonr(labels, labels + np.array([1, 3, 5]))[0])
    assert table.loc["a", "mae_low"] == pytest.approx(1.0)  # all draws the same person
    assert table.loc["a", "bias_p"] == pytest.approx(2 / 20)  # two of the 20 ways to choose three of six


def test_a_planted_difference_is_found_and_counted_once():
    rng = np.random.default_rng(0)
    sex = np.array(list("ab" * 10))
    errors = np.where(sex == "b", 8.0, 1.0) + rng.normal(0, 0.3, 20)
    view = a_view(errors, {"sex": sex, "hand": rng.permutation(list("lr" * 10))})
    analysis = Subgroups(permutations=499).analyze(view)
    table = analysis.tables["subgroup_errors"].set_index(["covariate", "group"])
    assert table.loc[("sex", "a"), "mae_q"] == table.loc[("sex", "b"), "mae_q"] < 0.01
    assert table.loc[("hand", "l"), "mae_q"] > 0.05
    p = [table.loc[(c, g), f"{m}_p"] for c, g in (("sex", "a"), ("hand", "l")) for m in ("mae", "bias")]
    q = stats.false_discovery_control(p)
    assert [table.loc[(c, g), f"{m}_q"] for c, g in (("sex", "a"), ("hand", "l")) for m in ("mae", "bias")] == (
        pytest.approx(q)
    )
    assert any("2 of 4 tests have q below 0.05" in note and "of sex a" in note for note in analysis.notes)


def test_relevance_of_groups_and_a_planted_difference():
    view = a_view(np.ones(12))
    relevance = view.relevance.copy()
    in_b = relevance["participant"].isin(view.covariates.loc[view.covariates["sex"] == "b", "participant"])
    scale = 1 + 0.02 * relevance["participant"].str[1:].astype(int)
    for region, factor in (("mouth", 0.5), ("nose", 1.0)):
        rows = relevance["region"] == region
        change = np.where(in_b[rows], factor, 1.0) * scale[rows]
        for name in ("signed", "positive", "absolute"):
            relevance.loc[rows, name] = relevance.loc[rows, name] * change
    table = tables_of(replace(view, relevance=relevance))["subgroup_relevance"].set_index(["group", "region"])
    own = relevance[relevance["participant"].isin(view.covariates.loc[view.covariates["sex"] == "a", "participant"])]
    sums = own.groupby(["participant", "region"], observed=True)["absolute"].sum().unstack()
    assert table.loc[("a", "mouth"), "share"] == pytest.approx((sums["mouth"] / sums["total"]).mean())
    assert table.loc[("b", "mouth"), "share_difference"] < -0.3
    assert table.loc[("b", "mouth"), "share_q"] < 0.05
    assert table.loc[("b", "nose"), "share_q"] > 0.05
    assert "total" not in set(table.index.get_level_values("region"))


def test_small_and_empty_groups_have_no_interval():
    view = a_view([1.0, 2.0, 3.0, 4.0, 5.0], {"age": [20.0, 21.0, 22.0, 40.0, 41.0]})
    analysis = Subgroups(cut_points={"age": [10, 30, 60]}).analyze(view)
    table = analysis.tables["subgroup_errors"].set_index("group")
    assert table["participants"].to_dict() == {"below 10": 0, "10 to below 30": 3, "30 to below 60": 2, "60 or more": 0}
    assert np.isnan(table.loc["below 10", ["mae", "mae_low", "mae_p"]].to_numpy(float)).all()
    assert table.loc["30 to below 60", "mae"] == pytest.approx(4.5)
    assert np.isnan(table.loc["30 to below 60", ["mae_low", "pearson"]].to_numpy(float)).all()
    assert any("may say who they are" in note and "age: 30 to below 60" in note for note in analysis.notes)
    assert any("small groups say nothing" in note for note in analysis.notes)


def covariates_of(**columns):
    length = len(next(iter(columns.values())))
    names = [f"p{i}" for i in range(length)]
    return pd.DataFrame({"recording": names, "participant": names, **columns}), names


def test_how_covariates_become_groups():
    table, people = covariates_of(
        age=[20.0, 30.0, 40.0, 50.0],
        coded=[0.0, 1.0, 1.0, np.nan],
        same=["x"] * 4,
        place=["b", "a", "b", None],
        floor=[0.0, 0.0, 0.0, 3.0],
        many=[1.0, 1.0, 2.0, 9.0],
    )
    found, notes = groupings(table, people, None, {})
    named = {one.covariate: list(one.names) for one in found}
    assert named["age"] == ["below 35", "35 or more"]
    assert named["coded"] == ["0", "1"]
    assert named["place"] == ["a", "b"]
    assert named["many"] == ["below 1.5", "1.5 or more"]
    assert [one.members("1") for one in found if one.covariate == "coded"] == [["p1", "p2"]]
    assert "same" not in named
    assert any(note.startswith("same: all held-out participants are alike") for note in notes)
    assert any("place is not known, or not the same in all recordings, of 1" in note for note in notes)


def test_a_median_that_is_the_smallest_value_leaves_no_group_empty():
    table, people = covariates_of(floor=[0.0, 0.0, 0.0, 3.0, 4.0])
    (one,), _ = groupings(table, people, None, {})
    assert list(one.names) == ["below 3", "3 or more"]
    assert [len(one.members(name)) for name in one.names] == [3, 2]


def test_many_values_are_groups_only_when_asked_for():
    table, people = covariates_of(town=list("abcdefg"))
    assert groupings(table, people, None, {})[0] == []
    (one,), _ = groupings(table, people, ["town"], {})
    assert len(one.names) == 7


def test_an_unknown_covariate_is_named_with_the_nearest():
    table, people = covariates_of(gender=list("abab"))
    _, notes = groupings(table, people, ["gendre"], {})
    assert "no covariate 'gendre'" in notes[0]
    assert "gender" in notes[0]


def test_without_covariates_or_labels_there_is_a_note():
    view = a_view([1.0, 2.0, 3.0])
    bare = replace(view, covariates=view.covariates[["recording", "participant"]])
    analysis = Subgroups().analyze(bare)
    assert not analysis.tables
    assert "no covariate tells groups apart" in analysis.notes[0]
    analysis = Subgroups().analyze(replace(view, predictions=view.predictions.iloc[:0]))
    assert "no held-out recording with a label" in analysis.notes[0]


def test_errors_are_there_when_nothing_was_explained():
    view = a_view([1.0, 2.0, 3.0, 4.0])
    analysis = Subgroups().analyze(replace(view, relevance=view.relevance.iloc[:0]))
    assert list(analysis.tables) == ["subgroup_errors"]
    assert any("Relevance of subgroups is not compared" in note for note in analysis.notes)


def test_charts_are_bars():
    errors, shares = Subgroups().analyze(a_view([1.0, 2.0, 3.0, 4.0])).charts
    assert isinstance(errors, BarChart)
    assert list(errors.groups) == ["sex: a (n = 2)", "sex: b (n = 2)"]
    assert isinstance(shares, GroupedBars)
    assert [one.n for one in shares.panels[0].series] == [2, 2]


def test_cut_points_must_ascend():
    with pytest.raises(ValidationError, match="must ascend"):
        Subgroups(cut_points={"age": [30, 20]})

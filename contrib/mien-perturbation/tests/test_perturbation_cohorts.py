"""Two cohorts compared: exact enumeration, hand-computed cases, simulated cohorts with and without an effect."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from math import comb, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

import mien
from mien import ConfigError, Recording
from mien.testing import AnalyzerSuite
from mien_perturbation.cohort_tests import compared, holm, permutation_test, smallest_p
from mien_perturbation.cohorts import Asked, Cohorts, cohorts
from mien_perturbation.group_regions import GroupRegions


def by_hand(first: np.ndarray, second: np.ndarray) -> float:
    """The share of all divisions whose Welch t, as scipy has it, is at least as far from 0."""
    values, inside = np.concatenate([first, second]), range(len(first))

    def statistic(chosen: Any) -> float:
        rest = [place for place in range(len(values)) if place not in chosen]
        return abs(stats.ttest_ind(values[list(chosen)], values[rest], equal_var=False).statistic)

    found = [statistic(chosen) for chosen in combinations(range(len(values)), len(first))]
    return float(np.mean(np.array(found) >= statistic(tuple(inside)) - 1e-9))


@pytest.mark.parametrize("sizes", [(3, 3), (3, 5), (5, 4)])
def test_the_permutation_test_is_the_exact_enumeration(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sizes)
    for shift in (0.0, 1.0, 3.0):
        first, second = rng.standard_t(3, sizes[0]) + shift, rng.standard_t(3, sizes[1])
        p, cases, exact = permutation_test(first, second, 9999, rng)
        assert exact
        assert cases == comb(sum(sizes), sizes[0])
        assert p == pytest.approx(by_hand(first, second), abs=1e-12)
        other = permutation_test(7 - 1e3 * second, 7 - 1e3 * first, 9999, rng)[0]
        assert other == pytest.approx(p, abs=1e-12)  # neither order, nor sign, nor unit matters


def test_the_smallest_p_is_what_complete_separation_gives() -> None:
    rng = np.random.default_rng(0)
    for first, second in ((3, 3), (4, 4), (3, 6)):
        p, _, _ = permutation_test(np.arange(first) + 100.0, 1.0 * np.arange(second), 9999, rng)
        assert p == pytest.approx(smallest_p(first, second))
    assert smallest_p(3, 3) == pytest.approx(0.1)


def test_random_divisions_come_near_the_exact_test() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=8) + 0.8, rng.normal(size=8)
    exact, cases, whole = permutation_test(first, second, 20_000, rng)
    drawn, draws, all_ = permutation_test(first, second, 5000, rng)
    assert (whole, cases, all_, draws) == (True, comb(16, 8), False, 5000)
    assert drawn == pytest.approx(exact, abs=4 * sqrt(exact * (1 - exact) / 5000))


@pytest.mark.parametrize(
    ("sizes", "spreads", "most"),
    [((6, 6), (1, 1), 0.05), ((4, 9), (1, 1), 0.05), ((12, 12), (1, 3), 0.06), ((6, 14), (3, 1), 0.08)],
    ids=["alike", "uneven", "other spread", "small cohort spread wider"],
)
def test_the_rate_of_false_positives(sizes: tuple[int, int], spreads: tuple[int, int], most: float) -> None:
    """Under the null, heavy tails included, and with cohorts that differ in spread alone."""
    rng, studies = np.random.default_rng(2), 1500
    called = 0
    for _ in range(studies):
        first, second = (s * rng.standard_t(5, n) for s, n in zip(spreads, sizes, strict=True))
        called += permutation_test(first, second, 499, rng)[0] <= 0.05
    rate = called / studies
    assert rate <= most + 3 * sqrt(0.05 * 0.95 / studies)
    assert rate > 0.02


def test_a_planted_difference_is_found() -> None:
    rng = np.random.default_rng(3)
    found = [permutation_test(rng.normal(2, 1, 7), rng.normal(0, 1, 7), 9999, rng)[0] <= 0.05 for _ in range(200)]
    assert np.mean(found) > 0.85  # the t-test's power is 0.93


def test_difference_and_effect_by_hand() -> None:
    one = compared([1.0, 2.0, 3.0], [4.0, 6.0, 8.0], 9999, 500, 0)
    assert one.value == pytest.approx(-4)
    pooled = sqrt((2 * 1 + 2 * 4) / 4)
    assert one.effect == pytest.approx((1 - 3 / 15) * -4 / pooled)
    assert one.low <= one.value <= one.high < 0
    assert one.effect_low <= one.effect <= one.effect_high < 0
    assert one.p == pytest.approx(0.1)
    assert (one.cases, one.exact) == (20, True)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng, hits = np.random.default_rng(4), []
    for seed in range(200):
        one = compared(rng.normal(1, 1, 15), rng.normal(0, 2, 20), 99, 300, seed)
        hits.append((one.low <= 1 <= one.high, one.effect_low <= 1 / sqrt((14 + 19 * 4) / 33) <= one.effect_high))
    assert (np.mean(hits, axis=0) > 0.86).all()


def test_what_is_the_same_for_all_is_not_tested() -> None:
    one = compared([0.3] * 3, [0.3] * 4, 99, 100, 0)
    assert np.isnan(one.p)
    assert one.cases == 0
    assert np.isnan(one.effect)
    assert one.value == pytest.approx(0)
    apart = compared([1.0] * 3, [2.0] * 3, 99, 100, 0)  # nothing varies within cohorts, and they differ
    assert apart.p == pytest.approx(0.1)
    assert np.isnan(apart.effect)


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, np.nan, 0.9]), [0.04, 0.09, 0.09, np.nan, 0.9])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]


def table_of(**columns: Any) -> tuple[pd.DataFrame, list[str]]:
    people = [f"p{place}" for place in range(len(next(iter(columns.values()))))]
    return pd.DataFrame({"recording": people, "participant": people, **columns}), people


def test_how_covariates_become_cohorts() -> None:
    table, people = table_of(
        sex=list("ababab"), age=[20.0, 30, 40, 50, 60, 70], site=list("xxxyyz"), coded=[0.0, 0, 0, 1, 1, 1]
    )
    found = cohorts(table, people, Asked("sex", None, None))
    assert isinstance(found, Cohorts)
    assert found.names == ("a", "b")
    assert found.sizes() == (3, 3)
    turned = cohorts(table, people, Asked("sex", ("b", "a"), None))
    assert isinstance(turned, Cohorts)
    assert turned.names == ("b", "a")
    halves = cohorts(table, people, Asked("age", None, None))
    assert isinstance(halves, Cohorts)
    assert halves.names == ("below 45", "45 or more")
    assert halves.sizes() == (3, 3)
    coded = cohorts(table, people, Asked("coded", None, None))
    assert isinstance(coded, Cohorts)
    assert coded.names == ("0", "1")
    mostly, everyone = table_of(score=[0.0, 0, 0, 0, 1, 2, 3])
    found = cohorts(mostly, everyone, Asked("score", None, None))
    assert isinstance(found, Cohorts)
    assert found.names == ("below 1", "1 or more")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Asked("gendre", None, None), "no covariate 'gendre'.*Known: sex, site, age"),
        (Asked("site", None, None), r"'site' has 3 values \(x, y, z\)"),
        (Asked("site", ("x", "w"), None), "no explained participant has 'w' as 'site'. Known: x, y, z"),
        (Asked("site", ("x", "z"), None), "cohort 'z' has 1 .*needs 3"),
        (Asked("age", None, 69.0), "cohort '69 or more' has 1 "),
        (Asked("age", None, 5.0), "cohort 'below 5' has 0 "),
        (Asked("sex", None, 3.0), "'sex' is no number"),
    ],
)
def test_what_cannot_be_divided_is_told(asked: Asked, told: str) -> None:
    table, people = table_of(sex=list("ababab"), site=list("xxxyyz"), age=[20.0, 30, 40, 50, 60, 70])
    found = cohorts(table, people, asked)
    assert isinstance(found, str)
    assert re.search(told, found), found


def test_a_covariate_has_to_be_named_where_several_would_do() -> None:
    table, people = table_of(sex=list("ababab"), hand=list("lrrlrl"))
    found = cohorts(table, people, Asked(None, None, None))
    assert isinstance(found, str)
    assert "sex, hand" in found
    bare, people = table_of(only=[1.0])
    assert "says nothing" in str(cohorts(bare[["recording", "participant"]], people, Asked(None, None, None)))


def test_a_person_with_two_values_is_in_no_cohort() -> None:
    table, people = table_of(sex=list("aaabbbb"))
    twice = pd.concat([table, table.iloc[:1].assign(recording="other", sex="b")], ignore_index=True)
    found = cohorts(twice, people, Asked("sex", None, None))
    assert isinstance(found, str)
    assert "'a' has 2" in found


def test_numbers_that_are_nearly_alike_are_told_apart() -> None:
    table, people = table_of(code=[1000001.0, 1000002.0] * 3)
    found = cohorts(table, people, Asked("code", None, None))
    assert isinstance(found, Cohorts)
    assert found.names == ("1000001", "1000002")
    assert found.sizes() == (3, 3)
    split = cohorts(table, people, Asked("code", None, 1000002.0))
    assert isinstance(split, Cohorts)
    assert split.names == ("below 1000002", "1000002 or more")


def test_a_number_that_all_recordings_of_a_person_share_is_that_number() -> None:
    """Three times 0.3 over three is not 0.3 in floating point."""
    table, people = table_of(dose=[0.3, 0.6] * 3)
    thrice = pd.concat([table, table.iloc[:2], table.iloc[:2]], ignore_index=True)
    found = cohorts(thrice, people, Asked("dose", None, None))
    assert isinstance(found, Cohorts)
    assert found.names == ("0.3", "0.6")
    assert found.sizes() == (3, 3)


@pytest.mark.parametrize(
    ("values", "between", "names"),
    [
        ([0.0, 1.0] * 3, [1, 0], ("1", "0")),
        ([0.0, 1.0] * 3, ["1.0", 0.0], ("1", "0")),
        ([0.0, 1.0] * 3, [False, True], ("0", "1")),
        (["0", "1"] * 3, [0, 1], ("0", "1")),
        (["01", "1"] * 3, ["1", "01"], ("1", "01")),
        (["no", "Yes"] * 3, [True, False], ("Yes", "no")),  # unquoted in YAML, both are booleans
        (["true", "false"] * 3, [True, False], ("true", "false")),
        (["a", "b"] * 3, ["b", "a"], ("b", "a")),
    ],
)
def test_values_to_compare_may_be_written_as_yaml_reads_them(
    values: list[Any], between: list[Any], names: tuple[str, str]
) -> None:
    table, people = table_of(what=values)
    made = GroupRegions.model_validate({"by": "what", "between": between})
    assert GroupRegions.model_validate_json(made.model_dump_json()) == made
    found = cohorts(table, people, Asked("what", made.between, None))
    assert isinstance(found, Cohorts), found
    assert found.names == names
    assert found.sizes() == (3, 3)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"between": ["m", "m"]}, "'m' twice"),
        ({"between": [1, "1"]}, "'1' twice"),
        ({"between": [True, "true"]}, "'true' twice"),
        ({"between": ["m", None]}, "between"),
        ({"between": ["a", "b"], "cut_point": 3}, "'between' or 'cut_point'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_run(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        GroupRegions.model_validate({"by": "x", **fields})


def test_one_value_under_two_names_is_refused() -> None:
    table, people = table_of(what=[0.0, 1.0] * 3)
    found = cohorts(table, people, Asked("what", ("1", "1.0"), None))
    assert isinstance(found, str)
    assert "'1' and '1.0' are the same value" in found


def test_people_in_no_cohort_are_counted_by_why() -> None:
    table, people = table_of(site=["x", "x", "x", "y", "y", "y", "z", "z", None, "x"])
    differing = table.iloc[9:].assign(recording="other", site="y")
    found = cohorts(pd.concat([table, differing], ignore_index=True), people, Asked("site", ("x", "y"), None))
    assert isinstance(found, Cohorts)
    assert (found.unknown, found.differing, found.others) == (1, 1, 2)
    assert found.sizes() == (3, 3)


def planted(people: int = 12, factor: float = 0.4) -> Any:
    """A run whose mouth is less important, by a factor, in cohort b."""
    view = AnalyzerSuite().view(participants=people)
    rows = view.relevance.copy()
    number = rows["participant"].str[1:].astype(int)
    change = (1 + 0.02 * (number * 7 % 5)) * np.where(number % 2 == 1, factor, 1.0)
    place = rows["region"] == "mouth"
    for name in ("signed", "positive", "absolute"):
        rows.loc[place, name] *= change[place]
    return replace(view, relevance=rows)


@pytest.mark.parametrize("correction", ["benjamini_hochberg", "holm"])
def test_a_planted_difference_of_regions_is_found_and_told(correction: str) -> None:
    run = planted()
    analysis = GroupRegions(correction=correction).analyze(run)
    table = analysis.tables["group_regions"].set_index("region")
    rows = run.relevance
    sums = rows.groupby(["participant", "region"], observed=True)[["absolute", "area"]].sum().unstack()
    inside = sums.xs("total", axis=1, level="region") - sums.xs("background", axis=1, level="region")
    mouth = sums.xs("mouth", axis=1, level="region")
    density = (mouth["absolute"] / inside["absolute"]) / (mouth["area"] / inside["area"])
    first = density[[int(name[1:]) % 2 == 0 for name in density.index]]
    second = density[[int(name[1:]) % 2 == 1 for name in density.index]]
    own = table.loc["mouth"]
    assert own[["first", "second"]].tolist() == ["a", "b"]
    assert own[["first_participants", "second_participants"]].tolist() == [6, 6]
    assert own[["first_mean", "second_mean"]].tolist() == pytest.approx([first.mean(), second.mean()])
    assert own["difference"] == pytest.approx(first.mean() - second.mean())
    assert own["difference_low"] > 0
    assert own["effect_low"] > 0
    assert own["p"] == pytest.approx(2 / comb(12, 6))
    assert (own["exact"], own["divisions"]) == (True, comb(12, 6))
    p = table["p"].dropna()
    adjusted = stats.false_discovery_control(p) if correction == "benjamini_hochberg" else holm(p)
    np.testing.assert_allclose(table.loc[p.index, "adjusted_p"], adjusted)
    assert table.loc["left_eye", "p"] != table.loc["left_eye", "p"]  # it is nowhere in the made frames
    people = analysis.tables["group_regions_participants"]
    told = people[people["region"] == "mouth"].set_index("participant")["importance"]
    assert told[density.index].tolist() == pytest.approx(density.tolist())
    assert "total" not in set(table.index)
    notes = " ".join(analysis.notes)
    assert "a (6 participants) and b (6)" in notes
    assert "gradient, mouth" in notes
    assert "Not tested" in notes
    assert "Left out" not in notes


@pytest.mark.parametrize("apart", [0.0, 10.0])
def test_the_difference_in_labels_is_told_with_its_interval(apart: float) -> None:
    """Not that a large p says anything of labels being alike."""
    run = planted()
    number = run.predictions["participant"].str[1:].astype(int)
    labels = number // 2 + np.where(number % 2 == 0, apart, 0.0)
    notes = GroupRegions().analyze(replace(run, predictions=run.predictions.assign(label=labels))).notes
    (note,) = [note for note in notes if "labels" in note]
    one = compared(np.arange(6) + apart, np.arange(6.0), 99, 2000, run.seed)
    assert f"differ by {one.value:.2g} on average (a less b; 95 % interval {one.low:.2g} to {one.high:.2g})" in note
    assert "no sign" not in note
    assert "p =" not in note


def test_labels_of_too_few_people_are_a_stated_gap() -> None:
    run = planted()
    labels = run.predictions["label"].where(run.predictions["participant"].isin(["p0", "p1", "p2", "p3"]))
    notes = GroupRegions().analyze(replace(run, predictions=run.predictions.assign(label=labels))).notes
    assert any("labels are known of 2 (a) and 2 (b)" in note for note in notes)
    alike = GroupRegions().analyze(replace(run, predictions=run.predictions.assign(label=3.0))).notes
    assert any("mean labels are all the same" in note for note in alike)


def test_people_without_a_cohort_are_told_in_the_report() -> None:
    run = planted(people=14)
    group = run.covariates["group"].where(run.covariates["participant"] != "p13")
    twice = run.covariates[run.covariates["participant"] == "p12"].assign(recording="other", group="b")
    covariates = pd.concat([run.covariates.assign(group=group), twice], ignore_index=True)
    analysis = GroupRegions(by="group").analyze(replace(run, covariates=covariates))
    assert (
        "Left out are 2 of 14 explained participants, who are in neither cohort: 'group' is not known of 1, differs "
        "between the recordings of 1."
    ) in analysis.notes
    people = analysis.tables["group_regions_participants"]
    assert people["participant"].nunique() == 12


@pytest.mark.parametrize("measure", ["share", "signed"])
def test_other_measures_by_hand(measure: str) -> None:
    run = planted()
    rows = run.relevance.copy()
    rows[["signed", "negative"]] = -rows[["positive", "positive"]].to_numpy()
    table = GroupRegions(measure=measure).analyze(replace(run, relevance=rows)).tables["group_regions"]
    sums = rows.groupby(["participant", "region"], observed=True)[["absolute", "signed"]].sum().unstack()
    part = sums["absolute" if measure == "share" else "signed"]["mouth"] / sums["absolute"]["total"]
    wanted = part[[int(name[1:]) % 2 == 0 for name in part.index]].mean()
    assert table.set_index("region").loc["mouth", "first_mean"] == pytest.approx(wanted)
    assert (wanted < 0) == (measure == "signed")


def test_nothing_planted_is_nothing_found() -> None:
    analysis = GroupRegions().analyze(planted(factor=1.0))
    assert (analysis.tables["group_regions"]["adjusted_p"].dropna() > 0.05).all()
    assert any("None of" in note and "No difference found is not no difference" in note for note in analysis.notes)


def test_cohorts_too_small_to_find_anything_are_told() -> None:
    analysis = GroupRegions().analyze(planted(people=6))
    assert any("p cannot be below 0.1" in note and "nothing could be found" in note for note in analysis.notes)


def varied(people: int) -> Any:
    """A run in which the importance of four regions differs between people, and not between cohorts."""
    view = AnalyzerSuite().view(participants=people)
    rows = view.relevance.copy()
    rng = np.random.default_rng(0)
    for person in rows["participant"].unique():
        for region in ("mouth", "nose", "elsewhere_face", "background"):
            place = (rows["participant"] == person) & (rows["region"] == region)
            rows.loc[place, ["signed", "positive", "absolute"]] *= rng.uniform(0.8, 1.2)
    return replace(view, relevance=rows)


@pytest.mark.parametrize(
    ("correction", "told"),
    [("holm", "so that nothing could be found"), ("benjamini_hochberg", "differences in fewer than 3 of")],
)
def test_the_smallest_p_is_held_against_what_the_correction_leaves(correction: str, told: str) -> None:
    """Of four and four people p is 2/70 at best: below 5 %, and above 5 % over the number of tests."""
    analysis = GroupRegions(correction=correction).analyze(varied(8))
    assert analysis.tables["group_regions"]["p"].notna().sum() == 4
    (note,) = [note for note in analysis.notes if "cannot be below" in note]
    assert "p cannot be below 0.029" in note
    assert "0.013" in note  # 0.05 / 4
    assert told in note


def test_few_random_divisions_are_told_as_the_reason() -> None:
    """One in 100 is all that 99 divisions can give."""
    analysis = GroupRegions(permutations=99, correction="holm", level=0.02).analyze(varied(12))
    assert any("p cannot be below 0.01" in note and "'permutations'" in note for note in analysis.notes)
    enough = GroupRegions(correction="holm").analyze(varied(12))
    assert not any("cannot be below" in note for note in enough.notes)


@pytest.mark.parametrize(("people", "told"), [(5, "'b' has 2"), (4, "'a' has 2 and the cohort 'b' has 2")])
def test_a_cohort_of_fewer_than_three_is_refused(people: int, told: str) -> None:
    analysis = GroupRegions(by="group").analyze(planted(people=people))
    assert not analysis.tables
    assert not analysis.charts
    assert len(analysis.notes) == 1
    assert told in analysis.notes[0]
    assert "each needs 3" in analysis.notes[0]


def test_held_out_people_alone_are_compared() -> None:
    run = planted(people=14)
    rows = run.relevance.assign(split=np.where(run.relevance["participant"].isin(["p12", "p13"]), "train", "test"))
    people = GroupRegions().analyze(replace(run, relevance=rows)).tables["group_regions_participants"]
    assert people["participant"].nunique() == 12


def test_charts_show_both_cohorts_and_the_effect() -> None:
    bars, effects = GroupRegions().analyze(planted()).charts
    assert isinstance(bars, mien.GroupedBars)
    assert [series.name for series in bars.panels[0].series] == ["a", "b"]
    assert [series.n for series in bars.panels[0].series] == [6, 6]
    assert isinstance(effects, mien.BarChart)
    assert "mouth" in effects.groups


def test_a_covariate_that_there_is_not_is_told_when_the_data_set_is_listed() -> None:
    listed = [Recording("r0", "p0", Path("r0.mp4"), covariates={"group": "a"})]
    objective = mien.create("objective", "regression")
    for by in (None, "group"):
        GroupRegions(by=by).check_recordings(listed, objective)
    with pytest.raises(ConfigError) as caught:
        GroupRegions(by="grup").check_recordings(listed, objective)
    assert str(caught.value) == "by: There is no covariate 'grup' in the data set. Did you mean 'group'?"

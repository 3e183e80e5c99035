"""The analyzer `statistics` on made runs: no effect, planted effects, and effects that only seem so."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from mien.registry import load_registry
from mien.report.charts import BarChart, HeatMap
from mien.statistics import adjusted_association, association, log_ratio
from mien.steps.analyze import as_described
from mien.tables import HYPOTHESES, STATISTICS, conform, empty
from mien.testing.fixtures import run_view
from mien_plugins.analyzers.statistics import Named, Statistics
from mien_plugins.analyzers.statistics_effects import Severity
from mien_plugins.analyzers.statistics_people import participant_means, severity_of, strata_of, window_measures
from mien_plugins.analyzers.statistics_report import contradicted

REGIONS = ("right_eye", "left_eye", "right_eyebrow", "left_eyebrow", "nose", "mouth", "elsewhere_face", "background")
KINDS = (("untrained", 0), ("untrained", 1), ("permuted", 0), ("permuted", 1))
QUICK = {"permutations": 199, "resamples": 100}


def regression():
    return SimpleNamespace(continuous=True, higher_is="a higher score")


def shares_of(rng, people, pull=None, region="mouth"):
    """Shares ``(people, regions)`` by a softmax of noise; ``pull`` is added to the logit of one region."""
    logits = 0.5 * rng.normal(size=(people, len(REGIONS)))
    if pull is not None:
        logits[:, REGIONS.index(region)] += pull
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True)


def relevance_of(shares, total, windows=2, signs=None, **more):
    """One frame a window; ``total (people,)`` is the sum of absolute relevance, ``signs (people,)`` its sign."""
    people = len(shares)
    every = np.column_stack([shares, np.ones(people)]) * total[:, None]
    names = [*REGIONS, "total"]
    frame = pd.DataFrame(
        {
            "participant": np.repeat([f"p{i}" for i in range(people)], len(names)),
            "region": np.tile(names, people),
            "absolute": every.ravel(),
            "signed": (every * (np.ones(people) if signs is None else signs)[:, None]).ravel(),
            "area": 1,
        }
    )
    frame["recording"] = frame["participant"] + "_r"
    parts = [frame.assign(window=w, frame=16 * w, valid=True, split="test", method="ig") for w in range(windows)]
    return pd.concat(parts, ignore_index=True).assign(**more)


def run_of(label, prediction, relevance, control=None, fold=None, action_units=None, seed=1):
    people = [f"p{i}" for i in range(len(label))]
    names = pd.DataFrame({"recording": [f"{p}_r" for p in people], "participant": people, "split": "test"})
    names["session"], names["fold"] = names["recording"], 0 if fold is None else fold
    return SimpleNamespace(
        recordings=names.assign(unseen=True, status="used", label=label),
        predictions=names.assign(window=0, label=label, prediction=prediction),
        relevance=relevance,
        control_relevance=empty("control_relevance") if control is None else control,
        action_units=empty("action_units") if action_units is None else action_units,
        methods={"ig": SimpleNamespace(signed=True)},
        region_names=(*REGIONS[:6], "face"),
        objective=regression(),
        seed=seed,
    )


def controls_of(rng, people, pull=None):
    total = np.ones(people)
    parts = [
        relevance_of(shares_of(rng, people, pull), total, 1, kind=kind, network=n).drop(columns=["valid", "frame"])
        for kind, n in KINDS
    ]
    return pd.concat(parts, ignore_index=True)


def a_run(seed, people=20, effect=0.0, control_effect=0.0, beside=True):
    """Label and prediction correlate; the mouth's share follows the label by ``effect``."""
    rng = np.random.default_rng(seed)
    label = rng.normal(size=people)
    prediction = label + 0.7 * rng.normal(size=people)
    own = relevance_of(shares_of(rng, people, effect * label), np.exp(rng.normal(size=people)))
    control = controls_of(rng, people, control_effect * label) if beside else None
    return run_of(label, prediction, own, control)


def tables_of(run, **fields):
    analyzer = Statistics(**{**QUICK, **fields})
    return as_described(analyzer, analyzer.analyze(run), run.recordings).tables


def row_of(table, region="mouth", measure="share", adjusted=False):
    wanted = (table["region"] == region) & (table["measure"] == measure) & (table["adjusted"] == adjusted)
    (row,) = table[wanted].to_dict("records")
    return row


# The estimator


@pytest.mark.parametrize("folds", [None, np.repeat([0.0, 1.0, 2.0], 8)])
def test_effects_are_those_that_are_tested(folds):
    rng = np.random.default_rng(0)
    label, given, x = rng.normal(size=(3, 24)).round(1)
    x += label
    given += label
    severity = Severity(label, given, folds, permutations=99, resamples=0)
    assert severity.value(x, adjusted=False) == pytest.approx(association(x, label, folds))
    expected = adjusted_association(x, label, given, np.random.default_rng(0), 99, folds)
    assert severity.value(x, adjusted=True) == pytest.approx(expected.effect)
    assert severity.tested(x, adjusted=True).p == pytest.approx(expected.p)


def test_the_plain_effect_is_scipys():
    rng = np.random.default_rng(1)
    label, x = rng.integers(0, 6, 30).astype(float), rng.normal(size=30)
    x[3] = np.nan
    severity = Severity(label, label, None, permutations=99, resamples=100)
    found = severity.tested(x, adjusted=False)
    assert found.effect == pytest.approx(stats.spearmanr(np.delete(x, 3), np.delete(label, 3))[0])
    assert found.n == 29
    assert found.low < found.effect < found.high


def test_intervals_agree_with_a_slow_twin():
    rng = np.random.default_rng(2)
    label, x = rng.normal(size=(2, 25))
    x += label
    low, high = Severity(label, label, None, resamples=4000).interval(x, adjusted=False)
    draws = np.random.default_rng(9).integers(0, 25, (4000, 25))
    slow = [stats.spearmanr(x[rows], label[rows])[0] for rows in draws]
    assert [low, high] == pytest.approx(np.percentile(slow, [2.5, 97.5]), abs=0.03)


def test_a_determined_prediction_leaves_nothing_to_adjust():
    label = np.arange(10.0)
    severity = Severity(label, 2 * label, None, permutations=99, resamples=100)
    found = severity.tested(np.random.default_rng(3).normal(size=10), adjusted=True)
    assert np.isnan([found.effect, found.p, found.low]).all()
    assert np.isfinite(severity.tested(np.random.default_rng(3).normal(size=10), adjusted=False).effect)


def test_what_differs_between_folds_alone_is_no_effect():
    """Each fold's network has a level of its own; labels differ between folds too."""
    rng = np.random.default_rng(4)
    fold = np.repeat([0.0, 1.0, 2.0, 3.0], 10)
    label, x = 5 * fold + rng.normal(size=40), 5 * fold + rng.normal(size=40)
    assert Severity(label, label, None).value(x, adjusted=False) > 0.8
    assert abs(Severity(label, label, fold).value(x, adjusted=False)) < 0.35


# One value a participant


def test_shares_are_of_windows_then_recordings_then_sessions():
    rows = []
    for recording, window, mouth in (("a", 0, 0.2), ("a", 1, 0.4), ("b", 0, 0.9), ("c", 0, 0.1)):
        for region, value in (("mouth", mouth), ("background", 1 - mouth), ("total", 1.0)):
            amount = 1000.0 if recording == "b" else 1.0  # a strong window counts as one
            rows.append((recording, "p", window, region, value * amount, value * amount, 1))
    columns = ["recording", "participant", "window", "region", "signed", "absolute", "area"]
    windows = window_measures(pd.DataFrame(rows, columns=columns), 0.05)
    means = participant_means(windows, {"a": "s", "b": "s", "c": "t"})
    assert means.loc["p", ("share", "mouth")] == pytest.approx(((0.3 + 0.9) / 2 + 0.1) / 2)


def test_signed_shares_are_undefined_where_the_total_cancels():
    rows = [
        ("r", "p", window, region, signed, 1.0, 1)
        for window, mouth in ((0, 0.51), (1, 0.9))
        for region, signed in (("mouth", mouth), ("background", mouth - 1), ("total", 2 * mouth - 1))
    ]
    columns = ["recording", "participant", "window", "region", "signed", "absolute", "area"]
    found = window_measures(pd.DataFrame(rows, columns=columns), 0.05)["signed_share", "mouth"].droplevel([0, 1])
    assert np.isnan(found[0])  # a total of 0.02 of 1
    assert found[1] == pytest.approx(0.9 / 0.8)


def test_folds_of_less_than_three_are_pooled_and_noted():
    people = pd.DataFrame({"fold": [0, 0, 0, 1, 1, 1]})
    assert strata_of(people).of.tolist() == people["fold"].tolist()
    assert strata_of(people.assign(fold=0)).of is None
    few = strata_of(people.assign(fold=[0, 0, 0, 0, 1, 1]))
    assert few.of is None
    assert "fewer than 3" in few.note


def test_severity_is_of_the_explained_recordings():
    predictions = pd.DataFrame(
        {
            "participant": ["p", "p", "p"],
            "session": ["s", "t", "t"],
            "recording": ["a", "b", "c"],
            "fold": 0,
            "label": [10.0, 20.0, 20.0],
            "prediction": [1.0, 2.0, 4.0],
        }
    )
    assert severity_of(predictions, ["a", "b", "c"]).loc["p"].tolist() == [15.0, 2.0, 0.0]
    assert severity_of(predictions, ["a"]).loc["p"].tolist() == [10.0, 1.0, 0.0]


# What is called


def test_a_planted_effect_becomes_a_hypothesis():
    run = a_run(0, people=30, effect=1.5)
    analysis = Statistics(**QUICK).analyze(run)
    tables = as_described(Statistics(**QUICK), analysis, run.recordings).tables
    found = tables["hypotheses"].set_index("region")
    assert "mouth" in found.index
    mouth = found.loc["mouth"]
    assert mouth["statement"] == "With a higher score the network relies more on the mouth (method ig)."
    assert mouth["n"] == 30
    assert "30 held-out participants" in mouth["evidence"]
    assert "2 untrained networks" in mouth["evidence"]
    assert "Correlational" in mouth["caveat"]
    row = row_of(tables["statistics"])
    assert row["exceeds"]
    assert row["effect"] == mouth["effect"]
    label = run.recordings.set_index("participant")["label"]
    own = run.relevance[(run.relevance["window"] == 0)].pivot(index="participant", columns="region", values="absolute")
    share = (own["mouth"] / own["total"]).reindex(label.index)
    assert row["effect"] == pytest.approx(stats.spearmanr(log_ratio(share, 1e-3), label)[0])
    assert any(note.startswith("H1: With a higher score") for note in analysis.notes)


def test_a_weaker_reliance_is_said_as_such():
    tables = tables_of(a_run(1, people=30, effect=-1.5))
    assert "relies less on the mouth" in tables["hypotheses"].set_index("region").loc["mouth", "statement"]


def test_what_controls_show_as_well_is_no_hypothesis():
    """Severe participants' mouths look different: even untrained networks look there."""
    tables = tables_of(a_run(2, people=30, effect=1.2, control_effect=3.0))
    row = row_of(tables["statistics"])
    assert row["q"] < 0.05
    assert not row["exceeds"]
    assert "mouth" not in set(tables["hypotheses"]["region"])


def test_an_effect_has_to_exceed_controls_on_their_own_windows():
    """More windows give a steadier measure and so a larger effect, in which a control of fewer has no part."""
    rng = np.random.default_rng(5)
    label = rng.normal(size=30)
    windows = [
        relevance_of(shares_of(rng, 30, 0.5 * label), np.ones(30), 1).assign(window=w, frame=16 * w) for w in range(8)
    ]
    control = [windows[0].assign(kind=kind, network=n).drop(columns=["valid", "frame"]) for kind, n in KINDS]
    run = run_of(label, label + rng.normal(size=30), pd.concat(windows), pd.concat(control))
    tables = tables_of(run)
    row = row_of(tables["statistics"])
    assert row["q"] < 0.05
    assert row["effect"] > row["control_permuted_max"] == row["control_untrained_max"]
    assert row["effect_beside"] == pytest.approx(row["control_permuted_max"])
    assert not row["exceeds"]
    assert tables["hypotheses"].empty


@pytest.mark.parametrize("kind", ["untrained", "permuted"])
def test_without_controls_of_both_kinds_nothing_is_called(kind):
    run = a_run(3, people=30, effect=1.5)
    run.control_relevance = run.control_relevance[run.control_relevance["kind"] == kind]
    analysis = Statistics(**QUICK).analyze(run)
    assert analysis.tables["hypotheses"].empty
    assert row_of(analysis.tables["statistics"])["exceeds"] is None
    assert sum("nothing to exceed" in note for note in analysis.notes) == 1
    assert any(note.startswith("No hypothesis") for note in analysis.notes)


def test_raw_relevance_of_complete_methods_is_no_hypothesis():
    """The trap: relevance adds up to f(x) - f(baseline), so each region's follows the score; its share does not."""
    rng = np.random.default_rng(5)
    label = rng.uniform(0, 40, 40)
    prediction = label + 4 * rng.normal(size=40)
    own = relevance_of(shares_of(rng, 40), np.abs(prediction - 20), signs=np.sign(prediction - 20))
    tables = tables_of(run_of(label, prediction, own, controls_of(rng, 40)))
    table = tables["statistics"]
    raw = table[table["measure"] == "signed"]
    assert (raw["effect"] > 0.7).all()
    assert raw["p"].isna().all()
    assert set(raw["family"]) == {"descriptive"}
    assert tables["hypotheses"].empty


def test_without_any_effect_hardly_anything_is_called():
    """Of 50 studies of six tests, some q is below 0.05 in 5 % at most; hypotheses are some of these."""
    called, p = 0, []
    for seed in range(50):
        table = Statistics(**QUICK).analyze(a_run(100 + seed, people=14, beside=False)).tables["statistics"]
        own = table[table["family"] == "regions"]
        called += bool((own.loc[~own["adjusted"], "q"] < 0.05).any())
        p += own["p"].tolist()
    assert called <= stats.binom.ppf(0.99, 50, 0.05)
    assert 0.033 < np.mean(np.array(p) <= 0.05) < 0.069


def test_an_effect_that_turns_round_when_adjusted_is_contradicted():
    assert contradicted(0.5, {"low": -0.6, "high": -0.1})
    assert not contradicted(0.5, {"low": -0.6, "high": 0.1})
    assert contradicted(-0.5, {"low": 0.1, "high": 0.6})
    assert not contradicted(-0.5, {"low": np.nan, "high": np.nan})


def test_a_smaller_effect_through_the_prediction_is_not_contradicted():
    rng = np.random.default_rng(6)
    label = rng.normal(size=40)
    prediction = label + 0.5 * rng.normal(size=40)
    own = relevance_of(shares_of(rng, 40, 1.5 * prediction), np.ones(40))
    tables = tables_of(run_of(label, prediction, own, controls_of(rng, 40)))
    found = tables["hypotheses"].set_index("region").loc["mouth"]
    assert "beyond what the network predicts is not shown" in found["caveat"]


# Families


def test_what_is_named_is_the_family():
    run = a_run(7, people=30, effect=1.5)
    named = ({"region": "mouth", "method": "ig"}, {"region": "nose"})
    analysis = Statistics(**QUICK, confirmatory=named).analyze(run)
    table = conform(STATISTICS, analysis.tables["statistics"])
    own = table[(table["family"] == "confirmatory") & ~table["adjusted"]]
    assert own["region"].tolist() == ["nose", "mouth"]
    assert own["q"].to_numpy() == pytest.approx(stats.false_discovery_control(own["p"]))
    others = table[(table["family"] == "regions") & ~table["adjusted"]]
    assert len(others) == 4
    assert set(analysis.tables["hypotheses"]["region"]) <= {"mouth", "nose"}
    text = " ".join(analysis.notes)
    assert "named in the configuration): 2 tests: ig, nose; ig, mouth." in text
    assert "Exploratory, a family of its own: 4 tests of shares of regions" in text


def test_what_cannot_be_tested_is_named():
    named = ({"region": "ear"}, {"region": "nose", "au": "AU99"}, {"region": "nose", "method": "other"})
    notes = Statistics(**QUICK, confirmatory=named).analyze(a_run(8)).notes
    assert "Named, but not there to be tested: ear; nose × AU99; other × nose." in notes


def test_a_misspelt_field_of_a_named_test_is_refused():
    with pytest.raises(ValidationError):
        Named(region="nose", units="AU12")


def test_shares_are_held_at_the_floor():
    run = a_run(9)
    mouth = (run.relevance["region"] == "mouth") & (run.relevance["participant"] == "p0")
    run.relevance.loc[mouth, "absolute"] = 0.0
    row = row_of(tables_of(run)["statistics"])
    assert row["n"] == 20
    assert np.isfinite(row["effect"])


def test_participants_without_relevance_are_counted_out():
    run = a_run(10)
    nothing = run.relevance["participant"] == "p0"
    run.relevance.loc[nothing, ["absolute", "signed"]] = 0.0
    analysis = Statistics(**QUICK).analyze(run)
    row = row_of(analysis.tables["statistics"])
    assert (row["n"], row["undefined"]) == (19, 1)
    assert any("whose share is undefined" in note and "mouth 1" in note for note in analysis.notes)


def test_people_whom_the_network_has_seen_do_not_count():
    run = a_run(11)
    run.recordings.loc[run.recordings["participant"].isin(["p0", "p1"]), "unseen"] = False
    analysis = Statistics(**QUICK).analyze(run)
    assert row_of(analysis.tables["statistics"])["n"] == 18
    assert any("2 participants" in note and "has seen them" in note for note in analysis.notes)
    run.recordings["unseen"] = False
    assert "never saw" in Statistics().analyze(run).notes[0]


def test_folds_are_strata():
    run = a_run(12, people=24, effect=1.0)
    fold = np.arange(24) % 4
    folded = replace_fold(run, fold)
    row = row_of(tables_of(folded)["statistics"])
    label = run.recordings["label"].to_numpy()
    own = run.relevance[run.relevance["window"] == 0].pivot(index="participant", columns="region", values="absolute")
    share = (own["mouth"] / own["total"]).reindex(run.recordings["participant"])
    assert row["effect"] == pytest.approx(association(log_ratio(share, 1e-3), label, fold))
    notes = Statistics(**QUICK).analyze(replace_fold(run, np.arange(24))).notes
    assert any("they are pooled" in note for note in notes)


def replace_fold(run, fold):
    tables = {name: getattr(run, name).assign(fold=fold) for name in ("recordings", "predictions")}
    return SimpleNamespace(**{**vars(run), **tables})


def test_a_class_has_no_severity():
    run = a_run(13)
    run.objective = SimpleNamespace(continuous=False, higher_is="class 1")
    assert "no score" in Statistics().analyze(run).notes[0]


# Action Units


def unit_view(people=12):
    """A run of 16 frames a participant; the mouth follows AU12 the more closely, the higher the label."""
    registry = load_registry()
    view = run_view(registry.scheme("mediapipe_478"), registry.create("objective", "regression"), participants=people)
    rng = np.random.default_rng(14)
    relevance, units = view.relevance.copy(), view.action_units
    wave = units.loc[(units["au"] == "AU12") & (units["participant"] == "p0"), "intensity"].to_numpy()
    for number in range(people):
        own = (relevance["participant"] == f"p{number}") & (relevance["region"] == "mouth")
        relevance.loc[own, "signed"] = number * wave + (people - number) * 3 * rng.normal(size=16)
    return replace(view, relevance=relevance)


def test_effects_on_action_units_are_tested_but_never_hypotheses():
    view = unit_view()
    analyzer = Statistics(**QUICK, confirmatory=[{"region": "mouth", "au": "AU12"}])
    analysis = as_described(analyzer, analyzer.analyze(view), view.recordings)
    row = row_of(analysis.tables["statistics"][lambda t: t["au"] == "AU12"], measure="au_correlation")
    assert row["effect"] > 0.8
    assert (row["family"], row["source"], row["controls_untrained"]) == ("confirmatory", "planted", 0)
    assert row["q"] == pytest.approx(row["p"])
    assert row["p"] < 0.05
    assert pd.isna(row["exceeds"])
    assert analysis.tables["hypotheses"].empty
    assert any("never called hypotheses" in note for note in analysis.notes)
    assert any(isinstance(chart, HeatMap) for chart in analysis.charts)


def test_forest_plots_show_controls_and_q():
    charts = Statistics(**QUICK).analyze(a_run(15, effect=1.0)).charts
    (forest,) = [chart for chart in charts if isinstance(chart, BarChart)]
    assert [series.name for series in forest.series] == ["severity", "severity, adjusted for the prediction"]
    assert len(forest.series[0].references[0]) == len(KINDS)
    assert all("(q = " in group for group in forest.groups)


def test_the_tables_fit_when_there_is_nothing_to_test():
    registry = load_registry()
    view = run_view(registry.scheme("mediapipe_478"), registry.create("objective", "regression"), participants=1)
    tables = tables_of(view)
    assert conform(HYPOTHESES, tables["hypotheses"]).empty
    assert tables["statistics"]["effect"].isna().all()
    assert "unsigned" not in tables


def test_unsigned_methods_have_no_signed_figures():
    run = a_run(16)
    run.methods = {"ig": SimpleNamespace(signed=False)}
    assert set(tables_of(run)["statistics"]["measure"]) == {"share"}

"""Severity bands and decision types on tables whose figures are known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

import mien.testing.tables as made
from mien.regions.measures import add_measures
from mien.registry import load_registry
from mien.report.charts import GroupedBars
from mien.report.frame_charts import FrameGrid
from mien.steps.analyze import as_described
from mien.testing.fixtures import run_view
from mien_plugins.analyzers.decisions import bands_for, decided
from mien_plugins.analyzers.severity_bands import SeverityBands, participant_measures, with_face

LABELS = [3.0, 10.0, 12.0, 21.0, 35.0, 40.0]
ERRORS = [0.0, 5.0, 15.6, -15.6, -15.5, 6.0]
BANDS = {"minimal": 0.0, "mild": 14.0, "moderate": 20.0, "severe": 29.0}


def a_view(labels=LABELS, errors=ERRORS, **fields):
    """A run of one recording a participant, with labels and errors; relevance differs between participants."""
    registry = load_registry()
    objective = registry.create("objective", "regression", fields)
    view = run_view(registry.scheme("mediapipe_478"), objective, participants=len(labels))
    recordings = view.recordings["recording"]
    label, error = (dict(zip(recordings, values, strict=True)) for values in (labels, errors))
    predictions = view.predictions.assign(label=view.predictions["recording"].map(label))
    predictions["prediction"] = predictions["label"] + predictions["recording"].map(error)
    relevance = view.relevance.copy()
    factor = relevance["recording"].map({name: 1 + 0.2 * i for i, name in enumerate(recordings)}).to_numpy()
    mouth = (relevance["region"] == "mouth").to_numpy()
    for name in ("signed", "positive", "absolute"):
        relevance.loc[mouth, name] = relevance.loc[mouth, name] / factor[mouth]
    return replace(
        view,
        recordings=view.recordings.assign(label=recordings.map(label)),
        predictions=predictions,
        relevance=relevance,
    )


def table_of(view, **fields):
    analyzer = SeverityBands(**fields)
    return as_described(analyzer, analyzer.analyze(view), view.recordings).tables["severity_bands"]


def test_errors_at_the_limits_are_of_the_right_type():
    found = decided(a_view(), BANDS, 5.0, 15.5)
    assert found["decision"].tolist() == ["correct", "correct", "over_estimated", "under_estimated", "", ""]
    assert found["band"].tolist() == ["minimal", "minimal", "minimal", "moderate", "severe", "severe"]


def test_cells_agree_with_a_slow_twin():
    view = a_view()
    table = table_of(view).set_index(["decision", "band", "region"])
    members = {
        ("overall", "minimal"): [0, 1, 2],
        ("correct", "minimal"): [0, 1],
        ("over_estimated", "minimal"): [2],
        ("under_estimated", "moderate"): [3],
        ("overall", "severe"): [4, 5],
    }
    for (decision, band), people in members.items():
        shares, raws = [], []
        for number in people:
            own = view.relevance[view.relevance["participant"] == f"p{number}"]
            total = own.loc[own["region"] == "total", "absolute"].sum()
            mouth = own.loc[own["region"] == "mouth"]
            shares.append(mouth["absolute"].sum() / total)
            raws.append(mouth["signed"].sum())  # of one window
        row = table.loc[(decision, band, "mouth")]
        assert row["participants"] == len(people)
        assert row["share"] == pytest.approx(np.mean(shares))
        assert row["raw"] == pytest.approx(np.mean(raws))
        assert np.isnan(row["share_low"]) == (len(people) < 3)


def test_an_empty_band_is_shown_with_n_0():
    view = a_view()
    table = table_of(view)
    counts = table.groupby(["method", "decision", "band"], sort=False)["region"].nunique()
    assert len(counts) == 4 * 4
    assert counts.nunique() == 1
    mild = table[table["band"] == "mild"]
    assert (mild["participants"] == 0).all()
    assert mild[["share", "raw", "density", "signed_share"]].isna().all(axis=None)
    assert any("in the band mild (n = 0)" in note for note in SeverityBands().analyze(view).notes)


def rows_with(signed, absolute):
    regions = {"mouth": (signed, absolute), "background": (0.0, 0.0), "total": (signed, absolute)}
    rows = [
        {"method": "m", "participant": "a", "recording": "r", "window": 0, "region": region, "signed": s,
         "positive": s, "negative": 0.0, "absolute": a, "area": 1}
        for region, (s, a) in regions.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_signed_share_is_undefined_under_the_floor():
    steady, flat, nothing = (
        participant_measures(rows_with(s, a), 0.05).set_index("region") for s, a in ((0.05, 1.0), (0.049, 1.0), (0, 0))
    )
    assert steady.loc["mouth", "signed_share"] == pytest.approx(1.0)
    assert np.isnan(flat.loc["mouth", "signed_share"])
    assert flat.loc["mouth", "share"] == 1.0
    assert np.isnan(nothing.loc["mouth", ["signed_share", "share"]].to_numpy(float)).all()


def test_a_participant_in_two_bands_counts_once_in_each():
    """Two sessions of p0: the unit of a cell is participant x band, over all its windows there."""
    view = a_view(labels=[3.0, 4.0, 35.0], errors=[0.0, 0.0, 0.0])
    person = {f"p{i}_r0": who for i, who in enumerate(("p0", "p0", "p0"))}
    named = {
        name: getattr(view, name).assign(participant=getattr(view, name)["recording"].map(person))
        for name in ("recordings", "predictions", "relevance", "action_units")
    }
    view = replace(view, **named)
    table = table_of(view).set_index(["decision", "band", "region"])
    assert table.loc[("overall", "minimal", "mouth"), "participants"] == 1
    assert table.loc[("overall", "severe", "mouth"), "participants"] == 1
    own = view.relevance[(view.relevance["region"] == "mouth") & view.relevance["recording"].isin(["p0_r0", "p1_r0"])]
    assert table.loc[("overall", "minimal", "mouth"), "raw"] == pytest.approx(own["signed"].sum() / 2)
    notes = SeverityBands().analyze(view).notes
    assert any("participant × band" in note for note in notes)


def test_only_held_out_recordings_count():
    view = a_view()
    sides = {"p0_r0": "train", "p5_r0": "out_of_distribution"}
    changed = {
        name: getattr(view, name).assign(split=getattr(view, name)["recording"].map(lambda r: sides.get(r, "test")))
        for name in ("recordings", "predictions", "relevance")
    }
    table = table_of(replace(view, **changed)).set_index(["decision", "band", "region"])["participants"]
    assert table.loc[("overall", "minimal", "mouth")] == 2
    assert table.loc[("overall", "severe", "mouth")] == 1


def test_people_whom_the_network_knows_are_counted():
    view = a_view()
    view = replace(view, recordings=view.recordings.assign(unseen=view.recordings["recording"] != "p1_r0"))
    assert any("other recordings of 1 participant of these" in note for note in SeverityBands().analyze(view).notes)


def test_bands_are_those_asked_for_then_the_objectives_then_the_bdi_iis():
    asked = {"low": 0.0, "high": 20.0}
    assert bands_for(a_view(), asked) == asked
    assert bands_for(a_view(bands={"x": 0.0}), None) == {"x": 0.0}
    assert list(bands_for(a_view(bands={}), None)) == list(BANDS)
    assert bands_for(a_view(labels=[1.0, 2, 3, 4, 5, 6], bands={}), None) == {}
    assert (
        "give the analyzer's bands" in SeverityBands().analyze(a_view(labels=[1.0, 2, 3, 4, 5, 6], bands={})).notes[0]
    )


def test_nothing_to_compare_is_a_stated_gap():
    view = a_view()
    for changed in (
        replace(view, predictions=view.predictions.iloc[:0]),
        replace(view, predictions=view.predictions.assign(label=np.nan)),
        replace(view, relevance=view.relevance.iloc[:0]),
    ):
        analysis = SeverityBands().analyze(changed)
        assert not analysis.tables
        assert analysis.notes[0].startswith("Severity bands are not compared")


def test_one_participant_and_no_action_units():
    view = a_view(labels=[20.0], errors=[1.0])
    analysis = SeverityBands().analyze(replace(view, action_units=view.action_units.iloc[:0]))
    assert set(analysis.tables) == {"severity_bands"}
    assert any("no Action Units" in note for note in analysis.notes)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"bands": {}}, "no band"),
        ({"bands": {"a": 3.0, "b": 3.0}}, "ascend"),
        ({"bands": {"a": float("nan")}}, "finite"),
        ({"correct_within": 6.0, "wrong_beyond": 5.0}, "both correct"),
    ],
)
def test_impossible_fields_are_refused(fields, said):
    with pytest.raises(ValidationError, match=said):
        SeverityBands(**fields)


# Action Units


def test_correlations_are_averaged_by_participant_then_band():
    view = a_view()
    rng = np.random.default_rng(0)
    relevance = view.relevance.copy()
    noise = {name: rng.uniform(0.5, 1.5, made.FRAMES) for name in view.recordings["recording"]}
    factor = np.array([noise[r][f] for r, f in zip(relevance["recording"], relevance["frame"], strict=True)])
    for name in ("signed", "positive", "absolute"):
        relevance[name] = relevance[name] * factor
    view = replace(view, relevance=relevance)
    analyzer = SeverityBands()
    table = as_described(analyzer, analyzer.analyze(view), view.recordings).tables["severity_bands_action_units"]
    found = table.set_index(["kind", "decision", "band", "region", "au"])

    def of(person):
        own = relevance[relevance["participant"] == person].pivot(index="frame", columns="region", values="signed")
        return stats.spearmanr(own["total"] - own["background"], made.intensity())[0]

    z = [np.arctanh(np.clip(of(f"p{i}"), -0.999, 0.999)) for i in range(3)]
    row = found.loc[("intensity", "overall", "minimal", "face", "AU12")]
    assert row["correlation"] == pytest.approx(np.tanh(np.mean(z)))
    assert (row["participants"], row["windows"], row["undefined_windows"]) == (3, 3, 0)
    assert row["low"] <= row["correlation"] <= row["high"]
    still = found.loc[("intensity", "overall", "minimal", "face", "AU04")]
    assert np.isnan(still["correlation"])
    assert (still["participants"], still["undefined_windows"]) == (0, 3)
    empty = found.loc[("intensity", "overall", "mild", "total", "AU12")]
    assert (empty["participants"], empty["windows"]) == (0, 0)


def test_the_face_is_the_total_without_the_background():
    relevance = made.relevance(["p0"])
    face = with_face(relevance)
    own = face[face["frame"] == 3].set_index("region")
    assert own.loc["face", "absolute"] == pytest.approx(
        own.loc["total", "absolute"] - own.loc["background", "absolute"]
    )
    assert own.loc["face", "area"] == own.loc["total", "area"] - own.loc["background", "area"]
    assert len(face) == len(relevance) + made.FRAMES
    assert add_measures(relevance.head(9), ["frame"]) is not None


# Figures


def test_the_figures_of_the_paper():
    charts = {chart.name: chart for chart in SeverityBands().analyze(a_view()).charts}
    bars = charts["severity_regions_gradient"]
    assert isinstance(bars, GroupedBars)
    assert [panel.name for panel in bars.panels] == ["All", "Correct", "Over-estimated", "Under-estimated"]
    assert [one.n for one in bars.panels[0].series] == [3, 0, 1, 2]
    assert list(bars.panels[0].series[3].low) == []  # two participants have no interval
    assert isinstance(charts["severity_action_units_gradient_planted"], GroupedBars)
    assert not SeverityBands(figures=0).analyze(a_view()).charts


def test_a_decision_without_members_is_said_to_be_empty():
    chart = next(iter(SeverityBands().analyze(a_view(errors=[0.0] * 6)).charts))
    assert [panel.name for panel in chart.panels] == ["All", "Correct"]
    assert "Nobody is over-estimated and under-estimated (n = 0)" in chart.caption


def test_top_frames_are_those_of_highest_relevance():
    view = a_view()
    grid = next(chart for chart in SeverityBands().analyze(view).charts if isinstance(chart, FrameGrid))
    assert list(grid.columns) == ["Correct", "Over-estimated", "Under-estimated"]
    assert [name for name, _ in grid.rows] == list(BANDS)
    blocks = dict(grid.rows)
    assert blocks["minimal"][0].text == "participant p0: label 3, predicted 3.00"  # the smaller of two errors
    assert blocks["minimal"][1].text == "participant p2: label 12, predicted 27.6"
    assert blocks["mild"][0].text == "n = 0"
    first = blocks["minimal"][0].frames[0]
    best = int(np.argmax(made.intensity()))
    assert (first.recording, first.frame) == ("p0_r0", best)
    assert first.values["mouth"] == pytest.approx(0.75)
    assert not any(one.image for block in blocks["minimal"] for one in block.frames)

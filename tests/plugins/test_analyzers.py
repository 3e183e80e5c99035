"""Analyzers on tables whose answers are known in closed form."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mien.report.charts import BarChart, HeatMap, LineChart
from mien.statistics import mean_interval
from mien.steps.analyze import as_described
from mien.tables import empty
from mien_plugins.analyzers.au_correlation import AuCorrelation
from mien_plugins.analyzers.region_relevance import RegionRelevance
from mien_plugins.analyzers.temporal_profile import TemporalProfile, with_gaps
from mien_plugins.analyzers.time_bins import independent_bins
from mien_plugins.analyzers.window_correlation import spearman

AREAS = {"mouth": 10, "nose": 20, "elsewhere_face": 70, "background": 100}


def rows(shares, *, person="p0", method="ig", split="test", window=0, frames=16, amount=1.0, **more):
    """Relevance of one window whose regions hold these shares in every frame; `amount` may be a series."""
    amounts = np.broadcast_to(amount, frames)
    found = []
    for frame in range(frames):
        cells = {name: shares.get(name, 0.0) * amounts[frame] for name in AREAS}
        table = {**cells, "total": sum(cells.values())}
        size = {**{name: abs(value) for name, value in cells.items()}, "total": sum(map(abs, cells.values()))}
        for region, value in table.items():
            found.append(
                {
                    "method": method,
                    "recording": f"{person}_r",
                    "participant": person,
                    "split": split,
                    "window": window,
                    "frame": frame + 16 * window,
                    "time_s": (frame + 16 * window) / 25,
                    "valid": True,
                    "region": region,
                    "signed": value,
                    "positive": (size[region] + value) / 2,
                    "negative": (value - size[region]) / 2,
                    "absolute": size[region],
                    "area": AREAS.get(region, sum(AREAS.values())),
                    **more,
                }
            )
    return pd.DataFrame(found)


def units(person, series, frames=None):
    """Action Units of one recording: name to values."""
    parts = [
        pd.DataFrame(
            {
                "source": "planted",
                "recording": f"{person}_r",
                "participant": person,
                "frame": np.arange(len(values)) if frames is None else frames,
                "time_s": np.arange(len(values)) / 25,
                "au": au,
                "intensity": np.asarray(values, float),
                "presence": np.nan,
            }
        )
        for au, values in series.items()
    ]
    return pd.concat(parts, ignore_index=True)


def run_of(relevance, *, control=None, action_units=None, seed=3, method_signed=True):
    names = relevance[["recording", "participant", "split"]].drop_duplicates()
    recordings = names.assign(duration_s=32 / 25, status="used")
    predictions = names.assign(label=np.arange(len(names), dtype=float), prediction=0.0, window=0)
    method = SimpleNamespace(signed=method_signed)
    return SimpleNamespace(
        relevance=relevance,
        control_relevance=empty("control_relevance") if control is None else control,
        action_units=empty("action_units") if action_units is None else action_units,
        recordings=recordings,
        predictions=predictions,
        methods=dict.fromkeys(relevance["method"].unique(), method),
        objective=SimpleNamespace(continuous=True),
        seed=seed,
    )


def test_tables_are_as_described_where_figures_are_undefined():
    """One participant, regions without pixels or relevance, Action Units that never move."""
    own = pd.concat([rows({}), rows({"mouth": 1.0}, method="sign", amount=np.arange(16.0))])
    run = run_of(own, control=rows({}, kind="untrained", network=0), action_units=units("p0", {"AU04": np.zeros(16)}))
    for analyzer in (RegionRelevance(), TemporalProfile(), AuCorrelation()):
        analysis = as_described(analyzer, analyzer.analyze(run), run.recordings)
        assert sorted(analysis.tables) == sorted(table.name for table in analyzer.tables)


# Region relevance


def test_planted_shares_and_densities_come_out():
    people = [
        rows({"mouth": 0.4, "nose": 0.2, "elsewhere_face": 0.2, "background": 0.2}, person="a"),
        rows({"mouth": 0.6, "nose": 0.1, "elsewhere_face": 0.1, "background": 0.2}, person="b", amount=100.0),
        rows({"mouth": 0.5, "nose": 0.15, "elsewhere_face": 0.15, "background": 0.2}, person="c"),
    ]
    table = RegionRelevance().analyze(run_of(pd.concat(people))).tables["region_relevance"].set_index("region")
    assert table.loc["mouth", "share"] == pytest.approx(0.5)  # the participant with 100 times more counts once
    assert table.loc["mouth", "density"] == pytest.approx((0.4 / 0.8 + 0.6 / 0.8) / 2 / (10 / 100))
    assert table.loc["nose", "density"] == pytest.approx((0.25 + 0.125) / 2 / 0.2)
    assert table.loc["mouth", "density_low"] == pytest.approx(5.0)  # all draws the same person
    assert table.loc["mouth", "density_high"] == pytest.approx(7.5)
    assert set(table["participants"]) == {3}


def test_negative_relevance_counts_by_its_size():
    table = RegionRelevance().analyze(run_of(rows({"mouth": -0.5, "nose": 0.5}))).tables["region_relevance"]
    assert table.set_index("region").loc["mouth", "share"] == pytest.approx(0.5)


def test_untrained_networks_stand_beside():
    own = rows({"mouth": 0.5, "elsewhere_face": 0.5})
    control = pd.concat(
        rows({"mouth": share, "elsewhere_face": 1 - share}, kind=kind, network=n)
        for kind, shares in {"untrained": (0.1, 0.2, 0.3), "permuted": (0.9,)}.items()
        for n, share in enumerate(shares)
    )
    analysis = RegionRelevance().analyze(run_of(own, control=control))
    mouth = analysis.tables["region_relevance"].set_index("region").loc["mouth"]
    assert mouth["untrained_density_mean"] == pytest.approx(2.0)
    assert (mouth["untrained_density_lowest"], mouth["untrained_density_highest"]) == pytest.approx((1.0, 3.0))
    assert mouth["untrained_networks"] == 3
    assert "the mouth has the highest density, 5.00 times chance" in analysis.notes[0]
    assert "1.67 times the highest of 3 untrained networks (3.00)" in analysis.notes[0]
    assert "An untrained network reaches" not in analysis.notes[0]
    density = next(chart for chart in analysis.charts if chart.name == "region_density")
    assert isinstance(density, BarChart)
    assert density.chance == 1.0
    assert sorted(density.series[0].references[list(density.groups).index("mouth")]) == pytest.approx([1, 2, 3])


def test_out_of_distribution_is_left_out_unless_alone():
    inside, outside = rows({"mouth": 1.0}), rows({"nose": 1.0}, person="x", split="out_of_distribution")
    both = RegionRelevance().analyze(run_of(pd.concat([inside, outside])))
    assert both.tables["region_relevance"].set_index("region").loc["mouth", "share"] == 1.0
    assert any("1 out-of-distribution recording" in note for note in both.notes)
    alone = RegionRelevance().analyze(run_of(outside))
    assert alone.tables["region_relevance"].set_index("region").loc["nose", "share"] == 1.0
    assert any("All explained recordings are out of distribution" in note for note in alone.notes)


def test_one_participant_has_no_interval():
    analysis = RegionRelevance().analyze(run_of(rows({"mouth": 1.0})))
    table = analysis.tables["region_relevance"]
    assert table["share_low"].isna().all()
    assert table["share"].notna().all()
    bars = next(chart for chart in analysis.charts if isinstance(chart, BarChart))
    assert not bars.series[0].low
    assert bars.value_name == "trained"
    assert "Mean over 1 participant;" in bars.caption


def test_two_participants_have_no_interval():
    mean, low, high = mean_interval([[1.0], [3.0]], 100, seed=0)
    assert mean == pytest.approx([2.0])
    assert np.isnan([low, high]).all()


def test_no_relevance_at_all_is_a_stated_gap():
    analysis = RegionRelevance().analyze(run_of(rows({})))
    assert any("no region has a density" in note for note in analysis.notes)


def test_bootstrap_agrees_with_a_slow_twin():
    values = np.random.default_rng(0).normal(size=(30, 3))
    mean, low, high = mean_interval(values, 40_000, seed=1)
    draws = np.random.default_rng(2).integers(0, 30, (40_000, 30))
    slow = np.quantile(values[draws].mean(1), [0.025, 0.975], axis=0)
    assert mean == pytest.approx(values.mean(0))
    assert np.stack([low, high]) == pytest.approx(slow, abs=0.02)


# Temporal profile


def test_overlapping_windows_are_averaged_and_extremes_found():
    amount = np.zeros(16)
    amount[[3, 12]] = 4.0, -2.0
    first, second = (rows({"mouth": 1.0}, amount=amount * k) for k in (1.0, 3.0))
    second["window"] = 1
    analysis = TemporalProfile(frames=1).analyze(run_of(pd.concat([first, second])))
    profile = analysis.tables["temporal_profile"]
    mouth = profile[profile["region"] == "mouth"].set_index("frame")
    assert mouth.loc[3, "signed"] == pytest.approx(8.0)
    assert mouth.loc[12, "absolute"] == pytest.approx(4.0)
    chosen = analysis.tables["frames_of_interest"]
    assert chosen[["kind", "frame"]].to_numpy().tolist() == [["top", 3], ["bottom", 12]]


def test_the_course_says_where_in_the_recording():
    early = rows({"mouth": 1.0}, frames=32, amount=np.where(np.arange(32) < 16, 3.0, 1.0))
    analysis = TemporalProfile(bins=2).analyze(run_of(early))
    course = analysis.tables["relevance_course"]
    assert course["density"].tolist() == pytest.approx([1.5, 0.5])
    assert any(isinstance(chart, LineChart) and chart.chance == 1.0 for chart in analysis.charts)
    assert "around 25 % of the recording" in analysis.notes[0]


def test_the_heat_map_is_of_the_recording_with_its_action_units():
    own = rows({"mouth": 1.0, "nose": -0.5}, amount=np.arange(16.0))
    action_units = units("p0", {"AU12": np.arange(16) / 4, "AU04": np.zeros(16)})
    analysis = TemporalProfile(traces=1).analyze(run_of(own, action_units=action_units))
    (heat,) = (chart for chart in analysis.charts if isinstance(chart, HeatMap))
    assert heat.about == "p0_r"
    assert [trace.name for trace in heat.traces] == ["AU12"]
    values = dict(zip(heat.rows, heat.panels[0].values, strict=True))
    assert values["nose"] == pytest.approx(-0.5 * np.arange(16))


def test_frames_without_a_face_do_not_count():
    own = rows({"mouth": 1.0})
    own.loc[own["frame"] == 5, ["valid", "signed"]] = [False, 1e6]
    profile = TemporalProfile().analyze(run_of(own)).tables["temporal_profile"]
    assert 5 not in set(profile["frame"])


def test_gaps_stay_empty():
    times, columns = with_gaps([0.0, 0.1, 0.2, 1.0, 1.1])
    assert columns == [0, 1, 2, None, None, 3, 4]
    assert times == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.9, 1.0, 1.1])
    skipped = [0.0, 0.04, 0.12, 0.16, 0.20]  # 30 frames a second resampled to 25
    assert with_gaps(skipped) == (skipped, [0, 1, 2, 3, 4])


# Action Units


def test_spearman_is_scipys():
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 5, (20, 3)).astype(float), rng.normal(size=(20, 2))
    expected = [[stats.spearmanr(left[:, i], right[:, j])[0] for j in range(2)] for i in range(3)]
    assert spearman(left, right) == pytest.approx(np.array(expected))


def series(seed, frames=16):
    return np.random.default_rng(seed).permutation(frames).astype(float) + 1


def test_known_correlations_come_out():
    parts, traces = [], []
    for i, person in enumerate(("a", "b", "c")):
        parts.append(rows({"mouth": 1.0}, person=person, amount=series(i)))
        traces.append(units(person, {"AU12": series(i) / 4, "AU15": -series(i), "AU04": np.ones(16)}))
    analysis = AuCorrelation().analyze(run_of(pd.concat(parts), action_units=pd.concat(traces)))
    table = analysis.tables["au_correlation"].set_index(["region", "au"])
    assert table.loc[("mouth", "AU12"), "correlation"] == pytest.approx(0.999)
    assert table.loc[("mouth", "AU15"), "correlation"] == pytest.approx(-0.999)
    assert table.loc[("mouth", "AU12"), ["low", "high"]].tolist() == pytest.approx([0.999, 0.999])
    assert np.isnan(table.loc[("mouth", "AU04"), "correlation"])  # constant: undefined, not 0
    assert table.loc[("mouth", "AU04"), ["windows", "undefined_windows"]].tolist() == [0, 3]
    assert table.loc[("nose", "AU12"), "undefined_windows"] == 3
    assert any("undefined" in note and "not counted as 0" in note for note in analysis.notes)


def test_participants_count_once_whatever_their_windows():
    good, bad = series(0), series(1)
    many = [rows({"mouth": 1.0}, person="a", window=w, amount=series(10 + w)) for w in range(5)]
    one = [rows({"mouth": 1.0}, person="b", amount=good)]
    followed = np.concatenate([series(10 + w) for w in range(5)])
    traces = [units("a", {"AU12": followed}), units("b", {"AU12": bad})]
    table = AuCorrelation().analyze(run_of(pd.concat([*many, *one]), action_units=pd.concat(traces)))
    found = table.tables["au_correlation"].set_index(["region", "au"]).loc[("mouth", "AU12"), "correlation"]
    other = stats.spearmanr(good, bad)[0]
    assert found == pytest.approx(np.tanh((np.arctanh(0.999) + np.arctanh(other)) / 2))


def test_coarse_methods_are_not_correlated():
    bins = np.random.default_rng(4).normal(size=(40, 2))
    fine = np.random.default_rng(5).normal(size=(40, 16))
    linear = np.stack([np.interp(np.arange(16), [3.5, 11.5], row) for row in bins])
    action_units = units("p0", {"AU12": np.random.default_rng(6).normal(size=640)})
    parts = [rows({"mouth": 1.0}, window=w, method="cam", amount=linear[w]) for w in range(40)]
    parts += [rows({"mouth": 1.0}, window=w, method="ig", amount=fine[w]) for w in range(40)]
    analysis = AuCorrelation().analyze(run_of(pd.concat(parts), action_units=action_units))
    assert set(analysis.tables["au_correlation"]["method"]) == {"ig"}
    assert any("cam is not correlated" in note and "2 independent values" in note for note in analysis.notes)


def test_repeated_bins_show_in_a_single_window():
    own = rows({"mouth": 1.0}, amount=np.repeat([1.0, 2.0, 5.0, 3.0], 4))
    assert independent_bins(own) == 4
    assert independent_bins(rows({"mouth": 1.0}, amount=series(0))) == 16


def test_windows_that_look_alike_are_not_taken_for_a_coarse_method():
    same = [rows({"mouth": 1.0}, person=p, amount=series(0) * k) for p, k in (("a", 1.0), ("b", 2.0), ("c", -3.0))]
    assert independent_bins(pd.concat(same)) == 16


def test_without_action_units_it_says_so():
    assert "there are no Action Units" in AuCorrelation().analyze(run_of(rows({"mouth": 1.0}))).notes[0]


def test_attention_that_each_frame_has_as_much_of_is_told_as_even_and_ranks_no_frame():
    run = run_of(rows({"mouth": 1.0}, method="attention"))
    found = TemporalProfile().analyze(run)
    assert "attention: relevance is spread evenly over the recording." in found.notes
    assert found.tables["frames_of_interest"].empty

"""Relevance against Action Units inside windows: the effect by hand, alignment, and the test's honesty."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mien.statistics import circular_shift_test, fisher_z
from mien.steps.analyze import as_described
from mien.tables import empty
from mien.testing.nulls import smooth
from mien_plugins.analyzers.au_correlation import AuCorrelation, series_by_recording
from mien_plugins.analyzers.window_correlation import COLUMNS, series_of, spearman, window_correlations, windows_of

REGIONS = ("mouth", "nose", "background")


def window_rows(recording, number, frames, signed, *, split="test", area=100, valid=None, method="ig"):
    """Relevance of one window: a column a region at some source frames; total is their sum."""
    values = {**{name: signed[:, i] for i, name in enumerate(REGIONS)}, "total": signed.sum(axis=1)}
    common = {
        "method": method,
        "recording": recording,
        "participant": recording[0],
        "split": split,
        "window": number,
        "frame": frames,
        "time_s": np.asarray(frames) / 25,
        "valid": np.ones(len(frames), bool) if valid is None else valid,
        "area": np.broadcast_to(area, len(frames)),
    }
    return pd.concat([pd.DataFrame({**common, "region": name, "signed": one}) for name, one in values.items()])


def unit_rows(recording, series, *, presence=None, source="planted", step=0.04):
    """Action Units of one recording over all its frames."""
    parts = [
        pd.DataFrame(
            {
                "source": source,
                "recording": recording,
                "participant": recording[0],
                "frame": np.arange(len(values)),
                "time_s": np.arange(len(values)) * step,
                "au": au,
                "intensity": values,
                "presence": np.nan if presence is None else presence[au],
            }
        )
        for au, values in series.items()
    ]
    return pd.concat(parts)


def run_of(relevance, units, seed=5):
    names = relevance[["recording", "participant", "split"]].drop_duplicates()
    return SimpleNamespace(relevance=relevance, action_units=units, recordings=names, seed=seed)


def a_study(seed, *, recordings=("a1", "b1", "b2"), frames=(120, 90, 60), effect=0.0, length=16, starts=(3, 40)):
    """Two windows a recording; the mouth follows AU12 by ``effect``."""
    rng = np.random.default_rng(seed)
    relevance, units = [], []
    for name, size in zip(recordings, frames, strict=True):
        aus = smooth(rng, size, 2)
        own = smooth(rng, size, 3)
        own[:, 0] += effect * aus[:, 0]
        units.append(unit_rows(name, {"AU12": aus[:, 0], "AU04": aus[:, 1]}))
        for number, start in enumerate(starts):
            inside = np.arange(start, start + length)
            relevance.append(window_rows(name, number, inside, own[inside]))
    return pd.concat(relevance, ignore_index=True), pd.concat(units, ignore_index=True)


def test_every_window_has_scipys_correlation():
    relevance, units = a_study(0)
    found = window_correlations(relevance, units, least_bins=3)
    assert tuple(found.columns) == COLUMNS
    assert set(found["kind"]) == {"intensity"}  # the source tells no presence
    assert set(found["region"]) == {*REGIONS, "total"}
    assert len(found) == 3 * 2 * 4 * 2
    for row in found.to_dict("records"):
        own = relevance[
            (relevance["recording"] == row["recording"])
            & (relevance["window"] == row["window"])
            & (relevance["region"] == row["region"])
        ]
        au = units[(units["recording"] == row["recording"]) & (units["au"] == row["au"])].set_index("frame")
        expected = stats.spearmanr(own["signed"], au.loc[own["frame"], "intensity"])[0]
        assert row["correlation"] == pytest.approx(expected)


def test_unknown_frames_and_frames_without_a_face_are_left_out_pair_by_pair():
    rng = np.random.default_rng(1)
    signed, au = rng.normal(size=(16, 3)), rng.normal(size=(20, 2))
    valid = np.ones(16, bool)
    valid[[2, 3]] = False
    au[5, 0] = np.nan  # of AU12 alone
    frames = np.arange(2, 18)
    units = unit_rows("a1", {"AU12": au[:, 0], "AU04": au[:, 1]})
    found = window_correlations(window_rows("a1", 0, frames, signed, valid=valid), units, least_bins=3)
    found = found.set_index(["region", "au"])["correlation"]
    for column, name in enumerate(("AU12", "AU04")):
        rows = valid & np.isfinite(au[frames, column])
        expected = stats.spearmanr(signed[rows, 1], au[frames[rows], column])[0]
        assert found["nose", name] == pytest.approx(expected)


def test_constant_series_are_undefined_not_0():
    rng = np.random.default_rng(2)
    signed = rng.normal(size=(16, 3))
    signed[:, 1] = 0.0
    units = unit_rows("a1", {"AU12": rng.normal(size=16), "AU04": np.ones(16)})
    found = window_correlations(window_rows("a1", 0, np.arange(16), signed), units, least_bins=3)
    found = found.set_index(["region", "au"])["correlation"]
    assert found.loc["nose"].isna().all()
    assert found.loc[:, "AU04"].isna().all()
    assert np.isfinite(found["mouth", "AU12"])


def test_two_frames_are_no_correlation():
    assert np.isnan(spearman(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [np.nan], [3.0]]))).all()


def test_presence_is_a_kind_of_its_own():
    rng = np.random.default_rng(3)
    signed, present = rng.normal(size=(16, 3)), (np.arange(16) % 3 > 0).astype(float)
    units = unit_rows("a1", {"AU12": rng.normal(size=16)}, presence={"AU12": present})
    found = window_correlations(window_rows("a1", 0, np.arange(16), signed), units, least_bins=3)
    own = found[(found["kind"] == "presence") & (found["region"] == "mouth")]
    assert own["correlation"].item() == pytest.approx(stats.spearmanr(signed[:, 0], present)[0])


def test_a_repeated_source_frame_is_one_frame():
    """Relevance of a resampled window is summed over the occurrences of a frame; here frame 4 comes three times."""
    rng = np.random.default_rng(4)
    once, times = rng.normal(size=(16, 3)), np.where(np.arange(16) == 4, 3, 1)
    own = window_rows("a1", 0, np.arange(16), once * times[:, None], area=100 * times)
    (window,) = windows_of(own, REGIONS)
    assert window.signed == pytest.approx(once)


def test_recordings_keep_their_own_lengths():
    """Neither filled up to the longest recording, nor cut where no face was found at the end."""
    relevance, units = a_study(5)
    last = (units["recording"] == "b2") & (units["frame"] >= 57)
    units.loc[last, "intensity"] = np.nan
    found = series_by_recording(windows_of(relevance, REGIONS), series_of(units, "intensity"))
    assert [len(one.whole) for one in found] == [120, 90, 60]
    assert np.isnan(found[2].whole[57:]).all()
    assert [one.participant for one in found] == ["a", "b", "b"]


def test_a_skipping_window_takes_its_own_frames():
    """30 frames a second resampled to 25: every sixth frame is skipped."""
    rng = np.random.default_rng(6)
    frames = np.array([f for f in range(24) if f % 6 != 5])
    au = rng.normal(size=60)
    signed = np.stack([au[frames], -au[frames], rng.normal(size=len(frames))], axis=1)
    run = run_of(window_rows("a1", 0, frames, signed), unit_rows("a1", {"AU12": au}))
    table = AuCorrelation(shifts=99).analyze(run).tables["au_correlation"].set_index("region")
    assert table.loc["mouth", "correlation"] == pytest.approx(0.999)
    assert table.loc["nose", "correlation"] == pytest.approx(-0.999)


def test_the_effect_tested_is_the_mean_of_the_windows():
    relevance, units = a_study(7)
    run = run_of(relevance, units)
    analyzer = AuCorrelation(shifts=99)
    table = as_described(analyzer, analyzer.analyze(run), run.recordings).tables["au_correlation"]
    windows = window_correlations(relevance, units, least_bins=8)
    z = windows.assign(z=fisher_z(windows["correlation"]))
    people = z.groupby(["region", "au", "participant"])["z"].mean()
    expected = np.tanh(people.groupby(["region", "au"]).mean())
    for row in table.to_dict("records"):
        assert row["correlation"] == pytest.approx(expected[row["region"], row["au"]])
        assert (row["participants"], row["windows"], row["undefined_windows"]) == (2, 6, 0)
    assert set(table["region"]) == {"mouth", "nose"}


def test_p_is_that_of_circular_shifts_and_q_of_the_whole_table():
    relevance, units = a_study(8)
    table = AuCorrelation(shifts=199).analyze(run_of(relevance, units)).tables["au_correlation"]
    own = windows_of(relevance, ["mouth", "nose"])
    recordings = series_by_recording(own, series_of(units, "intensity"))
    expected = circular_shift_test(recordings, np.random.default_rng(5), 199)
    assert table["p"].to_numpy() == pytest.approx(expected.p.ravel())
    assert table["q"].to_numpy() == pytest.approx(stats.false_discovery_control(table["p"]))


def test_one_window_a_recording_is_enough():
    """Windows sampled sparsely: relevance there alone, Action Units over the whole recording."""
    names, sizes = [f"{c}1" for c in "abcdefghij"], [160] * 10
    relevance, units = a_study(9, recordings=names, frames=sizes, effect=4.0, starts=(70,))
    analysis = AuCorrelation(shifts=999).analyze(run_of(relevance, units))
    table = analysis.tables["au_correlation"].set_index(["region", "au"])
    assert table.loc[("mouth", "AU12"), "q"] <= 0.01
    assert table.loc[("mouth", "AU12"), "correlation"] > 0.5
    assert "as one family of 4 tests: ig, planted, intensity: 2 regions × 2 Action Units" in " ".join(analysis.notes)


def test_smooth_series_without_a_tie_are_not_called_more_often_than_5_percent():
    """40 studies, 4 dependent tests each: whole studies are resampled for the bound."""
    p = []
    for seed in range(40):
        names, sizes = [f"{c}1" for c in "abcdef"], [100] * 6
        relevance, units = a_study(1000 + seed, recordings=names, frames=sizes, starts=(10, 50))
        own = windows_of(relevance, ["mouth", "nose"])
        recordings = series_by_recording(own, series_of(units, "intensity"))
        p.append((circular_shift_test(recordings, np.random.default_rng(seed), 99).p <= 0.05).mean())
    mean, error = np.mean(p), np.std(p) / np.sqrt(len(p))
    assert mean - 3 * error <= 0.05 <= mean + 3 * error
    assert mean <= 0.08


def test_held_out_recordings_come_first():
    relevance, units = a_study(10)
    training = relevance["recording"] == "a1"
    both = relevance.assign(split=np.where(training, "train", "test"))
    table = AuCorrelation(shifts=99).analyze(run_of(both, units)).tables["au_correlation"]
    assert set(table["participants"]) == {1}  # b alone
    alone = AuCorrelation(shifts=99).analyze(run_of(relevance.assign(split="train"), units))
    assert set(alone.tables["au_correlation"]["participants"]) == {2}
    assert any("No held-out recording was explained" in note for note in alone.notes)
    outside = AuCorrelation(shifts=99).analyze(run_of(relevance.assign(split="out_of_distribution"), units))
    assert not outside.tables
    assert "no labelled recording was explained" in outside.notes[0]


def test_uneven_frames_are_noted():
    relevance, units = a_study(11)
    even = AuCorrelation(shifts=99).analyze(run_of(relevance, units))
    assert not any("equally spaced" in note for note in even.notes)
    late = (units["recording"] == "b1") & (units["frame"] >= 30)
    units.loc[late, "time_s"] += 0.5
    uneven = AuCorrelation(shifts=99).analyze(run_of(relevance, units))
    assert any("The frames of 1 recording are not equally spaced" in note for note in uneven.notes)


def test_no_action_units_in_any_window_is_said():
    relevance, units = a_study(12)
    analysis = AuCorrelation(shifts=99).analyze(run_of(relevance, units.assign(recording="z1")))
    assert list(analysis.notes) == ["No explained frame has Action Units."]
    assert not AuCorrelation().analyze(run_of(relevance, empty("action_units"))).tables

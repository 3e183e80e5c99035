"""Agreement of methods on tables with planted agreement and disagreement."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mien.report.charts import HeatMap
from mien.statistics import mean_interval
from mien.steps.analyze import as_described
from mien.tables import empty
from mien_plugins.analyzers.agreement import Agreement

AREAS = {"mouth": 10, "nose": 20, "left_eye": 5, "elsewhere_face": 65, "background": 100}
FACE = ("mouth", "nose", "left_eye", "elsewhere_face")
FALLING = {"mouth": 16.0, "nose": 8.0, "left_eye": 1.0, "elsewhere_face": 4.0, "background": 2.0}


def rows(density, course, *, method, person="p0", window=0, split="test", **more):
    """Relevance of one window: `density` an element of each region, times `course`, one factor a frame."""
    found = []
    for frame, factor in enumerate(course):
        signed = {region: value * AREAS[region] * factor for region, value in density.items()}
        table = {**signed, "total": sum(signed.values())}
        size = {**{region: abs(value) for region, value in signed.items()}, "total": sum(map(abs, signed.values()))}
        found += [
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
                "positive": max(value, 0.0),
                "negative": min(value, 0.0),
                "absolute": size[region],
                "area": AREAS.get(region, sum(AREAS.values())),
                **more,
            }
            for region, value in table.items()
        ]
    return pd.DataFrame(found)


def run_of(*parts, control=None, unsigned=(), methods=None):
    relevance = pd.concat(parts, ignore_index=True)
    names = [*(methods or relevance["method"].unique())]
    return SimpleNamespace(
        relevance=relevance,
        control_relevance=empty("control_relevance") if control is None else pd.concat(control, ignore_index=True),
        recordings=relevance[["recording", "participant"]].drop_duplicates(),
        methods={name: SimpleNamespace(signed=name not in unsigned) for name in names},
        seed=3,
    )


def course(seed=0, frames=8):
    return np.random.default_rng(seed).normal(size=frames)


def found(run, **fields):
    analyzer = Agreement(**fields)
    analysis = as_described(analyzer, analyzer.analyze(run), run.recordings)
    pairs = analysis.tables["agreement"].set_index(["method", "other_method", "aspect"])
    return analysis, pairs


def spearman(one, other):
    return stats.spearmanr(one, other).statistic


def test_methods_that_agree_and_one_that_does_not():
    opposite = {region: 1 / value for region, value in FALLING.items()}
    times = course()
    parts = [
        part
        for person in ("a", "b", "c")
        for part in (
            rows(FALLING, times, method="ig", person=person),
            rows({region: value**3 for region, value in FALLING.items()}, 7 * times**3, method="lrp", person=person),
            rows(opposite, -times, method="cam", person=person),
        )
    ]
    _, pairs = found(run_of(*parts))
    assert len(pairs) == 3 * 2
    correlation = pairs["correlation"]
    for aspect in ("regions", "time"):
        assert correlation["ig", "lrp", aspect] == pytest.approx(0.999)  # clipped before Fisher's z
        assert correlation["ig", "cam", aspect] == pytest.approx(-0.999)
        assert correlation["lrp", "cam", aspect] == pytest.approx(-0.999)
    assert (pairs["participants"] == 3).all()
    assert (pairs["undefined"] == 0).all()


def test_regions_are_ranked_by_absolute_relevance_per_element_summed_over_windows():
    generator = np.random.default_rng(0)
    density = {name: generator.normal(size=(3, 2, len(AREAS))) for name in ("ig", "lrp")}
    courses = generator.normal(size=(3, 2, 8))
    parts = [
        rows(
            dict(zip(AREAS, density[name][person, window], strict=True)),
            courses[person, window],
            method=name,
            person=f"p{person}",
            window=window,
        )
        for name in density
        for person in range(3)
        for window in range(2)
    ]
    analysis, pairs = found(run_of(*parts))
    size = np.abs(courses).sum(2)[:, :, None]
    expected = [
        spearman(*(np.abs(density[name][person] * size[person]).sum(0) for name in density)) for person in range(3)
    ]
    people = analysis.tables["agreement_participants"]
    own = people[people["aspect"] == "regions"]
    np.testing.assert_allclose(own["correlation"], expected)
    assert own["windows"].tolist() == [2, 2, 2]
    row = pairs.loc["ig", "lrp", "regions"]
    z = np.arctanh(np.clip(expected, -0.999, 0.999))
    low, high = (float(np.tanh(end)[0]) for end in mean_interval(z[:, None], 2000, 3)[1:])
    assert (row["correlation"], row["low"], row["high"]) == pytest.approx((np.tanh(z.mean()), low, high))
    assert row["relevance"] == "absolute"


def test_time_is_the_face_by_frame_averaged_over_windows():
    noise = {name: np.random.default_rng(seed).normal(size=(2, 2, 8)) for seed, name in enumerate(("ig", "lrp"))}
    # The background goes another way, and must not count.
    parts = [
        pd.concat(
            [
                rows(dict.fromkeys(FACE, 1.0), noise[name][person, window], **place),
                rows({"background": 50.0}, course(9), **place),
            ]
        )
        for name in noise
        for person in range(2)
        for window in range(2)
        for place in [{"method": name, "person": f"p{person}", "window": window}]
    ]
    summed = [
        part.groupby([c for c in part if c not in ("signed", "positive", "negative", "absolute", "area")], sort=False)
        .sum()
        .reset_index()
        for part in parts
    ]
    analysis, pairs = found(run_of(*summed))
    z = [
        np.mean(
            [np.arctanh(spearman(noise["ig"][person, window], noise["lrp"][person, window])) for window in range(2)]
        )
        for person in range(2)
    ]
    people = analysis.tables["agreement_participants"]
    np.testing.assert_allclose(people[people["aspect"] == "time"]["correlation"], np.tanh(z))
    row = pairs.loc["ig", "lrp", "time"]
    assert row["correlation"] == pytest.approx(np.tanh(np.mean(z)))
    assert np.isnan(row["low"])  # two participants have no interval
    assert row["relevance"] == "signed"


def test_a_method_without_a_sign_is_compared_by_size():
    times = course()
    run = run_of(
        rows(FALLING, times, method="ig"), rows(FALLING, np.abs(times), method="saliency"), unsigned=["saliency"]
    )
    _, pairs = found(run)
    row = pairs.loc["ig", "saliency", "time"]
    assert row["correlation"] == pytest.approx(0.999)
    assert row["relevance"] == "absolute"
    assert abs(spearman(times, np.abs(times))) < 0.9  # signed relevance would not have agreed
    signed = found(run_of(rows(FALLING, times, method="ig"), rows(FALLING, np.abs(times), method="saliency")))[1]
    assert signed.loc["ig", "saliency", "time"]["correlation"] == pytest.approx(spearman(times, np.abs(times)))


SOURCE_FRAMES = {rate: np.floor(np.arange(16) * rate / 30 + 1e-9).astype(int) for rate in (15, 24, 25, 30)}
"""Which source frame each of 16 frames at 30 a second holds."""


def resampled(values, held, **place):
    """Relevance by source frame as it is written: the sum of a frame's occurrences, and the area of all of them."""
    whole = rows(dict.fromkeys(AREAS, 1.0), values, **place)
    times = whole["frame"].map(pd.Series(held).value_counts())
    sums = ["signed", "positive", "negative", "absolute", "area"]
    return whole.assign(**{name: whole[name] * times for name in sums})


@pytest.mark.parametrize("rate", SOURCE_FRAMES)
def test_a_source_frame_that_is_held_twice_counts_as_one(rate):
    """Independent methods: what frames are repeated is the same in both, and no agreement."""
    held = SOURCE_FRAMES[rate]
    frames = int(held.max()) + 1
    series = {name: 1 + 0.3 * np.random.default_rng(seed).normal(size=frames) for seed, name in enumerate("ab")}
    for unsigned in ((), ("b",)):
        run = run_of(*(resampled(values, held, method=name) for name, values in series.items()), unsigned=unsigned)
        correlation = found(run)[1].loc["a", "b", "time"]["correlation"]
        assert correlation == pytest.approx(spearman(*(np.abs(one) if unsigned else one for one in series.values())))


def test_a_method_that_hardly_resolves_time_shows_in_resampled_windows_too():
    held = SOURCE_FRAMES[25]
    frames = int(held.max()) + 1
    steps = np.repeat([1.0, 2.0], [6, frames - 6])
    run = run_of(
        resampled(1 + 0.3 * course(0, frames), held, method="ig"),
        resampled(1 + 0.3 * course(1, frames), held, method="lrp"),
        resampled(steps, held, method="cam"),
    )
    analysis, pairs = found(run)
    assert ("ig", "lrp", "time") in pairs.index
    assert any("cam is not compared over time: its relevance has 2 independent values" in n for n in analysis.notes)


def test_only_windows_that_both_methods_explained_are_compared_over_regions():
    """The network looks elsewhere in each window; the methods say the same of each, and one explained two of six."""
    generator = np.random.default_rng(1)
    density = [dict(zip(AREAS, generator.random(len(AREAS)), strict=True)) for _ in range(6)]
    parts = [rows(density[window], course(window), method="ig", window=window) for window in range(6)]
    parts += [rows(density[window], course(window), method="lrp", window=window) for window in range(2)]
    parts += [rows(density[window], course(window), method="cam", window=window) for window in range(5, 6)]
    analysis, pairs = found(run_of(*parts))
    assert pairs.loc["ig", "lrp", "regions"]["correlation"] == pytest.approx(0.999)
    people = analysis.tables["agreement_participants"].set_index(["method", "other_method", "aspect"])
    assert people["windows"].to_dict() == {
        ("ig", "lrp", "regions"): 2,
        ("ig", "cam", "regions"): 1,
        ("ig", "lrp", "time"): 2,
        ("ig", "cam", "time"): 1,
    }
    assert "lrp and cam are not compared: no window was explained by both." in analysis.notes


def test_large_regions_do_not_make_methods_agree():
    """The sums of both methods go by area; what they say beyond that is opposite."""
    rising = {region: 1 + 0.01 * rank for rank, region in enumerate(AREAS)}
    falling = {region: 1 - 0.01 * rank for rank, region in enumerate(AREAS)}
    _, pairs = found(run_of(rows(rising, course(), method="one"), rows(falling, course(), method="two")))
    assert pairs.loc["one", "two", "regions"]["correlation"] == pytest.approx(-0.999)


def test_relevance_that_does_not_vary_is_undefined_and_counted():
    none = dict.fromkeys(AREAS, 0.0)
    parts = []
    for seed, person in enumerate("abcd"):
        parts.append(rows(FALLING, course(seed), method="ig", person=person))
        parts.append(rows(FALLING if seed else none, course(seed), method="lrp", person=person))
    analysis, pairs = found(run_of(*parts))
    for aspect in ("regions", "time"):
        row = pairs.loc["ig", "lrp", aspect]
        assert (row["participants"], row["undefined"]) == (3, 1)
        assert row["correlation"] == pytest.approx(0.999)
    people = analysis.tables["agreement_participants"].set_index(["aspect", "participant"])
    assert np.isnan(people["correlation"]["time", "a"])
    assert people["undefined_windows"]["time", "a"] == 1
    assert sum("undefined for some participants" in note for note in analysis.notes) == 2


def test_frames_without_a_face_are_left_out():
    times, other = course(0), course(1)
    lost = [rows(FALLING, values, method=name) for name, values in (("ig", times), ("lrp", other))]
    for part in lost:
        part.loc[part["frame"] >= 5, "valid"] = False
    _, pairs = found(run_of(*lost))
    assert pairs.loc["ig", "lrp", "time"]["correlation"] == pytest.approx(spearman(times[:5], other[:5]))


def test_a_method_that_hardly_resolves_time_is_not_compared_over_it():
    steps = np.repeat([1.0, 2.0], 4)
    run = run_of(
        rows(FALLING, course(0), method="ig"),
        rows(FALLING, course(1), method="lrp"),
        rows(FALLING, steps, method="cam"),
    )
    analysis, pairs = found(run)
    assert ("ig", "cam", "regions") in pairs.index
    assert ("ig", "cam", "time") not in pairs.index
    assert "cam is not compared over time: its relevance has 2 independent values over a window, fewer than 4." in (
        analysis.notes
    )
    chart = analysis.charts[0]
    assert isinstance(chart, HeatMap)
    regions, time = (np.array(panel.values) for panel in chart.panels)
    assert list(chart.rows) == list(chart.x_names) == ["ig", "lrp", "cam"]
    assert np.isnan(np.diag(regions)).all()
    np.testing.assert_allclose(regions[0, 2], pairs.loc["ig", "cam", "regions"]["correlation"])
    np.testing.assert_array_equal(regions, regions.T)
    assert np.isnan(time[2]).all()
    np.testing.assert_allclose(time[1, 0], pairs.loc["ig", "lrp", "time"]["correlation"])


def test_untrained_networks_stand_beside_the_regions():
    opposite = {region: 1 / value for region, value in FALLING.items()}
    control = []
    for network, density in enumerate((FALLING, opposite)):
        control += [rows(FALLING, [1.0], method="ig", kind="untrained", network=network)]
        control += [rows(density, [1.0], method="lrp", kind="untrained", network=network)]
    control.append(rows(opposite, [1.0], method="ig", kind="permuted", network=0))
    whole = [part.drop(columns=["frame", "time_s", "valid"]) for part in control]
    parts = [rows(FALLING, course(), method=name) for name in ("ig", "lrp")]
    analysis, pairs = found(run_of(*parts, control=whole))
    row = pairs.loc["ig", "lrp", "regions"]
    assert row["untrained_networks"] == 2
    assert row[["untrained_lowest", "untrained_mean", "untrained_highest"]].tolist() == pytest.approx(
        [-0.999, 0, 0.999]
    )
    assert pairs.loc["ig", "lrp", "time"]["untrained_networks"] == 0
    assert any("untrained networks" in note for note in analysis.notes)


@pytest.mark.parametrize(
    ("parts", "note"),
    [
        ([rows(FALLING, course(), method="ig")], "ig is the only method"),
        ([rows(FALLING, course(), method="ig").iloc[:0]], "no labelled recording was explained"),
    ],
)
def test_fewer_than_two_methods_are_a_stated_gap(parts, note):
    analysis = Agreement().analyze(run_of(*parts))
    assert not analysis.tables
    assert note in analysis.notes[0]


def test_a_method_that_explained_nothing_is_told():
    parts = [rows(FALLING, course(), method=name) for name in ("ig", "lrp")]
    analysis, _ = found(run_of(*parts, methods=["ig", "lrp", "shap"]))
    assert "shap is not compared: no recording was explained by it." in analysis.notes


def test_notes_name_the_pairs_that_agree_most_and_least():
    opposite = {region: 1 / value for region, value in FALLING.items()}
    parts = [
        rows(density, course(seed), method=name)
        for seed, (name, density) in enumerate((("ig", FALLING), ("lrp", FALLING), ("cam", opposite)))
    ]
    analysis, _ = found(run_of(*parts))
    note = next(note for note in analysis.notes if note.startswith("Over regions"))
    assert "3 pairs of methods" in note
    assert "most ig and lrp" in note
    assert "least ig and cam" in note

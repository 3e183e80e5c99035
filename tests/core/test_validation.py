"""A network on other data: calibration and shift by closed forms, and verdicts by a table of all cases."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from mien.evaluation.replication import KEYS, replication_table, verdict
from mien.evaluation.validation import validation_table
from mien.registry import load_registry
from mien.report.draw_matplotlib import figure
from mien.report.draw_plotly import div
from mien.report.validation import validated
from mien.run.record import MetricValue
from mien.run.source import Figure, SourceRecord, read_source, write_source
from mien.statistics.distribution import PROBABILITIES, Spread, ks_distance, spread_of
from mien.tables import HYPOTHESES, STATISTICS, TABLES, conform

NAN = math.nan
UNITS = {"inter_ocular_distance": "pixels"}


def predictions(labels, said, per_participant=1):
    """Return a table `predictions` of one window a recording."""
    n = len(labels)
    people = [f"p{i // per_participant}" for i in range(n)]
    rows = {"recording": [f"r{i}" for i in range(n)], "participant": people, "session": [f"r{i}" for i in range(n)],
            "split": "test", "fold": 0, "window": 0, "start_s": 0.0, "end_s": 1.0, "label": labels,
            "prediction": said, "valid_fraction": 1.0}  # fmt: skip
    return conform("predictions", pd.DataFrame(rows))


def sizes(values):
    return pd.DataFrame({"participant": [f"p{i}" for i in range(len(values))], "inter_ocular_distance": values})


def metrics(value=2.0):
    row = {"split": "test", "subset": "all", "level": "participant", "metric": "mae", "value": value, "low": 1.0,
           "high": 3.0, "n": 8}  # fmt: skip
    return conform("metrics", pd.DataFrame([row]))


def source(**changes):
    fields = {
        "seed": 1,
        "versions": {},
        "objective": {"use": "regression"},
        "level": "participant",
        "metrics": [MetricValue(split="test", level="participant", metric="mae", value=1.5, low=1, high=2, n=9)],
        "calibration": {"slope": Figure(value=0.9, low=0.8, high=1.0, n=9)},
        "training_mean": 10.0,
        "labels": Spread(n=9, mean=10.0, sd=4.0),
        "faces": {"inter_ocular_distance": spread_of(np.arange(20.0))},
    }
    return SourceRecord(**(fields | changes))


def table(labels, said, faces=(10.0,), own=None):
    found = validation_table(metrics(), predictions(labels, said), sizes(list(faces)), UNITS, "participant", own, 0)
    return conform("validation", found).set_index(["topic", "quantity"])


def test_calibration_is_the_line_that_was_planted():
    said = np.linspace(0, 60, 12)
    found = table(3.0 + 0.5 * said, said)
    for quantity, planted in (("slope", 0.5), ("offset", 3.0)):
        row = found.loc[("calibration", quantity)]
        assert row[["value", "low", "high"]].to_numpy(float) == pytest.approx(planted)
        assert row["n"] == 12


def test_constant_predictions_have_no_calibration_and_the_note_says_so():
    found = table(np.arange(8.0), np.full(8, 3.0))
    assert math.isnan(found.loc[("calibration", "slope"), "value"])
    assert found.loc[("calibration", "slope"), "note"] == "The statistic is undefined."


def test_shift_is_in_standard_deviations_of_the_source():
    labels = np.arange(12.0)
    found = table(labels, labels, own=source())
    assert found.loc[("labels", "mean"), "source_value"] == 10.0
    assert found.loc[("labels", "mean"), "value"] == pytest.approx(5.5)
    assert found.loc[("labels", "shift"), "value"] == pytest.approx((5.5 - 10) / 4)
    low, high = found.loc[("labels", "mean"), ["low", "high"]].astype(float)
    assert found.loc[("labels", "shift"), "low"] == pytest.approx((low - 10) / 4)
    assert found.loc[("labels", "shift"), "high"] == pytest.approx((high - 10) / 4)
    assert found.loc[("labels", "sd"), "value"] == pytest.approx(labels.std(ddof=1))


def test_what_the_source_said_stands_beside():
    found = table(np.arange(8.0), np.arange(8.0), own=source())
    assert found.loc[("metric", "mae"), ["source_value", "value", "source_n", "n"]].tolist() == [1.5, 2.0, 9, 8]
    assert found.loc[("calibration", "slope"), "source_value"] == 0.9
    assert pd.isna(found.loc[("calibration", "offset"), "source_value"])


def test_without_a_source_nothing_is_compared_and_nothing_missing():
    found = table(np.arange(8.0), np.arange(8.0))
    assert found["source_value"].isna().all()
    assert found.loc[("labels", "mean"), "value"] == 3.5
    assert "does not say" in found.loc[("inter_ocular_distance", "ks_distance"), "note"]


def test_participants_count_alike_however_many_recordings_they_have():
    values = pd.DataFrame({"participant": ["a", "a", "a", "b"], "inter_ocular_distance": [10.0, 10, 10, 30]})
    found = validation_table(metrics(), predictions([1.0, 2, 3], [1.0, 2, 3]), values, UNITS, "participant", None, 0)
    mean = found.set_index(["topic", "quantity"]).loc[("inter_ocular_distance", "mean"), "value"]
    assert mean == 20.0


def test_equal_distributions_have_distance_0_and_disjoint_ones_1():
    values = np.random.default_rng(0).normal(size=30)
    assert ks_distance(spread_of(values), spread_of(values)) == 0
    assert ks_distance(spread_of(values), spread_of(values + 100)) == 1
    assert ks_distance(spread_of(np.full(8, 3.0)), spread_of(np.full(9, 3.0))) == 0
    assert ks_distance(spread_of(np.full(8, 3.0)), spread_of(np.full(9, 4.0))) == 1


@pytest.mark.parametrize("shift", [0.3, 1.0, 2.0])
def test_the_distance_by_quantiles_is_near_that_of_all_values(shift):
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=4000), rng.normal(shift, size=4000)
    assert ks_distance(spread_of(one), spread_of(other)) == pytest.approx(ks_2samp(one, other).statistic, abs=0.03)


def test_few_values_leave_no_quantiles_that_would_be_the_values_themselves():
    assert spread_of([1.0, 2, 3, 4]).quantiles == []
    assert math.isnan(ks_distance(spread_of([1.0, 2, 3, 4]), spread_of(np.arange(9.0))))
    assert len(spread_of(np.arange(5.0)).quantiles) == len(PROBABILITIES)
    assert spread_of([NAN, 2.0]) == Spread(n=1, mean=2.0)
    assert spread_of([]) == Spread(n=0)


CASES = [
    # of the source, here: effect, low, high, n -> verdict
    (0.6, 0.5, 0.1, 0.8, 20, "replicated"),
    (-0.6, -0.5, -0.8, -0.1, 20, "replicated"),
    (0.6, 0.15, 0.05, 0.25, 20, "replicated"),  # small, but on its side
    (0.6, -0.5, -0.8, -0.1, 20, "not_replicated"),  # the other side
    (-0.6, 0.5, 0.1, 0.8, 20, "not_replicated"),
    (0.6, 0.0, -0.2, 0.29, 20, "not_replicated"),  # excludes half of it
    (-0.6, 0.0, -0.29, 0.2, 20, "not_replicated"),
    (0.6, 0.1, -0.2, 0.31, 20, "undecided"),
    (-0.6, 0.1, -0.31, 0.2, 20, "undecided"),
    (0.6, 0.3, 0.0, 0.6, 20, "undecided"),  # 0 itself is no side
    (0.6, NAN, NAN, NAN, 20, "undecided"),
    (0.6, 0.5, NAN, NAN, 20, "undecided"),
    (0.6, 0.5, 0.1, 0.8, 2, "undecided"),
    (0.0, 0.5, 0.1, 0.8, 20, "undecided"),
    (NAN, 0.5, 0.1, 0.8, 20, "undecided"),
]


@pytest.mark.parametrize(("of_source", "effect", "low", "high", "n", "wanted"), CASES)
def test_verdicts(of_source, effect, low, high, n, wanted):
    said, reason = verdict(of_source, effect, low, high, n)
    assert said == wanted
    assert reason.endswith(".")


def test_a_small_effect_on_the_same_side_is_said_to_be_small():
    assert "below half" in verdict(0.6, 0.15, 0.05, 0.25, 20)[1]
    assert "below half" not in verdict(0.6, 0.5, 0.1, 0.8, 20)[1]


def _row(**changes):
    row = {"method": "ig", "measure": "share", "region": "mouth", "au": "", "source": "", "adjusted": False}
    return row | {"effect": 0.6, "low": 0.3, "high": 0.8, "p": 0.01, "n": 12} | changes


def test_the_keys_are_those_of_both_tables():
    for described in (STATISTICS, HYPOTHESES):
        assert set(KEYS) <= {column.name for column in described.columns}
    assert set(KEYS) <= {column.name for column in TABLES["replication"].columns}


def test_hypotheses_meet_the_effect_of_their_own_key():
    hypotheses = [_row(), _row(adjusted=True), _row(region="nose", effect=-0.5), _row(method="lrp")]
    here = pd.DataFrame([
        _row(region="nose", effect=-0.4, low=-0.6, high=-0.1, p=0.02, n=7),
        _row(adjusted=True, effect=0.0, low=-0.1, high=0.1),
        _row(effect=0.5, low=0.2, high=0.7, n=9),
    ])  # fmt: skip
    found = conform("replication", replication_table(hypotheses, here))
    assert found["verdict"].tolist() == ["replicated", "not_replicated", "replicated", "undecided"]
    assert found["effect"].tolist()[:3] == [0.5, 0.0, -0.4]
    assert found["n"].tolist() == [9, 12, 7, 0]
    assert found["reason"].iloc[3] == "It was not measured here."
    assert found["source_n"].tolist() == [12, 12, 12, 12]


def test_hypotheses_survive_the_file_beside_the_checkpoint(tmp_path):
    write_source(source(hypotheses=[_row()], statistics=[_row(low=None)]), tmp_path)
    read = read_source(tmp_path)
    assert read == source(hypotheses=[_row()], statistics=[_row(low=None)])
    assert replication_table(read.hypotheses, pd.DataFrame([_row()]))["verdict"].tolist() == ["replicated"]
    assert read_source(tmp_path / "none") is None
    json.loads((tmp_path / "source.json").read_text(), parse_constant=pytest.fail)


def test_the_section_is_drawn_for_the_screen_and_for_print():
    labels = np.arange(8.0)
    rows = conform("validation", table(labels, labels, own=source()).reset_index())
    verdicts = conform("replication", replication_table([_row(), _row(au="AU12", source="mesh")], None))
    section = validated(rows, verdicts, predictions(labels, labels), "score", "participant")
    assert [chart.name for chart in section.charts] == ["calibration", "replication"]
    for chart in section.charts:
        assert chart.name in div(chart)
        figure(chart)
    line = section.calibration.lines[0]
    assert (list(line.x), list(line.y)) == ([0.0, 7.0], [pytest.approx(0.0), pytest.approx(7.0)])
    assert "mouth AU12 (mesh)" in section.replication.rows[1][0]
    assert "labels regressed on predictions" in div(section.calibration)


def test_a_run_that_is_no_validation_has_no_section():
    assert validated(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), "score", "participant") is None


def test_labels_that_are_no_numbers_have_no_calibration_and_no_shift():
    found = validation_table(
        metrics(), predictions([0.0, 1, 0], [0.0, 1, 1]), sizes([10.0]), UNITS, "participant", None, 0,
        continuous=False,
    )  # fmt: skip
    assert set(found["topic"]) == {"metric", "inter_ocular_distance"}
    assert load_registry().create("objective", "regression").continuous

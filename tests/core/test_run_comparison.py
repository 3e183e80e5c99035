"""Two runs side by side: what differs is what was planted, whatever the order of the participants."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mien.cli.app import app
from mien.comparing.relevance import SHARE_FLOOR
from mien.comparing.run_folder import differences, read_run
from mien.comparing.runs import compare_runs
from mien.errors import ConfigError, DataError
from mien.evaluation import metrics_table
from mien.regions.pooling import SUMS
from mien.registry import load_registry
from mien.testing.training import SlopeScore

REGISTRY = load_registry()
PEOPLE = 8
CONFIG = {
    "seed": 1,
    "dataset": {"use": "manifest", "file": "videos.csv"},
    "objective": {"use": "regression", "name": "score", "minimum": 0.0, "maximum": 63.0},
    "pooling": {"shape": "hull", "padding": 0.25},
    "report": {"faces": "full"},
    "training": {"epochs": 3},
}
LABELS = np.linspace(0, 42, PEOPLE)
NAMES = [f"person {i}" for i in range(PEOPLE)]


def relevance(names, mouth, method):
    """Return rows in which the mouth has a share of all relevance, on a fifth of the face."""
    rows = []
    for name, share in zip(names, mouth, strict=True):
        amounts = {"mouth": (share, 20.0), "elsewhere_face": (1 - share, 80.0), "background": (0.0, 50.0),
                   "total": (1.0, 150.0)}  # fmt: skip
        for region, (amount, area) in amounts.items():
            sums = dict(zip(SUMS, (amount, amount, 0.0, amount, area), strict=True))
            rows.append({"method": method, "recording": f"{name} 1", "participant": name, "split": "test", "window": 0,
                         "frame": 0, "time_s": 0.0, "valid": True, "region": region} | sums)  # fmt: skip
    return pd.DataFrame(rows)


def write_run(
    folder, *, names=NAMES, labels=LABELS, said=None, mouth=None, method="ig", order=None, level="participant",
    finished="2026-01-01", **changes,
):  # fmt: skip
    """Write the folder of a run in which two windows of each person were held out."""
    config = CONFIG | changes
    names, labels = list(names), np.asarray(labels, float)
    said = labels if said is None else np.asarray(said, float)
    mouth = np.full(len(names), 0.4) if mouth is None else np.asarray(mouth, float)
    order = list(range(len(names))) if order is None else order
    rows = [
        {"recording": f"{names[i]} 1", "participant": names[i], "session": f"{names[i]} 1", "split": "test", "fold": 0,
         "window": window, "start_s": 0.0, "end_s": 1.0, "label": labels[i], "prediction": said[i] + move,
         "valid_fraction": 1.0}
        for i in order
        for window, move in enumerate((-0.5, 0.5))
    ]  # fmt: skip
    predictions = pd.DataFrame(rows)
    (folder / "tables").mkdir(parents=True)
    predictions.to_parquet(folder / "tables/predictions.parquet")
    objective = REGISTRY.create("objective", "regression")
    unseen = dict.fromkeys(predictions["recording"], True)
    metrics_table(predictions, unseen, objective, 0, 50).to_parquet(folder / "tables/metrics.parquet")
    found = relevance([names[i] for i in order], mouth[order], method)
    found.to_parquet(folder / "tables/relevance.parquet")
    predictions[["recording", "participant"]].drop_duplicates().to_parquet(folder / "tables/recordings.parquet")
    record = {"config": config, "finished": finished, "versions": {"torch": "2.0"}, "plugins": {}, "command": "run"}
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "summary.json").write_text(json.dumps({"level": level}))
    return folder


def compared(first, second, methods=None):
    return compare_runs(first, second, REGISTRY, methods)


def test_a_run_does_not_differ_from_itself(tmp_path):
    run = write_run(tmp_path / "a")
    found = compared(run, run)
    assert found.differences.empty
    assert not found.notes
    defined = found.metrics.set_index("metric")
    assert defined.index.tolist() == ["mae", "rmse", "pearson", "spearman", "ccc"]
    for column in ("difference", "low", "high"):
        assert (defined[column] == 0).all()
        assert (found.regions.query("region != 'background' or measure != 'density'")[column] == 0).all()
    assert defined.loc["mae", "p"] == 1
    assert (defined["participants"] == PEOPLE).all()


def test_a_planted_difference_is_found_whatever_the_order(tmp_path):
    order = [3, 1, 7, 0, 2, 6, 5, 4]
    first = write_run(tmp_path / "a", said=LABELS + 1)
    second = write_run(tmp_path / "b", said=LABELS + 3, order=order)
    found = compared(first, second).metrics.set_index("metric")
    for metric in ("mae", "rmse"):
        assert found.loc[metric, ["difference", "low", "high"]].to_numpy(float) == pytest.approx(2)
    assert found.loc["pearson", "difference"] == pytest.approx(0, abs=1e-12)
    assert found.loc["mae", "p"] == pytest.approx(2 / 2**PEOPLE)  # all differences have one sign
    back = compared(second, first).metrics.set_index("metric")
    assert back.loc["mae", "difference"] == pytest.approx(-2)


def test_only_common_participants_are_paired(tmp_path):
    first = write_run(tmp_path / "a", said=LABELS + 1)
    said = np.concatenate([LABELS[2:] + 2, [90.0, 90.0]])  # two strangers, judged badly
    second = write_run(tmp_path / "b", names=[*NAMES[2:], "x", "y"], labels=[*LABELS[2:], 1, 2], said=said)
    found = compared(first, second)
    mae = found.metrics.set_index("metric").loc["mae"]
    assert mae["participants"] == PEOPLE - 2
    assert mae["common_second"] == pytest.approx(2)
    assert mae["difference"] == pytest.approx(1)
    assert mae["second"] > 20  # all of its own
    assert set(found.regions["participants"]) == {PEOPLE - 2}


def test_shares_differ_by_log_ratios_and_densities_by_themselves(tmp_path):
    first = write_run(tmp_path / "a", mouth=np.linspace(0.2, 0.4, PEOPLE))
    second = write_run(tmp_path / "b", mouth=np.linspace(0.3, 0.6, PEOPLE), order=list(range(PEOPLE))[::-1])
    found = compared(first, second).regions.set_index(["region", "measure"])
    one, other = np.linspace(0.2, 0.4, PEOPLE), np.linspace(0.3, 0.6, PEOPLE)
    change = np.log(other / (1 - other)) - np.log(one / (1 - one))
    assert found.loc[("mouth", "share"), "difference"] == pytest.approx(change.mean())
    assert found.loc[("mouth", "density"), "difference"] == pytest.approx((other - one).mean() / 0.2)
    assert found.loc[("mouth", "share"), "first"] == pytest.approx(0.3)
    row = found.loc[("mouth", "share")]
    assert change.min() <= row["low"] <= change.mean() <= row["high"] <= change.max()
    assert found.loc[("background", "share"), "difference"] == 0  # nothing in both: the floor
    assert SHARE_FLOOR < 0.2


def test_with_too_few_in_common_nothing_is_paired_and_the_note_says_so(tmp_path):
    first = write_run(tmp_path / "a")
    second = write_run(tmp_path / "b", names=[*NAMES[:2], *(f"other {i}" for i in range(PEOPLE - 2))])
    found = compared(first, second)
    assert any("2 participants were held out by both runs" in note for note in found.notes)
    for table in (found.metrics, found.regions):
        assert table[["difference", "low", "high"]].isna().all().all()
        assert (table["participants"] == 0).all()
    assert found.metrics["second"].notna().all()
    assert found.regions.query("region == 'mouth' and measure == 'share'")["first"].iloc[0] == pytest.approx(0.4)


def test_what_was_configured_differently_comes_key_by_key(tmp_path):
    first = write_run(tmp_path / "a")
    second = write_run(tmp_path / "b", training={"epochs": 5, "batch": 2})
    found = differences(read_run(first), read_run(second))
    assert found.to_dict("split")["data"] == [
        ["configuration", "training.epochs", "3", "5"],
        ["configuration", "training.batch", "", "2"],
    ]


def test_methods_are_paired_by_name_or_as_told(tmp_path):
    first, second = write_run(tmp_path / "a"), write_run(tmp_path / "b", method="lrp")
    found = compared(first, second)
    assert found.regions.empty
    assert any("--method" in note for note in found.notes)
    mapped = compared(first, second, {"ig": "lrp"}).regions
    assert set(zip(mapped["first_method"], mapped["second_method"], strict=True)) == {("ig", "lrp")}
    with pytest.raises(DataError) as caught:
        compared(first, second, {"ig": "lrq"})
    assert "lrp" in caught.value.hint


def test_another_objective_refuses_the_metrics_with_the_reason(tmp_path):
    first = write_run(tmp_path / "a")
    second = write_run(tmp_path / "b", objective=CONFIG["objective"] | {"name": "BDI-II", "maximum": 10.0})
    found = compared(first, second)
    assert found.metrics.empty
    assert "name is 'score' and 'BDI-II'" in found.notes[0]
    assert "maximum" in found.notes[0]
    assert len(found.regions)  # where relevance falls can be compared all the same


def test_other_labels_of_the_same_people_are_noted(tmp_path):
    found = compared(write_run(tmp_path / "a"), write_run(tmp_path / "b", labels=LABELS[::-1]))
    assert any("8 of 8 common units differ" in note for note in found.notes)


def test_regions_that_were_pooled_differently_are_noted(tmp_path):
    second = write_run(tmp_path / "b", pooling={"shape": "box", "padding": 0.25})
    assert any("pooled differently" in note for note in compared(write_run(tmp_path / "a"), second).notes)


HIDDEN = {"report": {"faces": "none"}}


def test_pseudonyms_are_paired_only_where_they_must_mean_the_same_people(tmp_path):
    first = write_run(tmp_path / "a", **HIDDEN)
    same = compared(first, write_run(tmp_path / "b", **HIDDEN))
    assert (same.metrics["participants"] == PEOPLE).all()
    assert any("pseudonyms" in note for note in same.notes)
    for name, changes in {"seed": {"seed": 2}, "labels": {"labels": LABELS[::-1]}, "open": {"report": {}}}.items():
        found = compared(first, write_run(tmp_path / name, **(HIDDEN | changes)))
        assert (found.metrics["participants"] == 0).all(), name
        assert any("not paired" in note for note in found.notes)


def test_sessions_are_the_units_where_both_runs_say_so(tmp_path):
    runs = []
    for name, move in (("a", 1.0), ("b", 2.0)):
        run = write_run(tmp_path / name, level="recording")
        file = run / "tables/predictions.parquet"
        table = pd.read_parquet(file)
        table["recording"] = table["recording"] + table["window"].astype(str)
        table["label"] = table["label"] + 5 * table["window"]
        table["prediction"] = table["label"] + move * (1 - 2 * table["window"])
        table.to_parquet(file)
        runs.append(run)
    mae = compared(*runs).metrics.set_index("metric").loc["mae"]
    assert mae["common_first"] == pytest.approx(1)  # over participants the two errors would cancel
    assert mae["difference"] == pytest.approx(1)


class Classes(SlopeScore):
    """Labels and predictions are classes."""

    def metrics(self, predictions, labels):
        return {"accuracy": float((predictions == labels).mean())}


def test_classes_are_compared_as_each_run_measured_them(tmp_path):
    """By the class of most windows: their mean is none."""
    objective, labels = Classes(), np.arange(PEOPLE) % 3
    runs = []
    for name, wrong in (("a", []), ("b", [NAMES[2]])):
        run = write_run(tmp_path / name, labels=labels)
        table = pd.read_parquet(run / "tables/predictions.parquet")
        table = pd.concat([table.assign(window=window) for window in range(3)], ignore_index=True)
        mistaken = (table["window"] == 0) ^ table["participant"].isin(wrong)
        table["prediction"] = table["label"] + 2 * mistaken
        table.to_parquet(run / "tables/predictions.parquet")
        unseen = dict.fromkeys(table["recording"], True)
        metrics_table(table, unseen, objective, 0, 50).to_parquet(run / "tables/metrics.parquet")
        runs.append(run)
    registry = SimpleNamespace(create=lambda kind, use, fields: objective)
    accuracy = compare_runs(*runs, registry).metrics.set_index("metric").loc["accuracy"]
    assert accuracy["first"] == accuracy["common_first"] == 1
    assert accuracy["second"] == accuracy["common_second"] == 1 - 1 / PEOPLE
    assert accuracy["difference"] == pytest.approx(-1 / PEOPLE)


@pytest.mark.parametrize("content", [None, "{", '{"finished": "2026"}'])
def test_no_run_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(DataError) as caught:
        read_run(tmp_path)
    assert str(tmp_path) in caught.value.where


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="not finished"):
        read_run(write_run(tmp_path / "a", finished=None))


def test_a_missing_or_damaged_table_is_told(tmp_path):
    run = write_run(tmp_path / "a")
    (run / "tables/relevance.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="cannot be read"):
        compared(run, run)
    (run / "tables/relevance.parquet").unlink()
    with pytest.raises(DataError, match="no such table"):
        compared(run, run)


def test_the_command_line_prints_and_writes(tmp_path):
    first = write_run(tmp_path / "a")
    second = write_run(tmp_path / "b", said=LABELS + 2, training={"epochs": 9})
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["compare", str(first), str(second), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "training.epochs" in result.output
    assert "mouth" in result.output
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"comparison.json", "metrics.csv", "regions.parquet", "figures/difference_share.pdf"} <= files
    printed = CliRunner().invoke(app, ["compare", str(first), str(second), "--json"])
    found = json.loads(printed.output, parse_constant=pytest.fail)
    assert found == json.loads((out / "comparison.json").read_text())
    assert found["metrics"][0]["difference"] == pytest.approx(2 - 0.0)
    assert math.isclose(found["regions"][0]["first"], 0.4)


@pytest.mark.parametrize("given", [["ig"], ["ig="], ["a=b", "a=c"]])
def test_a_malformed_pair_of_methods_is_refused(given):
    from mien.cli.compare_command import _methods

    with pytest.raises(ConfigError, match="FIRST=SECOND"):
        _methods(given)

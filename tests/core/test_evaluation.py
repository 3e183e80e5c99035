"""Guarantees: tests of predictions are over participants and within folds; bands are counted, empty ones included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mien.evaluation import band_of, confusion_table, evaluation_table, training_means
from mien.interfaces import Objective
from mien.registry import load_registry
from mien.report.evaluation import confusion_chart, evaluation_grid, evaluation_notes
from mien.statistics import permutation_association, sign_flip
from mien.steps.measure import measure
from mien.tables import TABLES, conform
from mien.testing.training import SlopeScore
from mien.training.splits import Fold
from mien.types import Recording


@pytest.fixture(scope="module")
def regression() -> Objective:
    return load_registry().create("objective", "regression")


def predictions(
    labels, said, *, fold=0, session=None, participant=None, split="test", windows: int = 2
) -> pd.DataFrame:
    """Return a window table whose windows average to ``said``; a recording for each label."""
    table = pd.DataFrame({"label": np.asarray(labels, float), "prediction": np.asarray(said, float)})
    table["recording"] = [f"r{i}" for i in range(len(table))]
    table["participant"] = table["recording"] if participant is None else participant
    table["session"] = table["recording"] if session is None else session
    table = table.assign(fold=fold, split=split)
    return pd.concat(
        [table.assign(prediction=table["prediction"] + w - (windows - 1) / 2) for w in range(windows)],
        ignore_index=True,
    )


def evaluate(table: pd.DataFrame, objective: Objective, means: Mapping[int, float], unseen=None, level="participant"):
    unseen = dict.fromkeys(table["recording"], True) if unseen is None else unseen
    found = evaluation_table(table, unseen, objective, means, level, 0, permutations=999, resamples=200)
    return conform("evaluation", found)


def figures(found: pd.DataFrame, subset: str = "all") -> pd.DataFrame:
    return found[found["subset"] == subset].set_index("statistic")


def test_errors_are_paired_with_those_of_the_training_mean(regression) -> None:
    labels, said = np.array([2.0, 4.0, 9.0, 13.0, 7.0]), np.array([3.0, 4.5, 8.0, 10.0, 7.0])
    own = figures(evaluate(predictions(labels, said), regression, {0: 6.0}))
    ours, mean = np.abs(said - labels), np.abs(6 - labels)
    assert own.loc["mae", "value"] == pytest.approx(ours.mean())
    assert own.loc["rmse_of_training_mean", "value"] == pytest.approx(np.sqrt((mean**2).mean()))
    assert own.loc["rmse_skill", "value"] == pytest.approx(1 - np.sqrt((ours**2).mean() / (mean**2).mean()))
    for name, differences in (("absolute", mean - ours), ("squared", mean**2 - ours**2)):
        row = own.loc[f"{name}_error_reduction"]
        assert row["value"] == pytest.approx(differences.mean())
        assert row["p"] == sign_flip(differences, np.random.default_rng()).p  # exact with five
        assert row["low"] <= row["value"] <= row["high"]
    spearman = permutation_association(said, labels, np.random.default_rng())
    assert own.loc["spearman", ["value", "p"]].tolist() == pytest.approx([spearman.effect, spearman.p])
    assert (own["n"] == 5).all()


def test_sessions_are_averaged_within_their_participant(regression) -> None:
    # a has three sessions, b and c one each: errors 1, 1, 4 of a count as one, 2.
    table = predictions([1, 2, 3, 10, 20], [2, 3, 7, 13, 20], participant=list("aaabc"))
    own = figures(evaluate(table, regression, {0: 5.0}, level="recording"))
    assert own.loc["mae", "value"] == pytest.approx((2 + 3 + 0) / 3)
    assert own.loc["mae", "n"] == 3
    assert own.loc["mae", "level"] == "recording"
    assert own.loc["mae_of_training_mean", "value"] == pytest.approx((3 + 5 + 15) / 3)
    assert own.loc["pearson", "level"] == "participant"
    assert own.loc["pearson", "value"] == pytest.approx(np.corrcoef([2, 10, 20], [4, 13, 20])[0, 1])


def test_folds_have_their_own_mean_and_labels_are_permuted_within_them(regression) -> None:
    rng = np.random.default_rng(0)
    labels, fold = rng.normal(20, 5, size=24), np.arange(24) % 4
    means = {k: float(labels[fold != k].mean()) for k in range(4)}
    own = figures(evaluate(predictions(labels, labels + rng.normal(size=24), fold=fold), regression, means))
    assert own.loc["mae_of_training_mean", "value"] == pytest.approx(np.abs(labels - [means[k] for k in fold]).mean())
    assert own.loc["spearman", "p"] <= 0.002
    assert "Within folds" in own.loc["spearman", "note"]
    # The training mean itself, a little disturbed, correlates with the label across folds, and not within.
    empty = pd.Series(fold).map(means).to_numpy() + 1e-3 * rng.normal(size=24)
    assert abs(np.corrcoef(labels, empty)[0, 1]) > 0.2
    worthless = figures(evaluate(predictions(labels, empty, fold=fold), regression, means))
    assert worthless.loc["pearson", "p"] > 0.05
    assert abs(worthless.loc["rmse_skill", "value"]) < 0.01


def test_leave_one_out_has_skill_and_no_correlation(regression) -> None:
    labels = np.random.default_rng(1).normal(20, 5, size=12)
    means = {k: float(np.delete(labels, k).mean()) for k in range(12)}
    found = evaluate(predictions(labels, 0.9 * labels + 2, fold=np.arange(12)), regression, means)
    own = figures(found)
    assert own.loc[["pearson", "spearman"], ["value", "p", "low"]].isna().all(axis=None)
    assert "see rmse_skill" in own.loc["pearson", "note"]
    assert own.loc["rmse_skill", "value"] > 0.8
    assert any(note.startswith("Pearson, spearman: Not defined") for note in evaluation_notes(found))


def test_a_small_fold_is_left_out_and_told(regression) -> None:
    labels = np.random.default_rng(2).normal(size=8)
    table = predictions(labels, labels, fold=[0, 0, 0, 0, 1, 1, 1, 2])
    own = figures(evaluate(table, regression, {0: 0.0, 1: 0.0, 2: 0.0}))
    assert own.loc["pearson", "n"] == 7
    assert "1 participants in folds of fewer than 3 are left out" in own.loc["pearson", "note"]
    assert own.loc["mae", "n"] == 8


def test_unseen_persons_are_told_apart_and_none_is_a_gap(regression) -> None:
    labels = np.arange(6.0)
    table = predictions(labels, np.add(labels, (9, 9, 1, 1, 1, 1)))
    some = {f"r{i}": i > 1 for i in range(6)}
    own = evaluate(table, regression, {0: 2.0}, some)
    assert figures(own).loc["mae", "value"] == pytest.approx(22 / 6)
    assert figures(own, "unseen_persons").loc["mae", ["value", "n"]].tolist() == [1, 4]
    gap = figures(evaluate(table, regression, {0: 2.0}, dict.fromkeys(some, False)), "unseen_persons")
    assert len(gap) == 9
    assert gap["value"].isna().all()
    assert (gap["n"] == 0).all()
    assert gap["note"].str.startswith("Not defined").all()


def test_a_perfect_mean_leaves_no_skill(regression) -> None:
    own = figures(evaluate(predictions([5, 5, 5], [4, 5, 7]), regression, {0: 5.0}))
    assert np.isnan(own.loc["rmse_skill", "value"])
    assert "training mean makes no error" in own.loc["rmse_skill", "note"]
    assert "constant" in own.loc["pearson", "note"]


def test_training_splits_and_other_objectives_are_not_tested(regression) -> None:
    train = predictions([1, 2, 3], [1, 2, 3], split="train")
    assert evaluate(train, regression, {0: 2.0}).empty

    class Classes(type(regression)):
        continuous = False

    assert evaluate(predictions([0, 1, 1], [0, 1, 0]), Classes(), {0: 0.5}).empty


def test_training_means_count_each_session_once() -> None:
    def made(id_: str, person: str, label: float | None, session: str | None = None) -> Recording:
        return Recording(id=id_, participant=person, video=Path(f"{id_}.mp4"), label=label, session=session)

    recordings = [
        made("a1x", "a", 10.0, "1"),
        made("a1y", "a", 10.0, "1"),
        made("a2x", "a", 20.0, "2"),
        made("b1", "b", 60.0),
        made("c1", "c", None),
        made("d1", "d", 0.0),
    ]
    sides = dict.fromkeys(["a1x", "a1y", "a2x", "b1", "c1"], "train")
    folds = [Fold(0, {**sides, "d1": "test"}), Fold(1, dict.fromkeys(sides, "test") | {"d1": "validation"})]
    assert training_means(recordings, folds) == {0: 30.0}


# Bands


def test_bands_begin_at_their_lowest_label() -> None:
    bands = {"minimal": 0.0, "mild": 14.0, "moderate": 20.0, "severe": 29.0}
    found = band_of([-2, 0, 13.99, 14, 19.5, 20, 28.9, 29, 63], bands)
    names = ["minimal"] * 3 + ["mild"] * 2 + ["moderate"] * 2 + ["severe"] * 2
    assert found == names


def test_every_pair_of_bands_is_counted(regression) -> None:
    table = predictions([3, 10, 15, 40, 41], [4, 16, 15, 25, 50])
    found = conform("confusion", confusion_table(table, regression, "participant"))
    assert len(found) == 16
    counts = found.set_index(["true_band", "predicted_band"])["count"]
    members = {("minimal", "minimal"), ("minimal", "mild"), ("mild", "mild"), ("severe", "moderate")}
    assert {pair for pair, n in counts.items() if n} == {*members, ("severe", "severe")}
    assert counts.sum() == 5
    chart = confusion_chart(found)
    assert chart is not None
    assert list(chart.rows) == ["minimal (n = 2)", "mild (n = 1)", "moderate (n = 0)", "severe (n = 2)"]
    assert chart.panels[0].values[3] == [0, 0, 1, 1]
    assert chart.decimals == 0  # they are counts
    assert confusion_chart(conform("confusion", confusion_table(table.head(2), regression, "participant"))) is None


def test_windows_are_averaged_before_they_are_put_into_bands(regression) -> None:
    table = predictions([15.0], [15.0], windows=21)  # from 5 to 25
    found = confusion_table(table, regression, "session")
    assert found.loc[found["count"] > 0, ["level", "predicted_band"]].to_numpy().tolist() == [["participant", "mild"]]


def test_classes_are_not_averaged_into_a_band_between_them() -> None:
    classes = SlopeScore(bands={"low": 0.0, "middle": 1.0, "high": 2.0})
    assert not classes.continuous
    table = predictions([2, 2, 2], [0, 2, 2], windows=1).assign(participant="p", session="r", recording="r")
    other = predictions([0], [0], windows=1).assign(participant="p", session="s", recording="s")
    one, both = (confusion_table(own, classes, "participant") for own in (table, pd.concat([table, other])))
    columns = ["level", "true_band", "predicted_band"]
    assert one.loc[one["count"] > 0, columns].to_numpy().tolist() == [["participant", "high", "high"]]
    # A participant of two classes is of neither.
    found = both.loc[both["count"] > 0, columns].to_numpy().tolist()
    assert found == [["recording", "low", "low"], ["recording", "high", "high"]]


# The step, and the report


def test_all_three_tables_come_out_and_fit(regression) -> None:
    labels = np.arange(8.0) * 5
    table = predictions(labels, labels + 1)
    outside = predictions([np.nan], [3], split="out_of_distribution").assign(recording="x", participant="x")
    recordings = table.drop_duplicates("recording")[["recording", "participant", "session", "label"]]
    recordings = recordings.assign(unseen=True, split="test")
    found = measure(pd.concat([table, outside]), recordings, regression, {0: 12.0}, 0)
    assert set(found) == {"metrics", "evaluation", "confusion"} <= set(TABLES)
    assert set(found["metrics"]["split"]) == {"test"}
    grid = evaluation_grid(found["evaluation"])
    assert grid is not None
    assert [row[1] for row in grid.rows] == [
        "mean absolute error",
        "RMSE (gain: skill)",
        "Pearson r (labels permuted)",
        "Spearman r (labels permuted)",
    ]
    assert grid.rows[0][2] == "1.00 (1.00 to 1.00)"
    nothing = measure(outside, recordings, regression, {}, 0)
    assert all(table.empty for table in nothing.values())
    assert evaluation_grid(nothing["evaluation"]) is None
    assert evaluation_notes(nothing["evaluation"]) == []
    assert confusion_chart(nothing["confusion"]) is None

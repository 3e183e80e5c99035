"""Guarantees: values by level, and intervals over participants that cover as often as they say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from mien.evaluation import at_levels
from mien.evaluation.metrics import METRIC_COLUMNS
from mien.evaluation.metrics import metrics_table as table_of_metrics
from mien.interfaces import LabelScale, Objective
from mien.statistics import interval, resampled_rows


class _Bias(Objective):
    """Mean error, whose distribution is known."""

    continuous = True

    @property
    def outputs(self) -> int:
        return 1

    def check_label(self, label: float) -> str | None:
        return None

    def fit(self, labels):
        return LabelScale()

    def loss(self, output, labels, scale):
        return output.mean()

    def predict(self, output, scale):
        return output[:, 0]

    def target(self, output):
        return output[:, 0]

    def metrics(self, predictions, labels) -> Mapping[str, float]:
        error = predictions - labels
        varied = np.ptp(labels) > 0
        return {"bias": float(error.mean()), "slope": float(np.ptp(error)) if varied else float("nan")}


def _predictions(people: int, recordings: int, windows: int, seed: int, split: str = "test") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    person = rng.normal(size=people)
    rows = []
    for p in range(people):
        for r in range(recordings):
            for w in range(windows):
                rows.append(
                    {
                        "recording": f"{p}-{r}",
                        "participant": f"{p}",
                        "session": f"{p}-{r}",
                        "fold": 0,
                        "split": split,
                        "window": w,
                        "label": float(r + p),
                        "prediction": r + p + person[p] + 0.1 * rng.normal(),
                    }
                )
    return pd.DataFrame(rows)


def metrics_table(predictions: pd.DataFrame, objective: Objective, seed: int, **options) -> pd.DataFrame:
    unseen = dict.fromkeys(predictions["recording"], True)
    return table_of_metrics(predictions, unseen, objective, seed, **options)


def test_levels_by_hand() -> None:
    table = pd.DataFrame(
        {
            "participant": ["a", "a", "a", "b"],
            "recording": ["a1", "a1", "a2", "b1"],
            "session": ["a1", "a1", "a2", "b1"],
            "fold": 0,
            "label": [1.0, 1.0, 4.0, 9.0],
            "prediction": [0.0, 2.0, 6.0, 8.0],
        }
    )
    levels = at_levels(table)
    assert list(levels) == ["window", "recording", "participant"]
    assert levels["recording"]["prediction"].tolist() == [1, 6, 8]
    assert levels["participant"]["prediction"].tolist() == [3.5, 8]
    assert levels["participant"]["label"].tolist() == [2.5, 9]


def test_sessions_are_a_level_of_their_own() -> None:
    # Two tasks a session; participant b has one session only, a has two, of which one has a single task.
    table = pd.DataFrame(
        {
            "participant": ["a", "a", "a", "b", "b"],
            "recording": ["a1x", "a1y", "a2x", "b1x", "b1y"],
            "session": ["1", "1", "2", "1", "1"],
            "fold": 0,
            "label": [4.0, 4.0, 10.0, 9.0, 9.0],
            "prediction": [0.0, 2.0, 6.0, 8.0, 8.0],
        }
    )
    levels = at_levels(table)
    assert list(levels) == ["window", "recording", "session", "participant"]
    assert levels["session"]["prediction"].tolist() == [1, 6, 8]
    assert levels["participant"]["prediction"].tolist() == [3.5, 8]  # not the mean over recordings, 8 / 3
    assert levels["participant"]["label"].tolist() == [7, 9]


def test_persons_who_are_shared_have_a_figure_beside() -> None:
    predictions = _predictions(6, 1, 2, 0)
    unseen = {name: not name.startswith(("0", "1")) for name in predictions["recording"]}
    table = table_of_metrics(predictions, unseen, _Bias(), seed=0, resamples=20)
    people = table[(table["level"] == "participant") & (table["metric"] == "bias")].set_index("subset")
    assert people["n"].to_dict() == {"all": 6, "unseen_persons": 4}
    fresh = predictions[~predictions["participant"].isin(["0", "1"])]
    assert people.loc["unseen_persons", "value"] == pytest.approx((fresh["prediction"] - fresh["label"]).mean())
    nobody = table_of_metrics(predictions, dict.fromkeys(unseen, False), _Bias(), seed=0, resamples=20)
    gap = nobody[nobody["subset"] == "unseen_persons"]
    assert len(gap) == len(nobody) / 2
    assert (gap["n"] == 0).all()
    assert gap["value"].isna().all()


def test_table_has_a_row_for_each_split_level_and_metric() -> None:
    predictions = pd.concat(
        [
            _predictions(4, 2, 3, 0, "train"),
            _predictions(5, 2, 3, 1, "test"),
            _predictions(2, 1, 1, 2, "out_of_distribution").assign(label=np.nan),
        ]
    )
    table = metrics_table(predictions, _Bias(), seed=0, resamples=20)
    assert tuple(table.columns) == METRIC_COLUMNS
    assert len(table) == 2 * 3 * 2
    counts = table.drop_duplicates(["split", "level"]).set_index(["split", "level"])["n"]
    assert counts["train"].to_dict() == {"window": 24, "recording": 8, "participant": 4}
    assert counts["test"].to_dict() == {"window": 30, "recording": 10, "participant": 5}
    assert (table["low"] <= table["value"] + 1).all()


def test_it_is_deterministic_and_does_not_depend_on_the_order_of_rows() -> None:
    predictions = _predictions(6, 2, 2, 3)
    first = metrics_table(predictions, _Bias(), seed=5, resamples=50)
    again = metrics_table(predictions.sample(frac=1, random_state=1), _Bias(), seed=5, resamples=50)
    pd.testing.assert_frame_equal(first, again)


def test_two_participants_have_no_interval() -> None:
    table = metrics_table(_predictions(2, 3, 2, 0), _Bias(), seed=0)
    assert table[["low", "high"]].isna().all(axis=None)
    assert table["value"].notna().all()


def test_no_labels_give_an_empty_table() -> None:
    table = metrics_table(_predictions(3, 1, 1, 0).assign(label=np.nan), _Bias(), seed=0)
    assert tuple(table.columns) == METRIC_COLUMNS
    assert table.empty


def test_participants_are_drawn_with_all_their_rows() -> None:
    owners = np.array([2, 0, 1, 0, 2, 2])
    for rows in resampled_rows(owners, 50, np.random.default_rng(0)):
        drawn = owners[rows]
        for person, size in ((0, 2), (1, 1), (2, 3)):
            assert np.count_nonzero(drawn == person) % size == 0


def test_undefined_resamples_are_left_out() -> None:
    assert interval([float("nan"), 1.0, 3.0]) == pytest.approx((1.05, 2.95))
    assert np.isnan(interval([float("nan")])).all()


INF = float("inf")


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([1.0, 3.0, INF], (1.1, INF)),  # percentiles between 1 and 3, and between 3 and what is infinite
        ([float("nan"), INF, INF], (INF, INF)),
        ([-INF, 1.0, 3.0], (-INF, 2.9)),
        ([-INF, INF], (-INF, INF)),
        ([*range(40), INF], (1.0, 39.0)),  # the 2nd and the 40th, exactly
        ([*range(1000), INF], (25.0, 975.0)),  # one in a thousand reaches no end
    ],
)
def test_an_infinite_resample_is_a_value(values: list[float], ends: tuple[float, float]) -> None:
    assert interval(values) == pytest.approx(ends)


def test_the_interval_is_as_wide_as_theory_says() -> None:
    # The bias at participant level is a mean over people, whose standard error has a closed form.
    predictions = _predictions(60, 2, 2, 11)
    table = metrics_table(predictions, _Bias(), seed=1, resamples=2000)
    row = table[(table["level"] == "participant") & (table["metric"] == "bias")].iloc[0]
    people = at_levels(predictions)["participant"]
    error = (people["prediction"] - people["label"]).to_numpy()
    half = 1.96 * error.std() / np.sqrt(len(error))
    assert row["low"] == pytest.approx(error.mean() - half, abs=0.1 * half)
    assert row["high"] == pytest.approx(error.mean() + half, abs=0.1 * half)


def test_the_interval_covers_the_truth_although_windows_are_many() -> None:
    covered = 0
    for seed in range(100):
        table = metrics_table(_predictions(20, 1, 5, seed), _Bias(), seed=seed, resamples=200)
        row = table[(table["level"] == "window") & (table["metric"] == "bias")].iloc[0]
        covered += row["low"] <= 0 <= row["high"]
    assert 86 <= covered <= 99  # resampling windows instead of people covers in about half of the cases

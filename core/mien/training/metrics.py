"""How good predictions are, by window, recording and participant, with intervals over participants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mien.interfaces.objective import Objective
from mien.types import FloatArray

LEVELS = ("window", "recording", "participant")
METRIC_COLUMNS = ("split", "level", "metric", "value", "low", "high", "n")
RESAMPLES = 1000
FEWEST_PARTICIPANTS = 3
"""With fewer participants an interval says nothing, and is NaN."""


def metrics_table(
    predictions: pd.DataFrame, objective: Objective, seed: int, resamples: int = RESAMPLES
) -> pd.DataFrame:
    """Return the objective's metrics for each split and level.

    Intervals are 95 % percentile bootstrap intervals (Efron & Tibshirani 1993) over participants: they are
    resampled with all their rows, because windows and recordings of one person are not independent.

    Parameters
    ----------
    predictions : DataFrame
        The table ``predictions``, one row a window; rows without a label are left out.
    objective : Objective
    seed : int
    resamples : int

    Returns
    -------
    DataFrame
        The table ``metrics``: split, level, metric, value, low, high, n.  A split without labels has no rows.
    """
    rows: list[dict[str, Any]] = []
    labelled = predictions[predictions["label"].notna() & predictions["prediction"].notna()]
    for split, of_split in labelled.groupby("split", sort=True):
        for level, table in at_levels(of_split).items():
            rows += _rows(table, objective, np.random.default_rng([seed, LEVELS.index(level)]), resamples, split, level)
    return pd.DataFrame(rows, columns=list(METRIC_COLUMNS))


def at_levels(predictions: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Return label and prediction by window, by recording (mean of its windows) and by participant (of those)."""
    window = predictions[["participant", "recording", "label", "prediction"]]
    recording = window.groupby(["participant", "recording"], sort=True, as_index=False).mean()
    participant = recording.drop(columns="recording").groupby("participant", sort=True, as_index=False).mean()
    return {"window": window, "recording": recording, "participant": participant}


def _rows(
    table: pd.DataFrame,
    objective: Objective,
    rng: np.random.Generator,
    resamples: int,
    split: Any,
    level: str,
) -> list[dict[str, Any]]:
    predicted = table["prediction"].to_numpy(float)
    labels = table["label"].to_numpy(float)
    owners, _ = pd.factorize(table["participant"], sort=True)
    values = objective.metrics(predicted, labels)
    drawn = [objective.metrics(predicted[rows], labels[rows]) for rows in resampled_rows(owners, resamples, rng)]
    rows = []
    for metric, value in values.items():
        low, high = interval([sample[metric] for sample in drawn])
        rows.append(
            {
                "split": split,
                "level": level,
                "metric": metric,
                "value": value,
                "low": low,
                "high": high,
                "n": len(table),
            }
        )
    return rows


def resampled_rows(
    owners: npt.NDArray[np.intp], resamples: int, rng: np.random.Generator
) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each resample: participants drawn with replacement, each with all its rows.

    Parameters
    ----------
    owners : ndarray of int, shape (n,)
        The participant of each row, numbered from 0.

    Returns
    -------
    list of ndarray of int
        Empty when there are fewer than `FEWEST_PARTICIPANTS`.
    """
    participants = int(owners.max()) + 1 if len(owners) else 0
    if participants < FEWEST_PARTICIPANTS:
        return []
    order = np.argsort(owners, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(owners))[:-1])
    draws = rng.integers(participants, size=(resamples, participants))
    return [np.concatenate([members[one] for one in draw]) for draw in draws]


def interval(values: Sequence[float] | FloatArray) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percentiles of the finite values; NaN when there are none."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)

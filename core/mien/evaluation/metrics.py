"""The objective's metrics by window, recording, session and participant, with intervals over participants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mien.evaluation.units import at_levels, subsets
from mien.interfaces.objective import Objective
from mien.promises import at_work, broken
from mien.statistics import interval, resampled_rows
from mien.tables import LEVELS

METRIC_COLUMNS = ("split", "subset", "level", "metric", "value", "low", "high", "n")
RESAMPLES = 1000


def metrics_table(
    predictions: pd.DataFrame,
    unseen: Mapping[str, bool],
    objective: Objective,
    seed: int,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Return the objective's metrics for each split, subset and level.

    Intervals are 95 % percentile bootstrap intervals over participants (see `mien.statistics.bootstrap`).  Where all
    of the test's people are known to the network, the subset ``unseen_persons`` is undefined, with n = 0.

    Parameters
    ----------
    predictions : DataFrame
        The table ``predictions``, one row a window; rows without a label are left out.
    unseen : mapping of str to bool
        By recording: whether the network that judges it has seen nothing of its person.
    objective : Objective
    seed : int
    resamples : int

    Returns
    -------
    DataFrame
        The table ``metrics``.  A split without labels has no rows.
    """
    rows: list[dict[str, Any]] = []
    names: dict[str, list[tuple[str, str]]] = {}
    for split, subset, own in subsets(predictions, unseen):
        place = {"split": split, "subset": subset}
        if own.empty:
            empty = {"value": np.nan, "low": np.nan, "high": np.nan, "n": 0}
            rows += [place | {"level": level, "metric": metric} | empty for level, metric in names[split]]
            continue
        for level, table in at_levels(own, continuous=objective.continuous).items():
            rng = np.random.default_rng([seed, LEVELS.index(level)])
            rows += [place | {"level": level} | row for row in _rows(table, objective, rng, resamples)]
        names.setdefault(split, [(row["level"], row["metric"]) for row in rows if row["split"] == split])
    return pd.DataFrame(rows, columns=list(METRIC_COLUMNS))


def _rows(table: pd.DataFrame, objective: Objective, rng: np.random.Generator, resamples: int) -> list[dict[str, Any]]:
    predicted = table["prediction"].to_numpy(float)
    labels = table["label"].to_numpy(float)
    owners, _ = pd.factorize(table["participant"], sort=True)
    with at_work(objective, "metrics"):
        values = objective.metrics(predicted, labels)
    _check(objective, values)
    # One pass over the resamples serves all metrics, which an objective computes together.
    with at_work(objective, "metrics"):
        drawn = [objective.metrics(predicted[rows], labels[rows]) for rows in resampled_rows(owners, resamples, rng)]
    found = []
    for metric, value in values.items():
        low, high = interval([sample[metric] for sample in drawn])
        found.append({"metric": metric, "value": value, "low": low, "high": high, "n": len(table)})
    return found


def _check(objective: Objective, values: object) -> None:
    promised = "'metrics' returns numbers by their names"
    if not isinstance(values, Mapping):
        raise broken(objective, f"Its metrics are {type(values).__name__}.", promised)
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, int | float | np.number):
            raise broken(objective, f"Its metric {name!r} is {value!r}.", promised)

"""Sums scores up over participants, beside the untrained networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from mien.benchmark.measures import MEASURES
from mien.benchmark.tables import ALL, SUMMARY
from mien.statistics import mean_interval
from mien.tables import conform
from mien.types import FloatArray

RESAMPLES = 1000


def summarise(scores: pd.DataFrame, models: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return the table `SUMMARY`: each measure of each method on each task, for every seed and for all of them.

    The participant is the unit.  Over all seeds, a participant's values are averaged over the seeds first, so that
    seeds count as repetitions and not as further people.  All methods of a task are drawn together.

    Controls are means over participants of one untrained network each.  A seed that has no untrained networks of its
    own stands beside all of its task's.

    Parameters
    ----------
    scores : DataFrame
        `mien.benchmark.tables.SCORES`.
    models : DataFrame
        `mien.benchmark.tables.MODELS`; decides the order of the tasks, where there is one.
    seed : int
        Of the bootstrap.
    """
    own, controls = judged(scores), _controls(scores)
    rows: list[dict[str, Any]] = []
    for task in dict.fromkeys([*models["task"], *scores["task"]]):
        rows.extend({"task": task, **row} for row in _of_task(own[own["task"] == task], controls.get(task, {}), seed))
    return conform(SUMMARY, pd.DataFrame(rows, columns=[column.name for column in SUMMARY.columns]))


def judged(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores in the network that learnt the task.

    That is the trained one; of a task of shuffled labels, which has none, the one that learnt those.
    """
    has_trained = scores["task"].isin(set(scores.loc[scores["network"] == "trained", "task"]))
    return scores[scores["network"] == np.where(has_trained, "trained", "shuffled")]


Key = tuple[str, str, str]
"""Method, measure, and a seed or `ALL`."""

_Controls = dict[str, dict[Key, FloatArray]]


def _controls(scores: pd.DataFrame) -> _Controls:
    """Return, by task, the mean over participants of each untrained network, for a seed and for all."""
    untrained = scores[(scores["network"] == "untrained") & scores["value"].notna()]
    keys = ["task", "method", "measure", "seed", "index"]
    means = untrained.groupby(keys, sort=False, observed=True)["value"].mean().reset_index()
    found: _Controls = {}
    for (task, method, measure), own in means.groupby(keys[:3], sort=False):
        by_seed = found.setdefault(str(task), {})
        by_seed[str(method), str(measure), ALL] = own["value"].to_numpy(float)
        for one, of_seed in own.groupby("seed"):
            by_seed[str(method), str(measure), str(one)] = of_seed["value"].to_numpy(float)
    return found


def _of_task(values: pd.DataFrame, controls: dict[Key, FloatArray], seed: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of one task: by method, then by seed, then by measure."""
    if values.empty:
        return
    parts = [(str(one), values[values["seed"] == one]) for one in sorted(values["seed"].unique())]
    wide = pd.concat({name: _by_participant(part) for name, part in [*parts, (ALL, values)]}, axis=1)
    mean, low, high = mean_interval(wide.to_numpy(float), RESAMPLES, seed)
    known = wide.notna().to_numpy().sum(0)
    asked = values.groupby(["method", "measure"], observed=True)["participant"].nunique()
    columns: list[Any] = wide.columns.tolist()
    places = {column: place for place, column in enumerate(columns)}
    measures = {name: number for number, name in enumerate(MEASURES)}
    methods = {name: number for number, name in enumerate(dict.fromkeys(values["method"]))}
    for column in sorted(places, key=lambda one: (methods[one[1]], one[0] == ALL, one[0], measures[one[2]])):
        one, method, measure = column
        place = places[column]
        beside = controls.get((method, measure, one), controls.get((method, measure, ALL), _NOTHING))
        yield {
            "seed": one,
            "method": method,
            "measure": measure,
            "mean": mean[place],
            "low": low[place],
            "high": high[place],
            "control_mean": beside.mean() if len(beside) else np.nan,
            "control_low": beside.min(initial=np.inf) if len(beside) else np.nan,
            "control_high": beside.max(initial=-np.inf) if len(beside) else np.nan,
            "controls": len(beside),
            "n": int(known[place]),
            "undefined": max(0, int(asked[method, measure]) - int(known[place])),
        }


_NOTHING: FloatArray = np.zeros(0)


def _by_participant(values: pd.DataFrame) -> pd.DataFrame:
    """Return participants by (method, measure), averaged over seeds; NaN where undefined in all of them."""
    keys = ["participant", "method", "measure"]
    return values.groupby(keys, sort=False, observed=True)["value"].mean().unstack(["method", "measure"])

"""Ranks attribution methods by what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mien.benchmark.measures import MEASURES, Group, Measure
from mien.benchmark.summary import RESAMPLES, judged
from mien.benchmark.tables import LEADERBOARD
from mien.benchmark.tasks import TASKS
from mien.statistics import mean_interval
from mien.statistics.bootstrap import FEWEST, interval
from mien.tables import conform
from mien.types import FloatArray

UNIT_TASKS = tuple(task.name for task in TASKS if task.units and task.badge == "none" and not task.shuffled)
"""Tasks whose label is an Action Unit, on which measures are summed up."""

RULE = (
    "For each task of an Action Unit and each measure of planted truth and of faithfulness, methods are ranked "
    "by their mean over participants, the best first; the share on the badge is ranked on the task where the "
    "badge is the only cue. Means that are equal in three digits share the mean of their ranks. A method for "
    "which a measure is undefined, or not applicable, shares the last ranks of it; a measure that no method has is "
    "left out. Ranks are averaged over tasks, then over the measures of a group; the mean rank is the mean of both "
    "groups, each with the same weight. Its interval ranks the methods anew in 1,000 bootstrap samples of the "
    "participants. Completeness, seconds and memory do not count."
)
"""How the leaderboard is ordered."""

OWN_RULE = (
    "For each measure of faithfulness, methods are ranked by their mean over participants, the best first. Means that "
    "are equal in three digits share the mean of their ranks. A method for which a measure is undefined shares the "
    "last ranks of it; a measure that no method has is left out. The mean rank is over the measures. Its interval "
    "ranks the methods anew in 1,000 bootstrap samples of the participants. Completeness, seconds and memory do not "
    "count."
)
"""The same without planted truth: there are no tasks."""

_GROUPS: tuple[Group, ...] = ("planted", "faithfulness")
_DIGITS = 3


@dataclass(frozen=True)
class Cells:
    """Participants' values of every method, for each measure on each task that counts.

    Attributes
    ----------
    measures : sequence of Measure
        One a cell: the same measure on several tasks comes several times.
    methods : sequence of str
    values : ndarray, shape (participants, cells, methods)
        Averaged over seeds; NaN where undefined.
    """

    measures: Sequence[Measure]
    methods: Sequence[str]
    values: FloatArray


def tasks_of(measure: Measure, tasks: Sequence[str]) -> list[str]:
    """Return the tasks, of those that were run, over which a measure is summed up; a task without name always."""
    counted = measure.tasks or UNIT_TASKS
    return [task for task in tasks if task in counted or task == ""]


def cells(scores: pd.DataFrame, names: Sequence[str] = tuple(MEASURES)) -> Cells:
    """Return the values of some measures; those that no method has on a task are left out."""
    own = judged(scores)
    methods, tasks = list(dict.fromkeys(own["method"])), list(dict.fromkeys(own["task"]))
    people = list(dict.fromkeys(own["participant"]))
    averaged = own.groupby(["task", "measure", "participant", "method"], observed=True)["value"].mean()
    present = set(zip(own["task"], own["measure"], strict=True))
    measures, values = [], []
    for name in names:
        for task in tasks_of(MEASURES[name], tasks):
            if (task, name) in present:
                found = averaged.loc[task, name].unstack("method").reindex(index=people, columns=methods)
                if found.notna().to_numpy().any():
                    measures.append(MEASURES[name])
                    values.append(found.to_numpy(float))
    shape = (len(people), 0, len(methods))
    return Cells(measures, methods, np.stack(values, axis=1) if values else np.zeros(shape))


def leaderboard(scores: pd.DataFrame, methods: Mapping[str, Mapping[str, Any]], seed: int = 0) -> pd.DataFrame:
    """Return the table `LEADERBOARD`, ordered by `RULE`.

    Parameters
    ----------
    scores : DataFrame
        `mien.benchmark.tables.SCORES`.
    methods : mapping of str to mapping
        What is known of each method, as `mien.benchmark.methods.describe_methods` gives it.
    seed : int
        Of the bootstrap.
    """
    ranked = cells(scores, [measure.name for measure in MEASURES.values() if measure.ranked])
    means = _means(scores, seed)
    ranks, low, high = _ranks(ranked, seed)
    rows = []
    for place, method in enumerate(ranked.methods):
        known = methods.get(method, {})
        rows.append(
            {
                "method": method,
                "use": str(known.get("use", method)),
                "distribution": str(known.get("distribution", "")),
                "mean_rank": ranks["mean"][place],
                "mean_rank_low": low[place],
                "mean_rank_high": high[place],
                **{f"{group}_rank": ranks[group][place] for group in _GROUPS},
                "completeness": str(known.get("completeness", "")),
                "signed": known.get("signed"),
                **{str(name): value for name, value in means.loc[method].items()},
            }
        )
    table = pd.DataFrame(rows, columns=[column.name for column in LEADERBOARD.columns])
    table["place"] = table["mean_rank"].astype(float).round(9).rank(method="min", na_option="bottom").astype(int)
    return conform(LEADERBOARD, table.sort_values(["place", "method"], kind="stable"))


def _means(scores: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return methods by measures, averaged over tasks within each participant, with intervals and controls."""
    own, controls = judged(scores), scores[scores["network"] == "untrained"]
    tasks, methods = list(dict.fromkeys(scores["task"])), list(dict.fromkeys(own["method"]))
    found: dict[str, Any] = {}
    for name, measure in MEASURES.items():
        counted = tasks_of(measure, tasks)
        mean, low, high = mean_interval(_over_tasks(own, name, counted, methods).to_numpy(float), RESAMPLES, seed)
        found |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        found[f"{name}_control"] = _over_tasks(controls, name, counted, methods).mean().to_numpy(float)
    return pd.DataFrame(found, index=methods)


def _over_tasks(scores: pd.DataFrame, measure: str, tasks: Sequence[str], methods: Sequence[str]) -> pd.DataFrame:
    """Return participants by methods: the mean over seeds or networks, then over tasks."""
    rows = scores[(scores["measure"] == measure) & scores["task"].isin(tasks)]
    by_task = rows.groupby(["task", "participant", "method"], observed=True)["value"].mean()
    return (
        by_task.groupby(["participant", "method"], observed=True)
        .mean()
        .unstack("method")
        .reindex(columns=list(methods))
    )


def _ranks(ranked: Cells, seed: int) -> tuple[dict[str, FloatArray], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean ranks over all measures and by group, and the interval of the former."""
    count, nothing = len(ranked.methods), np.full(len(ranked.methods), np.nan)
    if not ranked.measures:
        return {"mean": nothing, **dict.fromkeys(_GROUPS, nothing)}, nothing, nothing
    people = len(ranked.values)
    once = mean_ranks(_resampled(ranked.values, np.ones((1, people))), ranked.measures)
    found = {name: values[0] for name, values in once.items()}
    if people < FEWEST:
        return found, nothing, nothing
    weights = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), RESAMPLES)
    drawn = mean_ranks(_resampled(ranked.values, weights), ranked.measures)["mean"]
    ends = np.array([interval(drawn[:, place]) for place in range(count)])
    return found, ends[:, 0], ends[:, 1]


def _resampled(values: FloatArray, weights: npt.NDArray[Any]) -> FloatArray:
    """Return means over participants, ``(resamples, cells, methods)``; NaN where none is known."""
    known = np.isfinite(values)
    total = np.tensordot(weights, np.where(known, values, 0.0), 1)
    many = np.tensordot(weights, known.astype(float), 1)
    return np.divide(total, many, out=np.full(total.shape, np.nan), where=many > 0)


def mean_ranks(means: FloatArray, measures: Sequence[Measure]) -> dict[str, FloatArray]:
    """Return ranks averaged over cells, measures and groups; see `RULE`.

    Parameters
    ----------
    means : ndarray, shape (resamples, cells, methods)
    measures : sequence of Measure
        One a cell.

    Returns
    -------
    dict of str to ndarray, shape (resamples, methods)
        ``mean`` and one for each group; NaN for a group without a measure.
    """
    ranks = cell_ranks(means, measures)
    names = list(dict.fromkeys(measure.name for measure in measures))
    by_measure = {
        name: ranks[:, [i for i, measure in enumerate(measures) if measure.name == name]].mean(1) for name in names
    }
    empty = np.full((len(means), means.shape[2]), np.nan)
    found: dict[str, FloatArray] = {}
    for group in _GROUPS:
        own = [values for name, values in by_measure.items() if MEASURES[name].group == group]
        found[group] = np.mean(own, axis=0) if own else empty
    present = [values for values in found.values() if np.isfinite(values).all()]
    return {"mean": np.mean(present, axis=0) if present else empty, **found}


def cell_ranks(
    means: FloatArray, measures: Sequence[Measure], ties: Literal["average", "min"] = "average"
) -> FloatArray:
    """Return the rank of each method in each cell, 1 the best; what is undefined shares the last ranks."""
    from scipy.stats import rankdata

    sign = np.array([-1.0 if measure.higher else 1.0 for measure in measures])[None, :, None]
    # Two ways to the same map differ in the last digits; that is no difference in rank.
    ordered = np.where(np.isfinite(means), _rounded(sign * means), np.inf)
    ranks: FloatArray = rankdata(ordered, ties, axis=2)
    return ranks


def _rounded(values: FloatArray) -> FloatArray:
    """Return values of `_DIGITS` significant digits; next to 0, of as many decimals."""
    scale = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(np.clip(np.abs(values), 0.1, None))))
    return np.asarray(np.round(values * scale) / scale)

"""The benchmark's figures for print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from mien.benchmark.board import Board
from mien.benchmark.leaderboard import cells, tasks_of
from mien.benchmark.measures import Measure
from mien.benchmark.page import shown, standing
from mien.benchmark.tables import ALL
from mien.benchmark.words import task_title
from mien.report.charts import BarChart, BarSeries, Chart, HeatMap, HeatPanel, chart_name

DRAWN = ("density", "temporal_r", "background_share", "deletion_blur", "randomisation")
"""The measures that have a figure of their own; the page shows all."""


def charts(board: Board) -> Iterator[Chart]:
    """Yield the leaderboard at a glance, and the figures of some measures."""
    measures = [measure for measure in shown(board) if measure.ranked]
    if not measures or not len(cells(board.result.scores).measures):
        return
    yield _glance(board, measures)
    for measure in (one for one in measures if one.name in DRAWN):
        chart = _by_task(board, measure)
        if chart is not None:
            yield chart


def _glance(board: Board, measures: Sequence[Measure]) -> HeatMap:
    ranks = board.leaderboard["mean_rank"].to_numpy(float)
    both = {"planted", "faithfulness"} <= {measure.group for measure in measures}
    sides = " (left: planted truth; right: faithfulness)" if both else ""
    names = [f"{method}  {rank:.1f}" for method, rank in zip(board.methods, ranks, strict=True)]
    return HeatMap(
        name="leaderboard",
        title="Attribution methods by mean rank (beside the name; 1 is the best)",
        caption="Share of the other methods that do no better, in each measure; 1 is the best, a gap is what is "
        "undefined.",
        x_label=f"share of the other methods that do no better{sides}",
        rows=names,
        x=list(range(len(measures))),
        x_names=[measure.short for measure in measures],
        panels=[HeatPanel(name="", values=standing(board, measures).tolist())],
        signed=False,
        annotate=True,
        decimals=1,
        limit=1.0,
    )


def _by_task(board: Board, measure: Measure) -> BarChart | None:
    table = board.summary[(board.summary["measure"] == measure.name) & (board.summary["seed"] == ALL)]
    series = []
    for task in tasks_of(measure, list(dict.fromkeys(table["task"]))):
        own = table[table["task"] == task].set_index("method").reindex(board.methods)
        values = own["mean"].to_numpy(float)
        if np.isfinite(values).any():
            low, high = (own[name].to_numpy(float).tolist() for name in ("low", "high"))
            controls = _controls(board.result.scores, task, measure.name, board.methods)
            series.append(
                BarSeries(name=task_title(task), values=values.tolist(), low=low, high=high, references=controls)
            )
    if not series:
        return None
    return BarChart(
        name=chart_name("benchmark", measure.name),
        title=f"{measure.title[0].upper()}{measure.title[1:]} by method",
        caption=f"{measure.what} Mean over participants with its 95 % interval; diamonds are untrained networks.",
        x_label=measure.unit or ("share" if measure.share else measure.short),
        groups=board.methods,
        series=series,
        chance=measure.chance,
    )


def _controls(scores: pd.DataFrame, task: str, measure: str, methods: Sequence[str]) -> list[list[float]]:
    own = scores[(scores["network"] == "untrained") & (scores["task"] == task) & (scores["measure"] == measure)].dropna(
        subset="value"
    )
    means = own.groupby(["method", "seed", "index"])["value"].mean()
    known = set(own["method"])
    return [means.loc[method].tolist() if method in known else [] for method in methods]

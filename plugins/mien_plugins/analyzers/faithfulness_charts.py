"""The figures of faithfulness: curves, areas, and what is left after randomisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mien.faithfulness.curves import GRID
from mien.report.charts import (
    Chart,
    GroupedBars,
    GroupedPanel,
    GroupedSeries,
    HeatMap,
    HeatPanel,
    LineChart,
    LineSeries,
    chart_name,
)
from mien_plugins.analyzers.faithfulness_verdict import matrix

if TYPE_CHECKING:
    import pandas as pd

    from mien.types import FloatArray
    from mien_plugins.analyzers.faithfulness_measure import Curve

_PANELS = {
    "Better than random order (1 at best, 0 is chance)": {
        "deletion": "deletion",
        "insertion": "insertion",
    },
    "Similarity of maps (Spearman)": {
        "randomisation": "random parameters (lower is better)",
        "stability_noise": "slight noise",
        "stability_shift": "shift by a pixel",
    },
}
_MOST = 7  # methods beside the random order: there are no more colours
_FILLS = {"blur": "blurred", "median": "resting face"}
_TESTS = {
    "deletion": ("replaced", "Deletion", "the output with everything replaced"),
    "insertion": ("shown", "Insertion", "the output of the whole clip"),
}


def charts(table: pd.DataFrame, curves: Mapping[Curve, Sequence[FloatArray]], stages: Sequence[str]) -> list[Chart]:
    """Return all charts."""
    methods = [str(name) for name in table["method"].unique()]
    made: list[Chart] = [_bars(table, methods)]
    made += _curves(curves)
    if len(stages) > 1:
        made.append(_cascade(table, methods, list(stages)))
    return made


def _bars(table: pd.DataFrame, methods: list[str]) -> GroupedBars:
    last = table.drop_duplicates(["method", "measure"], keep="last").set_index(["measure", "method"])
    panels = []
    for title, measures in _PANELS.items():
        series = []
        for measure, name in measures.items():
            own = last.reindex([(measure, method) for method in methods])
            values, low, high = (own[column].to_numpy(np.float64).tolist() for column in ("value", "low", "high"))
            ends = {"low": low, "high": high} if np.isfinite(low).any() else {}
            series.append(GroupedSeries(name=name, values=values, **ends))
        panels.append(GroupedPanel(name=title, series=series))
    return GroupedBars(
        name="faithfulness",
        title="Are the heat maps faithful?",
        caption="Mean over participants with 95 % bootstrap interval, where there are three or more. Deletion and "
        "insertion are means over the fills; random parameters: down to the first stage.",
        groups=methods,
        panels=panels,
        ordered=False,
    )


def _curves(curves: Mapping[Curve, Sequence[FloatArray]]) -> Iterator[LineChart]:
    tests = dict.fromkeys((test, fill) for test, fill, _ in curves)
    for test, fill in sorted(tests):
        done, title, end = _TESTS[test]
        own = {method: values for (t, f, method), values in curves.items() if (t, f) == (test, fill)}
        random, *methods = sorted(own, key=bool)  # the rest stay in their order
        left_out = f" Drawn are the first {_MOST} methods." if len(methods) > _MOST else ""
        yield LineChart(
            name=chart_name("faithfulness", test, fill),
            title=f"{title}, the densest parts first ({_FILLS[fill]})",
            caption=f"How far the output still is from {end}, as parts of the face in stretches of time are {done} in "
            "the order of their density of relevance; mean over clips, in units of the random order's mean. The "
            f"sooner a line falls, the more faithful the map.{left_out}",
            x_label=f"share of the clip that is {done}",
            y_label="distance left (random order: mean 1)",
            series=[
                LineSeries(name=method or "random order", x=GRID.tolist(), y=_mean(own[method]))
                for method in (random, *methods[:_MOST])
            ],
        )


def _mean(curves: Sequence[FloatArray]) -> list[float]:
    known = np.stack(list(curves))
    known = known[np.isfinite(known).all(axis=1)]
    mean: list[float] = known.mean(axis=0).tolist() if len(known) else [float("nan")] * len(GRID)
    return mean


def _cascade(table: pd.DataFrame, methods: list[str], stages: list[str]) -> HeatMap:
    return HeatMap(
        name="faithfulness_randomisation",
        title="Similarity left as the network is randomised from the head down",
        caption="Spearman's correlation of absolute relevance with the map of the trained network; each column draws "
        "the parameters of one more stage anew. A method whose row stays near 1 does not show what was learnt.",
        rows=methods,
        x=list(range(len(stages))),
        x_names=stages,
        panels=[HeatPanel(name="", values=matrix(table, stages, methods))],
        signed=True,
        annotate=True,
        unit="Spearman r",
        limit=1.0,
    )

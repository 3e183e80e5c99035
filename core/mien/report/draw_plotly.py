"""Draws charts for the screen: plain Plotly figures, as JSON inside HTML.

The figures are built as plain data: Plotly's JavaScript does the drawing, and its Python classes would
only cost time.
"""

from __future__ import annotations

import json
import math
from functools import singledispatch
from html import escape
from typing import Any

from mien.report.charts import (
    BarChart,
    Chart,
    FaceMap,
    GroupedBars,
    HeatMap,
    LandmarkMap,
    LineChart,
    MapGrid,
    ScatterChart,
)
from mien.report.frame_charts import FrameGrid
from mien.report.plotly_common import Figure
from mien.report.plotly_grids import frame_grid, grouped_bars
from mien.report.plotly_landmark_maps import landmark_map
from mien.report.plotly_maps import faces, heat
from mien.report.plotly_plots import bars, lines, scatter
from mien.report.plotly_position_maps import map_grid


@singledispatch
def figure(chart: Chart) -> Figure:
    """Return the chart as a Plotly figure: ``{"data": [...], "layout": {...}}``, ready for JSON."""
    raise TypeError(f"There is no drawing for {type(chart).__name__}.")


def div(chart: Chart) -> str:
    """Return HTML that holds the chart; ``report.js`` draws it once Plotly is there."""
    drawn = figure(chart)
    label = escape(f"{chart.title}. {chart.caption}".strip(), quote=True)
    return (
        f'<div class="plot" role="img" aria-label="{label}" data-plot="{escape(chart.name, quote=True)}" '
        f'style="height:{drawn["layout"]["height"]}px"></div>'
        f'<script type="application/json" class="plot-data">{to_json(drawn)}</script>'
    )


def to_json(value: Any) -> str:
    """Return JSON that may stand inside a ``<script>`` element; what is not finite becomes null."""
    text = json.dumps(_plain(value), allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | str | int) or value is None:
        return value
    number = float(value)
    return float(f"{number:.5g}") if math.isfinite(number) else None


figure.register(BarChart, bars)
figure.register(LineChart, lines)
figure.register(ScatterChart, scatter)
figure.register(HeatMap, heat)
figure.register(FaceMap, faces)
figure.register(GroupedBars, grouped_bars)
figure.register(FrameGrid, frame_grid)
figure.register(LandmarkMap, landmark_map)
figure.register(MapGrid, map_grid)

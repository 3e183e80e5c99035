"""Bars, lines and points, as Plotly figures."""

from __future__ import annotations

import math
from itertools import groupby

from mien.report import palette
from mien.report.charts import BarChart, BarSeries, LineChart, LineSeries, PointGroup, ScatterChart
from mien.report.geometry import grid, value_limits
from mien.report.plotly_common import (
    Figure,
    axis_of,
    chance_line,
    heading,
    layout_of,
    legend_line,
    spread,
    suffix,
    text_of,
)


def bars(chart: BarChart) -> Figure:
    """Return one panel of bars a series, on one value axis."""
    columns = min(3, max(1, len(chart.series)))
    cells = grid(len(chart.series), columns, gap_x=0.05, row_px=max(120, 30 * len(chart.groups)), gap_px=96)
    layout = layout_of(cells.height + 118, barmode="overlay", annotations=[], shapes=[])
    layout["margin"] = {"l": 110, "r": 24, "t": 74, "b": 56}
    low, high = value_limits(chart)
    data: list[Figure] = []
    for i, series in enumerate(chart.series):
        x, y = cells.domains[i]
        n = suffix(i)
        first = i % columns == 0
        layout[f"xaxis{n}"] = axis_of(chart.x_label, domain=x, anchor=f"y{n}", range=[low, high], nticks=6)
        layout[f"yaxis{n}"] = axis_of(
            domain=y, anchor=f"x{n}", type="category", autorange="reversed", showticklabels=first, ticks=""
        )
        if len(chart.series) > 1 or series.name:
            layout["annotations"].append(heading(series.name, x[0], y[1]))
        if chart.chance is not None:
            layout["shapes"].append(chance_line(f"x{n}", chart.chance, f"y{n} domain", "vertical"))
        data += _bar_traces(chart, series, n, palette.SERIES[0], i == 0)
    if any(series.references for series in chart.series) or chart.chance is not None:
        layout["showlegend"] = True
        layout["legend"] = {**layout["legend"], "y": 1.0, "yref": "container", "yanchor": "top"}
    if chart.chance is not None:
        data.append(legend_line(chart.chance_name))
    return {"data": data, "layout": layout}


def _bar_traces(chart: BarChart, series: BarSeries, n: str, colour: str, legend: bool) -> list[Figure]:
    groups = [text_of(group) for group in chart.groups]
    bar: Figure = {
        "type": "bar",
        "orientation": "h",
        "x": list(series.values),
        "y": groups,
        "xaxis": f"x{n}",
        "yaxis": f"y{n}",
        "marker": {"color": colour},
        "width": 0.62,
        "name": text_of(chart.value_name),
        "showlegend": legend and bool(series.references),
        "hovertemplate": "%{y}: %{x:.3g}<extra></extra>",
    }
    if series.low:
        bar["error_x"] = spread(series.values, series.low, series.high)
    if not series.references:
        return [bar]
    places = [(value, group) for group, row in zip(groups, series.references, strict=True) for value in row]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "x": [value for value, _ in places],
        "y": [group for _, group in places],
        "xaxis": f"x{n}",
        "yaxis": f"y{n}",
        "marker": {
            "symbol": "diamond",
            "size": 8,
            "color": "white",
            "line": {"color": palette.INK, "width": 1.4},
        },
        "name": text_of(chart.reference_name),
        "showlegend": legend,
        "hovertemplate": f"{text_of(chart.reference_name)}: %{{x:.3g}}<extra></extra>",
    }
    return [bar, marks]


def _band(series: LineSeries, colour: str) -> Figure:
    x: list[float | None] = []
    y: list[float | None] = []
    for run in _runs(series):  # one polygon each; a line through a gap would close the wrong one
        x += [*(p for p, _, _ in run), *(p for p, _, _ in reversed(run)), None]
        y += [*(high for _, _, high in run), *(low for _, low, _ in reversed(run)), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x[:-1],
        "y": y[:-1],
        "fill": "toself",
        "fillcolor": colour + "2e",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _runs(series: LineSeries) -> list[list[tuple[float, float, float]]]:
    """Return the stretches of a band without gaps, as (x, low, high)."""
    points = zip(series.x, series.low, series.high, strict=True)
    known = groupby(points, key=lambda point: math.isfinite(point[1]) and math.isfinite(point[2]))
    return [list(run) for finite, run in known if finite]


def lines(chart: LineChart) -> Figure:
    """Return lines with their bands."""
    data: list[Figure] = []
    for i, series in enumerate(chart.series):
        colour = palette.series_colour(i)
        if series.low:
            data.append(_band(series, colour))
        data.append(
            {
                "type": "scatter",
                "mode": "lines" if len(series.x) > 40 else "lines+markers",
                "x": list(series.x),
                "y": list(series.y),
                "name": text_of(series.name),
                "line": {"color": colour, "width": 2.2},
                "marker": {"size": 5},
                "showlegend": True,
            }
        )
    layout = layout_of(380, xaxis=axis_of(chart.x_label), yaxis=axis_of(chart.y_label), shapes=[], showlegend=True)
    if chart.chance is not None:
        layout["shapes"].append(chance_line("y", chart.chance, "x domain", "horizontal"))
        data.append(legend_line(chart.chance_name))
    return {"data": data, "layout": layout}


def scatter(chart: ScatterChart) -> Figure:
    """Return points with their intervals."""
    colours = palette.point_colours(len(chart.groups), ordered=chart.ordered)
    edge = palette.MUTED if chart.ordered else "white"  # the lightest of ordered colours is hardly seen on white
    data = [
        _points(group, colour, mark, edge) for group, (colour, (mark, _)) in zip(chart.groups, colours, strict=True)
    ]
    layout = layout_of(480, xaxis=axis_of(chart.x_label), yaxis=axis_of(chart.y_label), shapes=[])
    layout["showlegend"] = len(chart.groups) > 1 or chart.identity or bool(chart.lines)
    data += [_line(series, palette.series_colour(len(chart.groups) + i)) for i, series in enumerate(chart.lines)]
    if chart.identity:
        low, high = value_limits(chart)
        layout["xaxis"]["range"] = layout["yaxis"]["range"] = [low, high]
        line = {"color": palette.REFERENCE, "width": 1.5, "dash": "dash"}
        ends = [low, high]
        data.insert(
            0,
            {
                "type": "scatter",
                "mode": "lines",
                "x": ends,
                "y": ends,
                "name": "perfect prediction",
                "line": line,
            },
        )
    return {"data": data, "layout": layout}


def _line(series: LineSeries, colour: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(series.x),
        "y": list(series.y),
        "name": text_of(series.name),
        "line": {"color": colour, "width": 2.2},
    }


def _points(group: PointGroup, colour: str, mark: str, edge: str) -> Figure:
    points: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": list(group.x),
        "y": list(group.y),
        "name": text_of(group.name),
        "marker": {"size": 9, "color": colour, "symbol": mark, "line": {"color": edge, "width": 1}},
        "text": [text_of(label) for label in group.labels],
        "hovertemplate": "%{text}<br>%{x:.3g}, %{y:.3g}<extra></extra>",
    }
    if group.low:
        interval = spread(group.y, group.low, group.high)
        points["error_y"] = {**interval, "color": colour, "thickness": 1.3}
    return points

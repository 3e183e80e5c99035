"""Heat maps and drawn faces, as Plotly figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mien.report import palette
from mien.report.charts import FaceMap, HeatMap
from mien.report.geometry import face_height, grid, heat_rows
from mien.report.plotly_common import Figure, axis_of, heading, layout_of, suffix, text_of


def heat(chart: HeatMap) -> Figure:
    """Return heat panels one above the other, and the traces below."""
    rows = heat_rows(chart)
    layout = layout_of(rows.height + 90, annotations=[])
    layout["margin"] = {"l": 110, "r": 20, "t": 34, "b": 56}
    data: list[Figure] = []
    columns: list[Any] = [text_of(name) for name in chart.x_names] or list(chart.x)
    for i, panel in enumerate(chart.panels):
        n, y = suffix(i), rows.panels[i]
        limit = chart.limit or palette.robust_limit(panel.values)
        data.append(
            {
                "type": "heatmap",
                "x": columns,
                "y": [text_of(row) for row in chart.rows],
                "z": [list(row) for row in panel.values],
                "xaxis": "x",
                "yaxis": f"y{n}",
                "zmin": -limit if chart.signed else 0,
                "zmax": limit,
                "colorscale": palette.scale(palette.DIVERGING if chart.signed else palette.SEQUENTIAL),
                "colorbar": {
                    "y": (y[0] + y[1]) / 2,
                    "len": y[1] - y[0],
                    "thickness": 12,
                    "nticks": 5,
                    "exponentformat": "power",
                    "title": {"text": text_of(chart.unit), "side": "right", "font": {"size": 11}},
                    "tickfont": {"size": 11},
                },
                "hovertemplate": "%{y}, %{x}: %{z:.3g}<extra></extra>",
                "hoverongaps": False,
                **({"texttemplate": f"%{{z:.{chart.decimals}f}}", "textfont": {"size": 11}} if chart.annotate else {}),
            }
        )
        layout[f"yaxis{n}"] = axis_of(domain=y, autorange="reversed", type="category", ticks="", showgrid=False)
        layout["annotations"].append(heading(panel.name, 0, y[1]))
    if chart.traces:
        lanes, axis = _lanes(chart, suffix(len(chart.panels)))
        layout[f"yaxis{suffix(len(chart.panels))}"] = {**axis, "domain": rows.traces}
        layout["annotations"].append(heading(chart.trace_unit, 0, rows.traces[1]))
        data += lanes
    kind = {"type": "category", "showgrid": False} if chart.x_names else {}
    below = suffix(len(chart.panels)) if chart.traces else suffix(len(chart.panels) - 1)
    layout["xaxis"] = axis_of(chart.x_label, anchor=f"y{below}", **kind)
    return {"data": data, "layout": layout}


def _lanes(chart: HeatMap, n: str) -> tuple[list[Figure], Figure]:
    data: list[Figure] = []
    count = len(chart.traces)
    for i, trace in enumerate(chart.traces):
        base = count - 1 - i
        flat = {"type": "scatter", "mode": "lines", "xaxis": "x", "yaxis": f"y{n}", "showlegend": False}
        lifted = [base + 0.85 * value / chart.trace_range for value in trace.y]
        foot = {"line": {"width": 0.6, "color": palette.GRID}, "hoverinfo": "skip"}
        data.append({**flat, **foot, "x": list(trace.x), "y": [base] * len(trace.x)})
        data.append(
            {
                **flat,
                "x": list(trace.x),
                "y": lifted,
                "customdata": list(trace.y),
                "fill": "tonexty",
                "fillcolor": palette.SERIES[2] + "33",
                "line": {"color": palette.SERIES[2], "width": 1.6},
                "hovertemplate": f"{text_of(trace.name)}: %{{customdata:.2f}}<extra></extra>",
            }
        )
    names = [text_of(trace.name) for trace in chart.traces]
    places = [count - 1 - i + 0.35 for i in range(count)]
    axis = axis_of(tickvals=places, ticktext=names, range=[-0.1, count], showgrid=False, zeroline=False, ticks="")
    return data, axis


def faces(chart: FaceMap) -> Figure:
    """Return drawn faces side by side, on one colour scale."""
    columns = min(3, max(1, len(chart.panels)))
    cells = grid(len(chart.panels), columns, gap_x=0.04, row_px=330, gap_px=40)
    limit = palette.robust_limit([list(panel.values.values()) for panel in chart.panels], 1.0)
    layout = layout_of(cells.height + 60, annotations=[])
    layout["margin"] = {"l": 10, "r": 90, "t": 34, "b": 16}
    colours = palette.DIVERGING if chart.signed else palette.SEQUENTIAL
    data: list[Figure] = []
    for i, panel in enumerate(chart.panels):
        n = suffix(i)
        x, y = cells.domains[i]
        axes = {"type": "scatter", "mode": "lines", "xaxis": f"x{n}", "yaxis": f"y{n}", "showlegend": False}
        for name, patch in chart.patches.items():
            value = panel.values.get(name, math.nan)
            data.append({**axes, **_patch(name, patch, value, limit, colours, chart)})
        data.append({**axes, **_mesh(chart), "line": {"color": "#9aa5b1", "width": 1}, "hoverinfo": "skip"})
        hidden = {"visible": False, "fixedrange": True}
        layout[f"xaxis{n}"] = {**hidden, "domain": x, "anchor": f"y{n}"}
        top, bottom = face_height(chart)
        layout[f"yaxis{n}"] = {
            **hidden, "domain": y, "anchor": f"x{n}", "scaleanchor": f"x{n}", "range": [bottom, top],
        }  # fmt: skip
        layout["annotations"].append(heading(panel.name, x[0], y[1]))
    data.append(_colour_bar(chart, limit, colours))
    return {"data": data, "layout": layout}


def _mesh(chart: FaceMap) -> Figure:
    x: list[float | None] = []
    y: list[float | None] = []
    for a, b in chart.edges:
        x += [chart.points[a][0], chart.points[b][0], None]
        y += [chart.points[a][1], chart.points[b][1], None]
    if not chart.edges:
        x, y = [p[0] for p in chart.outline], [p[1] for p in chart.outline]
    return {"x": x, "y": y}


def _patch(
    name: str,
    patch: Sequence[tuple[float, float]],
    value: float,
    limit: float,
    colours: Sequence[str],
    chart: FaceMap,
) -> Figure:
    closed = [*patch, patch[0]]
    known = math.isfinite(value)
    place = (value / limit + 1) / 2 if chart.signed else value / limit
    shown = f"{value:.3g}" if known else "not computed"
    return {
        "x": [p[0] for p in closed],
        "y": [p[1] for p in closed],
        "fill": "toself",
        "fillcolor": palette.interpolate(colours, place) + "e0" if known else "#ffffff00",
        "line": {"color": palette.INK, "width": 1.2},
        "hoveron": "fills",
        "hoverinfo": "text",
        "text": f"{text_of(name)}: {shown} {text_of(chart.unit)}",
    }


def _colour_bar(chart: FaceMap, limit: float, colours: Sequence[str]) -> Figure:
    low = -limit if chart.signed else 0
    bar = {"thickness": 12, "title": {"text": text_of(chart.unit), "side": "right"}, "len": 0.8}
    marker = {
        "color": [low],
        "cmin": low,
        "cmax": limit,
        "colorscale": palette.scale(colours),
        "colorbar": bar,
    }
    hidden = {"x": [None], "y": [None], "hoverinfo": "skip", "showlegend": False}
    return {"type": "scatter", "mode": "markers", "marker": {**marker, "showscale": True}, **hidden}

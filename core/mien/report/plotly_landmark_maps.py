"""Draws values of landmarks on mean faces with Plotly."""

from __future__ import annotations

import math

from mien.report import palette
from mien.report.charts import LandmarkMap, LandmarkPanel
from mien.report.geometry import face_height, grid
from mien.report.plotly_common import Figure, heading, layout_of, suffix, text_of


def landmark_map(chart: LandmarkMap) -> Figure:
    """Return drawn faces side by side, on one colour scale; a landmark without a value is left out."""
    columns = min(3, max(1, len(chart.panels)))
    cells = grid(len(chart.panels), columns, gap_x=0.04, row_px=330, gap_px=40)
    limit = palette.robust_limit([panel.values for panel in chart.panels])
    layout = layout_of(cells.height + 60, annotations=[])
    layout["margin"] = {"l": 10, "r": 90, "t": 34, "b": 16}
    data: list[Figure] = []
    for place, panel in enumerate(chart.panels):
        n, (x, y) = suffix(place), cells.domains[place]
        axes = {"type": "scatter", "xaxis": f"x{n}", "yaxis": f"y{n}", "showlegend": False}
        data += [{**axes, **trace} for trace in _face(chart, panel, limit, first=place == 0)]
        hidden = {"visible": False, "fixedrange": True}
        layout[f"xaxis{n}"] = {**hidden, "domain": x, "anchor": f"y{n}"}
        top, bottom = face_height(chart)
        span = {"scaleanchor": f"x{n}", "range": [bottom, top]}
        layout[f"yaxis{n}"] = {**hidden, "domain": y, "anchor": f"x{n}", **span}
        layout["annotations"].append(heading(panel.name, x[0], y[1]))
    return {"data": data, "layout": layout}


def _face(chart: LandmarkMap, panel: LandmarkPanel, limit: float, *, first: bool) -> list[Figure]:
    return [_lines(chart), *([_rings(chart, panel)] if len(panel.kept) else []), _dots(chart, panel, limit, first)]


def _lines(chart: LandmarkMap) -> Figure:
    x: list[float | None] = []
    y: list[float | None] = []
    for a, b in chart.edges:
        x += [chart.points[a][0], chart.points[b][0], None]
        y += [chart.points[a][1], chart.points[b][1], None]
    return {"x": x, "y": y, "mode": "lines", "line": {"color": "#c3cad1", "width": 1}, "hoverinfo": "skip"}


def _rings(chart: LandmarkMap, panel: LandmarkPanel) -> Figure:
    ring = {"size": 9, "color": "rgba(0,0,0,0)", "line": {"color": palette.CHANCE, "width": 1}}
    places = [chart.points[point] for point in panel.kept]
    return {
        "x": [x for x, _ in places],
        "y": [y for _, y in places],
        "mode": "markers",
        "marker": ring,
        "hoverinfo": "skip",
    }


def _dots(chart: LandmarkMap, panel: LandmarkPanel, limit: float, first: bool) -> Figure:
    known = sorted(
        (point for point, value in enumerate(panel.values) if math.isfinite(value)),
        key=lambda point: abs(panel.values[point]),
    )
    marker = {
        "size": 6,
        "color": [panel.values[point] for point in known],
        "cmin": -limit if chart.signed else 0,
        "cmax": limit,
        "colorscale": palette.scale(palette.DIVERGING if chart.signed else palette.SEQUENTIAL),
        "showscale": first,
        "colorbar": {"thickness": 12, "title": {"text": text_of(chart.unit), "side": "right"}, "len": 0.8},
    }
    return {
        "x": [chart.points[point][0] for point in known],
        "y": [chart.points[point][1] for point in known],
        "mode": "markers",
        "marker": marker,
        "hoverinfo": "text",
        "text": [f"landmark {point}: {panel.values[point]:.3g} {text_of(chart.unit)}" for point in known],
    }

"""Grids of maps over the crop, as Plotly figures."""

from __future__ import annotations

from mien.report import palette
from mien.report.charts import MapGrid, MapPanel, broken
from mien.report.geometry import grid
from mien.report.plotly_common import Figure, heading, layout_of, suffix, text_of

_SIDE_PX = 170
_LETTERS = 12  # of a row's name in a line, left of the maps


def map_grid(chart: MapGrid) -> Figure:
    """Return rows of maps with the face's outline."""
    columns = max((len(panels) for _, panels in chart.rows), default=1)
    cells = grid(columns * len(chart.rows), columns, gap_x=0.03, row_px=_SIDE_PX, gap_px=44)
    layout = layout_of(cells.height + 60, annotations=[])
    layout["margin"] = {"l": 100, "r": 10, "t": 34, "b": 16}
    data: list[Figure] = []
    for line, (name, panels) in enumerate(chart.rows):
        for place, panel in enumerate(panels):
            n, (x, y) = suffix(line * columns + place), cells.domains[line * columns + place]
            data += _map(panel, n)
            hidden = {"visible": False, "fixedrange": True}
            rows, across = len(panel.values), len(panel.values[0])
            layout[f"xaxis{n}"] = {**hidden, "domain": x, "anchor": f"y{n}", "range": [-0.5, across - 0.5]}
            layout[f"yaxis{n}"] = {
                **hidden, "domain": y, "anchor": f"x{n}", "scaleanchor": f"x{n}", "range": [rows - 0.5, -0.5],
            }  # fmt: skip
            layout["annotations"].append({**heading(panel.name, x[0], y[1]), "font": {"size": 11}})
            if place == 0:
                middle = {"x": 0, "y": (y[0] + y[1]) / 2, "xanchor": "right", "yanchor": "middle", "xshift": -6}
                lines = "<br>".join(map(text_of, broken(name, _LETTERS)))
                layout["annotations"].append({**heading("", 0, 0), **middle, "yshift": 0, "text": f"<b>{lines}</b>"})
    return {"data": data, "layout": layout}


def _map(panel: MapPanel, n: str) -> list[Figure]:
    axes = {"xaxis": f"x{n}", "yaxis": f"y{n}", "showscale": False}
    drawn: list[Figure] = [
        {
            **axes,
            "type": "heatmap",
            "z": [list(row) for row in panel.values],
            "zmin": 0,
            "zmax": palette.robust_limit(panel.values),
            "colorscale": palette.scale(palette.SEQUENTIAL),
            "hovertemplate": f"{text_of(panel.name)}: %{{z:.3g}}<extra></extra>",
        }
    ]
    if panel.inside:
        line = {"color": palette.INK, "width": 1.2}
        levels = {"start": 0.5, "end": 0.5, "size": 1, "coloring": "none"}
        inside = [list(row) for row in panel.inside]
        drawn.append({**axes, "type": "contour", "z": inside, "contours": levels, "line": line, "hoverinfo": "skip"})
    return drawn

"""Grouped bars and grids of frames, as Plotly figures."""

from __future__ import annotations

import base64

from mien.report import palette
from mien.report.charts import GroupedBars, GroupedPanel, broken
from mien.report.frame_charts import FrameBlock, FrameGrid, FramePicture
from mien.report.geometry import drawn_face_box, grid, grouped_limits
from mien.report.plotly_common import Figure, axis_of, heading, layout_of, spread, suffix, text_of

_LETTERS = 88  # that fit side by side below a panel
_ROW_LETTERS = 12  # of a row's name in a line, left of the frames
_ROW_PX, _TEXT_PX, _HEAD_PX = 150, 52, 34


def grouped_bars(chart: GroupedBars) -> Figure:
    """Return one panel below the other, each with a legend of its own numbers."""
    cells = grid(max(1, len(chart.panels)), 1, gap_x=0, row_px=190, gap_px=74)
    layout = layout_of(cells.height + 150, barmode="group", bargap=0.18, annotations=[], showlegend=True)
    layout["margin"] = {"l": 70, "r": 24, "t": 60, "b": 90}
    low, high = grouped_limits(chart)
    data: list[Figure] = []
    for i, panel in enumerate(chart.panels):
        (x, y), n = cells.domains[i], suffix(i)
        last = i == len(chart.panels) - 1
        layout[f"xaxis{n}"] = axis_of(
            domain=x, anchor=f"y{n}", type="category", showticklabels=last, ticks="", showgrid=False
        )
        layout[f"yaxis{n}"] = axis_of(chart.y_label, domain=y, anchor=f"x{n}", range=[low, high], nticks=6)
        layout["annotations"].append({**heading(panel.name, x[0], y[1]), "yshift": 26})  # above the legend
        place = {"orientation": "h", "x": 0, "xanchor": "left", "y": y[1], "yanchor": "bottom", "font": {"size": 11}}
        layout[f"legend{n}"] = place
        data += _grouped_panel(chart, panel, n)
    return {"data": data, "layout": layout}


def _grouped_panel(chart: GroupedBars, panel: GroupedPanel, n: str) -> list[Figure]:
    count = len(panel.series)
    colours = palette.ordered_colours(count) if chart.ordered else [palette.series_colour(i) for i in range(count)]
    bars = []
    for colour, series in zip(colours, panel.series, strict=True):
        name = series.name if series.n is None else f"{series.name} (n = {series.n})"
        bar: Figure = {
            "type": "bar",
            "x": _names(chart),
            "y": list(series.values),
            "xaxis": f"x{n}",
            "yaxis": f"y{n}",
            "legend": f"legend{n}",
            "name": text_of(name),
            "offsetgroup": text_of(series.name),
            "showlegend": True,
            "marker": {"color": colour, "line": {"color": palette.INK, "width": 0.5}},
            "hovertemplate": f"{text_of(name)}, %{{x}}: %{{y:.3g}}<extra></extra>",
        }
        if series.low:
            bar["error_y"] = {**spread(series.values, series.low, series.high), "thickness": 1.2, "width": 3}
        bars.append(bar)
    return bars


def _names(chart: GroupedBars) -> list[str]:
    return ["<br>".join(map(text_of, broken(name, _LETTERS // len(chart.groups)))) for name in chart.groups]


def frame_grid(chart: FrameGrid) -> Figure:
    """Return rows of frames in one coordinate system: a picture is a unit wide, and y grows downwards in pixels."""
    across = max(1, chart.wide * len(chart.columns)) + 0.15 * (len(chart.columns) - 1)
    row_px = _ROW_PX + _TEXT_PX
    total = _HEAD_PX + row_px * max(1, len(chart.rows))
    layout = layout_of(total + 10, annotations=[], images=[], shapes=[])
    layout["margin"] = {"l": 100, "r": 8, "t": 4, "b": 6}
    layout["xaxis"] = {"visible": False, "fixedrange": True, "range": [0, across]}
    layout["yaxis"] = {"visible": False, "fixedrange": True, "range": [total, 0]}
    data: list[Figure] = [{"type": "scatter", "x": [None], "y": [None], "showlegend": False}]
    for column, name in enumerate(chart.columns):
        layout["annotations"].append(_text(f"<b>{text_of(name)}</b>", column * (chart.wide + 0.15), 4, 13))
    for row, (name, blocks) in enumerate(chart.rows):
        top = _HEAD_PX + row * row_px
        lines = "<br>".join(map(text_of, broken(name, _ROW_LETTERS)))
        layout["annotations"].append(
            {**_text(f"<b>{lines}</b>", 0, top + _ROW_PX / 2, 13), "xshift": -12, "xanchor": "right"}
        )
        for column, block in enumerate(blocks):
            _block(chart, block, column * (chart.wide + 0.15), top, data, layout)
    return {"data": data, "layout": layout}


def _block(chart: FrameGrid, block: FrameBlock, x: float, top: float, data: list[Figure], layout: Figure) -> None:
    if not block.frames:
        layout["annotations"].append(_text(text_of(block.text), x, top + _ROW_PX / 2, 12, palette.MUTED))
        return
    for i, frame in enumerate(block.frames):
        if frame.image:
            layout["images"].append(_image(frame, x + i, top))
        else:
            data += _face(chart, frame, x + i, top)
        layout["annotations"].append(_text(text_of(frame.text), x + i, top + _ROW_PX, 11))
    layout["annotations"].append(_text(text_of(block.text), x, top + _ROW_PX + 17, 11.5))


def _text(text: str, x: float, y: float, size: float, colour: str = palette.INK) -> Figure:
    return {
        "text": text, "x": x, "y": y, "xref": "x", "yref": "y", "xanchor": "left", "yanchor": "top", "align": "left",
        "showarrow": False, "font": {"size": size, "color": colour}, "borderpad": 0,
    }  # fmt: skip


def _image(frame: FramePicture, x: float, top: float) -> Figure:
    return {
        "source": "data:image/jpeg;base64," + base64.b64encode(frame.image).decode(),
        "x": x, "y": top, "sizex": 0.97, "sizey": _ROW_PX - 3, "xref": "x", "yref": "y",
        "xanchor": "left", "yanchor": "top", "sizing": "contain", "layer": "above",
    }  # fmt: skip


def _face(chart: FrameGrid, frame: FramePicture, x: float, top: float) -> list[Figure]:
    (left, right), (up, down) = drawn_face_box(chart.face)

    def placed(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
        # The cell is about as wide as it is high on a common screen; a drawn face may be a little wider or narrower.
        return (
            [x + 0.97 * (a - left) / (right - left) for a, _ in points],
            [top + (_ROW_PX - 3) * (b - up) / (down - up) for _, b in points],
        )

    lines = {"type": "scatter", "mode": "lines", "showlegend": False}
    xs: list[float | None] = []
    ys: list[float | None] = []
    for a, b in chart.face.edges:
        ex, ey = placed([chart.face.points[a], chart.face.points[b]])
        xs += [*ex, None]
        ys += [*ey, None]
    drawn: list[Figure] = [{**lines, "x": xs, "y": ys, "line": {"color": "#9aa5b1", "width": 0.6}, "hoverinfo": "skip"}]
    for name, patch in chart.face.patches.items():
        px, py = placed([*patch, patch[0]])
        value = frame.values.get(name, float("nan"))
        drawn.append(
            {
                **lines,
                "x": px,
                "y": py,
                "fill": "toself",
                "fillcolor": palette.value_colour(value / chart.limit, signed=chart.signed),
                "line": {"color": palette.INK, "width": 0.8},
                "hoveron": "fills",
                "hoverinfo": "text",
                "text": f"{text_of(name)}: {value:.2g}",
            }
        )
    return drawn

"""Draws charts for print: PDF and SVG without any raster in them, and PNG where images are allowed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.report import palette
from mien.report.charts import (
    BarChart,
    BarSeries,
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
from mien.report.geometry import face_height, heat_rows, value_limits
from mien.report.matplotlib_common import as_vectors, new_figure, spread
from mien.report.matplotlib_grids import frame_grid, grouped_bars
from mien.report.matplotlib_landmark_maps import landmark_map
from mien.report.matplotlib_position_maps import map_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.edgecolor": palette.MUTED,
    "axes.labelcolor": palette.INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "text.color": palette.INK,
    "text.parse_math": False,  # a dollar sign in a participant's name is a dollar sign
    "xtick.color": palette.MUTED,
    "ytick.color": palette.MUTED,
    "xtick.labelcolor": palette.INK,
    "ytick.labelcolor": palette.INK,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text stays text, which journals ask for
    "svg.fonttype": "none",
    "svg.hashsalt": "mien",
}

_LETTERS = 70  # of column names that fit side by side below a heat map


def save(chart: Chart, folder: Path, *, raster: bool = True) -> list[Path]:
    """Write the chart as ``<name>.pdf`` and ``<name>.svg``, and ``<name>.png`` (200 dpi) when ``raster``.

    The same chart gives the same bytes.

    Returns
    -------
    list of Path
        The files written.
    """
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    kinds = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, **({"png": {}} if raster else {})}
    with matplotlib.rc_context(_STYLE):
        drawn = figure(chart)
        drawn.draw_without_rendering()
        drawn.set_layout_engine("none")  # the layout is found once, not again for each kind of file
        paths = []
        for kind, about in kinds.items():
            path = folder / f"{chart.name}.{kind}"
            drawn.savefig(path, dpi=200, metadata=about)
            paths.append(path)
    return paths


@singledispatch
def figure(chart: Chart) -> Figure:
    """Return the chart as a matplotlib figure, without touching pyplot's state."""
    raise TypeError(f"There is no drawing for {type(chart).__name__}.")


@figure.register(BarChart)
def _bars(chart: BarChart) -> Figure:
    columns = min(3, max(1, len(chart.series)))
    rows = max(1, math.ceil(len(chart.series) / columns))
    drawn = new_figure(0.9 + rows * (0.55 + 0.24 * len(chart.groups)), chart.title)
    axes = drawn.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for i in range(rows * columns):
        panel = axes[i // columns][i % columns]
        if i < len(chart.series):
            _bar_panel(panel, chart, chart.series[i], palette.SERIES[0])
            panel.tick_params(labelbottom=True)  # the row below may hold no panel that says the scale
        else:
            panel.set_axis_off()
    axes[0][0].set_ylim(len(chart.groups) - 0.4, -0.6)  # a group without a bar keeps its place
    axes[0][0].set_xlim(*value_limits(chart))
    handles, names = axes[0][0].get_legend_handles_labels()
    if len(handles) > 1:
        drawn.legend(handles, names, loc="outside lower left", ncols=3)
    return drawn


def _bar_panel(panel: Axes, chart: BarChart, series: BarSeries, colour: str) -> None:
    places = range(len(chart.groups))
    errors = spread(series.values, series.low, series.high) if series.low else None
    style = {"ecolor": palette.INK, "capsize": 2, "elinewidth": 1}
    panel.barh(
        list(places), list(series.values), height=0.62, color=colour, xerr=errors, error_kw=style,
        label=chart.value_name,
    )  # fmt: skip
    marks = [(value, place) for place, row in zip(places, series.references, strict=False) for value in row]
    if marks:
        panel.plot(
            [m[0] for m in marks], [m[1] for m in marks], "D", ms=3.5, mfc="white", mec=palette.INK, mew=0.8,
            label=chart.reference_name,
        )  # fmt: skip
    if chart.chance is not None:
        panel.axvline(chart.chance, color=palette.CHANCE, ls="--", lw=1, label=chart.chance_name)
    panel.set_yticks(list(places), list(chart.groups))
    panel.set_title(series.name)
    panel.set_xlabel(chart.x_label)


@figure.register(LineChart)
def _lines(chart: LineChart) -> Figure:
    drawn = new_figure(3.0, chart.title)
    panel = drawn.subplots()
    for i, series in enumerate(chart.series):
        colour = palette.series_colour(i)
        if series.low:
            panel.fill_between(list(series.x), list(series.low), list(series.high), color=colour, alpha=0.18, lw=0)
        panel.plot(list(series.x), list(series.y), color=colour, lw=1.5, label=series.name)
    if chart.chance is not None:
        panel.axhline(chart.chance, color=palette.CHANCE, ls="--", lw=1, label=chart.chance_name)
    panel.set(xlabel=chart.x_label, ylabel=chart.y_label)
    panel.grid(color=palette.GRID, lw=0.6)
    panel.legend(loc="upper left", bbox_to_anchor=(1, 1))  # beside the lines: to look for room among them takes long
    return drawn


@figure.register(ScatterChart)
def _scatter(chart: ScatterChart) -> Figure:
    drawn = new_figure(4.2, chart.title)
    panel = drawn.subplots()
    if chart.identity:
        low, high = value_limits(chart)
        panel.plot([low, high], [low, high], "--", color=palette.REFERENCE, lw=1, label="perfect prediction")
        panel.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    colours = palette.point_colours(len(chart.groups), ordered=chart.ordered)
    edge = palette.MUTED if chart.ordered else "white"  # the lightest of ordered colours is hardly seen on white
    for group, (colour, (_, mark)) in zip(chart.groups, colours, strict=True):
        errors = spread(group.y, group.low, group.high) if group.low else None
        panel.errorbar(
            list(group.x), list(group.y), yerr=errors, fmt=mark, ms=4, lw=0.9, color=colour,
            mec=edge, mew=0.5, label=group.name,
        )  # fmt: skip
    for i, series in enumerate(chart.lines, len(chart.groups)):
        panel.plot(list(series.x), list(series.y), color=palette.series_colour(i), lw=1.5, label=series.name)
    panel.set(xlabel=chart.x_label, ylabel=chart.y_label)
    panel.grid(color=palette.GRID, lw=0.6)
    panel.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return drawn


@figure.register(HeatMap)
def _heat(chart: HeatMap) -> Figure:
    stack = heat_rows(chart)
    shares = [y[1] - y[0] for y in stack.panels] + ([stack.traces[1] - stack.traces[0]] if chart.traces else [])
    drawn = new_figure(0.8 + stack.height / 90, chart.title)
    axes = drawn.subplots(len(shares), 1, squeeze=False, sharex=True, height_ratios=shares)[:, 0]
    for panel, heat in zip(axes, chart.panels, strict=False):
        limit = chart.limit or palette.robust_limit(heat.values)
        _heat_panel(panel, chart, heat.values, limit)
        panel.set_title(heat.name)
    if chart.traces:
        _lanes(axes[-1], chart)
    axes[-1].set_xlabel(chart.x_label)
    if chart.x_names:
        tilted: Any = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if _crowded(chart) else {}
        axes[-1].set_xticks(range(len(chart.x_names)), list(chart.x_names), **tilted)
    return drawn


def _crowded(chart: HeatMap) -> bool:
    """Whether the names of the columns would run into each other side by side."""
    longest = max(len(line) for name in chart.x_names for line in name.split("\n"))
    return (longest + 1) * len(chart.x_names) > _LETTERS


def _edges(x: Sequence[float]) -> list[float]:
    if len(x) < 2:
        return [x[0] - 0.5, x[0] + 0.5] if x else [0.0, 1.0]
    middles = [(a + b) / 2 for a, b in itertools.pairwise(x)]
    return [x[0] - (middles[0] - x[0]), *middles, x[-1] + (x[-1] - middles[-1])]


def _heat_panel(panel: Axes, chart: HeatMap, values: Sequence[Sequence[float]], limit: float) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    colours = palette.DIVERGING if chart.signed else palette.SEQUENTIAL
    x = [float(i) for i in range(len(chart.x_names))] if chart.x_names else [float(v) for v in chart.x]
    mesh = panel.pcolormesh(  # pcolormesh and not imshow: cells stay vectors in PDF and SVG
        _edges(x),
        [i - 0.5 for i in range(len(chart.rows) + 1)],
        [list(row) for row in values],
        cmap=LinearSegmentedColormap.from_list("mien", colours),
        vmin=-limit if chart.signed else 0,
        vmax=limit,
        linewidth=0,
        rasterized=False,
    )
    panel.set_yticks(range(len(chart.rows)), list(chart.rows))
    panel.invert_yaxis()
    as_vectors(panel.figure.colorbar(mesh, ax=panel, pad=0.01, aspect=12, label=chart.unit))
    if chart.annotate:
        _write_values(panel, x, values, limit, chart.decimals)


def _write_values(
    panel: Axes, x: Sequence[float], values: Sequence[Sequence[float]], limit: float, decimals: int
) -> None:
    for i, row in enumerate(values):
        for place, value in zip(x, row, strict=True):
            if math.isfinite(value):
                colour = "white" if abs(value) > 0.65 * limit else "black"
                panel.text(place, i, f"{value:.{decimals}f}", ha="center", va="center", color=colour, fontsize=6.5)


def _lanes(panel: Axes, chart: HeatMap) -> None:
    count = len(chart.traces)
    for i, trace in enumerate(chart.traces):
        base = count - 1 - i
        lifted = [base + 0.85 * value / chart.trace_range for value in trace.y]
        panel.plot(list(trace.x), lifted, color=palette.SERIES[2], lw=1)
        panel.fill_between(list(trace.x), base, lifted, color=palette.SERIES[2], alpha=0.2, lw=0)
    panel.set_yticks([count - 1 - i + 0.35 for i in range(count)], [trace.name for trace in chart.traces])
    panel.set_ylim(-0.1, count)
    panel.set_title(chart.trace_unit)


@figure.register(FaceMap)
def _faces(chart: FaceMap) -> Figure:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    columns = min(3, max(1, len(chart.panels)))
    rows = max(1, math.ceil(len(chart.panels) / columns))
    drawn = new_figure(0.5 + 2.6 * rows, chart.title)
    axes = drawn.subplots(rows, columns, squeeze=False)
    limit = palette.robust_limit([list(panel.values.values()) for panel in chart.panels], 1.0)
    scale = LinearSegmentedColormap.from_list("mien", palette.DIVERGING if chart.signed else palette.SEQUENTIAL)
    colours = ScalarMappable(Normalize(-limit if chart.signed else 0, limit), scale)
    for i in range(rows * columns):
        panel = axes[i // columns][i % columns]
        panel.set_axis_off()
        if i < len(chart.panels):
            _face_panel(panel, chart, chart.panels[i].values, colours)
            panel.set_title(chart.panels[i].name)
    as_vectors(drawn.colorbar(colours, ax=axes, label=chart.unit, aspect=25, shrink=0.8))
    return drawn


def _face_panel(panel: Axes, chart: FaceMap, values: Mapping[str, float], colours: ScalarMappable) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Polygon

    lines = [[chart.points[a], chart.points[b]] for a, b in chart.edges] or [list(chart.outline)]
    panel.add_collection(LineCollection(lines, colors="#9aa5b1", linewidths=0.5))
    for name, patch in chart.patches.items():
        value = values.get(name, math.nan)
        face = colours.to_rgba(np.array([value]), alpha=0.88)[0] if math.isfinite(value) else "none"
        panel.add_patch(Polygon(list(patch), closed=True, facecolor=face, edgecolor=palette.INK, lw=0.8))
    top, bottom = face_height(chart)
    xs = [x for x, _ in (*chart.points, *chart.outline)]
    panel.set(xlim=(min(xs), max(xs)), ylim=(bottom, top), aspect="equal")


figure.register(GroupedBars, grouped_bars)
figure.register(FrameGrid, frame_grid)
figure.register(LandmarkMap, landmark_map)
figure.register(MapGrid, map_grid)

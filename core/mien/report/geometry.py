"""Where panels lie and how far axes reach; the same for both renderers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mien.report.charts import BarChart, FaceMap, GroupedBars, HeatMap, LandmarkMap, ScatterChart
from mien.report.frame_charts import DrawnFace

ROW_PX = 26
LANE_PX = 34
GAP_PX = 46


@dataclass(frozen=True)
class Grid:
    """Panels row by row: ``domains[i]`` is ``([x0, x1], [y0, y1])`` in fractions of the plot area."""

    domains: Sequence[tuple[list[float], list[float]]]
    height: int
    rows: int


def grid(count: int, columns: int, *, gap_x: float, row_px: int, gap_px: int) -> Grid:
    """Return the places of ``count`` panels, and the height in pixels of all."""
    rows = max(1, math.ceil(count / columns))
    height = rows * row_px + (rows - 1) * gap_px
    width = (1 - gap_x * (columns - 1)) / columns
    domains = []
    for i in range(count):
        row, column = divmod(i, columns)
        left = column * (width + gap_x)
        top = 1 - row * (row_px + gap_px) / height
        domains.append(([left, min(1.0, left + width)], [max(0.0, top - row_px / height), top]))
    return Grid(domains, height, rows)


@dataclass(frozen=True)
class HeatRows:
    """The stack of a heat map: a vertical domain for each panel, one for the traces, the height in pixels."""

    panels: Sequence[list[float]]
    traces: list[float]
    height: int


def heat_rows(chart: HeatMap) -> HeatRows:
    """Return the stack, from the top: panels, then traces."""
    heights = [max(70, ROW_PX * len(chart.rows)) for _ in chart.panels]
    if chart.traces:
        heights.append(max(70, LANE_PX * len(chart.traces)))
    total = sum(heights) + GAP_PX * (len(heights) - 1)
    domains, top = [], float(total)
    for height in heights:
        domains.append([max(0.0, (top - height) / total), top / total])
        top -= height + GAP_PX
    panels = domains[: len(chart.panels)]
    return HeatRows(panels, domains[-1] if chart.traces else [0.0, 0.0], total)


def value_limits(chart: BarChart | ScatterChart) -> tuple[float, float]:
    """Return the range of the value axis, with a margin; bars begin at 0."""
    values = list(_values(chart))
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    margin = 0.06 * ((high - low) or abs(high) or 1.0)
    if isinstance(chart, BarChart):
        return (low - margin if low < 0 else 0.0), (high + margin if high > 0 else margin)
    return low - margin, high + margin


def _values(chart: BarChart | ScatterChart) -> Iterable[float]:
    if isinstance(chart, BarChart):
        if chart.chance is not None:
            yield chart.chance
        for series in chart.series:
            yield from (0.0, *series.values, *series.low, *series.high)
            for row in series.references:
                yield from row
        return
    for group in chart.groups:
        yield from (*group.x, *group.y, *group.low, *group.high)


def face_height(chart: FaceMap | LandmarkMap) -> tuple[float, float]:
    """Return the top and bottom of a drawn face, with a margin (y downwards)."""
    outline = chart.outline if isinstance(chart, FaceMap) else ()
    ys = [y for _, y in (*chart.points, *outline)] or [0.0, 1.0]
    margin = 0.05 * (max(ys) - min(ys) or 1.0)
    return min(ys) - margin, max(ys) + margin


def grouped_limits(chart: GroupedBars) -> tuple[float, float]:
    """Return the range of the value axis of grouped bars, 0 included, with a margin."""
    values = [
        value
        for panel in chart.panels
        for series in panel.series
        for value in (*series.values, *series.low, *series.high)
        if math.isfinite(value)
    ]
    low, high = min([0.0, *values]), max([0.0, *values])
    margin = 0.06 * ((high - low) or 1.0)
    return (low - margin if low < 0 else 0.0), (high + margin if high > 0 or low == 0 else margin)


def drawn_face_box(face: DrawnFace) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return left and right, and top and bottom, of a square that holds a drawn face (y downwards)."""
    xs, ys = [x for x, _ in face.points] or [0.0, 1.0], [y for _, y in face.points] or [0.0, 1.0]
    half = 0.53 * max(max(xs) - min(xs), max(ys) - min(ys))
    x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    return (x - half, x + half), (y - half, y + half)

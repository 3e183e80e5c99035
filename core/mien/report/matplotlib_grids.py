"""Grouped bars and grids of frames for print."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from mien.report import palette
from mien.report.charts import GroupedBars, GroupedPanel, broken
from mien.report.frame_charts import FrameBlock, FrameGrid, FramePicture
from mien.report.geometry import drawn_face_box, grouped_limits
from mien.report.matplotlib_common import WIDTH, new_figure, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR = 0.82  # of a group's width is filled with bars
_LETTERS = 88  # that fit side by side below a panel


def grouped_bars(chart: GroupedBars) -> Figure:
    """Return one panel below the other, each with a legend of its own numbers."""
    names = ["\n".join(broken(name, _LETTERS // len(chart.groups))) for name in chart.groups]
    lines = max((name.count("\n") for name in names), default=0)
    drawn = new_figure(0.75 + 1.45 * max(1, len(chart.panels)) + 0.12 * lines, chart.title)
    axes = drawn.subplots(max(1, len(chart.panels)), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for panel, own in zip(axes, chart.panels, strict=False):
        _grouped_panel(panel, chart, own)
    axes[-1].set_xticks(range(len(chart.groups)), names)
    axes[-1].set_xlim(-0.55, len(chart.groups) - 0.45)
    axes[0].set_ylim(*grouped_limits(chart))
    drawn.supylabel(chart.y_label, fontsize=8)
    return drawn


def _grouped_panel(panel: Axes, chart: GroupedBars, own: GroupedPanel) -> None:
    colours = _colours(chart, len(own.series))
    width = _BAR / max(1, len(own.series))
    thin = {"ecolor": palette.INK, "capsize": min(2.0, 30 * width / len(chart.groups)), "elinewidth": 0.8}
    for i, series in enumerate(own.series):
        places = [group + (i + 0.5) * width - _BAR / 2 for group in range(len(chart.groups))]
        errors: Any = spread(series.values, series.low, series.high) if series.low else None
        name = series.name if series.n is None else f"{series.name} (n = {series.n})"
        panel.bar(
            places, list(series.values), width=0.92 * width, color=colours[i], yerr=errors, error_kw=thin, label=name,
            edgecolor=palette.INK, linewidth=0.3,
        )  # fmt: skip
    panel.axhline(0, color=palette.MUTED, lw=0.6)
    panel.yaxis.grid(color=palette.GRID, lw=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(axis="x", length=0)
    panel.set_title(own.name)
    panel.legend(
        loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=max(1, len(own.series)), fontsize=7, borderaxespad=0.1,
        handlelength=1.0, handleheight=0.9, columnspacing=1.2, handletextpad=0.4,
    )  # fmt: skip


def _colours(chart: GroupedBars, count: int) -> list[str]:
    return palette.ordered_colours(count) if chart.ordered else [palette.series_colour(i) for i in range(count)]


def frame_grid(chart: FrameGrid) -> Figure:
    """Return rows of frames; who may not be shown is a drawn face."""
    from matplotlib.figure import Figure

    left, top, gap, text = 0.85, 0.62, 0.10, 0.46  # inches: row names, head, between blocks, lines below a picture
    across = chart.wide * len(chart.columns)
    side = min(1.6, (WIDTH - left - 0.05 - gap * (len(chart.columns) - 1)) / max(1, across))
    row_height = side + text
    height = top + row_height * max(1, len(chart.rows))
    drawn = Figure(figsize=(WIDTH, height))
    drawn.suptitle(chart.title, x=0.01, y=1 - 0.06 / height, va="top", ha="left", fontsize=9.5, fontweight="bold")
    for column, name in enumerate(chart.columns):
        x = left + column * (chart.wide * side + gap)
        drawn.text(x / WIDTH, 1 - (top - 0.12) / height, name, fontsize=8.5, fontweight="bold", va="bottom")
    for row, (name, blocks) in enumerate(chart.rows):
        bottom = height - top - row * row_height - side
        drawn.text(0.05 / WIDTH, (bottom + side / 2) / height, name, fontsize=8.5, fontweight="bold", va="center")
        for column, block in enumerate(blocks):
            x = left + column * (chart.wide * side + gap)
            _block(drawn, chart, block, (x, bottom, side), height)
    return drawn


def _block(
    drawn: Figure, chart: FrameGrid, block: FrameBlock, place: tuple[float, float, float], height: float
) -> None:
    """Draw a block whose first picture has its lower left corner, and side, at ``place`` (inches)."""
    x, bottom, side = place
    if not block.frames:
        drawn.text((x + 0.05) / WIDTH, (bottom + side / 2) / height, block.text, fontsize=7, color=palette.MUTED)
        return
    for i, frame in enumerate(block.frames):
        box = ((x + i * side) / WIDTH, bottom / height, 0.97 * side / WIDTH, 0.97 * side / height)
        _picture(drawn.add_axes(box), chart, frame)
        drawn.text(
            (x + i * side) / WIDTH, (bottom - 0.04) / height, frame.text, fontsize=6.2, va="top", color=palette.INK
        )
    drawn.text(x / WIDTH, (bottom - 0.18) / height, block.text, fontsize=6.6, va="top")


def _picture(panel: Axes, chart: FrameGrid, frame: FramePicture) -> None:
    panel.set_axis_off()
    panel.set_anchor("SW")  # above its own text, whatever its shape
    if frame.image:
        from matplotlib.image import imread

        panel.imshow(imread(io.BytesIO(frame.image), format="jpeg"), interpolation="lanczos")
        return
    _face(panel, chart, frame)


def _face(panel: Axes, chart: FrameGrid, frame: FramePicture) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Polygon

    face = chart.face
    lines = [[face.points[a], face.points[b]] for a, b in face.edges]
    panel.add_collection(LineCollection(lines, colors="#9aa5b1", linewidths=0.25))
    for name, patch in face.patches.items():
        value = frame.values.get(name, math.nan)
        panel.add_patch(
            Polygon(
                list(patch),
                closed=True,
                facecolor=palette.value_colour(value / chart.limit, signed=chart.signed),
                edgecolor=palette.INK,
                lw=0.4,
            )
        )
    (x0, x1), (top, bottom) = drawn_face_box(face)
    panel.set(xlim=(x0, x1), ylim=(bottom, top), aspect="equal")

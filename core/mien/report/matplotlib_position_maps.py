"""Grids of maps over the crop, for print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mien.report import palette
from mien.report.charts import MapGrid, MapPanel, broken
from mien.report.matplotlib_common import WIDTH, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LETTERS = 24  # of a map's name in a line


def map_grid(chart: MapGrid) -> Figure:
    """Return rows of maps with the face's outline."""
    columns = max((len(panels) for _, panels in chart.rows), default=1)
    side = min(1.5, (WIDTH - 1.0) / columns)
    drawn = new_figure(0.5 + (side + 0.45) * max(1, len(chart.rows)), chart.title)
    axes = drawn.subplots(max(1, len(chart.rows)), columns, squeeze=False)
    for line, (name, panels) in zip(axes, chart.rows, strict=False):
        for place, axis in enumerate(line):
            axis.set(xticks=[], yticks=[])
            if place < len(panels):
                _map(axis, panels[place])
            else:
                axis.set_axis_off()
        line[0].set_ylabel("\n".join(broken(name, 16)), fontsize=7)
    return drawn


def _map(axis: Axes, panel: MapPanel) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    rows, columns = len(panel.values), len(panel.values[0])
    axis.pcolormesh(  # and not imshow: cells stay vectors in PDF and SVG
        [list(row) for row in panel.values],
        cmap=LinearSegmentedColormap.from_list("mien", palette.SEQUENTIAL),
        vmin=0,
        vmax=palette.robust_limit(panel.values),
        linewidth=0,
        rasterized=False,
    )
    values = [value for row in panel.inside for value in row]
    if values and min(values) < 0.5 < max(values):
        centres = [[place + 0.5 for place in range(count)] for count in (columns, rows)]
        axis.contour(*centres, [list(row) for row in panel.inside], levels=[0.5], colors=palette.INK, linewidths=0.7)
    axis.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    axis.set_title("\n".join(broken(panel.name, _LETTERS)), fontsize=6.5, fontweight="normal")

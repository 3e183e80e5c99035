"""Draws values of landmarks on mean faces with matplotlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mien.report import palette
from mien.report.charts import LandmarkMap, LandmarkPanel
from mien.report.geometry import face_height
from mien.report.matplotlib_common import as_vectors, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

_DOT = 7.0  # points squared


def landmark_map(chart: LandmarkMap) -> Figure:
    """Return drawn faces side by side, on one colour scale; a landmark without a value is left out."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    columns = min(3, max(1, len(chart.panels)))
    rows = max(1, math.ceil(len(chart.panels) / columns))
    drawn = new_figure(0.5 + 2.9 * rows, chart.title)
    axes = drawn.subplots(rows, columns, squeeze=False)
    limit = palette.robust_limit([panel.values for panel in chart.panels])
    scale = LinearSegmentedColormap.from_list("mien", palette.DIVERGING if chart.signed else palette.SEQUENTIAL)
    colours = ScalarMappable(Normalize(-limit if chart.signed else 0, limit), scale)
    for place, axis in enumerate(axes.flat):
        axis.set_axis_off()
        if place < len(chart.panels):
            _face(axis, chart, chart.panels[place], colours)
    as_vectors(drawn.colorbar(colours, ax=axes, label=chart.unit, aspect=25, shrink=0.8))
    return drawn


def _face(axis: Axes, chart: LandmarkMap, panel: LandmarkPanel, colours: ScalarMappable) -> None:
    from matplotlib.collections import LineCollection

    points, values = np.asarray(chart.points, float), np.asarray(panel.values, float)
    lines = [[chart.points[a], chart.points[b]] for a, b in chart.edges]
    axis.add_collection(LineCollection(lines, colors="#c3cad1", linewidths=0.5, zorder=0))
    # The largest lie on top, so that none is hidden by a neighbour that tells nothing.
    known = [place for place in np.argsort(np.abs(values)) if math.isfinite(values[place])]
    x, y = points.T
    axis.scatter(x[known], y[known], s=_DOT, c=colours.to_rgba(values[known]), linewidths=0, zorder=1)
    if len(panel.kept):
        kept = list(panel.kept)
        axis.scatter(
            x[kept], y[kept], s=2.6 * _DOT, facecolors="none", edgecolors=palette.CHANCE, linewidths=0.5, zorder=2
        )
    top, bottom = face_height(chart)
    axis.set(xlim=(x.min() - 0.03, x.max() + 0.03), ylim=(bottom, top), aspect="equal")
    axis.set_title(panel.name)

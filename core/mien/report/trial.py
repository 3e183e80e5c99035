"""Draws a plugin's charts for trial: one that cannot be drawn costs itself and no report."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mien.parallel.worker import attempt
from mien.report import draw_matplotlib, draw_plotly
from mien.report.charts import Chart, chart_name

log = logging.getLogger(__name__)

_OWN = " of mien=="  # of built-in plugins, whose charts are drawn by tests


def drawable(charts: Sequence[object], owner: str) -> tuple[list[Chart], list[str]]:
    """Return the charts that can be drawn for the screen and for print, and sentences about the others.

    Parameters
    ----------
    charts : sequence
        What a plugin gave as charts.
    owner : str
        Whose they are, e.g. ``analyzer 'mine' of my-package==1.0``; those of mien's own are not tried.
    """
    kept, faults = [], []
    for chart in charts:
        if not isinstance(chart, Chart):
            faults.append(f"{owner} gave {type(chart).__name__} as a chart, which is left out: it is no Chart of mien.")
            continue
        if _OWN in owner:
            kept.append(chart)
            continue
        named = replace(chart, name=chart_name(str(chart.name)))  # it becomes the name of a file
        tried = attempt(_draw, named)
        if tried.error is None:
            kept.append(named)
            continue
        log.debug("%s", tried.trace)
        said = f"The chart '{named.name}' of {owner} cannot be drawn and is left out"
        faults.append(f"{said}: {tried.error.message}")
    return kept, faults


def _draw(chart: Chart) -> None:
    draw_plotly.div(chart)
    with tempfile.TemporaryDirectory() as folder:
        draw_matplotlib.save(chart, Path(folder), raster=False)

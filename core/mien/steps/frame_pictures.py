"""Fills the pictures into figures of frames: of those whose faces may be shown, and of no one else."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mien.config.settings import PoolingSettings, ReportSettings
from mien.errors import MienError
from mien.interfaces import Analysis
from mien.progress import Progress
from mien.report.charts import Chart
from mien.report.frame_charts import FrameGrid
from mien.report.overlay import encode, face_view, overlay, region_outlines, relevance_limit, smoothed
from mien.run.view import RunResults
from mien.steps.pictures import strip
from mien.video.reader import read_selected

log = logging.getLogger(__name__)

_WIDTH = 260  # pixels: 200 dots an inch at the size of print


def with_frame_pictures(
    analyses: Mapping[str, Analysis],
    view: RunResults,
    settings: ReportSettings,
    pooling: PoolingSettings,
    progress: Progress,
) -> tuple[dict[str, Analysis], list[str]]:
    """Return the analyses with the pictures of their `FrameGrid` charts, and what could not be drawn.

    Frames of people who may not be shown stay without a picture, and are drawn on the mean face.
    """
    notes: list[str] = []
    shown = _may_be_shown(view, settings)
    grids = {chart.name for one in analyses.values() for chart in one.charts if isinstance(chart, FrameGrid)}
    if not shown or not grids:
        return dict(analyses), notes
    filled: dict[str, Analysis] = {}
    with progress.task("drawing frames", len(grids), "figures") as bar:
        for name, analysis in analyses.items():
            charts: list[Chart] = []
            for chart in analysis.charts:
                if isinstance(chart, FrameGrid):
                    charts.append(_filled(chart, view, shown, pooling, notes))
                    bar.advance()
                else:
                    charts.append(chart)
            filled[name] = replace(analysis, charts=charts)
    return filled, notes


def _may_be_shown(view: RunResults, settings: ReportSettings) -> frozenset[str]:
    if settings.faces == "none" or view.source.spec.layout != "video":
        return frozenset()
    return frozenset(r.id for r in view.source.recordings if settings.faces == "full" or r.consent)


def _filled(
    chart: FrameGrid, view: RunResults, shown: frozenset[str], pooling: PoolingSettings, notes: list[str]
) -> FrameGrid:
    images: dict[tuple[str, int], bytes] = {}
    for recording, frames in chart.recordings().items():
        if recording not in shown:
            continue
        try:
            images |= _images(chart, view, recording, frames, pooling)
        except MienError as error:
            log.warning("no frames of %s: %s", recording, error)
            notes.append(f"No frames of recording {recording}: {error}")
    return chart.with_images(images)


def _images(
    chart: FrameGrid, view: RunResults, recording: str, numbers: Sequence[int], pooling: PoolingSettings
) -> dict[tuple[str, int], bytes]:
    """Return the pictures of frames (ascending) of one recording; colours saturate as in its other pictures."""
    drawn = strip(view, chart.method, recording)
    outlines = region_outlines(drawn, view.scheme, pooling.shape, pooling.padding)
    video = next(one.video for one in view.source.recordings if one.id == recording)
    frames = read_selected(video, numbers)
    drawn = replace(drawn, maps=smoothed(drawn.maps, drawn.tiles))
    face, limit = face_view(drawn.landmarks, *frames.shape[1:3]), relevance_limit(drawn.maps)
    found = {}
    for frame, number in zip(frames, numbers, strict=True):
        row = int(np.searchsorted(drawn.frames, number))
        image = overlay(frame, drawn, row, view=face, limit=limit, signed=chart.signed, outlines=outlines)
        found[recording, number] = encode(image, width=_WIDTH, quality=88)
    return found

"""Pictures and overlay videos of a stated selection of recordings."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.config.settings import PoolingSettings, ReportSettings
from mien.errors import MienError
from mien.progress import Progress
from mien.report.charts import chart_name, free_name
from mien.report.material import Picture, VideoLink
from mien.report.overlay import (
    Strip,
    encode,
    face_view,
    merge_windows,
    overlay,
    region_outlines,
    relevance_limit,
    smoothed,
)
from mien.report.overlay_video import OverlayStyle, overlay_video
from mien.report.selection import choose_recordings, even_frames, extreme_frames, outside_recordings
from mien.run.view import RunResults
from mien.steps.track import track_info
from mien.types import Recording
from mien.video.reader import read_selected

log = logging.getLogger(__name__)

OUTSIDE = "out of distribution"


@dataclass(frozen=True)
class Pictures:
    """What was drawn, and which recordings are shown in detail and why."""

    pictures: Sequence[Picture]
    videos: Sequence[VideoLink]
    selected: Mapping[str, str]
    notes: Sequence[str]


def draw_pictures(
    view: RunResults, settings: ReportSettings, pooling: PoolingSettings, out: Path, progress: Progress
) -> Pictures:
    """Draw the top and bottom frames of the selected recordings, and overlay videos of as many as may be shown.

    A recording whose pictures cannot be drawn costs a note.
    """
    selected = select(view)
    if settings.faces == "none" or view.source.spec.layout != "video":
        return Pictures([], [], selected, [])
    shown = [r for r in _in_order(view, selected) if settings.faces == "full" or r.consent]
    pictures: list[Picture] = []
    videos: list[VideoLink] = []
    notes: list[str] = []
    with progress.task("drawing overlays", len(shown), "recordings") as bar:
        for number, recording in enumerate(shown):
            role = selected.get(recording.id, "")
            try:
                if role:
                    pictures += _extremes(view, recording, pooling)
                if number < settings.videos:
                    videos.append(
                        _video(view, recording, role, pooling, out, {Path(video.path).stem for video in videos})
                    )
            except MienError as error:
                log.warning("no pictures of %s: %s", recording.id, error)
                notes.append(f"No pictures of recording {recording.id}: {error}")
            bar.advance()
    return Pictures(pictures, videos, selected, notes)


def select(view: RunResults) -> dict[str, str]:
    """Return the recordings shown in detail and why: worst, median, best participant, and some outside the data set."""
    explained = {key.recording for key in view.explained}
    continuous = view.objective.continuous
    chosen = {one.recording: one.role for one in choose_recordings(view.predictions, explained, continuous=continuous)}
    return chosen | dict.fromkeys(outside_recordings(view.recordings, explained), OUTSIDE)


def _in_order(view: RunResults, selected: Mapping[str, str]) -> list[Recording]:
    """Return the explained recordings, those selected first."""
    explained = {key.recording for key in view.explained}
    recordings = {r.id: r for r in view.source.recordings if r.id in explained}
    order = [*selected, *(id_ for id_ in recordings if id_ not in selected)]
    return [recordings[id_] for id_ in order]


def strip(view: RunResults, method: str, recording: str) -> Strip:
    """Return the relevance of a recording's explained windows, one map a source frame."""
    keys = [key for key in view.explained if key.recording == recording]
    windows = [view.source.windows(recording)[key.window] for key in keys]
    content = [window.content for window in windows]
    return merge_windows(
        np.stack([window.frames for window in windows]),
        np.stack([view.maps(method, key) for key in keys]),
        np.stack([view.source.transforms(recording, numbers) for numbers in content]),
        np.stack([view.source.landmarks(recording, numbers) for numbers in content]),
        view.source.cropper.tiles,
    )


def _extremes(view: RunResults, recording: Recording, pooling: PoolingSettings) -> list[Picture]:
    pictures = []
    for name, method in view.methods.items():
        if not view.was_explained(name, recording.id):
            continue
        chosen = extreme_frames(view.relevance, name, recording.id, signed=method.signed)
        if chosen.empty:
            chosen = even_frames(view.relevance, name, recording.id)
        drawn = strip(view, name, recording.id)
        outlines = region_outlines(drawn, view.scheme, pooling.shape, pooling.padding)
        numbers = [int(number) for number in chosen["frame"]]
        frames = read_selected(recording.video, numbers)
        shown = replace(drawn, maps=smoothed(drawn.maps, drawn.tiles))
        height, width = frames.shape[1:3]
        view_of_face, limit = face_view(shown.landmarks, height, width), relevance_limit(shown.maps)
        for frame, number, row in zip(frames, numbers, chosen.itertuples(), strict=True):
            place = int(np.searchsorted(shown.frames, number))
            image = overlay(
                frame, shown, place, view=view_of_face, limit=limit, signed=method.signed, outlines=outlines
            )
            total = f"total relevance {row.value:+.3g}" + ("" if row.kind else ", as in every frame")
            caption = f"{name}, {row.time_s:.2f} s, {total}"
            pictures.append(Picture(recording.id, recording.participant, str(row.kind), caption, encode(image), name))
    return pictures


def _video(
    view: RunResults,
    recording: Recording,
    role: str,
    pooling: PoolingSettings,
    out: Path,
    taken: Collection[str],
) -> VideoLink:
    name = next(name for name in view.methods if view.was_explained(name, recording.id))
    method = view.methods[name]
    sign = "red: for, blue: against " + view.objective.higher_is if method.signed else "orange: relevant"
    info = track_info(view.source.prepared(recording.id).track)
    # Ids that differ in capitals or in other alphabets' letters only would share a file.
    stem = free_name(chart_name(recording.id, name), taken)
    relative = f"videos/{stem}.mp4"
    path = overlay_video(
        out / relative,
        recording.video,
        strip(view, name, recording.id),
        view.scheme,
        rate=info.rate,
        style=OverlayStyle(method.signed, f"{name}  {sign}", pooling.shape, pooling.padding),
    )
    embed = path.read_bytes() if role else None
    return VideoLink(recording.id, recording.participant, role, relative, embed, name)

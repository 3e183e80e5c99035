"""The figures of the audit for artefacts: outside the face against chance, clusters of maps, and their examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mien.interfaces import RunView
    from mien.report.charts import Chart, MapGrid, MapPanel, ScatterChart
    from mien.report.frame_charts import FrameBlock, FrameGrid
    from mien_plugins.analyzers.artifact_audit_clusters import Clusters
    from mien_plugins.analyzers.artifact_audit_maps import ClipMap, Sums


def of_method(
    run: RunView,
    method: str,
    tables: Mapping[str, pd.DataFrame],
    clips: Sequence[ClipMap],
    found: Clusters | None,
    examples: int,
) -> list[Chart]:
    """Return the figures of one method."""
    from mien_plugins.analyzers.artifact_audit_clusters import clustered_clips

    own = clustered_clips(clips, method)
    people = tables["artifact_audit_participants"]
    known = people[(people["method"] == method) & people["ratio"].notna()]
    drawn: list[Chart] = [_outside(method, known, tables["artifact_audit"])] if len(known) else []
    if own:
        drawn.append(_maps(method, own, found, examples))
    if found is not None:
        drawn.append(_frames(run, method, own, found, examples))
    return drawn


def _outside(method: str, people: pd.DataFrame, methods: pd.DataFrame) -> ScatterChart:
    from mien.report.charts import LineSeries, PointGroup, ScatterChart, chart_name

    places = [place / 50 for place in range(51)]
    lines = [LineSeries(name="an even spread", x=places, y=places)]
    reached: Any = methods.set_index("method").loc[method, "untrained_ratio_highest"]
    if reached > 0:  # r = (s / a) / ((1 - s) / (1 - a)), solved for the share s
        curve = [1.0 if math.isinf(reached) else reached * x / (1 - x + reached * x) for x in places]
        lines.append(LineSeries(name="highest of the untrained networks", x=places, y=curve))
    return ScatterChart(
        name=chart_name("outside_the_face", method),
        title=f"Relevance outside the face ({method})",
        caption="Each point is a participant. Above the line of an even spread, a pixel outside the face holds more "
        "relevance than one inside.",
        x_label="share of the crop's pixels outside the face",
        y_label="share of absolute relevance outside the face",
        groups=[
            PointGroup(
                name="participants",
                x=people["area_share"].tolist(),
                y=people["share"].tolist(),
                labels=[str(name) for name in people["participant"]],
            )
        ],
        lines=lines,
    )


def _maps(method: str, clips: Sequence[ClipMap], found: Clusters | None, examples: int) -> MapGrid:
    from mien.report.charts import MapGrid, chart_name
    from mien.report.words import count
    from mien_plugins.analyzers.artifact_audit_places import pooled

    everyone = pooled([one.sums for one in clips])
    rows = [("all clips", [_panel(f"mean of {count(len(clips), 'clip')}", everyone)])]
    for number in range(0 if found is None else found.count):
        members = [one for one, label in zip(clips, found.labels, strict=True) if label == number]  # type: ignore[union-attr]
        panels = [_panel(f"mean of {count(len(members), 'clip')}", pooled([one.sums for one in members]))]
        for place in found.nearest(number, examples):  # type: ignore[union-attr]
            key = clips[place].key
            panels.append(_panel(f"recording {key.recording}, window {key.window}", clips[place].sums))
        rows.append((f"cluster {number}", panels))
    return MapGrid(
        name=chart_name("relevance_clusters", method),
        title=f"Clusters of relevance maps ({method})",
        caption="Absolute relevance over the crop, mean over frames (the darker, the more; each map has its own "
        "scale), with the outline of the face. Of each cluster its mean and the clips nearest to it.",
        rows=rows,
    )


def _panel(name: str, sums: Sums) -> MapPanel:
    import numpy as np

    from mien.report.charts import MapPanel
    from mien_plugins.analyzers.artifact_audit_maps import INSIDE

    area = sums.area.sum(0)
    mean = sums.total / area.sum()
    values = np.divide(sums.relevance.sum(0), area * mean, out=np.zeros_like(area), where=area * mean > 0)
    inside = np.divide(sums.area[INSIDE], area, out=np.zeros_like(area), where=area > 0)
    return MapPanel(name=name, values=values.tolist(), inside=inside.tolist())


def _frames(run: RunView, method: str, clips: Sequence[ClipMap], found: Clusters, examples: int) -> FrameGrid:
    """Return the frame of most relevance of the examples; pictures are filled in of those who may be shown."""
    from mien.report.charts import chart_name
    from mien.report.facts import drawn_face
    from mien.report.frame_charts import FrameGrid

    rows = run.relevance[(run.relevance["method"] == method) & run.relevance["valid"]]
    blocks: list[tuple[str, Sequence[FrameBlock]]] = []
    for number in range(found.count):
        near = [clips[place] for place in found.nearest(number, examples)]
        blocks.append((f"cluster {number}", [_block(rows, one) for one in near]))
    blocks = [(name, [*own, *[_no_more()] * (examples - len(own))]) for name, own in blocks]
    return FrameGrid(
        name=chart_name("cluster_frames", method),
        title=f"Examples of the clusters ({method})",
        caption="Of each cluster the clips whose maps are nearest to its mean, and in each the frame of most absolute "
        "relevance. Faces are shown of those who may be; a drawn face shows the regions' parts of the frame's absolute "
        "relevance, and nothing outside the face.",
        method=method,
        signed=bool(getattr(run.methods.get(method), "signed", True)),
        columns=[f"example {place + 1}" for place in range(examples)],
        rows=blocks,
        wide=1,
        face=drawn_face(run.scheme),
    )


def _no_more() -> FrameBlock:
    from mien.report.frame_charts import FrameBlock

    return FrameBlock(text="no more clips")


def _block(rows: pd.DataFrame, clip: ClipMap) -> FrameBlock:
    from mien.report.frame_charts import FrameBlock, FramePicture
    from mien.report.words import region_title

    key = clip.key
    own = rows[(rows["recording"] == key.recording) & (rows["window"] == key.window)]
    totals = own[own["region"] == "total"].set_index("frame")["absolute"]
    frame = int(totals.index[int(totals.to_numpy().argmax())])
    there = own[own["frame"] == frame]
    whole = float(totals.max()) or 1.0
    parts = there.groupby("region", observed=True)["absolute"].mean() / whole
    picture = FramePicture(
        recording=key.recording,
        frame=frame,
        text=f"{float(there['time_s'].iloc[0]):.2f} s",
        values={region_title(str(name)): float(value) for name, value in parts.items()},
    )
    return FrameBlock(text=f"participant {key.participant}", frames=[picture])

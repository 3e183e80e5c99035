"""Charts and tables that every report has, made from a run's tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mien.regions.bits import face_outline
from mien.regions.names import REGIONS
from mien.regions.polygons import bounding_boxes, convex_hulls, grow
from mien.report.charts import FaceMap, FacePanel, LineChart, LineSeries, PointGroup, ScatterChart
from mien.report.frame_charts import DrawnFace
from mien.report.words import number, region_title
from mien.types import LandmarkScheme

SPLIT_TITLES = {
    "train": "training",
    "validation": "validation",
    "test": "held out (test)",
    "out_of_distribution": "out of distribution",
    "none": "no split",
}


@dataclass(frozen=True)
class Grid:
    """A table for reading: headers, rows of texts, and which columns are numbers."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]


def grid(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> Grid:
    """Return a table for reading; numbers are written with three digits."""
    numeric = [any(_is_number(row[i]) for row in rows) for i in range(len(headers))]
    return Grid(headers, [[_cell(value) for value in row] for row in rows], numeric)


def rows_of(table: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows as named tuples, whose types no checker can know."""
    yield from table.itertuples()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    return number(value) if _is_number(value) else str(value)


_LOSSES = {"train_loss": "training", "validation_loss": "validation"}
_MOST_LINES = 8


def training_chart(training: pd.DataFrame, labels: str = "standardised labels") -> LineChart | None:
    """Return the training curve of the network, or of that of each fold; None when nothing was trained.

    Parameters
    ----------
    labels : str
        What the network learns.
    """
    own = training[training["network"] == "trained"] if len(training) else training
    if own.empty:
        return None
    said = f"Mean loss of each epoch, on {labels}."
    folds = own["fold"].nunique()
    if folds == 1:
        series = _curves(own, "")
    elif folds * len(_curves(own, "")) <= _MOST_LINES:
        said += " Each fold has a network of its own."
        series = [line for fold, rows in own.groupby("fold") for line in _curves(rows, f", fold {fold}")]
    else:
        said += f" Lines are means over the networks of {folds} folds, bands reach from the lowest to the highest."
        series = _curves(own, ", mean of the folds", band=True)
    return _loss_chart("training_curve", "Training curve", said, series)


def control_training_chart(training: pd.DataFrame, labels: str = "standardised labels") -> LineChart | None:
    """Return the training curves of the controls with permuted labels, or None when there are none."""
    own = training[training["network"] != "trained"] if len(training) else training
    if own.empty:
        return None
    names = own["network"].unique()
    said = f"Mean loss of each epoch, on {labels} that were permuted among participants."
    if own["fold"].nunique() > 1:
        said += " Lines are means over the folds."
    if len(names) * len(_curves(own, "")) <= _MOST_LINES:
        series = [line for name, rows in own.groupby("network") for line in _curves(rows, f", {name}")]
    else:
        said += f" They are means over {len(names)} networks; bands reach from the lowest to the highest."
        series = _curves(own, ", permuted labels", band=True)
    return _loss_chart("training_curve_permuted", "Training curve of the permuted controls", said, series)


def _curves(training: pd.DataFrame, name: str, *, band: bool = False) -> list[LineSeries]:
    """Return a line for each loss that is known: the mean over networks at each epoch."""
    series = []
    for column, loss in _LOSSES.items():
        found = training[training[column].notna()].groupby("epoch")[column].agg(["mean", "min", "max"])
        if len(found):
            ends = {"low": found["min"].tolist(), "high": found["max"].tolist()} if band else {}
            line = LineSeries(name=loss + name, x=found.index.tolist(), y=found["mean"].tolist(), **ends)
            series.append(line)
    return series


def _loss_chart(name: str, title: str, caption: str, series: Sequence[LineSeries]) -> LineChart:
    return LineChart(name=name, title=title, caption=caption, x_label="epoch", y_label="loss", series=series)


def participant_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row a labelled unit of a participant: label, mean prediction, spread over windows.

    A participant with several labels (sessions) has a row for each.

    Returns
    -------
    DataFrame
        split, participant, label, prediction, sd, windows.
    """
    known = predictions[predictions["label"].notna()]
    keys = ["split", "participant", "label"]
    found = known.groupby(keys)["prediction"].agg(["mean", "std", "size"]).reset_index()
    return found.rename(columns={"mean": "prediction", "std": "sd", "size": "windows"})


def prediction_chart(predictions: pd.DataFrame, label: str) -> ScatterChart | None:
    """Return predictions against labels by participant, or None without labels."""
    people = participant_predictions(predictions)
    if people.empty:
        return None
    groups = []
    for split in ("test", "validation", "train", "none"):
        own = people[people["split"] == split]
        if len(own):
            sd = own["sd"].fillna(0.0)
            groups.append(
                PointGroup(
                    name=SPLIT_TITLES[split],
                    x=own["label"].tolist(),
                    y=own["prediction"].tolist(),
                    low=(own["prediction"] - sd).tolist(),
                    high=(own["prediction"] + sd).tolist(),
                    labels=[str(name) for name in own["participant"]],
                )
            )
    return ScatterChart(
        name="predictions",
        title="Predictions against labels",
        caption="A point is a participant (one for each label of theirs): the mean over windows; "
        "the bar is one standard deviation of the windows.",
        x_label=f"{label}: label",
        y_label=f"{label}: prediction",
        groups=groups,
        identity=True,
    )


_METRICS = {"pearson": "Pearson r", "spearman": "Spearman r", "ccc": "concordance", "mae": "MAE", "rmse": "RMSE"}
"""Titles of metrics; of others, the name itself is one."""


def metrics_grid(metrics: pd.DataFrame, levels: Sequence[str]) -> Grid | None:
    """Return the metrics of some levels for reading, held-out participants first."""
    if metrics.empty or not metrics["level"].isin(levels).any():
        return None
    metrics = metrics[metrics["level"].isin(levels)]
    order = {split: i for i, split in enumerate(("test", "validation", "train"))}
    rows = [
        [
            SPLIT_TITLES.get(row.split, row.split) + (", new persons" if row.subset == "unseen_persons" else ""),
            row.level,
            _METRICS.get(row.metric, str(row.metric).replace("_", " ")),
            float(row.value),
            f"{number(row.low)} to {number(row.high)}" if math.isfinite(row.low) else "–",
            int(row.n),
        ]
        for row in metrics.sort_values("split", key=lambda s: s.map(order), kind="stable").pipe(rows_of)
    ]
    return grid(["participants", "level", "metric", "value", "95 % interval", "n"], rows)


def split_grid(recordings: pd.DataFrame) -> Grid:
    """Return how many participants, recordings and windows each side has."""
    used = recordings[recordings["status"] == "used"]
    rows = []
    for split, title in SPLIT_TITLES.items():
        own = used[used["split"] == split]
        if len(own):
            minutes = float(own["duration_s"].astype("float64").sum()) / 60
            windows = int(own["windows"].fillna(0).sum())
            rows.append([title, own["participant"].nunique(), len(own), windows, minutes])
    return grid(["side", "participants", "recordings", "windows", "minutes"], rows)


def exclusion_grid(recordings: pd.DataFrame) -> Grid | None:
    """Return every recording that was set aside, with the reason."""
    aside = recordings[recordings["status"] == "excluded"]
    if aside.empty:
        return None
    rows = [[r.recording, r.participant, r.stage, r.reason] for r in aside.pipe(rows_of)]
    return grid(["recording", "participant", "step", "reason"], rows)


def remarks(recordings: pd.DataFrame) -> Grid | None:
    """Return what is to be known of recordings that were used: others' faces, frames without a face."""
    rows = []
    for r in recordings[recordings["status"] == "used"].pipe(rows_of):
        frames, valid = _whole(r.frames), _whole(r.valid_frames)
        others = _whole(r.frames_with_others)
        said = []
        if others:
            said.append(
                f"other faces were seen in {others:,} of {frames:,} frames (up to {_whole(r.max_faces)} at once); "
                "the most confident one was followed"
            )
        if valid < frames:
            said.append(f"no face in {frames - valid:,} of {frames:,} frames")
        if said:
            rows.append([r.recording, r.participant, "; ".join(said)])
    return grid(["recording", "participant", "remark"], rows) if rows else None


def _whole(value: Any) -> int:
    return 0 if pd.isna(value) else int(value)


def face_map(region_relevance: pd.DataFrame, scheme: LandmarkScheme, shape: str, padding: float) -> FaceMap | None:
    """Return the density of each region on a drawn mean face, a panel for each method."""
    if region_relevance.empty:
        return None
    face = drawn_face(scheme, shape, padding)
    panels = []
    for method, own in region_relevance.groupby("method", sort=False):
        values = {region_title(str(r.region)): float(r.density) for r in own.pipe(rows_of)}
        panels.append(FacePanel(name=str(method), values={name: values.get(name, math.nan) for name in face.patches}))
    return FaceMap(
        name="face_map",
        title="Where relevance is dense",
        caption="Density of absolute relevance by region on a drawn mean face; 1 is an even spread over the face. "
        "The person's right is on the left.",
        points=face.points,
        edges=face.edges,
        patches=face.patches,
        outline=_points(face_outline(np.asarray(scheme.mean_face, np.float64)[None], scheme)[0]),
        panels=panels,
        unit="times chance",
    )


def drawn_face(scheme: LandmarkScheme, shape: str = "hull", padding: float = 0.25) -> DrawnFace:
    """Return the scheme's mean face with the regions as they are pooled, by their titles."""
    mean = np.asarray(scheme.mean_face, np.float64)
    outlined = convex_hulls if shape == "hull" else bounding_boxes
    patches = {
        region_title(name): _points(grow(outlined(mean[None, list(scheme.regions[name])]), padding)[0])
        for name in REGIONS
    }
    return DrawnFace(points=_points(mean), edges=tuple((int(a), int(b)) for a, b in scheme.edges), patches=patches)


def _points(values: Any) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in values]

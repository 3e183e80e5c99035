"""A network on another data set, for reading: what changed, whether it is calibrated, and what replicates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mien.evaluation.replication import RULE
from mien.evaluation.units import at_levels, known
from mien.report.charts import BarChart, BarSeries, Chart, LineSeries, PointGroup, ScatterChart
from mien.report.facts import Grid, grid, rows_of
from mien.report.words import number, region_title

_TOPICS = {
    "metric": "held out",
    "calibration": "calibration",
    "labels": "labels",
    "inter_ocular_distance": "inter-ocular distance",
    "face_height": "face height",
}
_MOST_DRAWN = 40
HOW = (
    "Nothing was trained here. “Own run” is the run that trained the network, on its held-out people. A shift is the "
    "difference of the means over participants in standard deviations of the own run; the KS distance is 0 where two "
    "distributions are alike and 1 where they do not overlap."
)


@dataclass(frozen=True)
class Validated:
    """The report's section of a validation."""

    how: str
    figures: Grid
    calibration: Chart | None
    rule: str
    replication: Grid | None
    effects: Chart | None

    @property
    def charts(self) -> list[Chart]:
        """Its charts."""
        return [chart for chart in (self.calibration, self.effects) if chart is not None]


def validated(
    validation: pd.DataFrame, replication: pd.DataFrame, predictions: pd.DataFrame, label: str, level: str
) -> Validated | None:
    """Return the section, or None for a run that is no validation.

    Parameters
    ----------
    validation, replication, predictions : DataFrame
        The tables of these names.
    label : str
        The label's name.
    level : str
        The unit of the calibration.
    """
    if validation.empty:
        return None
    return Validated(
        HOW,
        _figures(validation),
        _calibration(validation, predictions, label, level),
        RULE,
        _verdicts(replication),
        _effects(replication),
    )


def _figures(validation: pd.DataFrame) -> Grid:
    rows = [
        [
            _TOPICS[row.topic],
            " ".join([row.quantity.replace("_", " "), *([f"({row.unit})"] if row.unit else [])]),
            float(row.source_value),
            _interval(row.source_low, row.source_high),
            float(row.value),
            _interval(row.low, row.high),
            int(row.n),
            row.note,
        ]
        for row in validation.pipe(rows_of)
    ]
    headers = ["of", "figure", "own run", "its 95 % interval", "here", "95 % interval", "n", "note"]
    return grid(headers, rows)


def _interval(low: float, high: float) -> str:
    return f"{number(low)} to {number(high)}" if math.isfinite(low) and math.isfinite(high) else "–"


def _calibration(validation: pd.DataFrame, predictions: pd.DataFrame, label: str, level: str) -> ScatterChart | None:
    fitted = validation[validation["topic"] == "calibration"].set_index("quantity")["value"]
    held_out = known(predictions)
    if fitted.empty or held_out.empty:
        return None
    units = at_levels(held_out)
    level = level if level in units else "participant"
    table = units[level]
    slope, offset = float(fitted["slope"]), float(fitted["offset"])
    lines = []
    said = "The regression of labels on predictions is not defined."
    if math.isfinite(slope) and math.isfinite(offset):
        ends = [float(table["prediction"].min()), float(table["prediction"].max())]
        lines = [LineSeries(name="labels regressed on predictions", x=ends, y=[offset + slope * x for x in ends])]
        said = f"The line is label = {number(offset)} + {number(slope)} × prediction."
    return ScatterChart(
        name="calibration",
        title="Calibration on this data set",
        caption=f"A point is a {level}: the mean prediction and the label. {said} On the dashed line predictions mean "
        "what they say.",
        x_label=f"{label}: prediction",
        y_label=f"{label}: label",
        groups=[
            PointGroup(
                name="this data set",
                x=table["prediction"].tolist(),
                y=table["label"].tolist(),
                labels=[str(name) for name in table["participant"]],
            )
        ],
        identity=True,
        lines=lines,
    )


def _verdicts(replication: pd.DataFrame) -> Grid | None:
    if replication.empty:
        return None
    rows = [
        [
            _hypothesis(row.method, row.measure, row.region, row.au, row.source, row.adjusted),
            f"{number(row.source_effect)} ({_interval(row.source_low, row.source_high)})",
            float(row.effect),
            _interval(row.low, row.high),
            float(row.p),
            int(row.n),
            row.verdict.replace("_", " "),
            row.reason,
        ]
        for row in replication.pipe(rows_of)
    ]
    return grid(["hypothesis", "own run", "here", "95 % interval", "p", "n", "verdict", "why"], rows)


def _hypothesis(method: str, measure: str, region: str, au: str, source: str, adjusted: bool) -> str:
    about = [region_title(region) if region else "", au, f"({source})" if source else ""]
    words = " ".join(part for part in about if part)
    return f"{method}: {measure.replace('_', ' ')}, {words}{', adjusted for the prediction' if adjusted else ''}"


def _effects(replication: pd.DataFrame) -> BarChart | None:
    if replication.empty:
        return None
    shown = replication.head(_MOST_DRAWN)
    left_out = len(replication) - len(shown)
    more = f" The other {left_out} hypotheses are in the table replication." if left_out else ""
    return BarChart(
        name="replication",
        title="Hypotheses of the own run, and the same effects here",
        caption=f"Effects with 95 % intervals over participants.{more}",
        x_label="effect",
        groups=[
            _hypothesis(row.method, row.measure, row.region, row.au, row.source, row.adjusted)
            for row in shown.pipe(rows_of)
        ],
        series=[
            _series("own run", shown, ("source_effect", "source_low", "source_high")),
            _series("here", shown, ("effect", "low", "high")),
        ],
        value_name="effect, with 95 % interval",
        chance=0.0,
        chance_name="no effect",
    )


def _series(name: str, rows: pd.DataFrame, columns: Sequence[str]) -> BarSeries:
    values, low, high = (rows[column].to_numpy(np.float64).tolist() for column in columns)
    return BarSeries(name=name, values=values, low=low, high=high)

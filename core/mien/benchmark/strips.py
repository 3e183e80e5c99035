"""Small drawings that stand in the cells of a table: a mean with its interval, over the range of the controls."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mien.benchmark.measures import Measure
from mien.report.words import number

WIDTH, HEIGHT = 132, 20
_PAD = 4.0


@dataclass(frozen=True)
class Strip:
    """One cell; places are in pixels from the left, None for what is not drawn.

    Attributes
    ----------
    text : str
        The mean.
    title : str
        Mean, interval and controls in words.
    best : bool
        Whether it is the best of its column.
    """

    text: str
    title: str
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    control: float | None = None
    control_low: float | None = None
    control_high: float | None = None
    chance: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Scale:
    """The value axis that the cells of a measure share."""

    low: float
    high: float

    def at(self, value: Any) -> float | None:
        """Return the place of a value, in pixels; None where there is none."""
        if value is None or not math.isfinite(float(value)):
            return None
        share = (float(value) - self.low) / (self.high - self.low)
        return round(_PAD + min(max(share, 0.0), 1.0) * (WIDTH - 2 * _PAD), 1)


_ENDS = ("mean", "low", "high", "control_mean", "control_low", "control_high")


def scale_of(measure: Measure, rows: Iterable[Mapping[str, Any]]) -> Scale:
    """Return an axis that holds 0, what chance gives, and all values of some rows of the table `SUMMARY`."""
    values = [float(row[name]) for row in rows for name in _ENDS]
    known = [value for value in values if math.isfinite(value)] + [0.0]
    known += [] if measure.chance is None else [measure.chance]
    low, high = min(known), max(known)
    if measure.share:
        low, high = 0.0, max(1.0, high) if measure.group == "planted" else high
    return Scale(low, high if high > low else low + 1.0)


def strip(measure: Measure, row: Mapping[str, Any] | None, scale: Scale, *, best: bool = False) -> Strip:
    """Return the cell of one row of the table `SUMMARY`; a dash where there is none or nothing is defined."""
    if row is None or not math.isfinite(float(row["mean"])):
        return Strip("–", "not measured" if row is None else "not defined or not applicable")
    return Strip(
        value_text(measure, row["mean"]),
        sentence(measure, row),
        mean=scale.at(row["mean"]),
        low=scale.at(row["low"]),
        high=scale.at(row["high"]),
        control=scale.at(row["control_mean"]),
        control_low=scale.at(row["control_low"]),
        control_high=scale.at(row["control_high"]),
        chance=scale.at(measure.chance),
        best=best,
    )


def best_places(measure: Measure, rows: Sequence[Mapping[str, Any] | None]) -> set[int]:
    """Return the places of the best defined rows; more than one where they are equal."""
    sign = 1 if measure.higher else -1
    known = {place: sign * float(row["mean"]) for place, row in enumerate(rows) if row is not None}
    known = {place: value for place, value in known.items() if math.isfinite(value)}
    return {place for place, value in known.items() if math.isclose(value, max(known.values()), abs_tol=1e-12)}


def value_text(measure: Measure, value: Any) -> str:
    """Return a value as it is written in tables; a dash where it is undefined."""
    if value is None or not math.isfinite(float(value)):
        return "–"
    value = float(value)
    if measure.name == "gap":
        return f"{100 * value:.2g} %"
    if measure.share:
        return f"{100 * value:.0f} %"
    if measure.group == "cost":
        return number(value, 2)
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def range_text(measure: Measure, low: Any, high: Any) -> str:
    """Return ``low to high``; empty where one of them is undefined."""
    if any(value is None or not math.isfinite(float(value)) for value in (low, high)):
        return ""
    return f"{value_text(measure, low).removesuffix(' %')} to {value_text(measure, high)}"


def sentence(measure: Measure, row: Mapping[str, Any]) -> str:
    """Return the mean, its interval and the controls of a row of the table `SUMMARY` in words."""
    ends = range_text(measure, row["low"], row["high"])
    text = f"{value_text(measure, row['mean'])}" + (f" (95 % interval {ends})" if ends else "")
    text += f", {int(row['n'])} participants"
    if int(row["undefined"]):
        text += f", undefined in {int(row['undefined'])}"
    beside = range_text(measure, row["control_low"], row["control_high"])
    if beside:
        text += f"; untrained {value_text(measure, row['control_mean'])} ({beside})"
    return text

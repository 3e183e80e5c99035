"""A network on another labelled data set, beside its own run: the table ``validation``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mien.evaluation.units import at_levels, known
from mien.run.source import Figure, SourceRecord
from mien.statistics import FEWEST, Estimate, calibration, mean_interval
from mien.statistics.distribution import Spread, ks_distance, spread_of

RESAMPLES = 1000
FIXED = "In standard deviations of the source, whose figures are taken as fixed."
NOT_KNOWN = "The checkpoint does not say what it is in the network's own run."


def validation_table(
    metrics: pd.DataFrame,
    predictions: pd.DataFrame,
    sizes: pd.DataFrame,
    units: Mapping[str, str],
    level: str,
    source: SourceRecord | None,
    seed: int,
    *,
    continuous: bool = True,
) -> pd.DataFrame:
    """Return figures of this data set beside those of the network's own run.

    Parameters
    ----------
    metrics, predictions : DataFrame
        The tables of these names.
    sizes : DataFrame
        participant, and a column for each measure of the face's size, one row a recording.
    units : mapping of str to str
        The measures of ``sizes``, and their units.
    level : str
        The labelled unit: participant, session or recording.
    source : SourceRecord or None
        What lies beside the checkpoint.
    continuous : bool
        Whether labels are numbers on a scale; without one there is no calibration and no shift of labels.
    """
    rows = _metrics(metrics, level, source)
    if continuous:
        rows += _calibration(predictions, level, source, seed)
        people = at_levels(known(predictions)).get("participant", predictions)
        labels = people.groupby("participant")["label"].mean()
        rows += _shift("labels", "label", labels, source.labels if source else None, seed)
    for measure, unit in units.items():
        values = sizes.groupby("participant")[measure].mean()
        rows += _shift(measure, unit, values, source.faces.get(measure) if source else None, seed)
    return pd.DataFrame(rows)


def calibrated(predictions: pd.DataFrame, level: str, seed: int) -> dict[str, Estimate]:
    """Return slope and offset of the regression of labels on predictions, with intervals over participants."""
    units = at_levels(known(predictions))
    table = units.get(level, units["participant"])
    slope, offset = calibration(
        table["label"], table["prediction"], table["participant"], np.random.default_rng(seed), RESAMPLES
    )
    return {"slope": slope, "offset": offset}


def _metrics(metrics: pd.DataFrame, level: str, source: SourceRecord | None) -> list[dict[str, Any]]:
    own = metrics[(metrics["level"] == level) & (metrics["subset"] == "all") & (metrics["split"] == "test")]
    before = {one.metric: one for one in source.metrics} if source else {}
    other = f"In the network's own run of each {source.level}." if source and source.level != level else ""
    rows = []
    for row in own.to_dict("records"):
        figure = before.get(row["metric"])
        there = Figure(value=figure.value, low=figure.low, high=figure.high, n=figure.n) if figure else None
        here = Estimate(row["value"], row["low"], row["high"], int(row["n"]))
        rows.append(_row("metric", str(row["metric"]), "", there, here, "" if there is None else other))
    return rows


def _calibration(predictions: pd.DataFrame, level: str, source: SourceRecord | None, seed: int) -> list[dict[str, Any]]:
    table = at_levels(known(predictions))
    count = len(table.get(level, table["participant"]))
    meant = {"slope": "1 is calibrated; below 1 predictions are too extreme.", "offset": "0 is calibrated."}
    rows = []
    for name, found in calibrated(predictions, level, seed).items():
        there = source.calibration.get(name) if source else None
        here = Estimate(found.value, found.low, found.high, count, found.reason)
        unit = "label" if name == "offset" else ""
        rows.append(_row("calibration", name, unit, there, here, meant[name]))
    return rows


def _shift(topic: str, unit: str, values: pd.Series[Any], before: Spread | None, seed: int) -> list[dict[str, Any]]:
    here = spread_of(values)
    mean, low, high = (float(one[0]) for one in mean_interval(values.to_numpy(float)[:, None], RESAMPLES, seed))
    few = "" if here.n >= FEWEST else f"fewer than {FEWEST} participants: no interval"
    rows = [
        _row(topic, "mean", unit, _figure(before, "mean"), Estimate(mean, low, high, here.n, few)),
        _row(topic, "sd", unit, _figure(before, "sd"), _plain(here.sd, here.n)),
    ]
    scale = before.sd if before and before.sd else None
    if before is None or before.mean is None or scale is None:
        reason = NOT_KNOWN if before is None else "All participants of the source are alike."
        shift = Estimate(np.nan, np.nan, np.nan, here.n, reason)
    else:
        moved, lowest, highest = ((end - before.mean) / scale for end in (mean, low, high))
        shift = Estimate(moved, lowest, highest, here.n)
    distance = ks_distance(before, here) if before else float("nan")
    lacking = "" if np.isfinite(distance) else "No quantiles: fewer than five participants." if before else NOT_KNOWN
    return [
        *rows,
        _row(topic, "shift", "sd", None, shift, FIXED),
        _row(topic, "ks_distance", "", None, Estimate(distance, np.nan, np.nan, here.n, lacking)),
    ]


def _figure(spread: Spread | None, name: str) -> Figure | None:
    return Figure(value=getattr(spread, name), n=spread.n) if spread else None


def _plain(value: float | None, n: int) -> Estimate:
    return Estimate(np.nan if value is None else value, np.nan, np.nan, n)


def _row(topic: str, quantity: str, unit: str, there: Figure | None, here: Estimate, note: str = "") -> dict[str, Any]:
    reason = f"{here.reason[0].upper()}{here.reason[1:].rstrip('.')}." if here.reason else ""
    return {
        "topic": topic,
        "quantity": quantity,
        "unit": unit,
        "source_value": there.value if there else None,
        "source_low": there.low if there else None,
        "source_high": there.high if there else None,
        "source_n": there.n if there else None,
        "value": here.value,
        "low": here.low,
        "high": here.high,
        "n": here.n,
        "note": reason or note,
    }

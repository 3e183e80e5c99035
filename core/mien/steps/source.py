"""What a run leaves beside its checkpoint for comparison on other data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from mien.config.run_config import RunConfig, dump
from mien.evaluation.units import at_levels, known
from mien.evaluation.validation import calibrated
from mien.run.record import MetricValue, RunRecord
from mien.run.source import Figure, SourceRecord
from mien.run.summary import headline_level
from mien.run.view import RunResults
from mien.statistics.distribution import spread_of
from mien.steps.face_size import MEASURES, face_sizes

STATISTICS, HYPOTHESES = "statistics", "hypotheses"
"""Tables of the analyzer `statistics`, when a run has one."""


def source_record(
    config: RunConfig,
    record: RunRecord,
    view: RunResults,
    analyses: Mapping[str, pd.DataFrame],
    training_mean: float | None,
) -> SourceRecord:
    """Return what a run found of the network that it publishes.

    Parameters
    ----------
    analyses : mapping of str to DataFrame
        The tables of all analyzers.
    training_mean : float or None
        Mean label of the recordings that the network was trained on.
    """
    recordings = view.recordings
    used = recordings[recordings["status"] == "used"]
    level = headline_level(used)
    inside = view.predictions[view.predictions["split"] != "out_of_distribution"]
    people = at_levels(known(inside))["participant"].groupby("participant")["label"].mean()
    sizes = face_sizes(view.source, used.loc[used["split"] != "out_of_distribution", "recording"])
    return SourceRecord(
        seed=config.seed,
        versions=record.versions,
        objective=dump(config.objective),
        level=level,
        metrics=_metrics(view.tables["metrics"], level),
        calibration=_calibration(view, level, config),
        training_mean=training_mean,
        labels=spread_of(people) if config.objective.continuous else None,
        faces={measure: spread_of(sizes.groupby("participant")[measure].mean()) for measure in MEASURES},
        statistics=_rows(analyses.get(STATISTICS)),
        hypotheses=_rows(analyses.get(HYPOTHESES)),
    )


def _metrics(metrics: pd.DataFrame, level: str) -> list[MetricValue]:
    own = metrics[(metrics["split"] == "test") & (metrics["subset"] == "all") & (metrics["level"] == level)]
    return [MetricValue.model_validate(row) for row in _rows(own) or []]


def _calibration(view: RunResults, level: str, config: RunConfig) -> dict[str, Figure]:
    held_out = known(view.predictions[view.predictions["split"] == "test"])
    if held_out.empty or not config.objective.continuous:
        return {}
    units = at_levels(held_out)
    n = len(units.get(level, units["participant"]))
    found = calibrated(held_out, level, config.seed)
    return {name: Figure(value=_finite(one.value), low=_finite(one.low), high=_finite(one.high), n=n)
            for name, one in found.items()}  # fmt: skip


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _rows(table: pd.DataFrame | None) -> list[dict[str, Any]] | None:
    """Return the rows of a table ready for JSON: what is absent or not finite is null."""
    if table is None:
        return None
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows

"""The run in short, from its tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from mien.regions.measures import counted, per_participant
from mien.regions.names import TOTAL
from mien.run.record import MetricValue, RegionFinding, Summary, ValidationFigure
from mien.statistics import mean_interval
from mien.tables import VERDICTS

_RESAMPLES = 2000


def summarise(
    tables: Mapping[str, pd.DataFrame], *, title: str, seed: int, notes: Sequence[str], incomplete: bool = False
) -> Summary:
    """Return the summary of a run's tables; videos out of distribution are not counted beside a data set's.

    ``incomplete`` says that something that was asked for failed.
    """
    recordings = tables["recordings"]
    used = recordings[recordings["status"] == "used"]
    inside = used[used["split"] != "out_of_distribution"]
    used = inside if len(inside) else used
    aside = int((recordings["status"] == "excluded").sum())
    return Summary(
        title=title,
        exit_code=1 if aside or incomplete else 0,
        participants=int(used["participant"].nunique()),
        recordings=len(used),
        set_aside=aside,
        windows=int(used["windows"].sum()),
        held_out=int(used.loc[used["split"] == "test", "participant"].nunique()),
        shared_persons=shared_people(used),
        folds=folds_held_out(used),
        level=headline_level(used),
        metrics=[_metric(row) for row in tables["metrics"].to_dict("records")],
        skill=_skill(tables["evaluation"]),
        regions=region_findings(tables["relevance"], tables["control_relevance"], seed),
        flagged_explanations=int(tables["explanations"]["flagged"].sum()),
        validation=_validation(tables["validation"]) if "validation" in tables else [],
        replication=_verdicts(tables["replication"]) if "replication" in tables else {},
        notes=list(notes),
    )


def headline_level(recordings: pd.DataFrame) -> str:
    """Return where predictions are held against labels first, from the recordings that are held out, if any are.

    ``participant``; where a participant has several labels, whose mean says little, ``session`` when sessions are not
    the recordings themselves, and else ``recording``.
    """
    tested = recordings[recordings["split"] == "test"]
    labelled = tested if len(tested) else recordings
    labelled = labelled[labelled["label"].notna()]
    labels = labelled.groupby("participant")["label"].nunique()
    if not len(labels) or int(labels.max()) == 1:
        return "participant"
    sessions = labelled[["participant", "session"]].drop_duplicates()
    return "session" if len(sessions) < labelled["recording"].nunique() else "recording"


def shared_people(recordings: pd.DataFrame) -> int:
    """Return how many participants have recordings on more than one side of the split."""
    return int((recordings.groupby("participant")["split"].nunique() > 1).sum())


def folds_held_out(recordings: pd.DataFrame) -> int:
    """Return how many folds held recordings out; 0 when nothing was held out."""
    return int(recordings["fold"].nunique())


def _metric(row: Mapping[Any, object]) -> MetricValue:
    return MetricValue.model_validate({str(name): _number(value) for name, value in row.items()})


def _validation(validation: pd.DataFrame) -> list[ValidationFigure]:
    own = validation[validation["topic"].isin(["metric", "calibration"])]
    return [
        ValidationFigure.model_validate({name: _number(row[name]) for name in ValidationFigure.model_fields})
        for row in own.to_dict("records")
    ]


def _verdicts(replication: pd.DataFrame) -> dict[str, int]:
    return {verdict: int((replication["verdict"] == verdict).sum()) for verdict in VERDICTS} if len(replication) else {}


def _skill(evaluation: pd.DataFrame) -> MetricValue | None:
    own = evaluation[(evaluation["statistic"] == "rmse_skill") & (evaluation["subset"] == "all")]
    names = ["split", "subset", "level", "statistic", "value", "low", "high", "n"]
    rows = own[names].rename(columns={"statistic": "metric"}).to_dict("records")
    return _metric(rows[0]) if rows else None


def _number(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def region_findings(relevance: pd.DataFrame, controls: pd.DataFrame, seed: int) -> list[RegionFinding]:
    """Return the density of every region for every method, densest first within a method.

    The density is the mean over participants of the data set (those out of distribution are left out where there
    are others), with a 95 % interval bootstrapped over participants.  Frames without a face are left out.
    """
    if not len(relevance):
        return []
    rows = per_participant(counted(relevance))
    untrained, permuted = (_highest_control(controls, kind) for kind in ("untrained", "permuted"))
    findings = []
    regions = rows[rows["region"] != TOTAL]
    for key, own in regions.groupby(["method", "region"], sort=False):
        method, region = map(str, cast("tuple[str, str]", key))
        density = own["density"].to_numpy(float)
        density = density[np.isfinite(density)]
        _, low, high = mean_interval(density[:, None], _RESAMPLES, seed)
        findings.append(
            RegionFinding(
                method=method,
                region=region,
                density=float(density.mean()) if len(density) else None,
                low=_finite(low[0]),
                high=_finite(high[0]),
                untrained_highest=untrained.get((method, region)),
                permuted_highest=permuted.get((method, region)),
                participants=len(density),
            )
        )
    order = {method: place for place, method in enumerate(dict.fromkeys(rows["method"]))}
    return sorted(findings, key=lambda f: (order[f.method], -(f.density or 0.0)))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _highest_control(controls: pd.DataFrame, kind: str) -> dict[tuple[str, str], float]:
    controls = controls[controls["kind"] == kind]
    if not len(controls):
        return {}
    rows = per_participant(controls, by=("method", "network"))
    means = rows.groupby(["method", "network", "region"])["density"].mean()
    highest = means.groupby(["method", "region"]).max().dropna()
    return {cast("tuple[str, str]", key): float(value) for key, value in highest.items()}

"""``run.json`` and ``summary.json``: what made the results, and what they are in short."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_LIBRARIES = (
    "mien", "torch", "torchvision", "lightning", "captum", "zennit", "mediapipe", "opencv-python", "av",
    "numpy", "pandas", "scipy", "pydantic", "plotly", "matplotlib",
)  # fmt: skip

NOTICE = "Research use, not a diagnosis."


class Record(BaseModel):
    """Base of what is written as JSON."""

    model_config = ConfigDict(extra="forbid")


class RunRecord(Record):
    """``run.json``: everything that made the results."""

    format: int = Field(1, description="Version of this file's layout.")
    command: str = Field(description="run, explain or validate.")
    notice: str = NOTICE
    started: datetime
    finished: datetime | None = None
    seed: int
    device: str
    workers: int
    platform: str
    python: str
    versions: dict[str, str] = Field(description="Installed versions of the libraries that took part.")
    config: dict[str, Any] = Field(description="The whole configuration, defaults included.")
    plugins: dict[str, dict[str, Any]] = Field(
        description="By place in the configuration: id, class, versions, fields."
    )
    citations: dict[str, str] = Field(
        default_factory=dict, description="Papers of the components, by place in the configuration."
    )
    compared_with: dict[str, str] = Field(
        default_factory=dict,
        description="What attribution methods compare a clip with (their baselines), by place in the configuration.",
    )
    weights: dict[str, str] = Field(
        description="SHA-256 of the network's weights, of pretrained weights that it began with, and of the detector's."
    )
    durations_s: dict[str, float] = Field(default_factory=dict, description="Wall-clock seconds of each step.")
    reused: dict[str, int] = Field(default_factory=dict, description="Results taken from the store, by step.")


class MetricValue(Record):
    """One metric with its interval."""

    split: str
    subset: str = Field("all", description="Whose predictions: all, or unseen_persons where parts share persons.")
    level: str = Field(description="window, recording, session or participant.")
    metric: str
    value: float | None
    low: float | None = Field(description="Lower end of the 95 % interval, bootstrapped over participants.")
    high: float | None
    n: int = Field(description="Units at this level.")


class RegionFinding(Record):
    """Where a method's relevance is densest."""

    method: str
    region: str
    density: float | None = Field(
        description="Share of the face's absolute relevance over share of its area; 1 is chance."
    )
    low: float | None = None
    high: float | None = None
    untrained_highest: float | None = Field(
        None, description="Highest density of the region in the untrained networks."
    )
    permuted_highest: float | None = Field(
        None, description="Highest density of the region in the networks trained with permuted labels."
    )
    participants: int


class ValidationFigure(Record):
    """A figure of another labelled data set, beside the same of the network's own run."""

    topic: str = Field(description="metric or calibration.")
    quantity: str
    source_value: float | None = Field(description="In the network's own run; null when unknown.")
    value: float | None
    low: float | None = Field(description="Lower end of the 95 % interval, bootstrapped over participants.")
    high: float | None


class Summary(Record):
    """``summary.json``: the run in short."""

    format: int = 1
    notice: str = NOTICE
    title: str
    exit_code: int = Field(
        description="0: all well; 1: recordings were set aside, or an explanation or an analyzer failed."
    )
    participants: int
    recordings: int = Field(description="Recordings used.")
    set_aside: int = Field(description="Recordings set aside; the table 'recordings' has the reasons.")
    windows: int
    held_out: int = Field(description="Participants held out for the test.")
    shared_persons: int = Field(0, description="Participants with recordings on more than one side of the split.")
    folds: int = Field(1, description="Folds that held recordings out: 1 for a hold-out, 0 when nothing was held out.")
    level: str = Field(
        description="Where predictions are held against labels first: participant, or session or recording where a "
        "participant has several labels."
    )
    metrics: list[MetricValue] = Field(default_factory=list)
    skill: MetricValue | None = Field(
        None,
        description="1 - RMSE / RMSE of the training mean on held-out participants; above 0 is better than that mean.",
    )
    regions: list[RegionFinding] = Field(
        default_factory=list, description="Every region of every method, densest first."
    )
    flagged_explanations: int = Field(0, description="Clips whose completeness gap exceeds the tolerance.")
    validation: list[ValidationFigure] = Field(
        default_factory=list, description="Of `mien validate`: metrics and calibration beside the network's own run's."
    )
    replication: dict[str, int] = Field(
        default_factory=dict,
        description="Of `mien validate`: how many hypotheses of the network's own run have which verdict.",
    )
    notes: list[str] = Field(default_factory=list)


def library_versions() -> dict[str, str]:
    """Return the installed versions of the libraries that decide results."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def begin_record(
    command: str,
    config: Mapping[str, Any],
    plugins: Mapping[str, Any],
    *,
    citations: Mapping[str, str],
    seed: int,
    device: str,
    workers: int,
    compared_with: Mapping[str, str] | None = None,
) -> RunRecord:
    """Return the record of a run that starts now."""
    return RunRecord(
        command=command,
        started=datetime.now(UTC),
        seed=seed,
        device=device,
        workers=workers,
        platform=platform.platform(),
        python=sys.version.split()[0],
        versions=library_versions(),
        config=dict(config),
        plugins=dict(plugins),
        citations=dict(citations),
        compared_with=dict(compared_with or {}),
        weights={},
    )

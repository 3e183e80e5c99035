"""``source.json``: what a network's own run found, beside its checkpoint, for comparison on other data.

It holds no id: figures over participants, and quantiles only of five or more of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from mien.errors import ModelError
from mien.run.record import NOTICE, MetricValue, Record
from mien.statistics.distribution import Spread

FILE = "source.json"
FORMAT = 1


class Figure(Record):
    """A number with its interval over participants."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = Field(description="Units that it is made of.")


class SourceRecord(Record):
    """What a run says of the network that it published."""

    format: int = FORMAT
    notice: str = NOTICE
    seed: int
    versions: dict[str, str] = Field(description="Installed versions of the libraries that took part.")
    objective: dict[str, Any] = Field(description="The objective, as configured: what the figures are about.")
    level: str = Field(description="The unit of the metrics: participant, session or recording.")
    metrics: list[MetricValue] = Field(default_factory=list, description="Of held-out units.")
    calibration: dict[str, Figure] = Field(
        default_factory=dict, description="Slope and offset of the regression of labels on held-out predictions."
    )
    training_mean: float | None = Field(None, description="Mean label of the recordings that it was trained on.")
    labels: Spread | None = Field(None, description="Mean labels of all participants of the run.")
    faces: dict[str, Spread] = Field(
        default_factory=dict, description="Face size over all participants of the run, by measure."
    )
    statistics: list[dict[str, Any]] | None = Field(None, description="The table statistics; null for none.")
    hypotheses: list[dict[str, Any]] | None = Field(None, description="The table hypotheses; null for none.")


def read_source(checkpoint: Path) -> SourceRecord | None:
    """Return what lies beside a checkpoint; None when its run left nothing.

    Raises
    ------
    ModelError
        When the file is damaged or of another format.
    """
    file = checkpoint / FILE
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        known = content.get("format") if isinstance(content, dict) else None
        if known != FORMAT:
            raise ModelError(
                f"The file has the format {known!r}; this mien reads {FORMAT}.",
                where=str(file),
                hint="Remove it to go on without the figures of the network's own run.",
            )
        return SourceRecord.model_validate(content)
    except (OSError, ValueError, ValidationError) as error:
        raise ModelError(
            f"It cannot be read: {error}.",
            where=str(file),
            hint="Remove it to go on without the figures of the network's own run.",
        ) from error


def write_source(source: SourceRecord, checkpoint: Path) -> None:
    """Write what a run found beside its checkpoint."""
    (checkpoint / FILE).write_text(source.model_dump_json(indent=2) + "\n", encoding="utf-8")

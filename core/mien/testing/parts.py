"""The small parts that a component is put between when it is tried in a whole run; everything about them is known.

Three people, one short video each; a detector that knows where the face is; a network of two stages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from mien.interfaces import Backbone, Cropper, Dataset, Detector, DetectorSession
from mien.progress import Progress
from mien.registry import load_registry
from mien.types import (
    BitArray,
    ByteArray,
    Crops,
    DatasetListing,
    FaceTrack,
    FloatArray,
    FrameFaces,
    InputSpec,
    LandmarkScheme,
    Layout,
    Recording,
)

if TYPE_CHECKING:
    from torch import nn

RATE = 25.0
_BLENDSHAPES = 52


class SmallStudy(Dataset):
    """One short video of each participant, the last of whom is held out; each with an OpenFace file."""

    participants_are: ClassVar[str] = "made up"

    labels: tuple[float, ...] = Field((0.0, 1.0, 1.0), min_length=2, description="Of the participants.")
    frames: int = Field(8, ge=1, description="Of each video.")
    size: int = Field(64, ge=32, description="Side of the frames, pixels.")
    faces: Literal["drawn", "portrait"] = Field("drawn", description="portrait: a real face, for real detectors.")

    def recordings(self, folder: Path, progress: Progress) -> DatasetListing:
        """Return the recordings; videos that are there are used again."""
        from mien.testing.clips import drawn_frames, portrait_frames, write_video

        folder.mkdir(parents=True, exist_ok=True)
        listing = []
        for person, label in enumerate(self.labels):
            video, units = folder / f"person{person}.mp4", folder / f"person{person}.csv"
            if not video.is_file():
                make = portrait_frames if self.faces == "portrait" else drawn_frames
                write_video(video, make(self.frames, self.size, seed=person), RATE)
            units.write_text(openface_table(self.frames), encoding="utf-8")
            split: Literal["train", "test"] = "test" if person == len(self.labels) - 1 else "train"
            # As in the synthetic run that analyzers get.
            known: dict[str, str | float] = {"age": 20.0 + person, "group": "ab"[person % 2]}
            listing.append(
                Recording(
                    f"r{person}",
                    f"p{person}",
                    video,
                    label,
                    split=split,
                    covariates=known,
                    action_units=units,
                    consent=True,
                )
            )
        return DatasetListing(listing)


def openface_table(frames: int, lost: Sequence[int] = ()) -> str:
    """Return a table as OpenFace writes it, AU12 half strong in every frame but those in which the face was lost."""
    header = "frame, face_id, timestamp, confidence, success, AU12_r, AU12_c"
    rows = [
        f"{t + 1}, 0, {t / RATE:.3f}, {0 if t in lost else 0.98}, {int(t not in lost)}, 0.5, 1" for t in range(frames)
    ]
    return "\n".join([header, *rows]) + "\n"


class KnownFace(Detector):
    """The scheme's mean face in the middle of every frame, its eyes a quarter of the frame apart."""

    scheme_id: str = "mediapipe_478"

    @property
    def scheme(self) -> str:
        """As set."""
        return self.scheme_id

    @property
    def extras(self) -> tuple[str, ...]:
        """Blendshapes, all at rest."""
        return ("blendshapes",)

    @contextmanager
    def open(self, device: str) -> Iterator[DetectorSession]:
        """Return a session."""
        yield _KnownFaceSession(load_registry().scheme(self.scheme_id))


@dataclass(frozen=True)
class _KnownFaceSession:
    scheme: LandmarkScheme

    def detect(self, frames: ByteArray, times: FloatArray) -> Sequence[FrameFaces]:
        size = frames.shape[2]
        points = np.asarray(self.scheme.mean_face, float) * size / 4 + np.array([size / 2, size * 0.4])
        box = np.concatenate([points.min(0), points.max(0)])
        extras = {"blendshapes": np.zeros((1, _BLENDSHAPES), np.float32)}
        return [FrameFaces(box[None], np.full(1, 0.9), points[None], extras) for _ in frames]

    def reset(self) -> None:
        """Do nothing: frames do not depend on each other."""


class KnownPoints(Cropper):
    """The landmarks, in the inter-ocular distances of `KnownFace` from the middle of the frame."""

    layout: ClassVar[Layout] = "landmarks"

    def crop(self, frames: ByteArray, track: FaceTrack, scheme: LandmarkScheme) -> Crops:
        """Return them."""
        scale = 4 / track.width
        transform = np.array([[scale, 0, -2.0], [0, scale, -1.6]])
        data = (track.landmarks * scale - np.array([2.0, 1.6])).astype(np.float32)
        return Crops(data, np.tile(transform, (len(track), 1, 1, 1)), track.valid)

    def regions(
        self,
        landmarks: FloatArray,
        transforms: FloatArray,
        scheme: LandmarkScheme,
        shape: str = "hull",
        padding: float = 0.25,
    ) -> BitArray:
        """Return the bits of each point."""
        from mien.regions.bits import point_bits

        return np.tile(point_bits(scheme), (len(landmarks), 1))


class SmallNetwork(Backbone):
    """`tiny_network` for videos; for landmarks a network that sees how far each point is from its place."""

    layout: Layout = "video"
    frames: int = 4
    size: int = 16

    def build(self, outputs: int) -> nn.Module:
        """Return a network with random weights."""
        from collections import OrderedDict

        from torch import nn

        if self.layout == "video":
            body = nn.Sequential(
                nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 6, 3, stride=2, padding=1), nn.ReLU()
            )
            head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(6, outputs))
        else:
            body = nn.Sequential(nn.Linear(2, 4), nn.ReLU())
            head = nn.Sequential(nn.AdaptiveAvgPool3d((1, 1, 4)), nn.Flatten(), nn.Linear(4, outputs))
        return nn.Sequential(OrderedDict(body=body, head=head))

    @property
    def input_spec(self) -> InputSpec:
        """As set."""
        side = self.size if self.layout == "video" else 0
        return InputSpec(layout=self.layout, frames=self.frames, height=side, width=side, standardise="none")

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return ``body`` and ``head``."""
        return {name: model.get_submodule(name) for name in ("body", "head")}

"""Small things with known properties, for suites and for plugin authors' own tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mien.types import ByteArray, ClipBatch, ClipKey, FaceTrack, FloatArray, InputSpec, LandmarkScheme, Tile

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from mien.interfaces import AttributionMethod, ExplainedModel, Objective


def tiny_network(outputs: int = 1, seed: int = 0) -> nn.Module:
    """Return a small seeded 3D network in evaluation mode: clips ``(B, 3, T, H, W)`` to ``(B, outputs)``.

    Its two stages are named ``body`` and ``head``; every activation is a module of its own.
    """
    from collections import OrderedDict

    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = nn.Sequential(
            nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 6, 3, stride=2, padding=1), nn.ReLU()
        )
        head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(6, outputs))
        return nn.Sequential(OrderedDict(body=body, head=head)).eval()


def explained_network(seed: int = 0) -> ExplainedModel:
    """Return `tiny_network` as attribution methods get it."""
    from mien.interfaces import ExplainedModel

    module = tiny_network(seed=seed)
    stages = {name: module.get_submodule(name) for name in ("body", "head")}
    return ExplainedModel(module=module, stages=stages, name="the tiny network")


def clip_batch(clips: int = 2, frames: int = 4, size: int = 12, seed: int = 0) -> ClipBatch:
    """Return random standardised clips whose left half is the region ``mouth``, all inside the face."""
    import torch

    from mien.regions.bits import region_names

    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn((clips, 3, frames, size, size), generator=generator)
    bits = torch.full((clips, frames, size, size), 1 << region_names.index("face"), dtype=torch.int32)
    bits[..., : size // 2] |= 1 << region_names.index("mouth")
    numbers = torch.arange(frames).repeat(clips, 1)
    return ClipBatch(
        inputs=inputs,
        regions=bits,
        region_names=region_names,
        times=numbers / 25,
        frames=numbers,
        valid=torch.ones((clips, frames), dtype=torch.bool),
        keys=[ClipKey(f"r{clip}", f"p{clip}", 0) for clip in range(clips)],
        labels=torch.zeros(clips),
    )


def face_frames(frames: int = 3) -> ByteArray:
    """Return frames ``(T, 256, 256, 3)`` of a real face (a public-domain portrait), moving a little.

    Skips the test where scikit-image, whose wheel holds the portrait, is not installed.
    """
    data = pytest.importorskip("skimage.data", reason="the portrait comes with scikit-image")
    portrait = data.astronaut()
    return np.stack([portrait[2 * t : 256 + 2 * t, 96:352] for t in range(frames)])


def mean_face_track(scheme: LandmarkScheme, frames: int = 5, size: int = 160, lost: Sequence[int] = ()) -> FaceTrack:
    """Return a track of the scheme's mean face, eyes ``size / 4`` pixels apart, moving right by a pixel a frame.

    Frames in ``lost`` have no face.
    """
    points = np.asarray(scheme.mean_face, float) * size / 4 + np.array([size / 2, size * 0.4])
    landmarks = np.stack([points + np.array([t, 0]) for t in range(frames)]).astype(np.float32)
    boxes = np.concatenate([landmarks.min(1), landmarks.max(1)], axis=1)
    confidence = np.full(frames, 0.9, np.float32)
    for frame in lost:
        landmarks[frame], boxes[frame], confidence[frame] = np.nan, np.nan, 0
    return FaceTrack(
        scheme=scheme.id,
        times=np.arange(frames) / 25,
        boxes=boxes,
        confidence=confidence,
        landmarks=landmarks,
        faces=(confidence > 0).astype(np.int16),
        width=size,
        height=size,
    )


_SIDE = 12  # of the synthetic run's crops, pixels


@dataclass(frozen=True)
class SyntheticRun:
    """A `RunView` over made tables; the mouth holds three quarters of the relevance."""

    recordings: pd.DataFrame
    predictions: pd.DataFrame
    relevance: pd.DataFrame
    control_relevance: pd.DataFrame
    action_units: pd.DataFrame
    covariates: pd.DataFrame
    region_names: tuple[str, ...]
    scheme: LandmarkScheme
    objective: Objective
    methods: Mapping[str, AttributionMethod]
    model: ExplainedModel
    seed: int = 0
    tracks: Mapping[str, FaceTrack] = field(default_factory=dict)

    def model_of(self, recording: str) -> ExplainedModel:
        """Return the only network."""
        return self.model

    def track(self, recording: str) -> FaceTrack:
        """Return the mean face, still."""
        own = self.recordings[self.recordings["recording"] == recording]
        frames = int(own["frames"].iloc[0])
        return mean_face_track(self.scheme, frames=frames)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The whole crop, which shows the whole frame."""
        return (Tile(0, 0, _SIDE, _SIDE),)

    def clips(self, keys: Sequence[ClipKey] | None = None, spec: InputSpec | None = None) -> Iterator[ClipBatch]:
        """Yield random clips, whose values suit any ``spec``."""
        import torch

        batch = clip_batch(2 if keys is None else len(keys), size=_SIDE)
        scale = _SIDE / int(self.recordings["width_px"].iloc[0])
        shrink = torch.eye(2, 3, dtype=torch.float64) * scale
        shrink[:, 2] = (scale - 1) / 2  # pixel coordinates begin at the centre of the first pixel
        batch = replace(batch, transforms=shrink.expand(*batch.frames.shape, 1, 2, 3))
        yield batch if keys is None else replace(batch, keys=keys)

    def maps(self, method: str, key: ClipKey) -> FloatArray:
        """Return random relevance."""
        return np.random.default_rng([self.seed, key.window]).normal(size=(4, _SIDE, _SIDE))

    def features(self, stage: str, keys: Sequence[ClipKey] | None = None) -> Iterator[tuple[ClipBatch, Tensor]]:
        """Yield what the tiny network's stages give."""
        from mien.attribution import stage_features

        for batch in self.clips(keys):
            yield batch, stage_features(self.model, batch.inputs, stage)


def run_view(scheme: LandmarkScheme, objective: Objective, *, participants: int = 4, empty: bool = False) -> Any:
    """Return a small synthetic run of one method, ``gradient``, on which every analyzer has to work.

    The relevance of the mouth follows AU12 over time.  With ``empty``, nothing was explained.
    """
    import mien.testing.tables as made
    from mien.regions.bits import region_names

    people = [f"p{number}" for number in range(participants)]
    rows = 0 if empty else None
    return SyntheticRun(
        recordings=made.recordings(people),
        predictions=made.predictions(people),
        relevance=made.relevance(people).iloc[:rows],
        control_relevance=made.control_relevance(people).iloc[:rows],
        action_units=made.action_units(people).iloc[:rows],
        covariates=made.covariates(people),
        region_names=region_names,
        scheme=scheme,
        objective=objective,
        methods={"gradient": _gradient()},
        model=explained_network(),
    )


def _gradient() -> AttributionMethod:
    from collections.abc import Callable

    import torch

    from mien.interfaces import AttributionMethod
    from mien.types import Explanation

    class Gradient(AttributionMethod):
        """The gradient times the input."""

        def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
            """Return it."""
            point = batch.inputs.detach().clone().requires_grad_()
            with torch.enable_grad():
                output = target(model.module(point))
                slope = torch.autograd.grad(output.sum(), point)[0]
            return Explanation(slope * batch.inputs, output.detach())

    return Gradient()

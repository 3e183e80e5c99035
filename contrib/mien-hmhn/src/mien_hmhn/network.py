"""The network of `hmhn`: every frame by itself, and the mean over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mien_hmhn.afb import AttentionFusion, overlap
from mien_hmhn.dff import DeepFeatureFusion
from mien_hmhn.gwa import GridWiseAttention
from mien_hmhn.mab import MultiHeadCrossAttention
from mien_hmhn.trunk import resnet_trunk


@dataclass(frozen=True)
class Layout:
    """The sizes of the network, and which of its blocks it has; see the fields of `mien_hmhn.backbone.Hmhn`."""

    widths: Sequence[int]
    depth: int
    pool: bool
    gwa: bool
    grid: int
    dff: bool
    fused: Sequence[int]
    fused_width: int
    mab: bool
    heads: int
    head_width: int
    afb: bool


class PerFrame(nn.Module):
    """A module for images ``(N, C, H, W)``, applied to every frame of clips ``(B, C, T, H, W)``."""

    def __init__(self, image: nn.Module) -> None:
        super().__init__()
        self.image = image

    def forward(self, clips: Tensor) -> Tensor:
        """Return ``(B, C', T, H', W')``, or ``(B, C', T)`` when the module gives ``(N, C')``."""
        return unfolded(self.image(folded(clips)), clips)


def folded(clips: Tensor) -> Tensor:
    """Return clips ``(B, C, T, H, W)`` as frames ``(B T, C, H, W)``, those of a clip together."""
    return clips.transpose(1, 2).flatten(0, 1)


def unfolded(frames: Tensor, clips: Tensor) -> Tensor:
    """Return what was found for the frames, ``(B T, C, ...)``, by clip: ``(B, C, T, ...)``."""
    return frames.reshape(clips.shape[0], clips.shape[2], *frames.shape[1:]).transpose(1, 2)


class FusedStages(nn.Module):
    """`DeepFeatureFusion` of stages of clips, which are ``(B, C_i, T, H_i, W_i)``."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.dff = DeepFeatureFusion(channels, width)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Return ``(B, width, T, h, w)``."""
        return unfolded(self.dff([folded(stage) for stage in stages]), stages[0])


class FrameAttention(nn.Module):
    """The second stage: heads on the features of a frame, and their fusion.

    Without the fusion block the heads' mean is taken, and nothing keeps them apart.
    """

    def __init__(self, channels: int, heads: int, width: int, fuse: bool) -> None:
        super().__init__()
        self.mab = MultiHeadCrossAttention(channels, heads, width)
        self.afb = AttentionFusion(channels) if fuse else None
        self.overlap: Tensor | None = None

    def forward(self, frames: Tensor) -> Tensor:
        """Return ``(N, C)`` of frames ``(N, C, h, w)``."""
        found, maps = self.mab(frames)
        if self.afb is None:
            mean: Tensor = found.mean(1)
            return mean
        self.overlap = overlap(maps) if self.training else None
        fused: Tensor = self.afb(found)
        return fused

    def fused_map(self, found: Tensor, maps: Tensor) -> Tensor:
        """Return the heads' maps ``(N, K, h, w)`` as one, ``(N, h, w)``: their mean, weighed as in the fusion."""
        if self.afb is None:
            return maps.mean(1)
        shares = self.afb.weights(found).mean(2)
        return (shares[:, :, None, None] * maps).sum(1)

    def __getstate__(self) -> dict[str, Any]:
        """Return all but what the last pass left for the loss: a part of a graph can be neither copied nor sent."""
        return {**self.__dict__, "overlap": None}


class HmhnNetwork(nn.Module):
    """Clips ``(B, 3, T, H, W)`` to the mean over time of a regression on single frames, ``(B, outputs)``.

    Attributes
    ----------
    stages : nn.ModuleDict
        In order: ``stem``, ``gwa``, ``stage1``, ..., ``dff``, ``attention``, ``head``; without the blocks that are
        switched off.
    frame_variance : Tensor or None
        Of the last pass in training: the variance of the frames' outputs within their clip, a scalar.
    """

    def __init__(self, layout: Layout, outputs: int, trunk: nn.Sequential | None = None) -> None:
        super().__init__()
        trunk = resnet_trunk(layout.widths, layout.depth, layout.pool) if trunk is None else trunk
        self.stages = nn.ModuleDict({"stem": PerFrame(trunk.get_submodule("stem"))})
        if layout.gwa:
            width = max(8, layout.widths[0] // 2)
            self.stages["gwa"] = PerFrame(GridWiseAttention(layout.widths[0], layout.grid, width))
        self.trunk = [f"stage{number}" for number in range(1, len(layout.widths) + 1)]
        for number, name in enumerate(self.trunk, start=1):
            self.stages[name] = PerFrame(trunk.get_submodule(f"layer{number}"))
        self.fused = [f"stage{number}" for number in layout.fused] if layout.dff else []
        channels = layout.widths[-1]
        if layout.dff:
            channels = layout.fused_width
            self.stages["dff"] = FusedStages([layout.widths[number - 1] for number in layout.fused], channels)
        if layout.mab:
            fuse = layout.afb and layout.heads > 1
            self.stages["attention"] = PerFrame(FrameAttention(channels, layout.heads, layout.head_width, fuse))
        self.stages["head"] = nn.Linear(channels, outputs)
        self.frame_variance: Tensor | None = None

    @property
    def attention(self) -> FrameAttention | None:
        """The second stage; None when it is switched off."""
        block = self._block("attention")
        return block if isinstance(block, FrameAttention) else None

    @property
    def gwa(self) -> GridWiseAttention | None:
        """The grid-wise attention; None when it is switched off."""
        block = self._block("gwa")
        return block if isinstance(block, GridWiseAttention) else None

    def _block(self, name: str) -> nn.Module | None:
        return self.stages[name].get_submodule("image") if name in self.stages else None

    def features(self, clips: Tensor) -> Tensor:
        """Return what the frames are judged by, ``(B, T, C)``."""
        hidden = self.stages["stem"](clips)
        hidden = self.stages["gwa"](hidden) if "gwa" in self.stages else hidden
        kept = []
        for name in self.trunk:
            hidden = self.stages[name](hidden)
            if name in self.fused:
                kept.append(hidden)
        hidden = self.stages["dff"](kept) if kept else hidden
        hidden = self.stages["attention"](hidden) if "attention" in self.stages else hidden.mean((3, 4))
        result: Tensor = hidden.transpose(1, 2)
        return result

    def frame_outputs(self, clips: Tensor) -> Tensor:
        """Return the outputs of every frame, ``(B, T, outputs)``."""
        result: Tensor = self.stages["head"](self.features(clips))
        return result

    def forward(self, clips: Tensor) -> Tensor:
        """Return ``(B, outputs)``, the mean over the frames."""
        outputs = self.frame_outputs(clips)
        self.frame_variance = outputs.var(1, correction=0).mean() if self.training else None
        return outputs.mean(1)

    def training_terms(self) -> Mapping[str, Tensor]:
        """Return, once, what the last pass in training left for the loss: ``frames`` and ``overlap``, scalars."""
        attention = self.attention
        terms = {"frames": self.frame_variance, "overlap": attention.overlap if attention is not None else None}
        self.frame_variance = None
        if attention is not None:
            attention.overlap = None
        return {name: term for name, term in terms.items() if term is not None}

    def __getstate__(self) -> dict[str, Any]:
        """Return all but what the last pass left for the loss: a part of a graph can be neither copied nor sent."""
        return {**self.__dict__, "frame_variance": None}

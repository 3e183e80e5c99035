"""Makes torchvision's video networks, and puts their modules in a row of stages.

A stage is a module whose output is what comes out of it in the forward pass; where torchvision's own modules are cut
otherwise, they are put into new containers.  The weights and the output stay as they are.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

from mien.compat import prepare_torchvision

prepare_torchvision()

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torchvision.models import video  # noqa: E402
from torchvision.models.video.resnet import BasicBlock  # noqa: E402

from mien.errors import ModelError  # noqa: E402

__all__ = ["BasicBlock", "build_network", "staged_mvit", "staged_s3d", "staged_swin"]


def build_network(name: str, outputs: int) -> nn.Module:
    """Return torchvision's video network with random weights and a head of ``outputs`` numbers."""
    return cast(nn.Module, getattr(video, name)(weights=None, num_classes=outputs))


def staged_s3d(network: Any) -> nn.Module:
    """Return S3D as stem, four stages, pooling and a linear head."""
    layers = network.features
    stages = {f"stage{i}": layers[a:b] for i, (a, b) in enumerate(((1, 4), (4, 7), (7, 13), (13, 16)), start=1)}
    for module in layers.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = 0.1
    # The last layer is linear: the mean of its outputs is its output for the mean.
    pool = nn.Sequential(network.avgpool, nn.AdaptiveAvgPool3d(1), nn.Flatten(), network.classifier[0])
    convolution = network.classifier[1]
    head = nn.Linear(convolution.in_channels, convolution.out_channels)
    with torch.no_grad():
        head.weight.copy_(convolution.weight.flatten(1))
        head.bias.copy_(convolution.bias)
    return nn.Sequential(OrderedDict(stem=layers[0], **stages, pool=pool, head=head))


class ChannelsFirst(nn.Module):
    """From ``(B, T, H, W, C)`` to ``(B, C, T, H, W)``."""

    def forward(self, values: Tensor) -> Tensor:
        """Return a view."""
        return values.permute(0, 4, 1, 2, 3)


class ChannelsLast(nn.Module):
    """From ``(B, C, T, H, W)`` to ``(B, T, H, W, C)``."""

    def forward(self, values: Tensor) -> Tensor:
        """Return a view."""
        return values.permute(0, 2, 3, 4, 1)


def staged_swin(network: Any) -> nn.Module:
    """Return Video Swin as stem, four stages, pooling and head; every stage gives ``(B, C, T, H, W)``."""
    layers = network.features  # blocks, merging, blocks, merging, blocks, merging, blocks
    stages = {"stage1": nn.Sequential(ChannelsLast(), *layers[0], ChannelsFirst())}
    for stage in (2, 3, 4):
        last = [network.norm] if stage == 4 else []
        merging, blocks = layers[2 * stage - 3], layers[2 * stage - 2]
        stages[f"stage{stage}"] = nn.Sequential(ChannelsLast(), merging, *blocks, *last, ChannelsFirst())
    stem = nn.Sequential(network.patch_embed, network.pos_drop, ChannelsFirst())
    pool = nn.Sequential(network.avgpool, nn.Flatten())
    return nn.Sequential(OrderedDict(stem=stem, **stages, pool=pool, head=network.head))


class Tokens(nn.Module):
    """The stem of a multiscale vision transformer: patches, and a class token before them."""

    def __init__(self, network: Any, clip: tuple[int, int, int]) -> None:
        super().__init__()
        self.patches = network.conv_proj
        self.positions = network.pos_encoding
        self.clip = clip

    def forward(self, clips: Tensor) -> Tensor:
        """Return ``(B, 1 + T' H' W', C)``; `ModelError` for clips of another size than that of the grid."""
        if tuple(clips.shape[2:]) != self.clip:
            raise ModelError(
                f"The network is built for clips of {self.clip} (frames, height, width); "
                f"these are {tuple(clips.shape[2:])}.",
                hint="Set the backbone's 'frames' and 'size'.",
            )
        result: Tensor = self.positions(self.patches(clips).flatten(2).transpose(1, 2))
        return result


class TokenStage(nn.Module):
    """Blocks of a multiscale vision transformer, from tokens to tokens."""

    def __init__(self, blocks: list[Any], grid: tuple[int, int, int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.grid = grid

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``(B, 1 + T' H' W', C)``."""
        grid = self.grid
        for block in self.blocks:
            tokens, grid = block(tokens, grid)
        return tokens


class ClassToken(nn.Module):
    """The first token, normalised."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``(B, C)``."""
        result: Tensor = self.norm(tokens)[:, 0]
        return result


def staged_mvit(network: Any, frames: int, size: int) -> nn.Module:
    """Return MViT as stem, four stages of one resolution each, and head, for clips of one size."""
    blocks = list(network.blocks)
    starts = [i for i, block in enumerate(blocks) if block.pool_skip is not None]  # where queries are pooled
    grid = _divided((frames, size, size), network.conv_proj.stride)
    stages = {}
    for number, (start, end) in enumerate(zip([0, *starts], [*starts, len(blocks)], strict=True), start=1):
        stages[f"stage{number}"] = TokenStage(blocks[start:end], grid)
        if blocks[start].pool_skip is not None:
            grid = _divided(grid, blocks[start].pool_skip.pool.stride)
    head = nn.Sequential(ClassToken(network.norm), nn.Dropout(network.head[0].p), network.head[1])
    return nn.Sequential(OrderedDict(stem=Tokens(network, (frames, size, size)), **stages, head=head))


def _divided(size: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, int, int]:
    # All convolutions are padded by half of their kernel: what is left over makes a cell of its own.
    frames, height, width = (-(-length // step) for length, step in zip(size, stride, strict=True))
    return frames, height, width

"""Multi-head cross Attention Block (MAB): parallel heads, each looking at other parts of the face."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SpatialAttention(nn.Module):
    """Says where a head looks: a distribution over the positions of a feature map.

    A 1 x 1 convolution to ``width`` channels, then the sum of a 3 x 3, a 1 x 3 and a 3 x 1 convolution (Wen et al.
    2023), each with batch norm, a ReLU, and a 1 x 1 convolution to one number a position; a softmax over positions
    makes it a map that sums to 1.

    Parameters
    ----------
    channels : int
        C of the feature map.
    width : int
        Channels within.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.square = _convolution(width, (3, 3))
        self.across = _convolution(width, (1, 3))
        self.down = _convolution(width, (3, 1))
        self.relu = nn.ReLU()
        self.score = nn.Conv2d(width, 1, 1)
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, frames: Tensor) -> Tensor:
        """Return ``(N, h, w)`` of frames ``(N, C, h, w)``: positive, and each frame's sum is 1."""
        hidden = self.reduce(frames)
        scores = self.score(self.relu(self.square(hidden) + self.across(hidden) + self.down(hidden)))
        result: Tensor = self.softmax(scores.flatten(1)).unflatten(1, frames.shape[-2:])
        return result


def _convolution(width: int, kernel: tuple[int, int]) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(nn.Conv2d(width, width, kernel, padding=padding, bias=False), nn.BatchNorm2d(width))


class ChannelAttention(nn.Module):
    """Says which features a head listens to: a factor between 0 and 1 for each channel of what it saw."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(channels, width), nn.ReLU(), nn.Linear(width, channels), nn.Sigmoid())

    def forward(self, seen: Tensor) -> Tensor:
        """Return ``(N, C)`` of what was seen, ``(N, C)``."""
        result: Tensor = self.gate(seen)
        return result


class CrossAttentionHead(nn.Module):
    """One head: spatial, then channel attention (Li et al. 2023; Wen et al. 2023).

    The mean feature under the spatial map is what the head saw; its channels are then gated.

    Parameters
    ----------
    channels : int
        C of the feature map.
    width : int
        Channels within both attentions.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.spatial = SpatialAttention(channels, width)
        self.channel = ChannelAttention(channels, width)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the head found, ``(N, C)``, and where it looked, ``(N, h, w)``."""
        where = self.spatial(frames)
        seen = (frames * where.unsqueeze(1)).sum((2, 3))
        return seen * self.channel(seen), where


class MultiHeadCrossAttention(nn.Module):
    """Heads beside each other on the same features (Li et al. 2023), each with weights of its own.

    The paper's abstract names the block; its heads are here those of DAN (Wen et al. 2023), which has one of that name.
    Unlike there, a spatial map is a distribution over positions, so that maps of heads and frames can be compared.

    Parameters
    ----------
    channels : int
        C of the feature map.
    heads : int
        At least 1.
    width : int
        Channels within each head's attentions.

    References
    ----------
    Wen, Lin, Wang, Xu: Distract Your Attention: Multi-Head Cross Attention Network for Facial Expression Recognition,
    Biomimetics 8 (2023), arXiv 2109.07270.
    """

    def __init__(self, channels: int, heads: int, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(CrossAttentionHead(channels, width) for _ in range(heads))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each of K heads found, ``(N, K, C)``, and where it looked, ``(N, K, h, w)``."""
        found = [head(frames) for head in self.heads]
        return torch.stack([seen for seen, _ in found], dim=1), torch.stack([where for _, where in found], dim=1)

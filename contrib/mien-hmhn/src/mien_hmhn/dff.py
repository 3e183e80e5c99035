"""Deep Feature Fusion (DFF): feature maps of several depths become one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class DeepFeatureFusion(nn.Module):
    """Fuses feature maps of several depths of a network (Li et al. 2023).

    Each map is projected to ``width`` channels (1 x 1 convolution, batch norm) and brought to the grid of the second
    deepest, by averaging where it is finer and bilinearly where it is coarser; all are concatenated and mixed by
    another 1 x 1 convolution with batch norm and ReLU.

    The paper's abstract names the block; the common grid and the 1 x 1 convolutions are ours.

    Parameters
    ----------
    channels : sequence of int
        Channels of each map, the shallowest first; at least one.
    width : int
        Channels of the result.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(
            nn.Sequential(nn.Conv2d(each, width, 1, bias=False), nn.BatchNorm2d(width)) for each in channels
        )
        self.mix = nn.Sequential(
            nn.Conv2d(width * len(channels), width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return ``(N, width, h, w)``.

        Parameters
        ----------
        maps : sequence of Tensor, shape (N, C_i, H_i, W_i)
            The shallowest first.
        """
        height, width = maps[max(0, len(maps) - 2)].shape[-2:]
        projected = [project(each) for project, each in zip(self.project, maps, strict=True)]
        result: Tensor = self.mix(torch.cat([resized(each, (height, width)) for each in projected], dim=1))
        return result


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps ``(N, C, H, W)`` on a grid of ``size``: averages of a finer one, bilinear of a coarser one."""
    if maps.shape[-2] >= size[0] and maps.shape[-1] >= size[1]:
        return functional.adaptive_avg_pool2d(maps, size)
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)

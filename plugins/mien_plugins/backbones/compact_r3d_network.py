"""The network of `compact_r3d`."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, channels_last_3d, nn


class ResidualBlock(nn.Module):
    """Two convolutions of ``time`` x 3 x 3 and a shortcut; every activation is a module of its own."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int, int], time: int = 3) -> None:
        super().__init__()
        kernel, padding = (time, 3, 3), (time // 2, 1, 1)
        self.conv1 = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm1 = nn.BatchNorm3d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv3d(outputs, outputs, kernel, 1, padding, bias=False)
        self.norm2 = nn.BatchNorm3d(outputs)
        self.shortcut = nn.Sequential()
        if inputs != outputs or stride != (1, 1, 1):
            self.shortcut.append(nn.Conv3d(inputs, outputs, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm3d(outputs))
        self.relu2 = nn.ReLU()

    def main(self, clips: Tensor) -> Tensor:
        """Return the branch beside the shortcut."""
        hidden = self.relu1(self.norm1(self.conv1(clips)))
        result: Tensor = self.norm2(self.conv2(hidden))
        return result

    def forward(self, clips: Tensor) -> Tensor:
        """Return ``(B, outputs, T', H', W')``."""
        result: Tensor = self.relu2(self.main(clips) + self.shortcut(clips))
        return result


class CompactR3DNetwork(nn.Module):
    """A stem, one residual block a stage, the mean over space and time, and a linear head.

    With ``time`` 1 its kernels span one frame and time is never halved: no frame is compared with another.
    """

    def __init__(self, widths: Sequence[int], outputs: int, time: int = 3) -> None:
        super().__init__()
        first = widths[0]
        stem = nn.Conv3d(3, first, (time, 5, 5), (1, 2, 2), (time // 2, 2, 2), bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm3d(first), nn.ReLU())
        self.stages = nn.ModuleDict()
        before = first
        for number, width in enumerate(widths, start=1):
            self.stages[f"stage{number}"] = ResidualBlock(before, width, _stride(number, time), time)
            before = width
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(before, outputs)
        _initialise(self)

    def forward(self, clips: Tensor) -> Tensor:
        """Return ``(B, outputs)`` of clips ``(B, 3, T, H, W)``."""
        # A CPU's convolutions of few channels take up to a third less time with the channels innermost.
        hidden = self.stem(clips.contiguous(memory_format=channels_last_3d))
        for stage in self.stages.values():
            hidden = stage(hidden)
        result: Tensor = self.head(self.pool(hidden).flatten(1))
        return result


def _stride(number: int, time: int) -> tuple[int, int, int]:
    # Time is halved late: Grad-CAM and the features keep a quarter of the frames.
    return (2 if time > 1 and number > 2 else 1, 2, 2) if number > 1 else (1, 1, 1)


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

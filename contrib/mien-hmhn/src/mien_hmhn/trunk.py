"""The convolutional trunk: a ResNet for single frames, of any widths, with the names of torchvision's."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from mien import ModelError, read_weights

RESNET18_WIDTHS = (64, 128, 256, 512)
RESNET18_DEPTH = 2


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (He et al., CVPR 2016); every activation is a module of its own."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.relu2 = nn.ReLU()

    def forward(self, frames: Tensor) -> Tensor:
        """Return ``(N, outputs, H / stride, W / stride)`` of frames ``(N, inputs, H, W)``."""
        hidden = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(frames)))))
        result: Tensor = self.relu2(hidden + self.downsample(frames))
        return result


def resnet_trunk(widths: Sequence[int], depth: int, pool: bool) -> nn.Sequential:
    """Return ``stem``, which halves the frame (twice with ``pool``), and a stage for each width, the first without
    halving.

    Parameters
    ----------
    widths : sequence of int
        Channels of each stage.
    depth : int
        Residual blocks of each stage.
    """
    stem = OrderedDict[str, nn.Module](
        conv1=nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), bn1=nn.BatchNorm2d(widths[0]), relu=nn.ReLU()
    )
    if pool:
        stem["maxpool"] = nn.MaxPool2d(3, 2, 1)
    parts = OrderedDict[str, nn.Module](stem=nn.Sequential(stem))
    before = widths[0]
    for number, width in enumerate(widths, start=1):
        first = ResidualBlock(before, width, 1 if number == 1 else 2)
        parts[f"layer{number}"] = nn.Sequential(first, *(ResidualBlock(width, width, 1) for _ in range(depth - 1)))
        before = width
    trunk = nn.Sequential(parts)
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return trunk


def load_resnet(trunk: nn.Module, path: Path) -> None:
    """Load torchvision's weights of a ResNet, but for its head, into a trunk of the same widths and depth.

    Raises
    ------
    ModelError
        When the file does not fit.
    """
    weights = _named_as_here(read_weights(path))
    own = trunk.state_dict()
    wrong = [name for name, value in own.items() if name not in weights or weights[name].shape != value.shape]
    wrong += [name for name in weights if name not in own]
    if wrong:
        raise ModelError(
            f"The weights are not those of a ResNet-18: {', '.join(wrong[:3])} do not fit.",
            where=str(path),
            hint="Give torchvision's resnet18-f37072fd.pth.",
        )
    trunk.load_state_dict(dict(weights))


def _named_as_here(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    stem = ("conv1.", "bn1.")
    return {
        f"stem.{name}" if name.startswith(stem) else name: value
        for name, value in weights.items()
        if not name.startswith("fc.")
    }

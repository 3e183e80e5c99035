"""Makes networks that see every frame of a clip by itself, of torchvision's networks for images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, cast

from mien.compat import prepare_torchvision

prepare_torchvision()

from torch import Tensor, nn  # noqa: E402
from torchvision import models  # noqa: E402


def build_network(name: str, outputs: int) -> nn.Module:
    """Return torchvision's network for images with random weights and a head of ``outputs`` numbers."""
    return cast(nn.Module, models.get_model(name, weights=None, num_classes=outputs))


class PerFrame(nn.Sequential):
    """Modules for images ``(N, C, H, W)``, applied to every frame of clips ``(B, C, T, H, W)``."""

    def forward(self, clips: Tensor) -> Tensor:
        """Return ``(B, C', T, H', W')``, or ``(B, C', T)`` when the modules give ``(N, C')``."""
        count, time = clips.shape[0], clips.shape[2]
        # All frames of a clip stay together: DeepLift halves the batch into clips and baselines.
        frames = clips.transpose(1, 2).flatten(0, 1)
        for module in self:
            frames = module(frames)
        return frames.reshape(count, time, *frames.shape[1:]).transpose(1, 2)


class ResidualBlock(nn.Module):
    """A residual block of torchvision whose activations are modules of their own (there, one is used over and over)."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        pairs = [(block.conv1, block.bn1), (block.conv2, block.bn2)]
        if hasattr(block, "conv3"):
            pairs.append((block.conv3, block.bn3))
        layers: list[nn.Module] = []
        for convolution, norm in pairs:
            layers += [convolution, norm, nn.ReLU()]
        self.main = nn.Sequential(*layers[:-1])
        self.shortcut = nn.Identity() if block.downsample is None else block.downsample
        self.relu = nn.ReLU()

    def forward(self, frames: Tensor) -> Tensor:
        """Return ``(N, C', H', W')``."""
        result: Tensor = self.relu(self.main(frames) + self.shortcut(frames))
        return result


def framed_resnet(network: Any) -> nn.Module:
    """Return stem, four stages, the mean over time and space, and head."""
    stages = {
        f"stage{i}": PerFrame(*(ResidualBlock(block) for block in network.get_submodule(f"layer{i}")))
        for i in range(1, 5)
    }
    stem = PerFrame(network.conv1, network.bn1, nn.ReLU(), network.maxpool)
    pool = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten())
    return nn.Sequential(OrderedDict(stem=stem, **stages, pool=pool, head=network.fc))


def framed_vgg(network: Any) -> nn.Module:
    """Return five stages, the hidden layers of the classifier, the mean over time, and head."""
    layers = list(network.features)
    ends = [place + 1 for place, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    stages = {
        f"stage{i}": PerFrame(*_apart(layers[start:end]))
        for i, (start, end) in enumerate(zip([0, *ends], ends, strict=False), start=1)
    }
    hidden, head = network.classifier[:-1], network.classifier[-1]
    classifier = PerFrame(network.avgpool, nn.Flatten(), *_apart(hidden))
    pool = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())
    return nn.Sequential(OrderedDict(**stages, classifier=classifier, pool=pool, head=head))


def _apart(layers: Sequence[nn.Module] | nn.Sequential) -> list[nn.Module]:
    # Out of place: the last activation of a stage must not overwrite what Grad-CAM and DeepLift look at.
    return [nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in layers]

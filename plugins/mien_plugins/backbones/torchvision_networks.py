"""Makes torchvision's video networks and loads their official weights."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from mien.compat import prepare_torchvision

prepare_torchvision()

from torch import nn  # noqa: E402
from torchvision.models import video  # noqa: E402
from torchvision.models.video.resnet import BasicBlock  # noqa: E402

from mien.errors import ModelError  # noqa: E402
from mien_plugins.backbones.weight_files import load_weights, read_weights  # noqa: E402

__all__ = ["BasicBlock", "build_network", "load_kinetics", "official_address"]

_WEIGHTS = {
    "r3d_18": video.R3D_18_Weights.KINETICS400_V1,
    "mc3_18": video.MC3_18_Weights.KINETICS400_V1,
    "r2plus1d_18": video.R2Plus1D_18_Weights.KINETICS400_V1,
}


def official_address(file: str) -> str:
    """Return the address of an official weight file, as torchvision knows it."""
    addresses = [str(weights.url) for weights in _WEIGHTS.values()]
    return next(address for address in addresses if address.rsplit("/", 1)[-1] == file)


def build_network(name: str, outputs: int) -> nn.Module:
    """Return the network with random weights and a head of ``outputs`` numbers."""
    return cast(nn.Module, getattr(video, name)(weights=None, num_classes=outputs))


def load_kinetics(network: nn.Module, path: Path) -> None:
    """Load a weight file for Kinetics-400 into all of the network but its head.

    Raises
    ------
    ModelError
        When the file cannot be read or holds another network.
    """
    weights = read_weights(path)
    body = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    if len(body) == len(weights):
        raise ModelError("The file holds no head 'fc' of a Kinetics-400 network.", where=str(path))
    head = {name: value for name, value in network.state_dict().items() if name.startswith("fc.")}
    load_weights(network, {**body, **head}, path)

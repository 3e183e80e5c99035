"""A 2D network on single frames, to hold video networks against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mien.errors import ModelError
from mien.weights import WeightFile
from mien_plugins.backbones.pretrained import PretrainedBackbone, official_file

if TYPE_CHECKING:
    from torch import nn

_FILES = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "vgg11": "vgg11-8a719046.pth",
    "vgg16": "vgg16-397923af.pth",
    "vgg11_bn": "vgg11_bn-6002323d.pth",
    "vgg16_bn": "vgg16_bn-6c64b313.pth",
}
_VGG_SMALLEST = 32


class FrameCnn(PretrainedBackbone):
    """A ResNet (He et al., CVPR 2016) or VGG (Simonyan & Zisserman, ICLR 2015) on every frame, and the mean over time.

    It sees no motion: its output does not change with the order of frames.  It is the mean of the outputs for
    single frames, and computed as one linear head on the mean of their features, which is the same.  Beside a video
    network in the same configuration it says what time adds.

    The networks are torchvision's with ImageNet weights (``IMAGENET1K_V1``).  A ResNet takes frames of any size, a VGG
    of 32 x 32 pixels or more.
    """

    mean: ClassVar[tuple[float, ...]] = (0.485, 0.456, 0.406)
    std: ClassVar[tuple[float, ...]] = (0.229, 0.224, 0.225)

    network: Literal["resnet18", "resnet34", "resnet50", "vgg11", "vgg16", "vgg11_bn", "vgg16_bn"] = Field(
        "resnet18", description="Which network of torchvision sees a frame."
    )
    weights: Literal["imagenet", "none"] = Field("imagenet", description="Pretrained on ImageNet, or random.")

    @classmethod
    def known_weights(cls) -> Sequence[WeightFile]:
        """Return the official ImageNet weights of all its networks."""
        return [official_file(file, f"torchvision {name}, ImageNet (V1)") for name, file in _FILES.items()]

    @property
    def official_weights(self) -> WeightFile:
        """The official ImageNet weights of the configured network."""
        return next(file for file in self.known_weights() if file.name == _FILES[self.network])

    @property
    def head_name(self) -> str:
        """The last layer."""
        return "classifier.6" if self._vgg else "fc"

    @property
    def _vgg(self) -> bool:
        return self.network.startswith("vgg")

    def plain(self, outputs: int) -> nn.Module:
        """Return torchvision's network for images, with random weights."""
        from mien_plugins.backbones.frame_networks import build_network

        return build_network(self.network, outputs)

    def arranged(self, network: nn.Module) -> nn.Module:
        """Return the network that sees clips."""
        from mien_plugins.backbones.frame_networks import framed_resnet, framed_vgg

        return framed_vgg(network) if self._vgg else framed_resnet(network)

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return the stages of the 2D network, whose outputs have a time axis all the same, and the head."""
        names = [f"stage{i}" for i in range(1, 6)] + ["classifier"] if self._vgg else ["stem"]
        names += [] if self._vgg else [f"stage{i}" for i in range(1, 5)]
        return {name: model.get_submodule(name) for name in (*names, "head")}

    def lrp_canonizers(self) -> Sequence[Any]:
        """Return canonizers that make the residual add visible and merge the batch norms."""
        from mien_plugins.backbones.canonizers import ExactMergeBatchNorm, add_residual, residual_sum
        from mien_plugins.backbones.frame_networks import ResidualBlock

        def forward(block: Any, frames: Any) -> Any:
            return block.relu(add_residual(block, block.main(frames), block.shortcut(frames)))

        return [residual_sum(ResidualBlock, forward), ExactMergeBatchNorm()]

    def check(self, frames: int, height: int, width: int) -> None:
        """Raise `ModelError` when frames are smaller than a VGG can take."""
        if self._vgg and min(height, width) < _VGG_SMALLEST:
            raise ModelError(
                f"The network '{self.network}' of the backbone '{self.use}' takes frames of at least {_VGG_SMALLEST} x "
                f"{_VGG_SMALLEST} pixels; these have {height} x {width} (height x width).",
                where="backbone",
                hint="Change the size of the cropper, or choose a ResNet.",
            )

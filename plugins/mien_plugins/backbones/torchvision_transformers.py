"""torchvision's video transformers, with Kinetics-400 weights on demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from mien.errors import ModelError
from mien_plugins.backbones.torchvision_video import TorchvisionVideo

if TYPE_CHECKING:
    from torch import nn

_STAGES = ("stem", "stage1", "stage2", "stage3", "stage4", "head")
_ATTENTION_LACKS = {
    "lrp": "its attention multiplies activations with each other, for which zennit has no rule.",
    "relu_modules": "its activations are GELUs and its attention multiplies activations, for which neither "
    "DeepLift nor guided backpropagation has a rule.",
}


class VideoTransformer(TorchvisionVideo):
    """A video transformer; gradients explain it, LRP, DeepLift and guided backpropagation have no rules for it."""

    head: ClassVar[str] = "head"

    size: int = Field(224, ge=32, description="Default height and width of a clip, pixels.")

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return stem, four stages, split where the network merges its tokens, and head."""
        return {name: model.get_submodule(name) for name in _STAGES}

    @property
    def lacks(self) -> Mapping[str, str]:
        """No rules for attention."""
        return _ATTENTION_LACKS


class Swin3DT(VideoTransformer):
    """Video Swin transformer, tiny (Liu et al., CVPR 2022).

    It pads patches (2 frames x 4 x 4 pixels) and windows to whole ones, so that it can take clips of any size; those
    below 2 frames of 32 x 32 pixels, of which the last stage would see less than one cell, are refused.  Its stages
    give ``(B, C, T, H, W)``, as Grad-CAM wants it.
    """

    citation: ClassVar[str] = "Liu et al.: Video Swin Transformer, CVPR 2022"

    architecture_name: ClassVar[str] = "swin3d_t"
    official_name: ClassVar[str] = "swin3d_t-7615ae03.pth"
    mean: ClassVar[tuple[float, ...]] = (0.485, 0.456, 0.406)
    std: ClassVar[tuple[float, ...]] = (0.229, 0.224, 0.225)
    smallest_clip: ClassVar[tuple[int, int]] = (2, 32)

    frames: int = Field(16, ge=2, description="Default frames of a clip.")

    def arranged(self, network: nn.Module) -> nn.Module:
        """Return the network as a row of stages whose outputs have channels first."""
        from mien_plugins.backbones.torchvision_networks import staged_swin

        return staged_swin(network)


class MViTV2S(VideoTransformer):
    """Multiscale vision transformer v2, small (Li et al., CVPR 2022).

    It is built for one size, ``frames`` x ``size`` x ``size``, and takes no other: torchvision lays the grid of tokens
    down when it builds the network.  16 x 224 x 224 is what the weights were trained for; at another size their
    relative positions are interpolated, as its authors do.
    """

    citation: ClassVar[str] = "Li et al.: MViTv2, CVPR 2022"

    architecture_name: ClassVar[str] = "mvit_v2_s"
    official_name: ClassVar[str] = "mvit_v2_s-ae3be167.pth"
    mean: ClassVar[tuple[float, ...]] = (0.45, 0.45, 0.45)
    std: ClassVar[tuple[float, ...]] = (0.225, 0.225, 0.225)

    frames: int = Field(16, ge=1, description="Frames of a clip.")
    size: int = Field(224, ge=32, description="Height and width of a clip, pixels.")

    def arranged(self, network: nn.Module) -> nn.Module:
        """Return the network as a row of stages on the grid of the configured size."""
        from mien_plugins.backbones.torchvision_networks import staged_mvit

        return staged_mvit(network, self.frames, self.size)

    @property
    def lacks(self) -> Mapping[str, str]:
        """No rules for attention, no map to look at."""
        tokens = "its output reads the class token alone, so a map of its last stage would be zero everywhere."
        return {**_ATTENTION_LACKS, "convolutional_stages": tokens}

    def check(self, frames: int, height: int, width: int) -> None:
        """Raise `ModelError` for any size but the one that it is built for."""
        if (frames, height, width) != (self.frames, self.size, self.size):
            raise ModelError(
                f"The backbone '{self.use}' is built for clips of exactly {self.frames} frames of {self.size} x "
                f"{self.size} pixels; these have {frames} frames of {height} x {width} (height x width).",
                where="backbone",
                hint="Make 'windows.frames' and the size of the cropper equal to its 'frames' and 'size', which "
                "default to 16 and 224.",
            )

"""torchvision's convolutional video networks, with Kinetics-400 weights on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mien.weights import WeightFile
from mien_plugins.backbones.pretrained import PretrainedBackbone, official_file

if TYPE_CHECKING:
    from torch import nn

KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)


class TorchvisionVideo(PretrainedBackbone):
    """A video network of torchvision, optionally pretrained on Kinetics-400."""

    architecture_name: ClassVar[str]
    official_name: ClassVar[str]
    head: ClassVar[str]
    mean: ClassVar[tuple[float, ...]] = KINETICS_MEAN
    std: ClassVar[tuple[float, ...]] = KINETICS_STD

    weights: Literal["kinetics400", "none"] = Field("kinetics400", description="Pretrained on Kinetics-400, or random.")

    @classmethod
    def known_weights(cls) -> Sequence[WeightFile]:
        """Return the official Kinetics-400 weights."""
        return [official_file(cls.official_name, f"torchvision {cls.architecture_name}, Kinetics-400")]

    @property
    def official_weights(self) -> WeightFile:
        """The official Kinetics-400 weights."""
        return self.known_weights()[0]

    @property
    def head_name(self) -> str:
        """The last layer."""
        return self.head

    def plain(self, outputs: int) -> nn.Module:
        """Return torchvision's network with random weights."""
        from mien_plugins.backbones.torchvision_networks import build_network

        return build_network(self.architecture_name, outputs)


class VideoResNet18(TorchvisionVideo):
    """A residual video network of 18 layers (Tran et al., CVPR 2018), which takes clips of any size."""

    citation: ClassVar[str] = (
        "Tran et al.: A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018"
    )

    head: ClassVar[str] = "fc"

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return stem, four stages and head."""
        names = {"stem": "stem", **{f"stage{i}": f"layer{i}" for i in range(1, 5)}, "head": "fc"}
        return {stage: model.get_submodule(child) for stage, child in names.items()}

    def lrp_canonizers(self) -> Sequence[Any]:
        """Return canonizers that make the residual add visible and merge the batch norms."""
        from mien_plugins.backbones.canonizers import ExactMergeBatchNorm, add_residual, residual_sum
        from mien_plugins.backbones.torchvision_networks import BasicBlock

        def forward(block: Any, clips: Any) -> Any:
            shortcut = clips if block.downsample is None else block.downsample(clips)
            return block.relu(add_residual(block, block.conv2(block.conv1(clips)), shortcut))

        return [residual_sum(BasicBlock, forward), ExactMergeBatchNorm()]


class R3D18(VideoResNet18):
    """R3D-18: every convolution is 3D."""

    architecture_name: ClassVar[str] = "r3d_18"
    official_name: ClassVar[str] = "r3d_18-b3b3357e.pth"


class MC318(VideoResNet18):
    """MC3-18: 3D convolutions in the first two groups, 2D in the others."""

    architecture_name: ClassVar[str] = "mc3_18"
    official_name: ClassVar[str] = "mc3_18-a90a0ba3.pth"


class R2Plus1D18(VideoResNet18):
    """R(2+1)D-18: every 3D convolution is a spatial and a temporal one, with a ReLU between."""

    architecture_name: ClassVar[str] = "r2plus1d_18"
    official_name: ClassVar[str] = "r2plus1d_18-91a641e6.pth"


class S3D(TorchvisionVideo):
    """S3D: separable 3D Inception (Xie et al., ECCV 2018).

    Its last pooling spans 2 x 7 x 7 cells, each of 8 frames x 32 x 32 pixels, so that clips have 13 frames and 209
    pixels at least.  Two things differ from torchvision's module, neither of which changes its output: the mean over
    what the pooling leaves comes before the last layer instead of after it, where LRP sees it; and batch norms
    follow their batches in training with PyTorch's default momentum (0.1) instead of 0.001, with which they would
    keep their first statistics for thousands of steps.
    """

    citation: ClassVar[str] = "Xie et al.: Rethinking Spatiotemporal Feature Learning, ECCV 2018"

    architecture_name: ClassVar[str] = "s3d"
    official_name: ClassVar[str] = "s3d-d76dad2f.pth"
    head: ClassVar[str] = "classifier"
    smallest_clip: ClassVar[tuple[int, int]] = (13, 209)

    size: int = Field(224, ge=209, description="Default height and width of a clip, pixels.")
    frames: int = Field(16, ge=13, description="Default frames of a clip.")

    @classmethod
    def testing_fields(cls, folder: Path) -> Mapping[str, Any]:
        """Return random weights, and the smallest clip."""
        return {"weights": "none", "frames": 13, "size": 209}

    def arranged(self, network: nn.Module) -> nn.Module:
        """Return the network as a row of stages."""
        from mien_plugins.backbones.torchvision_networks import staged_s3d

        return staged_s3d(network)

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return stem, four stages, split where the network halves the size, and head."""
        return {name: model.get_submodule(name) for name in ("stem", *(f"stage{i}" for i in range(1, 5)), "head")}

    def lrp_canonizers(self) -> Sequence[Any]:
        """Return the canonizer that merges the batch norms; branches are joined by concatenation, which conserves."""
        from mien_plugins.backbones.canonizers import ExactMergeBatchNorm

        return [ExactMergeBatchNorm()]

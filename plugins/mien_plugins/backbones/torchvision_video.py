"""torchvision's video networks, with Kinetics-400 weights on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mien.errors import ModelError
from mien.interfaces import Backbone, ConfigPath
from mien.types import InputSpec

if TYPE_CHECKING:
    from torch import nn

KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)


class TorchvisionVideo(Backbone):
    """A video network of torchvision (Tran et al., CVPR 2018); its head is replaced by one of ``outputs`` numbers.

    With pretrained weights, clips are standardised by Kinetics' means as the weights expect; without, each clip by
    itself.  Weights come from ``weights_file``, else from mien's cache, else from their official address.
    """

    architecture_name: ClassVar[str]
    official_file: ClassVar[str]

    weights: Literal["kinetics400", "none"] = Field("kinetics400", description="Pretrained on Kinetics-400, or random.")
    weights_file: ConfigPath | None = Field(
        None, description="The official weight file, where it shall not be downloaded."
    )
    standardise: Literal["auto", "clip", "fixed"] = Field(
        "auto", description="clip: each clip by itself; fixed: Kinetics' means; auto: as the weights expect."
    )
    frames: int = Field(16, ge=1, description="Default frames of a clip.")
    size: int = Field(112, ge=16, description="Default height and width of a clip, pixels.")

    def architecture(self, outputs: int) -> nn.Module:
        """Return the network with random weights."""
        from mien_plugins.backbones.torchvision_networks import build_network

        return build_network(self.architecture_name, outputs)

    def build(self, outputs: int) -> nn.Module:
        """Return the network with the configured weights and a fresh head."""
        from mien_plugins.backbones.torchvision_networks import load_kinetics

        network = self.architecture(outputs)
        if self.weights == "kinetics400":
            load_kinetics(network, self._weights_path())
        return network

    def _weights_path(self) -> Path:
        from mien.weights import fetch, official_prefix
        from mien_plugins.backbones.torchvision_networks import official_address

        if self.weights_file is None:
            name = self.official_file
            return fetch(official_address(name), name, hash_prefix=official_prefix(name))
        if not self.weights_file.is_file():
            raise ModelError(
                f"The weight file '{self.weights_file}' does not exist.",
                where="weights_file",
                hint=f"It is {official_address(self.official_file)}.",
            )
        return self.weights_file

    def weight_files(self) -> Mapping[str, Path]:
        """Return the file of the Kinetics-400 weights, where they are used."""
        from mien.weights import weights_folder

        if self.weights == "none":
            return {}
        return {self.weights: self.weights_file or weights_folder() / self.official_file}

    @property
    def input_spec(self) -> InputSpec:
        """Clips of ``frames`` x ``size`` x ``size``."""
        fixed = self.standardise == "fixed" or (self.standardise == "auto" and self.weights == "kinetics400")
        return InputSpec(
            frames=self.frames,
            height=self.size,
            width=self.size,
            standardise="fixed" if fixed else "clip",
            mean=KINETICS_MEAN if fixed else (),
            std=KINETICS_STD if fixed else (),
        )

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


class R3D18(TorchvisionVideo):
    """R3D-18: every convolution is 3D."""

    architecture_name: ClassVar[str] = "r3d_18"
    official_file: ClassVar[str] = "r3d_18-b3b3357e.pth"


class MC318(TorchvisionVideo):
    """MC3-18: 3D convolutions in the first two groups, 2D in the others."""

    architecture_name: ClassVar[str] = "mc3_18"
    official_file: ClassVar[str] = "mc3_18-a90a0ba3.pth"


class R2Plus1D18(TorchvisionVideo):
    """R(2+1)D-18: every 3D convolution is a spatial and a temporal one, with a ReLU between."""

    architecture_name: ClassVar[str] = "r2plus1d_18"
    official_file: ClassVar[str] = "r2plus1d_18-91a641e6.pth"

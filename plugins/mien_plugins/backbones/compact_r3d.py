"""A small 3D residual network that trains on a laptop CPU, and its twin that sees single frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from mien.interfaces import Backbone
from mien.types import InputSpec

if TYPE_CHECKING:
    from torch import nn


class CompactR3D(Backbone):
    """3D residual network (after Tran et al., CVPR 2018) of a few hundred thousand parameters.

    One residual block a stage and no pretrained weights: it learns an Action Unit from some 200 clips in about a
    minute on two CPU cores.  Each clip is standardised by itself, which such a small data set needs.
    """

    citation: ClassVar[str] = (
        "Hara, Kataoka, Satoh: Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet, CVPR 2018"
    )

    time_kernel: ClassVar[int] = 3

    widths: tuple[int, ...] = Field((8, 16, 32, 64), description="Channels of each stage.")
    frames: int = Field(8, ge=1, description="Default frames of a clip.")
    size: int = Field(64, ge=16, description="Default height and width of a clip, pixels.")

    @field_validator("widths")
    @classmethod
    def _positive(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if not widths or min(widths) < 1:
            raise ValueError("at least one stage, of at least one channel")
        return widths

    def build(self, outputs: int) -> nn.Module:
        """Return a fresh network with random weights."""
        from mien_plugins.backbones.compact_r3d_network import CompactR3DNetwork

        return CompactR3DNetwork(self.widths, outputs, self.time_kernel)

    @property
    def input_spec(self) -> InputSpec:
        """Clips of ``frames`` x ``size`` x ``size``, each standardised by itself."""
        return InputSpec(frames=self.frames, height=self.size, width=self.size, standardise="clip")

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return stem, one stage for each width, and head."""
        stages: Any = model.stages
        return {"stem": model.stem, **dict(stages.items()), "head": model.head}

    def lrp_canonizers(self) -> Sequence[Any]:
        """Return canonizers that make the residual add visible and merge the batch norms."""
        from mien_plugins.backbones.canonizers import ExactMergeBatchNorm, add_residual, residual_sum
        from mien_plugins.backbones.compact_r3d_network import ResidualBlock

        def forward(block: Any, clips: Any) -> Any:
            return block.relu2(add_residual(block, block.main(clips), block.shortcut(clips)))

        return [residual_sum(ResidualBlock, forward), ExactMergeBatchNorm()]


class CompactFrameCnn(CompactR3D):
    """The twin of `compact_r3d` that sees single frames: 1 x 3 x 3 kernels, and the mean over time.

    Its output is the mean of the outputs for single frames and does not change with their order, so that beside
    `compact_r3d` it says what time adds.  It has the same layers and widths, and a third of the weights (78 k);
    widths of 14, 28, 55 and 110 give as many as `compact_r3d` has (229 k and 226 k).
    """

    time_kernel: ClassVar[int] = 1

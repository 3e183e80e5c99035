"""The Hybrid Multi-head Cross Attention Network as a backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from mien import Backbone, ConfigPath, InputSpec, ModelError, WeightFile

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mien_hmhn.network import HmhnNetwork, Layout

_RESNET18 = WeightFile(
    "resnet18-f37072fd.pth",
    "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    hash_prefix="f37072fd",
    note="torchvision resnet18, ImageNet (V1)",
)
_RESNET18_SIZE = {"widths": (64, 128, 256, 512), "depth": 2, "pool": True}


class Hmhn(Backbone):
    """The Hybrid Multi-head Cross Attention Network on every frame, and the mean over time (Li et al. 2023).

    Stage one: a ResNet whose low-level features are weighed by Grid-Wise Attention (GWA), and whose depths are put
    together by Deep Feature Fusion (DFF).  Stage two: parallel heads of spatial and channel attention (MAB), fused and
    kept from overlapping by the Attention Fusion Block (AFB).  A linear head gives each frame's output; the clip's is
    their mean and does not depend on their order.  Each block can be switched off, as in the paper's ablations: without
    GWA all positions count alike, without DFF the deepest features are used alone, without MAB their mean over
    the frame (AFB is then left out too, as with a single head: there is nothing to fuse), without AFB the heads' mean.

    The frames of a clip learn its label one by one, as in the paper.  Their mean squared error is that of the
    clip's mean plus the variance of the frames within the clip; the second part is added in training, so that any
    objective can be used, and with ``regression`` and ``mse`` the loss is exactly the frames'.

    We worked from the paper's abstract, without its sizes: the default is a small network that learns on a laptop; with
    ``widths: [64, 128, 256, 512]``, ``depth: 2`` and ``pool: true`` it has the trunk of a ResNet-18, for which
    ``weights: imagenet`` is optional.  What else is ours is told in the docstring of each block.
    """

    citation: ClassVar[str] = (
        "Li, Liu, Zhou, Yuan, Shangguan, Hu, Hu: A facial depression recognition method based on hybrid multi-head "
        "cross attention network, Frontiers in Neuroscience 2023"
    )

    widths: tuple[int, ...] = Field((16, 32, 64, 96), description="Channels of each stage of the trunk.")
    depth: int = Field(1, ge=1, description="Residual blocks of each stage of the trunk.")
    pool: bool = Field(False, description="Whether the stem ends in max pooling, which halves the frame once more.")
    gwa: bool = Field(True, description="Grid-wise attention on the features of the stem.")
    grid: int = Field(8, ge=1, description="Cells along each side of the frame, for gwa.")
    dff: bool = Field(True, description="Fusion of several depths; off: the deepest alone.")
    fused: tuple[int, ...] = Field((2, 3, 4), description="Stages of the trunk that are fused, by number, for dff.")
    fused_width: int = Field(64, ge=1, description="Channels of the fused features, for dff.")
    mab: bool = Field(True, description="Heads of cross attention; off: the mean over the frame.")
    heads: int = Field(4, ge=1, description="How many, for mab.")
    head_width: int = Field(16, ge=1, description="Channels within a head's attentions, for mab.")
    afb: bool = Field(True, description="Learnt fusion of the heads, kept from overlapping; off: their mean.")
    overlap_weight: float = Field(0.1, ge=0, description="Weight in the loss of the heads' overlap, for afb.")
    frame_loss: float = Field(
        1.0,
        ge=0,
        description="Weight in the loss of the frames' variance within a clip; 1: each frame learns the label, as in "
        "the paper; 0: the clip's mean alone does.",
    )
    weights: Literal["none", "imagenet"] = Field(
        "none", description="imagenet: the trunk begins with torchvision's ResNet-18; needs its widths, depth and pool."
    )
    weights_file: ConfigPath | None = Field(
        None, description="The official weight file, where it shall not be downloaded."
    )
    frames: int = Field(8, ge=1, description="Default frames of a clip.")
    size: int = Field(64, ge=16, description="Default height and width of a clip, pixels.")

    @field_validator("widths")
    @classmethod
    def _positive(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if not widths or min(widths) < 1:
            raise ValueError("at least one stage, of at least one channel")
        return widths

    @model_validator(mode="after")
    def _fits(self) -> Hmhn:
        stages = range(1, len(self.widths) + 1)
        if self.dff and (not self.fused or list(self.fused) != sorted({*self.fused} & {*stages})):
            raise ValueError(f"fused: stages of 1 to {len(self.widths)}, ascending, each once; these are {self.fused}")
        if self.weights == "imagenet" and any(getattr(self, key) != value for key, value in _RESNET18_SIZE.items()):
            wanted = ", ".join(f"{key}: {value}" for key, value in _RESNET18_SIZE.items())
            raise ValueError(f"weights: the pretrained trunk is a ResNet-18 ({wanted})")
        return self

    @classmethod
    def known_weights(cls) -> Sequence[WeightFile]:
        """Return the official weights of ResNet-18 on ImageNet."""
        return [_RESNET18]

    def needed_weights(self) -> Sequence[WeightFile]:
        """Return the official file, where pretrained weights are used and no file is given."""
        return [_RESNET18] if self.weights == "imagenet" and self.weights_file is None else []

    def weight_files(self) -> Mapping[str, Path]:
        """Return the file of the pretrained weights, where they are used."""
        return {} if self.weights == "none" else {self.weights: self.weights_file or _RESNET18.path}

    def build(self, outputs: int) -> nn.Module:
        """Return a fresh network; with ``weights: imagenet`` its trunk is pretrained."""
        from mien_hmhn.network import HmhnNetwork
        from mien_hmhn.trunk import load_resnet, resnet_trunk

        if self.weights_file is not None and not self.weights_file.is_file():
            hint = f"Get it from {_RESNET18.url}, or leave 'weights_file' out."
            raise ModelError(f"The weight file '{self.weights_file}' does not exist.", where="weights_file", hint=hint)
        trunk = resnet_trunk(self.widths, self.depth, self.pool)
        if self.weights == "imagenet":
            load_resnet(trunk, self.weights_file or _RESNET18.fetch())
        return HmhnNetwork(self._layout(), outputs, trunk)

    def architecture(self, outputs: int) -> nn.Module:
        """Return the network with random weights."""
        from mien_hmhn.network import HmhnNetwork

        return HmhnNetwork(self._layout(), outputs)

    def _layout(self) -> Layout:
        from dataclasses import fields

        from mien_hmhn.network import Layout

        return Layout(**{each.name: getattr(self, each.name) for each in fields(Layout)})

    @property
    def input_spec(self) -> InputSpec:
        """Clips of ``frames`` x ``size`` x ``size``, each standardised by itself, or as pretrained weights expect."""
        if self.weights == "none":
            return InputSpec(frames=self.frames, height=self.size, width=self.size, standardise="clip")
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        return InputSpec(frames=self.frames, height=self.size, width=self.size, standardise="fixed", mean=mean, std=std)

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return stem, gwa, the trunk's stages, dff, attention and head; without what is switched off."""
        network: HmhnNetwork = _own(model)
        return dict(network.stages.items())

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        """Return the variance of frames within their clips, and the heads' overlap, by their weights."""
        network: HmhnNetwork = _own(model)
        weights = {"frames": self.frame_loss, "overlap": self.overlap_weight}
        terms = [weights[name] * term for name, term in network.training_terms().items() if weights[name] > 0]
        return sum(terms[1:], terms[0]) if terms else None

    @property
    def lacks(self) -> Mapping[str, str]:
        """No rule of LRP or DeepLift is known for products of features and attention."""
        attention = [name for name in ("gwa", "mab") if getattr(self, name)]
        if not attention:
            return {}
        reason = f"its features are multiplied by attention ({', '.join(attention)}), for which there is no rule."
        return {"lrp": reason, "relu_modules": reason}


def _own(model: Any) -> HmhnNetwork:
    from mien_hmhn.network import HmhnNetwork

    if not isinstance(model, HmhnNetwork):
        raise ModelError(
            f"A network of the backbone 'hmhn' was expected, not {type(model).__name__}.",
            where="backbone",
            hint="Name the backbone that built the network.",
        )
    return model

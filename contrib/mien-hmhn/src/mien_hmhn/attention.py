"""Where the backbone `hmhn` looks, as an attribution method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from mien import AttributionMethod, ClipBatch, ExplainedModel, Explanation, ModelError, forward, untouched

if TYPE_CHECKING:
    from torch import Tensor

    from mien_hmhn.network import HmhnNetwork


class HmhnAttention(AttributionMethod):
    """The attention maps of the network itself (Li et al. 2023): where it looked, not what it concluded.

    ``mab``: the heads' spatial maps, averaged as the Attention Fusion Block weighs the heads, or one head's.  ``gwa``:
    the weights of the cells of low-level features.  A map is brought to the size of the input (bilinear), adds up to 1
    over each frame, and is shared evenly among channels and frames, so that a clip's relevance adds up to 1.

    Attention is not signed, is the same for every explained quantity, and adds up to no output (completeness none).  A
    high weight says that features of a position were let through, not that they raised the score; and each feature has
    a receptive field larger than its position.
    """

    backbones: ClassVar[tuple[str, ...]] = ("hmhn",)
    follows_target: ClassVar[bool] = False
    citation: ClassVar[str] = (
        "Li, Liu, Zhou, Yuan, Shangguan, Hu, Hu: A facial depression recognition method based on hybrid multi-head "
        "cross attention network, Frontiers in Neuroscience 2023"
    )

    block: Literal["mab", "gwa"] = Field("mab", description="Whose map: that of the heads, or the grid's.")
    head: int | None = Field(None, ge=0, description="One head alone, from 0, for mab; none: all, as they are fused.")

    @model_validator(mode="after")
    def _heads_are_of_mab(self) -> HmhnAttention:
        if self.block == "gwa" and self.head is not None:
            raise ValueError("head: the grid-wise attention has no heads; leave it out")
        return self

    @property
    def signed(self) -> bool:
        """No: attention is nowhere negative."""
        return False

    def check(self, model: ExplainedModel) -> None:
        """Raise `ModelError` when the network is another one, or does not have the block or the head."""
        super().check(model)
        network = self._network(model)
        if (network.attention if self.block == "mab" else network.gwa) is None:
            raise ModelError(
                f"{model.name} was built without the block '{self.block}', so it has no such attention.",
                where="block",
                hint=f"Set 'backbone.{self.block}: true' and train it anew, or choose the other block.",
            )
        heads = 0 if network.attention is None else len(network.attention.mab.heads)
        if self.head is not None and self.head >= heads:
            raise ModelError(
                f"{model.name} has no head {self.head}.", where="head", hint=f"Its heads are 0 to {heads - 1}."
            )

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return the map of each frame, at the input's size."""
        import torch

        self.check(model)
        if batch.layout != "video":
            raise ModelError("Attention maps are of video clips, not of landmarks.", hint="Choose another method.")
        network = self._network(model)
        with untouched(network), torch.no_grad():
            # One by one: a clip does not depend, even in the last bit, on what else is in its batch.
            found = [self._explained(model, clip.unsqueeze(0), target) for clip in batch.inputs.detach()]
        return Explanation(torch.cat([clip for clip, _ in found]), torch.cat([output for _, output in found]))

    def _network(self, model: ExplainedModel) -> HmhnNetwork:
        from mien_hmhn.network import HmhnNetwork

        if not isinstance(model.module, HmhnNetwork):
            raise ModelError(
                f"The attribution method '{self.use}' cannot explain {model.name}: it is no network of the backbone "
                "'hmhn', and has no attention that the method knows.",
                hint="Choose another method, or 'backbone: hmhn'.",
            )
        return model.module

    def _explained(
        self, model: ExplainedModel, clip: Tensor, target: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the relevance ``(1, C, T, H, W)`` of a clip, and its output."""
        maps, output = self._map(model, clip, target)
        return spread(maps, clip), output

    def _map(self, model: ExplainedModel, clip: Tensor, target: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Return the map of each frame, ``(T, h, w)``, as the network makes it, and the output."""
        network = self._network(model)
        attention, gwa = network.attention, network.gwa
        kept: list[Tensor] = []

        def of_heads(_module: object, _inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
            assert attention is not None
            kept.append(attention.fused_map(*output) if self.head is None else output[1][:, self.head])

        def of_grid(_module: object, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
            assert gwa is not None
            kept.append(gwa.weights(inputs[0]))

        if self.block == "mab":
            assert attention is not None
            handle = attention.mab.register_forward_hook(of_heads)
        else:
            assert gwa is not None
            handle = gwa.register_forward_hook(of_grid)
        try:
            output = forward(model, clip, target)
        finally:
            handle.remove()
        return kept[0], output


def spread(maps: Tensor, clip: Tensor) -> Tensor:
    """Return maps ``(T, h, w)`` as relevance of a clip ``(1, C, T, H, W)``, which adds up to 1."""
    from torch.nn import functional

    size = (clip.shape[-2], clip.shape[-1])
    large = functional.interpolate(maps.unsqueeze(1), size, mode="bilinear", align_corners=False).squeeze(1)
    share = large / large.sum((1, 2), keepdim=True) / (clip.shape[1] * clip.shape[2])
    return share.expand(clip.shape).contiguous()

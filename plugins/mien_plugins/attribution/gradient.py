"""The plain gradient, and the gradient times the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from mien.interfaces import AttributionMethod
from mien.interfaces.attribution import ExplainedModel
from mien.types import ClipBatch, Explanation

if TYPE_CHECKING:
    from torch import Tensor


_SMALL = 400_000  # elements


def rows_at_once(clip: Tensor) -> int:
    """Return how many variants of a clip pass the network at once: 16 on a GPU; on a CPU one, where more is slower, and
    four of clips as small as 8 x 64 x 64, where it is four times faster.
    """
    # Decided by the size alone, never by a timing: the batch size decides the last bits of the relevance.
    return min(4, max(1, _SMALL // clip.numel())) if clip.device.type == "cpu" else 16


def gradients(model: ExplainedModel, inputs: Tensor, target: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return the gradient of the explained quantity of each clip, and the quantity: inputs' shape, ``(B,)``."""
    import torch

    from mien.attribution import forward, one_by_one, untouched

    found, outputs = [], []
    with untouched(model.module), torch.enable_grad():
        for clip in one_by_one(inputs):
            point = clip.clone().requires_grad_()
            output = forward(model, point, target)
            found.append(torch.autograd.grad(output.sum(), point)[0])
            outputs.append(output.detach())
    return torch.cat(found), torch.cat(outputs)


class Saliency(AttributionMethod):
    """The absolute value of the gradient: where a small change moves the output most."""

    needs: ClassVar[tuple[str, ...]] = ("gradient",)
    citation: ClassVar[str] = "Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks, ICLR workshop 2014"

    @property
    def signed(self) -> bool:
        """Absolute values do not tell for from against."""
        return False

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return the absolute gradient."""
        gradient, output = gradients(model, batch.inputs, target)
        return Explanation(relevance=gradient.abs(), output=output)


class InputXGradient(AttributionMethod):
    """The gradient times the input: the first-order share of each element in the output."""

    needs: ClassVar[tuple[str, ...]] = ("gradient",)
    citation: ClassVar[str] = "Shrikumar et al.: Not Just a Black Box, arXiv 1605.01713, 2016"

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return gradient times input."""
        gradient, output = gradients(model, batch.inputs, target)
        return Explanation(relevance=gradient * batch.inputs.detach(), output=output)

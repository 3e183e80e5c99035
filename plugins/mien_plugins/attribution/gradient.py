"""The plain gradient, and the gradient times the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from mien.interfaces import AttributionMethod
from mien.interfaces.attribution import ExplainedModel
from mien.types import ClipBatch, Explanation

if TYPE_CHECKING:
    from torch import Tensor


def gradients(model: ExplainedModel, inputs: Tensor, target: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return the gradient of the explained quantity of each clip, and the quantity: inputs' shape, ``(B,)``."""
    import torch

    from mien.attribution import over_clips, untouched

    with untouched(model.module):
        found = over_clips(lambda clips: gradient(model, clips, target), inputs)
    return torch.cat([slope for slope, _ in found]), torch.cat([output for _, output in found])


def gradient(model: ExplainedModel, clips: Tensor, target: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return gradients and quantities of clips that pass the network together; it must be `untouched`."""
    import torch

    from mien.attribution import differentiable, forward

    points = clips.detach().clone().requires_grad_()
    with torch.enable_grad():
        output = differentiable(forward(model, points, target), model.name)
        return torch.autograd.grad(output.sum(), points)[0], output.detach()


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

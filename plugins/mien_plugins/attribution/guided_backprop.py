"""Guided backpropagation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from mien.errors import ModelError
from mien.interfaces import AttributionMethod
from mien.interfaces.attribution import ExplainedModel
from mien.types import ClipBatch, Explanation
from mien_plugins.attribution.gradient import gradients

if TYPE_CHECKING:
    from torch import Tensor, nn


class GuidedBackprop(AttributionMethod):
    """The gradient, of which every ReLU hands back the positive part alone.

    It draws sharp pictures, but those of a network with random weights are hardly different (Adebayo et al., Sanity
    Checks for Saliency Maps, NeurIPS 2018): it shows what is in the clip rather than what the network uses.  It is here
    to be compared with.

    Activations must be modules; one that is called as a function is passed as by the gradient.  captum's
    ``GuidedBackprop`` gives the same where no ReLU works in place and none feeds several layers.
    """

    needs: ClassVar[tuple[str, ...]] = ("gradient", "relu_modules")
    citation: ClassVar[str] = (
        "Springenberg et al.: Striving for Simplicity: The All Convolutional Net, ICLR workshop 2015"
    )

    def check(self, model: ExplainedModel) -> None:
        """Raise `ModelError` when the network has no ReLU, of which the method would not differ from the gradient."""
        super().check(model)
        if not _rectifiers(model.module):
            raise ModelError(
                f"The attribution method '{self.use}' cannot explain {model.name}: it has no ReLU modules.",
                hint="Make its activations nn.ReLU modules, or choose 'saliency' or 'input_x_gradient'.",
            )

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return the guided gradient."""
        from mien.attribution import untouched

        with untouched(model.module), _guided(model.module):
            relevance, output = gradients(model, batch.inputs, target)
        return Explanation(relevance=relevance, output=output)


def _rectifiers(network: nn.Module) -> list[nn.Module]:
    from torch import nn

    return [module for module in network.modules() if isinstance(module, nn.ReLU)]


@contextmanager
def _guided(network: nn.Module) -> Iterator[None]:
    """Let every ReLU hand back only what is positive, while the context lasts."""

    def guide(module: nn.Module, inputs: Any, output: Tensor) -> Any:
        if not output.requires_grad:
            return output
        passed: Any = output.clone()  # the next module may work in place
        passed.register_hook(lambda found: found.clamp(min=0))
        return passed

    handles = [module.register_forward_hook(guide) for module in _rectifiers(network)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

"""What comes out of a stage of a network, without changing the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mien.attribution.guard import untouched
from mien.errors import ModelError, nearest

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mien.interfaces.attribution import ExplainedModel


def stage_features(model: ExplainedModel, inputs: Tensor, stage: str) -> Tensor:
    """Return the output of a stage of a network for clips, in evaluation mode and without gradients.

    The network is left as it was found: hooks, modes, buffers and gradients, also when it fails.

    Parameters
    ----------
    model : ExplainedModel
    inputs : Tensor, shape (B, C, T, H, W) or (B, T, N, 2)
        In the network's input space and on its device.
    stage : str
        A key of ``model.stages``.

    Returns
    -------
    Tensor
        On the CPU.  Most stages give ``(B, C, T, H, W)`` or ``(B, C)``; a network that lacks
        ``convolutional_stages`` gives tokens ``(B, N, C)``.  Of a stage that is run several times, the last output.

    Raises
    ------
    ModelError
        When there is no such stage, it takes no part in the forward pass, or its output is not one tensor.
    """
    import torch

    if stage not in model.stages:
        raise ModelError(f"{model.name} has no stage '{stage}'.", hint=nearest(stage, model.stages))
    found: list[Any] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        # A copy: the next layer may write into the output in place.
        found[:] = [output.detach().clone() if isinstance(output, torch.Tensor) else output]

    with untouched(model.module) as module, torch.no_grad():
        handle = model.stages[stage].register_forward_hook(keep)
        try:
            module(inputs)
        finally:
            handle.remove()
    if not (found and isinstance(found[0], torch.Tensor)):
        what = f"gives {type(found[0]).__name__}, not one tensor" if found else "takes no part in the forward pass"
        raise ModelError(f"The stage '{stage}' of {model.name} {what}.", hint="Name another stage.")
    return found[0].cpu()

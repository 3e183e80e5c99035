"""captum's DeepLift, made complete on max poolings; imports captum, so it is imported when a method runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from captum.attr import DeepLift
from torch import Tensor, nn
from torch.nn import functional

_POOLS = {
    nn.MaxPool1d: functional.max_pool1d,
    nn.MaxPool2d: functional.max_pool2d,
    nn.MaxPool3d: functional.max_pool3d,
}


@contextmanager
def inputs_apart(network: nn.Module) -> Iterator[None]:
    """Give every activation and pooling an input of its own while the context lasts.

    captum replaces the gradient of the tensor that a module was called with.  Where that tensor is also the output
    of the module before (a pooling after an activation), the module before has read the old gradient by then;
    and where other branches use it too, theirs is replaced as well.
    """

    def copied(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(each.clone() for each in inputs)

    alone = [module for module in network.modules() if not list(module.children())]
    kinds = (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softmax, *_POOLS)
    handles = [module.register_forward_pre_hook(copied) for module in alone if isinstance(module, kinds)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class SummingDeepLift(DeepLift):  # type: ignore[misc]
    """DeepLift that is complete on max poolings, also where windows overlap.

    captum hands a window's difference to the element that won it by "unpooling", which keeps one of several windows
    that the same element won and loses the others.  Here they are added up.
    """

    def _backward_hook(self, module: nn.Module, grad_input: Tensor, grad_output: Tensor) -> Tensor:
        if type(module) not in _POOLS:
            result: Tensor = super()._backward_hook(module, grad_input, grad_output)
            return result
        kept: Any = module
        multipliers = pooled(module, kept.input, kept.output, grad_input, grad_output, self.eps)
        del kept.input, kept.output
        return multipliers


def pooled(module: Any, inputs: Tensor, outputs: Tensor, grad_input: Tensor, grad_output: Tensor, eps: float) -> Tensor:
    """Return the multipliers of a max pooling's inputs; clips and baselines are the halves of the batch.

    The part of an output's difference that lies above the baseline's maximum goes to the clip's winner, the part below
    to the baseline's winner, as in captum.
    """
    value, reference = outputs.chunk(2)
    highest = torch.maximum(value, reference)
    differences = grad_output * torch.cat([highest - reference, value - highest])
    _, winners = _POOLS[type(module)](
        inputs, module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode, True
    )
    handed = torch.zeros_like(inputs).flatten(2)
    handed.scatter_add_(2, winners.flatten(2), differences.flatten(2))
    from_value, from_reference = handed.view_as(inputs).chunk(2)
    change = inputs.chunk(2)[0] - inputs.chunk(2)[1]
    multipliers = (from_value + from_reference) / torch.where(change.abs() < eps, 1.0, change)
    # Where nothing changed, any multiplier is complete; the gradient is its limit.
    return torch.where(torch.cat([change, change]).abs() < eps, grad_input, torch.cat([multipliers, multipliers]))

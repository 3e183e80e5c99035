"""captum's DeepLift, made complete on max poolings; imports captum, so it is imported when a method runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from captum.attr import DeepLift
from torch import Tensor, nn
from torch.nn import functional

from mien.attribution import unreached
from mien.errors import ModelError

_POOLS = {
    nn.MaxPool1d: functional.max_pool1d,
    nn.MaxPool2d: functional.max_pool2d,
    nn.MaxPool3d: functional.max_pool3d,
}


_KINDS = (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softmax, *_POOLS)
"""The modules that captum has rules for."""


def _ruled(network: nn.Module) -> dict[str, nn.Module]:
    """Return the modules of which captum replaces the gradient, by their names."""
    alone = {name: module for name, module in network.named_modules() if not list(module.children())}
    return {name: alone[name] for name in alone if isinstance(alone[name], _KINDS)}


@contextmanager
def each_used_once(network: nn.Module, method: str, name: str) -> Iterator[None]:
    """Let no activation or pooling take part twice in the one forward pass in this context.

    captum keeps one input and one output of a module, those of its last use.

    Parameters
    ----------
    network : nn.Module
    method, name : str
        Id of the method and name of the network, for the error.

    Raises
    ------
    ModelError
        At the second use.
    """
    used: set[str] = set()

    def counting(place: str) -> Callable[..., None]:
        def count(module: nn.Module, inputs: Any) -> None:
            if place in used:
                raise ModelError(
                    f"The attribution method '{method}' cannot explain {name}: it uses its module '{place}' "
                    f"({type(module).__name__}) more than once, of which there is no telling apart.",
                    hint="Give each place a module of its own, such as its own nn.ReLU(), or choose another method; "
                    "a backbone says so before any training, by 'relu_modules' in what it lacks.",
                )
            used.add(place)

        return count

    handles = [module.register_forward_pre_hook(counting(place)) for place, module in _ruled(network).items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def inputs_apart(network: nn.Module, name: str) -> Iterator[None]:
    """Give every activation and pooling an input of its own while the context lasts.

    captum replaces the gradient of the tensor that a module was called with.  Where that tensor is also the output
    of the module before (a pooling after an activation), the module before has read the old gradient by then;
    and where other branches use it too, theirs is replaced as well.

    Raises
    ------
    ModelError
        In the forward pass, where such an input has no gradient that captum could replace.
    """

    def copying(place: str) -> Callable[..., Any]:
        def copied(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            apart = tuple(each.clone() for each in inputs)
            if not apart[0].requires_grad:
                raise unreached(place, name)
            return apart

        return copied

    handles = [module.register_forward_pre_hook(copying(place)) for place, module in _ruled(network).items()]
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

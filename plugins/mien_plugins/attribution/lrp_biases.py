"""What the biases of a network take of the relevance; imports zennit, so it is imported when a method runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mien.compat import prepare_torchvision

prepare_torchvision()

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from zennit.core import BasicHook, ParamMod  # noqa: E402

Tensors = tuple[Tensor, ...]


class Ledger:
    """What the bias of each layer took while relevance passed back."""

    def __init__(self) -> None:
        self._taken: dict[nn.Module, Tensor] = {}

    def enter(self, module: nn.Module, taken: Tensor | int) -> None:
        """Add what a layer's bias took; a layer that is used several times is entered as often."""
        if isinstance(taken, Tensor):
            self._taken[module] = self._taken.get(module, torch.zeros_like(taken)) + taken

    def close(self, network: nn.Module) -> dict[str, float]:
        """Return what each layer's bias took by the layer's name, from the input to the head; begin anew."""
        taken, self._taken = self._taken, {}
        return {name: float(taken[module]) for name, module in network.named_modules() if module in taken}


def bias_share(module: nn.Module, share: Tensor, modifier: Any) -> Tensor | int:
    """Return ``b' * sum(share)``, over all outputs of a layer; the integer 0 for a layer without a bias.

    Parameters
    ----------
    share : Tensor
        Of the shape of the layer's output: relevance over what it is divided by.
    modifier : ParamMod or callable
        What the rule makes of the layer's parameters, b of b'.
    """
    if getattr(module, "bias", None) is None:
        return 0
    with ParamMod.ensure(modifier)(module) as modified:
        bias: Tensor = modified.bias.detach().double()
    axis = -1 if isinstance(module, nn.Linear) else 1
    return (bias * share.double().movedim(axis, 0).flatten(1).sum(1)).sum()


class Telling(BasicHook):  # type: ignore[misc]
    """A rule of zennit that enters what the bias of its layer takes: R_out * b' / z', after the rule's modification.

    The bias counts as the weight of one more input, which is 1 and passes through the rule as every other.  The rule
    must not change its outputs before it divides by them; none of those that the composites use does.
    """

    def __init__(self, rule: BasicHook, ledger: Ledger) -> None:
        super().__init__(
            rule.input_modifiers, rule.param_modifiers, rule.output_modifiers, rule.gradient_mapper, rule.reducer
        )
        self.ledger = ledger

    def copy(self) -> Telling:
        """Return a fresh hook of the same rule."""
        return type(self)(self, self.ledger)

    def backward(self, module: nn.Module, grad_input: Tensors, grad_output: Tensors) -> tuple[Tensor | None, ...]:
        """Return the relevance of the layer's input, given that of its output."""
        if getattr(module, "bias", None) is not None:
            self.ledger.enter(module, self._taken(module, grad_output[0]))
        found: tuple[Tensor | None, ...] = super().backward(module, grad_input, grad_output)
        return found

    def _taken(self, module: nn.Module, relevance: Tensor) -> Tensor:
        values = self.stored_tensors["input"][0].detach()
        one = torch.ones(1, dtype=torch.float64, device=values.device)
        outputs = []
        for input_modifier, modifier in zip(self.input_modifiers, self.param_modifiers, strict=True):
            with ParamMod.ensure(modifier)(module) as modified, torch.no_grad():
                outputs.append(modified.forward(input_modifier(values)))
        shares = self.gradient_mapper(relevance, outputs)
        shares = shares if len(outputs) > 1 else [shares if isinstance(shares, Tensor) else shares[0]]
        taken = [
            torch.as_tensor(bias_share(module, share, modifier))
            for share, modifier in zip(shares, self.param_modifiers, strict=True)
        ]
        units = [_unit(modifier, one) for modifier in self.input_modifiers]
        found: Tensor = self.reducer(units, taken)
        return found.sum()


def _unit(modifier: Callable[[Tensor], Tensor], one: Tensor) -> Tensor:
    """Return what a rule makes of the bias's input, 1."""
    return modifier(one)

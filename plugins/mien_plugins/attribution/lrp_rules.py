"""The composites of LRP rules that `lrp` offers; imports zennit, so it is imported when a method runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mien.compat import prepare_torchvision

prepare_torchvision()

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from zennit.canonizers import SequentialMergeBatchNorm  # noqa: E402
from zennit.composites import (  # noqa: E402
    EpsilonAlpha2Beta1,
    EpsilonPlus,
    EpsilonPlusFlat,
    LayerMapComposite,
    layer_map_base,
)
from zennit.core import BasicHook, Composite, ParamMod  # noqa: E402
from zennit.layer import Sum  # noqa: E402
from zennit.rules import Epsilon, GammaMod  # noqa: E402
from zennit.types import AvgPool, Linear  # noqa: E402

WITHOUT_BIAS = ["bias"]
"""Biases take no relevance: what reaches the input is all of the output."""

Tensors = tuple[Tensor, ...]

Maker = Callable[[float, Sequence[Any]], Composite]


class ConservingGamma(BasicHook):  # type: ignore[misc]
    """The generalised gamma rule (Andeol et al. 2021) without biases: bounded, and it loses nothing.

    It differs from zennit's in two points.  zennit chooses the positive or the negative branch by the sign of
    the output *with* its bias, but divides by a sum without: that sum may be near 0, and relevance explodes.  Here the
    sign is that of the output without bias; the absolute relevance of a layer then grows by no more than
    ``(2 + gamma) / gamma``.  And an output that is all bias, since nothing reaches it from its inputs, hands its
    relevance evenly to them instead of losing it.

    A layer without parameters (a sum, a mean) has weights of one sign, so the rule needs no weights there.
    """

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def copy(self) -> ConservingGamma:
        """Return a fresh hook with the same gamma."""
        return type(self)(self.gamma)

    def backward(self, module: nn.Module, grad_input: Tensors, grad_output: Tensors) -> tuple[Tensor | None, ...]:
        """Return the relevance of the layer's input, given that of its output."""
        values, relevance = self.stored_tensors["input"][0].detach(), grad_output[0]
        positive, negative = values.clamp(min=0), values.clamp(max=0)
        # After a ReLU nothing is negative, and half of the passes are saved.
        favoured = [(positive, True)] + ([(negative, False)] if bool(negative.any()) else [])
        above, above_inputs = self._summed(module, favoured)
        below, below_inputs = self._summed(module, [(part, not sign) for part, sign in favoured])
        plain = above.detach() + below.detach()  # 2 + gamma times the output without bias
        shares = [
            torch.where(plain > 0, relevance / above.detach(), 0),
            torch.where(plain < 0, relevance / below.detach(), 0),
        ]
        inputs = [*above_inputs, *below_inputs]
        found = torch.autograd.grad([above, below], inputs, shares)
        total = torch.zeros_like(values)
        for part, gradient in zip(inputs, found, strict=True):
            total = torch.addcmul(total, part.detach(), gradient)
        lost = torch.where(plain == 0, relevance, 0)
        if bool(lost.any()):
            total = total + _evenly(module, values, lost)
        return tuple(total if each is not None and each.shape == total.shape else None for each in grad_input)

    def _summed(self, module: nn.Module, parts: Sequence[tuple[Tensor, bool]]) -> tuple[Tensor, list[Tensor]]:
        """Return the output with the positive (or negative) weights favoured for each part, and the parts."""
        inputs = [part.clone().requires_grad_() for part, _ in parts]
        with torch.enable_grad():
            output = self._favouring(module, inputs[0], parts[0][1])
            for part, (_, sign) in zip(inputs[1:], parts[1:], strict=True):
                output = output + self._favouring(module, part, sign)
        return output, inputs

    def _favouring(self, module: nn.Module, part: Tensor, positive: bool) -> Tensor:
        if not list(module.parameters(recurse=False)):
            return _forward(module, part * (1 + self.gamma) if positive else part)
        bounds = {"min": 0.0} if positive else {"max": 0.0}
        with GammaMod(self.gamma, zero_params=WITHOUT_BIAS, **bounds)(module):
            return _forward(module, part)


def _evenly(module: nn.Module, values: Tensor, relevance: Tensor) -> Tensor:
    """Return relevance of outputs shared evenly among the inputs that each output sees."""
    ones = torch.ones_like(values).requires_grad_()
    flat = ParamMod(lambda weights, name: torch.ones_like(weights), zero_params=WITHOUT_BIAS)
    with flat(module), torch.enable_grad():
        count = _forward(module, ones)
    return torch.autograd.grad(count, ones, relevance / count.detach())[0]


def _forward(module: nn.Module, values: Tensor) -> Tensor:
    result: Tensor = module.forward(values)  # not a call: the module's own hooks must not run again
    return result


def _gamma(gamma: float, canonizers: Sequence[Any]) -> Composite:
    # The head too: with the epsilon rule, a head whose output is nearly all bias would divide by almost 0.
    rule = ConservingGamma(gamma)
    layers = [((Sum, AvgPool, Linear), rule), *layer_map_base()]
    return LayerMapComposite(layers, list(canonizers))


def _epsilon(gamma: float, canonizers: Sequence[Any]) -> Composite:
    return LayerMapComposite([*layer_map_base(), (Linear, Epsilon())], list(canonizers))


def _zennit(kind: type[LayerMapComposite]) -> Maker:
    def make(gamma: float, canonizers: Sequence[Any]) -> Composite:
        return kind(zero_params=WITHOUT_BIAS, canonizers=list(canonizers))

    return make


COMPOSITES: dict[str, Maker] = {
    "gamma": _gamma,
    "epsilon": _epsilon,
    "epsilon_plus": _zennit(EpsilonPlus),
    "epsilon_plus_flat": _zennit(EpsilonPlusFlat),
    "alpha_beta": _zennit(EpsilonAlpha2Beta1),
}
"""From the value of ``composite`` to its maker, called with gamma and canonizers."""


def default_canonizers() -> list[Any]:
    """Return the canonizers of a network of which nothing is known: batch norms are merged."""
    return [SequentialMergeBatchNorm()]

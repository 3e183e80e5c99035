"""The composites of LRP rules that `lrp` offers; imports zennit, so it is imported when a method runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    SpecialFirstLayerMapComposite,
    layer_map_base,
)
from zennit.core import BasicHook, Composite, ParamMod  # noqa: E402
from zennit.layer import Sum  # noqa: E402
from zennit.rules import Epsilon, GammaMod, ZBox  # noqa: E402
from zennit.types import AvgPool, Convolution, Linear  # noqa: E402

from mien_plugins.attribution.lrp_biases import Ledger, Telling, bias_share  # noqa: E402

WITHOUT_BIAS = ["bias"]
"""Biases take no relevance: what reaches the input is all of the output."""

Tensors = tuple[Tensor, ...]

Maker = Callable[["Rules"], Composite]


@dataclass(frozen=True)
class Rules:
    """What a composite is made of, beside its name.

    Attributes
    ----------
    gamma : float
    canonizers : sequence
    ledger : Ledger or None
        Biases are kept, and what they take is entered there; None: biases are zero.
    """

    gamma: float
    canonizers: Sequence[Any]
    ledger: Ledger | None = None

    @property
    def zero(self) -> list[str] | None:
        """The parameters that zennit's rules shall take as 0."""
        return WITHOUT_BIAS if self.ledger is None else None

    @property
    def conserving_gamma(self) -> ConservingGamma:
        """The gamma rule."""
        return ConservingGamma(self.gamma, self.ledger)


class ConservingGamma(BasicHook):  # type: ignore[misc]
    """The generalised gamma rule (Andeol et al. 2021): bounded, and it loses nothing.

    It differs from zennit's in two points.  zennit chooses the positive or the negative branch by the sign of
    the output *with* its bias, but divides by a sum without: that sum may be near 0, and relevance explodes.  Here the
    sign is that of the output without bias; the absolute relevance of a layer then grows by no more than
    ``(2 + gamma) / gamma``.  And an output that is all bias, since nothing reaches it from its inputs, hands its
    relevance evenly to them instead of losing it.

    A layer without parameters (a sum, a mean) has weights of one sign, so the rule needs no weights there.

    With a ledger, biases are kept: a bias counts as the weight of one more input, which is 1.
    """

    def __init__(self, gamma: float, ledger: Ledger | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.ledger = ledger

    def copy(self) -> ConservingGamma:
        """Return a fresh hook with the same gamma."""
        return type(self)(self.gamma, self.ledger)

    def backward(self, module: nn.Module, grad_input: Tensors, grad_output: Tensors) -> tuple[Tensor | None, ...]:
        """Return the relevance of the layer's input, given that of its output."""
        values, relevance = self.stored_tensors["input"][0].detach(), grad_output[0]
        positive, negative = values.clamp(min=0), values.clamp(max=0)
        # After a ReLU nothing is negative, and half of the passes are saved.
        favoured = [(positive, True)] + ([(negative, False)] if bool(negative.any()) else [])
        above, above_inputs = self._summed(module, favoured)
        below, below_inputs = self._summed(module, [(part, not sign) for part, sign in favoured])
        plain = above.detach() + below.detach()  # 2 + gamma times the output
        shares = [
            torch.where(plain > 0, relevance / above.detach(), 0),
            torch.where(plain < 0, relevance / below.detach(), 0),
        ]
        if self.ledger is not None:
            for share, sign in zip(shares, (True, False), strict=True):
                self.ledger.enter(module, bias_share(module, share, self._mod(sign)))
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
            # The bias counts once, with the first part, that of the positive inputs: its own input is 1.
            output = self._favouring(module, inputs[0], parts[0][1], biased=self.ledger is not None)
            for part, (_, sign) in zip(inputs[1:], parts[1:], strict=True):
                output = output + self._favouring(module, part, sign, biased=False)
        return output, inputs

    def _favouring(self, module: nn.Module, part: Tensor, positive: bool, *, biased: bool) -> Tensor:
        if not list(module.parameters(recurse=False)):
            return _forward(module, part * (1 + self.gamma) if positive else part)
        with self._mod(positive, biased=biased)(module):
            return _forward(module, part)

    def _mod(self, positive: bool, *, biased: bool = True) -> ParamMod:
        bounds = {"min": 0.0} if positive else {"max": 0.0}
        return GammaMod(self.gamma, zero_params=None if biased else WITHOUT_BIAS, **bounds)


class ClipBox(BasicHook):  # type: ignore[misc]
    """zennit's box rule, the box being the range of what the layer sees.

    That is the range of each channel of the standardised clip (of each frame, in a network that sees single frames);
    for a dense layer, whose inputs have no channels, the range of them all.  (zennit's own box has to be told
    how the input is shaped.)
    """

    def __init__(self, zero_params: list[str] | None) -> None:
        rule = ZBox(0.0, 0.0, zero_params=zero_params)
        super().__init__(
            [lambda values: values, _lowest, _highest],
            rule.param_modifiers,
            rule.output_modifiers,
            rule.gradient_mapper,
            rule.reducer,
        )


def _lowest(values: Tensor) -> Tensor:
    return values.amin(_within(values), keepdim=True).expand_as(values).contiguous()


def _highest(values: Tensor) -> Tensor:
    return values.amax(_within(values), keepdim=True).expand_as(values).contiguous()


def _within(values: Tensor) -> tuple[int, ...]:
    """Return the axes of one channel of one clip."""
    return tuple(range(2 if values.ndim > 3 else 1, values.ndim))


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


def _gamma(rules: Rules) -> Composite:
    # The head too: with the epsilon rule, a head whose output is nearly all bias would divide by almost 0.
    layers = [((Sum, AvgPool, Linear), rules.conserving_gamma), *layer_map_base()]
    return LayerMapComposite(layers, list(rules.canonizers))


def _epsilon(rules: Rules) -> Composite:
    rule = Epsilon(zero_params=rules.zero)
    return LayerMapComposite([*layer_map_base(), (Linear, rule)], list(rules.canonizers))


def _epsilon_gamma_box(rules: Rules) -> Composite:
    layers = [
        *layer_map_base(),
        (Convolution, rules.conserving_gamma),
        (nn.Linear, Epsilon(zero_params=rules.zero)),
    ]
    return SpecialFirstLayerMapComposite(layers, [(Linear, ClipBox(rules.zero))], list(rules.canonizers))


def _zennit(kind: type[LayerMapComposite]) -> Maker:
    def make(rules: Rules) -> Composite:
        return kind(zero_params=rules.zero, canonizers=list(rules.canonizers))

    return make


_MAKERS: dict[str, Maker] = {
    "gamma": _gamma,
    "epsilon": _epsilon,
    "epsilon_plus": _zennit(EpsilonPlus),
    "epsilon_plus_flat": _zennit(EpsilonPlusFlat),
    "alpha_beta": _zennit(EpsilonAlpha2Beta1),
    "epsilon_gamma_box": _epsilon_gamma_box,
}
"""From the value of ``composite`` to its maker."""


def composite(name: str, rules: Rules) -> Composite:
    """Return the composite of a name; with a ledger its rules tell what biases take."""
    made: Any = _MAKERS[name](rules)
    if rules.ledger is not None:
        for table in ("layer_map", "first_map"):
            if hasattr(made, table):
                setattr(made, table, [(types, _told(rule, rules.ledger)) for types, rule in getattr(made, table)])
    return made


def _told(rule: Any, ledger: Ledger) -> Any:
    tells = isinstance(rule, ConservingGamma) or not isinstance(rule, BasicHook)
    return rule if tells else Telling(rule, ledger)


def default_canonizers() -> list[Any]:
    """Return the canonizers of a network of which nothing is known: batch norms are merged."""
    return [SequentialMergeBatchNorm()]

"""Layer-wise relevance propagation, by zennit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mien.attribution import unreached
from mien.errors import ModelError
from mien.interfaces import AttributionMethod
from mien.interfaces.attribution import Completeness, ExplainedModel
from mien.types import ClipBatch, Explanation

if TYPE_CHECKING:
    from torch import Tensor, nn


_ATTENTION = {"MultiscaleAttention", "ShiftedWindowAttention", "ShiftedWindowAttention3d"}  # torchvision's


class Lrp(AttributionMethod):
    """Relevance handed back layer by layer, each layer giving on what it received.

    It starts from the network's output (not from ones), so relevance sums to the output f(x).  The gap is measured
    against the output of the network as it was before batch norms were merged.

    - ``gamma`` (default): the generalised gamma rule in every layer.  It favours what speaks for a neuron's output, for
      maps with less noise (Montavon et al.), and it conserves; in mien's own benchmark ``epsilon`` did better.
    - ``epsilon``: on a network of ReLUs, gradient times input of the network with merged batch norms.
    - ``epsilon_plus``, ``epsilon_plus_flat``, ``alpha_beta`` (2, 1): zennit's composites.  They lose what reaches a
      neuron without any positive (for ``alpha_beta``, also without any negative) contribution: nothing to speak of in
      a wide network, a third or more in a narrow one.
    - ``epsilon_gamma_box``: the box rule in the first layer, between the lowest and the highest value of each channel
      of the standardised clip; the generalised gamma rule in convolutions, epsilon in dense layers.

    Biases take no relevance, unless they are kept; what they take is then told, layer by layer, and counts in the gap:
    relevance and what biases take sum to f(x).  ``epsilon`` keeps them by default: where an output is nearly all
    bias, it would divide by almost 0 without.

    The backbone's canonizers merge batch norms and make residual adds visible; a network without any gets its
    batch norms merged, and a large gap where that does not do.

    Diagnostics, where biases are kept: ``bias`` (what all biases took together), ``bias of LAYER`` (each layer's).
    """

    version: ClassVar[int] = 2  # what kept biases take is no gap
    completeness: ClassVar[Completeness] = "approximate"
    needs: ClassVar[tuple[str, ...]] = ("gradient", "lrp")
    citation: ClassVar[str] = (
        "Bach et al.: On Pixel-Wise Explanations by Layer-Wise Relevance Propagation, PLoS ONE 2015; gamma rule: "
        "Montavon et al., 2019; software: Anders et al., arXiv 2106.13200"
    )

    composite: Literal["gamma", "epsilon", "epsilon_plus", "epsilon_plus_flat", "alpha_beta", "epsilon_gamma_box"] = (
        Field("gamma", description="Which rule in which layer.")
    )
    gamma: float = Field(
        0.25, gt=0, description="How far positive contributions are favoured, for gamma and epsilon_gamma_box."
    )
    biases: Literal["zero", "keep"] | None = Field(
        None, description="Whether biases take relevance; none: they do in epsilon, and in no other composite."
    )

    @property
    def compared_with(self) -> str:
        """The output 0: there is no other clip."""
        return "the output 0, which is the mean label where labels are standardised: there is no other clip"

    @property
    def keeps_biases(self) -> bool:
        """Whether biases take relevance."""
        return self.composite == "epsilon" if self.biases is None else self.biases == "keep"

    def check(self, model: ExplainedModel) -> None:
        """Raise `ModelError` when the network has attention, whichever backbone it is of."""
        super().check(model)
        place = next((name for name, module in model.module.named_modules() if _attends(module)), None)
        if place is not None:
            raise ModelError(
                f"The attribution method '{self.use}' cannot explain {model.name}: its attention ('{place}') "
                "multiplies activations with each other, for which zennit has no rule.",
                hint="Choose another method, such as 'integrated_gradients' or 'gradient_shap'.",
            )

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return relevance and its gap; clips pass one by one."""
        import torch

        from mien.attribution import forward, one_by_one, untouched
        from mien_plugins.attribution.lrp_biases import Ledger
        from mien_plugins.attribution.lrp_rules import Rules, composite, default_canonizers

        clips, taken = one_by_one(batch.inputs), []
        ledger = Ledger()
        with untouched(model.module):
            with torch.no_grad():
                output = torch.cat([forward(model, clip, target) for clip in clips])
            canonizers = model.lrp_canonizers() or default_canonizers()
            rules = Rules(self.gamma, canonizers, ledger if self.keeps_biases else None)
            with (
                _reached(model),
                composite(self.composite, rules).context(model.module) as network,
                torch.enable_grad(),
            ):
                found = []
                for clip in clips:
                    found.append(_propagated(network, clip, target, model.name))
                    taken.append(ledger.close(network))
        relevance, biases = torch.cat(found), _by_layer(taken) if self.keeps_biases else {}
        total = relevance.double().flatten(1).sum(1).cpu() + biases.get("bias", 0.0)
        gap = total.to(output.device) - output.double()
        return Explanation(relevance, output, torch.zeros_like(output), gap.to(output), biases)


def _attends(module: nn.Module) -> bool:
    from torch import nn

    # By name: torchvision takes seconds to import, and a network of its classes has imported it.
    names = {kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith("torchvision.")}
    return isinstance(module, nn.MultiheadAttention) or bool(names & _ATTENTION)


@contextmanager
def _reached(model: ExplainedModel) -> Iterator[None]:
    """Raise `ModelError` in the forward pass where a layer is called under ``no_grad``, where no rule can be set."""
    import torch

    def requiring(place: str) -> Callable[..., None]:
        def require(module: nn.Module, inputs: Any) -> None:
            if not torch.is_grad_enabled() and any(getattr(each, "requires_grad", False) for each in inputs):
                raise unreached(place, model.name)

        return require

    leaves = {name: module for name, module in model.module.named_modules() if not list(module.children())}
    handles = [module.register_forward_pre_hook(requiring(place)) for place, module in leaves.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _by_layer(taken: Sequence[Mapping[str, float]]) -> dict[str, Tensor]:
    """Return what the biases of each clip took, in all and by layer."""
    import torch

    found = {"bias": torch.tensor([sum(clip.values()) for clip in taken], dtype=torch.float64)}
    for layer in dict.fromkeys(name for clip in taken for name in clip):
        found[f"bias of {layer}"] = torch.tensor([clip.get(layer, 0.0) for clip in taken], dtype=torch.float64)
    return found


def _propagated(network: nn.Module, clip: Tensor, target: Callable[[Tensor], Tensor], name: str) -> Tensor:
    import torch

    from mien.attribution import differentiable

    point = clip.clone().requires_grad_()
    outputs = differentiable(network(point), name)
    # Each output starts with its own share of the explained quantity: of "a minus b", a and minus b.
    shares = torch.autograd.grad(target(outputs).sum(), outputs, retain_graph=True)[0] * outputs.detach()
    return torch.autograd.grad(outputs, point, shares)[0].detach()

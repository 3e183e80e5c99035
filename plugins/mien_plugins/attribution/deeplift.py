"""DeepLift, by captum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from mien.interfaces.attribution import Completeness, ExplainedModel
from mien.types import ClipBatch, Explanation
from mien_plugins.attribution.baselines import BaselineMethod

if TYPE_CHECKING:
    from torch import Tensor


class DeepLift(BaselineMethod):
    """Multipliers of activation differences between clip and baseline (the rescale rule), by captum.

    Two faults of captum's are mended, which lose relevance at max poolings: those that follow an activation or
    stand in one of several branches, and those whose windows overlap.  Every activation must be a module of its own
    that is used once: a module that is used again is refused when the first clip passes, and one that is a function
    shows in the completeness gap, which is measured.
    """

    version: ClassVar[int] = 2  # complete on max poolings
    completeness: ClassVar[Completeness] = "approximate"
    needs: ClassVar[tuple[str, ...]] = ("gradient", "relu_modules")
    citation: ClassVar[str] = (
        "Shrikumar, Greenside, Kundaje: Learning Important Features Through Propagating Activation Differences, "
        "ICML 2017"
    )

    def attribute_from(
        self, model: ExplainedModel, batch: ClipBatch, baselines: Tensor, target: Callable[[Tensor], Tensor]
    ) -> Explanation:
        """Return relevance and its gap; each clip passes beside its baseline."""
        import torch

        from mien.attribution import over_clips, untouched

        pairs = torch.stack([batch.inputs.detach(), baselines], dim=1)
        with untouched(model.module):
            with torch.no_grad():
                output, baseline_output = (
                    torch.cat(over_clips(lambda clips: self._plain(model, clips, target), clips))
                    for clips in (batch.inputs, baselines)
                )
            with torch.enable_grad():
                relevance = torch.cat(
                    over_clips(lambda pair: _multiplied(model, pair[:, 0], pair[:, 1], target), pairs)
                )
        total = relevance.double().flatten(1).sum(1)
        gap = total - (output.double() - baseline_output.double())
        return Explanation(relevance, output, baseline_output, gap.to(output))

    def _plain(self, model: ExplainedModel, clips: Tensor, target: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the outputs; `ModelError` where the network uses an activation twice."""
        from mien.attribution import forward
        from mien_plugins.attribution.deeplift_rules import each_used_once

        with each_used_once(model.module, self.use, model.name):
            return forward(model, clips, target)


def _multiplied(model: ExplainedModel, clip: Tensor, baseline: Tensor, target: Callable[[Tensor], Tensor]) -> Tensor:
    import torch
    from torch import nn

    from mien.attribution import differentiable
    from mien_plugins.attribution.deeplift_rules import SummingDeepLift, inputs_apart

    class Targeted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.explained = model.module

        def forward(self, clips: Tensor) -> Tensor:
            values = target(self.explained(clips))
            return differentiable(values, model.name) if torch.is_grad_enabled() else values

    with warnings.catch_warnings(), inputs_apart(model.module, model.name):
        # captum tells that it sets hooks; the network is put back by `untouched`.
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        found: Tensor = SummingDeepLift(Targeted()).attribute(clip.clone().requires_grad_(), baselines=baseline)
    return found.detach()

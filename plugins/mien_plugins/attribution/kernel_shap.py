"""Kernel SHAP: the output's change, shared out among features as Shapley values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from mien.interfaces.attribution import Completeness, ExplainedModel
from mien.types import ClipBatch, Explanation
from mien_plugins.attribution.features import Featured, FeatureMethod, featured
from mien_plugins.attribution.sampling import clip_seed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor


class KernelShap(FeatureMethod):
    """The Shapley value of each region in each stretch of time, by weighted least squares over coalitions of them.

    A coalition keeps some features and has the baseline in the place of the others.  The values add up to
    ``f(x) - f(baseline)`` by construction.  They are exact where ``samples`` allows for all coalitions, and for
    networks that sum what features tell alone and in pairs; otherwise they are estimates.  Coalitions come with their
    complements, which lowers the variance, and are drawn from ``seed`` and the clip's own content: the same clip gets
    the same map in any batch, order and process, and no global generator is touched.

    Own regression instead of captum's ``KernelShap``, which draws from the global generator, without complements, and
    gives the full and the empty coalition a large weight where here they are constraints.

    It needs no gradient.  A clip costs ``samples`` forward passes and two more: 130 for a face's eight parts
    in four stretches of time, 0.3 s for 8 x 64 x 64 clips on `compact_r3d` and one CPU core.

    Diagnostics: ``features`` (that hold an element), ``samples`` (coalitions, with the empty and the full one),
    ``exact`` (1 where they are all coalitions, else 0).
    """

    completeness: ClassVar[Completeness] = "exact"
    citation: ClassVar[str] = (
        "Lundberg, Lee: A Unified Approach to Interpreting Model Predictions, NeurIPS 2017; complements: Covert, Lee: "
        "Improving KernelSHAP: Practical Shapley Value Estimation Using Linear Regression, AISTATS 2021"
    )

    samples: Annotated[int, Field(ge=2)] | Literal["auto"] = Field(
        "auto", description="Coalitions of a clip; auto: four times as many as it has features."
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="Another seed draws other coalitions.")

    def attribute_from(
        self, model: ExplainedModel, batch: ClipBatch, baselines: Tensor, target: Callable[[Tensor], Tensor]
    ) -> Explanation:
        """Return the Shapley values, each spread evenly over its feature; clips are taken one by one."""
        import torch

        from mien.attribution import untouched

        with untouched(model.module), torch.no_grad():
            clips = [self._explain(clip) for clip in featured(self, model, batch, baselines, target)]
        relevance = torch.stack([found for found, _, _ in clips])
        ends = torch.stack([ends for _, ends, _ in clips])
        gap = relevance.double().flatten(1).sum(1).cpu() - (ends[:, 0] - ends[:, 1])
        told = torch.tensor([told for _, _, told in clips], dtype=torch.float32)
        return Explanation(
            relevance=relevance,
            output=ends[:, 0].to(relevance),
            baseline_output=ends[:, 1].to(relevance),
            gap=gap.to(relevance),
            diagnostics={"features": told[:, 0], "samples": told[:, 1], "exact": told[:, 2]},
        )

    def _explain(self, clip: Featured) -> tuple[Tensor, Tensor, tuple[int, int, bool]]:
        """Return the relevance, the outputs of clip and baseline, and the diagnostics."""
        import torch

        from mien_plugins.attribution.coalitions import choose, shapley

        budget = 4 * clip.count if self.samples == "auto" else self.samples
        coalitions = choose(clip.count, budget, clip_seed(clip.perturbed.clip, self.seed))
        everything = torch.ones(1, clip.count, dtype=torch.bool)
        found = clip.outputs(torch.cat([everything, ~everything, torch.from_numpy(coalitions.members)]))
        full, empty = float(found[0]), float(found[1])
        rest: npt.NDArray[np.float64] = found[2:].numpy()
        values = torch.from_numpy(shapley(coalitions, rest, empty, full))
        return clip.spread(values), found[:2], (clip.count, len(found), coalitions.complete)

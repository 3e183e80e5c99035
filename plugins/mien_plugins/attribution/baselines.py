"""Baselines: the clip without what is to be explained, in the network's input space."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mien.attribution.blur import blurred
from mien.errors import ModelError
from mien.interfaces import AttributionMethod

if TYPE_CHECKING:
    from torch import Tensor

    from mien.interfaces.attribution import ExplainedModel
    from mien.types import ClipBatch, Explanation

Baseline = Literal["zero", "temporal_mean", "blur"]

_MEANINGS: dict[Baseline, str] = {
    "zero": "an input of zeros, which is the mean colour where clips are standardised: it shows what differs from "
    "that, and is far from any real clip",
    "temporal_mean": "the mean of its own frames: it shows what moves, and is blind to what never does",
    "blur": "its own frames, strongly blurred: it shows detail, and is blind to coarse colour and light",
}


class BaselineMethod(AttributionMethod):
    """A method that explains the change of the output from a baseline to the clip."""

    baseline: Baseline = Field(
        "temporal_mean",
        description="zero: every element 0, for a standardised clip its mean colour; temporal_mean: the mean of the "
        "clip's frames, which is blind to what never moves; blur: each frame strongly blurred, which is not.",
    )
    blur: float = Field(
        0.125, gt=0, le=1, description="Standard deviation of the blur, as a fraction of the clip's height and width."
    )

    @property
    def compared_with(self) -> str:
        """What the baseline is, and what it cannot show."""
        return self.meaning(self.baseline)

    def meaning(self, kind: Baseline) -> str:
        """Return what a kind of baseline is, and what it cannot show."""
        return _MEANINGS[kind]

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return the relevance of each clip for its change from its baseline."""
        return self.attribute_from(model, batch, self.baseline_of(batch), target)

    @abstractmethod
    def attribute_from(
        self, model: ExplainedModel, batch: ClipBatch, baselines: Tensor, target: Callable[[Tensor], Tensor]
    ) -> Explanation:
        """Return the relevance of each clip for its change from a given baseline, of the shape of the clips."""

    def baseline_of(self, batch: ClipBatch, kind: Baseline | None = None) -> Tensor:
        """Return the baseline of every clip, in the shape of ``batch.inputs``; of another kind when one is given.

        Raises
        ------
        ModelError
            When landmarks shall be blurred.
        """
        import torch

        inputs, kind = batch.inputs.detach(), kind or self.baseline
        if kind == "zero":
            return torch.zeros_like(inputs)
        if kind == "temporal_mean":
            return inputs.mean(batch.time_axis, keepdim=True).expand_as(inputs).contiguous()
        if batch.layout != "video":
            raise ModelError(
                "Landmarks cannot be blurred in space.",
                where="baseline: blur",
                hint="Choose 'temporal_mean' or 'zero'.",
            )
        return blurred(inputs, self.blur)

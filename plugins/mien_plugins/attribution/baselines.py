"""Baselines: the clip without what is to be explained, in the network's input space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mien.errors import ModelError
from mien.interfaces import AttributionMethod

if TYPE_CHECKING:
    from torch import Tensor

    from mien.types import ClipBatch

Baseline = Literal["zero", "temporal_mean", "blur"]


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

    def baseline_of(self, batch: ClipBatch) -> Tensor:
        """Return the baseline of every clip, in the shape of ``batch.inputs``.

        Raises
        ------
        ModelError
            When landmarks shall be blurred.
        """
        import torch

        inputs = batch.inputs.detach()
        if self.baseline == "zero":
            return torch.zeros_like(inputs)
        if self.baseline == "temporal_mean":
            return inputs.mean(batch.time_axis, keepdim=True).expand_as(inputs).contiguous()
        if batch.layout != "video":
            raise ModelError(
                "Landmarks cannot be blurred in space.",
                where="baseline: blur",
                hint="Choose 'temporal_mean' or 'zero'.",
            )
        return blurred(inputs, self.blur)


def blurred(clips: Tensor, sigma: float) -> Tensor:
    """Return clips ``(B, C, T, H, W)`` blurred in space; ``sigma`` is a fraction of height and of width.

    Beyond the border there is nothing: the weights inside are scaled up to 1, so a uniform frame stays as it is.
    """
    rows = _gaussian(clips.shape[-2], sigma).to(clips)
    columns = _gaussian(clips.shape[-1], sigma).to(clips)
    result: Tensor = rows @ clips @ columns.T
    return result


def _gaussian(size: int, sigma: float) -> Tensor:
    import torch

    position = torch.arange(size, dtype=torch.float64) / size
    weights = torch.exp(-0.5 * ((position[:, None] - position[None, :]) / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)

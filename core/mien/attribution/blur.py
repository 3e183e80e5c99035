"""Blurs clips in space: a baseline, and a fill for what is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


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

"""Attention Fusion Block (AFB): what the heads found becomes one, and they are kept from looking at the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class AttentionFusion(nn.Module):
    """Fuses the heads (Li et al. 2023): in each channel, a mean of the heads with weights that sum to 1.

    The weights are a softmax over the heads of a linear function, the same for all heads, of what each found.  How
    much the heads' maps overlap (`overlap`) is added to the training's loss, which keeps them apart.

    The paper's abstract names the block; DAN (Wen et al. 2023), which fuses such heads, adds up a log-softmax
    over the heads and uses the logarithm of the inverse variance between them.  A weighted mean keeps the scale of a
    regression's features, and the cosine of maps is bounded where heads agree: both are ours.

    Parameters
    ----------
    channels : int
        C of what a head found.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Linear(channels, channels)
        self.softmax = nn.Softmax(dim=1)

    def weights(self, found: Tensor) -> Tensor:
        """Return the weight of each head in each channel, ``(N, K, C)``; they sum to 1 over the heads."""
        result: Tensor = self.softmax(self.gate(found))
        return result

    def forward(self, found: Tensor) -> Tensor:
        """Return ``(N, C)`` of what K heads found, ``(N, K, C)``."""
        return (self.weights(found) * found).sum(1)


def overlap(maps: Tensor) -> Tensor:
    """Return how much the maps of different heads overlap: 0 when no two share a position, 1 when all are the same.

    It is the cosine between the maps of two heads of a frame, averaged over pairs and frames.

    Parameters
    ----------
    maps : Tensor, shape (N, K, h, w)
        Nowhere negative; K at least 2.
    """
    heads = functional.normalize(maps.flatten(2), dim=2)
    cosines = heads @ heads.transpose(1, 2)
    first, second = torch.triu_indices(maps.shape[1], maps.shape[1], offset=1, device=maps.device)
    return cosines[:, first, second].mean()

"""Grid-Wise Attention (GWA): cells of a low-level feature map are weighed by their long-range dependencies."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GridWiseAttention(nn.Module):
    """Weighs the cells of a grid by how much all cells attend to them (Li et al. 2023; Huang et al. 2021).

    The map is cut into ``grid`` x ``grid`` cells.  Each cell's mean feature asks (query) and answers (key); the scaled
    dot products give the attention of every cell to every other, wherever they lie.  A cell's weight is the attention
    that it gets, averaged over all cells: weights are positive and sum to 1.  The features of a cell are multiplied by
    its weight times the number of cells, so uniform attention changes nothing.

    The paper's abstract names the block and its purpose; mean features as queries and keys, and weighing by the
    attention that a cell gets, are ours.

    Parameters
    ----------
    channels : int
        C of the feature map.
    grid : int
        Cells along each side; a map of fewer pixels has as many cells as pixels.
    width : int
        Length of queries and keys.

    References
    ----------
    Huang, Huang, Wang, Jiang: Facial expression recognition with grid-wise attention and visual transformer,
    Information Sciences 580 (2021).
    """

    def __init__(self, channels: int, grid: int, width: int) -> None:
        super().__init__()
        self.grid = grid
        self.query = nn.Linear(channels, width)
        self.key = nn.Linear(channels, width)
        self.softmax = nn.Softmax(dim=-1)

    def attention(self, frames: Tensor) -> Tensor:
        """Return the attention between cells, ``(N, G, G)``; each row sums to 1.

        Parameters
        ----------
        frames : Tensor, shape (N, C, H, W)
        """
        rows, columns = membership(frames.shape[-2], self.grid, frames), membership(frames.shape[-1], self.grid, frames)
        means = (rows / rows.sum(1, keepdim=True)) @ frames @ (columns / columns.sum(1, keepdim=True)).T
        cells = means.flatten(2).transpose(1, 2)
        query, key = self.query(cells), self.key(cells)
        result: Tensor = self.softmax(query @ key.transpose(1, 2) / query.shape[-1] ** 0.5)
        return result

    def weights(self, frames: Tensor) -> Tensor:
        """Return the weight of each cell, ``(N, rows, columns)``; each frame's sum to 1."""
        received = self.attention(frames).mean(1)
        return received.reshape(-1, *(min(self.grid, size) for size in frames.shape[-2:]))

    def forward(self, frames: Tensor) -> Tensor:
        """Return the weighed features, ``(N, C, H, W)``."""
        weights = self.weights(frames)
        rows, columns = membership(frames.shape[-2], self.grid, frames), membership(frames.shape[-1], self.grid, frames)
        spread = rows.T @ weights @ columns
        return frames * (spread * weights[0].numel()).unsqueeze(1)


def membership(size: int, grid: int, like: Tensor) -> Tensor:
    """Return which of at most ``grid`` stretches each of ``size`` pixels is in: 0 or 1, ``(stretches, size)``."""
    count = min(grid, size)
    place = torch.arange(size, device=like.device) * count // size
    return (place == torch.arange(count, device=like.device)[:, None]).to(like.dtype)

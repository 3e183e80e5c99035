"""RISE's masks for video: random cells of low resolution, upsampled trilinearly at a random place of their grid.

Petsiuk et al. draw a grid of zeros and ones, upsample it bilinearly and cut the mask out at a random place.  Here the
grid has a time axis too, and the place is continuous, not a whole number of pixels: every element of a mask has mean p
and one and the same variance, up to the borders, and how two elements go together depends on their distance alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Masks:
    """Many masks, each made when it is asked for: the grids alone are held.

    Attributes
    ----------
    cells : ndarray of bool, shape (N, t + 2, h + 2, w + 2)
        The grids.
    shifts : ndarray, shape (N, 3)
        Where each mask begins in its grid, 0 to 1 cells along time, rows and columns.
    shape : (int, int, int)
        Frames, rows and columns of a mask.
    """

    cells: npt.NDArray[np.bool_]
    shifts: npt.NDArray[np.float64]
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.cells)

    def made(self, rows: npt.NDArray[np.intp], like: Tensor) -> Tensor:
        """Return some of the masks, 0 to 1: ``(n, T, H, W)`` in the type and on the device of ``like``."""
        import torch

        cells = torch.from_numpy(self.cells[rows]).to(like)
        shifts = torch.from_numpy(self.shifts[rows])
        for axis, size in enumerate(self.shape):
            weights = _weights(size, self.cells.shape[axis + 1] - 2, shifts[:, axis]).to(like)
            cells = torch.einsum("nsc,nc...->n...s", weights, cells)
        return cells


def drawn(
    count: int,
    shape: tuple[int, int, int],
    grid: tuple[int, int, int],
    probability: float,
    generator: np.random.Generator,
) -> Masks:
    """Return random masks.

    Parameters
    ----------
    count : int
        N.
    shape : (int, int, int)
        Frames, rows and columns of a mask.
    grid : (int, int, int)
        Cells that cover it along each axis; at most one an element.
    probability : float
        Of a cell to be seen.
    """
    sides = tuple(min(cells, size) for cells, size in zip(grid, shape, strict=True))
    # One cell more for the shift, and one to interpolate with.
    cells = generator.random((count, *(side + 2 for side in sides))) < probability
    return Masks(cells, generator.random((count, 3)), shape)


def _weights(size: int, cells: int, shifts: torch.Tensor) -> torch.Tensor:
    """Return how much of each cell is in each element, ``(n, size, cells + 2)``: rows add up to 1."""
    import torch

    places = torch.arange(size, dtype=torch.float64) * (cells / size) + shifts[:, None]
    distance = (places[..., None] - torch.arange(cells + 2, dtype=torch.float64)).abs()
    return (1 - distance).clamp(min=0)


def cells_of(grid: tuple[int, int, int], shape: tuple[int, int, int]) -> int:
    """Return how many cells cover a clip."""
    return math.prod(min(cells, size) for cells, size in zip(grid, shape, strict=True))

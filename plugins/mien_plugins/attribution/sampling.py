"""What is drawn for a clip, decided by a seed and the clip's content, and the mean of what is found for the draws."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def clip_seed(clip: Tensor, seed: int) -> int:
    """Return a seed that ``seed`` and the values of the clip decide."""
    content = clip.detach().cpu().contiguous().numpy().tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=7, salt=seed.to_bytes(16, "big")).digest(), "big")


def clip_generator(clip: Tensor, seed: int) -> torch.Generator:
    """Return the generator of a clip: the same in any batch, order, process and on any device."""
    import torch

    return torch.Generator().manual_seed(clip_seed(clip, seed))


def gaussians(clip: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return standard Gaussian noise ``(count, *clip.shape)``, in the clip's type and on its device."""
    import torch

    # Drawn on the CPU and one by one: the noise depends neither on the device nor on the size of a batch.
    return torch.stack([torch.randn(clip.shape, generator=generator) for _ in range(count)]).to(clip)


def extent(clip: Tensor) -> float:
    """Return the range of a clip: its largest less its smallest value."""
    return float(clip.max() - clip.min())


class RunningMean:
    """The mean of maps that come one after another, and how much chance is left in it.

    Parameters
    ----------
    like : Tensor
        A map, for its shape.
    """

    def __init__(self, like: Tensor) -> None:
        import torch

        self.mean = torch.zeros_like(like)
        self._spread = torch.zeros_like(like)
        self._count = 0

    def add(self, found: Tensor) -> None:
        """Add a map."""
        self._count += 1  # Welford's algorithm: squares of large means would lose the small spread
        change = found - self.mean
        self.mean += change / self._count
        self._spread += change * (found - self.mean)

    @property
    def relative_error(self) -> float:
        """The norm of the elements' standard errors over the norm of the mean; 0 for a mean of 0."""
        error = (self._spread.double().sum() / (self._count - 1) / self._count).sqrt()
        size = self.mean.double().norm()
        return float(error / size) if float(size) > 0 else 0.0

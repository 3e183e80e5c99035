"""SmoothGrad: the mean of gradients around a clip."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from mien.interfaces.attribution import ExplainedModel
from mien.types import ClipBatch, Explanation
from mien_plugins.attribution.baselines import BaselineMethod
from mien_plugins.attribution.gradient import rows_at_once
from mien_plugins.attribution.integrated_gradients import GradientPath

if TYPE_CHECKING:
    from torch import Tensor

Base = Literal["saliency", "input_x_gradient", "integrated_gradients"]


class SmoothGrad(BaselineMethod):
    """The mean of a gradient method's maps for the clip with ``samples`` different draws of Gaussian noise added.

    The standard deviation of the noise is ``noise`` times the range (largest minus smallest value) of each clip, as in
    the paper.  A clip's noise is drawn from ``seed`` and the clip's own content: the same clip gets the same map in any
    batch, any order and any process, other clips get other noise, and no global generator is touched.  (captum's
    ``NoiseTunnel`` draws from the global generator for the batch as a whole, with one absolute level for all; given
    the same noise, this is what it computes.)

    Diagnostics: ``noise`` (the standard deviation), ``standard_error`` (how much chance the draws leave in the map,
    relative to it: the norm of its elements' standard errors over the norm of the map).
    """

    needs: ClassVar[tuple[str, ...]] = ("gradient",)
    citation: ClassVar[str] = (
        "Smilkov et al.: SmoothGrad: removing noise by adding noise, arXiv 1706.03825, 2017; squared: Hooker et al.: "
        "A Benchmark for Interpretability Methods in Deep Neural Networks, NeurIPS 2019"
    )

    base: Base = Field(
        "saliency",
        description="The map of one noisy clip: its gradient, gradient times noisy clip, or integrated gradients from "
        "the baseline of the clip without noise.",
    )
    values: Literal["signed", "absolute", "squared"] = Field(
        "signed", description="Mean of the maps as they are, of their absolute values, or of their squares."
    )
    samples: int = Field(25, ge=2, description="Draws of noise; the paper takes 50.")
    noise: float = Field(
        0.15, ge=0, le=1, description="Standard deviation of the noise, as a fraction of the clip's range."
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="Another seed draws other noise.")
    steps: int = Field(8, ge=1, description="Intervals of the path, for integrated_gradients.")

    @property
    def signed(self) -> bool:
        """Whether the maps keep their sign."""
        return self.values == "signed"

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return the mean map of each clip; clips are taken one by one."""
        import torch

        from mien.attribution import forward, one_by_one, untouched

        # A baseline may be refused for the layout of the clips: it is made only where it is used.
        integrated = self.base == "integrated_gradients"
        clips = batch.inputs.detach()
        baselines = self.baseline_of(batch) if integrated else clips
        with untouched(model.module):
            with torch.no_grad():
                output = torch.cat([forward(model, clip, target) for clip in one_by_one(clips)])
            means = [
                self._mean(_Explained(model, target, baseline, self.steps), clip)
                for clip, baseline in zip(clips, baselines, strict=True)
            ]
        return Explanation(
            relevance=torch.stack([mean for mean, _, _ in means]),
            output=output,
            diagnostics={
                "noise": torch.tensor([deviation for _, deviation, _ in means]),
                "standard_error": torch.tensor([error for _, _, error in means]),
            },
        )

    def _mean(self, explained: _Explained, clip: Tensor) -> tuple[Tensor, float, float]:
        """Return the mean map, the standard deviation of the noise and the relative standard error."""
        import torch

        deviation = self.noise * float(clip.max() - clip.min())
        mean, spread, count = torch.zeros_like(clip), torch.zeros_like(clip), 0
        for noisy in self._noisy(clip, deviation):
            for found in self._valued(_BASES[self.base](explained, noisy)):
                count += 1  # Welford's algorithm: squares of large means would lose the small spread
                change = found - mean
                mean += change / count
                spread += change * (found - mean)
        error = (spread.double().sum() / (count - 1) / count).sqrt()
        size = mean.double().norm()
        return mean, deviation, float(error / size) if float(size) > 0 else 0.0

    def _valued(self, maps: Tensor) -> Tensor:
        if self.values == "signed":
            return maps
        return maps.abs() if self.values == "absolute" else maps.square()

    def _noisy(self, clip: Tensor, deviation: float) -> Iterator[Tensor]:
        """Yield the clip with noise, in batches."""
        import torch

        # Drawn on the CPU and one by one: the noise depends neither on the device nor on the size of a batch.
        generator = torch.Generator().manual_seed(clip_seed(clip, self.seed))
        rows = rows_at_once(clip)
        for start in range(0, self.samples, rows):
            count = min(rows, self.samples - start)
            draws = torch.stack([torch.randn(clip.shape, generator=generator) for _ in range(count)])
            yield clip + deviation * draws.to(clip)


def clip_seed(clip: Tensor, seed: int) -> int:
    """Return a seed that ``seed`` and the values of the clip decide."""
    content = clip.detach().cpu().contiguous().numpy().tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=7, salt=seed.to_bytes(16, "big")).digest(), "big")


@dataclass(frozen=True)
class _Explained:
    """What the base methods need beside a batch of noisy variants of one clip."""

    model: ExplainedModel
    target: Callable[[Tensor], Tensor]
    baseline: Tensor
    steps: int


def _gradients(explained: _Explained, noisy: Tensor) -> Tensor:
    import torch

    from mien.attribution import forward

    points = noisy.detach().requires_grad_()
    with torch.enable_grad():
        values = forward(explained.model, points, explained.target)
    return torch.autograd.grad(values.sum(), points)[0]


def _products(explained: _Explained, noisy: Tensor) -> Tensor:
    return _gradients(explained, noisy) * noisy


def _integrated(explained: _Explained, noisy: Tensor) -> Tensor:
    import torch

    rows = rows_at_once(explained.baseline)
    paths = [GradientPath(explained.model, explained.target, each, explained.baseline, rows) for each in noisy]
    return torch.stack([path.first(explained.steps) for path in paths])


_BASES: Mapping[Base, Callable[[_Explained, Tensor], Tensor]] = {
    "saliency": _gradients,
    "input_x_gradient": _products,
    "integrated_gradients": _integrated,
}

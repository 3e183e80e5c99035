"""GradientShap: expected gradients over a small distribution of baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from mien.interfaces.attribution import Completeness, ExplainedModel
from mien.types import ClipBatch, Explanation
from mien_plugins.attribution.baselines import Baseline, BaselineMethod
from mien_plugins.attribution.gradient import gradient
from mien_plugins.attribution.sampling import RunningMean, clip_generator, extent, gaussians

if TYPE_CHECKING:
    from torch import Tensor

    from mien.attribution import Batches


class GradientShap(BaselineMethod):
    """The gradient at random points between random baselines and the clip, times their difference; the mean of it.

    A baseline is drawn as the clip's own (``baseline`` and ``more_baselines``, equally often) with Gaussian noise
    added.  The points lie one in each of ``samples`` equal stretches of the path, in random order: that keeps the mean
    and takes away most of its error.  Relevance adds up to f(x) less the mean output of the baselines, apart from a
    gap that chance leaves and that is measured.  The draws are a clip's own, as in ``smoothgrad``.  (captum's
    ``GradientShap`` draws from the global generators, for the batch as a whole, and holds all samples in memory; given
    the same baselines and points, this is what it computes.)

    Diagnostics: ``standard_error`` (how much chance the draws leave in the map, relative to it, were the points
    independent), ``baseline_spread`` (standard deviation of the output over the baselines).
    """

    completeness: ClassVar[Completeness] = "approximate"
    needs: ClassVar[tuple[str, ...]] = ("gradient",)
    citation: ClassVar[str] = (
        "Lundberg, Lee: A Unified Approach to Interpreting Model Predictions, NeurIPS 2017; Erion et al.: Improving "
        "Performance of Deep Learning Models with Axiomatic Attribution Priors and Expected Gradients, Nature Machine "
        "Intelligence 2021"
    )

    tolerance: float = Field(0.1, gt=0, description="Largest relative completeness gap; it falls with samples.")
    more_baselines: tuple[Baseline, ...] = Field((), description="Further baselines, drawn as often as 'baseline'.")
    baseline_noise: float = Field(
        0.05, ge=0, le=1, description="Standard deviation of a baseline's noise, as a fraction of the clip's range."
    )
    samples: int = Field(32, ge=2, description="Draws of a baseline and a point.")
    seed: int = Field(0, ge=0, lt=1 << 63, description="Another seed draws others.")

    @property
    def compared_with(self) -> str:
        """What the baselines are, and what they cannot show."""
        kinds = [self.meaning(kind) for kind in dict.fromkeys([self.baseline, *self.more_baselines])]
        noise = ", each with noise added" if self.baseline_noise else ""
        return " or ".join(kinds) + noise

    def attribute_from(
        self, model: ExplainedModel, batch: ClipBatch, baselines: Tensor, target: Callable[[Tensor], Tensor]
    ) -> Explanation:
        """Return the mean relevance of each clip, its gap, and what chance left in it."""
        import torch

        from mien.attribution import Batches, forward, over_clips, rows_at_once, untouched

        clips = batch.inputs.detach()
        kinds = torch.stack([baselines, *(self.baseline_of(batch, kind) for kind in self.more_baselines)], dim=1)
        batches = Batches(rows_at_once(clips[0]))
        with untouched(model.module):
            with torch.no_grad():
                output = torch.cat(over_clips(lambda rows: forward(model, rows, target), clips))
            found = [
                self._expected(_Draws(self, clip, centres), batches, model, target)
                for clip, centres in zip(clips, kinds, strict=True)
            ]
        relevance = torch.stack([mean.mean for mean, _ in found])
        outputs = torch.stack([values for _, values in found]).double()
        total = relevance.double().flatten(1).sum(1)
        return Explanation(
            relevance=relevance,
            output=output,
            baseline_output=outputs.mean(1).to(output),
            gap=(total - (output.double() - outputs.mean(1))).to(output),
            diagnostics={
                "standard_error": torch.tensor([mean.relative_error for mean, _ in found]),
                "baseline_spread": outputs.std(1),
            },
        )

    def _expected(
        self, draws: _Draws, batches: Batches, model: ExplainedModel, target: Callable[[Tensor], Tensor]
    ) -> tuple[RunningMean, Tensor]:
        """Return the mean of the maps, and the output of every baseline."""
        import torch

        from mien.attribution import forward

        def mapped(pairs: Tensor) -> tuple[Tensor, Tensor]:
            baselines, points = pairs.unbind(1)
            with torch.no_grad():
                values = forward(model, baselines, target)
            return gradient(model, points, target)[0] * (draws.clip - baselines), values

        mean = RunningMean(draws.clip)
        outputs: list[Tensor] = []
        done = 0
        while done < self.samples:
            count = min(batches.at_once, self.samples - done)
            baselines, points = draws.next(done, count)

            for maps, values in batches.over(torch.stack([baselines, points], dim=1), mapped):
                for found in maps:
                    mean.add(found)
                outputs.append(values)
            done += count
        return mean, torch.cat(outputs)


@dataclass
class _Draws:
    """The baselines and points of one clip, in the order in which they are drawn."""

    method: GradientShap
    clip: Tensor
    centres: Tensor

    def __post_init__(self) -> None:
        import torch

        self._generator = clip_generator(self.clip, self.method.seed)
        samples = self.method.samples
        stretch = torch.randperm(samples, generator=self._generator)
        self.positions = (stretch + torch.rand(samples, generator=self._generator)) / samples

    def next(self, start: int, count: int) -> tuple[Tensor, Tensor]:
        """Return the next baselines, ``(count, ...)``, and a point between each and the clip."""
        import torch

        centres = torch.stack([self.centres[number % len(self.centres)] for number in range(start, start + count)])
        deviation = self.method.baseline_noise * extent(self.clip)
        baselines = centres + deviation * gaussians(self.clip, count, self._generator)
        positions = self.positions[start : start + count].to(self.clip).reshape(-1, *[1] * self.clip.ndim)
        return baselines, torch.lerp(baselines, self.clip, positions)

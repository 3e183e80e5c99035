"""Integrated Gradients, with as many steps as completeness asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from mien.interfaces.attribution import Completeness, ExplainedModel
from mien.types import ClipBatch, Explanation
from mien_plugins.attribution.baselines import BaselineMethod
from mien_plugins.attribution.gradient import gradient

if TYPE_CHECKING:
    from torch import Tensor

    from mien.attribution import Batches


_SMALLEST_CHANGE = 0.03


class IntegratedGradients(BaselineMethod):
    """The gradient, averaged on the straight path from a baseline to the clip, times their difference.

    The average is the trapezoidal rule on evenly spaced nodes, both ends among them: their outputs give f(x) and
    f(baseline) without another pass.  Each clip starts with ``steps`` intervals; while its completeness gap is
    larger than ``tolerance``, the intervals are halved, which keeps all gradients taken so far, until ``max_steps``.
    The gap is relative to ``|f(x) - f(baseline)|``, but to no less than 3 % of the larger of the two outputs: less than
    a tenth of the spread of outputs that reports divide it by, up to outputs of three standard deviations.

    Diagnostics: ``steps`` (gradients taken), ``complete`` (1 where the tolerance was reached, else 0).
    """

    completeness: ClassVar[Completeness] = "approximate"
    needs: ClassVar[tuple[str, ...]] = ("gradient",)
    citation: ClassVar[str] = "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, ICML 2017"

    tolerance: float = Field(0.01, gt=0, description="Largest relative completeness gap.")
    steps: int = Field(16, ge=1, description="Intervals at first.")
    max_steps: int = Field(1024, ge=1, description="Intervals at most.")
    internal_batch: int | Literal["auto"] = Field(
        "auto",
        description="Nodes of a clip in one pass; auto: on a GPU as many as fill its memory; on a CPU 1, where more is "
        "slower, and 4 for clips as small as 8 x 64 x 64, where it is four times faster.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> IntegratedGradients:
        if self.max_steps < self.steps:
            raise ValueError(f"max_steps ({self.max_steps}) is less than steps ({self.steps})")
        if self.internal_batch != "auto" and self.internal_batch < 1:
            raise ValueError("internal_batch must be at least 1")
        return self

    def attribute_from(
        self, model: ExplainedModel, batch: ClipBatch, baselines: Tensor, target: Callable[[Tensor], Tensor]
    ) -> Explanation:
        """Return relevance, its gap, and how many gradients each clip took."""
        import torch

        from mien.attribution import untouched

        batches = self._batches(batch.inputs[0])
        with untouched(model.module):
            clips = [
                self._explain(GradientPath(model, target, clip, baseline, batches))
                for clip, baseline in zip(batch.inputs.detach(), baselines, strict=True)
            ]
        paths = [path for path, _ in clips]
        output = torch.stack([path.end for path in paths])
        baseline_output = torch.stack([path.start for path in paths])
        return Explanation(
            relevance=torch.stack([relevance for _, relevance in clips]),
            output=output,
            baseline_output=baseline_output,
            gap=torch.stack([path.gap(relevance) for path, relevance in clips]).to(output),
            diagnostics={
                "steps": torch.tensor([path.gradients for path in paths]),
                "complete": torch.tensor([float(self._complete(path, relevance)) for path, relevance in clips]),
            },
        )

    def _batches(self, clip: Tensor) -> Batches:
        from mien.attribution import Batches, rows_at_once

        if self.internal_batch == "auto":
            return Batches(rows_at_once(clip))
        return Batches(self.internal_batch, grow=False)

    def _explain(self, path: GradientPath) -> tuple[GradientPath, Tensor]:
        relevance = path.first(self.steps)
        while not self._complete(path, relevance) and 2 * path.intervals <= self.max_steps:
            relevance = path.halve()
        return path, relevance

    def _complete(self, path: GradientPath, relevance: Tensor) -> bool:
        gap = abs(float(path.gap(relevance)))
        start, end = float(path.start), float(path.end)
        return gap <= self.tolerance * max(abs(end - start), _SMALLEST_CHANGE * max(abs(start), abs(end)))


@dataclass
class GradientPath:
    """The straight path from one baseline to one clip, and the gradients summed on it so far."""

    model: ExplainedModel
    target: Callable[[Tensor], Tensor]
    clip: Tensor
    baseline: Tensor
    batches: Batches
    intervals: int = 0
    gradients: int = 0
    difference: Tensor = field(init=False)
    total: Tensor = field(init=False)
    start: Tensor = field(init=False)
    end: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.difference = self.clip - self.baseline

    def first(self, intervals: int) -> Tensor:
        """Take the gradients at both ends and between; return the relevance."""
        self.intervals = intervals
        ends, (self.start, self.end) = self._gradients([0.0, 1.0])
        self.total = ends / 2  # the ends count half
        return self._add([node / intervals for node in range(1, intervals)])

    def halve(self) -> Tensor:
        """Add the gradient at the middle of every interval; return the relevance."""
        self.intervals *= 2
        return self._add([node / self.intervals for node in range(1, self.intervals, 2)])

    def gap(self, relevance: Tensor) -> Tensor:
        """Return ``sum(relevance) - (f(x) - f(baseline))``."""
        return relevance.double().sum() - (self.end.double() - self.start.double())

    def _add(self, nodes: list[float]) -> Tensor:
        if nodes:
            self.total = self.total + self._gradients(nodes)[0]
        return self.difference * self.total / self.intervals

    def _gradients(self, nodes: list[float]) -> tuple[Tensor, Tensor]:
        """Return the sum of the gradients at the nodes, and the outputs there."""
        import torch

        positions = torch.tensor(nodes, dtype=self.clip.dtype, device=self.clip.device)
        total, outputs = torch.zeros_like(self.clip), []
        for slopes, values in self.batches.over(positions.reshape(-1, *[1] * self.clip.ndim), self._at):
            total += slopes
            outputs.append(values)
        self.gradients += len(nodes)
        return total, torch.cat(outputs)

    def _at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of the gradients at positions on the path, 0 to 1, and the outputs there."""
        import torch

        slopes, values = gradient(self.model, torch.lerp(self.baseline, self.clip, positions), self.target)
        return slopes.sum(0), values

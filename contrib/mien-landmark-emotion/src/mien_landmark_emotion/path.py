"""Gradients on the straight paths from baselines to clips."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mien import ExplainedModel, ModelError, forward

_ELEMENTS = 2_000_000  # of clips that pass the network together


class GradientPaths:
    """The straight paths from the baselines of some clips to the clips, in a network that is `mien.untouched`.

    Attributes
    ----------
    start, end : Tensor, shape (B,)
        The explained quantity at both ends; known after `first`.
    """

    def __init__(
        self, model: ExplainedModel, target: Callable[[Tensor], Tensor], clips: Tensor, baselines: Tensor
    ) -> None:
        self._model, self._target = model, target
        self._clips, self._baselines = clips, baselines
        self.start = self.end = torch.zeros(0)

    def first(self, intervals: int) -> Tensor:
        """Return the sum of the gradients at all nodes of so many intervals, both ends counted half."""
        rows = torch.arange(len(self._clips), device=self._clips.device)
        low, self.start = self._at(rows, 0.0)
        high, self.end = self._at(rows, 1.0)
        return sum((self._at(rows, node / intervals)[0] for node in range(1, intervals)), (low + high) / 2)

    def between(self, rows: Tensor, intervals: int) -> Tensor:
        """Return the sum of the gradients of some clips at the nodes that ``intervals`` have, and half as many not.

        ``intervals`` is the same for all: every clip that goes on has been halved as often.
        """
        total = torch.zeros_like(self._clips[rows])
        for node in range(1, intervals, 2):
            total += self._at(rows, node / intervals)[0]
        return total

    def relevance(self, gradients: Tensor, intervals: Tensor) -> Tensor:
        """Return the mean gradient times the way from the baseline to the clip."""
        shape = (-1, *[1] * (gradients.ndim - 1))
        return (self._clips - self._baselines) * gradients / intervals.to(gradients).view(shape)

    def gap(self, relevance: Tensor) -> Tensor:
        """Return ``sum(relevance) - (f(clip) - f(baseline))`` of each clip, float64."""
        return relevance.double().flatten(1).sum(1) - (self.end.double() - self.start.double())

    def _at(self, rows: Tensor, place: float) -> tuple[Tensor, Tensor]:
        """Return gradients and outputs at a place of the paths, 0 to 1."""
        size = max(1, _ELEMENTS // self._clips[0].numel())
        found = [self._gradient(some, place) for some in torch.split(rows, size)]
        return torch.cat([slope for slope, _ in found]), torch.cat([value for _, value in found])

    def _gradient(self, rows: Tensor, place: float) -> tuple[Tensor, Tensor]:
        points = torch.lerp(self._baselines[rows], self._clips[rows], place).requires_grad_()
        with torch.enable_grad():
            output = forward(self._model, points, self._target)
        if not output.requires_grad:
            raise ModelError(
                f"The output of {self._model.name} does not depend on its input in a way that has a gradient."
            )
        return torch.autograd.grad(output.sum(), points)[0], output.detach()

"""RISE: how the output goes with what random masks, smooth in space and time, let through."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from mien import ClipBatch, ExplainedModel, Explanation, ModelError
from mien_perturbation.fills import HidingMethod

if TYPE_CHECKING:
    from torch import Tensor

    from mien import Batches

Cells = Annotated[int, Field(ge=1)]


class Rise(HidingMethod):
    """How much higher the output is when an element is seen, over random masks that are smooth in space and in time.

    A mask is a grid of random cells, each seen with probability ``keep``, upsampled trilinearly at a random place (see
    `mien_perturbation.masks`); the network gets ``mask * clip + (1 - mask) * fill``.  The paper's map is the mean of
    ``output * mask``, over ``keep``: the expected output when the element is seen, which is normalised by the masks'
    true mean and so unbiased.  It suits probabilities.  A score has no natural zero, and its mean would outweigh the
    map; so, unless ``centred`` is off, the mean output is taken off every element: relevance is the unbiased covariance
    of output and mask over ``keep``, positive where seeing raises the output.

    Relevance says where, not how much: neighbours share it as far as a cell reaches, and it does not add up to the
    output's change.  It is an estimate: ``half_split`` says how far the maps from either half of the masks agree.

    It needs clips of pixels.  A clip costs ``masks`` forward passes and two more; memory does not grow with them.

    Diagnostics: ``masks``, ``half_split`` (Pearson's r of the maps from every other mask), ``reliability`` (what that
    promises for the whole map: Spearman and Brown's formula; absent where the halves disagree outright), ``cells``.
    """

    citation: ClassVar[str] = (
        "Petsiuk, Das, Saenko: RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC 2018"
    )

    masks: int = Field(1000, ge=4, description="Random masks; the paper takes 4,000 to 8,000 for an image.")
    grid: tuple[Cells, Cells, Cells] = Field(
        (4, 7, 7), description="Cells over time, rows and columns; the paper takes 7 x 7. No more than the clip has."
    )
    keep: float = Field(0.5, gt=0, lt=1, description="Probability that a cell is seen; the masks' mean.")
    centred: bool = Field(
        True, description="Whether the mean output is taken off, so that relevance has a sign; false: the paper's map."
    )

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return the map of each clip, spread evenly over its channels; clips are taken one by one.

        Raises
        ------
        ModelError
            For landmarks, which lie on no grid.
        """
        import torch

        from mien import Batches, forward, rows_at_once, untouched

        if batch.layout != "video":
            raise ModelError(
                "RISE covers a grid of pixels; landmarks lie on no grid.",
                hint="Choose 'lime', which hides regions.",
            )
        hidden = self.filling(batch)
        maps, ends, told = [], [], []
        with untouched(model.module), torch.no_grad():
            batches = Batches(rows_at_once(batch.inputs[0]))
            for clip, fill in zip(batch.inputs.detach(), hidden, strict=True):
                ends.append(forward(model, torch.stack([clip, fill]), target))
                sums = self._summed(model, clip, fill, target, batches)
                found = sums.map(self.keep, self.centred)
                told.append(sums.agreement(self.keep, self.centred))
                maps.append((found / len(clip)).to(clip).expand_as(clip))
        outputs, agreement = torch.stack(ends).to(batch.inputs), torch.tensor(told)
        return Explanation(
            relevance=torch.stack(maps),
            output=outputs[:, 0],
            baseline_output=outputs[:, 1],
            diagnostics={
                "masks": torch.full((len(batch),), float(self.masks)),
                "half_split": agreement,
                "reliability": torch.where(agreement > -0.5, 2 * agreement / (1 + agreement), float("nan")),
                "cells": torch.full((len(batch),), float(self._cells(batch))),
            },
        )

    def _cells(self, batch: ClipBatch) -> int:
        from mien_perturbation.masks import cells_of

        frames, rows, columns = batch.inputs.shape[2:]
        return cells_of(self.grid, (frames, rows, columns))

    def _summed(
        self, model: ExplainedModel, clip: Tensor, fill: Tensor, target: Callable[[Tensor], Tensor], batches: Batches
    ) -> Sums:
        """Return the sums over all masks; a mask is made, used and dropped."""
        import torch

        from mien import forward
        from mien_perturbation.masks import drawn

        frames, rows, columns = clip.shape[1:]
        masks = drawn(self.masks, (frames, rows, columns), self.grid, self.keep, self.generator(clip))
        sums = Sums(clip)

        def passed(numbers: Tensor) -> None:
            made = masks.made(numbers.cpu().numpy(), clip)
            seen = made[:, None]
            outputs = forward(model, seen * clip + (1 - seen) * fill, target)
            sums.add(numbers, made, outputs)

        for _ in batches.over(torch.arange(self.masks, device=clip.device), passed):
            pass
        return sums


class Sums:
    """Sums over masks, of those with even and with odd numbers apart.

    Parameters
    ----------
    like : Tensor, shape (C, T, H, W)
        The clip, for its shape and device.
    """

    def __init__(self, like: Tensor) -> None:
        import torch

        shape = (2, *like.shape[1:])
        device = "cpu" if like.device.type == "mps" else like.device  # no float64 there
        self._masks = torch.zeros(shape, dtype=torch.float64, device=device)
        self._products = torch.zeros_like(self._masks)
        self._outputs = torch.zeros(2, dtype=torch.float64, device=device)
        self._counts = [0, 0]
        self._first: float | None = None

    def add(self, numbers: Tensor, masks: Tensor, outputs: Tensor) -> None:
        """Add some masks ``(n, T, H, W)`` with their numbers and outputs ``(n,)``."""
        import torch

        values, made = outputs.to(self._outputs), masks.to(self._masks)
        if self._first is None:  # sums about any one output: those of large outputs would lose their small spread
            self._first = float(values[0])
        values = values - self._first
        for half in (0, 1):
            own = (numbers % 2 == half).to(values.device)
            self._counts[half] += int(own.sum())
            self._masks[half] += made[own].sum(0)
            self._outputs[half] += values[own].sum()
            self._products[half] += torch.einsum("n,nthw->thw", values[own], made[own])

    def map(self, keep: float, centred: bool) -> Tensor:
        """Return the map from all masks, ``(T, H, W)`` of float64."""
        sums = self._masks.sum(0), self._outputs.sum(), self._products.sum(0)
        return self._map(sum(self._counts), *sums, keep=keep, centred=centred)

    def agreement(self, keep: float, centred: bool) -> float:
        """Return Pearson's r of the maps from either half; NaN where one of them is the same everywhere."""
        import torch

        sums = zip(self._counts, self._masks, self._outputs, self._products, strict=True)
        halves = torch.stack(
            [
                self._map(count, masks, outputs, products, keep=keep, centred=centred).flatten()
                for count, masks, outputs, products in sums
            ]
        )
        about = halves - halves.mean(1, keepdim=True)
        size = about.norm(dim=1)
        if bool((size <= 1e-12 * halves.norm(dim=1)).any()):
            return float("nan")
        return float(about[0] @ about[1] / size.prod())

    def _map(
        self, count: int, masks: Tensor, outputs: Tensor, products: Tensor, *, keep: float, centred: bool
    ) -> Tensor:
        if centred:
            return (products - outputs * masks / count) / ((count - 1) * keep)
        return (products + (self._first or 0.0) * masks) / (count * keep)

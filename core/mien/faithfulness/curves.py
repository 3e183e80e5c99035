"""Deletion and insertion: is what is marked as relevant what the output depends on?

Features are parts of the face in stretches of time (`segment_features`).  They are put in the order of their mean
absolute relevance per element (their density), the highest first, and replaced one after the other by the fill
(*deletion*; Samek et al. 2017), or shown one after the other on the fill (*insertion*; Petsiuk et al. 2018, RISE).
After each step it is measured how far the output still is from where it will end::

    deletion   d_k = |f(x without the first k) - f(fill)|      insertion   d_k = |f(fill with the first k) - f(x)|

over the share of the clip's elements that were replaced or shown.  In a faithful order little is left soon: the area A
under d is small.  Negative relevance counts as positive does: a score has no side that is the right one.  The figure is

    1 - A / (mean of A over random orders)

1: the first elements decide all; 0: no better than chance; below 0: worse.  It has no unit, and needs no f(x) that
differs from f(fill).  Density, because the area is over elements: on an additive network whose features all push one
way it is the order of the smallest area (Smith 1956), and noise has no preference for small features or for large ones.
A reversed random order is a random order, so that deletion and insertion share the outputs of the random ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mien.attribution import forward, untouched
from mien.attribution.batches import Batches, rows_at_once
from mien.faithfulness.fills import Fill, filled
from mien.faithfulness.similarity import pooled
from mien.interfaces import ExplainedModel
from mien.regions.segments import segment_features
from mien.types import ClipBatch, ClipKey, FloatArray

GRID: FloatArray = np.linspace(0, 1, 41)
"""Shares of a clip's elements at which curves are given."""

_NOTHING = 1e-6  # an output that changes by less, relative to its size, does not depend on the features
_TIE = 12  # digits of a density that count
_UNDEFINED: FloatArray = np.full(len(GRID), np.nan)
_NONE = (np.asarray(np.nan), _UNDEFINED, _UNDEFINED)


@dataclass(frozen=True)
class Curves:
    """Deletion and insertion of each clip, beside random orders.

    Attributes
    ----------
    deletion, insertion : ndarray, shape (B,)
        Area saved against random orders, 1 at best, 0 for chance; NaN where a clip has no relevance, or its output does
        not depend on the features.
    deletion_curve, insertion_curve : ndarray, shape (B, G)
        What is left of the way at the shares `GRID`, in units of the mean area of the random orders.
    random_deletion, random_insertion : ndarray, shape (B, G)
        The same, mean over the random orders; their area is 1.
    """

    deletion: FloatArray
    insertion: FloatArray
    deletion_curve: FloatArray
    insertion_curve: FloatArray
    random_deletion: FloatArray
    random_insertion: FloatArray


@dataclass(frozen=True)
class _Order:
    """The outputs along one order of one clip.

    ``share`` of the elements is replaced at each of the S + 1 points, from 0 to 1; ``output`` is f there.
    """

    share: FloatArray
    output: FloatArray

    @property
    def deletion(self) -> tuple[FloatArray, FloatArray]:
        """Shares, and what is left of the way to f(fill)."""
        return self.share, np.abs(self.output - self.output[-1])

    @property
    def insertion(self) -> tuple[FloatArray, FloatArray]:
        """The same of the insertion in the reversed order, which passes the same clips backwards."""
        return 1 - self.share[::-1], np.abs(self.output - self.output[0])[::-1]


@dataclass(frozen=True)
class _Clip:
    """One clip: the feature of each element (flat, those present numbered from 0), its elements, its random orders."""

    labels: npt.NDArray[np.intp]
    areas: FloatArray
    random: Sequence[_Order]
    ties: npt.NDArray[np.intp]


class Perturbation:
    """Clips, what fills them and their random orders: made once, then held against the maps of any method.

    Parameters
    ----------
    model : ExplainedModel
    batch : ClipBatch
        Its inputs on the network's device.
    target : callable
        From the network's output to the explained quantity ``(B,)``.
    fill : {"blur", "median"} or Tensor
        What replaces a feature.
    segments : int
        Stretches of time.
    steps : int
        Features are replaced in at most so many steps, several at a time where there are more.
    orders : int
        Random orders.
    seed : int
        Decides them; they differ from clip to clip.

    Raises
    ------
    ModelError
        When an output is not finite, or landmarks shall be blurred.
    """

    def __init__(
        self,
        model: ExplainedModel,
        batch: ClipBatch,
        target: Callable[[Tensor], Tensor],
        *,
        fill: Fill = "blur",
        segments: int = 4,
        steps: int = 16,
        orders: int = 5,
        seed: int = 0,
    ) -> None:
        self.model, self.batch, self.target, self.steps = model, batch, target, steps
        self._filled = filled(batch, fill)
        labels = segment_features(batch, segments)[0].numpy()
        self._clips = [self._prepared(row, own, orders, seed) for row, own in enumerate(labels)]

    def curves(self, relevance: Tensor) -> Curves:
        """Return the curves of a method's maps; about two forward passes a step and clip.

        Parameters
        ----------
        relevance : Tensor
            Of the shape of the batch's inputs, or summed over channels.

        Raises
        ------
        DataError
            When its shape does not fit, or it is not finite.
        """
        maps = np.abs(pooled(relevance, self.batch))
        return _joined([self._of_clip(row, own) for row, own in enumerate(maps)])

    def _prepared(self, row: int, labels: npt.NDArray[np.int64], orders: int, seed: int) -> _Clip:
        present, own = np.unique(labels, return_inverse=True)
        own = own.reshape(labels.shape)
        areas = np.bincount(own.ravel(), minlength=len(present)).astype(np.float64)
        rng = np.random.default_rng([seed, _number(self.batch.keys[row])])
        drawn = [rng.permutation(len(present)) for _ in range(orders)]
        return _Clip(own, areas, self._along(row, own, areas, drawn), rng.permutation(len(present)))

    def _of_clip(self, row: int, relevance: FloatArray) -> tuple[FloatArray, ...]:
        clip = self._clips[row]
        if not relevance.any():
            return _NONE * 2
        density = np.bincount(clip.labels.ravel(), relevance.ravel(), len(clip.areas)) / clip.areas
        order = np.lexsort((clip.ties, -np.round(density / density.max(), _TIE)))
        forth, back = self._along(row, clip.labels, clip.areas, [order, order[::-1]])
        deletion = _against(forth.deletion, [one.deletion for one in clip.random], clip.random)
        insertion = _against(back.insertion, [one.insertion for one in clip.random], clip.random)
        return (*deletion, *insertion)

    def _along(
        self, row: int, labels: npt.NDArray[np.intp], areas: FloatArray, orders: Sequence[npt.NDArray[np.intp]]
    ) -> list[_Order]:
        """Return the outputs of one clip as its features are replaced in each order."""
        groups = [np.array_split(order, min(self.steps, len(order))) for order in orders]
        shares = [np.cumsum([0.0, *(areas[own].sum() for own in group)]) / areas.sum() for group in groups]
        steps = np.empty((len(orders), len(areas)), np.int64)  # the step in which an order replaces a feature
        for place, group in enumerate(groups):
            for step, own in enumerate(group):
                steps[place, own] = step
        count = len(groups[0])
        outputs = self._outputs(row, torch.from_numpy(labels), torch.from_numpy(steps), count)
        return [_Order(share, output) for share, output in zip(shares, outputs, strict=True)]

    def _outputs(self, row: int, labels: Tensor, steps: Tensor, count: int) -> FloatArray:
        """Return the outputs after 0 to ``count`` steps of each order: shape (orders, count + 1)."""
        clip, fill = self.batch.inputs[row].detach(), self._filled[row]
        labels, steps = labels.to(clip.device), steps.to(clip.device)
        channel = 0 if self.batch.layout == "video" else -1

        def outputs(states: Tensor) -> Tensor:
            replaced = torch.stack([steps[order][labels] < done for order, done in states.tolist()])
            mixed = torch.where(replaced.unsqueeze(1 if channel == 0 else -1), fill, clip)
            return forward(self.model, mixed, self.target).double().cpu()

        inner = torch.cartesian_prod(torch.arange(len(steps)), torch.arange(1, count))
        states = torch.cat([torch.tensor([[0, 0], [0, count]]), inner]).to(clip.device)
        with untouched(self.model.module), torch.no_grad():
            found = torch.cat(list(Batches(rows_at_once(clip)).over(states, outputs))).numpy()
        between = found[2:].reshape(len(steps), count - 1)
        first, last = (np.full((len(steps), 1), end) for end in found[:2])
        return np.concatenate([first, between, last], axis=1)


def deletion_insertion(
    model: ExplainedModel,
    batch: ClipBatch,
    relevance: Tensor,
    target: Callable[[Tensor], Tensor],
    *,
    fill: Fill = "blur",
    segments: int = 4,
    steps: int = 16,
    orders: int = 5,
    seed: int = 0,
) -> Curves:
    """Return the deletion and insertion curves of one method's maps; for several methods make one `Perturbation`."""
    made = Perturbation(model, batch, target, fill=fill, segments=segments, steps=steps, orders=orders, seed=seed)
    return made.curves(relevance)


def _number(key: ClipKey) -> int:
    return zlib.crc32(f"{key.recording}\n{key.window}".encode())


def _against(
    own: tuple[FloatArray, FloatArray], others: Sequence[tuple[FloatArray, FloatArray]], orders: Sequence[_Order]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the figure of a curve against others, the curve and the others' mean in units of their mean area."""
    chance = float(np.mean([_area(*other) for other in others]))
    size = max(float(np.abs(order.output).max()) for order in orders)
    if not chance > _NOTHING * size:
        return _NONE
    mean = np.mean([np.interp(GRID, *other) for other in others], axis=0)
    return np.asarray(1 - _area(*own) / chance), np.interp(GRID, *own) / chance, mean / chance


def _area(share: FloatArray, left: FloatArray) -> float:
    steps = zip(pairwise(share), pairwise(left), strict=True)
    return float(sum(0.5 * (b - a) * (p + q) for (a, b), (p, q) in steps))


def _joined(clips: Sequence[tuple[FloatArray, ...]]) -> Curves:
    deletion, own_deletion, random_deletion, insertion, own_insertion, random_insertion = (
        np.stack(column) for column in zip(*clips, strict=True)
    )
    return Curves(deletion, insertion, own_deletion, own_insertion, random_deletion, random_insertion)

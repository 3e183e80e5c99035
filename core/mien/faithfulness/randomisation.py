"""Parameter randomisation: does the map depend on what the network has learnt?

The parameters are drawn anew stage by stage from the head down, each stage on top of the last (cascading randomisation;
Adebayo et al. 2018, Sanity Checks for Saliency Maps).  A map that stays the same is one of the input's edges or of the
architecture.  What is left is not 0 for a good method: maps of all networks fall where the clip has contrast, and those
that multiply by the input do so by construction; untrained networks show how much.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from mien.attribution.attributing import attributed
from mien.faithfulness.similarity import pooled, similarity, structural_similarity
from mien.interfaces import AttributionMethod, ExplainedModel
from mien.types import ClipBatch, FloatArray


def own_seed(seed: int, *names: str) -> int:
    """Return a seed that somebody, or something, of these names has to himself."""
    return zlib.crc32("\n".join([str(seed), *names]).encode())


WHOLE = "all"
"""The only stage of a network that names none."""

_SSIM_FROM = 7  # pixels


@dataclass(frozen=True)
class Randomisation:
    """How alike the maps stay while stage after stage is drawn anew.

    Attributes
    ----------
    stages : tuple of str
        In the order in which they were drawn anew: the head first.
    similarity : ndarray, shape (stages, B)
        Of each clip's map with the original one (`mien.faithfulness.similarity`); NaN where it is undefined.
    structural : ndarray, shape (stages, B)
        The structural similarity; NaN for landmarks, and for frames smaller than its window.
    """

    stages: tuple[str, ...]
    similarity: FloatArray
    structural: FloatArray

    @property
    def left(self) -> FloatArray:
        """The similarity that is left after the last stage, shape (B,)."""
        last: FloatArray = self.similarity[-1]
        return last


def parameter_randomisation(
    model: ExplainedModel,
    method: AttributionMethod,
    batch: ClipBatch,
    target: Callable[[Tensor], Tensor],
    *,
    original: Tensor | None = None,
    seed: int = 0,
    only: Sequence[str] | None = None,
) -> Randomisation:
    """Return how alike a method's maps stay as the network is randomised; one explanation a stage.

    Parameters
    ----------
    original : Tensor, optional
        The method's maps of the network as it is, where they are known already.
    seed : int
        Decides the parameters that are drawn, whatever the device.  Where results are summed up over participants,
        give each their own (`own_seed`): an interval over people who share one random network leaves out that it is
        one of many.
    only : sequence of str, optional
        The stages after which the maps are compared; all are drawn anew nevertheless.
    """
    if original is None:
        original = attributed(method, model, batch, target).relevance
    before = pooled(original, batch)
    names, alike, structure = [], [], []
    for stage, changed in randomised(model, seed):
        if only is None or stage in only:
            after = pooled(attributed(method, changed, batch, target).relevance, batch)
            names.append(stage)
            alike.append(similarity(before, after))
            structure.append(_structural(before, after))
    return Randomisation(tuple(names), np.array(alike), np.array(structure))


def randomised(model: ExplainedModel, seed: int) -> Iterator[tuple[str, ExplainedModel]]:
    """Yield a copy of the network after each stage is drawn anew, from the head down, with the stage's name.

    Kernels (tensors of two axes or more) are drawn from a normal distribution with mean 0 and the kernel's own root
    mean square, so that no activation dies or explodes; the values of vectors (biases, scales of normalisations) are
    put into a random order.  Buffers stay.  Parameters of no stage are drawn with the last one.  The copy is the same
    object at each step: what is yielded is changed by going on.
    """
    module = copy.deepcopy(model.module)
    stages = _stages(model, module)
    changed = replace(model, module=module, stages=stages, name=f"{model.name}, with random parameters")
    done: set[int] = set()
    order = list(reversed(stages.items())) or [(WHOLE, module)]
    for number, (name, stage) in enumerate(order):
        last = number == len(order) - 1
        generator = torch.Generator().manual_seed(seed * 1000 + number)
        for parameter in (module if last else stage).parameters():
            if id(parameter) not in done:
                done.add(id(parameter))
                _draw(parameter, generator)
        yield name, changed


def _stages(model: ExplainedModel, module: nn.Module) -> dict[str, nn.Module]:
    """Return the stages of the copy."""
    paths = {id(part): path for path, part in model.module.named_modules()}
    return {name: module.get_submodule(paths[id(stage)]) for name, stage in model.stages.items()}


def _draw(parameter: nn.Parameter, generator: torch.Generator) -> None:
    own = parameter.detach().cpu().double()
    if own.ndim > 1:
        drawn = torch.randn(own.shape, generator=generator, dtype=torch.float64) * own.square().mean().sqrt()
    else:
        drawn = own.flatten()[torch.randperm(own.numel(), generator=generator)].reshape(own.shape)
    with torch.no_grad():
        parameter.copy_(drawn.to(parameter))


def _structural(before: FloatArray, after: FloatArray) -> FloatArray:
    if before.ndim < 4 or min(before.shape[-2:]) < _SSIM_FROM:
        return np.full(len(before), np.nan)
    return structural_similarity(before, after)

"""A trained network whose reason is known, clips to show it, and relevance whose sums are known."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mien.regions.names import BACKGROUND, ELSEWHERE, FACE, REGIONS
from mien.testing.fixtures import clip_batch
from mien.types import ClipBatch

if TYPE_CHECKING:
    from torch import Tensor, nn

_TRAINING_CLIPS = 160
_FILTERS = 8
_RIDGE = 1e-3


def planted_clips(clips: int = 8, frames: int = 4, size: int = 12, seed: int = 0) -> ClipBatch:
    """Return clips whose label is how bright their left half is, which is the region ``mouth``.

    The right half is as bright as chance has it.

    Parameters
    ----------
    clips, frames, size : int
        The inputs are ``(clips, 3, frames, size, size)``.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    batch = clip_batch(clips, frames, size, seed)
    left, right = torch.randn((2, clips), generator=generator)
    inputs = 0.3 * batch.inputs
    inputs[..., : size // 2] += left.view(-1, 1, 1, 1, 1)
    inputs[..., size // 2 :] += right.view(-1, 1, 1, 1, 1)
    return replace(batch, inputs=inputs, labels=left)


def trained_network(seed: int = 0) -> nn.Module:
    """Return a small 3D network that tells the label of `planted_clips`, in evaluation mode.

    Only the left half of a clip speaks for the label, so that is where relevance must lie.  The first layer is random,
    and the last one is fitted in closed form (ridge regression) to 160 clips: it takes milliseconds, and the same seed
    gives the same network.  Its two stages are ``body`` and ``head``, as those of `tiny_network`.
    """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = nn.Sequential(nn.Conv3d(3, _FILTERS, 3, padding=1), nn.ReLU())
        linear = nn.Linear(2 * _FILTERS, 1)
    head = nn.Sequential(nn.AdaptiveAvgPool3d((1, 1, 2)), nn.Flatten(), linear)
    batch = planted_clips(_TRAINING_CLIPS, seed=seed + 1)
    with torch.no_grad():
        features = head[:2](body(batch.inputs)).double()
        labels = batch.labels.double()
        middle = features.mean(0)
        moved = features - middle
        square = moved.T @ moved + _RIDGE * len(batch) * torch.eye(moved.shape[1], dtype=torch.float64)
        weights = torch.linalg.solve(square, moved.T @ (labels - labels.mean()))
        linear.weight.copy_(weights[None])
        linear.bias.copy_(labels.mean() - middle @ weights)
    return nn.Sequential(OrderedDict(body=body, head=head)).eval()


def relevance_with_sums(batch: ClipBatch, sums: Mapping[str, float], *, seed: int = 0) -> Tensor:
    """Return relevance of the shape of a batch's inputs whose signed sum over each named region is known.

    Within a region it is uneven, of both signs, and different in each clip; elsewhere it is zero.

    Parameters
    ----------
    sums : mapping of str to float
        What the relevance of each clip sums to in a region: a region of the batch, ``elsewhere_face`` (in the face
        and in no region) or ``background`` (outside the face).

    Raises
    ------
    ValueError
        When there is no such region, a clip has no element in it, or two of the named ones overlap.
    """
    import torch

    channels = batch.inputs.movedim(1, -1) if batch.layout == "video" else batch.inputs
    masks = {name: _mask(batch, name)[..., None].expand(channels.shape) for name in sums}
    taken = torch.zeros(channels.shape, dtype=torch.int64)
    generator = torch.Generator().manual_seed(seed)
    relevance = torch.zeros(channels.shape)
    for name, mask in masks.items():
        taken += mask
        for clip in range(len(batch)):
            count = int(mask[clip].sum())
            if not count:
                raise ValueError(f"clip {clip} has no element in '{name}'")
            noise = torch.randn(count, generator=generator, dtype=torch.float64)
            values = noise - noise.mean() + sums[name] / count
            relevance[clip][mask[clip]] = values.float()
    if int(taken.max()) > 1:
        raise ValueError("two of the named regions overlap: their sums cannot be chosen each for itself")
    return relevance.movedim(-1, 1).contiguous() if batch.layout == "video" else relevance


def _mask(batch: ClipBatch, name: str) -> Tensor:
    """Return which elements are in a region."""
    known = batch.region_names
    face = (batch.regions >> known.index(FACE) & 1).bool()
    if name == BACKGROUND:
        return ~face
    inside = sum(1 << known.index(region) for region in REGIONS if region in known)
    if name == ELSEWHERE:
        return face & ((batch.regions & inside) == 0)
    if name not in known:
        raise ValueError(f"there is no region '{name}'; known: {', '.join((*known, ELSEWHERE, BACKGROUND))}")
    return (batch.regions >> known.index(name) & 1).bool()

"""Features of a clip: a part of the face in a stretch of time.

Perturbation methods and faithfulness tests take away whole features, not pixels.  Regions may overlap, features do
not: every element of a clip is in exactly one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mien.regions.names import BACKGROUND, ELSEWHERE, FACE
from mien.types import ClipBatch

if TYPE_CHECKING:
    from torch import Tensor


def segment_features(batch: ClipBatch, time_segments: int) -> tuple[Tensor, tuple[str, ...]]:
    """Return which feature each element of each clip belongs to, and the features' names.

    The parts are the batch's regions in the order of their bits (but the face itself), then ``elsewhere_face`` (in the
    face, in no region) and ``background`` (in nothing).  An element of several regions belongs to the one with the
    fewest elements in its clip (of equal ones, to the first).  Frame t of T is in segment ``t * time_segments // T``:
    segments differ by one frame at most.  What a clip's features are does not depend on the other clips.

    Parameters
    ----------
    batch : ClipBatch
    time_segments : int
        At least 1.  With more segments than frames, some are empty.

    Returns
    -------
    labels : Tensor of int64
        ``(B, T, H, W)`` (landmarks: ``(B, T, N)``), 0 to K-1.  A feature may have no element in a clip.
    names : tuple of str
        K names, ``mouth/0``, ``mouth/1``, ..., the same for all clips.
    """
    import torch

    parts = (*(name for name in batch.region_names if name != FACE), ELSEWHERE, BACKGROUND)
    bits = batch.regions.detach().cpu().to(torch.int64)
    part = torch.stack([_parts(clip, batch.region_names, parts) for clip in bits]) if len(bits) else bits
    frames = bits.shape[1]
    segment = torch.arange(frames) * time_segments // max(frames, 1)
    labels = part * time_segments + segment.reshape(1, frames, *[1] * (bits.ndim - 2))
    return labels, tuple(f"{name}/{place}" for name in parts for place in range(time_segments))


def _parts(bits: Tensor, region_names: tuple[str, ...], parts: tuple[str, ...]) -> Tensor:
    """Return the place in ``parts`` of each element of one clip."""
    import torch

    labels = torch.full_like(bits, parts.index(BACKGROUND))
    if FACE in region_names:
        labels[_held(bits, region_names.index(FACE))] = parts.index(ELSEWHERE)
    inside = {name: _held(bits, place) for place, name in enumerate(region_names) if name != FACE}
    # The smallest is drawn last, over the others; of equal ones the first is.
    for name in sorted(inside, key=lambda name: (int(inside[name].sum()), region_names.index(name)), reverse=True):
        labels[inside[name]] = parts.index(name)
    return labels


def _held(bits: Tensor, place: int) -> Tensor:
    held: Tensor = (bits >> place) & 1 == 1
    return held

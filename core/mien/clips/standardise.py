"""From crops to a network's input space."""

from __future__ import annotations

import torch
from torch import Tensor

from mien.errors import ModelError
from mien.types import InputSpec


def standardise(data: Tensor, spec: InputSpec, like: Tensor | None = None) -> Tensor:
    """Return clips in the network's input space.

    ``clip``: each channel of each clip to mean 0 and (population) standard deviation 1; a constant channel
    becomes 0. ``fixed``: pixels scaled to 0-1, minus ``mean``, over ``std``.  ``none``: pixels scaled to
    0-1.  The channels of landmarks are x and y, and landmarks are not scaled to 0-1.

    Parameters
    ----------
    data : Tensor
        Layout ``video``: ``(B, T, H, W, 3)`` or one clip ``(T, H, W, 3)``, uint8 or in its range.  Layout
        ``landmarks``: ``(B, T, N, 2)`` or ``(T, N, 2)``.
    spec : InputSpec
    like : Tensor, optional
        Clips of the same shape whose mean and deviation ``clip`` uses in the place of their own: what is then put
        beside them is in the same space.

    Returns
    -------
    Tensor of float32
        ``(B, 3, T, H, W)``, or ``(B, T, N, 2)`` for landmarks; ``B`` is 1 for one clip.

    Raises
    ------
    ModelError
        When ``mean`` and ``std`` of a ``fixed`` standardisation do not fit the channels.
    """
    video = spec.layout == "video"
    values = _channels_first(data, video)
    if spec.standardise == "clip":
        values = _by_clip(values, values if like is None else _channels_first(like, video))
    else:
        values = values / 255 if video else values
        if spec.standardise == "fixed":
            values = _fixed(values, spec)
    return values if video else values.movedim(1, -1).contiguous()


def _channels_first(data: Tensor, video: bool) -> Tensor:
    if data.ndim == (4 if video else 3):
        data = data[None]
    # Contiguous before anything is summed: reducing over strided axes takes twice as long.
    return data.movedim(-1, 1).contiguous().to(torch.float32)


def _by_clip(values: Tensor, like: Tensor) -> Tensor:
    flat = like.flatten(2)
    # Rounding leaves a constant channel a tiny deviation, which must not be blown up to 1.
    constant = flat.amax(2, keepdim=True) == flat.amin(2, keepdim=True)
    std, mean = torch.std_mean(flat, 2, correction=0, keepdim=True)
    result = torch.where(constant, 0.0, (values.flatten(2) - mean) / torch.where(constant, 1.0, std))
    return result.view(values.shape)


def _fixed(values: Tensor, spec: InputSpec) -> Tensor:
    channels = values.shape[1]
    if len(spec.mean) != channels or len(spec.std) != channels or not all(value > 0 for value in spec.std):
        raise ModelError(
            f"A fixed standardisation of {channels} channels needs as many means and positive standard "
            f"deviations; mean is {spec.mean}, std {spec.std}."
        )
    shape = (1, channels, *[1] * (values.ndim - 2))
    return (values - values.new_tensor(spec.mean).view(shape)) / values.new_tensor(spec.std).view(shape)

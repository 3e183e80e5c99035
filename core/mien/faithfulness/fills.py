"""What takes the place of a part of a clip that is taken away, in the network's input space."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from mien.attribution.blur import blurred
from mien.errors import DataError, ModelError
from mien.types import ClipBatch

Fill = Literal["blur", "median"] | Tensor
"""``blur``: each frame strongly blurred; ``median``: the median of the clip's frames, about the resting face, which is
blind to what never moves; or clips of the batch's shape, e.g. the same with a neutral face."""

_BLUR = 0.125  # of height and width, the standard deviation; as the baselines of attribution methods have it


def filled(batch: ClipBatch, fill: Fill) -> Tensor:
    """Return the clips with everything replaced: of the shape of ``batch.inputs``, on their device.

    Raises
    ------
    ModelError
        When landmarks shall be blurred.
    DataError
        When given clips have another shape, or are not finite.
    """
    inputs = batch.inputs.detach()
    if isinstance(fill, Tensor):
        if fill.shape != inputs.shape or not bool(fill.isfinite().all()):
            raise DataError(
                f"The fill has the shape {tuple(fill.shape)}, or is not finite.",
                where="fill",
                hint=f"Give finite clips of the shape {tuple(inputs.shape)}.",
            )
        return fill.detach().to(inputs)
    if fill == "median":
        middle: Tensor = inputs.median(batch.time_axis, keepdim=True).values
        return middle.expand_as(inputs).contiguous()
    if batch.layout != "video":
        raise ModelError("Landmarks cannot be blurred in space.", where="fill: blur", hint="Choose 'median'.")
    return blurred(inputs, _BLUR)

"""What is seen where a part of a clip is hidden, in the network's input space; and what LIME and RISE share."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from mien import AttributionMethod, ClipBatch, ModelError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Fill = Literal["temporal_mean", "blur", "grey"]

_MEANINGS: dict[Fill, str] = {
    "temporal_mean": "variants whose hidden parts show the mean of the clip's own frames: it tells what moves, and is "
    "blind to what never does",
    "blur": "variants whose hidden parts show the clip's own frames, strongly blurred: it tells detail, and is blind "
    "to coarse colour and light",
    "grey": "variants whose hidden parts have the clip's mean colour: it tells all that differs from that, and the "
    "borders of what is hidden may themselves move the output",
}


class HidingMethod(AttributionMethod):
    """A method that hides parts of a clip at random, time and again, and looks at the output.

    What is hidden is drawn from ``seed`` and the clip's own content: the same clip gets the same map in any batch,
    order and process, and no global generator is touched.  No gradient is needed.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    fill: Fill = Field(
        "temporal_mean",
        description="What hidden parts show. temporal_mean: the mean of the clip's frames, which is blind to what "
        "never moves; blur: each frame strongly blurred; grey: the clip's mean colour. The last two need pixels.",
    )
    blur: float = Field(
        0.125, gt=0, le=1, description="Standard deviation of the blur, as a fraction of the clip's height and width."
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="Another seed hides other parts.")

    @property
    def compared_with(self) -> str:
        """What hidden parts show, and what that cannot tell."""
        return _MEANINGS[self.fill]

    def filling(self, batch: ClipBatch) -> Tensor:
        """Return the clips with everything hidden, in the shape of ``batch.inputs``.

        Raises
        ------
        ModelError
            When landmarks shall be blurred or grey.
        """
        inputs: Tensor = batch.inputs.detach()
        if self.fill == "temporal_mean":
            return inputs.mean(batch.time_axis, keepdim=True).expand_as(inputs).contiguous()
        if batch.layout != "video":
            raise ModelError(
                "Landmarks are no picture: they have no colour and cannot be blurred.",
                where=f"fill: {self.fill}",
                hint="Choose 'temporal_mean'.",
            )
        if self.fill == "grey":
            return inputs.mean((2, 3, 4), keepdim=True).expand_as(inputs).contiguous()
        from mien import blurred

        return blurred(inputs, self.blur)

    def generator(self, clip: Tensor) -> np.random.Generator:
        """Return the source of all that is drawn for a clip; its content and ``seed`` decide it."""
        import numpy as np

        content = clip.detach().cpu().contiguous().numpy().tobytes()
        digest = hashlib.blake2b(content, digest_size=16, salt=self.seed.to_bytes(16, "big")).digest()
        return np.random.default_rng(int.from_bytes(digest, "big"))

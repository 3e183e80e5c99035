"""What a clip would show with other Action Units: the counterfactual truth, in the crop's own pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mien.clips.source import ClipSource
from mien.clips.standardise import standardise
from mien.errors import DataError
from mien.interfaces import PlantedTruth
from mien.steps.track import load_track
from mien.types import ByteArray, ClipKey, FloatArray


def truth_maps(truth: PlantedTruth, source: ClipSource, key: ClipKey) -> dict[str, FloatArray]:
    """Return where each planted Action Unit shows in a clip: ``|render(AU = 1) - render(AU = 0)|``.

    The frame in the middle of the clip (of two, the later) is rendered with each Action Unit at full intensity, and
    without any, all others at 0; both are cropped as the clip was.

    Returns
    -------
    dict of str to ndarray of float32, shape (H, W)
        By Action Unit: grey levels, 0 to 255, mean over the colours.

    Raises
    ------
    DataError
        When the data set does not know the recording, or the clip is not made of pixels.
    """
    content = source.windows(key.recording)[key.window].content
    middle = [int(content[len(content) // 2])]
    shown = [truth.render(key.recording, middle, {name: 1.0}, neutral=True) for name in truth.planted_units]
    frames = np.concatenate([truth.render(key.recording, middle, {}, neutral=True), *shown])
    rest, *others = _cropped(source, key, frames, middle * len(frames)).astype(np.float32)
    changes = [np.abs(other - rest).mean(-1) for other in others]
    return dict(zip(truth.planted_units, changes, strict=True))


def neutral_clip(truth: PlantedTruth, source: ClipSource, key: ClipKey) -> Tensor:
    """Return the clip with its face at rest: the same frames, all planted Action Units at 0.

    What changes between the rendered frames as they were and the rendered frames at rest is added to the clip's own
    pixels, and a clip that is standardised by its own mean and deviation lends them to its resting twin: what the
    video's compression and the camera did stays, and the two differ only where the Action Units show.

    Returns
    -------
    Tensor of float32, shape (1, 3, T, H, W)
        As the clip's inputs.

    Raises
    ------
    DataError
        When the data set does not know the recording, or the clip is not made of pixels.
    """
    content = [int(number) for number in source.windows(key.recording)[key.window].content]
    as_it_was, at_rest = (
        _cropped(source, key, truth.render(key.recording, content, {}, neutral=neutral), content).astype(np.int16)
        for neutral in (False, True)
    )
    own = source.pixels(key.recording, content)
    rest = np.clip(own + (at_rest - as_it_was), 0, 255).astype(np.uint8)
    return standardise(torch.from_numpy(rest), source.spec, like=torch.from_numpy(own))


def _cropped(source: ClipSource, key: ClipKey, frames: ByteArray, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Return rendered frames as the recording's cropper cuts the frames of these numbers."""
    if source.spec.layout != "video":
        raise DataError(
            "Planted truth is shown in pixels, but the clips are landmarks.", where=f"recording {key.recording}"
        )
    first, last = min(numbers), max(numbers)
    stored = load_track(source.prepared(key.recording).track, slice(first, last + 1))
    # The track of the video, not of the rendered faces: the crop lies where the network saw it.
    track = stored[np.asarray(numbers) - first]
    return np.asarray(source.cropper.crop(frames, track, source.scheme).data, np.uint8)

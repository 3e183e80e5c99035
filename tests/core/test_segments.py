from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.regions.bits import bit, region_names
from mien.regions.names import REGIONS
from mien.regions.segments import segment_features
from mien.types import ClipBatch, ClipKey

PARTS = (*REGIONS, "elsewhere_face", "background")


def batch_of(bits: np.ndarray, names: tuple[str, ...] = region_names) -> ClipBatch:
    clips, frames = bits.shape[:2]
    video = bits.ndim == 4
    shape = (clips, 3, *bits.shape[1:]) if video else (*bits.shape, 2)
    return ClipBatch(
        inputs=torch.zeros(shape),
        regions=torch.from_numpy(bits.astype(np.int32)),
        region_names=names,
        times=torch.zeros(clips, frames),
        frames=torch.arange(frames).repeat(clips, 1),
        valid=torch.ones(clips, frames, dtype=torch.bool),
        keys=[ClipKey("r", "p", place) for place in range(clips)],
        labels=torch.zeros(clips),
        layout="video" if video else "landmarks",
    )


def slow(bits: np.ndarray, names: tuple[str, ...], segments: int) -> np.ndarray:
    """The rule as the docstring states it, element by element."""
    labels = np.empty(bits.shape, dtype=object)
    for clip in range(len(bits)):
        area = {name: sum(int(value) >> place & 1 for value in bits[clip].flat) for place, name in enumerate(names)}
        for place in np.ndindex(bits.shape[1:]):
            value = int(bits[(clip, *place)])
            held = [name for number, name in enumerate(names) if value >> number & 1]
            regions = [name for name in held if name != "face"]
            part = min(regions, key=lambda name: area[name]) if regions else None
            part = part or ("elsewhere_face" if "face" in held else "background")
            labels[(clip, *place)] = f"{part}/{place[0] * segments // bits.shape[1]}"
    return labels


@pytest.mark.parametrize("shape", [(3, 5, 4, 6), (2, 7, 9)])
@pytest.mark.parametrize("segments", [1, 2, 3, 8])
def test_it_equals_the_slow_twin(shape: tuple[int, ...], segments: int) -> None:
    generator = np.random.default_rng(len(shape))
    # Few bits at once, so that there is background, the bare face, single regions and overlaps.
    bits = generator.integers(0, 128, shape) & generator.integers(0, 128, shape) & generator.integers(0, 128, shape)
    labels, names = segment_features(batch_of(bits), segments)
    assert labels.dtype == torch.int64
    assert names == tuple(f"{part}/{segment}" for part in PARTS for segment in range(segments))
    assert (np.array(names, dtype=object)[labels.numpy()] == slow(bits, region_names, segments)).all()


def test_a_clip_alone_has_the_same_features() -> None:
    bits = np.random.default_rng(0).integers(0, 128, (4, 4, 5, 5))
    together, _ = segment_features(batch_of(bits), 2)
    alone = [segment_features(batch_of(bits)[place : place + 1], 2)[0] for place in range(4)]
    assert torch.equal(together, torch.cat(alone))


def test_of_equally_large_regions_the_first_has_the_overlap() -> None:
    both = bit("right_eye") | bit("nose") | bit("face")
    labels, names = segment_features(batch_of(np.full((1, 1, 2, 2), both)), 1)
    assert {names[label] for label in labels.flatten()} == {"right_eye/0"}


def test_regions_of_ones_own_without_a_face() -> None:
    labels, names = segment_features(batch_of(np.array([[[[0, 1], [3, 2]]]]), ("left", "right")), 1)
    assert names == ("left/0", "right/0", "elsewhere_face/0", "background/0")
    assert labels.flatten().tolist() == [3, 0, 0, 1]


def test_no_clips() -> None:
    labels, names = segment_features(batch_of(np.zeros((0, 2, 3, 3), np.int64)), 2)
    assert labels.shape == (0, 2, 3, 3)
    assert len(names) == 16

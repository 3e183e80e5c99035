"""Each guarantee of croppers has a cropper that breaks it, and is seen to."""

from dataclasses import replace

import numpy as np

from mien.regions.names import REGIONS
from mien.registry import load_registry
from mien.testing import CropperSuite, guarantees
from mien.testing.broken import all_must_fail

Face = load_registry().load("cropper", "face")


class HalfPrecision(Face):
    """Its transforms are of another type."""

    def crop(self, frames, track, scheme):
        crops = super().crop(frames, track, scheme)
        return replace(crops, transforms=crops.transforms.astype(np.float32))


class AllValid(Face):
    """Takes every frame for one with a face."""

    def crop(self, frames, track, scheme):
        crops = super().crop(frames, track, scheme)
        return replace(crops, valid=np.ones_like(crops.valid))


class LessTheMean(Face):
    """Takes the mean of all frames away."""

    def crop(self, frames, track, scheme):
        crops = super().crop(frames, track, scheme)
        return replace(crops, data=(crops.data - crops.data.mean(0)).astype(np.uint8))


class Noisy(Face):
    """Adds noise of no seed."""

    def crop(self, frames, track, scheme):
        crops = super().crop(frames, track, scheme)
        return replace(crops, data=crops.data ^ np.random.default_rng().integers(0, 8, crops.data.shape, np.uint8))


class Elsewhere(Face):
    """Says that its crops come from elsewhere."""

    def crop(self, frames, track, scheme):
        crops = super().crop(frames, track, scheme)
        return replace(crops, transforms=crops.transforms + np.array([[0, 0, 20], [0, 0, 0]]))


class FirstFrame(Face):
    """Looks at the first frame."""

    def crop(self, frames, track, scheme):
        assert frames[0].size
        return super().crop(frames, track, scheme)


class Differences(Face):
    """Looks at what changes from frame to frame."""

    def crop(self, frames, track, scheme):
        assert np.diff(track.times).min() > 0
        return super().crop(frames, track, scheme)


class NeedsAFace(Face):
    """Looks at the first frame with a face."""

    def crop(self, frames, track, scheme):
        assert np.flatnonzero(track.valid)[0] >= 0
        return super().crop(frames, track, scheme)


class NoMouth(Face):
    """Knows of no mouth."""

    def regions(self, *given, **named):
        return super().regions(*given, **named) & np.uint16(~(1 << REGIONS.index("mouth")) & 0xFFFF)


class Twice(Face):
    """Has two tiles of the same place."""

    @property
    def tiles(self):
        return (*super().tiles, *super().tiles)


class TestGood(CropperSuite):
    component = Face


BROKEN = {
    "shapes": HalfPrecision,
    "valid": AllValid,
    "batch": LessTheMean,
    "deterministic": Noisy,
    "way back": Elsewhere,
    "no frames": FirstFrame,
    "one frame": Differences,
    "no face": NeedsAFace,
    "regions": NoMouth,
    "tiles": Twice,
}

globals().update(all_must_fail(CropperSuite, BROKEN))


def test_every_guarantee_is_broken():
    own = {guarantee.name for guarantee in guarantees(CropperSuite) if guarantee.suite != "ComponentSuite"}
    assert set(BROKEN) == own

"""Each guarantee of data sets has a data set that breaks it, and is seen to."""

import random
from dataclasses import replace

import numpy as np

from mien.testing import DatasetSuite, guarantees
from mien.testing.broken import all_must_fail
from mien.testing.parts import SmallStudy
from mien.types import DatasetListing, Exclusion


class Changed(SmallStudy):
    """Does something to the listing."""

    def recordings(self, folder, progress):
        listing = super().recordings(folder, progress)
        return self.change(list(listing.recordings), folder)

    def change(self, recordings, folder):
        return DatasetListing(recordings)


class SameId(Changed):
    """Has two recordings of one id."""

    def change(self, recordings, folder):
        return DatasetListing([replace(one, id="r") for one in recordings])


class Slashes(Changed):
    """Has ids that look like paths."""

    def change(self, recordings, folder):
        return DatasetListing([replace(one, id=f"visit/{one.id}") for one in recordings])


class NotANumber(Changed):
    """Has a label that is no number."""

    def change(self, recordings, folder):
        return DatasetListing([replace(one, label=float("nan")) for one in recordings])


class NoVideo(Changed):
    """Its videos are texts."""

    def change(self, recordings, folder):
        (folder / "text.mp4").write_text("this is no video")
        return DatasetListing([replace(one, video=folder / "text.mp4") for one in recordings])


class BothSides(Changed):
    """Tests with whom it trains."""

    def change(self, recordings, folder):
        return DatasetListing([replace(one, participant="p") for one in recordings])


class SharedSession(Changed):
    """Has two people in one sitting."""

    def change(self, recordings, folder):
        return DatasetListing([replace(one, session="s") for one in recordings])


class NoReason(Changed):
    """Sets a recording aside without a word."""

    def change(self, recordings, folder):
        return DatasetListing(recordings, [Exclusion("another", "p9", "dataset", "")])


class MakesAgain(SmallStudy):
    """Makes its videos each time."""

    def recordings(self, folder, progress):
        for video in folder.glob("*.mp4"):
            video.unlink()
        return super().recordings(folder, progress)


class Shuffles(Changed):
    """Draws the labels from the global generator."""

    def change(self, recordings, folder):
        return DatasetListing([replace(one, label=random.random()) for one in recordings])


class Liar(SmallStudy):
    """Renders something else than it filmed."""

    @property
    def planted_units(self):
        return ("AU12",)

    def intensities(self, recording):
        return np.zeros((self.frames, 1))

    def render(self, recording, frames, units, *, neutral=False):
        return np.random.default_rng(0).integers(0, 255, (len(frames), self.size, self.size, 3)).astype(np.uint8)


class TestGood(DatasetSuite):
    component = SmallStudy


BROKEN = {
    "recordings": SameId,
    "names": Slashes,
    "values": NotANumber,
    "videos": NoVideo,
    "sides": BothSides,
    "sessions": SharedSession,
    "exclusions": NoReason,
    "again": MakesAgain,
    "deterministic": Shuffles,
    "planted truth": Liar,
}

globals().update(all_must_fail(DatasetSuite, BROKEN))


def test_every_guarantee_is_broken():
    own = {guarantee.name for guarantee in guarantees(DatasetSuite) if guarantee.suite != "ComponentSuite"}
    assert set(BROKEN) == own

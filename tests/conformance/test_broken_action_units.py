"""Each guarantee of sources of Action Units has a source that breaks it, and is seen to."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from mien.interfaces import ActionUnitSource
from mien.testing import ActionUnitSourceSuite, guarantees
from mien.testing.broken import all_must_fail
from mien.types import ActionUnitTrace


class Good(ActionUnitSource):
    """AU12 is half strong wherever there is a face."""

    def files(self, recording):
        return ()

    def action_units(self, recording, track, scheme):
        intensity = np.where(track.valid, 2.5, np.nan)[:, None]
        return ActionUnitTrace(("AU12",), np.asarray(track.times), intensity)


class Words(Good):
    """Calls it a smile."""

    def action_units(self, recording, track, scheme):
        return replace(super().action_units(recording, track, scheme), names=("smile",))


class Percent(Good):
    """Tells it in percent."""

    def action_units(self, recording, track, scheme):
        trace = super().action_units(recording, track, scheme)
        return replace(trace, intensity=trace.intensity * 20)


class FrameNumbers(Good):
    """Counts frames where seconds are wanted."""

    def action_units(self, recording, track, scheme):
        return replace(super().action_units(recording, track, scheme), times=np.arange(len(track), dtype=float))


class Zeros(Good):
    """Takes no face for a face at rest."""

    def action_units(self, recording, track, scheme):
        trace = super().action_units(recording, track, scheme)
        return replace(trace, intensity=np.nan_to_num(trace.intensity))


class FirstFrame(Good):
    """Takes a first frame for granted."""

    def action_units(self, recording, track, scheme):
        assert track.landmarks[0].shape
        return super().action_units(recording, track, scheme)


class Noisy(Good):
    """Adds noise of no seed."""

    def action_units(self, recording, track, scheme):
        trace = super().action_units(recording, track, scheme)
        return replace(trace, intensity=trace.intensity + np.random.default_rng().uniform())


class TakesForGranted(Good):
    """Takes what it needs for granted."""

    needs: ClassVar = {"blendshapes": "Choose a detector that gives them."}

    def action_units(self, recording, track, scheme):
        assert track.extras["blendshapes"].shape[1] == 52
        return super().action_units(recording, track, scheme)


class ReadsSecretly(Good):
    """Reads a file that it does not name."""

    def action_units(self, recording, track, scheme):
        recording.action_units.read_text()
        return super().action_units(recording, track, scheme)


class TestGood(ActionUnitSourceSuite):
    component = Good


BROKEN = {
    "names": Words,
    "intensity": Percent,
    "times": FrameNumbers,
    "no face": Zeros,
    "empty": FirstFrame,
    "deterministic": Noisy,
    "needs": TakesForGranted,
    "files": ReadsSecretly,
}

globals().update(all_must_fail(ActionUnitSourceSuite, BROKEN))


def test_every_guarantee_is_broken():
    own = {guarantee.name for guarantee in guarantees(ActionUnitSourceSuite) if guarantee.suite != "ComponentSuite"}
    assert set(BROKEN) == own

"""Interface of Action Unit sources."""

from __future__ import annotations

from abc import abstractmethod

from mien.interfaces.component import Component
from mien.types import ActionUnitTrace, FaceTrack, LandmarkScheme, Recording


class ActionUnitSource(Component):
    """Says which facial Action Units (Ekman & Friesen 1978) are active, and when."""

    @abstractmethod
    def action_units(self, recording: Recording, track: FaceTrack, scheme: LandmarkScheme) -> ActionUnitTrace:
        """Return the Action Units of one recording.

        An Action Unit that the source cannot see is absent from the trace, not zero; frames without a face
        are NaN.

        Raises
        ------
        DataError
            When the recording's file of Action Units is absent or does not fit the video.
        """

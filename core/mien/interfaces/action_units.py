"""Interface of Action Unit sources."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from mien.interfaces.component import Component
from mien.types import ActionUnitTrace, FaceTrack, LandmarkScheme, Recording


class ActionUnitSource(Component):
    """Says which facial Action Units (Ekman & Friesen 1978) are active, and when."""

    needs: ClassVar[Mapping[str, str]] = {}
    """Extras of the face track that the source needs, each with what to do where the detector does not give it."""

    def files(self, recording: Recording) -> Sequence[Path]:
        """Return the files that `action_units` would read beside the track: stored results depend on their content.

        A file that is missing is named too, so that its coming is noticed.
        """
        return () if recording.action_units is None else (recording.action_units,)

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

"""Interface of data sets that know what is planted in their videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from mien.types import ByteArray, FloatArray


@runtime_checkable
class PlantedTruth(Protocol):
    """What a data set offers whose recordings can be rendered again with other Action Units.

    A `mien.interfaces.Dataset` implements it by having these members.  What it renders again differs from the
    recording in the Action Units alone, so that any difference between two renderings is theirs: the truth that an
    explanation is held against.
    """

    @property
    def planted_units(self) -> tuple[str, ...]:
        """The Action Units that it plants, e.g. ``("AU01", "AU12")``."""

    def intensities(self, recording: str) -> FloatArray:
        """Return how strongly each Action Unit shows in each frame of a recording.

        Returns
        -------
        ndarray, shape (T, len(planted_units))
            0 to 1; one row a frame of the video.

        Raises
        ------
        DataError
            When there is no such recording.
        """

    def render(
        self, recording: str, frames: Sequence[int], units: Mapping[str, float], *, neutral: bool = False
    ) -> ByteArray:
        """Return frames of a recording again, with some Action Units set.

        The person, the head's pose, the light and all else are those of the recording.  The picture is what was in
        front of the camera: its blur, its noise and the video's compression are left out.

        Parameters
        ----------
        recording : str
            Id of the recording.
        frames : sequence of int
            Numbers of its frames, from 0; they may repeat.
        units : mapping of str to float
            Intensities, 0 to 1, by name, for all these frames.
        neutral : bool
            Set the other Action Units to 0; by default they stay as they were.

        Returns
        -------
        ndarray of uint8, shape (len(frames), H, W, 3)

        Raises
        ------
        DataError
            When there is no such recording or frame.
        ConfigError
            When there is no such Action Unit.
        """

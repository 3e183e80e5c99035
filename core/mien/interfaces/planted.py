"""Interface of data sets that know what is planted in their videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from mien.types import ByteArray, FloatArray, Recording

Strengths = Mapping[str, float | FloatArray]
"""Intensities of Action Units, 0 to 1, by name: one for all frames asked for, or one for each, ``(len(frames),)``."""


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

    def render(self, recording: str, frames: Sequence[int], units: Strengths, *, neutral: bool = False) -> ByteArray:
        """Return frames of a recording again, with some Action Units set.

        The person, the head's pose, the light and all else are those of the recording.  The picture is what was in
        front of the camera: its blur, its noise and the video's compression are left out.

        Parameters
        ----------
        recording : str
            Id of the recording.
        frames : sequence of int
            Numbers of its frames, from 0; they may repeat.
        units : mapping of str to float or ndarray
            Intensities, 0 to 1, by name: one for all these frames, or one for each, ``(len(frames),)``.
        neutral : bool
            Set the other Action Units to 0; by default they stay as they were.

        Returns
        -------
        ndarray of uint8, shape (len(frames), H, W, 3)

        Raises
        ------
        DataError
            When there is no such recording or frame, or the intensities are not as many as the frames.
        ConfigError
            When there is no such Action Unit.
        """


@runtime_checkable
class PlantedLandmarks(PlantedTruth, Protocol):
    """A planted truth that knows where every landmark of a rendered face is, and so needs no detector.

    Other faces can be made with it: its people and their head poses, under Action Units of one's own.
    """

    @property
    def landmark_scheme(self) -> str:
        """Id of the scheme of the landmarks."""

    def planned(self) -> Sequence[Recording]:
        """Return all recordings without rendering them: their videos need not exist."""

    def landmarks(
        self, recording: str, frames: Sequence[int], units: Strengths, *, neutral: bool = False
    ) -> FloatArray:
        """Return the exact landmarks of the frames that `render` gives for the same arguments.

        Returns
        -------
        ndarray of float32, shape (len(frames), N, 2)
            Source pixels.

        Raises
        ------
        DataError, ConfigError
            As `render` does.
        """

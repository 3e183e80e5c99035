"""Interface of face detectors with landmarks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from pydantic import Field

from mien.interfaces.component import Component
from mien.types import ByteArray, FloatArray, FrameFaces


class DetectorSession(Protocol):
    """An open detector.  Frames of one recording come in order."""

    def detect(self, frames: ByteArray, times: FloatArray) -> Sequence[FrameFaces]:
        """Return the faces of each frame.

        Parameters
        ----------
        frames : ndarray of uint8, shape (T, H, W, 3)
            RGB; T may be 0.
        times : ndarray, shape (T,)
            Seconds, increasing over the calls of one recording.
        """
        ...

    def reset(self) -> None:
        """Forget the recording so far; the next frames are another one's."""
        ...


class Detector(Component):
    """Finds faces and their landmarks."""

    min_confidence: float = Field(0.5, ge=0, le=1, description="Faces below it are not faces.")
    batch: int = Field(16, ge=1, description="Frames handed to the detector at once.")

    @property
    @abstractmethod
    def scheme(self) -> str:
        """Id of the landmark scheme of the detector's points."""

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of what else the detector knows of a face, e.g. ``blendshapes``."""
        return ()

    @abstractmethod
    def open(self, device: str) -> AbstractContextManager[DetectorSession]:
        """Return a session; entering it loads what is heavy, leaving it frees that.

        Raises
        ------
        PluginError
            When a library that the detector needs is absent.
        ModelError
            When a weight file is absent or another one.
        """

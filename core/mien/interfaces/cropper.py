"""Interface of region croppers: from source frames and a face to the network's input, and back."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from pydantic import Field

from mien.interfaces.component import Component
from mien.types import BitArray, ByteArray, Crops, FaceTrack, FloatArray, LandmarkScheme, Layout, Tile


class Cropper(Component):
    """Cuts the network's view out of the frames.

    Crops are made once, frame by frame, and windows are cut from them later; regions are not stored but
    rasterised from the landmarks and the transforms when they are needed.
    """

    layout: ClassVar[Layout] = "video"

    height: int = Field(112, ge=8, description="Height of the crop, pixels.")
    width: int = Field(112, ge=8, description="Width of the crop, pixels.")

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The rectangles of the crop, in the order of the transforms' second axis."""
        return (Tile(0, 0, self.width, self.height),)

    @abstractmethod
    def crop(self, frames: ByteArray, track: FaceTrack, scheme: LandmarkScheme) -> Crops:
        """Return the crops of a stretch of frames.

        Parameters
        ----------
        frames : ndarray of uint8, shape (T, H, W, 3)
        track : FaceTrack
            Of the same T frames.
        scheme : LandmarkScheme
            Of the track's landmarks.
        """

    @abstractmethod
    def regions(
        self,
        landmarks: FloatArray,
        transforms: FloatArray,
        scheme: LandmarkScheme,
        shape: str = "hull",
        padding: float = 0.25,
    ) -> BitArray:
        """Return the region bits of each element of the crops, ``(T, H, W)`` or ``(T, N)``.

        Parameters
        ----------
        landmarks : ndarray, shape (T, N, 2)
            Source pixels; frames of NaN give 0.
        transforms : ndarray, shape (T, K, 2, 3)
        scheme : LandmarkScheme
        shape : {"hull", "box"}
            The grown convex hull of a region's points, or their grown bounding box (the paper's).
        padding : float
            How far a region grows: the fraction of its side added on each side.
        """

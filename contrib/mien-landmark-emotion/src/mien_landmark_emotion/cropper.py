"""The network's input without pixels: the landmarks themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mien import Cropper, Crops, FaceTrack, LandmarkScheme, Layout

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.floating[Any]]


class LandmarkPoints(Cropper):
    """The landmarks of each frame, aligned and relative to the scheme's mean face, in inter-ocular distances.

    Each frame is turned, scaled and moved (a similarity, by least squares) so that the points that no Action Unit moves
    come onto their places in the mean face; the mean face is then taken away.  0 is so the neutral mean face, and 0.1 a
    landmark that lies a tenth of the distance between the eyes beside it.

    ``height`` and ``width`` only say in which pixels the way back to the source is told.
    """

    layout: ClassVar[Layout] = "landmarks"
    citation: ClassVar[str] = (
        "Di Luzio, Rosato, Panella: An Explainable Fast Deep Neural Network for Emotion Recognition, arXiv 2024"
    )

    points: int | None = Field(
        None,
        ge=1,
        description="How many of the scheme's points, from the first: 468 of MediaPipe's leave out the irises.",
    )
    extent: float = Field(2.9, gt=0, description="Width of the crop in inter-ocular distances of the mean face.")
    centre: float = Field(0.6, description="How far the crop's centre lies below the eyes, inter-ocular distances.")

    def crop(self, frames: npt.NDArray[np.uint8], track: FaceTrack, scheme: LandmarkScheme) -> Crops:
        """Return the landmarks as crops, ``(T, N, 2)`` float32; the frames are not looked at."""
        import numpy as np

        transforms = self.transforms(track.landmarks, scheme)
        valid = np.isfinite(transforms).all(axis=(1, 2)) & track.valid
        transforms[~valid] = np.nan
        data = np.zeros((len(valid), self._count(scheme), 2), np.float32)
        data[valid] = self.relative(track.landmarks[valid], transforms[valid], scheme)
        return Crops(data=data, transforms=transforms[:, None], valid=valid)

    def transforms(self, landmarks: FloatArray, scheme: LandmarkScheme) -> FloatArray:
        """Return the way from source pixels into the crop's, ``(T, 2, 3)``; NaN where there is no usable face."""
        import numpy as np

        stable = list(scheme.stable)
        middle = np.array([self.width - 1, self.height - 1]) / 2
        face = np.asarray(scheme.mean_face, np.float64)[stable]
        return similarity(landmarks[:, stable], (face - [0, self.centre]) * (self.width / self.extent) + middle)

    def relative(self, landmarks: FloatArray, transforms: FloatArray, scheme: LandmarkScheme) -> FloatArray:
        """Return how far each landmark lies from its place in the mean face, ``(T, N, 2)``, inter-ocular distances."""
        import numpy as np

        count, middle = self._count(scheme), np.array([self.width - 1, self.height - 1]) / 2
        points = np.asarray(landmarks[:, :count], np.float64)
        placed = (transforms[:, None, :, :2] * points[:, :, None, :]).sum(-1) + transforms[:, None, :, 2]
        face = np.asarray(scheme.mean_face, np.float64)[:count]
        return np.asarray((placed - middle) * (self.extent / self.width) + [0, self.centre] - face)

    def regions(
        self,
        landmarks: FloatArray,
        transforms: FloatArray,
        scheme: LandmarkScheme,
        shape: str = "hull",
        padding: float = 0.25,
    ) -> npt.NDArray[np.uint16]:
        """Return the region bits of each landmark, ``(T, N)``: a point is of the regions that it outlines.

        ``shape`` and ``padding`` are for pixels, and do not matter.
        """
        import numpy as np

        from mien import point_bits

        seen = np.isfinite(landmarks).all(axis=(1, 2)) & np.isfinite(transforms).all(axis=(1, 2, 3))
        return np.where(seen[:, None], point_bits(scheme)[: self._count(scheme)], 0).astype(np.uint16)

    def _count(self, scheme: LandmarkScheme) -> int:
        return scheme.points if self.points is None else min(self.points, scheme.points)


def similarity(points: FloatArray, target: FloatArray) -> FloatArray:
    """Return the rotation, scaling and translation that bring points nearest to a target, by least squares.

    Parameters
    ----------
    points : ndarray, shape (T, S, 2)
    target : ndarray, shape (S, 2)

    Returns
    -------
    ndarray of float64, shape (T, 2, 3)
        NaN where points are NaN or coincide.
    """
    import numpy as np

    given, wanted = np.asarray(points, np.float64), np.asarray(target, np.float64)
    middle, goal = given.mean(1), wanted.mean(0)
    x, y = np.moveaxis(given - middle[:, None], -1, 0)
    u, v = (wanted - goal).T
    spread = (x * x + y * y).sum(1)
    spread[~(spread > 1e-9)] = np.nan
    cosine, sine = (x * u + y * v).sum(1) / spread, (x * v - y * u).sum(1) / spread
    turn = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], 1)
    shift = goal - (turn * middle[:, None, :]).sum(-1)
    return np.concatenate([turn, shift[..., None]], -1)

"""The whole face: aligned on points that no Action Unit moves, or cut out by its box."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from mien.interfaces import Cropper
from mien.types import BitArray, ByteArray, Crops, FaceTrack, FloatArray, LandmarkScheme
from mien_plugins.croppers.boxes import box_transform, grown_box


class Face(Cropper):
    """The whole face.

    ``aligned``: each frame is turned, scaled and moved (a similarity, by least squares) so that the scheme's
    stable points come onto their places in its mean face.  The face then lies still in the crop, and what
    moves is its expression.

    ``box``: the face's box, grown to the aspect ratio of the crop about its centre and clipped to the
    image, as in Moreno et al. 2023.  A clipped box has another aspect ratio, and its picture is stretched,
    as in the paper.  The paper does not say how the box is rounded to pixels; here it is not rounded.

    Beyond the image its border is repeated (``aligned`` only).  Frames without a usable face are invalid:
    black, with a transform of NaN.
    """

    citation: ClassVar[str] = "Moreno, Alghowinem, Park, Breazeal: Expresso-AI, ACII 2023"

    mode: Literal["aligned", "box"] = Field("aligned", description="Aligned on stable points, or the paper's box.")
    extent: float = Field(
        2.9, gt=0, description="Width of the crop in inter-ocular distances of the mean face (aligned)."
    )
    centre: float = Field(
        0.6, description="How far the crop's centre lies below the eyes, in inter-ocular distances (aligned)."
    )
    box_of: Literal["detector", "landmarks"] = Field(
        "detector", description="The detector's box, or the bounding box of the landmarks (box)."
    )

    def crop(self, frames: ByteArray, track: FaceTrack, scheme: LandmarkScheme) -> Crops:
        """Return the crops, with one transform a frame."""
        import numpy as np

        from mien.clips.warp import warp

        transforms = self.transforms(track, scheme)
        valid = np.isfinite(transforms).all(axis=(1, 2))
        data = np.zeros((len(track), self.height, self.width, 3), np.uint8)
        for frame in np.flatnonzero(valid):
            data[frame] = warp(frames[frame], transforms[frame], self.height, self.width)
        return Crops(data=data, transforms=transforms[:, None], valid=valid)

    def transforms(self, track: FaceTrack, scheme: LandmarkScheme) -> FloatArray:
        """Return the transform of each frame, ``(T, 2, 3)`` float64; NaN where there is no usable face."""
        import numpy as np

        if self.mode == "aligned":
            target = self.place(np.asarray(scheme.mean_face, np.float64)[list(scheme.stable)])
            found = similarity(track.landmarks[:, list(scheme.stable)], target)
        else:
            boxes = track.boxes if self.box_of == "detector" else _bounding(track.landmarks)
            boxes = grown_box(boxes, self.width / self.height, track.width, track.height)
            found = box_transform(boxes, self.height, self.width)
        found[~track.valid] = np.nan
        return found

    def place(self, points: FloatArray) -> FloatArray:
        """Return where points of the mean face (inter-ocular distances) lie in an aligned crop (pixels)."""
        import numpy as np

        middle = np.array([self.width - 1, self.height - 1]) / 2
        return np.asarray((points - [0, self.centre]) * (self.width / self.extent) + middle)

    def regions(
        self,
        landmarks: FloatArray,
        transforms: FloatArray,
        scheme: LandmarkScheme,
        shape: str = "hull",
        padding: float = 0.25,
    ) -> BitArray:
        """Return the region bits of each pixel, ``(T, H, W)``."""
        import numpy as np

        from mien.regions.bits import rasterise

        tile = transforms[:, 0]
        points = np.einsum("tij,tnj->tni", tile[..., :2], landmarks) + tile[:, None, :, 2]
        return rasterise(points, scheme, self.height, self.width, shape, padding)


def similarity(points: FloatArray, target: FloatArray) -> FloatArray:
    """Return the rotation, scaling and translation that bring points nearest to a target.

    Parameters
    ----------
    points : ndarray, shape (T, S, 2)
    target : ndarray, shape (S, 2)

    Returns
    -------
    ndarray of float64, shape (T, 2, 3)
        The least squares of the distances at the target; NaN where points are NaN or coincide.
    """
    import numpy as np

    # As complex numbers, a similarity is w = a z + b.
    z = np.asarray(points, np.float64) @ np.array([1, 1j])
    w = np.asarray(target, np.float64) @ np.array([1, 1j])
    z_mean, w_mean = z.mean(axis=1), w.mean()
    spread = (np.abs(z - z_mean[:, None]) ** 2).sum(axis=1)
    product = (np.conj(z - z_mean[:, None]) * (w - w_mean)).sum(axis=1)
    a = np.divide(product, spread, out=np.full(len(z), np.nan, np.complex128), where=spread > 1e-9)
    b = w_mean - a * z_mean
    return np.stack([np.stack([a.real, -a.imag, b.real], -1), np.stack([a.imag, a.real, b.imag], -1)], axis=1)


def _bounding(landmarks: FloatArray) -> FloatArray:
    import numpy as np

    return np.concatenate([landmarks.min(axis=1), landmarks.max(axis=1)], axis=1)

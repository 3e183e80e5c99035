"""What the points of a face detector mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.types import FloatArray


@dataclass(frozen=True)
class LandmarkScheme:
    """What the points of a detector mean.

    Attributes
    ----------
    id : str
    points : int
        How many landmarks a face has.
    regions : mapping of str to tuple of int
        The points whose (grown) hull or box is the region.  All schemes define the same names:
        ``right_eye``, ``left_eye``, ``right_eyebrow``, ``left_eyebrow``, ``nose``, ``mouth``.
        Right and left are the person's own.
    outline : tuple of int
        Points around the face, in order.
    closed_outline : bool
        Whether the outline runs round the whole face (a mesh's oval) or is a jaw line that the
        eyebrows close at the top.
    stable : tuple of int
        Points that no Action Unit moves, on which faces are aligned.
    right_eye_corners, left_eye_corners : tuple of two ints
        Outer, inner corner of each eye; the inter-ocular distance is measured between their means.
    mean_face : ndarray, shape (points, 2)
        A neutral mean face, in inter-ocular distances, centred between the eyes, y downwards.
    edges : tuple of (int, int)
        Lines that draw the face.
    """

    id: str
    points: int
    regions: Mapping[str, tuple[int, ...]]
    outline: tuple[int, ...]
    closed_outline: bool
    stable: tuple[int, ...]
    right_eye_corners: tuple[int, int]
    left_eye_corners: tuple[int, int]
    mean_face: FloatArray
    edges: tuple[tuple[int, int], ...] = ()

    def eye_centres(self, landmarks: FloatArray) -> FloatArray:
        """Return right and left eye centres: landmarks ``(..., N, 2)`` to ``(..., 2, 2)``."""
        import numpy as np

        right = landmarks[..., list(self.right_eye_corners), :].mean(-2)
        left = landmarks[..., list(self.left_eye_corners), :].mean(-2)
        return np.stack([right, left], axis=-2)

    def inter_ocular(self, landmarks: FloatArray) -> FloatArray:
        """Return the distance between the eye centres: ``(..., N, 2)`` to ``(...)``, same unit."""
        import numpy as np

        eyes = self.eye_centres(landmarks)
        return np.asarray(np.linalg.norm(eyes[..., 0, :] - eyes[..., 1, :], axis=-1))

"""What the points of a face detector mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.types import FloatArray


PLACES = (
    *("right_eyebrow_outer", "right_eyebrow_inner", "left_eyebrow_inner", "left_eyebrow_outer"),
    *("nose_tip", "nose_base", "right_nostril", "left_nostril"),
    *("right_mouth_corner", "left_mouth_corner", "upper_lip", "lower_lip", "chin"),
)
"""Names that schemes have in common for single places of a face; a scheme may add names of its own."""


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
    named_points : mapping of str to tuple of int
        The points whose mean is a place that other schemes know by the same name (`PLACES`).  Detectors of
        different schemes are compared at the places that both name, and at the eye corners.
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
    named_points: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

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

    def places(self, landmarks: FloatArray) -> dict[str, FloatArray]:
        """Return the eye corners and the named places: landmarks ``(..., N, 2)`` to ``(..., 2)`` each."""
        corners = ("right_eye_outer", "right_eye_inner", "left_eye_outer", "left_eye_inner")
        points = dict(zip(corners, (*self.right_eye_corners, *self.left_eye_corners), strict=True))
        found = {name: landmarks[..., point, :] for name, point in points.items()}
        return {**found, **{name: landmarks[..., list(own), :].mean(-2) for name, own in self.named_points.items()}}

    def region_centres(self, landmarks: FloatArray) -> dict[str, FloatArray]:
        """Return the middle of each region's bounding box: landmarks ``(..., N, 2)`` to ``(..., 2)`` each."""
        boxed = {name: landmarks[..., list(points), :] for name, points in self.regions.items()}
        return {name: (points.min(-2) + points.max(-2)) / 2 for name, points in boxed.items()}

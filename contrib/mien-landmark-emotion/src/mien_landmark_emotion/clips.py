"""Clips of landmarks that a renderer knows exactly, without video or detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mien import landmark_scheme
from mien_landmark_emotion.classifiers import LandmarkClassifiers
from mien_landmark_emotion.cropper import LandmarkPoints

if TYPE_CHECKING:
    from mien import LandmarkScheme
    from mien_landmark_emotion.expressions import AnimatedExpressions

FACE_POINTS = 468
"""MediaPipe's points without the irises, as in the paper."""


@dataclass(frozen=True)
class LandmarkClips:
    """Landmark clips with their classes.

    Attributes
    ----------
    inputs : Tensor, shape (B, T, N, 2)
        In the network's input space.
    labels : Tensor of int64, shape (B,)
    participants : sequence of str
        Whose clip it is.
    """

    inputs: Tensor
    labels: Tensor
    participants: Sequence[str]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: npt.NDArray[Any]) -> LandmarkClips:
        places = torch.from_numpy(np.asarray(rows, np.int64))
        people = tuple(self.participants[int(row)] for row in rows)
        return LandmarkClips(self.inputs[places], self.labels[places], people)


def exact_clips(
    dataset: AnimatedExpressions, split: str | None = None, *, points: int = FACE_POINTS, jitter: float = 0.5
) -> LandmarkClips:
    """Return one clip a recording, from the exact landmarks, as the cropper and the backbone's input space have it.

    Parameters
    ----------
    split : str, optional
        Only the recordings of this part.
    points : int
        Of the scheme's, from the first.
    jitter : float
        Standard deviation of Gaussian noise on each coordinate of each landmark in each frame, source pixels: a
        detector's.  Exact landmarks alone would let any network see an expression of any weakness.
    """
    scheme, cropper = landmark_scheme(dataset.landmark_scheme), LandmarkPoints(points=points)
    chosen = [one for one in dataset.plan().values() if split in (None, one.recording.split)]
    inputs = []
    for one in chosen:
        random = np.random.default_rng([dataset.seed, 12, *one.recording.id.encode()])
        exact = dataset.landmarks(one.recording.id, range(len(one.units)), {})
        inputs.append(network_input(exact + random.normal(0, jitter, exact.shape), scheme, cropper))
    labels = [int(one.recording.label or 0) for one in chosen]
    people = tuple(one.recording.participant for one in chosen)
    return LandmarkClips(torch.from_numpy(np.stack(inputs)), torch.tensor(labels), people)


def network_input(
    landmarks: npt.NDArray[Any], scheme: LandmarkScheme, cropper: LandmarkPoints
) -> npt.NDArray[np.float32]:
    """Return landmarks ``(T, N, 2)``, source pixels, as `LandmarkClassifiers` take them."""
    relative = cropper.relative(landmarks, cropper.transforms(landmarks, scheme), scheme)
    return np.asarray(relative / LandmarkClassifiers().input_spec.std, np.float32)


def displacements(dataset: AnimatedExpressions, recordings: Sequence[str], points: int = FACE_POINTS) -> Tensor:
    """Return how far each landmark lies from its neutral place at the apex, ``(len(recordings), N)``.

    Both faces are rendered with the same head pose and aligned as the network's input is; the apex is that of the
    recording's emotion at full intensity, without distractors.  In inter-ocular distances.
    """
    from mien_landmark_emotion.emotions import shown

    scheme, cropper = landmark_scheme(dataset.landmark_scheme), LandmarkPoints(points=points)
    found = []
    for id_ in recordings:
        last = [dataset.frames - 1]
        units = dict.fromkeys(shown(dataset.plan()[id_].emotion, dataset.planted_units), 1.0)
        faces = [dataset.landmarks(id_, last, strengths, neutral=True) for strengths in (units, {})]
        apex, rest = (cropper.relative(face, cropper.transforms(face, scheme), scheme)[0] for face in faces)
        found.append(np.linalg.norm(apex - rest, axis=-1))
    return torch.from_numpy(np.stack(found))

"""Runs face-alignment's networks over frames and faces at once; the results are those of its call for one image."""

from __future__ import annotations

import importlib
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from mien.compat import prepare_torchvision
from mien.errors import ModelError
from mien.state_dict import load_weights, read_weights
from mien.types import ByteArray, FloatArray, FrameFaces
from mien_plugins.detectors.face_alignment_finders import FINDERS
from mien_plugins.detectors.face_alignment_points import Place, landmarks_of

_POINTS = 68
_LIBRARY_THRESHOLD = 0.5
_LOWEST = 0.05
"""Below, S3FD's boxes of a frame would depend on the other frames of its batch."""
_SMALLEST = 4.0
"""Pixels; of smaller boxes the library cannot cut a crop."""
_LEAST_SIDE = 32
"""Pixels; of smaller frames nothing is left after the last pooling."""
_UNREADABLE = (
    *(RuntimeError, OSError, EOFError, LookupError, TypeError, ValueError, AttributeError),
    *(pickle.UnpicklingError, cv2.error),
)
"""What the library's readers raise for a file of something else."""


def load_fan(path: Path, device: str) -> nn.Module:
    """Return FAN of four stacks in evaluation mode.

    Raises
    ------
    ModelError
        When the file does not hold its weights.
    """
    from face_alignment.models import FAN

    network: nn.Module = FAN(4)
    load_weights(network, read_weights(path), path)
    return network.to(device).eval()


def load_finder(name: str, paths: Mapping[str, Path], device: str, min_confidence: float) -> Finder:
    """Return one of the library's face detectors, made from files that are there.

    Parameters
    ----------
    paths : mapping of str to Path
        By the parameter of the library's class.
    min_confidence : float
        Less certain faces need not be found; the library's own threshold is lowered to it where it is lower.

    Raises
    ------
    ModelError
        When a file does not hold the detector's weights.
    """
    about = FINDERS[name]
    options: dict[str, Any] = {parameter: str(path) for parameter, path in paths.items()}
    if about.threshold:
        options[about.threshold] = max(_LOWEST, min(_LIBRARY_THRESHOLD, min_confidence))
    family = device.partition(":")[0]
    prepare_torchvision()  # RetinaFace imports it
    module = importlib.import_module(f"face_alignment.detection.{name}")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Warning: this detector is deprecated")  # dlib
            made = module.FaceDetector(device=device if family in about.devices else "cpu", **options)
    except _UNREADABLE as error:
        raise _no_detector(name, paths, error) from error
    return Finder(made, about.batched)


def _no_detector(name: str, paths: Mapping[str, Path], error: Exception) -> ModelError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
    where = ", ".join(map(str, paths.values())) or None
    return ModelError(f"The face detector '{name}' cannot be made from this: {reason}.", where=where)


@dataclass(frozen=True)
class Finder:
    """An open face detector of the library's."""

    detector: Any
    batched: bool

    def find(self, frames: ByteArray, at_once: int) -> Iterator[Sequence[Any]]:
        """Yield the rows (x0, y0, x1, y1, confidence where there is one) of each frame, as the library gives them."""
        frames = _large_enough(frames)
        if not self.batched or at_once == 1:
            for frame in frames:
                yield self.detector.detect_from_image(frame)
            return
        for start in range(0, len(frames), at_once):
            images = torch.from_numpy(frames[start : start + at_once].transpose(0, 3, 1, 2).copy())
            yield from self.detector.detect_from_batch(images)


def _large_enough(frames: ByteArray) -> ByteArray:
    """Return frames that the networks can halve as often as they do; their borders are repeated below and beside."""
    below, beside = (max(0, _LEAST_SIDE - side) for side in frames.shape[1:3])
    return np.pad(frames, ((0, 0), (0, below), (0, beside), (0, 0)), mode="edge") if below or beside else frames


class FaceAlignmentSession:
    """An open detector; frames do not depend on each other.

    Parameters
    ----------
    at_once : int
        Frames, and faces of whichever frame, that go through a network together.
    """

    def __init__(
        self, finder: Finder, fan: nn.Module, device: str, *, at_once: int, min_confidence: float, flip_input: bool
    ) -> None:
        self._finder = finder
        self._fan = fan
        self._device = device
        self._at_once = at_once
        self._min_confidence = min_confidence
        self._flip_input = flip_input

    def detect(self, frames: ByteArray, times: FloatArray) -> Sequence[FrameFaces]:
        """Return the faces of each frame."""
        with torch.inference_mode(), _same_cudnn():
            found = [self._faces(rows, frames) for rows in self._finder.find(frames, self._at_once)]
            faces = [(number, row) for number, rows in enumerate(found) for row in rows]
            landmarks = self._landmarks(frames, faces)
        results, start = [], 0
        for rows in found:
            stop = start + len(rows)
            results.append(_frame_faces(rows, landmarks[start:stop]))
            start = stop
        return results

    def reset(self) -> None:
        """Do nothing: no frame depends on those before it."""

    def _faces(self, rows: Sequence[Any], frames: ByteArray) -> list[Any]:
        """Return the rows of usable faces, the most confident first."""
        height, width = frames.shape[1:3]
        usable = [row for row in rows if _confidence(row) >= self._min_confidence and self._in_view(row, height, width)]
        return sorted(usable, key=_confidence, reverse=True)

    def _landmarks(self, frames: ByteArray, faces: Sequence[tuple[int, Any]]) -> FloatArray:
        """Return the landmarks of faces given as (frame, row): ``(F, 68, 2)`` float32, pixels."""
        from face_alignment.utils import crop

        landmarks = np.empty((len(faces), _POINTS, 2), np.float32)
        for start in range(0, len(faces), self._at_once):
            some = faces[start : start + self._at_once]
            places = [self._place(row) for _, row in some]
            crops = [crop(frames[number], *place) for (number, _), place in zip(some, places, strict=True)]
            heat = self._heat_maps(np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32) / 255.0)
            landmarks[start : start + len(some)] = landmarks_of(heat, places)
        return landmarks

    def _in_view(self, row: Any, height: int, width: int) -> bool:
        """Whether a box has a size and its crop shows some of the image; the library would fail at any other."""
        from face_alignment.utils import SCALE_FACTOR

        (x, y), scale = self._place(row)
        half = SCALE_FACTOR * scale / 2
        sized = row[2] - row[0] >= _SMALLEST and row[3] - row[1] >= _SMALLEST  # False for NaN
        return bool(sized and abs(x - width / 2) < width / 2 + half - 2 and abs(y - height / 2) < height / 2 + half - 2)

    def _place(self, row: Any) -> Place:
        """Return centre and scale of a face's crop, computed as the library does."""
        from face_alignment.utils import CENTER_Y_OFFSET

        centre = np.array([row[2] - (row[2] - row[0]) / 2.0, row[3] - (row[3] - row[1]) / 2.0])
        centre[1] = centre[1] - (row[3] - row[1]) * CENTER_Y_OFFSET
        return centre, (row[2] - row[0] + row[3] - row[1]) / self._finder.detector.reference_scale

    def _heat_maps(self, crops: FloatArray) -> FloatArray:
        """Return FAN's heat maps ``(F, 68, 64, 64)`` of crops ``(F, 3, 256, 256)`` in 0-1."""
        from face_alignment.utils import flip

        given: Tensor = torch.from_numpy(crops).to(self._device)
        maps = self._fan(given)[-1]
        if self._flip_input:
            maps += flip(self._fan(flip(given))[-1], is_label=True)
        heat: FloatArray = maps.cpu().numpy()
        return heat


@contextmanager
def _same_cudnn() -> Iterator[None]:
    before = torch.backends.cudnn.benchmark  # the library sets it for the whole process
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _confidence(row: Any) -> float:
    return min(float(row[4]), 1.0) if len(row) > 4 else 1.0


def _frame_faces(rows: Sequence[Any], landmarks: FloatArray) -> FrameFaces:
    boxes = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
    confidence = np.array([_confidence(row) for row in rows], np.float32)
    return FrameFaces(boxes, confidence, landmarks)

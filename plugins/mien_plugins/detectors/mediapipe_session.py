"""Tracks the faces of a recording with MediaPipe, and takes a census of all faces now and then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.types import ByteArray, FloatArray, FrameFaces, IntArray
from mien_plugins.detectors.mediapipe_engines import Detections, Engine, Meshes
from mien_plugins.detectors.quiet import quiet_library, quiet_warnings

SWITCH = 0.15
"""How much more confident another face must be for the tracker to start anew on it."""

_SAME_FACE = 0.2
"""Overlap (intersection over union) from which a detection's box and a mesh's box are of one face."""


class MediaPipeSession:
    """An open MediaPipe; what a frame gives depends on the frames before it, not on how they are batched."""

    def __init__(self, engine: Engine, census_every: int) -> None:
        self._engine = engine
        self._every = census_every
        self._started = False
        self._forget()

    def detect(self, frames: ByteArray, times: FloatArray) -> Sequence[FrameFaces]:
        """Return the faces of each frame."""
        if not len(frames):
            return []
        first: list[FrameFaces] = []
        if not self._started:
            # The chatter comes with the first frame, when the networks are made.
            with quiet_library():
                first = [self._frame(frames[0], float(times[0]))]
            self._started = True
        with quiet_warnings():
            rest = zip(frames[len(first) :], times[len(first) :], strict=True)
            return first + [self._frame(image, float(time)) for image, time in rest]

    def reset(self) -> None:
        """Forget the recording so far."""
        if self._count:
            with quiet_library():
                self._engine.restart()
            self._started = False
        self._forget()

    def _forget(self) -> None:
        self._count = 0
        self._others = 0
        self._boxes: FloatArray = np.empty((0, 4), np.float32)
        self._scores: FloatArray = np.empty(0, np.float32)

    def _frame(self, image: ByteArray, time: float) -> FrameFaces:
        meshes = self._engine.track(image, time)
        boxes = _bounds(meshes.landmarks)
        same = _match(boxes, self._boxes)
        scores = np.where(same >= 0, np.append(self._scores, 0)[same], 0).astype(np.float32)
        if len(boxes) and (self._count % self._every == 0 or (same < 0).any()):
            meshes, boxes, scores = self._census(image, time, meshes, scores)
        elif not len(boxes):
            self._others = 0
        self._count += 1
        self._boxes, self._scores = boxes, scores
        return _result(meshes, boxes, scores, self._others)

    def _census(
        self, image: ByteArray, time: float, meshes: Meshes, held: FloatArray
    ) -> tuple[Meshes, FloatArray, FloatArray]:
        detections = self._engine.detect(image)
        boxes = _bounds(meshes.landmarks)
        scores, left = _score(boxes, held, detections)
        if self._count and len(boxes) == 1 and left.size and left.max() > _seen(boxes, scores, detections) + SWITCH:
            with quiet_library():
                self._engine.restart()
                again = self._engine.track(image, time)
            if len(again.landmarks):
                meshes, boxes = again, _bounds(again.landmarks)
                scores, left = _score(boxes, np.zeros(len(boxes), np.float32), detections)
        self._others = int(left.size)
        return meshes, boxes, scores


def _score(boxes: FloatArray, held: FloatArray, detections: Detections) -> tuple[FloatArray, FloatArray]:
    """Return the faces' new scores, and the scores of the detections that are none of them.

    A face that the detector does not see just now (in profile, say) keeps its score; one that it never saw has
    that of the least certain face, for the tracker's own detector passed the threshold.
    """
    same = _match(boxes, detections.boxes)
    scores = np.where(same >= 0, np.append(detections.scores, 0)[same], held)
    unknown = min(0.5, *detections.scores) if len(detections.scores) else 0.5
    scores = np.where(scores > 0, scores, unknown).astype(np.float32)
    return scores, np.delete(detections.scores, same[same >= 0])


def _seen(boxes: FloatArray, scores: FloatArray, detections: Detections) -> float:
    """Return the score of the one face followed as the detector sees it now, 0 when it does not."""
    return float(scores[0]) if _match(boxes, detections.boxes)[0] >= 0 else 0.0


def _match(boxes: FloatArray, others: FloatArray) -> IntArray:
    """Return for each of ``(F, 4)`` the index of the most overlapping of ``(D, 4)``, -1 without one."""
    if not len(boxes) or not len(others):
        return np.full(len(boxes), -1)
    corner = np.maximum(boxes[:, None, :2], others[None, :, :2])
    sides = np.maximum(np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - corner, 0)
    shared = sides.prod(-1)
    area, other_area = _areas(boxes)[:, None], _areas(others)[None]
    overlaps = shared / np.maximum(area + other_area - shared, 1e-9)
    return np.where(overlaps.max(1) >= _SAME_FACE, overlaps.argmax(1), -1)


def _areas(boxes: FloatArray) -> FloatArray:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(-1))


def _bounds(landmarks: FloatArray) -> FloatArray:
    if not len(landmarks):
        return np.empty((0, 4), np.float32)
    return np.concatenate([landmarks.min(1), landmarks.max(1)], axis=1)


def _result(meshes: Meshes, boxes: FloatArray, scores: FloatArray, others: int) -> FrameFaces:
    confidence = np.minimum(scores, np.float32(meshes.presence)).astype(np.float32)
    order = np.argsort(-confidence, kind="stable")
    extras = {} if meshes.blendshapes is None else {"blendshapes": meshes.blendshapes[order]}
    return FrameFaces(boxes[order], confidence[order], meshes.landmarks[order], extras, others)

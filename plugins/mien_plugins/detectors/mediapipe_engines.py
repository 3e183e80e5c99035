"""MediaPipe's two programming interfaces behind one: track faces over frames, and look at one frame afresh.

Coordinates are pixels with the origin at the centre of the top-left pixel; MediaPipe's own are fractions of the
image's sides.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mien.errors import PluginError
from mien.types import ByteArray, FloatArray

POINTS = 478
BLENDSHAPES = 52

_PRESENCE = "facelandmarkcpu__face_presence_score"
_DETECTION_SCORE = (
    "facedetectionshortrangecpu__facedetectionshortrange__facedetection__TensorsToDetectionsCalculator.min_score_thresh"
)

_BLANK = np.zeros((64, 64, 3), np.uint8)


@dataclass(frozen=True)
class Meshes:
    """The faces that a tracker sees in one frame.

    Attributes
    ----------
    landmarks : ndarray, shape (F, 478, 2)
    presence : float
        The mesh network's own score of one face, 1 where it is not told.
    blendshapes : ndarray, shape (F, 52), or None
    """

    landmarks: FloatArray
    presence: float = 1.0
    blendshapes: FloatArray | None = None


@dataclass(frozen=True)
class Detections:
    """All faces that the detector sees in one frame: boxes ``(D, 4)`` in pixels, scores ``(D,)``."""

    boxes: FloatArray
    scores: FloatArray


class Engine(Protocol):
    """An open MediaPipe."""

    def track(self, image: ByteArray, time: float) -> Meshes:
        """Return the faces of the recording's next frame; ``time`` in seconds."""
        ...

    def detect(self, image: ByteArray) -> Detections:
        """Return all faces of a frame, without regard to the ones before."""
        ...

    def restart(self) -> None:
        """Forget the faces tracked."""
        ...

    def close(self) -> None:
        """Free the graphs."""
        ...


class FaceMeshEngine:
    """The legacy face mesh, whose models are in the wheels of MediaPipe before 0.10.30."""

    def __init__(self, max_faces: int, min_score: float) -> None:
        from mediapipe.python.solution_base import SolutionBase
        from mediapipe.python.solutions.face_detection import FaceDetection

        # As solutions.FaceMesh makes its graph, but with the score that decides on the face's presence.
        self._mesh = SolutionBase(
            binary_graph_path="mediapipe/modules/face_landmark/face_landmark_front_cpu.binarypb",
            side_inputs={"num_faces": max_faces, "with_attention": True, "use_prev_landmarks": True},
            calculator_params={
                _DETECTION_SCORE: min_score,
                "facelandmarkcpu__ThresholdingCalculator.threshold": min_score,
            },
            outputs=["multi_face_landmarks", _PRESENCE],
        )
        self._detector = FaceDetection(model_selection=0, min_detection_confidence=min_score)
        self._max_faces = max_faces
        self._warm_up()

    def _warm_up(self) -> None:
        # Graphs start in threads of their own; after a frame without a face they have said what they have to say.
        for graph in (self._mesh, self._detector):
            graph.process(_BLANK)

    def track(self, image: ByteArray, time: float) -> Meshes:
        """Return the faces of the next frame; the graph does not use the time."""
        result: Any = self._mesh.process(image)
        faces = result.multi_face_landmarks or []
        if not faces:
            return Meshes(np.empty((0, POINTS, 2), np.float32))
        # With several faces in one frame the stream holds but the last one's score.
        presence = getattr(result, _PRESENCE) if self._max_faces == 1 else 1.0
        return Meshes(_pixels(np.stack([_coordinates(face) for face in faces]), image), float(presence))

    def detect(self, image: ByteArray) -> Detections:
        """Return all faces of a frame."""
        found: Any = self._detector.process(image).detections or []
        height, width = image.shape[:2]
        boxes = [detection.location_data.relative_bounding_box for detection in found]
        corners = [(box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height) for box in boxes]
        scale = np.array([width, height, width, height])
        return Detections(
            np.array(corners, np.float32).reshape(-1, 4) * scale - 0.5,
            np.array([detection.score[0] for detection in found], np.float32),
        )

    def restart(self) -> None:
        """Forget the faces tracked."""
        self._mesh.reset()
        self._warm_up()

    def close(self) -> None:
        """Free the graphs."""
        self._mesh.close()
        self._detector.close()


class TasksEngine:
    """The Tasks interface, which runs a ``face_landmarker.task`` file and gives blendshapes."""

    def __init__(self, model: Path, max_faces: int, min_score: float) -> None:
        self._max_faces = max_faces
        self._min_score = min_score
        self._model = model.read_bytes()
        self._detector = self._open_detector(_inner_detector(model))
        self._landmarker: Any = None
        self._stamp = -1
        self.detect(_BLANK)

    def track(self, image: ByteArray, time: float) -> Meshes:
        """Return the faces of the next frame."""
        # Milliseconds must increase strictly, and frames above 1000 a second share one.
        self._stamp = max(self._stamp + 1, round(time * 1000))
        result = self._ready().detect_for_video(_image(image), self._stamp)
        if not result.face_landmarks:
            return Meshes(np.empty((0, POINTS, 2), np.float32), 1.0, np.empty((0, BLENDSHAPES), np.float32))
        points = [[(point.x, point.y) for point in face] for face in result.face_landmarks]
        shapes = [[shape.score for shape in face] for face in result.face_blendshapes]
        return Meshes(_pixels(np.array(points, np.float32), image), 1.0, np.array(shapes, np.float32))

    def detect(self, image: ByteArray) -> Detections:
        """Return all faces of a frame."""
        found = self._detector.detect(_image(image)).detections
        boxes = [detection.bounding_box for detection in found]
        corners = [(b.origin_x, b.origin_y, b.origin_x + b.width, b.origin_y + b.height) for b in boxes]
        return Detections(
            np.array(corners, np.float32).reshape(-1, 4) - 0.5,
            np.array([detection.categories[0].score for detection in found], np.float32),
        )

    def restart(self) -> None:
        """Forget the faces tracked; the interface offers no other way than a new landmarker."""
        if self._landmarker is not None:
            self._landmarker.close()
        self._landmarker = None
        self._stamp = -1

    def close(self) -> None:
        """Free the graphs."""
        if self._landmarker is not None:
            self._landmarker.close()
        self._detector.close()

    def _ready(self) -> Any:
        if self._landmarker is None:
            from mediapipe.tasks.python import BaseOptions, vision

            options = vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=self._model),
                running_mode=vision.RunningMode.VIDEO,
                num_faces=self._max_faces,
                min_face_detection_confidence=self._min_score,
                min_face_presence_confidence=self._min_score,
                min_tracking_confidence=self._min_score,
                output_face_blendshapes=True,
            )
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
        return self._landmarker

    def _open_detector(self, model: bytes) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceDetectorOptions(
            base_options=BaseOptions(model_asset_buffer=model), min_detection_confidence=self._min_score
        )
        return vision.FaceDetector.create_from_options(options)


def _inner_detector(model: Path) -> bytes:
    try:
        with zipfile.ZipFile(model) as archive:
            return archive.read("face_detector.tflite")
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise PluginError(
            "This is not a face landmarker of MediaPipe's: there is no 'face_detector.tflite' in it.",
            where=str(model),
            hint="Give a 'face_landmarker.task' file.",
        ) from error


def _image(image: ByteArray) -> Any:
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))


def _pixels(fractions: FloatArray, image: ByteArray) -> FloatArray:
    height, width = image.shape[:2]
    return (fractions * np.array([width, height], np.float32) - np.float32(0.5)).astype(np.float32)


def _coordinates(face: Any) -> FloatArray:
    """Return x and y of a landmark list, ``(478, 2)``.

    The message's bytes are read as an array where each landmark is stored as x, y, z and nothing else (17 bytes):
    that is twenty times faster than asking for each number, which would cost a twentieth of the tracking.
    """
    data = np.frombuffer(face.SerializeToString(), np.uint8)
    if data.size == 17 * POINTS:
        rows = data.reshape(POINTS, 17)
        if bool((rows[:, [0, 1, 2, 7, 12]] == (0x0A, 0x0F, 0x0D, 0x15, 0x1D)).all()):
            return np.concatenate([_floats(rows[:, 3:7]), _floats(rows[:, 8:12])], axis=1)
    points: Sequence[Any] = face.landmark
    return np.array([(point.x, point.y) for point in points], np.float32)


def _floats(columns: ByteArray) -> FloatArray:
    return np.ascontiguousarray(columns).view("<f4").astype(np.float32)

"""MediaPipe's face mesh, through either of its programming interfaces."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mien.errors import ModelError, PluginError
from mien.interfaces import ConfigPath, Detector, DetectorSession

if TYPE_CHECKING:
    from mien.weights import WeightFile

MODEL_NAME = "face_landmarker.task"
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)

_LEGACY_FILES = ("python/solutions/face_mesh.py", "modules/face_landmark/face_landmark_front_cpu.binarypb")
_BUNDLED = (
    "modules/face_landmark/face_landmark_with_attention.tflite",
    "modules/face_detection/face_detection_short_range.tflite",
)
_LOWEST_SCORE = 0.1  # below, MediaPipe's detector sees faces everywhere

log = logging.getLogger(__name__)


class MediaPipe(Detector):
    """MediaPipe's face mesh: 478 points, tracked from frame to frame (Kartynnik et al. 2019).

    ``face_mesh`` uses the models inside MediaPipe's wheel, which were there up to 0.10.29 (Python 3.12 at most).
    ``tasks`` runs a ``face_landmarker.task`` file on any version and adds 52 blendshapes to the track's extras.
    ``auto`` takes ``tasks`` where ``model`` is given, else ``face_mesh`` where the wheel has it, else ``tasks``
    with the file from the weights' folder, fetched there from its official address.

    MediaPipe follows a face from its last place, without detecting it again, and gives it no confidence.  Here a
    face's confidence is the score that MediaPipe's face detector gave it when it last looked, which is when a
    face appears and every ``census_every`` frames (the census); with ``face_mesh`` and one face it is the lower of that
    and the mesh network's own presence score of the frame.  The census also counts the other faces, and when one
    of them is clearly more confident the tracker starts anew on it.

    The box is the bounding box of the landmarks.
    """

    citation: ClassVar[str] = (
        "Kartynnik et al.: Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs, arXiv "
        "1907.06724, 2019"
    )

    model: ConfigPath | None = Field(None, description="A face_landmarker.task file, for the Tasks interface.")
    api: Literal["auto", "face_mesh", "tasks"] = Field("auto", description="Which interface of MediaPipe.")
    max_faces: int = Field(1, ge=1, le=16, description="Faces to track; one is fastest, others are still counted.")
    census_every: int = Field(30, ge=1, description="Frames between two looks at all faces of a frame.")

    @property
    def scheme(self) -> str:
        """Id of the landmark scheme."""
        return "mediapipe_478"

    @property
    def extras(self) -> tuple[str, ...]:
        """``blendshapes`` from the Tasks interface, nothing from the face mesh."""
        return ("blendshapes",) if self.resolved_api() == "tasks" else ()

    def provenance(self) -> dict[str, Any]:
        """Return what decides the results, with MediaPipe's version and the interface that ``auto`` means here."""
        return {**super().provenance(), "mediapipe": _installed_version(), "api": self.resolved_api()}

    @classmethod
    def known_weights(cls) -> Sequence[WeightFile]:
        """Return the model file of the Tasks interface."""
        from mien.weights import WeightFile

        note = "MediaPipe's face landmarker, for the Tasks interface"
        return [WeightFile(MODEL_NAME, MODEL_URL, sha256=MODEL_SHA256, note=note)]

    def needed_weights(self) -> Sequence[WeightFile]:
        """Return the model file where the Tasks interface is used and no file is given."""
        return self.known_weights() if self.model is None and self.resolved_api() == "tasks" else ()

    def weight_files(self) -> Mapping[str, Path]:
        """Return the model file, or for ``face_mesh`` the models inside MediaPipe's wheel."""
        from mien.weights import weights_folder

        if self.resolved_api() == "tasks":
            return {MODEL_NAME: self.model or weights_folder() / MODEL_NAME}
        return {Path(name).name: folder / name for folder in _folders() for name in _BUNDLED}

    def resolved_api(self) -> Literal["face_mesh", "tasks"]:
        """Return the interface that `open` will use."""
        if self.api != "auto":
            return self.api
        return "face_mesh" if self.model is None and _has_face_mesh() else "tasks"

    @contextmanager
    def open(self, device: str) -> Iterator[DetectorSession]:
        """Yield a session.  MediaPipe computes on the CPU, whatever ``device`` is.

        Raises
        ------
        PluginError
            When MediaPipe, or the model file that it needs, is absent.
        """
        if not _installed_version():
            raise PluginError("MediaPipe is not installed.", hint="Install it: pip install 'mien[mediapipe]'.")
        from mien_plugins.detectors.mediapipe_session import MediaPipeSession
        from mien_plugins.detectors.quiet import quiet_library

        with quiet_library():
            engine = self._engine()
        try:
            yield MediaPipeSession(engine, self.census_every)
        finally:
            with quiet_library():
                engine.close()

    def _engine(self) -> Any:
        from mien_plugins.detectors.mediapipe_engines import FaceMeshEngine, TasksEngine

        score = max(self.min_confidence, _LOWEST_SCORE)
        if self.resolved_api() == "tasks":
            return TasksEngine(self._model_file(), self.max_faces, score)
        if not _has_face_mesh():
            raise PluginError(
                f"MediaPipe {_installed_version()} has no face mesh of its own.",
                where="detector.api: face_mesh",
                hint="Use 'api: tasks', which needs a model file; or, up to Python 3.12, mediapipe 0.10.21.",
            )
        return FaceMeshEngine(self.max_faces, score)

    def _model_file(self) -> Path:
        from mien.weights import fetch, file_sha256, weights_folder

        if self.model is None:
            try:
                return fetch(MODEL_URL, MODEL_NAME, sha256=MODEL_SHA256)
            except ModelError as error:
                raise PluginError(
                    f"This version of MediaPipe needs the model file {MODEL_NAME} (SHA-256 {MODEL_SHA256}), which "
                    f"cannot be had: {error.message}",
                    where="detector.model",
                    hint=f"Get it from {MODEL_URL} and put it at {weights_folder() / MODEL_NAME}, "
                    "or name its place in 'detector.model'.",
                ) from error
        if not self.model.is_file():
            raise PluginError(
                "There is no such model file.",
                where=f"detector.model: {self.model}",
                hint=f"Get it from {MODEL_URL} (SHA-256 {MODEL_SHA256}).",
            )
        if self.model.name == MODEL_NAME and file_sha256(self.model) != MODEL_SHA256:
            log.warning("%s is not the published %s: its SHA-256 differs.", self.model, MODEL_NAME)
        return self.model


def _installed_version() -> str:
    try:
        return version("mediapipe")
    except PackageNotFoundError:
        return ""


def _has_face_mesh() -> bool:
    return any(all((folder / name).is_file() for name in _LEGACY_FILES) for folder in _folders())


def _folders() -> list[Path]:
    # Looked up as files: importing MediaPipe takes seconds.
    spec = importlib.util.find_spec("mediapipe")
    return [Path(folder) for folder in spec.submodule_search_locations or ()] if spec else []

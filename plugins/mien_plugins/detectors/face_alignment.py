"""The library face-alignment: a face detector of choice, then FAN's 68 points."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mien.errors import ModelError, PluginError
from mien.interfaces import ConfigPath, Detector, DetectorSession, Unavailable

if TYPE_CHECKING:
    from mien.weights import WeightFile


class FaceAlignment(Detector):
    """A face detector (S3FD by default) and FAN: 68 points in 2D (Zhang et al. 2017; Bulat & Tzimiropoulos 2017).

    Boxes, confidence and landmarks are those of the library's own call for one image. It gives landmarks as whole
    pixels. Every face that reaches ``min_confidence`` gets landmarks. As in Moreno et al. 2023, a frame whose most
    confident face lies below 0.75 has no face.

    Face detectors: ``sfd``, ``retinaface`` and ``blazeface`` (near faces only) run on any device of torch, ``yunet``
    on the CPU, ``scrfd`` where onnxruntime is installed, ``dlib`` (HOG, on the CPU) where dlib is. dlib gives no
    confidence: its faces have 1. Confidences of different detectors cannot be compared.

    On a GPU, frames and faces go through the networks ``batch`` at a time. On a CPU that is slower than one at a
    time, so there each goes alone. The networks are not compiled.

    Weights are fetched from their official addresses, or taken from the folder of weights. Torch's files are read
    as tensors only, never unpickled.
    """

    citation: ClassVar[str] = (
        "Zhang et al.: S3FD, ICCV 2017; "
        "Bulat, Tzimiropoulos: How Far Are We from Solving the 2D & 3D Face Alignment Problem, ICCV 2017"
    )

    min_confidence: float = Field(0.75, ge=0, le=1, description="Faces below it are not faces; the paper's value.")
    batch: int = Field(8, ge=1, description="Frames handed over at once; on a GPU also frames and faces in a network.")
    face_detector: Literal["sfd", "yunet", "scrfd", "retinaface", "blazeface", "dlib"] = Field(
        "sfd", description="What finds the faces."
    )
    flip_input: bool = Field(
        True, description="Add FAN's answer to the mirrored face, as the library does; it takes twice the time."
    )
    fan_file: ConfigPath | None = Field(None, description="FAN's weights, in place of the official file.")
    face_detector_file: ConfigPath | None = Field(
        None, description="The face detector's weights, in place of the official file."
    )

    @property
    def scheme(self) -> str:
        """Id of the landmark scheme."""
        return "ibug_68"

    def provenance(self) -> dict[str, Any]:
        """Return what decides the results, with the library's version."""
        return {**super().provenance(), "face_alignment": _installed_version()}

    @classmethod
    def unavailable(cls) -> Sequence[Unavailable]:
        """Return the face detectors that cannot be used here."""
        from mien_plugins.detectors.face_alignment_finders import FINDERS

        return [
            Unavailable("face_detector", name, finder.reason, finder.hint)
            for name, finder in FINDERS.items()
            if finder.module and importlib.util.find_spec(finder.module) is None
        ]

    @classmethod
    def known_weights(cls) -> Sequence[WeightFile]:
        """Return FAN's weights and those of every face detector."""
        from mien_plugins.detectors.face_alignment_finders import FAN, FINDERS

        return [FAN, *(file for finder in FINDERS.values() for file in finder.weights.values())]

    def needed_weights(self) -> Sequence[WeightFile]:
        """Return FAN's weights and the face detector's, but for those given as files."""
        return [file for file, given in self._files().values() if given is None]

    def weight_files(self) -> Mapping[str, Path]:
        """Return the files of FAN and of the face detector."""
        return {file.name: given or file.path for file, given in self._files().values()}

    def _files(self) -> dict[str, tuple[WeightFile, Path | None]]:
        """Return each weight file with what the user gave in its place, by the parameter that takes it."""
        from mien_plugins.detectors.face_alignment_finders import FAN, FINDERS

        files: dict[str, tuple[WeightFile, Path | None]] = {"fan": (FAN, self.fan_file)}
        for parameter, file in FINDERS[self.face_detector].weights.items():
            first = len(files) == 1
            files[parameter] = (file, self.face_detector_file if first else None)
        return files

    @contextmanager
    def open(self, device: str) -> Iterator[DetectorSession]:
        """Yield a session with its networks on ``device``.

        Raises
        ------
        PluginError
            When face-alignment, or what the chosen face detector needs, is not installed.
        ModelError
            When a weight file cannot be had (the message says which file to put where) or is another one.
        """
        if not _installed_version():
            raise PluginError(
                "face-alignment is not installed.", hint="Install it: pip install 'mien[face-alignment]'."
            )
        self.require_available()
        paths = {parameter: _path(file, given) for parameter, (file, given) in self._files().items()}

        from mien_plugins.detectors.face_alignment_session import FaceAlignmentSession, load_fan, load_finder

        fan = load_fan(paths.pop("fan"), device)
        finder = load_finder(self.face_detector, paths, device, self.min_confidence)
        at_once = 1 if device.startswith("cpu") else self.batch
        yield FaceAlignmentSession(
            finder, fan, device, at_once=at_once, min_confidence=self.min_confidence, flip_input=self.flip_input
        )


def _path(file: WeightFile, given: Path | None) -> Path:
    if given is None:
        return file.fetch()
    if not given.is_file():
        raise ModelError("There is no such weight file.", where=str(given), hint=f"The official one is {file.url}.")
    return given


def _installed_version() -> str:
    try:
        return version("face-alignment")
    except PackageNotFoundError:
        return ""

"""The face detectors that face-alignment brings: what each needs, and how it is made without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mien.weights import WeightFile

_ADRIAN_BULAT = "https://www.adrianbulat.com/downloads/python-fan"
_BLAZEFACE = "https://github.com/hollance/BlazeFace-PyTorch/raw/master"

FAN = WeightFile(
    "2DFAN4-11f355bf06.pth.tar",
    f"{_ADRIAN_BULAT}/2DFAN4-11f355bf06.pth.tar",
    sha256="11f355bf0693120222f5955ce3f9dc8fb5763ebb30a47d7906e509490d32e4aa",
    note="FAN, 68 points in 2D",
)


@dataclass(frozen=True)
class Finder:
    """One of the library's face detectors.

    Attributes
    ----------
    weights : mapping of str to WeightFile
        By the parameter of the library's class that takes the file's path; the first holds the network.
    threshold : str
        The parameter that takes the lowest confidence; empty for a detector that gives none.
    devices : tuple of str
        Families of devices that it computes on; elsewhere it takes the CPU.
    batched : bool
        Whether one call can take several frames.
    module : str
        What it needs beside face-alignment's own requirements; empty for nothing.
    reason, hint : str
        Told where the module is absent.
    """

    weights: Mapping[str, WeightFile] = field(default_factory=dict)
    threshold: str = ""
    devices: tuple[str, ...] = ("cpu",)
    batched: bool = False
    module: str = ""
    reason: str = ""
    hint: str = ""


_PATH = "path_to_detector"
_TORCH = ("cpu", "cuda", "mps")

FINDERS: dict[str, Finder] = {
    "sfd": Finder(
        {
            _PATH: WeightFile(
                "s3fd-619a316812.pth",
                f"{_ADRIAN_BULAT}/s3fd-619a316812.pth",
                sha256="619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
                note="S3FD, finds faces",
            )
        },
        threshold="filter_threshold",
        devices=_TORCH,
        batched=True,
    ),
    "yunet": Finder(
        {
            _PATH: WeightFile(
                "face_detection_yunet_2023mar.onnx",
                "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
                "face_detection_yunet_2023mar.onnx",
                sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
                note="YuNet, finds faces",
            )
        },
        threshold="score_threshold",
    ),
    "scrfd": Finder(
        {
            _PATH: WeightFile(
                "scrfd_2.5g_bnkps.onnx",
                "https://github.com/yakhyo/facial-analysis/releases/download/v0.0.1/det_2.5g.onnx",
                note="SCRFD 2.5G, finds faces",
            )
        },
        threshold="confidence_threshold",
        devices=("cpu", "cuda"),
        module="onnxruntime",
        reason="It needs onnxruntime, which is not installed.",
        hint="Install it: pip install onnxruntime.",
    ),
    "retinaface": Finder(
        {
            _PATH: WeightFile(
                "retinaface_mobilenet0.25.pth",
                f"{_ADRIAN_BULAT}/retinaface_mobilenet0.25.pth",
                note="RetinaFace on MobileNet 0.25, finds faces",
            )
        },
        threshold="confidence_threshold",
        devices=_TORCH,
    ),
    "blazeface": Finder(
        {
            _PATH: WeightFile("blazeface.pth", f"{_BLAZEFACE}/blazeface.pth", note="BlazeFace, finds near faces"),
            "path_to_anchor": WeightFile(
                "blazeface_anchors.npy", f"{_BLAZEFACE}/anchors.npy", note="BlazeFace's anchors"
            ),
        },
        threshold="min_score_thresh",
        devices=_TORCH,
    ),
    "dlib": Finder(
        module="dlib",
        reason="It needs dlib, which is not installed; pip builds it from source, with a C++ compiler and CMake.",
        hint="Install a compiler, then: pip install dlib. Or choose another face_detector.",
    ),
}
"""By the name that face-alignment gives them."""

"""mien: trains video networks on faces, and explains with evidence what drove each decision.

The names in ``__all__`` are the stable interface.  They are imported on first use, so that
``import mien`` is quick.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "ActionUnitSource": "mien.interfaces",
    "ActionUnitTrace": "mien.types",
    "Analysis": "mien.interfaces",
    "Analyzer": "mien.interfaces",
    "AttributionMethod": "mien.interfaces",
    "Backbone": "mien.interfaces",
    "ClipBatch": "mien.types",
    "ClipKey": "mien.types",
    "Column": "mien.tables",
    "Component": "mien.interfaces",
    "ConfigError": "mien.errors",
    "ConfigPath": "mien.interfaces",
    "Cropper": "mien.interfaces",
    "Crops": "mien.types",
    "DataError": "mien.errors",
    "Dataset": "mien.interfaces",
    "DatasetListing": "mien.types",
    "Detector": "mien.interfaces",
    "DetectorSession": "mien.interfaces",
    "Exclusion": "mien.types",
    "Explained": "mien.explaining",
    "ExplainedModel": "mien.interfaces",
    "Explanation": "mien.types",
    "FaceTrack": "mien.types",
    "FrameFaces": "mien.types",
    "InputSpec": "mien.types",
    "LabelScale": "mien.interfaces",
    "LandmarkScheme": "mien.types",
    "Layout": "mien.types",
    "MienError": "mien.errors",
    "ModelError": "mien.errors",
    "Objective": "mien.interfaces",
    "PluginError": "mien.errors",
    "Progress": "mien.progress",
    "Recording": "mien.types",
    "Registrar": "mien.registry",
    "Remark": "mien.interfaces",
    "RunView": "mien.interfaces",
    "Table": "mien.tables",
    "Tile": "mien.types",
    "Unavailable": "mien.interfaces",
    "WeightFile": "mien.weights",
    "explain": "mien.explaining",
    "hookimpl": "mien.registry",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mien' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

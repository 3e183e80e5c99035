"""One interface per kind of plugin."""

from mien.interfaces.action_units import ActionUnitSource
from mien.interfaces.analyzer import Analysis, Analyzer, Remark, RunView
from mien.interfaces.attribution import AttributionMethod, ExplainedModel
from mien.interfaces.backbone import Backbone
from mien.interfaces.component import Component, ConfigPath, Unavailable
from mien.interfaces.cropper import Cropper
from mien.interfaces.dataset import Dataset
from mien.interfaces.detector import Detector, DetectorSession
from mien.interfaces.objective import LabelScale, Objective
from mien.interfaces.planted import PlantedLandmarks, PlantedTruth
from mien.interfaces.report_section import ReportSection, SectionTable

__all__ = [
    "ActionUnitSource",
    "Analysis",
    "Analyzer",
    "AttributionMethod",
    "Backbone",
    "Component",
    "ConfigPath",
    "Cropper",
    "Dataset",
    "Detector",
    "DetectorSession",
    "ExplainedModel",
    "LabelScale",
    "Objective",
    "PlantedLandmarks",
    "PlantedTruth",
    "Remark",
    "ReportSection",
    "RunView",
    "SectionTable",
    "Unavailable",
]

"""mien: trains video networks on faces, and explains with evidence what drove each decision.

The names in ``__all__`` are the stable interface.  They are imported on first use, so that
``import mien`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what is loaded on first use, for type checkers: a class that is Any cannot be subclassed strictly
    from mien.api import API_VERSION as API_VERSION
    from mien.attribution import Batches as Batches
    from mien.attribution import forward as forward
    from mien.attribution import rows_at_once as rows_at_once
    from mien.attribution import untouched as untouched
    from mien.attribution.blur import blurred as blurred
    from mien.attribution.stages import stage_features as stage_features
    from mien.clips.warp import warp as warp
    from mien.compat import prepare_torchvision as prepare_torchvision
    from mien.config.check import check_config as check_config
    from mien.creating import create as create
    from mien.creating import landmark_scheme as landmark_scheme
    from mien.errors import ConfigError as ConfigError
    from mien.errors import DataError as DataError
    from mien.errors import MienError as MienError
    from mien.errors import ModelError as ModelError
    from mien.errors import PluginError as PluginError
    from mien.errors import nearest as nearest
    from mien.explaining import Explained as Explained
    from mien.explaining import explain as explain
    from mien.interfaces import ActionUnitSource as ActionUnitSource
    from mien.interfaces import Analysis as Analysis
    from mien.interfaces import Analyzer as Analyzer
    from mien.interfaces import AttributionMethod as AttributionMethod
    from mien.interfaces import Backbone as Backbone
    from mien.interfaces import Component as Component
    from mien.interfaces import ConfigPath as ConfigPath
    from mien.interfaces import Cropper as Cropper
    from mien.interfaces import Dataset as Dataset
    from mien.interfaces import Detector as Detector
    from mien.interfaces import DetectorSession as DetectorSession
    from mien.interfaces import ExplainedModel as ExplainedModel
    from mien.interfaces import LabelScale as LabelScale
    from mien.interfaces import Objective as Objective
    from mien.interfaces import PlantedLandmarks as PlantedLandmarks
    from mien.interfaces import PlantedTruth as PlantedTruth
    from mien.interfaces import Remark as Remark
    from mien.interfaces import ReportSection as ReportSection
    from mien.interfaces import RunView as RunView
    from mien.interfaces import SectionTable as SectionTable
    from mien.interfaces import Unavailable as Unavailable
    from mien.progress import Progress as Progress
    from mien.regions.bits import point_bits as point_bits
    from mien.regions.bits import rasterise as rasterise
    from mien.regions.measures import per_participant as per_participant
    from mien.regions.segments import segment_features as segment_features
    from mien.registry import Commands as Commands
    from mien.registry import Registrar as Registrar
    from mien.registry import hookimpl as hookimpl
    from mien.report.charts import BarChart as BarChart
    from mien.report.charts import BarSeries as BarSeries
    from mien.report.charts import Chart as Chart
    from mien.report.charts import GroupedBars as GroupedBars
    from mien.report.charts import GroupedPanel as GroupedPanel
    from mien.report.charts import GroupedSeries as GroupedSeries
    from mien.report.charts import HeatMap as HeatMap
    from mien.report.charts import HeatPanel as HeatPanel
    from mien.report.charts import LandmarkMap as LandmarkMap
    from mien.report.charts import LandmarkPanel as LandmarkPanel
    from mien.report.charts import LineChart as LineChart
    from mien.report.charts import LineSeries as LineSeries
    from mien.report.charts import MapGrid as MapGrid
    from mien.report.charts import MapPanel as MapPanel
    from mien.report.charts import PointGroup as PointGroup
    from mien.report.charts import ScatterChart as ScatterChart
    from mien.state_dict import read_weights as read_weights
    from mien.statistics import association as association
    from mien.statistics import benjamini_hochberg as benjamini_hochberg
    from mien.statistics import function_interval as function_interval
    from mien.statistics import mean_interval as mean_interval
    from mien.statistics import participant_bootstrap as participant_bootstrap
    from mien.statistics import permutation_association as permutation_association
    from mien.statistics import ranks as ranks
    from mien.tables import Column as Column
    from mien.tables import Table as Table
    from mien.types import ActionUnitTrace as ActionUnitTrace
    from mien.types import BitArray as BitArray
    from mien.types import BoolArray as BoolArray
    from mien.types import ByteArray as ByteArray
    from mien.types import ClipBatch as ClipBatch
    from mien.types import ClipKey as ClipKey
    from mien.types import Crops as Crops
    from mien.types import DatasetListing as DatasetListing
    from mien.types import Exclusion as Exclusion
    from mien.types import Explanation as Explanation
    from mien.types import FaceTrack as FaceTrack
    from mien.types import FloatArray as FloatArray
    from mien.types import FrameFaces as FrameFaces
    from mien.types import InputSpec as InputSpec
    from mien.types import IntArray as IntArray
    from mien.types import LandmarkScheme as LandmarkScheme
    from mien.types import Layout as Layout
    from mien.types import Recording as Recording
    from mien.types import Tile as Tile
    from mien.video.writer import VideoWriter as VideoWriter
    from mien.weights import WeightFile as WeightFile

__version__ = "0.1.0"
"""mien's own version, not that of its interface."""

_HOME = {
    "API_VERSION": "mien.api",
    "ActionUnitSource": "mien.interfaces",
    "ActionUnitTrace": "mien.types",
    "Analysis": "mien.interfaces",
    "Analyzer": "mien.interfaces",
    "AttributionMethod": "mien.interfaces",
    "Backbone": "mien.interfaces",
    "BarChart": "mien.report.charts",
    "BarSeries": "mien.report.charts",
    "Batches": "mien.attribution",
    "BitArray": "mien.types",
    "BoolArray": "mien.types",
    "ByteArray": "mien.types",
    "Chart": "mien.report.charts",
    "ClipBatch": "mien.types",
    "ClipKey": "mien.types",
    "Column": "mien.tables",
    "Commands": "mien.registry",
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
    "FloatArray": "mien.types",
    "FrameFaces": "mien.types",
    "GroupedBars": "mien.report.charts",
    "GroupedPanel": "mien.report.charts",
    "GroupedSeries": "mien.report.charts",
    "HeatMap": "mien.report.charts",
    "HeatPanel": "mien.report.charts",
    "InputSpec": "mien.types",
    "IntArray": "mien.types",
    "LabelScale": "mien.interfaces",
    "LandmarkMap": "mien.report.charts",
    "LandmarkPanel": "mien.report.charts",
    "LandmarkScheme": "mien.types",
    "Layout": "mien.types",
    "LineChart": "mien.report.charts",
    "LineSeries": "mien.report.charts",
    "MapGrid": "mien.report.charts",
    "MapPanel": "mien.report.charts",
    "MienError": "mien.errors",
    "ModelError": "mien.errors",
    "Objective": "mien.interfaces",
    "PlantedLandmarks": "mien.interfaces",
    "PlantedTruth": "mien.interfaces",
    "PluginError": "mien.errors",
    "PointGroup": "mien.report.charts",
    "Progress": "mien.progress",
    "Recording": "mien.types",
    "Registrar": "mien.registry",
    "Remark": "mien.interfaces",
    "ReportSection": "mien.interfaces",
    "RunView": "mien.interfaces",
    "ScatterChart": "mien.report.charts",
    "SectionTable": "mien.interfaces",
    "Table": "mien.tables",
    "Tile": "mien.types",
    "Unavailable": "mien.interfaces",
    "VideoWriter": "mien.video.writer",
    "WeightFile": "mien.weights",
    "association": "mien.statistics",
    "benjamini_hochberg": "mien.statistics",
    "blurred": "mien.attribution.blur",
    "check_config": "mien.config.check",
    "create": "mien.creating",
    "explain": "mien.explaining",
    "forward": "mien.attribution",
    "function_interval": "mien.statistics",
    "hookimpl": "mien.registry",
    "landmark_scheme": "mien.creating",
    "mean_interval": "mien.statistics",
    "nearest": "mien.errors",
    "participant_bootstrap": "mien.statistics",
    "per_participant": "mien.regions.measures",
    "permutation_association": "mien.statistics",
    "point_bits": "mien.regions.bits",
    "prepare_torchvision": "mien.compat",
    "ranks": "mien.statistics",
    "rasterise": "mien.regions.bits",
    "read_weights": "mien.state_dict",
    "rows_at_once": "mien.attribution",
    "segment_features": "mien.regions.segments",
    "stage_features": "mien.attribution.stages",
    "untouched": "mien.attribution",
    "warp": "mien.clips.warp",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mien' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

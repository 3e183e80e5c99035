"""The suite of each kind."""

from __future__ import annotations

from mien.testing.action_units import ActionUnitSourceSuite
from mien.testing.analyzers import AnalyzerSuite
from mien.testing.attribution import AttributionMethodSuite
from mien.testing.backbones import BackboneSuite
from mien.testing.croppers import CropperSuite
from mien.testing.datasets import DatasetSuite
from mien.testing.detectors import DetectorSuite
from mien.testing.objectives import ObjectiveSuite
from mien.testing.schemes import LandmarkSchemeSuite

SUITES = {
    "dataset": DatasetSuite,
    "detector": DetectorSuite,
    "landmarks": LandmarkSchemeSuite,
    "cropper": CropperSuite,
    "backbone": BackboneSuite,
    "objective": ObjectiveSuite,
    "attribution": AttributionMethodSuite,
    "action_units": ActionUnitSourceSuite,
    "analyzer": AnalyzerSuite,
}
"""The suite of each kind."""

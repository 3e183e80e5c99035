"""What a plugin author needs to prove that a component keeps its promises.

Subclass the suite of the kind and name the component; pytest does the rest::

    from mien.testing import AttributionMethodSuite

    class TestMine(AttributionMethodSuite):
        component = MyMethod
        fields = {"steps": 8}

Each suite states its guarantees (`guarantees` lists them) and pins them; a check that fails says who promised what.
``pytest --mien-plugin my-distribution`` runs the suites of all that a distribution registers.

The names in ``__all__`` are the stable interface.  They are imported on first use.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what is loaded on first use, for type checkers
    from mien.testing.action_units import ActionUnitSourceSuite as ActionUnitSourceSuite
    from mien.testing.analyzers import AnalyzerSuite as AnalyzerSuite
    from mien.testing.attribution import AttributionMethodSuite as AttributionMethodSuite
    from mien.testing.avec import avec_tree as avec_tree
    from mien.testing.backbones import BackboneSuite as BackboneSuite
    from mien.testing.checks import BrokenPromise as BrokenPromise
    from mien.testing.checks import Guarantee as Guarantee
    from mien.testing.checks import guarantees as guarantees
    from mien.testing.checks import pins as pins
    from mien.testing.clips import face_video as face_video
    from mien.testing.clips import video_without_face as video_without_face
    from mien.testing.component import ComponentSuite as ComponentSuite
    from mien.testing.croppers import CropperSuite as CropperSuite
    from mien.testing.datasets import DatasetSuite as DatasetSuite
    from mien.testing.detectors import DetectorSuite as DetectorSuite
    from mien.testing.fixtures import clip_batch as clip_batch
    from mien.testing.fixtures import face_frames as face_frames
    from mien.testing.fixtures import mean_face_track as mean_face_track
    from mien.testing.fixtures import run_view as run_view
    from mien.testing.fixtures import tiny_network as tiny_network
    from mien.testing.objectives import ObjectiveSuite as ObjectiveSuite
    from mien.testing.planted import planted_clips as planted_clips
    from mien.testing.planted import relevance_with_sums as relevance_with_sums
    from mien.testing.planted import trained_network as trained_network
    from mien.testing.schemes import LandmarkSchemeSuite as LandmarkSchemeSuite
    from mien.testing.suites import SUITES as SUITES

_HOME = {
    "SUITES": "suites",
    "ActionUnitSourceSuite": "action_units",
    "AnalyzerSuite": "analyzers",
    "AttributionMethodSuite": "attribution",
    "BackboneSuite": "backbones",
    "BrokenPromise": "checks",
    "ComponentSuite": "component",
    "CropperSuite": "croppers",
    "DatasetSuite": "datasets",
    "DetectorSuite": "detectors",
    "Guarantee": "checks",
    "LandmarkSchemeSuite": "schemes",
    "ObjectiveSuite": "objectives",
    "avec_tree": "avec",
    "clip_batch": "fixtures",
    "face_frames": "fixtures",
    "face_video": "clips",
    "guarantees": "checks",
    "mean_face_track": "fixtures",
    "pins": "checks",
    "planted_clips": "planted",
    "relevance_with_sums": "planted",
    "run_view": "fixtures",
    "tiny_network": "fixtures",
    "trained_network": "planted",
    "video_without_face": "clips",
}

__all__ = [  # in full, for what reads it without running it; a test holds it against _HOME
    "SUITES",
    "ActionUnitSourceSuite",
    "AnalyzerSuite",
    "AttributionMethodSuite",
    "BackboneSuite",
    "BrokenPromise",
    "ComponentSuite",
    "CropperSuite",
    "DatasetSuite",
    "DetectorSuite",
    "Guarantee",
    "LandmarkSchemeSuite",
    "ObjectiveSuite",
    "avec_tree",
    "clip_batch",
    "face_frames",
    "face_video",
    "guarantees",
    "mean_face_track",
    "pins",
    "planted_clips",
    "relevance_with_sums",
    "run_view",
    "tiny_network",
    "trained_network",
    "video_without_face",
]

if "pytest" in sys.modules:  # the checks then show the values that they compare
    sys.modules["pytest"].register_assert_rewrite(*sorted({f"{__name__}.{module}" for module in _HOME.values()}))


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

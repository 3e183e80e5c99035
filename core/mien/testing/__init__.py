"""What a plugin author needs to prove that a component keeps its promises.

Subclass the suite of the kind and name the component; pytest does the rest::

    from mien.testing import AttributionMethodSuite

    class TestMine(AttributionMethodSuite):
        component = MyMethod
        fields = {"steps": 8}
"""

from mien.testing.attribution import AttributionMethodSuite
from mien.testing.avec import avec_tree
from mien.testing.component import ComponentSuite
from mien.testing.faces import ActionUnitSourceSuite, CropperSuite, DetectorSuite, LandmarkSchemeSuite
from mien.testing.fixtures import clip_batch, face_frames, mean_face_track, run_view, tiny_network
from mien.testing.networks import BackboneSuite, ObjectiveSuite
from mien.testing.runs import AnalyzerSuite, DatasetSuite

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

__all__ = [
    "SUITES",
    "ActionUnitSourceSuite",
    "AnalyzerSuite",
    "AttributionMethodSuite",
    "BackboneSuite",
    "ComponentSuite",
    "CropperSuite",
    "DatasetSuite",
    "DetectorSuite",
    "LandmarkSchemeSuite",
    "ObjectiveSuite",
    "avec_tree",
    "clip_batch",
    "face_frames",
    "mean_face_track",
    "run_view",
    "tiny_network",
]

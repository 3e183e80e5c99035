"""Every component keeps the promises of its kind, also for landmark clips."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from mien import ClipKey, ExplainedModel
from mien.testing import (
    AnalyzerSuite,
    AttributionMethodSuite,
    BackboneSuite,
    CropperSuite,
    DatasetSuite,
    ObjectiveSuite,
    clip_batch,
)
from mien_landmark_emotion.analyzer import LandmarkRelevance
from mien_landmark_emotion.classifiers import LandmarkClassifiers
from mien_landmark_emotion.cropper import LandmarkPoints
from mien_landmark_emotion.expressions import AnimatedExpressions
from mien_landmark_emotion.neutral import NeutralFaceGradients
from mien_landmark_emotion.objective import OneVsRest


class TestAnimatedExpressions(DatasetSuite):
    component = AnimatedExpressions
    fields: ClassVar = {"participants": 2, "test_participants": 1, "repeats": 1, "frames": 4, "size": 128}


class TestLandmarkPoints(CropperSuite):
    component = LandmarkPoints


class TestLandmarkPointsOf68(CropperSuite):
    component = LandmarkPoints
    scheme = "ibug_68"


class TestLandmarkClassifiers(BackboneSuite):
    component = LandmarkClassifiers
    fields: ClassVar = {"frames": 4}


class TestLandmarkClassifiersOfFew(BackboneSuite):
    component = LandmarkClassifiers
    fields: ClassVar = {"frames": 4, "keep": ((61, 291, 0, 17),), "movement": False}


class TestOneVsRest(ObjectiveSuite):
    component = OneVsRest


class TestNeutralFaceGradients(AttributionMethodSuite):
    component = NeutralFaceGradients


class TestLandmarkRelevance(AnalyzerSuite):
    component = LandmarkRelevance


class LandmarkRun:
    """The synthetic run of `mien.testing`, with landmark clips in the place of pixels."""

    def __init__(self, run) -> None:
        self._run = run

    def __getattr__(self, name):
        return getattr(self._run, name)

    def clips(self, keys=None):
        rows = self._run.relevance.drop_duplicates(["recording", "window"])
        own = [ClipKey(r.recording, r.participant, r.window) for r in rows.itertuples()]
        batch = clip_batch(len(own))
        inputs = torch.zeros((len(own), 4, 478, 2))
        yield replace(batch, inputs=inputs, keys=own, layout="landmarks", labels=torch.arange(len(own)) % 2.0)

    def maps(self, method, key):
        """The tip of the nose holds half of all relevance, and nothing else differs."""
        relevance = np.ones((4, 478))
        relevance[:, 1] = -477
        return relevance


class TestLandmarkRelevanceOfLandmarks(AnalyzerSuite):
    component = LandmarkRelevance

    def view(self, **options):
        return LandmarkRun(super().view(**options))

    def test_the_planted_landmark_holds_half(self, made):
        table = made.analyze(self.view()).tables["landmark_relevance"]
        nose = table[table["landmark"] == 1]
        assert nose["share"].to_numpy() == pytest.approx(0.5)
        assert set(nose["class"]) == {"0", "1"}
        assert table.groupby("class")["share"].sum().to_numpy() == pytest.approx(1)

    def test_the_planted_landmark_is_ringed_first(self, made):
        (chart,) = made.analyze(self.view()).charts
        assert all(panel.kept[0] == 1 for panel in chart.panels)


def test_the_network_of_landmarks_is_left_as_it_was_by_its_method():
    network = LandmarkClassifiers(frames=4).build(2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = replace(clip_batch(2), inputs=torch.randn(2, 4, 478, 2), layout="landmarks")
    NeutralFaceGradients().attribute(ExplainedModel(network), batch, lambda output: output[:, 0])
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())

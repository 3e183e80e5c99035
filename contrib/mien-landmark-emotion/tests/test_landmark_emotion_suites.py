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

    def test_classes_are_named_in_the_order_of_their_labels(self):
        made = OneVsRest(classes=("calm", "cross"))
        assert list(made.class_names) == ["calm", "cross"]
        assert [made.check_label(label) is None for label in (0, 1, 2)] == [True, True, False]


class TestNeutralFaceGradients(AttributionMethodSuite):
    component = NeutralFaceGradients


class TestLandmarkRelevance(AnalyzerSuite):
    component = LandmarkRelevance


class LandmarkRun:
    """The synthetic run of `mien.testing`, with landmark clips in the place of pixels.

    Fields given replace its own; ``labels`` and ``valid`` (frames with a face) are by participant.
    """

    def __init__(self, run, labels=None, valid=None, **fields) -> None:
        self._run, self._labels, self._valid = run, labels or {}, valid or {}
        vars(self).update(fields)

    def __getattr__(self, name):
        return getattr(self._run, name)

    def clips(self, keys=None):
        if keys is None:
            rows = self.relevance.drop_duplicates(["recording", "window"])
            keys = [ClipKey(r.recording, r.participant, r.window) for r in rows.itertuples()]
        inputs = torch.zeros((len(keys), 4, 478, 2))
        labels = [self._labels.get(key.participant, int(key.participant[1:]) % 2.0) for key in keys]
        valid = [self._valid.get(key.participant, [True] * 4) for key in keys]
        yield replace(
            clip_batch(len(keys)),
            inputs=inputs,
            keys=keys,
            layout="landmarks",
            labels=torch.tensor(labels),
            valid=torch.tensor(valid),
        )

    def maps(self, method, key):
        """The tip of the nose holds half of all relevance, and nothing else differs."""
        relevance = np.ones((4, 478))
        relevance[:, 1] = -477
        return relevance


class TestLandmarkRelevanceOfLandmarks(AnalyzerSuite):
    component = LandmarkRelevance

    def view(self, *, changes=None, **options):
        return LandmarkRun(super().view(**options), **(changes or {}))

    def test_the_planted_landmark_holds_half(self, made):
        table = made.analyze(self.view()).tables["landmark_relevance"]
        nose = table[table["landmark"] == 1]
        assert nose["share"].to_numpy() == pytest.approx(0.5)
        assert set(nose["class"]) == {"0", "1"}
        assert table.groupby("class")["share"].sum().to_numpy() == pytest.approx(1)

    def test_the_planted_landmark_is_ringed_first(self, made):
        (chart,) = made.analyze(self.view()).charts
        assert all(panel.kept[0] == 1 for panel in chart.panels)
        assert "over 2 participants; of each class the 10 landmarks" in chart.caption

    def test_the_region_of_most_relevance_is_not_the_one_of_most_landmarks(self, made):
        """The mouth has many landmarks of a little more relevance, an eyebrow has few of much more."""
        run = self.view()
        mouth, brow = (list(run.scheme.regions[name]) for name in ("mouth", "left_eyebrow"))
        assert 2 * len(mouth) > 3 * len(brow)  # by the sum the mouth would come first
        relevance = np.ones((4, 478))
        relevance[:, mouth], relevance[:, brow] = 2, 3
        run.maps = lambda method, key: relevance
        (note,) = made.analyze(run).notes
        even = relevance[0].mean()
        assert note.count(f"left eyebrow {3 / even:.1f}") == 2  # in both classes
        assert "mouth" not in note

    def test_a_scheme_without_regions_is_a_stated_gap(self, made):
        found = made.analyze(self.view(changes={"scheme": replace(self.view().scheme, regions={})}))
        assert len(found.tables["landmark_relevance"]) == 2 * 478
        assert list(found.notes) == ["Relevance is not told by region: the landmark scheme has no regions."]

    def test_frames_without_a_face_do_not_count(self, made):
        run = self.view(changes={"valid": {"p0": [True, False, False, True], "p1": [False] * 4}})

        def maps(method, key):
            relevance = np.ones((4, 478))
            relevance[:, 1] = 477
            if key.participant in ("p0", "p1"):
                relevance[1:3] = 0
                relevance[1:3, 2] = 1e6  # of frames that were filled from their neighbours
            return relevance

        run.maps = maps
        found = made.analyze(run)
        table = found.tables["landmark_relevance"]
        assert table[table["landmark"] == 1]["share"].to_numpy() == pytest.approx(0.5)
        assert table.groupby("class")["participants"].first().to_dict() == {"0": 2, "1": 1}
        assert "over 1 to 2 participants, by class; " in found.charts[0].caption
        assert any("Left out, of 4 explained clips: 1 without a frame with a face." in note for note in found.notes)

    def test_clips_out_of_distribution_do_not_count_unless_there_is_nothing_else(self, made):
        rows = self.view().relevance
        rows = rows.assign(split=rows["split"].astype(object).mask(rows["participant"] == "p1", "out_of_distribution"))
        found = made.analyze(self.view(changes={"relevance": rows}))
        table = found.tables["landmark_relevance"]
        assert table.groupby("class")["participants"].first().to_dict() == {"0": 2, "1": 1}
        assert any("of 4 explained clips: 1 out of distribution." in note for note in found.notes)
        alone = made.analyze(self.view(changes={"relevance": rows.assign(split="out_of_distribution")}))
        table = alone.tables["landmark_relevance"]
        assert table.groupby("class")["participants"].first().to_dict() == {"0": 2, "1": 2}

    def test_clips_without_a_label_or_relevance_are_counted(self, made):
        run = self.view(changes={"labels": {"p0": np.nan, "p3": np.nan}})
        run.maps = lambda method, key: np.ones((4, 478)) * (key.participant != "p1")
        found = made.analyze(run)
        told = "Left out, of 4 explained clips: 2 without a label, 1 without any relevance (gradient)."
        assert any(told in note for note in found.notes)
        assert set(found.tables["landmark_relevance"]["participants"]) == {1}
        nobody = made.analyze(self.view(changes={"labels": dict.fromkeys(("p0", "p1", "p2", "p3"), np.nan)}))
        assert not nobody.tables
        assert any("4 without a label" in note for note in nobody.notes)


def test_the_network_of_landmarks_is_left_as_it_was_by_its_method():
    network = LandmarkClassifiers(frames=4).build(2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = replace(clip_batch(2), inputs=torch.randn(2, 4, 478, 2), layout="landmarks")
    NeutralFaceGradients().attribute(ExplainedModel(network), batch, lambda output: output[:, 0])
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())

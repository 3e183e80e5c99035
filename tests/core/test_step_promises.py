"""What a data set, a detector, a cropper or a source of Action Units gives wrong is told with its distribution."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from mien import (
    ActionUnitTrace,
    Analysis,
    Analyzer,
    Crops,
    DatasetListing,
    FrameFaces,
    LabelScale,
    ModelError,
    PluginError,
    Recording,
)
from mien.clips.source import ClipSource
from mien.config.settings import PoolingSettings, TrainingSettings
from mien.evaluation.metrics import _rows
from mien.registry import load_registry
from mien.steps import pipeline, recordings
from mien.steps.action_units import check_trace
from mien.steps.analyze import _analysis
from mien.steps.crop import _check
from mien.steps.evaluate import _predicted
from mien.steps.prepare import PrepareParts, _require_opens
from mien.steps.track import Follower
from mien.steps.train import _extra_loss
from mien.training.checkpoint import explained_model
from mien.training.module import TrainingModule

REGISTRY = load_registry()


def component(kind, use, **fields):
    return REGISTRY.create(kind, use, fields).named("odd", "mien-odd==1.0")


def told(caught, kind):
    assert caught.value.where == f"{kind} 'odd' of mien-odd==1.0"
    assert "Tell the authors of mien-odd." in caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


def faces(count=1, points=4, **changes):
    good = FrameFaces(
        boxes=np.tile([1.0, 1.0, 9.0, 9.0], (count, 1)),
        confidence=np.ones(count),
        landmarks=np.ones((count, points, 2)),
        extras={},
    )
    return replace(good, **changes)


class TestDetector:
    def follow(self, *frames, points=None, size=None):
        follower = Follower(component("detector", "mediapipe"), points, size)
        return follower.follow(frames, np.arange(len(frames)) / 25)

    def test_frames_with_any_number_of_faces_are_taken(self):
        rows = self.follow(faces(2), faces(0), faces(1))
        assert rows["faces"].tolist() == [2, 0, 1]

    @pytest.mark.parametrize(
        ("frames", "words"),
        [
            (
                (faces(points=4), faces(points=5)),
                "landmarks of a frame has the shape (1, 5, 2). Here it must be (1,",
            ),
            ((faces(), faces(boxes=np.ones((2, 4)))), "boxes of a frame has the shape (2, 4)"),
            ((faces(), faces(boxes=np.ones((1, 5)))), "boxes of a frame has the shape (1, 5)"),
            ((faces(), faces(landmarks=np.full((1, 4, 2), np.nan))), "landmarks of a face found hold NaN"),
            ((faces(), faces(confidence=np.array([np.inf]))), "confidence of a face found hold NaN or infinite"),
            ((faces(extras={"more": np.ones((1, 3))}), faces()), "extra 'more' of a frame has the shape (0,)"),
            ((faces(confidence=np.ones((1, 1))),), "confidence of a frame has the shape (1, 1)"),
            ((None,), "gave NoneType for a frame"),
            ((faces(boxes=[[1, 2, 3, 4]]),), "boxes of a frame are list"),
            ((faces(landmarks=np.full((1, 4, 2), "1")),), "landmarks of a frame are of <U1"),
            ((faces(extras=[1]),), "extras of a frame are list"),
        ],
    )
    def test_other_shapes_and_nan_are_told(self, frames, words):
        with pytest.raises(PluginError) as caught:
            self.follow(*frames)
        assert words in told(caught, "detector")

    def test_points_of_another_scheme_are_told(self):
        with pytest.raises(PluginError) as caught:
            self.follow(faces(points=4), points=478)
        assert "landmarks of a frame has the shape (1, 4, 2). Here it must be (1, 478, 2)" in told(caught, "detector")

    @pytest.mark.parametrize("box", [(5, 5, 5, 5), (20, 5, 10, 9), (5, 9, 10, 5)])
    def test_an_empty_box_is_told(self, box):
        with pytest.raises(PluginError) as caught:
            self.follow(faces(boxes=np.array([box], float)))
        assert f"The box of a face, ({box[0]}, {box[1]}, " in told(caught, "detector")

    OUTSIDE = ((70, 5, 90, 20), (-9, 5, -1, 20), (5, 40, 9, 50), (5, -9, 9, -1))

    @pytest.mark.parametrize("odd", OUTSIDE)
    @pytest.mark.parametrize("what", ["box", "landmarks"])
    def test_a_face_that_the_frame_does_not_show_is_no_face(self, what, odd):
        inside, odd = np.array([[-5, -5, 10.0, 10]]), np.array([odd], float)
        boxes, corners = (odd, inside) if what == "box" else (inside, odd)
        gone = faces(boxes=boxes, landmarks=corners.reshape(1, 2, 2))
        here = faces(boxes=inside, landmarks=inside.reshape(1, 2, 2))
        follower = Follower(component("detector", "mediapipe"), size=(64, 32))
        rows = follower.follow((gone, here, gone), np.arange(3) / 25)
        assert rows["faces"].tolist() == [0, 1, 0]
        assert np.isnan(rows["landmarks"][[0, 2]]).all()
        assert follower.info(64, 32, 25).valid_frames == 1

    def test_a_detector_whose_faces_are_all_outside_is_told(self):
        follower = Follower(component("detector", "mediapipe"), size=(64, 32))
        follower.follow((faces(boxes=np.array([[70, 5, 90, 20.0]])), faces(0)), np.arange(2) / 25)
        with pytest.raises(PluginError) as caught:
            follower.info(64, 32, 25)
        assert "No face that it found, in 1 frame(s), is in the frame of 64 x 32 pixels" in told(caught, "detector")

    def test_a_face_that_the_frame_cuts_off_is_taken(self):
        cut = np.array([[-20, -20, 1.0, 1]])
        rows = self.follow(faces(boxes=cut, landmarks=cut.reshape(1, 2, 2)), faces(0, 2), size=(64, 32))
        assert rows["faces"].tolist() == [1, 0]

    def test_what_is_no_sequence_is_told(self):
        with pytest.raises(PluginError) as caught:
            Follower(component("detector", "mediapipe")).follow(iter([faces()]), np.arange(1.0))
        assert "returned list_iterator" in told(caught, "detector")

    def test_another_number_of_results_is_told(self):
        with pytest.raises(PluginError) as caught:
            Follower(component("detector", "mediapipe")).follow([faces()], np.arange(2.0))
        assert "returned 1 results for 2 frames" in told(caught, "detector")

    def test_one_that_does_not_open_is_told_before_any_recording(self):
        detector = component("detector", "mediapipe")

        class Broken(type(detector)):
            def open(self, device):
                raise OSError("no such device")

        with pytest.raises(PluginError) as caught:
            _require_opens(PrepareParts(Broken().named("odd", "mien-odd==1.0"), None, {}, "cpu"))
        assert "raised OSError: no such device, in 'open'" in told(caught, "detector")


class TestCropper:
    CROPPER = component("cropper", "face", height=8, width=10)

    def crops(self, **changes):
        good = Crops(np.zeros((3, 8, 10, 3), np.uint8), np.zeros((3, 1, 2, 3)), np.ones(3, bool))
        return replace(good, **changes)

    def test_good_ones_pass(self):
        with nullcontext():
            _check(self.CROPPER, self.crops(), 3)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (
                {"data": np.zeros((3, 10, 8, 3), np.uint8)},
                "data of 3 frames has the shape (3, 10, 8, 3), not (3, 8,",
            ),
            ({"transforms": np.zeros((3, 2, 2, 3))}, "transforms of 3 frames has the shape (3, 2, 2, 3), not (3, 1,"),
            ({"valid": np.ones(2, bool)}, "valid of 3 frames has the shape (2,), not (3,)"),
            ({"valid": np.full(3, 2)}, "valid of frames is of int64, not bool"),
            ({"data": np.zeros((3, 8, 10, 3))}, "data of frames is of float64, not uint8"),
            ({"transforms": np.zeros((3, 1, 2, 3), int)}, "transforms of frames is of int64, not float"),
            ({"transforms": np.full((3, 1, 2, 3), np.nan)}, "transforms of valid frames hold NaN"),
        ],
    )
    def test_other_shapes_are_told(self, changes, words):
        with pytest.raises(PluginError) as caught:
            _check(self.CROPPER, self.crops(**changes), 3)
        assert words in told(caught, "cropper")

    def test_another_type_is_told(self):
        with pytest.raises(PluginError) as caught:
            _check(self.CROPPER, np.zeros(3), 3)
        assert "returned ndarray, not Crops" in told(caught, "cropper")

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (np.zeros((3, 8, 10)), "regions of 3 frames are float64 (3, 8, 10)"),
            (np.zeros((3, 8, 9), np.uint16), "regions of 3 frames are uint16 (3, 8, 9)"),
            ([0], "regions of 3 frames are list"),
            (KeyError("mouth"), "raised KeyError: 'mouth', in 'regions'"),
        ],
    )
    def test_regions_that_are_no_bits_are_told(self, answer, words):
        class Broken(type(self.CROPPER)):
            def regions(self, *_):
                if isinstance(answer, Exception):
                    raise answer
                return answer

        cropper = Broken(height=8, width=10).named("odd", "mien-odd==1.0")
        source = ClipSource([], cropper, None, None, None, PoolingSettings())
        source.landmarks = source.transforms = lambda *_: np.zeros((3, 4, 2))
        with pytest.raises(PluginError) as caught:
            source.regions("film", [0, 1, 2])
        assert words in told(caught, "cropper")


class TestActionUnits:
    SOURCE = component("action_units", "mesh_geometry")

    def trace(self, **changes):
        good = ActionUnitTrace(("AU01", "AU12"), np.arange(3.0), np.full((3, 2), np.nan))
        return replace(good, **changes)

    def test_what_was_not_seen_is_nan(self):
        with nullcontext():
            check_trace(self.SOURCE, self.trace(intensity=np.array([[0, 5], [np.nan, 1], [2, 3]])), 3)

    @pytest.mark.parametrize(
        ("trace", "words"),
        [
            ({"times": np.arange(2.0)}, "gave 2 times for 3 frames"),
            ({"intensity": np.zeros((3, 1))}, "intensity has the shape (3, 1), not (3, 2)"),
            ({"presence": np.zeros(3)}, "presence has the shape (3,), not (3, 2)"),
            ({"intensity": np.full((3, 2), 7.0)}, "Intensities reach from 7 to 7"),
            ({"intensity": np.full((3, 2), -1.0)}, "0 to 5 or NaN"),
        ],
    )
    def test_what_is_no_trace_of_the_track_is_told(self, trace, words):
        with pytest.raises(PluginError) as caught:
            check_trace(self.SOURCE, self.trace(**trace), 3)
        assert words in told(caught, "action_units")

    def test_another_type_is_told(self):
        with pytest.raises(PluginError) as caught:
            check_trace(self.SOURCE, None, 3)
        assert "returned NoneType" in told(caught, "action_units")


class TestDataset:
    DATASET = component("dataset", "animated_face")

    @pytest.mark.parametrize(
        ("listing", "words"),
        [
            ([], "returned list"),
            (DatasetListing(recordings=["video.mp4"]), "listed str among its recordings"),
            (DatasetListing(recordings=[], exclusions=[3]), "listed int among its exclusions"),
            (DatasetListing([Recording("a", "b", "film.mp4")]), "whose video is 'film.mp4', str"),
            (DatasetListing([Recording("a", "b", Path("film.mp4"), label="3")]), "whose label is '3', str"),
            (DatasetListing([Recording(5, "b", Path("film.mp4"))]), "whose id is 5, int"),
            (DatasetListing([Recording("a", None, Path("film.mp4"))]), "whose participant is None, NoneType"),
        ],
    )
    def test_what_is_no_listing_is_told(self, listing, words):
        with pytest.raises(PluginError) as caught:
            recordings._check_listing(self.DATASET, listing)
        assert words in told(caught, "dataset")


class TestStages:
    @pytest.mark.parametrize(
        ("stages", "words"),
        [
            (["head"], "stages are list"),
            ({"other": torch.nn.Linear(2, 2)}, "stage 'other' is no module of the network"),
            ({"head": 3}, "stage 'head' is no module of the network"),
        ],
    )
    def test_what_is_no_part_of_the_network_is_told(self, stages, words):
        backbone = component("backbone", "compact_r3d")

        class Broken(type(backbone)):
            def stages(self, model):
                return stages

        with pytest.raises(PluginError) as caught:
            explained_model(Broken().named("odd", "mien-odd==1.0"), torch.nn.Linear(1, 1))
        assert words in told(caught, "backbone")


class TestObjective:
    def broken(self, **methods):
        objective = component("objective", "regression")
        return type("Broken", (type(objective),), methods)().named("odd", "mien-odd==1.0")

    @pytest.mark.parametrize(
        ("predictions", "words"),
        [(torch.zeros(()), "are of the shape ()"), (torch.zeros(3, 1), "are of the shape (3, 1)"), ([1.0], "are list")],
    )
    def test_predictions_that_are_not_one_a_clip_are_told(self, predictions, words):
        objective = self.broken(predict=lambda self, output, scale: predictions)
        with pytest.raises(PluginError) as caught:
            _predicted(SimpleNamespace(objective=objective, scale=LabelScale()), torch.zeros(3, 1))
        assert f"predictions for 3 clips {words}" in told(caught, "objective")

    @pytest.mark.parametrize(
        ("metrics", "words"), [([1], "are list"), ({"r": "high"}, "metric 'r' is 'high'"), ({3: 1.0}, "metric 3 is")]
    )
    def test_metrics_that_are_no_numbers_are_told(self, metrics, words):
        objective = self.broken(metrics=lambda self, predictions, labels: metrics)
        table = pd.DataFrame({"prediction": [1.0], "label": [2.0], "participant": ["anna"]})
        with pytest.raises(PluginError) as caught:
            _rows(table, objective, np.random.default_rng(0), 2)
        assert words in told(caught, "objective")


class TestAnalysis:
    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ({"notes": "one"}, "notes of its Analysis are str. Notes are a list of texts"),
            ({"notes": ["one", 3]}, "notes of its Analysis are list of int and str"),
            ({"charts": None}, "charts of its Analysis are NoneType"),
            ({"tables": [1]}, "tables of its Analysis are list of int"),
            ({"tables": {"one": [1]}}, "tables of its Analysis are dict of list"),
            ({"method_remarks": {"ig": "bad"}}, "method_remarks of its Analysis are dict of str"),
        ],
    )
    def test_an_analysis_of_other_types_is_told(self, parts, words):
        class Broken(Analyzer):
            def analyze(self, run):
                return Analysis(**parts)

        with pytest.raises(PluginError) as caught:
            _analysis(Broken().named("odd", "mien-odd==1.0"), None)
        assert words in told(caught, "analyzer")


class TestLosses:
    CLIPS = torch.zeros(2, 1), torch.zeros(2)

    def module(self, network, objective):
        return TrainingModule(network, objective, LabelScale(), TrainingSettings(epochs=1), 1)

    @pytest.mark.parametrize(("loss", "words"), [(torch.zeros(2), "loss is of the shape (2,)"), (0.5, "is float")])
    def test_an_objective_whose_loss_is_no_scalar_is_told(self, loss, words):
        objective = component("objective", "regression")

        class Broken(type(objective)):
            def loss(self, output, labels, scale):
                return loss

        with pytest.raises(PluginError) as caught:
            self.module(torch.nn.Identity(), Broken().named("odd", "mien-odd==1.0")).training_step(self.CLIPS, 0)
        assert words in told(caught, "objective")

    @pytest.mark.parametrize(("extra", "words"), [(torch.zeros(2), "loss is of the shape (2,)"), (0.5, "is float")])
    def test_a_backbone_whose_extra_loss_is_no_scalar_is_told(self, extra, words):
        backbone = component("backbone", "compact_r3d")

        class Broken(type(backbone)):
            def extra_loss(self, model):
                return extra

        with pytest.raises(PluginError) as caught:
            _extra_loss(Broken().named("odd", "mien-odd==1.0"), torch.nn.Identity())
        assert words in told(caught, "backbone")

    def test_a_network_that_gives_several_outputs_is_told(self):
        class Two(torch.nn.Module):
            def forward(self, clips):
                return clips, clips

        with pytest.raises(ModelError, match="gives tuple, not a tensor"):
            self.module(Two(), component("objective", "regression")).training_step(self.CLIPS, 0)


def test_a_backbone_that_builds_no_network_is_told():
    backbone = component("backbone", "compact_r3d")

    class Broken(type(backbone)):
        def build(self, outputs):
            return "network"

    config = SimpleNamespace(
        backbone=Broken().named("odd", "mien-odd==1.0"),
        windows=SimpleNamespace(frames=16),
        cropper=SimpleNamespace(height=64, width=64),
        training=SimpleNamespace(start_from=None, unfreeze_every=None),
        objective=SimpleNamespace(outputs=1),
    )
    with pytest.raises(PluginError) as caught:
        pipeline._check_network(config, SimpleNamespace(registry=REGISTRY))
    assert "built str" in told(caught, "backbone")

"""What a data set, a detector, a cropper or a source of Action Units gives wrong is told with its distribution."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mien import ActionUnitTrace, Crops, DatasetListing, FrameFaces, PluginError
from mien.registry import load_registry
from mien.steps import pipeline, recordings
from mien.steps.action_units import check_trace
from mien.steps.crop import _check
from mien.steps.prepare import PrepareParts, _require_opens
from mien.steps.track import Follower

REGISTRY = load_registry()


def component(kind, use, **fields):
    return REGISTRY.create(kind, use, fields).named("odd", "mien-odd==1.0")


def told(caught, kind):
    assert caught.value.where == f"{kind} 'odd' of mien-odd==1.0"
    assert "Tell the authors of mien-odd." in caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


def faces(count=1, points=4, **changes):
    good = FrameFaces(
        boxes=np.ones((count, 4)), confidence=np.ones(count), landmarks=np.ones((count, points, 2)), extras={}
    )
    return replace(good, **changes)


class TestDetector:
    def follow(self, *frames):
        follower = Follower(component("detector", "mediapipe"))
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
        ],
    )
    def test_other_shapes_and_nan_are_told(self, frames, words):
        with pytest.raises(PluginError) as caught:
            self.follow(*frames)
        assert words in told(caught, "detector")

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
        ],
    )
    def test_what_is_no_listing_is_told(self, listing, words):
        with pytest.raises(PluginError) as caught:
            recordings._check_listing(self.DATASET, listing)
        assert words in told(caught, "dataset")


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

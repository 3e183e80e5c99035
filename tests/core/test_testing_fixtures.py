"""The small things that plugin authors get are what they say."""

import hashlib
import os
import random
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from mien.interfaces import ExplainedModel
from mien.registry import load_registry
from mien.testing import (
    BrokenPromise,
    clip_batch,
    face_video,
    guarantees,
    planted_clips,
    relevance_with_sums,
    trained_network,
    video_without_face,
)
from mien.testing import clips as made_clips
from mien.testing.attribution import first_output
from mien.testing.surroundings import left_as_found
from mien.video.reader import probe, read_frames


def test_the_trained_network_tells_the_label_of_clips_it_has_not_seen():
    batch = planted_clips(100, seed=99)
    with torch.no_grad():
        told = trained_network()(batch.inputs)[:, 0]
    assert np.corrcoef(told, batch.labels)[0, 1] > 0.999
    assert float((told - batch.labels).abs().max()) < 0.2


def test_its_reason_is_the_left_half():
    """Counterfactually, and by gradient x input."""
    network, batch = trained_network(), planted_clips(20, seed=98)
    with torch.no_grad():
        before = network(batch.inputs)
        changes = []
        for half in (slice(None, 6), slice(6, None)):
            other = batch.inputs.clone()
            other[..., half] = other[torch.arange(20).roll(1)][..., half]
            changes.append(float((network(other) - before).abs().mean()))
    assert changes[0] > 20 * changes[1]
    method = load_registry().create("attribution", "input_x_gradient")
    relevance = method.attribute(ExplainedModel(network), batch, first_output).relevance.abs()
    assert float(relevance[..., :6].sum() / relevance.sum()) > 0.75


def test_the_trained_network_is_the_same_again_and_leaves_the_seed_alone():
    state = torch.get_rng_state()
    one, other = trained_network().state_dict(), trained_network().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], value) for name, value in trained_network(1).state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert [name for name, _ in trained_network().named_children()] == ["body", "head"]


def test_relevance_sums_to_what_was_asked():
    batch = clip_batch(3)
    relevance = relevance_with_sums(batch, {"mouth": 3.0, "elsewhere_face": -1.5})
    assert relevance.shape == batch.inputs.shape
    torch.testing.assert_close(relevance[..., :6].sum((1, 2, 3, 4)), torch.full((3,), 3.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(relevance[..., 6:].sum((1, 2, 3, 4)), torch.full((3,), -1.5), atol=1e-4, rtol=0)
    assert float(relevance.min()) < 0 < float(relevance.max())
    assert not torch.equal(relevance[0], relevance[1])


@pytest.mark.parametrize(
    ("sums", "told"),
    [
        ({"chin": 1.0}, "no region 'chin'"),
        ({"nose": 1.0}, "no element in 'nose'"),
        ({"mouth": 1.0, "face": 1.0}, "overlap"),
    ],
)
def test_sums_that_cannot_be_are_refused(sums, told):
    with pytest.raises(ValueError, match=told):
        relevance_with_sums(clip_batch(1), sums)


def test_the_videos_last_three_seconds_and_are_the_same_again(tmp_path):
    for write in (face_video, video_without_face):
        path = write(tmp_path, size=64)
        info = probe(path)
        assert (info.frames, info.rate, info.width, info.height) == (75, 25.0, 64, 64)
        assert info.duration == pytest.approx(3.0)
        first = hashlib.sha256(path.read_bytes()).hexdigest()
        assert hashlib.sha256(write(tmp_path, size=64).read_bytes()).hexdigest() == first


def test_the_faces_name_says_whose_it_is(tmp_path, monkeypatch):
    pytest.importorskip("skimage")
    assert face_video(tmp_path, seconds=0.1, size=64).name == "face_portrait.mp4"
    monkeypatch.setattr(made_clips, "find_spec", lambda name: None)
    assert face_video(tmp_path, seconds=0.1, size=64).name == "face_drawn.mp4"


def test_a_detector_finds_the_face_and_none_where_none_is(tmp_path, mediapipe_usable):
    detector = load_registry().create("detector", "mediapipe")
    with detector.open("cpu") as session:
        for path, expected in ((face_video(tmp_path, seconds=0.2), 1), (video_without_face(tmp_path, seconds=0.2), 0)):
            session.reset()
            frames = np.concatenate([batch for batch, _ in read_frames(path)])
            assert [face.count for face in session.detect(frames, np.arange(len(frames)) / 25)] == [expected] * 5


def test_the_pages_examples_run(monkeypatch, tmp_path):
    """With mien's input x gradient in place of the author's own method."""
    text = (Path(__file__).parents[2] / "docs" / "howto" / "test-a-plugin.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python[^\n]*\n(.*?)```", text, flags=re.S)
    method = load_registry().load("attribution", "input_x_gradient")
    own = ModuleType("mien_my_method.method")
    own.MyMethod = method
    monkeypatch.setitem(sys.modules, "mien_my_method", ModuleType("mien_my_method"))
    monkeypatch.setitem(sys.modules, "mien_my_method.method", own)
    known: dict = {"AttributionMethod": method, "ClassVar": ClassVar, "__name__": "page"}
    for block in blocks:
        exec(block, known)
    known["test_it_finds_the_half_that_matters"]()
    assert known["TestMyMethod"].component is method
    assert known["testing_fields"].__func__(None, tmp_path)["scores"].is_file()
    stated = {guarantee.name: guarantee.checks for guarantee in guarantees(known["SparseSuite"])}
    assert stated["sparse"] == ("test_it_is_sparse",)
    with pytest.raises(BrokenPromise, match="At most a tenth"):
        known["SparseSuite"]().test_it_is_sparse(lambda: SimpleNamespace(relevance=torch.ones(5)))


def change_all():
    """Change all that `left_as_found` watches."""
    os.environ["SET_IN_THE_BLOCK"] = "1"
    random.random()
    np.random.random()  # noqa: NPY002  that is what is watched
    torch.rand(1)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.nn.modules.module.register_module_forward_hook(lambda *_: None)


def test_what_is_changed_of_the_process_is_told_and_put_back():
    with left_as_found("putting back"), pytest.raises(AssertionError) as told, left_as_found("the block"):
        change_all()
    for what in ("environment", "Python's", "numpy's", "torch's global random", "gradient", "default type",
                 "deterministic", "threads", "hooks"):  # fmt: skip
        assert what in str(told.value)

"""The benchmark on a network and videos of the user's own, from the command line to the page."""

import json

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from mien.benchmark.own import QUICK, _scores, _undefined, benchmark_own
from mien.cli.app import app
from mien.config.run_config import RunConfig
from mien.errors import ConfigError, ModelError
from mien.interfaces import LabelScale
from mien.progress import QuietProgress
from mien.registry import load_registry
from mien.store.store import Store
from mien.training.checkpoint import save_checkpoint

pytestmark = pytest.mark.usefixtures("mediapipe_usable")

REGISTRY = load_registry()
PARTS = {
    "detector": "mediapipe",
    "cropper": {"use": "face", "height": 24, "width": 24},
    "windows": {"frames": 4, "dilation": 2, "overlap": 0.5},
    "backbone": {"use": "compact_r3d", "widths": [4, 8], "frames": 4, "size": 24},
    "objective": {"use": "regression", "name": "score"},
    "explain": {"methods": {"ixg": "input_x_gradient"}},
}
FACES = {"participants": 3, "test_participants": 1, "recordings_per_participant": 1, "frames": 16, "size": 96}
METHODS = ["saliency", "input_x_gradient", "grad_cam"]
MEASURES = {
    "deletion_blur", "deletion_neutral", "insertion_blur", "insertion_neutral", "randomisation", "stability_noise",
    "stability_shift", "gap", "seconds", "memory_mb",
}  # fmt: skip


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    listing = REGISTRY.create("dataset", "animated_face", FACES).recordings(folder, QuietProgress())
    rows = [f"{one.id},{one.participant},{one.video},{one.label}" for one in listing.recordings]
    (folder / "study.csv").write_text("recording,participant,video,score\n" + "\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, videos):
    dataset = {"use": "manifest", "file": str(videos / "study.csv")}
    config = RunConfig.model_validate(PARTS | {"dataset": dataset}, context={"registry": REGISTRY})
    torch.manual_seed(0)
    module = config.backbone.architecture(1)
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"), config, module, LabelScale(mean=0.5, std=0.2))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def result(checkpoint, videos, store):
    options = {"store": store, "registry": REGISTRY, "quick": True, "device": "cpu", "methods": METHODS}
    return benchmark_own(checkpoint, videos / "study.csv", **options)


def test_every_method_has_every_test_that_needs_no_planted_truth(result):
    scores = result.scores
    assert set(scores["task"]) == {""}
    assert set(scores["method"]) == set(METHODS)
    assert set(scores["measure"]) == MEASURES
    assert scores["participant"].nunique() == FACES["participants"]
    assert len(scores) == len(METHODS) * len(MEASURES) * FACES["participants"]
    defined = scores[scores["measure"] != "gap"]
    assert defined["value"].notna().all()
    assert not result.planted


def test_the_cost_is_measured_and_the_gap_is_not_applicable_to_methods_without_a_sum(result):
    by = result.scores.set_index(["method", "measure"])["value"]
    assert (result.scores.loc[result.scores["measure"].isin(["seconds", "memory_mb"]), "value"] > 0).all()
    assert by.sort_index().loc[("saliency", "gap")].isna().all()


def test_the_figures_are_those_of_the_tests_themselves(result, checkpoint, videos, store):
    """Against the tests called by hand on one participant's clips."""
    from mien.benchmark.own_videos import own_videos
    from mien.faithfulness import deletion_insertion, own_seed, stability
    from mien.steps.pipeline import make_context
    from mien.steps.prepare_clips import prepare_clips
    from mien.training.checkpoint import load_checkpoint

    context = make_context(store, REGISTRY, 1, "cpu", None, None, None)
    loaded = load_checkpoint(checkpoint, REGISTRY)
    config, recordings, _ = own_videos(videos / "study.csv", checkpoint, context)
    _, source = prepare_clips(recordings, config, loaded.backbone, context)
    person = recordings[0].participant
    batch = source.batch(source.select(QUICK.windows, [recordings[0].id]))
    model, target = loaded.explained_model(), config.objective.target
    method = REGISTRY.create("attribution", "input_x_gradient")
    relevance = method.attribute(model, batch, target).relevance
    seed = own_seed(0, person)
    curves = deletion_insertion(
        model, batch, relevance, target, fill="median", steps=QUICK.steps, orders=QUICK.orders, seed=seed
    )
    steady = stability(model, method, batch, target, draws=QUICK.draws, seed=seed)
    own = result.scores[(result.scores["participant"] == person) & (result.scores["method"] == "input_x_gradient")]
    found = own.set_index("measure")["value"]
    assert found["insertion_neutral"] == pytest.approx(curves.insertion.mean(), rel=1e-6)
    assert found["stability_shift"] == pytest.approx(steady.shift.mean(), rel=1e-6)


def of_clips(**columns):
    return pd.DataFrame({"method": "m", "participant": "a", "output": 0.5, "baseline_output": 0.5} | columns)


def test_clips_in_which_a_measure_is_undefined_are_counted_out_and_told():
    clips = of_clips(deletion_blur=[0.9, *[float("nan")] * 3], randomisation=[0.1, 0.2, 0.3, 0.4], absolute_gap=1e-8)
    rows = _scores(clips, 0).set_index("measure")
    assert rows.loc["deletion_blur", ["value", "n"]].tolist() == [0.9, 1]
    assert rows.loc["randomisation", ["value", "n"]].tolist() == [0.25, 4]
    assert rows.loc["gap", "n"] == 0  # a share of no change at all
    assert pd.isna(rows.loc["gap", "value"])
    (said,) = _undefined(clips)
    assert said.startswith("m: deletion or insertion is undefined in 3 of 4 clips")


def test_a_network_that_always_says_the_same_is_told_once():
    both = [of_clips(deletion_blur=[float("nan")] * 2, insertion_blur=float("nan")).assign(method=m) for m in "mn"]
    (said,) = _undefined(pd.concat(both))
    assert "It may give the same output for every clip" in said


def test_asked_again_it_is_taken_from_the_store(result, checkpoint, videos, store):
    options = {"store": store, "registry": REGISTRY, "quick": True, "device": "cpu", "methods": METHODS, "workers": 2}
    again = benchmark_own(checkpoint, videos / "study.csv", **options)
    pd.testing.assert_frame_equal(again.scores, result.scores)


def test_a_method_that_the_network_lacks_is_named_with_the_reason(checkpoint, videos, store, monkeypatch):
    from mien_plugins.attribution.gradient import Saliency

    def check(self, model):
        raise ModelError("It has no gradient.")

    monkeypatch.setattr(Saliency, "check", check)
    options = {"store": store, "registry": REGISTRY, "quick": True, "device": "cpu"}
    found = benchmark_own(checkpoint, videos / "study.csv", methods=["saliency", "grad_cam"], **options)
    assert found.about["refused"] == {"saliency": "It has no gradient."}
    assert set(found.scores["method"]) == {"grad_cam"}
    with pytest.raises(ModelError, match="No attribution method can explain the network"):
        benchmark_own(checkpoint, videos / "study.csv", methods=["saliency"], **options)


def test_a_method_that_fails_on_its_clips_is_noted_and_the_others_go_on(checkpoint, videos, store, monkeypatch):
    from mien_plugins.attribution.gradient import Saliency

    def attribute(self, model, batch, target):
        raise ModelError("The output is not finite.")

    monkeypatch.setattr(Saliency, "attribute", attribute)
    options = {"store": Store(store.root.parent / "other"), "registry": REGISTRY, "quick": True, "device": "cpu"}
    found = benchmark_own(checkpoint, videos / "study.csv", methods=["saliency", "grad_cam"], **options)
    assert set(found.scores["method"]) == {"grad_cam"}
    said = [note for note in found.about["notes"] if "saliency" in note]
    assert len(said) == 1
    assert "3 recordings" in said[0]
    assert "The output is not finite." in said[0]


def test_a_method_that_changes_the_network_costs_only_itself(result, checkpoint, videos, store, monkeypatch):
    from mien_plugins.attribution.gradient import Saliency

    explain = Saliency.attribute

    def attribute(self, model, batch, target):
        found = explain(self, model, batch, target)
        for parameter in model.module.parameters():
            parameter.data.mul_(2)
        return found

    monkeypatch.setattr(Saliency, "attribute", attribute)
    options = {"store": Store(store.root.parent / "changed"), "registry": REGISTRY, "quick": True, "device": "cpu"}
    found = benchmark_own(checkpoint, videos / "study.csv", methods=["saliency", "grad_cam"], **options)
    (said,) = [note for note in found.about["notes"] if "saliency" in note]
    assert "It changed the network: weights" in said
    own, alone = (
        one.query("method == 'grad_cam' and measure not in ('seconds', 'memory_mb')")
        .set_index(["participant", "measure"])["value"]
        .sort_index()
        for one in (found.scores, result.scores)
    )
    pd.testing.assert_series_equal(own, alone)


def test_the_command_writes_the_page_for_a_folder_of_videos(checkpoint, videos, store, tmp_path):
    """No label is needed."""
    arguments = ["--checkpoint", str(checkpoint), "--data", str(videos), "--methods", "saliency,grad_cam"]
    found = CliRunner().invoke(
        app,
        ["benchmark", "explanations", "--quick", "--device", "cpu", "--store", str(store.root), "-o", str(tmp_path),
         *arguments],
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "saliency" in found.stdout
    assert str(tmp_path / "leaderboard.html") in found.stdout.replace("\n", "")
    board = json.loads((tmp_path / "leaderboard.json").read_text())
    assert {row["method"] for row in board["leaderboard"]} == {"saliency", "grad_cam"}
    assert board["gates"] == []
    page = (tmp_path / "leaderboard.html").read_text()
    assert "no planted truth here" in page
    assert str(videos) not in page  # folders may hold the names of people


def test_what_is_not_there_is_told_with_a_hint(checkpoint, videos, store, tmp_path):
    options = {"store": store, "registry": REGISTRY, "device": "cpu"}
    with pytest.raises(ConfigError, match="does not exist"):
        benchmark_own(checkpoint, tmp_path / "nothing", **options)
    with pytest.raises(ConfigError, match="holds no video"):
        benchmark_own(checkpoint, tmp_path, **options)

"""The analyzer `manifold` on a synthetic run, and on runs whose features have a known shape.

1. It keeps the promises of every analyzer.
2. A planted one-dimensional manifold is found, its rating with it; permuted ratings give nothing.
3. Another backbone, VGG16 on single frames among them, is used in the place of the run's network, which stays as it is.
4. What cannot be done is told before the run, or as a gap.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import spearmanr

import mien
from mien import ClipKey, ConfigError, ModelError
from mien.testing import AnalyzerSuite
from mien_manifold import charts, embedding, features
from mien_manifold.analyzer import Manifold

QUICK = {"resamples": 100, "permutations": 199}


class TestManifold(AnalyzerSuite):
    component = Manifold
    fields: ClassVar = {
        **QUICK,
        "methods": {
            "pca": "pca",
            "near": {"use": "isomap", "neighbours": 3},
            "tsne": {"use": "tsne", "perplexity": 3, "iterations": 250},
        },
        "colour_by": ["score", "band", "participant", "group"],
    }

    def view(self, **options: Any) -> Any:
        """Return a run of eight participants where nothing else is asked for."""
        return super().view(**{"participants": 8, **options})


def test_its_defaults_travel_through_json():
    assert Manifold.model_validate_json(Manifold().model_dump_json()) == Manifold()


def synthetic(participants: int = 8) -> Any:
    return TestManifold().view(participants=participants)


class Curved:
    """A run whose features lie on a curve in 20 dimensions, along a participant's intensity of an Action Unit."""

    PEOPLE, WINDOWS = 24, 6

    def __init__(self) -> None:
        self._run = synthetic(self.PEOPLE)
        rng = np.random.default_rng(0)
        self.intensity = np.repeat(rng.permutation(np.linspace(0, 1, self.PEOPLE)), self.WINDOWS)
        self.intensity = np.clip(self.intensity + rng.normal(0, 0.02, len(self.intensity)), 0, 1)
        turn = np.pi * (1 + 2 * self.intensity)
        roll = np.column_stack([turn * np.cos(turn), turn * np.sin(turn)])
        self._features = roll @ np.linalg.qr(rng.normal(size=(20, 20)))[0][:2] + rng.normal(0, 0.05, (len(roll), 20))
        rows = self._run.predictions
        self.predictions = rows.loc[rows.index.repeat(self.WINDOWS)].reset_index(drop=True)
        self.predictions["window"] = np.tile(np.arange(self.WINDOWS), self.PEOPLE)
        self.means = self.intensity.reshape(self.PEOPLE, self.WINDOWS).mean(1)
        self.covariates = self._run.covariates.assign(au12=self.means)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def features(self, stage: str, keys: list[ClipKey]) -> Iterator[tuple[Any, torch.Tensor]]:
        places = {(row.recording, row.window): i for i, row in enumerate(self.predictions.itertuples())}
        for start in range(0, len(keys), 7):
            part = [places[key.recording, key.window] for key in keys[start : start + 7]]
            yield None, torch.from_numpy(self._features[part])


@pytest.fixture(scope="module")
def curved() -> Curved:
    return Curved()


def test_a_planted_manifold_is_found_with_its_rating(curved):
    methods = {"pca": "pca", "isomap": {"use": "isomap", "neighbours": 8}}
    found = Manifold(**QUICK, methods=methods, correlate=["au12", "age"]).analyze(curved)
    points = found.tables["manifold_points"]
    axis = points[(points["method"] == "isomap") & (points["axis"] == 1)]
    order = curved.predictions.sort_values(["participant", "recording", "window"]).index
    assert abs(spearmanr(axis["value"], curved.intensity[order])[0]) > 0.95
    axes = found.tables["manifold_axes"].set_index(["method", "axis", "rating"])
    isomap = axes.loc[("isomap", 1, "au12")]
    assert abs(isomap["effect"]) > 0.9
    assert isomap["q"] < 0.05
    assert isomap["participants"] == curved.PEOPLE
    assert abs(axes.loc[("pca", 1, "au12"), "effect"]) < abs(isomap["effect"])
    ratings = found.tables["manifold_ratings"].set_index(["method", "rating"])
    assert ratings.loc[("isomap", "au12"), "r2"] > 0.8
    assert ratings.loc[("pca", "au12"), "r2"] < 0.6
    quality = found.tables["manifold_quality"].set_index(["method", "measure", "neighbours"])["value"]
    assert quality["isomap", "trustworthiness", 10] > 0.95
    assert any("Spearman's r" in note and "au12" in note for note in found.notes)
    assert {chart.name for chart in found.charts} == {
        "manifold_pca_score", "manifold_isomap_score", "manifold_trustworthiness", "manifold_continuity",
        "manifold_axes", "manifold_ratings", "manifold_pca_participant", "manifold_isomap_participant",
    }  # fmt: skip


def test_permuted_ratings_give_no_findings(curved):
    rng = np.random.default_rng(3)
    columns = {f"shuffled{i}": rng.permutation(curved.means) for i in range(4)}
    view = Curved()
    view.covariates = view.covariates.assign(**columns)
    methods = {"pca": "pca", "isomap": {"use": "isomap", "neighbours": 8}}
    found = Manifold(**QUICK, methods=methods, correlate=[*columns]).analyze(view)
    assert (found.tables["manifold_axes"]["q"] > 0.05).all()
    assert (found.tables["manifold_ratings"]["q"] > 0.05).all()
    assert any("None of 16 correlations" in note for note in found.notes)


def test_the_seed_decides_and_windows_are_limited(curved):
    method = Manifold(**QUICK, windows=48, seed=5, methods={"t": {"use": "tsne", "perplexity": 5, "iterations": 250}})
    first, again = method.analyze(curved), method.analyze(curved)
    points = first.tables["manifold_points"]
    pd.testing.assert_frame_equal(points, again.tables["manifold_points"])
    assert len(points) == 2 * 48
    assert points.groupby("participant").size().eq(4).all()
    assert first.tables["manifold"]["windows"].tolist() == [48]


def test_what_the_limit_leaves_out_is_told(curved):
    def notes(**fields: Any) -> str:
        return " ".join(Manifold(**QUICK, methods={"pca": "pca"}, **fields).analyze(curved).notes)

    some = notes(windows=48)
    assert "Embedded: 48 of 144 windows of 24 participants" in some
    assert "The limit ('windows': 48) leaves out 96 of 144 windows." in some
    few = notes(windows=10)
    assert "Embedded: 10 of 144 windows of 10 of 24 participants" in few
    assert "The limit ('windows': 10) leaves out 134 of 144 windows, and 14 of 24 participants altogether." in few
    everything = notes(windows=144)
    assert "Embedded: 144 windows of 24 participants" in everything
    assert "leaves out" not in everything


def test_folds_are_not_put_into_one_picture():
    view = Curved()
    halves = (pd.factorize(view.predictions["participant"])[0] % 2).astype(int)
    view.predictions = view.predictions.assign(fold=halves)
    for fold, said in ((1, "those of fold 1 are embedded"), (7, "There is no fold 7: folds are 0 to 1")):
        found = Manifold(**QUICK, fold=fold, methods={"pca": "pca"}).analyze(view)
        assert any(said in note for note in found.notes)
    found = Manifold(**QUICK, fold=1, methods={"pca": "pca"}).analyze(view)
    own = set(view.predictions.loc[halves == 1, "participant"])
    assert set(found.tables["manifold_points"]["participant"]) == own


def modes_and_hooks(module: torch.nn.Module) -> dict[str, Any]:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        name: (child.training, [list(getattr(child, kind).values()) for kind in kinds])
        for name, child in module.named_modules()
    }


def test_the_run_s_network_is_left_as_it_was():
    view = synthetic()
    module = view.model.module.train()
    module.body[1].register_forward_hook(lambda *_: None)
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    about = modes_and_hooks(module)
    found = Manifold(**QUICK, methods={"pca": "pca"}, stage="body").analyze(view)
    assert modes_and_hooks(module) == about
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())
    assert all(value.requires_grad and value.grad is None for value in module.parameters())
    assert found.tables["manifold"].loc[0, ["network", "stage", "features"]].tolist() == ["run", "body", 6]


def test_the_default_stage_is_the_last_before_the_head_and_a_wrong_one_is_told():
    assert Manifold(**QUICK, methods={"pca": "pca"}).analyze(synthetic()).tables["manifold"].loc[0, "stage"] == "body"
    with pytest.raises(ModelError, match="no stage 'bdy'") as caught:
        Manifold(**QUICK, stage="bdy").analyze(synthetic())
    assert "Did you mean 'body'?" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"stage": "bdy"}, "the tiny network has no stage 'bdy'. Did you mean 'body'?"),
        (
            {"stage": "clasifier", "backbone": {"use": "frame_cnn", "network": "vgg16"}},
            "the backbone 'frame_cnn' has no stage 'clasifier'. Did you mean 'classifier'?",
        ),
    ],
)
def test_a_stage_that_there_is_not_is_told_before_the_run(fields, said):
    with pytest.raises(ModelError) as caught:
        Manifold(**fields).check(synthetic().model)
    assert str(caught.value) == f"stage: {said}"


def test_a_stage_that_there_is_is_taken():
    for fields in ({}, {"stage": "head"}, {"backbone": {"use": "compact_r3d", "widths": [4]}, "stage": "stage1"}):
        Manifold(**fields).check(synthetic().model)
    unnamed = mien.ExplainedModel(synthetic().model.module, name="the network")
    with pytest.raises(ModelError, match="the network names no stages"):
        Manifold().check(unnamed)


def test_vgg16_on_frames_is_used_in_its_place():
    vgg = {"use": "frame_cnn", "network": "vgg16", "weights": "none"}
    method = Manifold(**QUICK, backbone=vgg, stage="classifier", size=32, methods={"pca": "pca"}, windows=4)
    assert list(method.lacking()) == []
    assert list(method.needed_weights()) == []
    found = method.analyze(synthetic(4))
    assert found.tables["manifold"].loc[0, ["network", "features"]].tolist() == ["frame_cnn", 4096]
    assert any("backbone 'frame_cnn', not trained here" in note for note in found.notes)
    (weights,) = Manifold(backbone={"use": "frame_cnn", "network": "vgg16"}).needed_weights()
    assert weights.name == "vgg16-397923af.pth"


def test_vgg16_features_are_the_mean_over_frames_of_torchvisions():
    made = features.made_backbone({"use": "frame_cnn", "network": "vgg16", "weights": "none"})
    torch.manual_seed(0)
    module = made.build(1).eval()
    model = mien.ExplainedModel(module, made.stages(module))
    mien.prepare_torchvision()
    from torchvision.models import vgg16

    torch.manual_seed(0)
    plain = vgg16(weights=None, num_classes=1).eval()
    clips = torch.randn(1, 3, 2, 32, 32)
    found = features.pooled(mien.stage_features(model, clips, "classifier"), "mean", tokens=False)
    frames = clips[0].transpose(0, 1)
    with torch.no_grad():
        flat = plain.avgpool(plain.features(frames)).flatten(1)
        expected = plain.classifier[:-1](flat).mean(0, keepdim=True)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_clips_that_are_too_small_for_it_are_told():
    method = Manifold(**QUICK, backbone={"use": "frame_cnn", "network": "vgg16", "weights": "none"})
    with pytest.raises(ModelError, match="at least 32 x 32"):
        method.analyze(synthetic())


@pytest.mark.parametrize(
    ("backbone", "said"),
    [
        ({"use": "frame_cn"}, "frame_cn"),
        ({"use": "frame_cnn", "netwrk": "vgg16"}, "netwrk"),
        ({"network": "vgg16"}, "needs 'use'"),
    ],
)
def test_a_backbone_that_cannot_be_made_is_told_before_the_run(backbone, said):
    (found,) = Manifold(backbone=backbone).lacking()
    assert said in found.reason
    with pytest.raises(mien.PluginError):
        Manifold(backbone=backbone).require_available()


def test_umap_without_its_library_is_told_before_the_run_and_is_a_gap_in_it(monkeypatch):
    methods = {"pca": "pca", "umap": {"use": "umap", "neighbours": 5}}
    monkeypatch.setattr("mien_manifold.analyzer.umap_installed", lambda: False)
    monkeypatch.setattr(embedding, "umap_installed", lambda: False)
    (found,) = Manifold(methods=methods).lacking()
    assert (found.field, found.value) == ("methods", "umap")
    assert "pip install 'mien-manifold[umap]'" in found.hint
    analysis = Manifold(**QUICK, methods=methods).analyze(synthetic())
    assert analysis.tables["manifold"]["method"].tolist() == ["pca"]
    assert any("UMAP ('umap') is not made" in note and "pip install" in note for note in analysis.notes)
    assert list(Manifold().lacking()) == []


def test_a_method_that_there_is_not_is_told_with_the_nearest():
    with pytest.raises(ValidationError, match=r"there is no method 'isomp'. Did you mean 'isomap'\?"):
        Manifold(methods={"mine": "isomp"})
    with pytest.raises(ValidationError, match="'use' is missing"):
        Manifold(methods={"mine": {"neighbours": 3}})
    with pytest.raises(ValidationError, match="neighbors"):
        Manifold(methods={"mine": {"use": "isomap", "neighbors": 3}})


def test_a_rating_that_there_is_not_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'age'"):
        Manifold(**QUICK, correlate=["agge"]).analyze(synthetic())


def test_what_cannot_be_embedded_is_a_gap(monkeypatch):
    few = Manifold(**QUICK).analyze(synthetic(2))
    assert not few.tables
    assert "there are 2 windows" in few.notes[0]
    some = Manifold(**QUICK).analyze(synthetic(5))
    assert some.tables["manifold"]["method"].tolist() == ["pca"]
    assert any("Isomap ('isomap') is not made: it needs 9 windows" in note for note in some.notes)
    assert any("neighbourhoods of 2 at most, not 10" in note for note in some.notes)
    flat = Curved()
    flat._features[:] = 1.0
    assert "the same for all windows" in " ".join(Manifold(**QUICK).analyze(flat).notes)
    flat._features[3] = np.nan
    with pytest.raises(ModelError, match="not finite"):
        Manifold(**QUICK).analyze(flat)


def test_ratings_of_too_few_people_are_not_predicted_and_the_report_says_so():
    found = Manifold(**QUICK, methods={"pca": "pca"}, colour_by=("score",)).analyze(synthetic(4))
    assert found.tables["manifold_ratings"]["r2"].isna().all()
    assert any("that takes 5 participants or more" in note for note in found.notes)
    assert not any(chart.name == "manifold_ratings" for chart in found.charts)


def test_too_many_groups_are_not_coloured(curved, monkeypatch):
    method = Manifold(**QUICK, methods={"pca": "pca"}, colour_by=["participant"])
    assert "manifold_pca_participant" in {chart.name for chart in method.analyze(curved).charts}
    monkeypatch.setattr(charts, "MOST_GROUPS", 23)
    found = method.analyze(curved)
    assert "manifold_pca_participant" not in {chart.name for chart in found.charts}
    assert any("do not tell 24 groups apart (at most 23)" in note for note in found.notes)


def test_pooling():
    output = torch.arange(2 * 3 * 4 * 5 * 6, dtype=torch.float32).reshape(2, 3, 4, 5, 6)
    torch.testing.assert_close(features.pooled(output, "mean", False), output.mean((2, 3, 4)))
    torch.testing.assert_close(features.pooled(output, "time", False), output.mean(2).reshape(2, 90))
    assert features.pooled(output, "none", False).shape == (2, 360)
    flat = output[:, :, 0, 0, 0]
    assert torch.equal(features.pooled(flat, "mean", False), flat)
    tokens = output[:, :, :, 0, 0]
    torch.testing.assert_close(features.pooled(tokens, "mean", True), tokens.mean(1))
    with pytest.raises(ConfigError, match="no axis of time"):
        features.pooled(tokens, "time", True)


def test_resizing_treats_every_frame_alike():
    clips = torch.rand(2, 3, 4, 10, 12)
    found = features.resized(clips, 32)
    assert found.shape == (2, 3, 4, 32, 32)
    single = features.resized(clips[1:, :, 2:3], 32)
    torch.testing.assert_close(found[1, :, 2], single[0, :, 0])
    constant = features.resized(torch.full((1, 3, 2, 8, 8), 0.3), 20)
    torch.testing.assert_close(constant, torch.full_like(constant, 0.3))


def test_checking_a_configuration_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from mien_manifold.analyzer import Manifold\n"
        "made = Manifold(methods={'u': 'umap'}, backbone={'use': 'frame_cnn', 'network': 'vgg16'})\n"
        "made.lacking(), made.needed_weights(), made.weight_files()\n"
        "print(*{'torch', 'sklearn', 'pandas', 'umap', 'scipy'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

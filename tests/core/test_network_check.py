"""What a configuration names of its network is told before anything is computed, all of it at once, with its place."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from typer.testing import CliRunner, Result

from mien.cli.app import app
from mien.config.check import check_config
from mien.config.loading import load_config
from mien.config.network import network_misfits, raise_all, refusals
from mien.errors import ConfigError, MienError, ModelError, PluginError, nearest
from mien.interfaces import Analysis, Analyzer, AttributionMethod, ExplainedModel, Objective
from mien.registry import Registry, load_registry
from mien.steps.pipeline import explain_videos, run
from mien.steps.validate import validate
from mien.store.store import Store
from mien.testing import tiny_network
from mien.types import DatasetListing, Recording

PARTS = """\
dataset: {use: animated_face, participants: 8}
detector: mediapipe
cropper: {use: face, height: 64, width: 64}
windows: {frames: 8}
backbone: {use: compact_r3d, widths: [4, 8]}
objective: regression
"""


class Staged(Analyzer):
    """Names a stage and a covariate."""

    stage: str = "stage1"
    covariate: str = "age"

    def check(self, model: ExplainedModel) -> None:
        if self.stage not in model.stages:
            hint = nearest(self.stage, model.stages)
            raise ModelError(f"There is no stage '{self.stage}'.", where="stage", hint=hint)

    def check_recordings(self, recordings: Sequence[Recording], objective: Objective) -> None:
        known = {name for recording in recordings for name in recording.covariates}
        if self.covariate not in known:
            hint = nearest(self.covariate, known)
            raise ConfigError(f"There is no covariate '{self.covariate}'.", where="covariate", hint=hint)

    def analyze(self, run: Any) -> Analysis:
        return Analysis(notes=["Looked."])


class Clumsy(AttributionMethod):
    """Has a defect in its check."""

    def check(self, model: ExplainedModel) -> None:
        raise KeyError("head")

    def attribute(self, model: Any, batch: Any, target: Any) -> Any:
        raise NotImplementedError


def faulty_network(outputs: int) -> nn.Module:
    raise RuntimeError("it needs a camera")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return the registry with `Staged` and `Clumsy` in the places of a built-in analyzer and a built-in method."""
    found = load_registry()
    load = Registry.load
    own = {("analyzer", "agreement"): Staged, ("attribution", "saliency"): Clumsy}
    monkeypatch.setattr(Registry, "load", lambda self, kind, id_: own.get((kind, id_)) or load(self, kind, id_))
    return found


def study(folder: Path, text: str, parts: str = PARTS) -> Path:
    file = folder / "study.yaml"
    file.write_text(parts + text)
    return file


def check(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["config", "check", str(file), *arguments])


def test_a_layer_that_is_not_there_is_told_with_its_line_and_the_nearest(tmp_path: Path) -> None:
    file = study(tmp_path, "explain:\n  methods:\n    cam:\n      use: grad_cam\n      layer: stagge1\n")
    result = check(file)
    assert result.exit_code == 2
    assert "study.yaml, line 11, explain.methods.cam.layer: There is no layer 'stagge1'." in result.stderr
    assert "Did you mean 'stage1'?" in result.stderr
    assert check(file, "--set", "explain.methods.cam.layer=stage1").exit_code == 0
    assert check(file, "--set", "explain.methods.cam.layer=null").exit_code == 0


def test_all_problems_are_told_at_once(tmp_path: Path, registry: Registry) -> None:
    methods = (
        "{cam: {use: grad_cam, layer: stagge1}, bad: saliency, deep: deeplift, rel: lrp, fine: integrated_gradients}"
    )
    parts = PARTS.replace("{use: compact_r3d, widths: [4, 8]}", "{use: mvit_v2_s, weights: none, frames: 16, size: 64}")
    file = study(
        tmp_path, f"explain: {{methods: {methods}}}\nanalyzers: {{st: {{use: agreement, stage: stagge1}}}}\n", parts
    )
    with pytest.raises(ConfigError) as caught:
        check_config(file, ["windows.frames=16"])
    lines = caught.value.message.splitlines()
    assert lines[0] == "5 problems:"
    for key, told in (
        ("explain.methods.cam", "'grad_cam' cannot explain 'mvit_v2_s'"),
        ("explain.methods.deep", "'deeplift' cannot explain 'mvit_v2_s'"),
        ("explain.methods.rel", "'lrp' cannot explain 'mvit_v2_s'"),
        ("explain.methods.bad", "It raised KeyError: 'head', in 'check'."),
        ("analyzers.st.stage", "There is no stage 'stagge1'."),
    ):
        assert [line for line in lines[1:] if f" {key}: " in line and told in line], (key, lines)


def test_a_method_of_another_backbone_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_registry().load("attribution", "grad_cam"), "backbones", ("r3d_18",))
    result = check(study(tmp_path, "explain: {methods: {cam: {use: grad_cam, layer: stagge1}}}\n"))
    assert result.exit_code == 2
    assert "explain.methods.cam: 'grad_cam' explains networks of r3d_18 only" in result.stderr
    assert "stagge1" not in result.stderr


def of_factory(factory: str, further: str = "") -> str:
    own = f"{{use: module, factory: '{factory}', height: 64, width: 64, frames: 8{further}}}"
    return PARTS.replace("{use: compact_r3d, widths: [4, 8]}", own)


@pytest.mark.parametrize(
    ("factory", "why"),
    [
        ("no_such_package:network", "The factory's module cannot be imported"),
        ("cameras:network", "It raised RuntimeError: it needs a camera"),
    ],
)
def test_a_network_that_cannot_be_made_here_is_told_as_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, factory: str, why: str
) -> None:
    monkeypatch.setitem(sys.modules, "cameras", SimpleNamespace(network=faulty_network))
    file = study(tmp_path, "explain: {methods: {cam: {use: grad_cam, layer: anything}}}\n", of_factory(factory))
    result = check(file)
    assert (result.exit_code, result.stdout) == (0, f"{file}: valid\n")
    assert "Not checked with the network, which cannot be made here: explain.methods.cam." in result.stderr
    assert why in result.stderr
    with caplog.at_level(logging.WARNING, "mien"):
        check_config(file)
    assert "Not checked with the network" in caplog.text


def test_stages_that_the_network_has_not_are_a_problem_of_the_backbone(tmp_path: Path) -> None:
    parts = of_factory("mien.testing:tiny_network", ", stage_names: [bdy]")
    result = check(study(tmp_path, "explain: {methods: {cam: grad_cam}}\n", parts))
    assert result.exit_code == 2
    assert "backbone.stage_names: The network has no submodule 'bdy'." in result.stderr


def test_no_network_is_made_where_nothing_looks_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = study(tmp_path, "explain: {methods: {ig: integrated_gradients}}\nanalyzers: {time: temporal_profile}\n")
    monkeypatch.setattr("mien.config.network.untrained", lambda *_: pytest.fail("a network was made"))
    assert network_misfits(load_config(file), []) == ([], "")


def test_weights_are_not_needed_and_the_global_generator_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = load_registry().load("backbone", "compact_r3d")
    monkeypatch.setattr(backbone, "build", lambda *_: pytest.fail("the weights were loaded"))
    monkeypatch.setattr(backbone, "architecture", lambda self, outputs: tiny_network(outputs))
    monkeypatch.setattr(backbone, "stages", lambda self, model: dict(model.named_children()))
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    check_config(study(tmp_path, "explain: {methods: {cam: {use: grad_cam, layer: body}}}\n"))
    assert torch.equal(torch.random.get_rng_state(), before)


class Odd(MienError):
    """Is made in its own way."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}", where="layer.inner")


class TestRefusals:
    METHOD: ClassVar[Any] = load_registry().create("attribution", "grad_cam")

    def refusal(self, error: Exception) -> MienError:
        def ask(part: Any) -> None:
            raise error

        (found,) = refusals({"explain.methods.cam": self.METHOD}, ask, "check")
        assert found.__cause__ is not None
        return found

    def test_a_field_is_part_of_the_place(self) -> None:
        found = self.refusal(ModelError("No.", where="layer", hint="Yes."))
        assert (type(found), str(found)) == (ModelError, "explain.methods.cam.layer: No. Yes.")

    def test_another_where_is_part_of_the_message(self) -> None:
        found = self.refusal(ConfigError("No.", where="a file"))
        assert (type(found), str(found)) == (ConfigError, "explain.methods.cam: a file: No.")

    def test_an_error_of_another_making_is_told_too(self) -> None:
        assert str(self.refusal(Odd(1, 2))) == "explain.methods.cam.layer.inner: 1 and 2"

    def test_a_defect_names_its_owner(self) -> None:
        found = self.refusal(ZeroDivisionError())
        assert isinstance(found, PluginError)
        assert found.message.startswith("attribution 'grad_cam' of mien==")
        assert "It raised ZeroDivisionError, in 'check'." in found.message

    def test_none_is_none(self) -> None:
        raise_all(list(refusals({"a": self.METHOD}, lambda part: None, "check")))


class TestRun:
    """The pipeline tells the same, before it computes anything."""

    ANALYZERS = "analyzers: {st: {use: agreement, stage: stagge1}}\n"

    def config(self, folder: Path, registry: Registry, text: str) -> Any:
        return load_config(study(folder, text), registry=registry)

    @pytest.fixture(autouse=True)
    def _nothing_is_computed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mien.steps.pipeline.prepare_clips", lambda *_: pytest.fail("it was tracked"))
        monkeypatch.setattr("mien.steps.validate.prepare_clips", lambda *_: pytest.fail("it was tracked"))

    def test_methods_and_analyzers_are_asked_of_the_network(self, tmp_path: Path, registry: Registry) -> None:
        text = "explain: {methods: {cam: {use: grad_cam, layer: stagge1}}}\n" + self.ANALYZERS
        with pytest.raises(ConfigError, match="2 problems:") as caught:
            run(self.config(tmp_path, registry, text), tmp_path / "out", store=Store(tmp_path / "store"))
        assert "explain.methods.cam.layer: There is no layer 'stagge1'. Did you mean 'stage1'?" in caught.value.message
        assert "analyzers.st.stage: There is no stage 'stagge1'. Did you mean 'stage1'?" in caught.value.message

    def test_analyzers_are_asked_of_the_recordings(
        self, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        people = [Recording(f"r{i}", f"p{i}", Path(f"r{i}.mp4"), 1.0 * i, covariates={"age": 30.0}) for i in range(8)]
        dataset = registry.load("dataset", "animated_face")
        monkeypatch.setattr(dataset, "recordings", lambda self, folder, progress: DatasetListing(people))
        text = "explain: {methods: {ig: integrated_gradients}}\nanalyzers: {st: {use: agreement, covariate: agge}}\n"
        with pytest.raises(ConfigError) as caught:
            run(self.config(tmp_path, registry, text), tmp_path / "out", store=Store(tmp_path / "store"))
        assert str(caught.value) == "analyzers.st.covariate: There is no covariate 'agge'. Did you mean 'age'?"

    def test_a_trained_network_is_asked_before_new_videos_are_tracked(
        self, tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = tiny_network()
        model = ExplainedModel(module, dict(module.named_children()))
        loaded = SimpleNamespace(explained_model=lambda: model)
        for place in ("pipeline", "validate"):
            monkeypatch.setattr(f"mien.steps.{place}.load_checkpoint", lambda *_: loaded)
        text = "explain: {methods: {cam: {use: grad_cam, layer: bdy}}}\n"
        config = self.config(tmp_path, registry, text)
        with pytest.raises(ModelError, match="There is no layer 'bdy'"):
            explain_videos([], tmp_path, tmp_path / "out", config=config, store=Store(tmp_path / "store"))
        config = self.config(tmp_path, registry, "explain: {methods: {}}\n" + self.ANALYZERS)
        with pytest.raises(ModelError, match="There is no stage 'stagge1'"):
            validate(
                SimpleNamespace(config=config, notes=()), tmp_path, tmp_path / "out", store=Store(tmp_path / "store")
            )
        assert not (tmp_path / "out").exists()

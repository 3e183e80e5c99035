"""Guarantees: a published network comes back bit for bit, without a pickle, and misfits are named."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pluggy
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mien.config import RunConfig
from mien.config.run_config import ExplainSettings
from mien.config.settings import WindowSettings
from mien.errors import ConfigError, ModelError
from mien.interfaces import Backbone, Cropper, Dataset, Detector, LabelScale, Objective
from mien.registry import Entry, Registry
from mien.steps.explain_config import read_explain_config
from mien.store.keys import file_digest
from mien.training.checkpoint import ABOUT_FILE, WEIGHTS_FILE, load_checkpoint, save_checkpoint
from mien.types import DatasetListing, InputSpec


class _Data(Dataset):
    def recordings(self, folder, progress) -> DatasetListing:
        return DatasetListing(())


class _Eyes(Detector):
    @property
    def scheme(self) -> str:
        return "dots"

    def open(self, device):
        return nullcontext()


class _Cut(Cropper):
    def crop(self, frames, track, scheme):
        raise NotImplementedError

    def regions(self, landmarks, transforms, scheme, shape="hull", padding=0.25):
        raise NotImplementedError


class _Tied(nn.Module):
    """A network with two names for one weight, and buffers."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(4, width)
        self.second = nn.Linear(4, width)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, clips):
        flat = clips.flatten(1)[:, :4]
        return self.head(self.norm(self.first(flat) + self.second(flat)))


class _Net(Backbone):
    width: int = 3
    weights: str | None = None

    def build(self, outputs: int) -> nn.Module:
        if self.weights is not None:
            raise AssertionError("pretrained weights were asked for")
        return _Tied(self.width, outputs)

    def architecture(self, outputs: int) -> nn.Module:
        return _Tied(self.width, outputs)

    @property
    def input_spec(self) -> InputSpec:
        return InputSpec(frames=2, height=8, width=8)

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        return {"head": model.head}


class _Score(Objective):
    @property
    def outputs(self) -> int:
        return 1

    def check_label(self, label):
        return None

    def fit(self, labels):
        return LabelScale()

    def loss(self, output, labels, scale):
        return output.mean()

    def predict(self, output, scale):
        return output[:, 0]

    def target(self, output):
        return output[:, 0]

    def metrics(self, predictions, labels):
        return {}


PARTS = {
    "detector": ("eyes", _Eyes),
    "cropper": ("cut", _Cut),
    "backbone": ("net", _Net),
    "objective": ("score", _Score),
}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    parts = SimpleNamespace(**{cls.__name__: cls for _, cls in PARTS.values()})
    monkeypatch.setitem(sys.modules, "parts_of_the_test", parts)
    registry = Registry(pluggy.PluginManager("mien"))
    for kind, (use, cls) in PARTS.items():
        registry.add(Entry(kind, use, f"parts_of_the_test:{cls.__name__}", "test", "test==1"))
    return registry


def _config(registry: Registry, **backbone: object) -> RunConfig:
    return RunConfig(
        seed=5,
        dataset=_Data(),
        detector=registry.create("detector", "eyes", {"min_confidence": 0.8}),
        cropper=registry.create("cropper", "cut", {"height": 8, "width": 8}),
        backbone=registry.create("backbone", "net", {"weights": "kinetics", **backbone}),
        objective=registry.create("objective", "score"),
        windows=WindowSettings(frames=2, overlap=0.25),
        explain=ExplainSettings(methods={}),
    )


@pytest.fixture
def saved(registry: Registry, tmp_path: Path) -> tuple[Path, nn.Module]:
    torch.manual_seed(3)
    module = _Tied(3, 1)
    module(torch.randn(5, 3, 2, 8, 8))  # moves the running statistics
    config = _config(registry)
    scale = LabelScale(mean=11.5, std=3.25)
    training = {"best_epoch": 4, "validation_loss": float("nan")}
    folder = save_checkpoint(
        tmp_path / "checkpoint", config, module.eval(), scale, training=training, provenance={"run": "one"}
    )
    return folder, module


@pytest.mark.parametrize("name", ["", WEIGHTS_FILE, ABOUT_FILE])
def test_it_comes_back_bit_for_bit(saved: tuple[Path, nn.Module], registry: Registry, name: str) -> None:
    folder, module = saved
    loaded = load_checkpoint(folder / name, registry)
    assert not loaded.module.training
    state = loaded.module.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
    clips = torch.randn(2, 3, 2, 8, 8)
    assert torch.equal(loaded.module(clips), module(clips))
    assert loaded.module.second.weight is loaded.module.first.weight
    assert loaded.scale == LabelScale(mean=11.5, std=3.25)
    assert (loaded.detector.min_confidence, loaded.cropper.height) == (0.8, 8)
    assert loaded.backbone.weights == "kinetics"  # noted, but not loaded: `build` would have failed
    assert loaded.windows.overlap == 0.25
    assert loaded.seed == 5
    assert loaded.about["training"] == {"best_epoch": 4, "validation_loss": None}
    assert "not a diagnosis" in loaded.about["notice"]
    assert loaded.explained_model().stages["head"] is loaded.module.head


def test_the_folder_holds_two_plain_files(saved: tuple[Path, nn.Module]) -> None:
    folder, module = saved
    assert sorted(file.name for file in folder.iterdir()) == [ABOUT_FILE, WEIGHTS_FILE]
    assert load_file(folder / WEIGHTS_FILE).keys() == module.state_dict().keys()
    json.loads((folder / ABOUT_FILE).read_text(), parse_constant=pytest.fail)


def test_a_changed_byte_is_noticed(saved: tuple[Path, nn.Module], registry: Registry) -> None:
    weights = saved[0] / WEIGHTS_FILE
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        load_checkpoint(saved[0], registry)


@pytest.mark.parametrize(("name", "message"), [(WEIGHTS_FILE, "has no model"), (ABOUT_FILE, "is missing")])
def test_missing_files(saved: tuple[Path, nn.Module], registry: Registry, name: str, message: str) -> None:
    (saved[0] / name).unlink()
    with pytest.raises(ModelError, match=message):
        load_checkpoint(saved[0], registry)


def test_no_such_folder(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no checkpoint"):
        load_checkpoint(tmp_path / "nowhere", registry)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1}'])
def test_a_file_that_is_no_description(saved: tuple[Path, nn.Module], registry: Registry, content: str) -> None:
    (saved[0] / ABOUT_FILE).write_text(content)
    with pytest.raises(ModelError, match="checkpoint"):
        load_checkpoint(saved[0], registry)


def _edit(folder: Path, kind: str, **fields: object) -> None:
    file = folder / ABOUT_FILE
    about = json.loads(file.read_text())
    about["config"][kind].update(fields)
    file.write_text(json.dumps(about))


@pytest.mark.parametrize(
    "change",
    [
        {"config": 3},
        {"config": {}},
        {"scale": {"mean": "high"}},
        {"scale": None},
        {"seed": "many"},
        {"sha256": None},
        {"components": [1]},
        {"training": 5},
        {"provenance": "x"},
        {"provenance": {"weights": [1]}},
    ],
    ids=str,
)
def test_a_description_of_another_shape(
    saved: tuple[Path, nn.Module], registry: Registry, change: dict[str, object]
) -> None:
    file = saved[0] / ABOUT_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ModelError, match=r"checkpoint|describes") as caught:
        load_checkpoint(saved[0], registry)
    assert str(saved[0]) in str(caught.value.where)


@pytest.mark.parametrize(
    "change", [{"backbone": 3}, {"cropper": {}}, {"windows": None}, {"windows": {"frames": "many"}}, {"pooling": 1}]
)
def test_a_part_of_another_shape_is_named(
    saved: tuple[Path, nn.Module], registry: Registry, change: dict[str, object]
) -> None:
    file = saved[0] / ABOUT_FILE
    about = json.loads(file.read_text())
    file.write_text(json.dumps(about | {"config": about["config"] | change}))
    with pytest.raises(ModelError, match=next(iter(change))):
        load_checkpoint(saved[0], registry)


def test_weights_that_are_no_safetensors(saved: tuple[Path, nn.Module], registry: Registry) -> None:
    weights, file = saved[0] / WEIGHTS_FILE, saved[0] / ABOUT_FILE
    weights.write_bytes(b"no tensors at all")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sha256": file_digest(weights)}))
    with pytest.raises(ModelError, match="cannot be read"):
        load_checkpoint(saved[0], registry)


def test_another_architecture_is_named(saved: tuple[Path, nn.Module], registry: Registry) -> None:
    _edit(saved[0], "backbone", width=6)
    with pytest.raises(ModelError, match=r"'first.weight' is \(6, 4\) in the network and \(3, 4\) in the file"):
        load_checkpoint(saved[0], registry)


def test_a_network_with_other_names_is_named(registry: Registry, tmp_path: Path) -> None:
    module = _Tied(3, 1)
    module.further = nn.Linear(1, 1)
    folder = save_checkpoint(tmp_path, _config(registry), module, LabelScale())
    with pytest.raises(ModelError, match=r"the file has 'further.bias', the network has not"):
        load_checkpoint(folder, registry)
    del module.further, module.head
    save_checkpoint(tmp_path, _config(registry), module, LabelScale())
    with pytest.raises(ModelError, match=r"the network has 'head.weight', the file has not"):
        load_checkpoint(folder, registry)


def test_a_plugin_that_is_not_installed(saved: tuple[Path, nn.Module], registry: Registry) -> None:
    _edit(saved[0], "backbone", use="net2")
    with pytest.raises(ConfigError, match=r"no backbone 'net2'.*Did you mean 'net'") as caught:
        load_checkpoint(saved[0], registry)
    assert caught.value.where == str(saved[0])


def test_fields_that_the_plugin_no_longer_takes(saved: tuple[Path, nn.Module], registry: Registry) -> None:
    _edit(saved[0], "backbone", depth=6)
    with pytest.raises(ModelError, match=r"does not take the checkpoint's fields: depth: [^\n]*\.$"):
        load_checkpoint(saved[0], registry)


def test_weights_of_another_kind_of_number_are_refused(saved: tuple[Path, nn.Module], registry: Registry) -> None:
    weights, file = saved[0] / WEIGHTS_FILE, saved[0] / ABOUT_FILE
    save_file({name: value.long() for name, value in load_file(weights).items()}, weights)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sha256": file_digest(weights)}))
    with pytest.raises(ModelError, match=r"is of torch.float32 in the network and torch.int64 in the file"):
        load_checkpoint(saved[0], registry)


@pytest.mark.parametrize("content", ["[]", "5", "{", '{"explain": 5}'])
def test_a_damaged_word_on_how_it_was_explained_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "explain.json").write_text(content)
    with pytest.raises(ModelError) as caught:
        read_explain_config(tmp_path)
    assert caught.value.where == str(tmp_path / "explain.json")


def test_another_version_of_a_plugin_is_told(
    saved: tuple[Path, nn.Module],
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(_Cut, "version", 2)
    with caplog.at_level(logging.WARNING):
        load_checkpoint(saved[0], registry)
    assert "version 1 of the cropper 'cut'; installed is version 2" in caplog.text

"""Backbones: shapes, stages, weights from a file, and what they say when weights are absent."""

from __future__ import annotations

import pickle
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn

from mien.errors import ModelError
from mien.registry import load_registry
from mien_plugins.backbones.compact_r3d import CompactR3D
from mien_plugins.backbones.module import Module
from mien_plugins.backbones.pretrained import PretrainedBackbone
from mien_plugins.backbones.torchvision_video import KINETICS_MEAN, KINETICS_STD, R3D18

RESIDUAL = ("r3d_18", "mc3_18", "r2plus1d_18")
PRETRAINED = (*RESIDUAL, "s3d", "mvit_v2_s", "swin3d_t", "frame_cnn")


def tiny(outputs: int, channels: int = 4) -> nn.Module:
    """A factory of a user."""
    return nn.Sequential(
        nn.Conv3d(3, channels, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(channels, outputs)
    )


def not_a_network(outputs: int) -> str:
    return "nothing"


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(sys.modules, "users_networks", sys.modules[__name__])
    return "users_networks:tiny"


def test_the_compact_network_has_the_promised_size_shapes_and_stages() -> None:
    backbone = CompactR3D()
    network = backbone.build(2)
    assert sum(parameter.numel() for parameter in backbone.build(1).parameters()) == 226_457
    assert network(torch.zeros(3, 3, 8, 64, 64)).shape == (3, 2)
    assert list(backbone.stages(network)) == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    hidden, shapes = torch.zeros(1, 3, 8, 64, 64), []
    for stage in list(backbone.stages(network).values())[:-1]:
        hidden = stage(hidden)
        shapes.append(tuple(hidden.shape[1:]))
    assert shapes == [(8, 8, 32, 32), (8, 8, 32, 32), (16, 8, 16, 16), (32, 4, 8, 8), (64, 2, 4, 4)]
    assert backbone.input_spec.standardise == "clip"
    assert (backbone.input_spec.frames, backbone.input_spec.height, backbone.input_spec.width) == (8, 64, 64)


def test_every_activation_of_the_compact_network_is_used_once() -> None:
    network, uses = CompactR3D().build(1), dict.fromkeys(range(100), 0)
    activations = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    for number, module in enumerate(activations):
        module.register_forward_hook(lambda *_, number=number: uses.update({number: uses[number] + 1}))
    network.eval()(torch.zeros(1, 3, 4, 16, 16))
    assert [uses[number] for number in range(len(activations))] == [1] * 9


def test_widths_choose_the_stages() -> None:
    backbone = CompactR3D(widths=(4, 6))
    assert list(backbone.stages(backbone.build(1))) == ["stem", "stage1", "stage2", "head"]
    with pytest.raises(ValidationError, match="at least one"):
        CompactR3D(widths=())


def test_the_compact_network_learns() -> None:
    """A moving bright bar of random height: its speed is the label."""
    torch.manual_seed(0)
    speed = torch.randint(0, 3, (24,)).float()
    clips = torch.randn(24, 3, 4, 16, 16) * 0.2
    for clip, each in zip(clips, speed, strict=True):
        for time in range(4):
            clip[:, time, :, int(2 + each * time)] += 2
    label = (speed - speed.mean()) / speed.std()
    network = CompactR3D().build(1)
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(40):
        optimiser.zero_grad()
        loss = (network(clips)[:, 0] - label).square().mean()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.1


@pytest.mark.parametrize("name", RESIDUAL)
def test_residual_networks_have_their_shapes_and_stages(name: str) -> None:
    backbone = load_registry().create("backbone", name, {"weights": "none"})
    network = backbone.architecture(3).eval()
    assert type(network).__name__ == "VideoResNet"
    assert network(torch.zeros(1, 3, 4, 16, 16)).shape == (1, 3)
    stages = backbone.stages(network)
    assert list(stages) == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    assert stages["head"] is network.fc
    assert sum(p.numel() for stage in stages.values() for p in stage.parameters()) == sum(
        p.numel() for p in network.parameters()
    )


def test_standardisation_follows_the_weights() -> None:
    assert R3D18(weights="none").input_spec.standardise == "clip"
    pretrained = R3D18().input_spec
    assert (pretrained.standardise, pretrained.mean, pretrained.std) == ("fixed", KINETICS_MEAN, KINETICS_STD)
    assert R3D18(standardise="clip").input_spec.mean == ()


@pytest.mark.parametrize("name", PRETRAINED)
def test_without_a_network_the_error_says_which_file_to_put_where(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_network(*args: Any, **kwargs: Any) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    monkeypatch.setenv("MIEN_WEIGHTS", str(tmp_path))
    backbone: PretrainedBackbone = load_registry().create("backbone", name)
    with pytest.raises(ModelError) as caught:
        backbone.build(1)
    assert f"https://download.pytorch.org/models/{backbone.official_weights.name}" in str(caught.value)
    assert str(tmp_path / backbone.official_weights.name) in str(caught.value)
    assert list(backbone.architecture(1).parameters())[-1].shape == (1,)  # the head's bias; needs no weights


def test_pretrained_weights_fill_the_body_and_leave_the_head(tmp_path: Path) -> None:
    pretrained = R3D18(weights="none").build(400)
    file = tmp_path / "official.pth"
    torch.save(pretrained.state_dict(), file)
    network = R3D18(weights_file=file).build(2)
    assert torch.equal(network.layer4[1].conv2[0].weight, pretrained.layer4[1].conv2[0].weight)
    assert torch.equal(network.stem[1].running_var, pretrained.stem[1].running_var)
    assert network.fc.weight.shape == (2, 512)
    with pytest.raises(ModelError, match="do not fit"):
        load_registry().create("backbone", "mc3_18", {"weights_file": str(file)}).build(1)


def test_a_missing_weight_file_names_the_official_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"r3d_18-b3b3357e\.pth"):
        R3D18(weights_file=tmp_path / "absent.pth").build(1)


def test_a_module_of_the_users_own(factory: str, tmp_path: Path) -> None:
    trained = tiny(1, channels=5)
    save_file(trained.state_dict(), tmp_path / "net.safetensors")
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "net.pt")
    for name in ("net.safetensors", "net.pt"):
        backbone = Module.model_validate(
            {"factory": factory, "weights": name, "kwargs": {"channels": 5}}, context={"base": tmp_path}
        )
        network = backbone.build(1)
        assert torch.equal(network[4].weight, trained[4].weight)
        assert list(backbone.stages(network)) == ["0", "1", "2", "3", "4"]
    named = Module(factory=factory, stage_names=("0", "4"), standardise="none", height=32)
    assert list(named.stages(named.build(1))) == ["0", "4"]
    assert (named.input_spec.standardise, named.input_spec.height) == ("none", 32)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"factory": "no_such_package:net"}, "cannot be imported"),
        ({"factory": "users_networks:tinny"}, "Did you mean 'tiny'"),
        ({"factory": "users_networks:tiny", "kwargs": {"depth": 3}}, "depth"),
        ({"factory": "users_networks:not_a_network"}, "no nn.Module"),
        ({"factory": "users_networks:tiny", "weights": "absent.pt"}, "no such weight file"),
        ({"factory": "users_networks:tiny", "weights": "empty.pt"}, "cannot be read"),
        ({"factory": "users_networks:tiny", "weights": "empty.safetensors"}, "cannot be read"),
        ({"factory": "users_networks:tiny", "weights": "code.pt"}, r"holds more than tensors\. Save it"),
        ({"factory": "users_networks:tiny", "weights": "list.pt"}, "no state dict"),
        ({"factory": "users_networks:tiny", "weights": "other.pt"}, r"missing: 0\.weight"),
        ({"factory": "users_networks:tiny", "weights": "wide.pt"}, r"\(5, 3, 3, 3, 3\) in the file"),
    ],
)
def test_mistakes_with_a_module_are_explained(
    fields: dict[str, Any], message: str, factory: str, tmp_path: Path
) -> None:
    for name in ("empty.pt", "empty.safetensors"):
        (tmp_path / name).touch()
    with (tmp_path / "code.pt").open("wb") as file:
        pickle.dump(subprocess.Popen, file)
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    torch.save(tiny(1, channels=5).state_dict(), tmp_path / "wide.pt")
    with pytest.raises(ModelError, match=message):
        Module.model_validate(fields, context={"base": tmp_path}).build(1)


def test_an_unknown_stage_is_an_error(factory: str) -> None:
    backbone = Module(factory=factory, stage_names=("body",))
    with pytest.raises(ModelError, match="no submodule 'body'"):
        backbone.stages(backbone.build(1))


def test_components_are_made_without_importing_torch() -> None:
    code = (
        "import sys; from mien.registry import load_registry; registry = load_registry()\n"
        "for kind in ('backbone', 'attribution'):\n"
        "    for name in registry.ids(kind): registry.load(kind, name)\n"
        "assert not {'torch', 'zennit', 'captum', 'torchvision'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_decides_a_module_of_the_users_own_is_the_source_of_its_factory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.store.keys import package_digest

    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for source in ("def net(outputs): return 1", "def net(outputs): return 2", "def net(outputs): return 1"):
        (tmp_path / "changing_networks.py").write_text(source)
        package_digest.cache_clear()  # as in another process
        found.append(Module(factory="changing_networks:net").provenance()["factory_source"])
    assert found[0] == found[2] != found[1]
    assert Module(factory="no_such_package:net").provenance()["factory_source"] == ""


def test_pretrained_weights_are_named_for_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_WEIGHTS", str(tmp_path))
    assert R3D18(weights="none").weight_files() == {}
    assert R3D18().weight_files() == {"kinetics400": tmp_path / "r3d_18-b3b3357e.pth"}
    assert R3D18(weights_file=tmp_path / "own.pth").weight_files() == {"kinetics400": tmp_path / "own.pth"}
    assert Module(factory="a:b", weights=tmp_path / "w.pt").weight_files() == {"weights": tmp_path / "w.pt"}

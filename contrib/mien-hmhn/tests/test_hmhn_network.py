"""The network: single frames and their mean, the loss of frames, the ablations, the pretrained trunk."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from mien import ExplainedModel, ModelError, explain, prepare_torchvision
from mien.testing import BackboneSuite
from mien_hmhn.afb import overlap
from mien_hmhn.backbone import Hmhn
from mien_hmhn.network import HmhnNetwork
from mien_hmhn.trunk import resnet_trunk

SMALL: dict[str, Any] = {
    "widths": (4, 6, 8),
    "fused": (2, 3),
    "fused_width": 6,
    "heads": 3,
    "head_width": 4,
    "grid": 4,
    "frames": 3,
    "size": 24,
}
BLOCKS = ("gwa", "dff", "mab", "afb")


class TestHmhn(BackboneSuite):
    component = Hmhn


class TestHmhnWithoutBlocks(BackboneSuite):
    component = Hmhn
    fields: ClassVar = {**SMALL, **dict.fromkeys(BLOCKS, False)}
    no_whole_run = "that with all its blocks runs"


class TestHmhnOfOneHead(BackboneSuite):
    component = Hmhn
    fields: ClassVar = {**SMALL, "heads": 1, "pool": True, "depth": 2}
    no_whole_run = "that with all its heads runs"


def _network(seed: int = 0, **fields: Any) -> HmhnNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Hmhn(**{**SMALL, **fields}).build(2)
    assert isinstance(network, HmhnNetwork)
    return network.eval()


def _clips(count: int = 2, frames: int = 5, size: int = 24) -> Tensor:
    return torch.randn((count, 3, frames, size, size), generator=torch.Generator().manual_seed(1))


# --- frames and their mean


@pytest.mark.parametrize("off", [(), *[(block,) for block in BLOCKS], BLOCKS])
def test_a_clips_output_is_the_mean_of_its_frames_seen_alone(off: tuple[str, ...]) -> None:
    network, clips = _network(**dict.fromkeys(off, False)), _clips()
    with torch.no_grad():
        alone = torch.stack([network(clips[:, :, t : t + 1]) for t in range(clips.shape[2])], dim=1)
        torch.testing.assert_close(network.frame_outputs(clips), alone, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(network(clips), alone.mean(1), atol=1e-5, rtol=1e-4)


def test_the_order_of_frames_does_not_matter() -> None:
    network, clips = _network(), _clips()
    order = torch.tensor([3, 0, 4, 2, 1])
    with torch.no_grad():
        torch.testing.assert_close(network(clips[:, :, order]), network(clips))
        moved = network.frame_outputs(clips[:, :, order])
        torch.testing.assert_close(moved, network.frame_outputs(clips)[:, order])


def test_one_frame_is_a_clip() -> None:
    network = _network().train()
    assert network(_clips(frames=1)).shape == (2, 2)
    terms = network.training_terms()
    assert terms["frames"].item() == 0


# --- the loss


def test_the_clips_error_and_the_added_variance_are_the_frames_error() -> None:
    backbone = Hmhn(**SMALL, overlap_weight=0)
    torch.manual_seed(0)
    network: Any = backbone.build(1).train()
    clips, labels = _clips(3), torch.tensor([0.5, -1.0, 2.0])
    outputs = network.frame_outputs(clips)[:, :, 0]
    expected = sum((outputs[b, t] - labels[b]) ** 2 for b in range(3) for t in range(5)) / 15
    clip_loss = ((network(clips)[:, 0] - labels) ** 2).mean()
    extra = backbone.extra_loss(network)
    assert extra is not None
    torch.testing.assert_close(clip_loss + extra, expected)


def test_the_heads_overlap_is_added_by_its_weight() -> None:
    backbone = Hmhn(**SMALL, overlap_weight=0.3, frame_loss=0)
    network: Any = backbone.build(1).train()
    kept: list[Tensor] = []
    network.attention.mab.register_forward_hook(lambda _module, _inputs, output: kept.append(output[1]))
    network(_clips())
    torch.testing.assert_close(backbone.extra_loss(network), 0.3 * overlap(kept[0]))


@pytest.mark.parametrize("fields", [{"frame_loss": 0, "overlap_weight": 0}, {"frame_loss": 0, "afb": False}])
def test_nothing_is_added_where_nothing_is_asked_for(fields: dict[str, Any]) -> None:
    backbone = Hmhn(**{**SMALL, **fields})
    network = backbone.build(1).train()
    network(_clips())
    assert backbone.extra_loss(network) is None


def test_it_is_added_once_and_never_after_a_pass_in_evaluation() -> None:
    backbone = Hmhn(**SMALL)
    network = backbone.build(1).train()
    network(_clips())
    assert backbone.extra_loss(network) is not None
    assert backbone.extra_loss(network) is None
    network(_clips())
    network.eval()(_clips())
    assert backbone.extra_loss(network) is None


def test_a_network_that_trains_can_be_copied_and_sent() -> None:
    network = _network().train()
    network(_clips()).sum().backward()
    network.eval()
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(other(_clips()), network(_clips()))


def test_a_foreign_network_is_told() -> None:
    with pytest.raises(ModelError, match="not Identity"):
        Hmhn().extra_loss(nn.Identity())


# --- ablations


def _names(**fields: Any) -> dict[str, int]:
    return {name: value.numel() for name, value in _network(**fields).named_parameters()}


@pytest.mark.parametrize(
    ("fields", "prefixes"),
    [
        ({"gwa": False}, ("stages.gwa.",)),
        ({"dff": False}, ("stages.dff.",)),
        ({"mab": False}, ("stages.attention.",)),  # without heads there is nothing to fuse
        ({"afb": False}, ("stages.attention.image.afb.",)),
        ({"heads": 1}, tuple(f"stages.attention.image.{part}." for part in ("afb", "mab.heads.1", "mab.heads.2"))),
        ({"heads": 2}, ("stages.attention.image.mab.heads.2.",)),
    ],
)
def test_an_ablation_removes_the_blocks_weights_and_no_other(fields: dict[str, Any], prefixes: tuple[str, ...]) -> None:
    whole, rest = _names(), _names(**fields)
    gone = whole.keys() - rest.keys()
    assert gone == {name for name in whole if name.startswith(prefixes)}
    assert rest.keys() <= whole.keys()
    if "dff" not in fields:  # without the fusion, attention and head see the deepest features, of another width
        assert all(rest[name] == whole[name] for name in rest)


def test_each_block_has_as_many_weights_as_its_sizes_say() -> None:
    def of(block: str, **fields: Any) -> int:
        return sum(size for name, size in _names(**fields).items() if name.startswith(block))

    first, c, w = 4, SMALL["fused_width"], SMALL["head_width"]
    assert of("stages.gwa") == 2 * (first + 1) * 8
    assert of("stages.dff") == sum((each * c) + 2 * c for each in (6, 8)) + 2 * c * c + 2 * c
    spatial = c * w + 2 * w + (9 + 3 + 3) * w * w + 3 * 2 * w + w + 1
    channel = c * w + w + w * c + c
    assert of("stages.attention.image.mab") == 3 * (spatial + channel)
    assert of("stages.attention.image.mab", heads=5) == 5 * (spatial + channel)
    assert of("stages.attention.image.afb") == c * c + c


def test_stages_follow_the_blocks() -> None:
    full, bare = Hmhn(**SMALL), Hmhn(**{**SMALL, **dict.fromkeys(BLOCKS, False)})
    trunk = ["stage1", "stage2", "stage3"]
    assert list(full.stages(full.build(1))) == ["stem", "gwa", *trunk, "dff", "attention", "head"]
    assert list(bare.stages(bare.build(1))) == ["stem", *trunk, "head"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fused": (2, 5)}, "stages of 1 to 4"),
        ({"fused": (3, 2)}, "ascending"),
        ({"fused": ()}, "stages of 1 to 4"),
        ({"widths": ()}, "at least one stage"),
        ({"weights": "imagenet"}, "ResNet-18"),
        ({"heads": 0}, "heads"),
    ],
)
def test_sizes_that_do_not_fit_are_told(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Hmhn(**fields)


# --- attribution on it


def test_methods_that_have_no_rule_for_attention_are_refused() -> None:
    network, backbone = _network(), Hmhn(**SMALL).named("hmhn", "mien-hmhn==0")
    for method in ("lrp", "deeplift"):
        with pytest.raises(ModelError, match="multiplied by attention"):
            explain(network, _clips(), method=method, target=0, backbone=backbone)
    assert Hmhn(**SMALL, gwa=False, mab=False).lacks == {}


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "grad_cam"])
def test_methods_that_need_a_gradient_alone_work(method: str) -> None:
    clips = _clips(1, 2)
    found = explain(_network(), clips, method=method, target=1, backbone=Hmhn(**SMALL))
    assert found.relevance.shape == clips.shape
    assert bool(found.relevance.isfinite().all())
    assert float(found.relevance.abs().sum()) > 0


# --- the pretrained trunk

RESNET18: dict[str, Any] = {"widths": (64, 128, 256, 512), "depth": 2, "pool": True}


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """Return torchvision's network with random weights, which are in a file: no test downloads."""
    prepare_torchvision()
    from torchvision import models

    torch.manual_seed(5)
    network = models.resnet18(weights=None).eval()
    file = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(network.state_dict(), file)
    return network, file


def test_the_trunk_with_a_resnets_weights_is_that_resnet(resnet18: tuple[Any, Path]) -> None:
    theirs, file = resnet18
    backbone = Hmhn(**RESNET18, weights="imagenet", weights_file=file, gwa=False)
    network: Any = backbone.build(1).eval()
    frames = torch.randn((2, 3, 48, 48), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        hidden = network.stages["stem"](frames.unsqueeze(2))
        expected = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(frames))))
        for number in range(1, 5):
            hidden = network.stages[f"stage{number}"](hidden)
            expected = getattr(theirs, f"layer{number}")(expected)
            torch.testing.assert_close(hidden[:, :, 0], expected, atol=1e-4, rtol=1e-4)
    assert backbone.input_spec.standardise == "fixed"
    assert backbone.needed_weights() == []
    assert backbone.weight_files() == {"imagenet": file}


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save(resnet_trunk((4, 8), 1, True).state_dict(), file)
    backbone = Hmhn(**RESNET18, weights="imagenet", weights_file=file)
    with pytest.raises(ModelError, match="not those of a ResNet-18"):
        backbone.build(1)
    with pytest.raises(ModelError, match=r"none\.pth' does not exist"):
        Hmhn(**RESNET18, weights="imagenet", weights_file=tmp_path / "none.pth").build(1)
    assert isinstance(backbone.architecture(1), HmhnNetwork)


def test_pretrained_weights_are_announced_only_where_they_are_used() -> None:
    assert [file.name for file in Hmhn.known_weights()] == ["resnet18-f37072fd.pth"]
    assert Hmhn().needed_weights() == []
    assert [file.name for file in Hmhn(**RESNET18, weights="imagenet").needed_weights()] == ["resnet18-f37072fd.pth"]


def test_listing_imports_no_heavy_library() -> None:
    code = "import sys, mien_hmhn.manifest, mien_hmhn.backbone, mien_hmhn.attention; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_explained_models_know_their_backbone() -> None:
    assert ExplainedModel(_network(), backbone="hmhn").backbone == "hmhn"

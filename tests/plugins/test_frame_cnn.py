"""Networks on single frames: the mean over frames, blind to their order, and fit for every method."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor, nn

import mien
from mien.compat import prepare_torchvision
from mien.errors import ModelError
from mien.interfaces import Backbone
from mien_plugins.backbones.compact_r3d import CompactFrameCnn, CompactR3D
from mien_plugins.backbones.frame_cnn import FrameCnn

prepare_torchvision()

ALL: list[Backbone] = [
    CompactFrameCnn(),
    *(FrameCnn(network=name, weights="none") for name in ("resnet18", "resnet50", "vgg11_bn")),  # type: ignore[arg-type]
]


def name_of(backbone: Backbone) -> str:
    return backbone.network if isinstance(backbone, FrameCnn) else "compact"


@cache
def network_of(name: str) -> nn.Module:
    """The network of two outputs with batch norms that know some clips, and a bias; tests share it."""
    torch.manual_seed(0)
    network = next(each for each in ALL if name_of(each) == name).build(2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
            module.momentum = None
    nn.init.constant_(network.head.bias, 0.2)
    for dropout in network.modules():
        dropout.training = not isinstance(dropout, nn.Dropout)
    with torch.no_grad():
        network(torch.randn(2, 3, 4, 40, 40))
    return network.eval()


def explained(backbone: Backbone, clips: Tensor, method: str, **fields: str) -> mien.Explained:
    return mien.explain(network_of(name_of(backbone)), clips, method=method, backbone=backbone, target=0, **fields)


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, 3, 4, 40, 40, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("backbone", ALL, ids=name_of)
def test_the_output_is_the_mean_over_single_frames_in_any_order(backbone: Backbone, clips: Tensor) -> None:
    network = network_of(name_of(backbone))
    with torch.no_grad():
        output = network(clips)
        singles = torch.stack([network(clips[:, :, t : t + 1]) for t in range(4)])
        shuffled = network(clips[:, :, [2, 0, 3, 1]])
    assert float(singles.std(0).min()) > 1e-4  # frames differ, so that a mean over them says something
    torch.testing.assert_close(output, singles.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shuffled, output, rtol=1e-4, atol=1e-5)


def test_a_video_network_does_see_the_order() -> None:
    clips = torch.randn(2, 3, 4, 40, 40)
    network = CompactR3D().build(1)
    with torch.no_grad():
        network(clips)  # batch norms get to know the clips
        network.eval()
        assert float((network(clips) - network(clips[:, :, [2, 0, 3, 1]])).abs().min()) > 1e-3


@pytest.mark.parametrize("backbone", ALL[1:], ids=name_of)
def test_a_frame_gets_torchvisions_output(backbone: FrameCnn, clips: Tensor) -> None:
    torch.manual_seed(0)
    plain = backbone.plain(3).eval()
    torch.manual_seed(0)
    framed = backbone.architecture(3).eval()
    with torch.no_grad():
        torch.testing.assert_close(framed(clips[:, :, :1]), plain(clips[:, :, 0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ALL, ids=name_of)
def test_every_stage_keeps_its_frames_apart_and_in_place(backbone: Backbone, clips: Tensor) -> None:
    """A changed frame changes the features of that frame, and those of no other."""
    network = network_of(name_of(backbone))
    other = clips.clone()
    other[:, :, 2] += 1
    features: dict[str, list[Tensor]] = {}
    stages = backbone.stages(network)
    handles = [
        stage.register_forward_hook(lambda _m, _i, output, name=name: features.setdefault(name, []).append(output))
        for name, stage in list(stages.items())[:-1]
    ]
    with torch.no_grad():
        network(clips)
        network(other)
    for handle in handles:
        handle.remove()
    assert features.keys() == set(stages) - {"head"}
    for before, after in features.values():
        change = (before - after).abs().transpose(1, 2).flatten(2).amax(2)  # (B, T)
        assert change.shape == (2, 4)
        assert bool((change[:, [0, 1, 3]] == 0).all())
        assert float(change[:, 2].min()) > 0
    thawed = {id(weight) for stage in stages.values() for weight in stage.parameters()}
    assert thawed == {id(weight) for weight in network.parameters()}


@pytest.mark.parametrize("backbone", ALL, ids=name_of)
def test_every_activation_is_used_once(backbone: Backbone) -> None:
    network = network_of(name_of(backbone))
    activations = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    uses: list[nn.Module] = []
    handles = [each.register_forward_hook(lambda module, *_: uses.append(module)) for each in activations]
    with torch.no_grad():
        network(torch.zeros(1, 3, 2, 40, 40))
    for handle in handles:
        handle.remove()
    assert not any(each.inplace for each in activations)
    assert len(uses) == len(set(uses)) == len(activations)


@pytest.mark.parametrize("backbone", ALL, ids=name_of)
def test_deeplift_is_complete(backbone: Backbone, clips: Tensor) -> None:
    found = explained(backbone, clips[:1, :, :2], "deeplift", baseline="blur").explanation
    assert float(found.gap.abs()) < 1e-4 * float((found.output - found.baseline_output).abs())


@pytest.mark.parametrize("backbone", ALL[:3], ids=name_of)
def test_lrp_conserves(backbone: Backbone, clips: Tensor) -> None:
    found = explained(backbone, clips[:1, :, :2], "lrp").explanation
    assert float((found.gap / found.output).abs()) < 1e-3


@pytest.mark.parametrize("backbone", ALL, ids=name_of)
def test_grad_cam_of_a_clip_is_that_of_its_frames(backbone: Backbone, clips: Tensor) -> None:
    """In a clip that stands still a channel has the weight that it has in a single frame, over their number."""
    still = clips[:1, :, :1].expand(-1, -1, 4, -1, -1)
    whole = explained(backbone, still, "grad_cam").relevance
    single = explained(backbone, still[:, :, :1], "grad_cam").relevance
    torch.testing.assert_close(whole, single.expand_as(whole) / 4, rtol=1e-3, atol=1e-6)
    assert float(whole.std((3, 4)).min()) > 0  # a map in space


@pytest.mark.parametrize("backbone", ALL[:2], ids=name_of)
def test_a_frame_gets_the_relevance_of_its_share(backbone: Backbone, clips: Tensor) -> None:
    found = explained(backbone, clips[:1], "input_x_gradient").relevance
    for time in range(4):
        single = explained(backbone, clips[:1, :, time : time + 1], "input_x_gradient").relevance
        torch.testing.assert_close(found[:, :, time], single[:, :, 0] / 4, rtol=1e-3, atol=1e-6)


def test_the_compact_twin_has_the_layers_and_widths_of_the_video_network() -> None:
    video, frames = CompactR3D().build(1), CompactFrameCnn().build(1)
    assert sum(weight.numel() for weight in frames.parameters()) == 77_801
    matched = CompactFrameCnn(widths=(14, 28, 55, 110)).build(1)
    assert sum(weight.numel() for weight in matched.parameters()) == 228_932  # CompactR3D: 226,457
    for (name, ours), (twin, theirs) in zip(frames.named_parameters(), video.named_parameters(), strict=True):
        assert (name, ours.shape[:2]) == (twin, theirs.shape[:2])
        assert ours.shape[3:] == theirs.shape[3:]


def test_too_small_frames_are_refused_where_a_network_cannot_take_them() -> None:
    vgg = FrameCnn(network="vgg11", weights="none")
    vgg.check(1, 32, 32)
    with pytest.raises(ModelError, match="at least 32 x 32 pixels; these have 32 x 31"):
        vgg.check(16, 32, 31)
    with pytest.raises(RuntimeError), torch.no_grad():
        vgg.build(1).eval()(torch.zeros(1, 3, 1, 31, 31))
    resnet = FrameCnn(weights="none")
    resnet.check(1, 17, 17)
    with torch.no_grad():
        assert resnet.build(1).eval()(torch.zeros(1, 3, 1, 17, 17)).shape == (1, 1)

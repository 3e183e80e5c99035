"""Ablation, Kernel SHAP and occlusion against closed forms, hand-computed cases, brute force and captum."""

from __future__ import annotations

from itertools import combinations, product
from math import factorial
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

import mien
from mien.errors import ModelError
from mien.regions.bits import bit, region_names
from mien.regions.segments import segment_features
from mien.registry import load_registry
from mien.testing import clip_batch
from mien.types import ClipBatch
from mien_plugins.attribution.ablation import Ablation
from mien_plugins.attribution.kernel_shap import KernelShap
from mien_plugins.attribution.occlusion import Occlusion

BASELINES = ["zero", "temporal_mean", "blur"]


class Products(nn.Module):
    """The product of ``order`` weighted sums of the clip, plus another weighted sum."""

    def __init__(self, elements: int, order: int) -> None:
        super().__init__()
        weights = torch.randn(order + 1, elements, generator=torch.Generator().manual_seed(1)).double()
        self.weights = nn.Parameter(weights / 10)

    def forward(self, clips: Tensor) -> Tensor:
        sums = clips.flatten(1) @ self.weights.T
        return sums[:, :-1].prod(1, keepdim=True) + sums[:, -1:]


class Counting(nn.Module):
    """The mean of the clip; notes how many clips passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[int] = []

    def forward(self, clips: Tensor) -> Tensor:
        self.passed.append(len(clips))
        return clips.flatten(1).mean(1, keepdim=True)


class Steps(nn.Module):
    """Whole numbers, without a gradient: how many elements of the clip are above 0."""

    def forward(self, clips: Tensor) -> Tensor:
        return (clips.detach().flatten(1) > 0).sum(1, keepdim=True).double()


def linear_net(elements: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(elements, 1)).double()


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, 3, 4, 6, 8, generator=torch.Generator().manual_seed(0)).double() + 0.5


@pytest.fixture
def bits() -> Tensor:
    """Background on the left, then bare face, mouth, and nose on the right; the second clip has no nose."""
    made = torch.zeros(2, 4, 6, 8, dtype=torch.int32)
    made[..., 2:] = bit("face")
    made[..., 4:6] |= bit("mouth")
    made[0, ..., 6:] |= bit("nose")
    made[..., 2, 3:] = bit("face")
    return made


def explained(net: nn.Module, clips: Tensor, bits: Tensor, method: str, **fields: Any) -> mien.Explained:
    return mien.explain(net, clips, regions=bits, region_names=region_names, method=method, **fields)


def features_of(clips: Tensor, bits: Tensor, segments: int) -> list[list[Tensor]]:
    """The features of each clip that hold an element, as booleans of the clip's shape."""
    pieces = clip_batch(len(clips), clips.shape[2], clips.shape[3])
    batch = ClipBatch(**{**vars(pieces), "regions": bits, "inputs": clips})
    labels, names = segment_features(batch, segments)
    masks = [[(each == number).expand(clips.shape[1:]) for number in range(len(names))] for each in labels]
    return [[mask for mask in each if bool(mask.any())] for each in masks]


def baseline_of(clips: Tensor, baseline: str) -> Tensor:
    return Ablation(baseline=baseline).baseline_of(ClipBatch(**{**vars(clip_batch(len(clips))), "inputs": clips}))


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("method", ["ablation", "kernel_shap"])
def test_a_linear_network_gives_each_feature_its_weighted_difference(
    method: str, baseline: str, clips: Tensor, bits: Tensor
) -> None:
    net = linear_net(clips[0].numel())
    found = explained(net, clips, bits, method, baseline=baseline, time_segments=3)
    start = baseline_of(clips, baseline)
    terms = net[1].weight.detach().reshape(clips.shape[1:]) * (clips - start)
    expected = torch.zeros_like(clips)
    for clip, masks in enumerate(features_of(clips, bits, 3)):
        for mask in masks:
            expected[clip][mask] = terms[clip][mask].mean()
    torch.testing.assert_close(found.relevance, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.explanation.output, net(clips)[:, 0].detach())
    torch.testing.assert_close(found.explanation.baseline_output, net(start)[:, 0].detach())


def brute_force(net: nn.Module, clip: Tensor, masks: list[Tensor]) -> list[float]:
    """Shapley values by their definition, with one forward pass a coalition."""
    players = range(len(masks))

    def value(chosen: frozenset[int]) -> float:
        kept = sum((masks[player] for player in chosen), torch.zeros_like(clip, dtype=torch.bool))
        return float(net(torch.where(kept, clip, 0)[None]))

    with torch.no_grad():
        subsets = [frozenset(chosen) for size in range(len(masks) + 1) for chosen in combinations(players, size)]
        values = {chosen: value(chosen) for chosen in subsets}
    weight = [factorial(size) * factorial(len(masks) - size - 1) for size in players]
    return [
        sum(
            weight[len(chosen)] * (values[chosen | {player}] - values[chosen])
            for chosen in subsets
            if player not in chosen
        )
        / factorial(len(masks))
        for player in players
    ]


@pytest.mark.parametrize(("order", "samples"), [(2, "auto"), (2, 16), (3, 254)])
def test_kernel_shap_is_the_shapley_value(order: int, samples: int | str, clips: Tensor, bits: Tensor) -> None:
    """Of products of two sums with few coalitions, of products of three with all of them."""
    net = Products(clips[0].numel(), order)
    found = explained(net, clips, bits, "kernel_shap", baseline="zero", time_segments=2, samples=samples)
    for clip, relevance, masks in zip(clips, found.relevance, features_of(clips, bits, 2), strict=True):
        shares = [float(relevance[mask].sum()) for mask in masks]
        assert shares == pytest.approx(brute_force(net, clip, masks), abs=1e-9)
    told = found.explanation.diagnostics
    assert told["features"].tolist() == [8, 6]
    budget = 4 * told["features"] if samples == "auto" else torch.tensor([float(samples)] * 2)
    assert told["samples"].tolist() == (torch.minimum(budget, 2 ** told["features"] - 2) + 2).tolist()
    assert told["exact"].tolist() == [float(b >= 2**f - 2) for b, f in zip(budget, told["features"], strict=True)]


def test_kernel_shap_adds_up_when_it_is_an_estimate(clips: Tensor, bits: Tensor) -> None:
    net = Products(clips[0].numel(), 3)
    found = explained(net, clips, bits, "kernel_shap", time_segments=4)
    change = found.explanation.output - found.explanation.baseline_output
    torch.testing.assert_close(found.relevance.flatten(1).sum(1), change, rtol=1e-9, atol=1e-12)
    assert float(found.explanation.gap.abs().max()) < 1e-9
    assert found.explanation.diagnostics["exact"].tolist() == [0, 0]


@pytest.mark.parametrize(("method", "fields"), [("ablation", {}), ("kernel_shap", {"samples": 40})])
def test_only_what_the_network_reads_has_relevance(
    method: str, fields: dict[str, Any], clips: Tensor, bits: Tensor
) -> None:
    class Mouth(nn.Module):
        def forward(self, clips: Tensor) -> Tensor:
            return clips[:, :, :2, :2, 4:6].square().flatten(1).sum(1, keepdim=True)

    found = explained(Mouth(), clips, bits, method, time_segments=2, **fields).relevance
    read = (bits & bit("mouth") != 0)[:, None].expand_as(clips).clone()
    read[:, :, 2:] = False
    assert float(found[~read].abs().max()) < 1e-12
    assert float(found[read].abs().min()) > 0


@pytest.mark.parametrize(("method", "fields"), [("ablation", {}), ("kernel_shap", {}), ("occlusion", {})])
def test_a_network_without_a_gradient_is_explained(
    method: str, fields: dict[str, Any], clips: Tensor, bits: Tensor
) -> None:
    found = explained(Steps(), clips, bits, method, baseline="zero", **fields)
    assert float(found.relevance.max()) > 0
    if method != "occlusion":  # each element counts for itself, so both give the number of those above 0
        torch.testing.assert_close(found.relevance.flatten(1).sum(1), (clips > 0).flatten(1).sum(1).double())


def test_features_that_a_clip_lacks_are_not_asked_for(bits: Tensor) -> None:
    net = Counting()
    found = explained(net, torch.randn(2, 3, 4, 6, 8), bits, "ablation", time_segments=2)
    assert found.explanation.diagnostics["features"].tolist() == [8, 6]
    assert sum(net.passed) == 8 + 6 + 2 * 2
    assert found.explanation.diagnostics["samples"].sum() == sum(net.passed)
    assert max(net.passed) == 4


def test_ablation_is_captums(clips: Tensor, bits: Tensor) -> None:
    captum = pytest.importorskip("captum.attr")
    net = Products(clips[0].numel(), 3)
    found = explained(net, clips, bits, "ablation", time_segments=2)
    start = baseline_of(clips, "temporal_mean")
    for clip, masks in enumerate(features_of(clips, bits, 2)):
        number = sum(place * mask.long() for place, mask in enumerate(masks))
        expected = captum.FeatureAblation(net).attribute(
            clips[clip, None], baselines=start[clip, None], feature_mask=number[None]
        )[0]
        for mask in masks:
            assert float(found.relevance[clip][mask].sum()) == pytest.approx(float(expected[mask][0]), abs=1e-10)


@pytest.mark.parametrize("method", [KernelShap(samples=20), Ablation(), Occlusion(block=(2, 3, 4))])
def test_a_clip_has_its_own_draws(method: Any, bits: Tensor) -> None:
    """Neither the batch nor the order nor the global generator matter."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 1)).double()
    clips, same = torch.randn(3, 3, 4, 6, 8).double(), bits[:1].expand(3, -1, -1, -1)
    together = explained(net, clips, same, method).relevance
    before = torch.random.get_rng_state()
    torch.manual_seed(99)
    backwards = explained(net, clips.flip(0), same, method).relevance.flip(0)
    alone = torch.cat([explained(net, clip[None], bits[:1], method).relevance for clip in clips])
    torch.random.set_rng_state(before)
    explained(net, clips, same, method)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(together, backwards)
    assert torch.equal(together, alone)


def test_another_seed_draws_other_coalitions(clips: Tensor, bits: Tensor) -> None:
    net = Products(clips[0].numel(), 3)
    found = [explained(net, clips, bits, "kernel_shap", seed=seed).relevance for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])


def test_landmarks_have_features_but_no_blocks() -> None:
    points = torch.randn(2, 4, 5, 2, generator=torch.Generator().manual_seed(0)).double()
    net = linear_net(40)
    regions = {"mouth": torch.tensor([1, 1, 0, 0, 0]).bool().expand(4, 5)}
    terms = net[1].weight.detach().reshape(4, 5, 2) * (points - points.mean(1, keepdim=True))
    for method in ("ablation", "kernel_shap"):
        found = mien.explain(net, points, regions=regions, method=method, time_segments=2).relevance
        for frames, rest in product((slice(0, 2), slice(2, 4)), (slice(0, 2), slice(2, 5))):
            expected = terms[:, frames, rest].mean((1, 2, 3), keepdim=True)
            torch.testing.assert_close(found[:, frames, rest], expected.expand(-1, 2, rest.stop - rest.start, 2))
    with pytest.raises(ModelError, match="landmarks lie on no grid"):
        mien.explain(net, points, method="occlusion")


def test_an_element_has_the_mean_over_the_blocks_that_cover_it() -> None:
    """Five pixels in blocks of two, two apart, the last at the border: 0-1, 2-3, 3-4."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(5, 1, bias=False)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0, 10, 100, 1000, 10000]]))
    clip = torch.ones(1, 1, 1, 1, 5).double()
    found = mien.explain(net, clip, method="occlusion", baseline="zero", block=(1, 1, 2), stride=(1, 1, 2))
    assert found.relevance.flatten().tolist() == [5.5, 5.5, 550, (550 + 5500) / 2, 5500]
    assert found.explanation.diagnostics["blocks"].tolist() == [3]
    assert found.explanation.output.tolist() == [11111]
    assert found.explanation.baseline_output.tolist() == [0]


@pytest.mark.parametrize("baseline", BASELINES)
def test_blocks_side_by_side_share_out_a_linear_network(baseline: str, clips: Tensor) -> None:
    net = linear_net(clips[0].numel())
    block = (2, 3, 4)
    found = mien.explain(net, clips, method="occlusion", baseline=baseline, block=block, stride=block).relevance
    terms = net[1].weight.detach().reshape(clips.shape[1:]) * (clips - baseline_of(clips, baseline))
    inside = terms.reshape(2, 3, 2, 2, 2, 3, 2, 4).mean((1, 3, 5, 7), keepdim=True)
    torch.testing.assert_close(found, inside.expand(2, 3, 2, 2, 2, 3, 2, 4).reshape(clips.shape))


@pytest.mark.parametrize("stride", [(2, 3, 4), (1, 1, 2)])
def test_occlusion_is_captums(stride: tuple[int, int, int], clips: Tensor) -> None:
    captum = pytest.importorskip("captum.attr")
    net = Products(clips[0].numel(), 3)
    found = mien.explain(net, clips, method="occlusion", baseline="zero", block=(2, 3, 4), stride=stride).relevance
    whole = captum.Occlusion(net).attribute(clips, (3, 2, 3, 4), strides=(3, *stride), baselines=0)
    torch.testing.assert_close((found * 3 * 2 * 3 * 4).float(), whole)  # captum's map is of float32


def test_occlusion_finds_the_block_that_is_read(clips: Tensor) -> None:
    class Block(nn.Module):
        def forward(self, clips: Tensor) -> Tensor:
            return clips[:, :, 2:, :3, 4:].square().flatten(1).sum(1, keepdim=True)

    found = mien.explain(Block(), clips, method="occlusion", block=(2, 3, 4), stride=(2, 3, 4)).relevance
    read = torch.zeros_like(clips, dtype=torch.bool)
    read[:, :, 2:, :3, 4:] = True
    assert float(found[~read].abs().max()) < 1e-12
    assert float(found[read].abs().min()) > 0


def test_blocks_by_default_are_a_quarter_of_the_clip() -> None:
    net = Counting()
    found = mien.explain(net, torch.randn(1, 3, 8, 64, 64), method="occlusion")
    assert found.explanation.diagnostics["blocks"].tolist() == [4 * 7 * 7]
    assert sum(net.passed) == 4 * 7 * 7 + 2
    assert torch.equal(found.relevance[:, 0], found.relevance[:, 2])
    whole = mien.explain(net, torch.randn(1, 3, 2, 3, 5), method="occlusion", block=(9, 9, 9))
    assert whole.explanation.diagnostics["blocks"].tolist() == [1]  # no more than the clip has


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stride": (1, 1, 1)}, "set both"),
        ({"block": (2, 2, 2), "stride": (1, 2, 3)}, "leaves gaps"),
        ({"block": (0, 2, 2)}, "greater than or equal to 1"),
    ],
)
def test_blocks_that_do_not_cover_the_clip_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Occlusion(**fields)


@pytest.mark.parametrize("method", ["ablation", "kernel_shap", "occlusion"])
def test_an_output_that_is_not_finite_is_an_error(method: str, clips: Tensor) -> None:
    class Fragile(nn.Module):
        def forward(self, clips: Tensor) -> Tensor:
            return clips.flatten(1).sum(1, keepdim=True) / (clips[:, :, :1, :2, :2] != 0).flatten(1).any(1)[:, None]

    with pytest.raises(ModelError, match="not finite"):
        mien.explain(Fragile(), clips, method=method, baseline="zero")


SMALL: dict[str, dict[str, Any]] = {
    "compact_r3d": {"frames": 4, "size": 32},
    "compact_frame_cnn": {"frames": 4, "size": 32},
    "frame_cnn": {"weights": "none", "frames": 4, "size": 64},
    "r3d_18": {"weights": "none", "frames": 8, "size": 48},
    "mc3_18": {"weights": "none", "frames": 8, "size": 48},
    "r2plus1d_18": {"weights": "none", "frames": 8, "size": 48},
    "mvit_v2_s": {"weights": "none", "frames": 4, "size": 64},
    "swin3d_t": {"weights": "none", "frames": 4, "size": 64},
    "module": {"factory": "mien.testing:tiny_network", "frames": 4, "height": 12, "width": 12},
}


@pytest.mark.parametrize("name", SMALL)
def test_backbones_are_explained(name: str) -> None:
    """Also those that Grad-CAM, DeepLift or LRP cannot explain; all but s3d, which takes no small clips."""
    own = {entry.id for entry in load_registry().entries("backbone") if entry.distribution.startswith("mien==")}
    assert {*SMALL, "s3d"} == own
    backbone = load_registry().create("backbone", name, SMALL[name])
    spec = backbone.input_spec
    torch.manual_seed(0)
    clips = torch.randn(1, 3, spec.frames, spec.height, spec.width)
    net = backbone.architecture(1).eval()
    block = (spec.frames, spec.height, spec.width // 2)
    methods = [Ablation(time_segments=2), KernelShap(time_segments=2), Occlusion(block=block, stride=block)]
    with torch.no_grad():
        output, start = (net(each)[:, 0] for each in (clips, clips.mean(2, keepdim=True).expand_as(clips)))
    for method in methods:
        found = mien.explain(net, clips, method=method, backbone=backbone)
        torch.testing.assert_close(found.explanation.output, output, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.explanation.baseline_output, start, rtol=1e-4, atol=1e-5)
        assert float(found.relevance.abs().sum()) > 0

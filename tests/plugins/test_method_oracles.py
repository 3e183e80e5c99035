"""What all gradient methods owe: closed forms on two networks, invariance, and nothing left to chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mien
from mien.registry import load_registry
from mien_plugins.attribution.gradient_shap import GradientShap
from mien_plugins.attribution.sampling import clip_seed

SHAPE = (2, 3, 4, 5, 6)
GRADIENT_METHODS = {
    "saliency": {},
    "input_x_gradient": {},
    "integrated_gradients": {"baseline": "zero"},
    "smoothgrad": {"samples": 4},
    "gradient_shap": {"samples": 4},
}


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(2)).double()


def baseline_of(kind: str, clips: Tensor) -> Tensor:
    return torch.zeros_like(clips) if kind == "zero" else clips.mean(2, keepdim=True).expand_as(clips)


@pytest.mark.parametrize("kind", ["zero", "temporal_mean"])
@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("integrated_gradients", {"steps": 2}),
        ("deeplift", {}),
        ("gradient_shap", {"baseline_noise": 0, "samples": 2}),
        ("smoothgrad", {"base": "integrated_gradients", "noise": 0, "samples": 2}),
        ("smoothgrad", {"base": "deeplift", "noise": 0, "samples": 2}),
    ],
)
def test_a_linear_network_gives_weight_times_difference(
    method: str, fields: dict[str, object], kind: str, clips: Tensor
) -> None:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Flatten(), nn.Linear(clips[0].numel(), 1)).double()
    if fields.get("base") == "deeplift":
        fields = {**fields, "base_fields": {"baseline": kind}}
    else:
        fields = {**fields, "baseline": kind}
    expected = net[1].weight.detach().reshape(clips.shape[1:]) * (clips - baseline_of(kind, clips))
    torch.testing.assert_close(mien.explain(net, clips, method=method, **fields).relevance, expected)


@pytest.mark.parametrize("method", ["input_x_gradient", "lrp"])
def test_a_linear_network_gives_weight_times_input_where_the_baseline_is_zero(method: str, clips: Tensor) -> None:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Flatten(), nn.Linear(clips[0].numel(), 1)).double()
    fields = {"composite": "epsilon"} if method == "lrp" else {}
    found = mien.explain(net, clips, method=method, **fields)
    expected = net[1].weight.detach().reshape(clips.shape[1:]) * clips
    torch.testing.assert_close(found.relevance, expected, rtol=1e-4, atol=1e-6)  # zennit's stabiliser takes 1e-6
    if method == "lrp":
        bias = float(net[1].bias.detach())
        torch.testing.assert_close(
            found.explanation.diagnostics["bias"], torch.full((2,), bias).double(), rtol=1e-4, atol=1e-6
        )


class Bilinear(nn.Module):
    """f(x) = sum of w * relu(u) * v, where u is the first half of the frames and v the other; v passes a layer."""

    def __init__(self, half: torch.Size) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(half, generator=torch.Generator().manual_seed(5)).double())
        self.relu = nn.ReLU()
        self.whole = nn.Identity()

    def forward(self, clips: Tensor) -> Tensor:
        first, second = self.whole(clips).chunk(2, dim=2)
        return (self.weights * self.relu(first) * second).flatten(1).sum(1)


class TestBilinear:
    """Each method's own closed form, on f(x) = sum of w * relu(u) * v."""

    @pytest.fixture
    def net(self, clips: Tensor) -> Bilinear:
        return Bilinear(clips.chunk(2, dim=2)[0].shape[1:])

    @pytest.fixture
    def parts(self, net: Bilinear, clips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, second = clips.chunk(2, dim=2)
        return net.weights.detach(), first, second

    def slopes(self, net: Bilinear, points: Tensor) -> Tensor:
        w, (u, v) = net.weights.detach(), points.chunk(2, dim=-3)
        return torch.cat([w * v * (u > 0), w * u.relu()], dim=-3)

    def test_saliency(self, net: Bilinear, clips: Tensor) -> None:
        found = mien.explain(net, clips, method="saliency").relevance
        torch.testing.assert_close(found, self.slopes(net, clips).abs())

    def test_input_x_gradient_counts_the_product_twice(self, net: Bilinear, clips: Tensor, parts) -> None:
        w, u, v = parts
        found = mien.explain(net, clips, method="input_x_gradient").relevance
        product = w * u.relu() * v
        torch.testing.assert_close(found, torch.cat([product, product], dim=2))

    def test_guided_backprop(self, net: Bilinear, clips: Tensor, parts) -> None:
        w, u, v = parts
        found = mien.explain(net, clips, method="guided_backprop").relevance
        torch.testing.assert_close(found, torch.cat([(w * v).relu() * (u > 0), w * u.relu()], dim=2))

    def test_integrated_gradients_share_the_product_evenly(self, net: Bilinear, clips: Tensor, parts) -> None:
        w, u, v = parts
        found = mien.explain(net, clips, baseline="zero", steps=64, max_steps=64).relevance
        half = w * u.relu() * v / 2
        torch.testing.assert_close(found, torch.cat([half, half], dim=2), rtol=1e-9, atol=1e-9)

    def test_smoothgrad(self, net: Bilinear, clips: Tensor) -> None:
        found = mien.explain(net, clips, method="smoothgrad", samples=3, values="squared").relevance
        for clip, relevance in zip(clips, found, strict=True):
            generator = torch.Generator().manual_seed(clip_seed(clip, 0))
            noise = torch.stack([torch.randn(clip.shape, generator=generator) for _ in range(3)]).double()
            noisy = clip + 0.15 * (clip.max() - clip.min()) * noise
            torch.testing.assert_close(relevance, self.slopes(net, noisy).square().mean(0))

    def test_smoothgrad_over_guided_backprop(self, net: Bilinear, clips: Tensor) -> None:
        found = mien.explain(net, clips, method="smoothgrad", base="guided_backprop", samples=3).relevance
        for clip, relevance in zip(clips, found, strict=True):
            generator = torch.Generator().manual_seed(clip_seed(clip, 0))
            noise = torch.stack([torch.randn(clip.shape, generator=generator) for _ in range(3)]).double()
            noisy = clip + 0.15 * (clip.max() - clip.min()) * noise
            slopes = self.slopes(net, noisy)
            u, v = slopes.chunk(2, dim=-3)
            torch.testing.assert_close(relevance, torch.cat([u.relu(), v], dim=-3).mean(0))

    def test_gradient_shap(self, net: Bilinear, clips: Tensor) -> None:
        found = mien.explain(net, clips, method=GradientShap(baseline="zero", baseline_noise=0, samples=4)).relevance
        for clip, relevance in zip(clips, found, strict=True):
            generator = torch.Generator().manual_seed(clip_seed(clip, 0))
            stretch = torch.randperm(4, generator=generator)
            positions = ((stretch + torch.rand(4, generator=generator)) / 4).double()
            # Gradients are linear on a path from zero: the mean is that at the mean position.
            torch.testing.assert_close(relevance, clip * self.slopes(net, clip) * positions.mean())

    def test_deeplift_takes_a_product_by_its_gradient_and_the_gap_tells(
        self, net: Bilinear, clips: Tensor, parts
    ) -> None:
        w, u, v = parts
        found = mien.explain(net, clips, method="deeplift", baseline="zero").explanation
        product = w * u.relu() * v
        torch.testing.assert_close(found.relevance, torch.cat([product, product], dim=2))
        torch.testing.assert_close(found.gap, product.flatten(1).sum(1))

    def test_grad_cam(self, net: Bilinear, clips: Tensor) -> None:
        found = mien.explain(net, clips, method="grad_cam", layer="whole").relevance
        weights = self.slopes(net, clips).mean((2, 3, 4), keepdim=True)
        one = (weights * clips).sum(1, keepdim=True) / clips.shape[1]
        torch.testing.assert_close(found, one.expand_as(clips))

    def test_lrp_has_no_rule_for_a_product_and_the_gap_tells(self, net: Bilinear, clips: Tensor) -> None:
        found = mien.explain(net, clips, method="lrp").explanation
        # Where no module stands, relevance passes as a gradient does.
        expected = self.slopes(net, clips)[:, :, 2:] * found.output.reshape(-1, 1, 1, 1, 1)
        torch.testing.assert_close(found.relevance[:, :, 2:], expected)
        assert bool((found.gap.abs() > 0.1 * found.output.abs()).any())


def early() -> nn.Sequential:
    """relu(relu(a - 1) - relu(b)), summed; a and b are channels (Sundararajan et al. 2017, figure 7)."""
    return _twin([0.0 - 1.0, 0.0], 0.0)


def late() -> nn.Sequential:
    """relu(relu(a) - 1 - relu(b)), summed: the same function of any a and b."""
    return _twin([0.0, 0.0], -1.0)


def _twin(first: list[float], second: float) -> nn.Sequential:
    net = nn.Sequential(nn.Conv3d(2, 2, 1), nn.ReLU(), nn.Conv3d(2, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(24, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(2).reshape(2, 2, 1, 1, 1))
        net[0].bias.copy_(torch.tensor(first))
        net[2].weight.copy_(torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1, 1))
        net[2].bias.fill_(second)
        net[5].weight.fill_(1)
        net[5].bias.zero_()
    return net.double()


@pytest.fixture
def sequences() -> Tensor:
    return 3 * torch.rand(2, 2, 2, 3, 4, generator=torch.Generator().manual_seed(7)).double()


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_gradient_methods_see_the_function_and_not_how_it_is_computed(method: str, sequences: Tensor) -> None:
    torch.testing.assert_close(early()(sequences), late()(sequences))
    found = [
        mien.explain(net, sequences, method=method, **GRADIENT_METHODS[method]).relevance for net in (early(), late())
    ]
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("deeplift", {"baseline": "zero"}),
        ("guided_backprop", {}),
        ("grad_cam", {"layer": "1"}),
        *[
            ("lrp", {"composite": name})
            for name in ("gamma", "epsilon", "epsilon_plus", "epsilon_plus_flat", "alpha_beta", "epsilon_gamma_box")
        ],
    ],
)
def test_how_far_others_see_how_it_is_computed_is_reported(
    method: str, fields: dict[str, str], sequences: Tensor, record_property
) -> None:
    """Not asserted: these methods read the layers, so that two computations of one function may differ."""
    found = [mien.explain(net, sequences, method=method, **fields).relevance for net in (early(), late())]
    difference = float((found[0] - found[1]).norm() / found[0].norm())
    record_property(f"{method} {fields.get('composite', '')}".strip(), difference)
    assert np.isfinite(difference)


@pytest.mark.parametrize(
    "method",
    [entry.id for entry in load_registry().entries("attribution") if entry.distribution.startswith("mien==")],
)
def test_no_method_touches_or_reads_a_global_generator(method: str) -> None:
    torch.manual_seed(0)
    net, clips = (
        nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 1)),
        torch.randn(1, 3, 4, 6, 6),
    )
    fields = {"layer": "0"} if method == "grad_cam" else {}
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002  what a method must not read
        before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        found.append(mien.explain(net, clips, method=method, **fields).relevance)
        assert torch.equal(torch.random.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.equal(*found)

"""SmoothGrad against closed forms and captum's NoiseTunnel with the same noise."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import mien
from mien_plugins.attribution.sampling import clip_seed
from mien_plugins.attribution.smoothgrad import SmoothGrad

BASES = ["saliency", "input_x_gradient", "integrated_gradients"]


class Quadratic(nn.Module):
    """The sum of ``weights * x ** 2``."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(3)).double())

    def forward(self, clips: Tensor) -> Tensor:
        return (self.weights * clips.square()).flatten(1).sum(1, keepdim=True)


def bent_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(3, 4, 3), nn.Softplus(), nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(32, 1)
    ).double()


@pytest.fixture
def clips() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 5.0, 0.2]).reshape(3, 1, 1, 1, 1)
    return torch.randn(3, 3, 4, 6, 6, generator=generator).double() * scale


def noise_of(clip: Tensor, samples: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(clip_seed(clip, seed))
    return torch.stack([torch.randn(clip.shape, generator=generator) for _ in range(samples)]).double()


@pytest.mark.parametrize("values", ["signed", "absolute", "squared"])
def test_a_linear_network_gives_its_weights_whatever_the_noise(values: str, clips: Tensor) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(432, 1)).double()
    weights = net[1].weight.detach().reshape(clips.shape[1:])
    expected = {"signed": weights, "absolute": weights.abs(), "squared": weights.square()}[values]
    found = mien.explain(net, clips, method="smoothgrad", values=values, samples=7)
    torch.testing.assert_close(found.relevance, expected.expand_as(clips), rtol=1e-12, atol=0)
    assert float(found.explanation.diagnostics["standard_error"].max()) < 1e-12
    torch.testing.assert_close(found.explanation.output, net(clips)[:, 0].detach())


@pytest.mark.parametrize("values", ["signed", "absolute", "squared"])
@pytest.mark.parametrize("base", BASES)
def test_a_quadratic_gives_what_its_noise_makes_of_it(base: str, values: str, clips: Tensor) -> None:
    net = Quadratic(clips.shape[1:])
    found = mien.explain(
        net, clips, method="smoothgrad", base=base, values=values, samples=5, noise=0.2, seed=4, baseline="zero"
    ).relevance
    for clip, relevance in zip(clips, found, strict=True):
        noisy = clip + 0.2 * (clip.max() - clip.min()) * noise_of(clip, 5, seed=4)
        slope = 2 * net.weights.detach() * noisy
        maps = {"saliency": slope, "input_x_gradient": slope * noisy, "integrated_gradients": slope * noisy / 2}[base]
        each = {"signed": maps, "absolute": maps.abs(), "squared": maps.square()}[values]
        torch.testing.assert_close(relevance, each.mean(0), rtol=1e-9, atol=1e-9)


def test_a_quadratic_goes_to_its_expectation(clips: Tensor) -> None:
    """E[2a(x + e)] = 2ax and E[4a^2 (x + e)^2] = 4a^2 (x^2 + s^2), within what the standard error allows."""
    net, samples, level = Quadratic(clips.shape[1:]), 400, 0.1
    deviation = level * (clips[:1].max() - clips[:1].min())
    weights = net.weights.detach()
    for values, expected in (
        ("signed", 2 * weights * clips[0]),
        ("squared", 4 * weights.square() * (clips[0].square() + deviation.square())),
    ):
        found = mien.explain(net, clips[:1], method="smoothgrad", values=values, samples=samples, noise=level)
        error = float((found.relevance[0] - expected).norm() / found.relevance[0].norm())
        told = float(found.explanation.diagnostics["standard_error"])
        assert 0.8 < error / told < 1.25
    assert float(found.explanation.diagnostics["noise"]) == pytest.approx(float(deviation))
    spread = float((4 * weights.square() * deviation.square()).sum().sqrt()) / math.sqrt(samples)
    signed = mien.explain(net, clips[:1], method="smoothgrad", samples=samples, noise=level)
    told = float(signed.explanation.diagnostics["standard_error"]) * float(signed.relevance.norm())
    assert told == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize(("base", "kind"), [("saliency", "Saliency"), ("input_x_gradient", "InputXGradient")])
@pytest.mark.parametrize("squared", [False, True])
def test_it_is_captums_noise_tunnel_with_the_same_noise(
    base: str, kind: str, squared: bool, clips: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    captum = pytest.importorskip("captum.attr")
    net, samples = bent_net(), 6
    method = getattr(captum, kind)(lambda points: net(points)[:, 0])
    plain = {"abs": False} if kind == "Saliency" else {}
    for clip in clips:
        deviation = 0.15 * float(clip.max() - clip.min())
        monkeypatch.setattr(torch, "normal", lambda *_, clip=clip, by=deviation: by * noise_of(clip, samples))
        tunnel = captum.NoiseTunnel(method)
        expected = tunnel.attribute(
            clip[None].clone(),
            nt_type="smoothgrad_sq" if squared else "smoothgrad",
            nt_samples=samples,
            stdevs=deviation,
            **plain,
        )
        values = "squared" if squared else "signed"
        found = mien.explain(net, clip[None], method="smoothgrad", base=base, samples=samples, values=values)
        torch.testing.assert_close(found.relevance, expected)


def test_the_noise_is_a_clips_own(clips: Tensor) -> None:
    """Neither the batch, nor the order, nor the sizes of internal batches, nor the global generator matter."""
    net, method = bent_net(), SmoothGrad(samples=5)
    together = mien.explain(net, clips, method=method).relevance
    before = torch.random.get_rng_state()
    torch.manual_seed(99)
    backwards = mien.explain(net, clips.flip(0), method=method).relevance.flip(0)
    alone = torch.cat([mien.explain(net, clip[None], method=method).relevance for clip in clips])
    torch.random.set_rng_state(before)
    mien.explain(net, clips, method=method)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(together, backwards)
    assert torch.equal(together, alone)
    first, second = noise_of(clips[0], 1), noise_of(clips[1], 1)
    assert abs(float((first * second).mean())) < 0.15  # other clips, other noise
    assert not torch.equal(together, mien.explain(net, clips, method=SmoothGrad(samples=5, seed=1)).relevance)


def test_more_samples_continue_the_same_noise(clips: Tensor) -> None:
    assert torch.equal(noise_of(clips[0], 7)[:3], noise_of(clips[0], 3))


def test_without_noise_it_is_the_base_method(clips: Tensor) -> None:
    net = bent_net()
    for base in ("input_x_gradient", "integrated_gradients"):
        steps = {"steps": 8} if base == "integrated_gradients" else {}
        found = mien.explain(net, clips, method="smoothgrad", base=base, noise=0, samples=2, **steps).relevance
        fixed = {"steps": 8, "max_steps": 8} if steps else {}
        torch.testing.assert_close(found, mien.explain(net, clips, method=base, **fixed).relevance)
    constant = torch.ones(1, 3, 4, 6, 6).double()  # a range of 0 leaves no noise
    found = mien.explain(net, constant, method="smoothgrad", samples=2)
    assert float(found.explanation.diagnostics["noise"]) == 0
    torch.testing.assert_close(found.relevance.abs(), mien.explain(net, constant, method="saliency").relevance)


def test_it_says_whether_it_keeps_the_sign() -> None:
    assert SmoothGrad().signed
    assert not SmoothGrad(values="absolute").signed
    assert not SmoothGrad(values="squared").signed


def test_landmarks_are_explained_too() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(40, 1))
    found = mien.explain(net, torch.randn(2, 4, 5, 2), method="smoothgrad", samples=3).relevance
    torch.testing.assert_close(found, net[1].weight.detach().reshape(1, 4, 5, 2).expand(2, -1, -1, -1))

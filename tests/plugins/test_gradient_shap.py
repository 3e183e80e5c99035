"""GradientShap against closed forms and captum's, given the same draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mien
from mien.errors import ModelError
from mien_plugins.attribution.gradient_shap import GradientShap
from mien_plugins.attribution.sampling import clip_seed

SHAPE = (2, 3, 4, 6, 6)


def bent_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(3, 4, 3), nn.Softplus(), nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(32, 1)
    ).double()


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).double()


def draws(clip: Tensor, samples: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The positions on the path and the noise of the baselines, drawn again."""
    generator = torch.Generator().manual_seed(clip_seed(clip, seed))
    stretch = torch.randperm(samples, generator=generator)
    positions = (stretch + torch.rand(samples, generator=generator)) / samples
    noise = torch.stack([torch.randn(clip.shape, generator=generator) for _ in range(samples)])
    return positions.double(), noise.double()


@pytest.mark.parametrize("kind", ["zero", "temporal_mean"])
def test_a_linear_network_gives_weight_times_difference_to_the_mean_baseline(kind: str, clips: Tensor) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(432, 1)).double()
    weights = net[1].weight.detach().reshape(clips.shape[1:])
    centre = clips.mean(2, keepdim=True).expand_as(clips) if kind == "temporal_mean" else torch.zeros_like(clips)
    plain = mien.explain(net, clips, method="gradient_shap", baseline=kind, baseline_noise=0, samples=3)
    torch.testing.assert_close(plain.relevance, weights * (clips - centre))
    noisy = mien.explain(net, clips, method="gradient_shap", baseline=kind, samples=5).explanation
    for clip, around, relevance in zip(clips, centre, noisy.relevance, strict=True):
        mean = around + 0.05 * (clip.max() - clip.min()) * draws(clip, 5)[1].mean(0)
        torch.testing.assert_close(relevance, weights * (clip - mean))
    assert float(noisy.gap.abs().max()) < 1e-12  # also of what the baselines' own outputs say
    assert bool((noisy.diagnostics["baseline_spread"] > 0).all())


def test_it_is_captums_given_the_same_baselines_and_points(clips: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    captum = pytest.importorskip("captum.attr")
    net, samples = bent_net(), 6
    clip = clips[0]
    positions, noise = draws(clip, samples)
    baselines = 0.05 * (clip.max() - clip.min()) * noise
    # captum draws baselines by numpy's global generator, positions too, and repeats the clip without noise.
    monkeypatch.setattr(np.random, "choice", lambda count, size: np.arange(size))
    monkeypatch.setattr(np.random, "uniform", lambda low, high, size: positions.numpy())
    expected = captum.GradientShap(lambda points: net(points)[:, 0]).attribute(
        clip[None], baselines=baselines, n_samples=samples, stdevs=0.0
    )
    found = mien.explain(net, clip[None], method="gradient_shap", baseline="zero", samples=samples)
    torch.testing.assert_close(found.relevance, expected)


def test_it_goes_to_integrated_gradients_without_noise(clips: Tensor) -> None:
    net = bent_net()
    exact = mien.explain(net, clips, baseline="zero", steps=256, max_steps=256).relevance
    errors = []
    for samples in (8, 128):
        fields = {"baseline": "zero", "baseline_noise": 0, "samples": samples}
        found = mien.explain(net, clips, method="gradient_shap", **fields)
        errors.append(float((found.relevance - exact).norm() / exact.norm()))
    assert errors[1] < 0.01
    assert errors[1] < errors[0] / 8  # one point a stretch: faster than the root of the draws


def test_the_gap_is_measured_and_falls(clips: Tensor) -> None:
    net, gaps = bent_net(), []
    for samples in (4, 256):
        found = mien.explain(net, clips, method="gradient_shap", samples=samples).explanation
        total = found.relevance.flatten(1).sum(1)
        torch.testing.assert_close(found.gap, total - (found.output - found.baseline_output))
        gaps.append(float((found.gap / (found.output - found.baseline_output)).abs().max()))
    assert gaps[1] < 0.05
    assert gaps[1] < gaps[0]


def test_several_baselines_are_drawn_equally_often(clips: Tensor) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(432, 1)).double()
    weights = net[1].weight.detach().reshape(clips.shape[1:])
    method = GradientShap(baseline="zero", more_baselines=("temporal_mean",), baseline_noise=0, samples=6)
    found = mien.explain(net, clips, method=method)
    torch.testing.assert_close(found.relevance, weights * (clips - clips.mean(2, keepdim=True) / 2))
    assert "or the mean of its own frames" in method.compared_with


def test_the_draws_are_a_clips_own(clips: Tensor) -> None:
    net, method = bent_net(), GradientShap(samples=5)
    before = torch.random.get_rng_state()
    together = mien.explain(net, clips, method=method).relevance
    assert torch.equal(torch.random.get_rng_state(), before)
    alone = torch.cat([mien.explain(net, clip[None], method=method).relevance for clip in clips.flip(0)])
    assert torch.equal(together, alone.flip(0))
    assert not torch.equal(together, mien.explain(net, clips, method=GradientShap(samples=5, seed=1)).relevance)


def test_landmarks_have_no_blur() -> None:
    net, sequence = nn.Sequential(nn.Flatten(), nn.Linear(40, 1)), torch.randn(1, 4, 5, 2)
    assert mien.explain(net, sequence, method="gradient_shap").relevance.shape == sequence.shape
    with pytest.raises(ModelError, match="cannot be blurred"):
        mien.explain(net, sequence, method="gradient_shap", more_baselines=("blur",))

"""Saliency and input x gradient against closed forms."""

from __future__ import annotations

import torch
from torch import nn

import mien


def homogeneous_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(3, 4, 3, bias=False), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 1, bias=False)
    )


def linear_net(size: int) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(size, 2))


def test_a_linear_network_gives_its_weights() -> None:
    clips = torch.randn(2, 3, 2, 4, 4)
    net = linear_net(96)
    weights = net[1].weight[1].reshape(3, 2, 4, 4)
    saliency = mien.explain(net, clips, method="saliency", target=1)
    product = mien.explain(net, clips, method="input_x_gradient", target=1)
    assert torch.equal(saliency.relevance, weights.abs().expand_as(clips))
    assert torch.allclose(product.relevance, weights * clips)
    assert torch.allclose(saliency.explanation.output, net(clips)[:, 1])
    assert saliency.explanation.gap is None
    assert saliency.explanation.baseline_output is None


def test_input_x_gradient_of_a_homogeneous_network_sums_to_its_output() -> None:
    clips = torch.randn(3, 3, 4, 6, 6)
    found = mien.explain(homogeneous_net(), clips, method="input_x_gradient")
    assert torch.allclose(found.relevance.flatten(1).sum(1), found.explanation.output, atol=1e-6)


def test_saliency_is_the_size_of_a_finite_difference() -> None:
    torch.manual_seed(2)
    net, clips = homogeneous_net().double(), torch.randn(1, 3, 3, 4, 4).double()
    found = mien.explain(net, clips, method="saliency").relevance
    step = torch.zeros_like(clips)
    step[0, 1, 1, 2, 2] = 1e-6
    difference = (net(clips + step) - net(clips - step)) / 2e-6
    assert torch.allclose(found[0, 1, 1, 2, 2], difference.abs()[0, 0], rtol=1e-5)


def test_a_clip_does_not_depend_on_its_batch() -> None:
    clips = torch.randn(4, 3, 4, 6, 6)
    for method in ("saliency", "input_x_gradient"):
        together = mien.explain(homogeneous_net(), clips, method=method).relevance
        alone = [mien.explain(homogeneous_net(), clip[None], method=method).relevance for clip in clips]
        assert torch.equal(together, torch.cat(alone))

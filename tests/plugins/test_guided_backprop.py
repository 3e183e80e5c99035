"""Guided backpropagation against captum's and a slow twin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import mien
from mien.errors import ModelError


def layers(inplace: bool) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv3d(2, 3, 2), nn.ReLU(inplace=inplace), nn.Conv3d(3, 3, 2), nn.ReLU(inplace=inplace), nn.Flatten(),
        nn.Linear(3 * 2 * 3 * 3, 1),
    ).double()  # fmt: skip


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, 2, 4, 5, 5, generator=torch.Generator().manual_seed(0)).double()


def slow(net: nn.Sequential, clip: Tensor) -> Tensor:
    """Layer by layer, each linear one as a matrix."""
    values, seen = clip[None], []
    for layer in net:
        if not isinstance(layer, nn.Flatten):
            seen.append((layer, values))
        values = layer(values.clone())
    handed = torch.ones(1).double()
    for layer, before in reversed(seen):
        if isinstance(layer, nn.ReLU):
            handed = handed * (handed > 0) * (before.flatten() > 0)
        else:
            matrix = torch.autograd.functional.jacobian(layer, before).reshape(-1, before.numel())
            handed = handed @ matrix
    return handed.reshape(clip.shape)


@pytest.mark.parametrize("inplace", [False, True])
def test_the_slow_twin_agrees(inplace: bool, clips: Tensor) -> None:
    net = layers(inplace)
    found = mien.explain(net, clips, method="guided_backprop")
    for clip, relevance in zip(clips, found.relevance, strict=True):
        torch.testing.assert_close(relevance, slow(layers(False), clip))
    torch.testing.assert_close(found.explanation.output, net(clips)[:, 0].detach())
    assert found.explanation.gap is None


def test_it_is_captums(clips: Tensor) -> None:
    captum = pytest.importorskip("captum.attr")
    net = layers(False)
    with pytest.warns(UserWarning, match="backward hooks"):
        expected = captum.GuidedBackprop(net).attribute(clips.clone().requires_grad_(), target=0)
    torch.testing.assert_close(mien.explain(net, clips, method="guided_backprop").relevance, expected)


def test_where_several_layers_read_an_activation_their_sum_is_cut() -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, clips: Tensor) -> Tensor:
            active = self.relu(clips)
            return (3 * active - 2 * active).flatten(1).sum(1)

    clips = torch.tensor([1.0, -1.0]).reshape(1, 1, 1, 1, 2)
    assert mien.explain(Forked(), clips, method="guided_backprop").relevance.flatten().tolist() == [1, 0]


def test_a_network_without_relu_modules_is_refused_before_computing() -> None:
    calls: list[int] = []
    net = nn.Sequential(nn.Flatten(), nn.GELU(), nn.Linear(8, 1))
    net.register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(ModelError, match="no ReLU modules"):
        mien.explain(net, torch.randn(1, 1, 2, 2, 2), method="guided_backprop")
    assert not calls

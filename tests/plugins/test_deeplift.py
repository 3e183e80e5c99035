"""DeepLift against closed forms and the rescale rule by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import mien
from mien.errors import ModelError
from mien.interfaces import ExplainedModel
from mien_plugins.attribution.deeplift import DeepLift
from mien_plugins.backbones.compact_r3d import CompactR3D

pytest.importorskip("captum")


def rescale_by_hand(net: nn.Sequential, clip: Tensor, baseline: Tensor) -> Tensor:
    """The rescale rule of Flatten, Linear, ReLU, Linear, in matrix form."""
    first, last = net[1], net[3]
    before, reference = first(clip.flatten()), first(baseline.flatten())
    multiplier = (before.relu() - reference.relu()) / (before - reference)
    slopes = (last.weight[0] * multiplier) @ first.weight
    return (slopes * (clip - baseline).flatten()).reshape(clip.shape)


def test_it_is_the_rescale_rule() -> None:
    torch.manual_seed(0)
    clips = torch.randn(3, 3, 2, 4, 4).double()
    net = nn.Sequential(nn.Flatten(), nn.Linear(96, 7), nn.ReLU(), nn.Linear(7, 1)).double()
    found = mien.explain(net, clips, method="deeplift", baseline="temporal_mean")
    baselines = clips.mean(2, keepdim=True).expand_as(clips)
    expected = [rescale_by_hand(net, clip, base) for clip, base in zip(clips, baselines, strict=True)]
    assert torch.allclose(found.relevance, torch.stack(expected), atol=1e-9)


@pytest.mark.parametrize("baseline", ["zero", "temporal_mean", "blur"])
def test_it_is_complete_on_a_residual_network(baseline: str) -> None:
    torch.manual_seed(1)
    net = CompactR3D().build(1)
    found = mien.explain(net, torch.randn(2, 3, 8, 32, 32), method="deeplift", baseline=baseline).explanation
    assert float(found.gap.abs().max()) < 1e-4 * float((found.output - found.baseline_output).abs().max())


def test_a_clip_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(2)
    net, clips = CompactR3D().build(1), torch.randn(3, 3, 4, 16, 16)
    together = mien.explain(net, clips, method="deeplift").relevance
    alone = [mien.explain(net, clip[None], method="deeplift").relevance for clip in clips]
    assert torch.equal(together, torch.cat(alone))


def test_a_network_without_modules_for_its_activations_is_refused() -> None:
    model = ExplainedModel(nn.Flatten(), lacks={"relu_modules": "its activations are functions."}, name="the net")
    with pytest.raises(ModelError, match="its activations are functions"):
        DeepLift().check(model)


class Reused(nn.Module):
    """A network that uses one of its modules twice."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv3d(3, 4, 1), nn.Conv3d(4, 4, 1)])
        self.between = module
        self.head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 1))

    def forward(self, clips: Tensor) -> Tensor:
        for layer in self.layers:
            clips = self.between(layer(clips))
        result: Tensor = self.head(clips)
        return result


@pytest.mark.parametrize("module", [nn.ReLU(), nn.ReLU(inplace=True), nn.MaxPool3d(3, 1, 1), nn.Sigmoid()])
def test_an_activation_that_is_used_twice_is_refused_by_its_name_at_the_first_pass(module: nn.Module) -> None:
    passes = 0

    def counted(output: Tensor) -> Tensor:
        nonlocal passes
        passes += 1
        return output[:, 0]

    network = Reused(module)
    with pytest.raises(ModelError, match=r"'between' \(.*\) more than once.*relu_modules"):
        mien.explain(network, torch.zeros(2, 3, 4, 5, 5), method="deeplift", target=counted)
    assert passes == 0
    assert not any(part._forward_pre_hooks for part in network.modules())


def test_a_module_without_a_rule_may_be_used_twice() -> None:
    gap, change = parts_of(Reused(nn.Identity()).double(), torch.randn(1, 3, 4, 5, 5).double())
    assert abs(gap) < 1e-9 * abs(change)


def parts_of(net: nn.Module, clip: Tensor, **fields: str) -> tuple[float, float]:
    """Return the gap and the change of the output."""
    found = mien.explain(net, clip, method="deeplift", baseline="blur", **fields).explanation
    return float(found.gap), float(found.output - found.baseline_output)


class Branched(nn.Module):
    """A pooling that stands beside a convolution, as in Inception networks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU())
        self.branches = nn.ModuleList([nn.Conv3d(4, 4, 1), nn.MaxPool3d(3, 1, 1)])
        self.head = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 1))

    def forward(self, clips: Tensor) -> Tensor:
        hidden = self.stem(clips)
        result: Tensor = self.head(torch.cat([branch(hidden) for branch in self.branches], 1))
        return result


def pooled_net(*pool: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv3d(3, 4, 3), *pool, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: pooled_net(nn.MaxPool3d(2)),
        lambda: pooled_net(nn.MaxPool3d(3, 2, 1)),  # windows overlap
        lambda: pooled_net(nn.ReLU(), nn.MaxPool3d(2)),  # the pooling's input is the activation's output
        lambda: pooled_net(nn.ReLU(inplace=True), nn.MaxPool3d(3, 2, 1), nn.Conv3d(4, 4, 3), nn.ReLU()),
        Branched,
    ],
)
def test_it_is_complete_on_max_poolings(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(3)
    gap, change = parts_of(make().double(), torch.randn(1, 3, 8, 12, 12).double())
    assert abs(gap) < 1e-9 * abs(change)


def test_a_max_pooling_hands_each_difference_to_who_made_it() -> None:
    """By hand: two overlapping windows of three cells; the clip's winner is shared, the baseline is zero."""
    net = nn.Sequential(nn.MaxPool3d((1, 1, 3), (1, 1, 2)), nn.Flatten(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        net[2].weight.copy_(torch.tensor([[10.0, 1.0]]))
    clip = torch.tensor([1.0, 0.0, 4.0, 3.0, 2.0]).reshape(1, 1, 1, 1, 5)
    found = mien.explain(net, clip, method="deeplift", baseline="zero").relevance.flatten()
    assert found.tolist() == [0, 0, 44, 0, 0]

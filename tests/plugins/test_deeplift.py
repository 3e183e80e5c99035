"""DeepLift against closed forms and the rescale rule by hand."""

from __future__ import annotations

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

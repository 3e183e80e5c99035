"""Grad-CAM against maps computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import mien
from mien.errors import ModelError
from mien_plugins.backbones.compact_r3d import CompactR3D


def pointwise_net() -> nn.Sequential:
    """Two channels by 1x1x1 convolution, an activation in place, their mean, and a head."""
    net = nn.Sequential(
        nn.Conv3d(3, 2, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 1)
    )
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0]]).reshape(2, 3, 1, 1, 1))
        net[0].bias.zero_()
        net[4].weight.copy_(torch.tensor([[2.0, -3.0]]))
    return net


@pytest.fixture
def clips() -> Tensor:
    return torch.rand(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0)) + 0.1


def test_the_map_is_the_weighted_sum_of_channels(clips: Tensor) -> None:
    found = mien.explain(pointwise_net(), clips, method="grad_cam", layer="1")
    cells = 4 * 5 * 6
    expected = (2 * clips[:, 0] - 3 * clips[:, 1]) / cells  # gradient of the mean: weight / cells, everywhere
    assert torch.allclose(found.relevance.sum(1), expected, atol=1e-6)
    assert torch.allclose(found.relevance[:, 0], found.relevance[:, 2])


def test_negative_values_are_cut_on_demand(clips: Tensor) -> None:
    kept = mien.explain(pointwise_net(), clips, method="grad_cam", layer="1").relevance
    cut = mien.explain(pointwise_net(), clips, method="grad_cam", layer="1", relu=True).relevance
    assert float(kept.min()) < 0
    assert torch.equal(cut, kept.relu())


def test_an_activation_in_place_does_not_change_the_layer_before_it(clips: Tensor) -> None:
    clips = clips - 0.5
    found = mien.explain(pointwise_net(), clips, method="grad_cam", layer="0")
    active = (clips[:, :2] > 0).float().mean((2, 3, 4))
    weights = torch.tensor([2.0, -3.0]) * active / (4 * 5 * 6)
    expected = (weights[:, :, None, None, None] * clips[:, :2]).sum(1)
    assert torch.allclose(found.relevance.sum(1), expected, atol=1e-7)


def test_a_coarse_map_is_upsampled_in_space_and_time() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.AvgPool3d((2, 4, 4)), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 1))
    clips = torch.randn(1, 3, 4, 8, 8)
    found = mien.explain(net, clips, method="grad_cam", layer="0").relevance.sum(1)
    coarse = (net[3].weight[0][:, None, None, None] / 8 * net[0](clips)[0]).sum(0)
    corners = found[0, ::3, ::7, ::7]  # outside the outermost cell centres the map is constant
    assert torch.allclose(corners, coarse, atol=1e-6)
    assert torch.allclose(found[0, 1, 0, 0], 0.75 * coarse[0, 0, 0] + 0.25 * coarse[1, 0, 0], atol=1e-6)
    # Frame 1 lies a quarter of the way from bin to bin, row 3 and column 5 three and seven eighths of the way.
    expected = sum(
        by_frame * by_row * by_column * coarse[frame, row, column]
        for frame, by_frame in enumerate((0.75, 0.25))
        for row, by_row in enumerate((0.625, 0.375))
        for column, by_column in enumerate((0.125, 0.875))
    )
    assert torch.allclose(found[0, 1, 3, 5], expected, atol=1e-6)


def test_the_last_convolutional_stage_is_the_default() -> None:
    torch.manual_seed(0)
    net, clips = CompactR3D().build(1), torch.randn(2, 3, 8, 32, 32)
    default = mien.explain(net, clips, method="grad_cam", backbone="compact_r3d")
    by_stage = mien.explain(net, clips, method="grad_cam", backbone="compact_r3d", layer="stage4")
    by_path = mien.explain(net, clips, method="grad_cam", layer="stages.stage4")
    other = mien.explain(net, clips, method="grad_cam", backbone="compact_r3d", layer="stage2")
    assert torch.equal(default.relevance, by_stage.relevance)
    assert torch.equal(default.relevance, by_path.relevance)
    assert not torch.allclose(default.relevance, other.relevance)
    assert default.relevance.shape == clips.shape


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "No stages are known"),
        ({"layer": "5"}, "no layer '5'"),
        ({"layer": "4"}, r"\(B, C, T, H, W\)"),
    ],
)
def test_a_layer_that_cannot_serve_is_an_error(fields: dict[str, str], message: str, clips: Tensor) -> None:
    with pytest.raises(ModelError, match=message):
        mien.explain(pointwise_net(), clips, method="grad_cam", **fields)


@pytest.mark.parametrize(
    ("layer", "nearest"), [("stage33", "stage3"), ("stages.stage5", "stages.stage4"), ("haed", "head")]
)
def test_the_nearest_layer_is_shown(layer: str, nearest: str) -> None:
    with pytest.raises(ModelError, match=rf"There is no layer '{layer}'. Did you mean '{nearest}'\?"):
        mien.explain(
            CompactR3D().build(1), torch.randn(1, 3, 4, 16, 16), method="grad_cam", backbone="compact_r3d", layer=layer
        )


def test_all_layers_are_shown_when_none_is_near() -> None:
    with pytest.raises(ModelError, match=r"Known: 0, 1, 2, 3, 4\."):
        mien.explain(pointwise_net(), torch.randn(1, 3, 4, 5, 6), method="grad_cam", layer="convolution")


def test_landmarks_are_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(20, 1))
    with pytest.raises(ModelError, match="landmarks lie on no grid"):
        mien.explain(net, torch.randn(1, 2, 5, 2), method="grad_cam", layer="0")

"""Attention maps as relevance: what every method promises, and a network whose attention must fall on a known patch."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from mien import ExplainedModel, ModelError, explain
from mien.testing import AttributionMethodSuite, clip_batch, tiny_network
from mien_hmhn.attention import HmhnAttention, spread
from mien_hmhn.backbone import Hmhn
from mien_hmhn.network import HmhnNetwork

SMALL: dict[str, Any] = {"widths": (4, 6, 8), "fused": (2, 3), "fused_width": 6, "heads": 3, "head_width": 4, "grid": 4}


class TestHmhnAttention(AttributionMethodSuite):
    component = HmhnAttention


class TestHmhnAttentionOfTheGrid(AttributionMethodSuite):
    component = HmhnAttention
    fields: ClassVar = {"block": "gwa"}
    no_whole_run = "that of the heads runs"


class TestHmhnAttentionOfOneHead(AttributionMethodSuite):
    component = HmhnAttention
    fields: ClassVar = {"head": 2}
    no_whole_run = "that of all heads runs"


def _model(seed: int = 0, **fields: Any) -> ExplainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = Hmhn(**{**SMALL, **fields}).build(1).eval()
    return ExplainedModel(module, name="the backbone 'hmhn'", backbone="hmhn")


def _first(output: Tensor) -> Tensor:
    return output[:, 0]


# --- sums


@pytest.mark.parametrize("fields", [{}, {"head": 1}, {"block": "gwa"}])
def test_a_clips_relevance_adds_up_to_one_and_each_frame_holds_the_same(fields: dict[str, Any]) -> None:
    batch = clip_batch(2, frames=4, size=16)
    relevance = HmhnAttention(**fields).attribute(_model(), batch, _first).relevance
    assert float(relevance.min()) >= 0
    torch.testing.assert_close(relevance.sum((1, 3, 4)), torch.full((2, 4), 0.25))
    torch.testing.assert_close(relevance[:, 0], relevance[:, 2])


def test_the_map_is_that_of_the_heads_by_their_share_in_the_fusion() -> None:
    model, batch = _model(), clip_batch(1, frames=2, size=16)
    network: Any = model.module
    kept: list[Any] = []
    handle = network.attention.mab.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    with torch.no_grad():
        network(batch.inputs)
    handle.remove()
    found, maps = kept[0]
    shares = network.attention.afb.weights(found).mean(2)
    torch.testing.assert_close(shares.sum(1), torch.ones(2))
    expected = sum(shares[:, k, None, None] * maps[:, k] for k in range(3))
    relevance = HmhnAttention().attribute(model, batch, _first).relevance
    torch.testing.assert_close(relevance, spread(expected.detach(), batch.inputs))
    second = HmhnAttention(head=1).attribute(model, batch, _first).relevance
    torch.testing.assert_close(second, spread(maps[:, 1], batch.inputs))


def test_without_fusion_it_is_the_mean_of_the_heads() -> None:
    model, batch = _model(afb=False), clip_batch(1, frames=2, size=16)
    heads = [HmhnAttention(head=k).attribute(model, batch, _first).relevance for k in range(3)]
    whole = HmhnAttention().attribute(model, batch, _first).relevance
    torch.testing.assert_close(whole, torch.stack(heads).mean(0), atol=1e-6, rtol=1e-3)


def test_it_is_the_same_for_every_explained_quantity() -> None:
    model, batch = _model(), clip_batch(1, size=16)
    up = HmhnAttention().attribute(model, batch, _first)
    down = HmhnAttention().attribute(model, batch, lambda output: -3 * output[:, 0])
    assert torch.equal(up.relevance, down.relevance)
    torch.testing.assert_close(down.output, -3 * up.output)


# --- a network whose attention is known


def _looking_at_red(scale: float = 30.0) -> HmhnNetwork:
    """Return a network whose features are the red of every second pixel, and which looks at where it is high.

    Everything but these paths is zero: the stem passes red on, the residual block its shortcut, the head's
    spatial score is the red of the position, times ``scale``; the grid's keys are the red of the cell.
    """
    fields = {"widths": (2,), "heads": 1, "head_width": 2, "grid": 4, "dff": False}
    network = Hmhn(**fields).build(1).eval()
    assert isinstance(network, HmhnNetwork)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.zeros_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    with torch.no_grad():
        stem: Any = network.stages["stem"].image
        stem.conv1.weight[0, 0, 3, 3] = 1.0
        assert network.gwa is not None
        assert network.attention is not None
        network.gwa.query.bias[0] = 1.0
        network.gwa.key.weight[0, 0] = 2 * scale
        spatial: Any = network.attention.mab.heads[0].get_submodule("spatial")
        spatial.reduce[0].weight[0, 0] = 1.0
        spatial.square[0].weight[0, 0, 1, 1] = 1.0
        spatial.score.weight[0, 0] = scale
    return network


@pytest.mark.parametrize(("block", "over_an_edge"), [("mab", 0.25), ("gwa", 1.0)])
def test_attention_falls_on_the_planted_patch_wherever_it_moves(block: str, over_an_edge: float) -> None:
    """All of it, but for what bilinear upsampling spreads over those edges of the patch that are not the frame's.

    A step between cells of 2 pixels (the heads' grid) gives 1/4 to the pixel beyond; one between cells of 8 pixels (the
    grid's) gives 7/16, 5/16, 3/16 and 1/16, which are 1.
    """
    clips = torch.zeros(1, 3, 3, 32, 32)
    corners = [(0, 0), (8, 16), (24, 8)]
    for t, (y, x) in enumerate(corners):
        clips[0, 0, t, y : y + 8, x : x + 8] = 1.0
        clips[0, 2, t, 31 - y - 7 : 32 - y, 31 - x - 7 : 32 - x] = 5.0  # a brighter patch of blue, which it cannot see
    found = explain(
        _looking_at_red(), clips, method=HmhnAttention(block=block), backbone=Hmhn().named("hmhn", "mien-hmhn==0")
    )
    for t, (y, x) in enumerate(corners):
        frame = found.relevance[0, :, t]
        edges = [2 if 0 < start < 24 else 1 for start in (y, x)]
        expected = math.prod(1 - count * over_an_edge / 8 for count in edges)
        assert float(frame[:, y : y + 8, x : x + 8].sum() / frame.sum()) == pytest.approx(expected, abs=1e-4)
        row, column = divmod(int(frame.sum(0).argmax()), 32)
        assert y <= row < y + 8
        assert x <= column < x + 8


def test_a_network_that_looks_everywhere_has_an_even_map() -> None:
    model = ExplainedModel(_looking_at_red(scale=0.0), backbone="hmhn")
    batch = clip_batch(1, size=16)
    relevance = HmhnAttention().attribute(model, batch, _first).relevance
    torch.testing.assert_close(relevance, torch.full_like(relevance, 1 / relevance.numel()))


# --- what cannot be explained


def test_other_networks_are_refused_before_any_computing() -> None:
    module = tiny_network()
    passes: list[int] = []
    module.register_forward_hook(lambda *_: passes.append(1))
    for backbone in ("", "compact_r3d", "hmhn"):
        with pytest.raises(ModelError, match="cannot explain the tiny network") as told:
            HmhnAttention().check(ExplainedModel(module, name="the tiny network", backbone=backbone))
        assert "hmhn" in str(told.value)
        with pytest.raises(ModelError):
            HmhnAttention().attribute(ExplainedModel(module, backbone=backbone), clip_batch(1), _first)
    assert not passes


@pytest.mark.parametrize(
    ("fields", "built", "message"),
    [
        ({}, {"mab": False}, "without the block 'mab'"),
        ({"block": "gwa"}, {"gwa": False}, "without the block 'gwa'"),
        ({"head": 3}, {}, "has no head 3"),
        ({"head": 1}, {"heads": 1}, "has no head 1"),
    ],
)
def test_blocks_and_heads_that_are_not_there(fields: dict[str, Any], built: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        HmhnAttention(**fields).check(_model(**built))


def test_the_grid_has_no_heads() -> None:
    with pytest.raises(ValidationError, match="no heads"):
        HmhnAttention(block="gwa", head=0)


def test_it_declares_what_it_is() -> None:
    method = HmhnAttention()
    assert method.completeness == "none"
    assert not method.signed
    assert "Li" in method.citation

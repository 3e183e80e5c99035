"""Each block against a slow twin that goes position by position, and what its attention promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mien_hmhn.afb import AttentionFusion, overlap
from mien_hmhn.dff import DeepFeatureFusion, resized
from mien_hmhn.gwa import GridWiseAttention, membership
from mien_hmhn.mab import CrossAttentionHead, MultiHeadCrossAttention, SpatialAttention
from mien_hmhn.trunk import ResidualBlock


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _lively(module: nn.Module) -> nn.Module:
    """Return the module in evaluation mode, with weights and batch statistics far from their first values."""
    generator = torch.Generator().manual_seed(7)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.dtype.is_floating_point:
            drawn = torch.rand(value.shape, generator=generator) * 2 - 1
            value.data = drawn.abs() + 0.5 if "running_var" in name else drawn
    return module.eval().requires_grad_(False)


def _softmax(values: list[float]) -> list[float]:
    highest = max(values)
    powers = [math.exp(value - highest) for value in values]
    return [power / sum(powers) for power in powers]


# --- GWA


def _cell(position: int, size: int, grid: int) -> int:
    count = min(grid, size)
    return next(cell for cell in range(count) if position < math.ceil((cell + 1) * size / count))


@pytest.mark.parametrize(("height", "width", "grid"), [(6, 6, 3), (7, 5, 3), (2, 3, 4), (4, 4, 1)])
def test_gwa_equals_its_slow_twin(height: int, width: int, grid: int) -> None:
    gwa = _lively(GridWiseAttention(4, grid, 5))
    frames = _random(2, 4, height, width)
    found = gwa(frames)
    for n in range(2):
        places: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for y in range(height):
            for x in range(width):
                places.setdefault((_cell(y, height, grid), _cell(x, width, grid)), []).append((y, x))
        cells = sorted(places)
        means = [torch.stack([frames[n, :, y, x] for y, x in places[cell]]).mean(0) for cell in cells]
        queries = [gwa.query.weight @ mean + gwa.query.bias for mean in means]
        keys = [gwa.key.weight @ mean + gwa.key.bias for mean in means]
        rows = [_softmax([float(query @ key) / math.sqrt(5) for key in keys]) for query in queries]
        for place, cell in enumerate(cells):
            weight = sum(row[place] for row in rows) / len(cells)
            assert float(gwa.weights(frames)[n][cell]) == pytest.approx(weight, rel=1e-4)
            for y, x in places[cell]:
                torch.testing.assert_close(
                    found[n, :, y, x], frames[n, :, y, x] * weight * len(cells), atol=1e-5, rtol=1e-4
                )


def test_gwa_attention_and_weights_sum_to_one() -> None:
    gwa, frames = _lively(GridWiseAttention(4, 3, 5)), _random(3, 4, 9, 9)
    torch.testing.assert_close(gwa.attention(frames).sum(2), torch.ones(3, 9))
    weights = gwa.weights(frames)
    assert weights.shape == (3, 3, 3)
    assert float(weights.min()) > 0
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones(3))


def test_uniform_grid_attention_changes_nothing() -> None:
    gwa, frames = GridWiseAttention(4, 3, 5), _random(2, 4, 7, 7)
    nn.init.zeros_(gwa.query.weight)
    nn.init.zeros_(gwa.query.bias)
    torch.testing.assert_close(gwa(frames), frames)


@pytest.mark.parametrize(("size", "grid"), [(8, 8), (9, 4), (3, 5)])
def test_every_pixel_is_in_one_cell_and_no_cell_is_empty(size: int, grid: int) -> None:
    cells = membership(size, grid, torch.zeros(1))
    assert cells.shape == (min(size, grid), size)
    assert cells.sum(0).tolist() == [1.0] * size
    assert float(cells.sum(1).min()) >= 1


# --- DFF


def _norm(values: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return values * scale + norm.bias - norm.running_mean * scale


def test_dff_equals_its_slow_twin() -> None:
    dff = _lively(DeepFeatureFusion([2, 3, 4], 5))
    maps = [_random(1, 2, 8, 8), _random(1, 3, 4, 4, seed=1), _random(1, 4, 2, 2, seed=2)]
    found = dff(maps)
    assert found.shape == (1, 5, 4, 4)
    for y in range(4):
        for x in range(4):
            fine = maps[0][0, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean((1, 2))
            # Bilinear by hand: the centre of a pixel of the 4 x 4 grid on the 2 x 2 grid, held at the border.
            v, u = (min(max((place + 0.5) / 2 - 0.5, 0), 1) for place in (y, x))
            deep = maps[2][0]
            coarse = (1 - v) * ((1 - u) * deep[:, 0, 0] + u * deep[:, 0, 1])
            coarse = coarse + v * ((1 - u) * deep[:, 1, 0] + u * deep[:, 1, 1])
            parts = [
                _norm(project[0].weight[:, :, 0, 0] @ values, project[1])
                for project, values in zip(dff.project, (fine, maps[1][0, :, y, x], coarse), strict=True)
            ]
            expected = _norm(dff.mix[0].weight[:, :, 0, 0] @ torch.cat(parts), dff.mix[1]).clamp(min=0)
            torch.testing.assert_close(found[0, :, y, x], expected, atol=1e-5, rtol=1e-4)


def test_dff_of_one_map_keeps_its_grid() -> None:
    assert DeepFeatureFusion([2], 3).eval()([_random(2, 2, 5, 4)]).shape == (2, 3, 5, 4)


def test_averages_keep_a_constant_and_the_sum_of_whole_blocks() -> None:
    maps = _random(1, 2, 6, 6)
    torch.testing.assert_close(resized(maps, (3, 3)).sum((2, 3)) * 4, maps.sum((2, 3)))
    torch.testing.assert_close(resized(torch.ones(1, 1, 2, 2), (5, 5)), torch.ones(1, 1, 5, 5))


# --- MAB


def _at(maps: Tensor, y: int, x: int) -> Tensor:
    inside = 0 <= y < maps.shape[1] and 0 <= x < maps.shape[2]
    return maps[:, y, x] if inside else torch.zeros(maps.shape[0])


def _convolved(maps: Tensor, layer: nn.Sequential, y: int, x: int) -> Tensor:
    kernel = layer[0].weight
    up, left = kernel.shape[2] // 2, kernel.shape[3] // 2
    total = torch.zeros(kernel.shape[0])
    for i in range(kernel.shape[2]):
        for j in range(kernel.shape[3]):
            total = total + kernel[:, :, i, j] @ _at(maps, y + i - up, x + j - left)
    return _norm(total, layer[1])


def _slow_map(spatial: SpatialAttention, frame: Tensor) -> list[list[float]]:
    height, width = frame.shape[1:]
    hidden = torch.zeros(spatial.score.weight.shape[1], height, width)
    for y in range(height):
        for x in range(width):
            reduced = _norm(spatial.reduce[0].weight[:, :, 0, 0] @ frame[:, y, x], spatial.reduce[1])
            hidden[:, y, x] = reduced.clamp(min=0)
    scores = []
    for y in range(height):
        for x in range(width):
            layers = (spatial.square, spatial.across, spatial.down)
            total = sum(_convolved(hidden, layer, y, x) for layer in layers).clamp(min=0)
            scores.append(float(spatial.score.weight[0, :, 0, 0] @ total + spatial.score.bias[0]))
    flat = _softmax(scores)
    return [flat[y * width : (y + 1) * width] for y in range(height)]


def test_mab_equals_its_slow_twin() -> None:
    mab = _lively(MultiHeadCrossAttention(3, 2, 4))
    frames = _random(2, 3, 4, 3)
    with torch.no_grad():
        vectors, maps = mab(frames)
        assert vectors.shape == (2, 2, 3)
        for n in range(2):
            for k, head in enumerate(mab.heads):
                where = _slow_map(head.spatial, frames[n])
                np.testing.assert_allclose(maps[n, k].numpy(), where, rtol=1e-3, atol=1e-6)
                seen = sum(where[y][x] * frames[n, :, y, x] for y in range(4) for x in range(3))
                first, second = head.channel.gate[0], head.channel.gate[2]
                hidden = (first.weight @ seen + first.bias).clamp(min=0)
                gate = 1 / (1 + torch.exp(-(second.weight @ hidden + second.bias)))
                torch.testing.assert_close(vectors[n, k], seen * gate, atol=1e-5, rtol=1e-3)


def test_maps_sum_to_one_and_heads_differ() -> None:
    _, maps = _lively(MultiHeadCrossAttention(3, 3, 4))(_random(2, 3, 5, 5))
    assert float(maps.min()) >= 0
    torch.testing.assert_close(maps.sum((2, 3)), torch.ones(2, 3))
    assert float((maps[:, 0] - maps[:, 1]).abs().max()) > 1e-3


def test_a_head_sees_the_position_that_it_looks_at() -> None:
    """With all attention on one position and open gates the head gives that position's features."""
    head = CrossAttentionHead(2, 2).eval().requires_grad_(False)
    frames = torch.rand(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    frames[0, 0, 2, 1] = 2000.0  # the spatial score is this channel alone
    for part in (head.spatial.square, head.spatial.across, head.spatial.down, head.spatial.reduce):
        nn.init.zeros_(part[0].weight)
    head.spatial.reduce[0].weight.data[0, 0] = 1.0
    head.spatial.square[0].weight.data[0, 0, 1, 1] = 1.0
    nn.init.ones_(head.spatial.score.weight)
    nn.init.zeros_(head.channel.gate[2].weight)
    nn.init.constant_(head.channel.gate[2].bias, 100.0)
    vector, where = head(frames)
    assert float(where[0, 2, 1]) == pytest.approx(1.0)
    torch.testing.assert_close(vector[0], frames[0, :, 2, 1])


# --- AFB


def test_afb_equals_its_slow_twin() -> None:
    afb, found = _lively(AttentionFusion(3)), _random(2, 4, 3)
    fused, weights = afb(found), afb.weights(found)
    for n in range(2):
        gates = [afb.gate.weight @ found[n, k] + afb.gate.bias for k in range(4)]
        for c in range(3):
            shares = _softmax([float(gate[c]) for gate in gates])
            assert weights[n, :, c].tolist() == pytest.approx(shares, rel=1e-4)
            expected = sum(share * float(found[n, k, c]) for k, share in enumerate(shares))
            assert float(fused[n, c]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 3))


def test_afb_gives_what_all_heads_agree_on() -> None:
    same = _random(2, 1, 3).expand(2, 4, 3)
    torch.testing.assert_close(_lively(AttentionFusion(3))(same), same[:, 0])


def test_overlap_of_equal_disjoint_and_half_shared_maps() -> None:
    first, second = torch.eye(4).reshape(1, 4, 2, 2)[:, :2].unbind(1)
    assert float(overlap(torch.stack([first, first], 1))) == pytest.approx(1)
    assert float(overlap(torch.stack([first, second], 1))) == 0
    half = (first + second) / 2
    assert float(overlap(torch.stack([first, half], 1))) == pytest.approx(math.sqrt(0.5))
    # Three heads: the mean over pairs.
    assert float(overlap(torch.stack([first, first, second], 1))) == pytest.approx(1 / 3)


def test_overlap_pushes_heads_apart() -> None:
    scores = _random(1, 2, 9).mul(0.1).requires_grad_()
    before = overlap(scores.softmax(2).unflatten(2, (3, 3)))
    for _ in range(200):
        loss = overlap(scores.softmax(2).unflatten(2, (3, 3)))
        (slope,) = torch.autograd.grad(loss, scores)
        scores = (scores - 5 * slope).detach().requires_grad_()
    after = overlap(scores.softmax(2).unflatten(2, (3, 3)))
    assert before.item() > 0.95
    assert after.item() < 0.2


# --- the trunk's block


def test_a_residual_block_is_two_convolutions_and_a_shortcut() -> None:
    block = _lively(ResidualBlock(2, 3, 2))
    frames = _random(2, 2, 6, 6)

    def normed(values: Tensor, norm: nn.BatchNorm2d) -> Tensor:
        return functional.batch_norm(values, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)

    hidden = normed(functional.conv2d(frames, block.conv1.weight, stride=2, padding=1), block.bn1).relu()
    main = normed(functional.conv2d(hidden, block.conv2.weight, padding=1), block.bn2)
    short = normed(functional.conv2d(frames, block.downsample[0].weight, stride=2), block.downsample[1])
    torch.testing.assert_close(block(frames), (main + short).relu())

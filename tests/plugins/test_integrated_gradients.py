"""Integrated Gradients against closed forms, a slow twin, and a count of its passes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

import mien
from mien.attribution.blur import blurred
from mien.errors import DataError, ModelError
from mien_plugins.attribution.integrated_gradients import IntegratedGradients

SHAPE = (3, 3, 4, 6, 5)


class Linear(nn.Module):
    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, clips: Tensor) -> Tensor:
        return (clips * self.weights).flatten(1).sum(1) + 0.7


class Quadratic(nn.Module):
    """f(x) = x' A x / 2 with a symmetric A."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def forward(self, clips: Tensor) -> Tensor:
        flat = clips.flatten(1)
        return ((flat @ self.matrix) * flat).sum(1, keepdim=True) / 2


class Counting(nn.Module):
    """Counts the clips that pass forward, and the passes back."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.forwards: list[int] = []
        self.backwards: list[int] = []

    def forward(self, clips: Tensor) -> Tensor:
        self.forwards.append(len(clips))
        if clips.requires_grad:
            clips.register_hook(lambda gradient: self.backwards.append(len(gradient)))
        return self.inner(clips)


def conv_net() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv3d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv3d(6, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
        nn.Linear(6, 1),
    )  # fmt: skip


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))


def baseline_of(kind: str, clips: Tensor) -> Tensor:
    """The three baselines, written another way."""
    if kind == "zero":
        return clips * 0
    if kind == "temporal_mean":
        return torch.stack([clips.sum(2) / clips.shape[2]] * clips.shape[2], dim=2)
    result = torch.empty_like(clips)
    height, width = clips.shape[-2:]
    for y in range(height):
        for x in range(width):
            rows = torch.tensor([np.exp(-((y - v) ** 2) / (2 * (0.125 * height) ** 2)) for v in range(height)])
            columns = torch.tensor([np.exp(-((x - v) ** 2) / (2 * (0.125 * width) ** 2)) for v in range(width)])
            kernel = (rows[:, None] * columns[None]).float()
            result[..., y, x] = (clips * kernel).sum((-2, -1)) / kernel.sum()
    return result


@pytest.mark.parametrize("kind", ["zero", "temporal_mean", "blur"])
def test_a_linear_network_gives_weight_times_difference_in_one_step(kind: str, clips: Tensor) -> None:
    weights = torch.randn(SHAPE[1:])
    found = mien.explain(Linear(weights), clips, baseline=kind, steps=1)
    assert torch.allclose(found.relevance, weights * (clips - baseline_of(kind, clips)), atol=1e-5)
    assert found.explanation.diagnostics["steps"].tolist() == [2, 2, 2]
    assert torch.allclose(found.explanation.output, Linear(weights)(clips), atol=1e-5)
    assert torch.allclose(found.explanation.baseline_output, Linear(weights)(baseline_of(kind, clips)), atol=1e-5)
    assert float(found.explanation.gap.abs().max()) < 1e-4


@pytest.mark.parametrize("kind", ["zero", "temporal_mean", "blur"])
def test_a_quadratic_network_gives_its_closed_form(kind: str, clips: Tensor) -> None:
    size = clips[0].numel()
    matrix = torch.randn(size, size) / size
    matrix = matrix + matrix.T
    baseline = baseline_of(kind, clips)
    slope = ((clips + baseline) / 2).flatten(1) @ matrix
    expected = (clips - baseline) * slope.reshape(clips.shape)
    found = mien.explain(Quadratic(matrix), clips, baseline=kind, steps=1, max_steps=1)
    assert torch.allclose(found.relevance, expected, atol=1e-5)


def test_steps_are_added_until_the_tolerance_is_reached(clips: Tensor) -> None:
    loose = mien.explain(conv_net(), clips, baseline="zero", steps=1, tolerance=0.5).explanation
    tight = mien.explain(conv_net(), clips, baseline="zero", steps=1, tolerance=0.005, max_steps=4096).explanation
    change = tight.output - tight.baseline_output
    scale = torch.maximum(change.abs(), 0.1 * torch.maximum(tight.output.abs(), tight.baseline_output.abs()))
    assert bool((tight.gap.abs() <= 0.005 * scale + 1e-6).all())
    assert tight.diagnostics["complete"].tolist() == [1, 1, 1]
    assert bool((tight.diagnostics["steps"] >= loose.diagnostics["steps"]).all())
    assert int(tight.diagnostics["steps"].max()) > int(loose.diagnostics["steps"].max())


def test_the_measured_gap_is_that_of_the_returned_relevance(clips: Tensor) -> None:
    found = mien.explain(conv_net(), clips, baseline="zero", steps=2, max_steps=2)
    total = found.relevance.flatten(1).sum(1)
    expected = total - (found.explanation.output - found.explanation.baseline_output)
    assert torch.allclose(found.explanation.gap, expected, atol=1e-6)


def test_small_clips_are_taken_four_nodes_at_a_time_and_large_ones_alone(clips: Tensor) -> None:
    small, large = Counting(conv_net()), Counting(conv_net())
    mien.explain(small, clips[:1], baseline="zero", steps=16, max_steps=16)
    assert max(small.forwards) == 4
    assert min(small.forwards[1:]) > 1  # one alone takes a slow way through the convolutions
    mien.explain(large, torch.randn(1, clips.shape[1], 16, 112, 112), baseline="zero", steps=4, max_steps=4)
    assert set(large.forwards) == {1}


def test_halving_equals_all_nodes_at_once_and_computes_each_gradient_once(clips: Tensor) -> None:
    net = Counting(conv_net())
    found = mien.explain(net, clips[:1], baseline="zero", steps=2, tolerance=1e-9, max_steps=16)
    assert sum(net.forwards) == sum(net.backwards) == 17 == int(found.explanation.diagnostics["steps"][0])
    assert max(net.forwards) <= 4
    at_once = mien.explain(conv_net(), clips[:1], baseline="zero", steps=16, max_steps=16)
    assert torch.allclose(found.relevance, at_once.relevance, atol=1e-6)
    total = torch.zeros_like(clips[:1])
    for node in range(17):
        point = (clips[:1] * node / 16).requires_grad_()
        gradient = torch.autograd.grad(conv_net()(point).sum(), point)[0]
        total += gradient * (0.5 if node in (0, 16) else 1) / 16
    assert torch.allclose(at_once.relevance, clips[:1] * total, atol=1e-6)


def test_a_gap_that_does_not_close_ends_at_max_steps_and_is_told(clips: Tensor) -> None:
    class Jump(nn.Module):
        def forward(self, clips: Tensor) -> Tensor:
            return (clips.flatten(1).sum(1) > 0.3).float() + 0 * clips.flatten(1).sum(1)

    ones = torch.ones(1, 3, 2, 4, 4)
    found = mien.explain(Jump(), ones, baseline="zero", steps=3, max_steps=13).explanation
    assert found.diagnostics["steps"].tolist() == [13]  # 3 -> 6 -> 12 intervals; 24 would be too many
    assert found.diagnostics["complete"].tolist() == [0]
    assert found.gap.tolist() == [-1]


def test_a_clip_does_not_depend_on_its_batch(clips: Tensor) -> None:
    clips = clips * torch.tensor([0.01, 1, 30]).reshape(3, 1, 1, 1, 1)
    together = mien.explain(conv_net(), clips, baseline="zero", steps=1, tolerance=0.01)
    for place in range(3):
        alone = mien.explain(conv_net(), clips[place : place + 1], baseline="zero", steps=1, tolerance=0.01)
        assert torch.equal(alone.relevance[0], together.relevance[place])
        steps = [each.explanation.diagnostics["steps"] for each in (alone, together)]
        assert int(steps[0][0]) == int(steps[1][place])
    assert len(set(together.explanation.diagnostics["steps"].tolist())) > 1


def test_nodes_may_pass_together(clips: Tensor) -> None:
    net = Counting(conv_net())
    together = mien.explain(net, clips, internal_batch=8, steps=16, max_steps=16)
    assert max(net.forwards) == 8
    alone = mien.explain(conv_net(), clips, internal_batch=1, steps=16, max_steps=16)
    assert torch.allclose(together.relevance, alone.relevance, atol=1e-6)


def test_the_temporal_mean_is_blind_to_what_never_moves_and_the_blur_is_not() -> None:
    still = torch.randn(1, 3, 1, 6, 6).expand(1, 3, 5, 6, 6).contiguous()
    assert float(mien.explain(conv_net(), still, baseline="temporal_mean").relevance.abs().max()) < 1e-6
    assert float(mien.explain(conv_net(), still, baseline="blur").relevance.abs().max()) > 1e-4


def test_blurring_keeps_a_uniform_frame() -> None:
    uniform = torch.full((1, 3, 2, 7, 9), 2.5)
    assert torch.allclose(blurred(uniform, 0.3), uniform)


def test_landmarks_have_baselines_too() -> None:
    sequence = torch.randn(2, 6, 5, 2)
    net = nn.Sequential(nn.Flatten(), nn.Linear(60, 1))
    found = mien.explain(net, sequence, baseline="temporal_mean")
    expected = net[1].weight.reshape(6, 5, 2) * (sequence - sequence.mean(1, keepdim=True))
    assert torch.allclose(found.relevance, expected, atol=1e-6)
    with pytest.raises(ModelError, match="cannot be blurred"):
        mien.explain(net, sequence, baseline="blur")


def test_an_output_that_is_not_finite_is_an_error(clips: Tensor) -> None:
    clips[1, 0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        mien.explain(conv_net(), clips)


@pytest.mark.parametrize("fields", [{"steps": 0}, {"steps": 8, "max_steps": 4}, {"internal_batch": 0}, {"blur": 0}])
def test_impossible_parameters_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        IntegratedGradients.model_validate(fields)


def test_empty_clips_are_an_error() -> None:
    with pytest.raises(DataError, match="none of them empty"):
        mien.explain(conv_net(), torch.zeros(0, 3, 4, 6, 6))

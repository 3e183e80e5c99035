"""Tests of explanations, on networks of which the right figure is known.

- a network that reads one feature: deleting it alone collapses the output, and the area has a closed form;
- a linear network: the whole curve has one; the reversed order is the worst; random maps are at 0 on average;
- a map that ignores the network stays the same under randomisation, a gradient's does not;
- a map that ignores the clip is stable, and a shift-equivariant network's is under shifts;
- nothing depends on the other clips of the batch, everything on the seed, and the network is left as it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mien.attribution.blur import blurred
from mien.errors import DataError, ModelError
from mien.faithfulness import (
    Perturbation,
    deletion_insertion,
    filled,
    noisy,
    own_seed,
    parameter_randomisation,
    pooled,
    randomised,
    similarity,
    stability,
    structural_similarity,
)
from mien.faithfulness.curves import GRID
from mien.faithfulness.stability import SHIFTS
from mien.interfaces import AttributionMethod, ExplainedModel
from mien.regions.segments import segment_features
from mien.testing import clip_batch
from mien.testing.attribution import assert_same_state, first_output, network_state
from mien.testing.fixtures import explained_network
from mien.types import ClipBatch, Explanation

SEGMENTS = 4


class Gradient(AttributionMethod):
    """The gradient times the input."""

    times_input: bool = True

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        point = batch.inputs.detach().clone().requires_grad_()
        output = target(model.module(point))
        slope = torch.autograd.grad(output.sum(), point)[0]
        return Explanation(slope * batch.inputs if self.times_input else slope, output.detach())


class Edges(AttributionMethod):
    """How much the input differs from the pixel to the left, whatever the network."""

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        return Explanation((batch.inputs - batch.inputs.roll(1, -1)).abs(), torch.zeros(len(batch)))


class Fixed(AttributionMethod):
    """The same map for every clip and network."""

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        return Explanation(torch.arange(batch.inputs[0].numel()).reshape(batch.inputs[:1].shape).expand_as(
            batch.inputs).float(), torch.zeros(len(batch)))  # fmt: skip


class Weighted(nn.Module):
    """The weighted sum of all elements."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, clips: Tensor) -> Tensor:
        return (clips * self.weights).flatten(1).sum(1, keepdim=True)


def linear(weights: Tensor) -> ExplainedModel:
    return ExplainedModel(Weighted(weights))


def ones(batch: ClipBatch) -> tuple[ClipBatch, Tensor]:
    """The batch with every element 1, and a fill of 0: an element's weight is what taking it away takes."""
    return replace(batch, inputs=torch.ones_like(batch.inputs)), torch.zeros_like(batch.inputs)


def quartered() -> ClipBatch:
    """Clips with regions of several sizes: eyes, brows, nose and mouth are strips of 1 to 3 columns."""
    batch = clip_batch(2, 4, 12)
    bits = torch.full_like(batch.regions, 1 << 6)
    bits[..., :2] = 0
    for place, (low, high) in enumerate([(2, 3), (3, 4), (4, 6), (6, 8), (8, 9), (9, 12)]):
        bits[..., low:high] |= 1 << place
    return replace(batch, regions=bits)


def feature_weights(batch: ClipBatch, values: dict[str, float]) -> Tensor:
    """Weights that are the same for all elements of a feature of the first clip."""
    labels, names = segment_features(batch[:1], SEGMENTS)
    table = torch.tensor([values.get(name, 0.0) for name in names])
    return table[labels[0]].expand(3, -1, -1, -1).clone()


# Deletion and insertion


def test_a_network_that_reads_one_feature_collapses_when_it_goes() -> None:
    batch, zero = ones(quartered())
    weights = feature_weights(batch, {"mouth/2": 1.0})
    found = deletion_insertion(
        linear(weights), batch, weights.expand_as(batch.inputs), first_output, fill=zero, steps=100
    )
    share = 3 / 12 / 4  # of the clip: three of twelve columns, one of four frames
    # Alone at first, its area is a triangle; at a random place among equally long stretches, half of all on average.
    random = Perturbation(linear(weights), batch, first_output, fill=zero, steps=100)._clips[0].random
    chance = np.mean([own.share[step] + share / 2 for own in random for step in [int(np.argmin(own.output > 0)) - 1]])
    assert found.deletion[0] == pytest.approx(1 - share / 2 / chance)
    assert found.deletion[0] > 0.9
    chance = np.mean([1 - own.share[int(np.argmin(own.output > 0))] + share / 2 for own in random])
    assert found.insertion[0] == pytest.approx(1 - share / 2 / chance)


def test_the_curves_of_a_linear_network_have_a_closed_form() -> None:
    batch, zero = ones(quartered())
    _, names = segment_features(batch, SEGMENTS)
    values = dict(zip(names, np.random.default_rng(1).permutation(len(names)).astype(float), strict=True))
    weights = feature_weights(batch, values)
    test = Perturbation(linear(weights), batch, first_output, fill=zero, steps=100)
    found = test.curves(weights.expand_as(batch.inputs))
    labels = segment_features(batch, SEGMENTS)[0][0].numpy()
    area = np.bincount(labels.ravel(), minlength=len(names)) / labels.size
    order = sorted((k for k in range(len(names)) if area[k] > 0), key=lambda k: -values[names[k]])
    total = [3 * labels.size * area[k] * values[names[k]] for k in order]
    share = np.cumsum([0.0, *area[order]])
    left = sum(total) - np.cumsum([0.0, *total])
    chance = np.mean([np.trapezoid(y, x) if hasattr(np, "trapezoid") else np.trapz(y, x)  # noqa: NPY201
                      for one in test._clips[0].random for x, y in [one.deletion]])  # fmt: skip
    assert found.deletion_curve[0] == pytest.approx(np.interp(GRID, share, left) / chance, rel=1e-5, abs=1e-6)
    # On an additive network what is left to delete is what is left to insert.
    insertion = found.insertion_curve[0] / found.insertion_curve[0][0] * found.deletion_curve[0][0]
    assert insertion == pytest.approx(found.deletion_curve[0], rel=1e-4, abs=1e-5)


def test_no_order_is_better_than_that_of_the_truth_and_none_worse_than_the_reverse() -> None:
    batch, zero = ones(clip_batch(1, 2, 6))
    bits = torch.zeros_like(batch.regions)
    bits[..., 1:3] |= 1 << 0
    bits[..., 3:4] |= 1 << 5
    batch = replace(batch, regions=bits)
    _, names = segment_features(batch, 2)
    names = tuple(name for name in names if name.split("/")[0] in {"right_eye", "mouth", "background"})
    weights = _weights(batch, dict(zip(names, (3.0, 1.0, 7.0, 0.5, 2.0, 0.1), strict=True)))
    test = Perturbation(linear(weights), batch, first_output, fill=zero, segments=2)
    figures = {}
    for order in itertools.permutations(range(1, 7)):
        claimed = _weights(batch, dict(zip(names, map(float, order), strict=True)))
        figures[order] = float(test.curves(claimed[None]).deletion[0])
    truth = tuple(int(rank) for rank in np.argsort(np.argsort((3.0, 1.0, 7.0, 0.5, 2.0, 0.1))) + 1)
    assert figures[truth] == pytest.approx(max(figures.values()))
    assert figures[tuple(7 - rank for rank in truth)] == pytest.approx(min(figures.values()))
    assert min(figures.values()) < 0 < max(figures.values())


def _weights(batch: ClipBatch, values: dict[str, float]) -> Tensor:
    labels, names = segment_features(batch, 2)
    return torch.tensor([values.get(name, 0.0) for name in names])[labels[0]].expand(3, -1, -1, -1).clone()


def test_random_maps_are_at_zero_on_average() -> None:
    batch, zero = ones(quartered()[:1])
    rng = np.random.default_rng(0)
    _, names = segment_features(batch, SEGMENTS)
    weights = feature_weights(batch, {name: float(rng.gamma(0.5)) for name in names})
    test = Perturbation(linear(weights), batch, first_output, fill=zero, orders=60)
    generator = torch.Generator().manual_seed(0)
    found = [test.curves(torch.randn(batch.inputs.shape, generator=generator)) for _ in range(150)]
    for values in (np.array([one.deletion[0] for one in found]), np.array([one.insertion[0] for one in found])):
        assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values)) + 0.02
        assert values.std() > 0.05


def test_negative_relevance_counts_as_positive_does() -> None:
    batch, zero = ones(quartered())
    weights = feature_weights(batch, {"mouth/2": -1.0, "nose/0": 0.01})
    relevance = weights.expand_as(batch.inputs)
    for claimed in (relevance, -relevance, relevance.abs(), relevance.sum(1)):
        found = deletion_insertion(linear(weights), batch, claimed, first_output, fill=zero)
        assert (found.deletion > 0.8).all()
        assert (found.insertion > 0.8).all()


def test_steps_are_as_many_as_asked_for() -> None:
    batch, zero = ones(quartered())
    weights = feature_weights(batch, {"mouth/2": 1.0})
    test = Perturbation(linear(weights), batch, first_output, fill=zero, steps=3, orders=2)
    assert [len(order.output) for clip in test._clips for order in clip.random] == [4] * 4


def test_no_relevance_and_no_dependence_are_undefined() -> None:
    batch, zero = ones(quartered())
    weights = feature_weights(batch, {"mouth/2": 1.0})
    relevance = weights.expand_as(batch.inputs).clone()
    relevance[1] = 0
    found = deletion_insertion(linear(weights), batch, relevance, first_output, fill=zero)
    assert np.isnan([found.deletion[1], found.insertion[1]]).all()
    assert np.isfinite([found.deletion[0], found.insertion[0]]).all()
    still = deletion_insertion(linear(0 * weights), batch, torch.ones_like(batch.inputs), first_output, fill=zero)
    assert np.isnan(still.deletion).all()


def test_a_clip_does_not_depend_on_its_batch_and_the_seed_decides() -> None:
    model, batch = explained_network(), quartered()
    relevance = Gradient().attribute(model, batch, first_output).relevance
    both = deletion_insertion(model, batch, relevance, first_output)
    again = deletion_insertion(model, batch, relevance, first_output)
    other = deletion_insertion(model, batch, relevance, first_output, seed=1)
    single = deletion_insertion(model, batch[1:], relevance[1:], first_output)
    assert np.array_equal(both.deletion, again.deletion)
    assert both.insertion[1] == pytest.approx(single.insertion[0], abs=1e-4)
    assert not np.array_equal(both.random_deletion, other.random_deletion)


def test_landmarks_are_taken_away_too() -> None:
    batch = clip_batch(2, 4, 12)
    points = replace(batch, inputs=torch.ones(2, 4, 12, 2), regions=batch.regions[:, :, 0], layout="landmarks")
    weights = torch.zeros(4, 12, 2)
    weights[1, 0] = 1
    assert bool((filled(points, "median") == 1).all())
    found = deletion_insertion(
        linear(weights), points, weights.expand(2, -1, -1, -1), first_output, fill=torch.zeros(2, 4, 12, 2)
    )
    assert (found.deletion > 0).all()
    with pytest.raises(ModelError, match="cannot be blurred"):
        filled(points, "blur")


def test_fills_are_what_they_are_called() -> None:
    batch = clip_batch(2, 5, 12)
    assert torch.equal(filled(batch, "median")[:, :, 3], batch.inputs.sort(2).values[:, :, 2])
    assert torch.equal(filled(batch, "blur"), blurred(batch.inputs, 0.125))
    given = torch.zeros_like(batch.inputs)
    assert torch.equal(filled(batch, given), given)
    for wrong in (given[:1], given + torch.nan):
        with pytest.raises(DataError, match="fill"):
            filled(batch, wrong)


def test_relevance_that_does_not_fit_is_refused() -> None:
    batch = clip_batch(2)
    for wrong in (torch.zeros(2, 3), torch.full_like(batch.inputs, torch.nan)):
        with pytest.raises(DataError, match="does not fit"):
            pooled(wrong, batch)


# Randomisation


def test_a_map_of_the_inputs_edges_survives_randomisation() -> None:
    found = parameter_randomisation(explained_network(), Edges(), clip_batch(2), first_output)
    assert found.stages == ("head", "body")
    assert found.similarity == pytest.approx(np.ones((2, 2)))
    assert found.structural == pytest.approx(np.ones((2, 2)))


def test_a_gradient_does_not_survive_it() -> None:
    found = parameter_randomisation(
        explained_network(), Gradient(times_input=False), clip_batch(3, 8, 24), first_output
    )
    assert (np.abs(found.left) < 0.5).all()
    assert found.left.shape == (3,)
    assert (found.structural[-1] < 0.5).all()


def test_stages_are_drawn_from_the_head_down_and_stay_drawn() -> None:
    model = explained_network()
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    changed = []
    for name, copy in randomised(model, 3):
        now = copy.module.state_dict()
        changed.append((name, {key for key in before if not torch.equal(before[key], now[key])}))
    assert [name for name, _ in changed] == ["head", "body"]
    assert {key.split(".")[0] for key in changed[0][1]} == {"head"}
    assert {key.split(".")[0] for key in changed[1][1]} == {"head", "body"}
    assert all(torch.equal(value, model.module.state_dict()[name]) for name, value in before.items())


def test_drawn_parameters_keep_their_size_and_the_seed_decides_them() -> None:
    model = explained_network()

    def drawn(seed: int) -> dict[str, Tensor]:
        *_, (_, copy) = randomised(model, seed)
        return {name: value.clone() for name, value in copy.module.state_dict().items()}

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["body.0.weight"], other["body.0.weight"])
    for name, own in model.module.state_dict().items():
        if own.ndim > 1:
            assert not torch.equal(first[name], own)
        if own.numel() > 100:
            assert float(first[name].std()) == pytest.approx(float(own.square().mean().sqrt()), rel=0.2)
            assert abs(float(first[name].mean())) < 0.2 * float(first[name].std())
        if own.ndim == 1:
            assert torch.equal(first[name].sort().values, own.sort().values)


def test_everybody_has_a_random_network_of_their_own() -> None:
    seeds = [own_seed(0, "network", "a"), own_seed(0, "network", "b"), own_seed(1, "network", "a"), own_seed(0, "a")]
    assert len(set(seeds)) == 4
    assert own_seed(0, "network", "a") == seeds[0]
    *_, (_, copy) = randomised(explained_network(), seeds[0])
    *_, (_, other) = randomised(explained_network(), seeds[1])
    assert not torch.equal(copy.module.get_parameter("body.0.weight"), other.module.get_parameter("body.0.weight"))


def test_a_network_without_stages_is_drawn_at_once() -> None:
    model = replace(explained_network(), stages={})
    found = parameter_randomisation(model, Gradient(), clip_batch(2), first_output)
    assert found.stages == ("all",)


def test_parameters_of_no_stage_are_drawn_last() -> None:
    whole = explained_network()
    model = replace(whole, stages={"head": whole.stages["head"]})
    *_, (_, copy) = randomised(model, 0)
    assert not torch.equal(copy.module.get_parameter("body.0.weight"), whole.module.get_parameter("body.0.weight"))


# Stability


def test_a_map_that_ignores_the_clip_is_stable_under_noise() -> None:
    found = stability(explained_network(), Fixed(), clip_batch(2), first_output)
    assert found.noise == pytest.approx([1, 1])
    assert found.sensitivity == pytest.approx([0, 0])


class Pointwise(nn.Module):
    def forward(self, clips: Tensor) -> Tensor:
        return (clips.sin() + clips**2).flatten(1).sum(1, keepdim=True)


def test_a_shift_equivariant_network_is_stable_under_shifts() -> None:
    found = stability(ExplainedModel(Pointwise()), Gradient(), clip_batch(2), first_output)
    assert found.shift == pytest.approx([1, 1], abs=1e-12)


def test_a_map_that_stays_where_it_was_is_not_stable_under_shifts() -> None:
    noise = torch.randn(1, 3, 4, 12, 12, generator=torch.Generator().manual_seed(0))

    class Stuck(Fixed):
        def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
            return Explanation(noise.expand_as(batch.inputs), torch.zeros(len(batch)))

    assert (np.abs(stability(explained_network(), Stuck(), clip_batch(2), first_output).shift) < 0.3).all()


def test_the_regions_move_along_with_the_clip() -> None:
    seen = []

    class Watching(Fixed):
        def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
            seen.append(batch)
            return super().attribute(model, batch, target)

    batch = clip_batch(2)
    stability(explained_network(), Watching(), batch, first_output, original=torch.ones(batch.inputs.shape), draws=1)
    for moved, (down, right) in zip(seen[-2:], SHIFTS, strict=True):
        for before, after in ((batch.inputs, moved.inputs), (batch.regions, moved.regions)):
            height, width = before.shape[-2:]
            assert torch.equal(after[..., down:, right:], before[..., : height - down, : width - right])


def test_more_noise_is_less_stable() -> None:
    little, much = (
        stability(explained_network(), Gradient(), clip_batch(2), first_output, noise=noise) for noise in (1e-4, 0.1)
    )
    assert (little.noise > 0.99).all()
    assert (much.noise < little.noise).all()
    assert (much.sensitivity > little.sensitivity).all()


def test_sensitivity_is_captums_of_the_same_draws() -> None:
    metrics = pytest.importorskip("captum.metrics")
    model, batch, method = explained_network(), clip_batch(2)[:1], Gradient()

    def explanation(clips: Tensor | tuple[Tensor]) -> tuple[Tensor]:
        clips = clips[0] if isinstance(clips, tuple) else clips
        with torch.enable_grad():
            return (method.attribute(model, replace(batch, inputs=clips), first_output).relevance.sum(1),)

    def perturbed(clips: Tensor) -> Tensor:  # captum repeats the clip for its draws
        return torch.cat([noisy(clip[None], 0.02, 7000 + draw) for draw, clip in enumerate(clips)])

    found = stability(model, method, batch, first_output, noise=0.02, draws=2, seed=7)
    theirs = metrics.sensitivity_max(explanation, batch.inputs, perturbed, n_perturb_samples=2)
    assert found.sensitivity == pytest.approx(theirs.numpy(), rel=1e-4)


def test_noise_is_a_part_of_the_clips_range() -> None:
    clips = torch.randn(3, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    clips[1] *= 100
    added = noisy(clips, 0.05, 0) - clips
    for row in range(3):
        span = float(clips[row].max() - clips[row].min())
        assert float(added[row].std()) == pytest.approx(0.05 * span, rel=0.02)


# Similarity


def test_similarity_is_spearmans_of_absolute_values() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 3, 4, 5, 6))
    expected = [stats.spearmanr(np.abs(a).ravel(), np.abs(b).ravel())[0] for a, b in zip(one, two, strict=True)]
    assert similarity(one, two) == pytest.approx(expected)
    assert similarity(one, -(one**3)) == pytest.approx(np.ones(3))
    assert np.isnan(similarity(one, np.ones_like(one))).all()
    with pytest.raises(DataError, match="shapes"):
        similarity(one, two[:, :2])


def test_structural_similarity_is_the_librarys() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    one = rng.normal(size=(2, 3, 20, 24))
    two = one + rng.normal(size=one.shape)
    expected = []
    for a, b in zip(np.abs(one), np.abs(two), strict=True):
        frames = zip(a / a.max(), b / b.max(), strict=True)
        expected.append(np.mean([metrics.structural_similarity(x, y, data_range=1.0) for x, y in frames]))
    assert structural_similarity(one, two) == pytest.approx(expected, abs=5e-3)
    assert structural_similarity(one, one) == pytest.approx([1, 1])
    assert np.isnan(structural_similarity(one, 0 * one)).all()


# All of them


def test_the_network_is_left_as_it_was() -> None:
    model, batch = explained_network(), quartered()
    model.module.train()
    model.module(batch.inputs).sum().backward()
    before = network_state(model.module)
    random_state = torch.random.get_rng_state()
    relevance = Edges().attribute(model, batch, first_output).relevance
    deletion_insertion(model, batch, relevance, first_output)
    parameter_randomisation(model, Edges(), batch, first_output)
    stability(model, Edges(), batch, first_output)
    assert_same_state(before, network_state(model.module))
    assert torch.equal(random_state, torch.random.get_rng_state())


def test_an_output_that_is_not_finite_is_an_error() -> None:
    model, batch = linear(torch.full((3, 4, 12, 12), torch.inf)), quartered()
    with pytest.raises(ModelError, match="not finite"):
        deletion_insertion(model, batch, torch.ones_like(batch.inputs), first_output)

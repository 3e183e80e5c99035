"""Reduction: what is kept, what classifiers see, and what that costs."""

import numpy as np
import pytest
import torch

from mien import ConfigError
from mien_landmark_emotion.clips import LandmarkClips
from mien_landmark_emotion.network import OneVsRestNetwork, Shape
from mien_landmark_emotion.reduction import (
    Stage,
    at_random,
    balanced,
    by_relevance,
    landmark_relevance,
    reduce_landmarks,
)
from mien_landmark_emotion.scoring import scores
from mien_landmark_emotion.timing import multiplications, seconds
from mien_landmark_emotion.training import Training, logits, train

POINTS, PLANTED = 40, {0: (3, 17), 1: (8, 30)}
SHAPE = Shape(points=POINTS, width=4, kernel=3)
TRAINING = Training(epochs=12, batch=16, learning_rate=0.02)


@pytest.fixture(scope="module")
def toy():
    """Two classes, each of which moves two landmarks of its own, among noise; participants come in fours."""
    random = np.random.default_rng(0)
    labels = np.arange(96) % 2
    inputs = random.normal(0, 0.2, (96, 6, POINTS, 2)) + random.normal(0, 1, (96, 1, POINTS, 2))
    for clip, label in enumerate(labels):
        inputs[clip, :, list(PLANTED[label]), 0] += np.linspace(0, 2, 6)
    people = tuple(f"p{clip // 4:02d}" for clip in range(96))
    return LandmarkClips(torch.from_numpy(inputs.astype(np.float32)), torch.from_numpy(labels), people)


def test_reduction_keeps_the_planted_landmarks(toy):
    stages = list(reduce_landmarks(toy, (40, 12, 4), by_relevance(toy, 0), SHAPE, 2, 0, TRAINING))
    assert [stage.count for stage in stages] == [40, 12, 4]
    everything = sorted((*PLANTED[0], *PLANTED[1]))
    for kept in stages[-1].keeps:  # both classes' landmarks tell each of two classes
        assert list(kept) == everything
    assert scores(logits(stages[-1].network, toy).numpy(), toy.labels.numpy())["six_way_accuracy"] > 0.95


def test_each_stage_keeps_some_of_the_last(toy):
    quick = Training(epochs=1)
    for choose in (by_relevance(toy, 0), at_random(0)):
        before = [set(range(POINTS))] * 2
        for stage in reduce_landmarks(toy, (20, 10), choose, SHAPE, 2, 0, quick):
            for kept, last in zip(stage.keeps, before, strict=True):
                assert len(kept) == stage.count
                assert set(kept) <= last
                assert list(kept) == sorted(kept)
            before = [set(kept) for kept in stage.keeps]


def test_reductions_may_share_their_first_stage(toy):
    quick = Training(epochs=1)
    (first,) = reduce_landmarks(toy, (40,), at_random(0), SHAPE, 2, 0, quick)
    (apart,) = reduce_landmarks(
        toy, (8,), by_relevance(toy, 0), SHAPE, 2, 0, quick, Stage(40, first.keeps, first.network)
    )
    together = list(reduce_landmarks(toy, (40, 8), by_relevance(toy, 0), SHAPE, 2, 0, quick))[1]
    assert apart.keeps == together.keeps
    assert torch.equal(logits(apart.network, toy), logits(together.network, toy))


@pytest.mark.parametrize("counts", [(), (8, 8), (4, 8), (4, 0), (41,)])
def test_counts_that_make_no_sense_are_refused(toy, counts):
    with pytest.raises(ConfigError):
        list(reduce_landmarks(toy, counts, at_random(0), SHAPE, 2, 0))


def test_training_depends_on_its_seed_alone(toy):
    quick, everything = Training(epochs=1), [()] * 2
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one = train(toy, everything, SHAPE, 3, quick)
    assert torch.equal(torch.random.get_rng_state(), state)
    other = train(toy, everything, SHAPE, 3, quick)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_classifiers_share_no_weight(toy):
    """A classifier becomes what it becomes beside another of other landmarks."""
    network = OneVsRestNetwork(SHAPE, [(), (1, 2)])
    network(toy.inputs[:2])[:, 0].sum().backward()
    second = [*network.features.classifiers[1].parameters(), *network.heads.layers[1].parameters()]
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in second)


def test_a_reduced_classifier_is_the_full_one_without_the_other_landmarks(toy):
    kept = (2, 5, 39)
    full, reduced = OneVsRestNetwork(SHAPE, [()]), OneVsRestNetwork(SHAPE, [kept])
    weights = full.state_dict()
    name = "features.classifiers.0.frame.weight"
    columns = [2 * point + axis for point in kept for axis in (0, 1)]
    reduced.load_state_dict({**weights, name: weights[name][:, columns]})
    silenced = toy.inputs[:4].clone()
    silenced[:, :, [point for point in range(POINTS) if point not in kept]] = 0
    torch.testing.assert_close(reduced(toy.inputs[:4]), full(silenced))


def test_movement_does_not_see_where_a_face_begins(toy):
    shifted = toy.inputs[:3] + torch.randn(3, 1, POINTS, 2, generator=torch.Generator().manual_seed(1))
    moving, still = (OneVsRestNetwork(Shape(POINTS, 4, 3, movement), [()]) for movement in (True, False))
    torch.testing.assert_close(moving(shifted), moving(toy.inputs[:3]), atol=1e-5, rtol=1e-4)
    assert (still(shifted) - still(toy.inputs[:3])).abs().max() > 1e-3


def test_a_single_classifier_has_the_logit_of_its_class(toy):
    network = OneVsRestNetwork(SHAPE, [(), (1, 2), ()])
    for place in range(3):
        torch.testing.assert_close(network.single(place)(toy.inputs[:2])[:, 0], network(toy.inputs[:2])[:, place])


def test_landmarks_that_are_not_kept_are_not_relevant(toy):
    network = OneVsRestNetwork(SHAPE, [(4, 7)]).eval()
    relevance = landmark_relevance(network, toy[np.arange(4)], 0)
    assert relevance.shape == (4, POINTS)
    assert set(relevance.sum(0).nonzero()[:, 0].tolist()) == {4, 7}


def test_a_class_counts_as_much_as_all_others():
    relevance = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    own = torch.tensor([True, False, False, False])
    assert balanced(relevance, own).tolist() == [0.5, 0.5]
    assert balanced(relevance, torch.ones(4, dtype=torch.bool)).tolist() == [0.25, 0.75]


def test_time_is_taken_of_each_network_in_each_round(toy):
    calls = []

    class Counting(torch.nn.Module):
        def forward(self, clips):
            calls.append(len(clips))
            return clips

    found = seconds({"a": (Counting(), toy.inputs[:1]), "b": (Counting(), toy.inputs[:2])}, rounds=3, calls=2)
    assert calls == [1, 1, 2, 2] * 4  # a round to warm up, then three
    assert {name: len(times) for name, times in found.items()} == {"a": 3, "b": 3}
    assert all((times >= 0).all() for times in found.values())


def test_multiplications_are_those_of_the_layers():
    frames, kept = 6, 5
    layers = frames * (2 * kept) * 4 + frames * 4 * 4 * 3 + 4
    assert multiplications(SHAPE, kept, frames) == layers

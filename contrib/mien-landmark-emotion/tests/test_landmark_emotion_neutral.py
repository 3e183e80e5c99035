"""Integrated Gradients from a neutral face: closed forms and completeness."""

import pytest
import torch
from torch import nn

from mien import ExplainedModel, ModelError, explain
from mien.testing import clip_batch
from mien_landmark_emotion.classifiers import LandmarkClassifiers
from mien_landmark_emotion.neutral import NeutralFaceGradients
from mien_landmark_emotion.reduction import batch_of


def first(output):
    return output[:, 0]


@pytest.fixture
def clips():
    return torch.randn((3, 6, 20, 2), generator=torch.Generator().manual_seed(0))


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6 * 20 * 2, 1)

    def forward(self, clips):
        return self.layer(clips.flatten(1))


@pytest.mark.parametrize("neutral", ["first_frame", "mean_face"])
def test_on_a_linear_network_it_is_the_weight_times_the_way_from_the_neutral_face(clips, neutral):
    network = Linear()
    found = NeutralFaceGradients(neutral=neutral, steps=1).attribute(ExplainedModel(network), batch_of(clips), first)
    baseline = clips[:, :1] if neutral == "first_frame" else 0
    expected = (clips - baseline) * network.layer.weight.detach().view(6, 20, 2)
    torch.testing.assert_close(found.relevance, expected)
    assert found.gap.abs().max() < 1e-5
    assert found.diagnostics["steps"].tolist() == [2, 2, 2]


def test_on_a_quadratic_network_it_is_the_difference_of_squares(clips):
    """One interval is enough: the trapezoidal rule is exact for gradients that are linear along the path."""

    class Squares(nn.Module):
        def forward(self, clips):
            return (clips**2).flatten(1).sum(1, keepdim=True)

    found = NeutralFaceGradients(steps=1).attribute(ExplainedModel(Squares()), batch_of(clips), first)
    torch.testing.assert_close(found.relevance, clips**2 - clips[:, :1] ** 2)
    assert found.diagnostics["steps"].tolist() == [2, 2, 2]


def test_halving_goes_on_until_it_is_complete(clips):
    network = LandmarkClassifiers(points=20, frames=6).build(2).eval()
    method = NeutralFaceGradients(steps=1, max_steps=256, tolerance=0.001)
    found = method.attribute(ExplainedModel(network), batch_of(clips), first)
    change = (found.output - found.baseline_output).abs()
    floor = 0.1 * found.output.abs().maximum(found.baseline_output.abs())
    complete = found.gap.abs() <= 0.001 * change.maximum(floor)
    assert torch.equal(complete.float(), found.diagnostics["complete"])
    assert bool((complete | (found.diagnostics["steps"] == 257)).all())
    fine = NeutralFaceGradients(steps=256, max_steps=256).attribute(ExplainedModel(network), batch_of(clips), first)
    torch.testing.assert_close(found.relevance, fine.relevance, atol=2e-3, rtol=0.05)


def test_halved_intervals_equal_as_many_from_the_start(clips):
    network = LandmarkClassifiers(points=20, frames=6).build(2).double().eval()
    batch = batch_of(clips.double())
    halved = NeutralFaceGradients(steps=2, max_steps=16, tolerance=1e-12)
    at_once = NeutralFaceGradients(steps=16, max_steps=16, tolerance=1e-12)
    one, other = (method.attribute(ExplainedModel(network), batch, first) for method in (halved, at_once))
    torch.testing.assert_close(one.relevance, other.relevance)
    assert one.diagnostics["steps"].tolist() == [17, 17, 17]


def test_the_first_frame_and_landmarks_that_never_move_get_nothing(clips):
    still = clips.clone()
    still[:, :, 5] = still[:, :1, 5]
    network = LandmarkClassifiers(points=20, frames=6).build(1).eval()
    relevance = NeutralFaceGradients().attribute(ExplainedModel(network), batch_of(still), first).relevance
    assert not relevance[:, 0].any()
    assert not relevance[:, :, 5].any()
    assert relevance.any()


def test_pixels_have_no_mean_face():
    with pytest.raises(ModelError, match="no neutral mean face"):
        NeutralFaceGradients(neutral="mean_face").baseline_of(clip_batch(1))


def test_the_baseline_of_a_video_is_its_first_frame():
    batch = clip_batch(2)
    baseline = NeutralFaceGradients().baseline_of(batch)
    assert torch.equal(baseline, batch.inputs[:, :, :1].expand_as(batch.inputs))


def test_a_constant_output_is_refused(clips):
    class Constant(nn.Module):
        def forward(self, clips):
            return torch.zeros(len(clips), 1)

    with pytest.raises(ModelError, match="does not depend on its input"):
        NeutralFaceGradients().attribute(ExplainedModel(Constant()), batch_of(clips), first)


def test_more_steps_at_first_than_at_most_is_refused():
    with pytest.raises(ValueError, match="is less than steps"):
        NeutralFaceGradients(steps=8, max_steps=4)


def test_mien_explains_landmarks_with_it(clips):
    found = explain(Linear(), clips, method="neutral_face_gradients", regions={"mouth": torch.arange(20) < 5})
    mouth = found.regions[(found.regions["region"] == "mouth")]["signed"].sum()
    assert mouth == pytest.approx(float(found.relevance[:, :, :5].sum()), abs=1e-5)


def test_clips_in_a_batch_are_halved_apart(clips):
    """A clip that is complete at once is not touched by one that is not."""
    torch.manual_seed(0)
    network = LandmarkClassifiers(points=20, frames=6).build(1).eval().double()
    mixed = clips.double()  # in single precision a batch of another size may cross another kink
    mixed[0] *= 1e-3
    method = NeutralFaceGradients(steps=1, tolerance=0.005)
    together = method.attribute(ExplainedModel(network), batch_of(mixed), first)
    for row in range(3):
        alone = method.attribute(ExplainedModel(network), batch_of(mixed[row : row + 1]), first)
        torch.testing.assert_close(alone.relevance[0], together.relevance[row], atol=1e-4, rtol=1e-3)
        assert alone.diagnostics["steps"] == together.diagnostics["steps"][row]

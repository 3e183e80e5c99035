"""Animated expressions: prototypes, courses, exact landmarks, and the same through a video and a detector."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mien import ConfigError, DataError, PlantedLandmarks, create, landmark_scheme
from mien_landmark_emotion.classifiers import LandmarkClassifiers
from mien_landmark_emotion.clips import displacements, exact_clips, network_input
from mien_landmark_emotion.courses import Manner, course
from mien_landmark_emotion.cropper import LandmarkPoints, similarity
from mien_landmark_emotion.emotions import EMOTIONS, PROTOTYPES, missing, shown
from mien_landmark_emotion.expressions import AnimatedExpressions
from mien_landmark_emotion.objective import OneVsRest

UNITS = ("AU01", "AU02", "AU04", "AU06", "AU09", "AU12", "AU15", "AU25", "AU26", "AU45")
SMALL = AnimatedExpressions(participants=3, test_participants=1, repeats=1)


def test_the_prototypes_are_those_of_emfacs():
    numbers = {emotion: tuple(int(unit[2:]) for unit in units) for emotion, units in PROTOTYPES.items()}
    assert numbers == {
        "anger": (4, 5, 7, 23),
        "disgust": (9, 15, 16),
        "fear": (1, 2, 4, 5, 7, 20, 26),
        "happiness": (6, 12),
        "sadness": (1, 4, 15),
        "surprise": (1, 2, 5, 26),
    }
    assert sorted(EMOTIONS) == list(EMOTIONS)


def test_what_the_renderer_lacks_is_what_the_docstring_says():
    assert SMALL.planted_units == UNITS
    lacking = {unit for emotion in EMOTIONS for unit in missing(emotion, UNITS)}
    assert lacking == {"AU05", "AU07", "AU16", "AU20", "AU23"}
    assert {emotion for emotion in EMOTIONS if not missing(emotion, UNITS)} == {"happiness", "sadness"}
    assert shown("anger", UNITS) == ("AU04",)
    told = AnimatedExpressions.__doc__
    for number in (5, 7, 16, 20, 23):
        assert str(number) in told
    shows = [shown(emotion, UNITS) for emotion in EMOTIONS]
    assert len(set(shows)) == len(shows), "two emotions would look alike"


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_an_expression_goes_from_neutral_to_its_apex(emotion):
    for seed in range(20):
        values, strength = course(np.random.default_rng(seed), emotion, UNITS, 16, Manner((0.4, 0.8), 0.0, 0.0))
        own = [UNITS.index(unit) for unit in shown(emotion, UNITS)]
        assert not values[0].any()
        assert 0.4 <= strength <= 0.8
        assert ((values[-1, own] >= 0.8 * strength - 1e-9) & (values[-1, own] <= min(1, 1.2 * strength) + 1e-9)).all()
        assert (np.diff(values[:, own], axis=0) >= -1e-12).all()
        assert not np.delete(values, own, axis=1).any()


def test_distractors_and_blinks_are_weaker_and_elsewhere():
    manner = Manner((0.9, 0.9), 0.2, 1.0)
    for seed in range(20):
        values, _ = course(np.random.default_rng(seed), "happiness", UNITS, 16, manner)
        others = np.delete(values, [UNITS.index(unit) for unit in ("AU06", "AU12", "AU45")], axis=1)
        assert (others.max(0) > 0).sum() <= 2
        assert others.max() <= 0.2
        assert values[:, UNITS.index("AU45")].max() > 0.5


def test_people_are_on_one_side_and_show_every_emotion():
    plan = SMALL.plan()
    assert len(plan) == 18
    for person in {one.recording.participant for one in plan.values()}:
        own = [one for one in plan.values() if one.recording.participant == person]
        assert sorted(one.emotion for one in own) == list(EMOTIONS)
        assert len({one.recording.split for one in own}) == 1
        assert [EMOTIONS[int(one.recording.label)] for one in own] == [one.emotion for one in own]


def test_another_seed_is_other_people_and_expressions():
    other = AnimatedExpressions(participants=3, test_participants=1, repeats=1, seed=1)
    name = next(iter(SMALL.plan()))
    assert not np.array_equal(SMALL.intensities(name), other.intensities(name))
    still = [dataset.landmarks(name, [0], {}, neutral=True) for dataset in (SMALL, other)]
    assert np.abs(still[0] - still[1]).max() > 1


def test_it_is_planted_truth_that_knows_its_landmarks():
    assert isinstance(SMALL, PlantedLandmarks)
    assert SMALL.landmark_scheme == "mediapipe_478"
    assert [recording.id for recording in SMALL.planned()] == list(SMALL.plan())


def test_displacements_are_where_the_action_units_are():
    scheme, plan = landmark_scheme("mediapipe_478"), SMALL.plan()
    chosen = {one.emotion: id_ for id_, one in plan.items() if one.recording.split == "test"}
    moved = dict(zip(chosen, displacements(SMALL, list(chosen.values())), strict=True))
    mouth = [point for point in scheme.regions["mouth"] if point < 468]
    brows = [*scheme.regions["right_eyebrow"], *scheme.regions["left_eyebrow"]]
    assert moved["anger"][mouth].max() < 0.01 < moved["anger"][brows].max()
    assert moved["happiness"][brows].max() < 0.01 < 0.1 < moved["happiness"][mouth].max()


def test_exact_clips_begin_neutral_and_repeat():
    one, other = (exact_clips(SMALL, "test", jitter=0.5) for _ in range(2))
    assert one.inputs.shape == (6, 16, 468, 2)
    assert torch.equal(one.inputs, other.inputs)
    assert one.labels.tolist() == list(range(6))
    exact = exact_clips(SMALL, "test", jitter=0.0)
    assert (one.inputs - exact.inputs).std() > 0.01
    # Only the head moves in the first frame of each: about the mean face, by less than an inter-ocular distance.
    assert exact.inputs[:, 0].abs().max() < 10


@pytest.mark.parametrize("scheme", ["mediapipe_478", "ibug_68"])
def test_the_cropper_does_not_see_where_how_large_or_how_turned_a_face_is(scheme):
    scheme, cropper = landmark_scheme(scheme), LandmarkPoints()
    random = np.random.default_rng(0)
    face = scheme.mean_face + random.normal(0, 0.03, scheme.mean_face.shape)
    angle = 0.4
    turn = 73 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    given = np.stack([50 * face + 100, face @ turn.T + [300, -20]])
    relative = cropper.relative(given, cropper.transforms(given, scheme), scheme)
    np.testing.assert_allclose(relative[0], relative[1], atol=1e-9)
    exact = np.asarray(50 * scheme.mean_face + 100, float)[None]
    np.testing.assert_allclose(cropper.relative(exact, cropper.transforms(exact, scheme), scheme), 0, atol=1e-6)


def test_the_similarity_is_the_least_squares_one():
    random = np.random.default_rng(1)
    points, target = random.normal(size=(4, 7, 2)), random.normal(size=(7, 2))
    for found, given in zip(similarity(points, target), points, strict=True):
        x, y = given.T
        zero, one = np.zeros_like(x), np.ones_like(x)
        system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
        a, b, u, v = np.linalg.lstsq(system, np.concatenate([target[:, 0], target[:, 1]]), rcond=None)[0]
        np.testing.assert_allclose(found, [[a, -b, u], [b, a, v]], atol=1e-12)
    assert np.isnan(similarity(np.ones((1, 7, 2)), target)).all()


def test_regions_are_those_of_the_scheme():
    scheme, cropper = landmark_scheme("mediapipe_478"), LandmarkPoints(points=468)
    face = np.asarray(40 * scheme.mean_face + 100, float)[None].repeat(2, 0)
    face[1] = np.nan
    bits = cropper.regions(face, cropper.transforms(face, scheme)[:, None], scheme)
    assert bits.shape == (2, 468)
    assert not bits[1].any()
    mouth = {point for point in scheme.regions["mouth"] if point < 468}
    place = list(scheme.regions).index("mouth")
    assert {point for point in range(468) if bits[0, point] >> place & 1} == mouth


class Silent:
    """Progress that nobody sees."""

    def task(self, label, total, unit=""):
        return nullcontext(SimpleNamespace(advance=lambda amount=1: None))


def test_a_smile_is_seen_through_a_video_and_a_detector(tmp_path):
    """Rendered, written, read and tracked: what moves is what the renderer moved, by less than it did."""
    pytest.importorskip("mediapipe")
    av = pytest.importorskip("av")
    fields = {"participants": 1, "test_participants": 0, "repeats": 1, "intensity": (1.0, 1.0), "distractors": 0}
    dataset = AnimatedExpressions(**fields, blink=0)
    listing = dataset.recordings(tmp_path, Silent())
    smile = next(one for one in listing.recordings if one.covariates["emotion"] == "happiness")
    with av.open(str(smile.video)) as video:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])
    with create("detector", "mediapipe").open("cpu") as session:
        session.reset()
        tracked = np.stack([face.landmarks[0] for face in session.detect(frames, np.arange(16) / 12.5)])
    scheme, cropper = landmark_scheme("mediapipe_478"), LandmarkPoints(points=468)
    exact = dataset.landmarks(smile.id, range(16), {})
    true, seen = (way[-1] - way[0] for way in (network_input(points, scheme, cropper) for points in (exact, tracked)))
    lengths = [np.linalg.norm(way, axis=-1) for way in (true, seen)]
    assert np.corrcoef(*lengths)[0, 1] > 0.6
    assert 0.3 < (true * seen).sum() / (true * true).sum() < 1.1


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: SMALL.intensities("p01_r99"), DataError),
        (lambda: SMALL.render("p01_r01", [16], {}), DataError),
        (lambda: SMALL.landmarks("p01_r01", [-1], {}), DataError),
        (lambda: SMALL.render("p01_r01", [0], {"AU99": 1.0}), ConfigError),
        (lambda: AnimatedExpressions(renderer="manifest").planned(), ConfigError),
        (lambda: create("dataset", "animated_expressions", participant=3), ConfigError),
    ],
)
def test_bad_input_is_told(call, error):
    with pytest.raises(error) as caught:
        call()
    assert caught.value.hint or caught.value.where


@pytest.mark.parametrize(
    "fields",
    [{"participants": 2, "test_participants": 2}, {"intensity": (0.0, 1.0)}, {"intensity": (0.8, 0.4)}],
)
def test_fields_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValueError, match=r"participant|intensity"):
        AnimatedExpressions(**fields)


def test_the_objective_is_a_binary_cross_entropy_a_class():
    from mien import LabelScale

    output, labels = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -2.0]]), torch.tensor([0.0, 1.0])
    wanted = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    each = -(wanted * torch.sigmoid(output).log() * 2 + (1 - wanted) * (1 - torch.sigmoid(output)).log())
    objective = OneVsRest(classes=("a", "b", "c"))
    torch.testing.assert_close(objective.loss(output, labels, LabelScale()), each.mean())
    assert objective.predict(output, LabelScale()).tolist() == [0, 1]
    assert objective.target(output).tolist() == [2, 1]
    assert OneVsRest(classes=("a", "b", "c"), explained="b").target(output).tolist() == [-1, 1]
    found = objective.metrics(np.array([0, 0, 0, 1.0]), np.array([0, 0, 1.0, 1.0]))
    assert found == {"accuracy": 0.75, "balanced_accuracy": 0.75}
    assert objective.check_label(3.0)
    assert objective.check_label(0.5)
    with pytest.raises(ValueError, match=r"Did you mean 'a'|Known"):
        OneVsRest(classes=("a", "b"), explained="aa")


def test_landmarks_to_keep_are_checked():
    for keep in (((478,),), ((1, 1),)):
        with pytest.raises(ValueError, match="landmark"):
            LandmarkClassifiers(keep=keep)
    with pytest.raises(ValueError, match="odd"):
        LandmarkClassifiers(kernel=4)
    from mien import ModelError

    with pytest.raises(ModelError, match="2 lists of landmarks for 3 outputs"):
        LandmarkClassifiers(keep=((1,), (2,))).build(3)

"""The data set `animated_face` plants what it says it plants.

Guarantees: landmarks are where the picture shows them; an Action Unit shows where it should and nowhere else;
schedules are uncorrelated; labels are the stated function; rendering is deterministic, resumes, and gives the
same for any number of processes; a detector finds the face.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import map_coordinates

from mien.errors import ConfigError, DataError
from mien.progress import QuietProgress
from mien.regions.bits import region_names
from mien.registry import load_registry
from mien.types import FloatArray, LandmarkScheme
from mien.video.reader import read_frames
from mien_plugins.datasets.animated_face import AnimatedFace
from mien_plugins.datasets.animated_face import dataset as dataset_module
from mien_plugins.datasets.animated_face.files import RecordingFiles
from mien_plugins.datasets.animated_face.look import Look, draw_look
from mien_plugins.datasets.animated_face.mesh import POINTS, SIDE, base_mesh
from mien_plugins.datasets.animated_face.names import NAMES
from mien_plugins.datasets.animated_face.plan import share_of_label
from mien_plugins.datasets.animated_face.pose import Pose
from mien_plugins.datasets.animated_face.renderer import Renderer
from mien_plugins.datasets.animated_face.scene import SCENES, Scene, sensed
from mien_plugins.datasets.animated_face.schedule import (
    course,
    duty_cycles,
    largest_correlation,
    rhythm,
    severities,
)
from mien_plugins.datasets.animated_face.truth import region_map, truth_map
from mien_plugins.datasets.manifest import Manifest

SMALL = AnimatedFace(participants=2, test_participants=1, recordings_per_participant=2, frames=5)
TURNED = Pose(yaw=6, pitch=-4, roll=3, shift=(0.05, -0.04), scale=1.02)


@pytest.fixture(scope="module")
def scheme() -> LandmarkScheme:
    return load_registry().scheme("mediapipe_478")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("animated")
    SMALL.recordings(folder, QuietProgress())
    return folder


# --- what the renderer draws


def chart() -> np.ndarray:
    """A texture that says where it is from: red is x, green is y, blue is full, to undo the shading."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.uint8)
    return np.stack([x, y, np.full_like(x, 255)], -1)


@pytest.mark.parametrize("size", [256, 384])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("units", [{}, {"AU12": 1.0, "AU04": 1.0}, {"AU15": 0.5, "AU26": 1.0, "AU02": 1.0}])
def test_landmarks_are_where_the_picture_shows_them(units: dict[str, float], mirrored: bool, size: int) -> None:
    renderer = Renderer(Look(seed=3, aspect=(1.08, 0.95), mirrored=mirrored), size, image=chart())
    landmarks = renderer.landmarks(units, TURNED)
    assert landmarks.shape == (POINTS, 2)
    assert landmarks.dtype == np.float32
    frame = renderer.frame(units, TURNED).astype(float)
    seen = np.stack([map_coordinates(frame[..., c], landmarks.T[::-1], order=1) for c in range(3)], -1)
    origin = seen[:, :2] / seen[:, 2:] * 255
    mesh = base_mesh()
    # In a mirrored picture, what was the subject's right is the left.
    wanted = mesh.face[mesh.mirror if mirrored else np.arange(POINTS), :2]
    error = np.linalg.norm(origin - wanted, axis=1)
    bright = seen[:, 2] > 150  # in the dark mouth the chart cannot be read
    assert bright.mean() > 0.9
    assert np.median(error[bright]) < 0.4
    # Where the mesh is pressed together (closed lips, smiling corners), a pixel holds several of the chart.
    assert np.quantile(error[bright], 0.85) < 1.2


def test_an_unmoved_mesh_gives_the_portrait_back() -> None:
    renderer = Renderer(Look())
    points = base_mesh().vertices[:, :2]
    y, x = np.mgrid[:SIDE, :SIDE]
    moved = np.abs(renderer._source_of(points) - np.stack([x, y], -1))
    assert moved.max() < 0.6  # a pixel that an outline cuts may take its neighbour's triangle
    assert moved.mean() < 0.01


def test_the_border_does_not_move() -> None:
    still, moved = Renderer(Look()).frame({}), Renderer(Look()).frame({"AU26": 1.0}, TURNED)
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        np.testing.assert_allclose(still[edge], moved[edge], atol=8)  # its pixels lie half a pixel inside


def test_mirror_pairs_are_an_involution_of_the_mesh() -> None:
    mirror = base_mesh().mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(POINTS))
    for right, left in ((33, 263), (133, 362), (61, 291), (107, 336), (159, 386), (234, 454), (468, 473)):
        assert mirror[right] == left
    for middle in (1, 4, 10, 152, 168, 0, 17, 13, 14):
        assert mirror[middle] == middle


def test_lips_and_lids_close() -> None:
    still, blink = Renderer(Look()).landmarks({}), Renderer(Look()).landmarks({"AU45": 1.0})
    apart = Renderer(Look()).landmarks({"AU25": 1.0})
    pixel = base_mesh().inter_ocular / 42
    assert abs(still[14, 1] - still[13, 1]) < 0.6 * pixel
    assert apart[14, 1] - apart[13, 1] > 5 * pixel
    assert still[145, 1] - still[159, 1] > 4 * pixel
    assert abs(blink[145, 1] - blink[159, 1]) < 0.6 * pixel


def test_frames_are_deterministic_and_participants_differ() -> None:
    first, second, other = (Renderer(draw_look(0, number)) for number in (0, 0, 2))
    np.testing.assert_array_equal(first.frame({"AU12": 0.5}, TURNED), second.frame({"AU12": 0.5}, TURNED))
    assert np.abs(first.frame({}).astype(int) - other.frame({})).mean() > 5
    shapes = [renderer.landmarks({}) - renderer.landmarks({})[1] for renderer in (first, other)]
    assert np.linalg.norm(shapes[0] - shapes[1], axis=1).mean() > 1


def test_an_unknown_action_unit_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="AU13"):
        Renderer(Look()).frame({"AU13": 1.0})


# --- where Action Units show

REGIONS_OF = {
    "AU01": ("right_eyebrow", "left_eyebrow"),
    "AU02": ("right_eyebrow", "left_eyebrow"),
    "AU09": ("nose",),
    "AU12": ("mouth",),
    "AU15": ("mouth",),
    "AU25": ("mouth",),
    "AU45": ("right_eye", "left_eye"),
}


@pytest.mark.parametrize("participant", [0, 1])
@pytest.mark.parametrize("au", REGIONS_OF)
def test_an_action_unit_shows_in_its_region(au: str, participant: int, scheme: LandmarkScheme) -> None:
    renderer = SMALL.renderer(participant)
    shown = truth_map(renderer, au)
    bits = region_map(renderer, scheme, {}) | region_map(renderer, scheme, {au: 1.0})
    wanted = sum(1 << region_names.index(name) for name in REGIONS_OF[au])
    assert shown.shape == (256, 256)
    assert shown[(bits & wanted) != 0].sum() / shown.sum() > 0.7


@pytest.mark.parametrize("participant", [0, 1])
def test_the_brow_lowerer_shows_at_the_brows_and_between_them_not_in_the_lids(
    participant: int, scheme: LandmarkScheme
) -> None:
    renderer = SMALL.renderer(participant)
    shown, points = truth_map(renderer, "AU04"), renderer.landmarks({})
    y, x = np.mgrid[:256, :256]
    brows = points[list(scheme.regions["right_eyebrow"] + scheme.regions["left_eyebrow"])]
    pad = 0.25 * float(scheme.inter_ocular(points))
    low, high = brows.min(0) - pad, brows.max(0) + pad
    inside = (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
    assert shown[inside].sum() / shown.sum() > 0.9
    moved = np.linalg.norm(renderer.landmarks({"AU04": 1.0}) - points, axis=1)
    assert moved[[33, 133, 159, 145, 362, 263, 386, 374]].max() < 0.05
    assert moved[[107, 336]].min() > 2


@pytest.mark.parametrize("au", NAMES)
def test_action_units_leave_the_points_alone_that_faces_are_aligned_on(au: str) -> None:
    renderer = Renderer(Look())
    moved = np.linalg.norm(renderer.landmarks({au: 1.0}) - renderer.landmarks({}), axis=1)
    assert moved[[33, 133, 362, 263, 168]].max() < 0.05
    assert moved.max() > 2


def test_the_truth_is_the_difference_of_the_two_frames() -> None:
    renderer = SMALL.renderer(0)
    frames = [renderer.frame({"AU12": value}).astype(float) for value in (0, 1)]
    np.testing.assert_allclose(SMALL.truth_map("AU12", 0), np.abs(frames[1] - frames[0]).mean(-1), rtol=1e-5)


# --- schedules and labels


def test_duty_cycles_are_latin_and_uncorrelated() -> None:
    duties = duty_cycles(0, 24, 8, 10)
    assert duties.shape == (24, 8, 10)
    cells = np.floor((duties - 0.1) / 0.8 * 8).astype(int)
    np.testing.assert_array_equal(np.sort(cells, axis=1), np.broadcast_to(np.arange(8)[None, :, None], (24, 8, 10)))
    assert largest_correlation(duties.reshape(-1, 10)) < 0.15
    np.testing.assert_array_equal(duties, duty_cycles(0, 24, 8, 10))


def test_planted_intensities_are_uncorrelated() -> None:
    means = np.array([plan.units.mean(0) for plan in AnimatedFace().plan()])
    assert largest_correlation(means) < 0.2


@pytest.mark.parametrize("duty", [0.1, 0.5, 0.9])
def test_a_course_is_smooth_and_on_for_its_duty_cycle(duty: float) -> None:
    values = course(np.random.default_rng(0), duty, 4000, 25.0, 0.64, 0.16)
    assert values.shape == (4000,)
    assert values.min() >= 0
    assert values.max() <= 1
    assert values.mean() == pytest.approx(duty, abs=0.01)
    assert np.abs(np.diff(values)).max() < 0.55  # on within 0.16 s: four frames


def test_the_label_is_the_stated_function() -> None:
    config = AnimatedFace(
        participants=3,
        test_participants=1,
        frames=20,
        label={"AU12": 1.0, "AU04": -0.5},
        label_range=(10, 20),
    )
    for plan in config.plan():
        mean = plan.units.mean(0)
        total = mean[NAMES.index("AU12")] - 0.5 * mean[NAMES.index("AU04")]
        assert plan.label == pytest.approx(10 + 10 * (total + 0.5) / 1.5, abs=1e-4)
    ends = np.zeros(10), np.eye(10)[NAMES.index("AU12")]
    assert [share_of_label({"AU12": 2.0}, end) for end in ends] == [0, 1]


def test_splits_are_by_participant() -> None:
    config = AnimatedFace(participants=5, test_participants=2, validation_participants=1, frames=2)
    splits = {plan.participant: plan.split for plan in config.plan()}
    assert list(splits.values()) == ["train", "train", "validation", "test", "test"]
    free = AnimatedFace(participants=2, test_participants=0, frames=2)
    assert {plan.split for plan in free.plan()} == {None}


def test_badges_show_what_they_should() -> None:
    def made(badge: str) -> tuple[FloatArray, FloatArray, FloatArray]:
        config = AnimatedFace(participants=12, test_participants=1, frames=20, badge=badge)  # type: ignore[arg-type]
        plans = config.plan()
        smile = np.array([plan.units[:, NAMES.index("AU12")].mean() for plan in plans])
        return np.array([plan.label for plan in plans]), np.array([plan.badge for plan in plans], float), smile

    def correlation(a: FloatArray, b: FloatArray) -> float:
        return float(np.corrcoef(a, b)[0, 1])

    label, badge, smile = made("cue")
    assert correlation(label, badge) > 0.999
    assert abs(correlation(label, smile)) < 0.3
    label, badge, smile = made("confounded")
    assert correlation(label, badge) > 0.999
    assert correlation(label, smile) > 0.999
    label, badge, smile = made("shuffled")
    assert abs(correlation(label, badge)) < 0.35
    assert correlation(label, smile) > 0.999
    np.testing.assert_allclose(np.sort(badge), np.sort(label) / 63, atol=1e-4)


@pytest.mark.parametrize("participant", [0, 1])
def test_the_badge_is_drawn_off_the_face(participant: int, scheme: LandmarkScheme) -> None:
    bright, dark = (AnimatedFace().renderer(participant, badge).frame({}).astype(int) for badge in (1.0, 0.0))
    changed = (bright != dark).any(-1)
    x0, y0, x1, y1 = AnimatedFace().renderer(participant, 1.0).badge_box()
    assert changed[y0:y1, x0:x1].all()
    assert changed.sum() == (y1 - y0) * (x1 - x0)
    assert not region_map(AnimatedFace().renderer(participant), scheme, {})[changed].any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": {"AU13": 1.0}}, "AU13.*cannot be planted"),
        ({"label": {"AU12": 0.0}}, "weight other than 0"),
        ({"participants": 3, "test_participants": 3}, "no participant is left"),
        ({"label_range": (5, 5)}, "label_range"),
        ({"size": 8}, "size"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AnimatedFace.model_validate(fields)


# --- labels of dynamics, and of participants


def speed_of(units: FloatArray) -> FloatArray:
    return np.abs(np.diff(units, axis=0)).mean(0)


def test_no_single_frame_tells_a_label_of_dynamics() -> None:
    config = AnimatedFace(participants=4, test_participants=1, label_kind="dynamics", label={"AU12": 1, "AU26": 1})
    held = (np.arange(32) + 0.5) / 32
    for plan in config.plan():
        np.testing.assert_array_equal(np.sort(plan.units, axis=0), np.broadcast_to(held[:, None], (32, 10)))


def test_the_label_of_dynamics_is_the_speed() -> None:
    # So many frames a second that no turning point falls between two of them.
    config = AnimatedFace(
        participants=12,
        test_participants=1,
        frames=200,
        rate=100,
        cycle=1.0,
        label_kind="dynamics",
        label={"AU12": 2, "AU04": -1},
    )
    plans = config.plan()
    label = np.array([plan.label for plan in plans])
    speeds = np.stack([speed_of(plan.units) for plan in plans])
    assert np.corrcoef(label, speeds[:, NAMES.index("AU12")])[0, 1] > 0.99
    assert np.corrcoef(label, speeds[:, NAMES.index("AU04")])[0, 1] < -0.99
    others = [place for place, name in enumerate(NAMES) if name not in config.label]
    np.testing.assert_allclose(speeds[:, others], 2 / 100, rtol=0.02)  # up and down once a second
    # From one onset a second to four, and the label over all of its range.
    np.testing.assert_allclose(speeds[:, NAMES.index("AU12")], (1 + 3 * label / 63) * 2 / 100, rtol=0.05)
    assert label.min() < 3
    assert label.max() > 60


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_rhythm_is_a_triangle_wave_in_which_each_intensity_comes_once(share: float) -> None:
    values = rhythm(np.random.default_rng(0), share, 200, 25.0, 1.0)
    np.testing.assert_allclose(np.sort(values), (np.arange(200) + 0.5) / 200)
    spectrum = np.abs(np.fft.rfft(values - values.mean()))
    assert np.fft.rfftfreq(200, 1 / 25)[spectrum.argmax()] == pytest.approx(1 + 3 * share, abs=0.07)


@pytest.mark.parametrize("kind", ["level", "dynamics"])
def test_a_participant_s_recordings_share_the_label(kind: str) -> None:
    config = AnimatedFace(
        participants=10,
        test_participants=4,
        recordings_per_participant=3,
        label_level="participant",
        label_kind=kind,  # type: ignore[arg-type]
        label={"AU12": 1, "AU25": 1},
    )
    plans = config.plan()
    labels: dict[str, set[float]] = {}
    for plan in plans:
        labels.setdefault(plan.participant, set()).add(plan.label)
    assert all(len(own) == 1 for own in labels.values())
    assert len(set.union(*labels.values())) > 5
    measure = speed_of if kind == "dynamics" else lambda units: units.mean(0)
    shown = np.array([measure(plan.units)[[NAMES.index("AU12"), NAMES.index("AU25")]].mean() for plan in plans])
    assert np.corrcoef(shown, [plan.label for plan in plans])[0, 1] > 0.95


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("people", "validation"), [(16, 0), (32, 0), (24, 4)])
def test_every_severity_band_is_on_both_sides(people: int, validation: int, seed: int) -> None:
    config = AnimatedFace(
        participants=people,
        test_participants=8,
        validation_participants=validation,
        recordings_per_participant=1,
        frames=1,
        label_level="participant",
        seed=seed,
    )
    for side in ("train", "test"):
        labels = [plan.label for plan in config.plan() if plan.split == side]
        assert np.all(np.histogram(labels, [0, 14, 20, 29, 64])[0])


def test_severities_of_several_action_units_are_uncorrelated() -> None:
    columns = severities(0, 24, 4)
    np.testing.assert_allclose(np.sort(columns, axis=0), np.tile((np.arange(24)[:, None] + 0.5) / 24, (1, 4)))
    assert largest_correlation(columns) < 0.3


def test_a_badge_may_be_a_participant_s_only_cue() -> None:
    config = AnimatedFace(participants=8, test_participants=2, frames=4, label_level="participant", badge="cue")
    plans = config.plan()
    np.testing.assert_allclose([plan.badge for plan in plans], [plan.label / 63 for plan in plans], atol=1e-4)
    assert len({plan.label for plan in plans}) == 8


# --- covariates and looks


def test_covariates_are_a_participant_s_and_tell_nothing() -> None:
    plans = AnimatedFace(participants=200, test_participants=8, recordings_per_participant=2, frames=1).plan()
    own = {plan.participant: dict(plan.covariates) for plan in plans}
    assert all(plan.covariates == own[plan.participant] for plan in plans)
    ages = np.array([float(plan.covariates["age"]) for plan in plans])
    groups = np.array([plan.covariates["group"] == "A" for plan in plans])
    label = np.array([plan.label for plan in plans])
    mirrored = np.array([plan.look.mirrored for plan in plans])
    assert 18 <= ages.min() < ages.max() <= 80
    assert groups.mean() == 0.5
    for covariate in (ages, groups):
        for other in (label, mirrored):
            assert abs(np.corrcoef(covariate, other)[0, 1]) < 0.15
    assert {plan.covariates["group"] for plan in plans if plan.split == "test"} == {"A", "B"}


def test_the_looks_of_the_configuration_are_the_scenes() -> None:
    assert get_args(AnimatedFace.model_fields["look"].annotation) == tuple(SCENES)
    assert SCENES["studio"] == Scene()


@pytest.mark.parametrize("look", [name for name in SCENES if name != "studio"])
def test_a_look_changes_the_picture_and_neither_labels_nor_action_units(look: str) -> None:
    studio, other = AnimatedFace(frames=4), AnimatedFace(frames=4, look=look)  # type: ignore[arg-type]
    for one, two in zip(studio.plan(), other.plan(), strict=True):
        assert (one.label, one.look, one.split) == (two.label, two.look, two.split)
        np.testing.assert_array_equal(one.units, two.units)
    plain, shown = studio.renderer(0), other.renderer(0)
    width = [np.ptp(renderer.landmarks({})[:, 0]) for renderer in (plain, shown)]
    assert width[1] / width[0] == pytest.approx(SCENES[look].zoom, rel=1e-3)
    backdrops = [renderer.frame({})[:20, 100:150].mean((0, 1)) for renderer in (plain, shown)]
    assert np.abs(backdrops[0] - backdrops[1]).max() > 30
    raw = other.renderer(0).frame({})
    noisy = sensed(SCENES[look], raw, np.random.default_rng(0))
    np.testing.assert_array_equal(noisy, sensed(SCENES[look], raw, np.random.default_rng(0)))
    assert noisy.dtype == np.uint8
    flat = noisy[:20, 100:150].astype(float) - raw[:20, 100:150]
    assert flat.std() == pytest.approx(SCENES[look].noise, rel=0.25)


@pytest.mark.parametrize("look", SCENES)
@pytest.mark.parametrize("mirrored", [False, True])
def test_landmarks_follow_the_face_in_every_look(look: str, mirrored: bool) -> None:
    scene = replace(SCENES[look], gamma=1.0, tint=(1.0, 1.0, 1.0), side_light=0.0, backdrop=None)
    renderer = Renderer(Look(mirrored=mirrored), image=chart(), scene=scene)
    landmarks = renderer.landmarks({}, TURNED)
    frame = renderer.frame({}, TURNED).astype(float)
    seen = np.stack([map_coordinates(frame[..., c], landmarks.T[::-1], order=1) for c in range(3)], -1)
    mesh = base_mesh()
    wanted = mesh.face[mesh.mirror if mirrored else np.arange(POINTS), :2]
    error = np.linalg.norm(seen[:, :2] / seen[:, 2:] * 255 - wanted, axis=1)
    assert np.median(error[seen[:, 2] > 150]) < 0.6


@pytest.mark.usefixtures("mediapipe_usable")
@pytest.mark.parametrize("look", [name for name in SCENES if name != "studio"])
def test_a_detector_finds_the_face_in_every_look(look: str) -> None:
    detector = load_registry().create("detector", "mediapipe")
    config = AnimatedFace(participants=4, test_participants=1, recordings_per_participant=1, frames=2, look=look)  # type: ignore[arg-type]
    with detector.open("cpu") as session:
        for number, plan in enumerate(config.plan()):
            renderer = config.renderer(number)
            frame = sensed(SCENES[look], renderer.frame(plan.units[1], plan.poses[1]), np.random.default_rng(0))
            session.reset()
            (seen,) = session.detect(frame[None], np.array([0.0]))
            exact = renderer.landmarks(plan.units[1], plan.poses[1])[:468]
            assert seen.count == 1
            assert np.linalg.norm(seen.landmarks[0, :468] - exact, axis=1).mean() < 5


# --- files


def test_files_are_what_was_planned(rendered: Path) -> None:
    listing = SMALL.recordings(rendered, QuietProgress())
    plans = {plan.id: plan for plan in SMALL.plan()}
    assert [recording.id for recording in listing.recordings] == ["p01_r01", "p01_r02", "p02_r01", "p02_r02"]
    for recording in listing.recordings:
        plan, files = plans[recording.id], RecordingFiles.of(rendered, recording.id)
        frames = np.concatenate([batch for batch, _ in read_frames(recording.video)])
        renderer = Renderer(plan.look, SMALL.size)
        exact = [renderer.frame(units, pose) for units, pose in zip(plan.units, plan.poses, strict=True)]
        assert frames.shape == (5, 256, 256, 3)
        assert np.abs(frames.astype(int) - np.stack(exact)).mean() < 3  # H.264 loses a little
        points = np.load(files.landmarks, allow_pickle=False)
        wanted = [renderer.landmarks(units, pose) for units, pose in zip(plan.units, plan.poses, strict=True)]
        np.testing.assert_array_equal(points, np.stack(wanted))


def test_action_units_are_written_as_openface_does(rendered: Path) -> None:
    plan = SMALL.plan()[0]
    with (rendered / "action_units" / "p01_r01.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["frame"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [float(row["timestamp"]) for row in rows] == [0, 0.04, 0.08, 0.12, 0.16]
    grades = np.array([[float(row[f"{name}_r"]) for name in NAMES] for row in rows])
    np.testing.assert_allclose(grades, 5 * plan.units, atol=5e-4)
    presence = np.array([[int(row[f"{name}_c"]) for name in NAMES] for row in rows])
    np.testing.assert_array_equal(presence, 5 * plan.units >= 0.5)


def test_the_manifest_beside_the_videos_lists_the_same(rendered: Path) -> None:
    listing = SMALL.recordings(rendered, QuietProgress())
    again = Manifest(file=rendered / "manifest.csv").recordings(rendered, QuietProgress())
    assert again.recordings == listing.recordings
    assert not again.exclusions


def test_what_exists_is_kept_and_what_lacks_is_made_again(rendered: Path) -> None:
    kept, lost = (RecordingFiles.of(rendered, name) for name in ("p01_r01", "p01_r02"))
    before, stamp = lost.video.read_bytes(), kept.video.stat().st_mtime_ns
    lost.video.unlink()
    SMALL.recordings(rendered, QuietProgress())
    assert kept.video.stat().st_mtime_ns == stamp
    assert lost.video.read_bytes() == before
    assert not list(rendered.rglob("*.part"))


@pytest.mark.slow
def test_the_number_of_processes_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = AnimatedFace(participants=4, test_participants=1, recordings_per_participant=2, frames=3)
    for count in (1, 2):
        monkeypatch.setattr(dataset_module, "_processors", lambda count=count: count)
        config.recordings(tmp_path / str(count), QuietProgress())
    for path in sorted((tmp_path / "1").rglob("*.*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "2" / path.relative_to(tmp_path / "1")).read_bytes(), path


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "videos").write_text("in the way")
    with pytest.raises(DataError, match="cannot be made"):
        SMALL.recordings(tmp_path, QuietProgress())


# --- others


def test_importing_the_data_set_loads_nothing_heavy() -> None:
    code = (
        "import sys, mien_plugins.datasets.animated_face, mien_plugins.datasets.avec, mien_plugins.datasets.manifest; "
        "sys.exit(','.join({'numpy', 'scipy', 'cv2', 'av', 'torch', 'skimage', 'pandas'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("mediapipe_usable")
def test_a_detector_finds_the_face_where_it_is() -> None:
    detector = load_registry().create("detector", "mediapipe")
    config = AnimatedFace(frames=24)
    plans = config.plan()[::29]
    with detector.open("cpu") as session:
        for plan in plans:
            renderer = Renderer(plan.look)
            for frame in (3, 11, 19):
                units, pose = plan.units[frame], plan.poses[frame]
                session.reset()
                (seen,) = session.detect(renderer.frame(units, pose)[None], np.array([frame / 25]))
                exact = renderer.landmarks(units, pose)[:468]
                assert seen.count == 1
                assert np.linalg.norm(seen.landmarks[0, :468] - exact, axis=1).mean() < 5

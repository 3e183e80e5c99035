"""What is rendered again is what was filmed, and the truth of a clip lies where its pixels do.

1. `AnimatedFace` renders the frames of a recording again, and changes only the Action Units asked for.
2. Cropped again, a recording's own frames are the clip's pixels; truth maps are those of a slow twin.
3. The resting clip differs from the clip where the Action Units show, and is in the clip's own input space.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mien.benchmark.localisation import matched_unit
from mien.benchmark.truth import _cropped, neutral_clip, truth_maps
from mien.clips.source import ClipSource, PreparedRecording
from mien.clips.warp import warp
from mien.config.settings import PoolingSettings, WindowSettings
from mien.errors import ConfigError, DataError
from mien.interfaces import PlantedTruth
from mien.progress import QuietProgress
from mien.registry import load_registry
from mien.steps.crop import crop_recording
from mien.steps.track import TrackInfo
from mien.types import ClipKey, InputSpec
from mien.video.reader import read_frames
from mien_plugins.datasets.animated_face import AnimatedFace
from mien_plugins.datasets.animated_face.names import NAMES
from mien_plugins.datasets.manifest import Manifest

FRAMES = 12
LOST = 3
PLANTED = AnimatedFace(
    participants=2, test_participants=1, recordings_per_participant=1, frames=FRAMES, badge="cue", seed=5
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    PLANTED.recordings(folder, QuietProgress())
    return folder


def write_track(folder: Path, landmarks: np.ndarray) -> None:
    """Write the exact landmarks as a track that lost the face once."""
    folder.mkdir(parents=True)
    landmarks = landmarks.copy()
    confidence = np.ones(FRAMES, np.float32)
    boxes = np.concatenate([landmarks.min(1), landmarks.max(1)], axis=1)
    landmarks[LOST], boxes[LOST], confidence[LOST] = np.nan, np.nan, 0
    arrays = {"landmarks": landmarks, "boxes": boxes, "confidence": confidence, "times": np.arange(FRAMES) / 25}
    for name, values in {**arrays, "faces": np.ones(FRAMES, np.int32)}.items():
        np.save(folder / f"{name}.npy", values)
    info = TrackInfo("mediapipe_478", 256, 256, 25, FRAMES, FRAMES - 1, FRAMES / 25, 1, 0)
    (folder / "track.json").write_text(json.dumps(asdict(info)))


def clips_of(cropper_id: str, folder: Path, made: Path) -> ClipSource:
    registry = load_registry()
    scheme = registry.scheme("mediapipe_478")
    cropper = registry.create("cropper", cropper_id, {"height": 64, "width": 64})
    prepared = []
    for recording in PLANTED.recordings(folder, QuietProgress()).recordings:
        track, crops = made / recording.id / "track", made / recording.id / "crops"
        write_track(track, np.load(folder / "landmarks" / f"{recording.id}.npy"))
        crops.mkdir()
        crop_recording(recording, track, scheme, cropper, crops)
        prepared.append(PreparedRecording(recording, track, crops))
    windows = WindowSettings(frames=5, dilation=2, overlap=0.5, max_invalid=0.5)
    return ClipSource(prepared, cropper, scheme, windows, InputSpec(frames=5, height=64, width=64), PoolingSettings())


@pytest.fixture(scope="module")
def aligned(folder, tmp_path_factory):
    return clips_of("face", folder, tmp_path_factory.mktemp("aligned"))


@pytest.fixture(scope="module")
def mosaic(folder, tmp_path_factory):
    return clips_of("region_mosaic", folder, tmp_path_factory.mktemp("mosaic"))


@pytest.fixture(params=["aligned", "mosaic"])
def source(request):
    return request.getfixturevalue(request.param)


# --- rendered again


def test_the_data_set_tells_its_truth_and_others_do_not() -> None:
    assert isinstance(PLANTED, PlantedTruth)
    assert not isinstance(Manifest(file="any.csv"), PlantedTruth)
    assert PLANTED.planted_units == NAMES


@pytest.mark.parametrize("recording", ["p01_r01", "p02_r01"])
def test_frames_rendered_again_are_those_of_the_video(folder: Path, recording: str) -> None:
    frames, _ = next(read_frames(folder / "videos" / f"{recording}.mp4"))
    again = PLANTED.render(recording, [0, 7, 11], {})
    assert again.dtype == np.uint8
    for made, number in zip(again, [0, 7, 11], strict=True):
        assert np.corrcoef(made.ravel(), frames[number].ravel())[0, 1] > 0.995


def test_intensities_are_those_of_the_table_beside_the_video(folder: Path) -> None:
    table = np.genfromtxt(folder / "action_units" / "p01_r01.csv", delimiter=",", names=True)
    shown = np.stack([table[f"{name}_r"] for name in NAMES], 1) / 5
    np.testing.assert_allclose(PLANTED.intensities("p01_r01"), shown, atol=1e-3)


def test_only_the_action_units_asked_for_change() -> None:
    plan = {plan.id: plan for plan in PLANTED.plan()}["p02_r01"]
    renderer = PLANTED.renderer(1, plan.badge)
    units = plan.units[4].copy()
    units[NAMES.index("AU09")] = 0.7
    as_it_was = PLANTED.render("p02_r01", [4], {"AU09": 0.7})[0]
    np.testing.assert_array_equal(as_it_was, renderer.frame(units, plan.poses[4]))
    at_rest = PLANTED.render("p02_r01", [4], {"AU09": 0.7}, neutral=True)[0]
    np.testing.assert_array_equal(at_rest, renderer.frame({"AU09": 0.7}, plan.poses[4]))


def test_what_was_asked_for_once_changes_nothing_of_the_component_or_its_plan() -> None:
    fresh = AnimatedFace(**PLANTED.model_dump())
    PLANTED.intensities("p01_r01")[:] = -1
    assert (PLANTED.intensities("p01_r01") >= 0).all()
    assert fresh == PLANTED
    assert pickle.loads(pickle.dumps(PLANTED)) == PLANTED
    # A copy with other fields plans anew.
    other = PLANTED.model_copy(update={"seed": 6})
    np.testing.assert_array_equal(other.intensities("p01_r01"), other.plan()[0].units)
    assert np.abs(other.intensities("p01_r01") - PLANTED.intensities("p01_r01")).max() > 0.5


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        (("p01_r02", [0], {}), DataError, "Did you mean 'p01_r01'"),
        (("p01_r01", [FRAMES], {}), DataError, f"no frame {FRAMES}; it has {FRAMES}"),
        (("p01_r01", [-1], {}), DataError, "no frame -1"),
        (("p01_r01", [0], {"AU13": 1.0}), ConfigError, "AU13"),
    ],
)
def test_what_is_not_there_is_refused_by_name(asked, error, says) -> None:
    with pytest.raises(error, match=says):
        PLANTED.render(*asked)


# --- in the clip


def test_own_frames_cropped_again_are_the_clip(source: ClipSource) -> None:
    for key in source.keys:
        content = list(source.windows(key.recording)[key.window].content)
        again = _cropped(source, key, PLANTED.render(key.recording, content, {}), content)
        pixels = source.pixels(key.recording, content)
        assert np.corrcoef(again.ravel(), pixels.ravel())[0, 1] > 0.98


def test_truth_maps_are_those_of_a_slow_twin(aligned: ClipSource) -> None:
    key = ClipKey("p02_r01", "p02", 0)
    plan = PLANTED.plan()[1]
    middle = int(aligned.windows("p02_r01")[0].content[2])
    assert middle in (4, 5)
    transform = aligned.transforms("p02_r01", [middle])[0, 0]
    renderer = PLANTED.renderer(1, plan.badge)
    rest = warp(renderer.frame({}, plan.poses[middle]), transform, 64, 64).astype(float)
    maps = truth_maps(PLANTED, aligned, key)
    assert tuple(maps) == NAMES
    for name, found in maps.items():
        shown = warp(renderer.frame({name: 1.0}, plan.poses[middle]), transform, 64, 64)
        np.testing.assert_allclose(found, np.abs(shown - rest).mean(-1), atol=1e-4)


@pytest.mark.parametrize(("unit", "region"), [("AU09", "nose"), ("AU12", "mouth"), ("AU45", "right_eye")])
def test_a_truth_map_lies_in_its_region_of_the_clip(source: ClipSource, unit: str, region: str) -> None:
    key = source.keys[0]
    batch = source.batch([key])
    inside = (batch.regions[0, 2].numpy() >> batch.region_names.index(region)) & 1 == 1
    truth = truth_maps(PLANTED, source, key)[unit]
    assert truth.shape == inside.shape
    assert truth[inside].mean() > 3 * truth[~inside].mean()


def test_the_resting_clip_differs_only_where_action_units_show(source: ClipSource) -> None:
    for key in source.keys:
        own, rest = source.batch([key]).inputs, neutral_clip(PLANTED, source, key)
        assert rest.shape == own.shape
        changed = (own - rest).abs().amax((0, 1)).numpy()
        content = list(source.windows(key.recording)[key.window].content)
        shown, none = (
            _cropped(source, key, PLANTED.render(key.recording, content, {}, neutral=n), content) for n in (0, 1)
        )
        still = (shown == none).all(-1)
        assert 0.05 < still.mean() < 0.95
        assert (changed[still] < 1e-6).all()  # whatever the compression did there
        assert (changed[~still] > 1e-3).mean() > 0.99  # but for what is black or white already


def test_a_resting_recording_s_clip_is_its_own_resting_twin(source: ClipSource, monkeypatch) -> None:
    at_rest = AnimatedFace.render

    def always(self, recording, frames, units, *, neutral=False):
        return at_rest(self, recording, frames, units, neutral=True)

    monkeypatch.setattr(AnimatedFace, "render", always)
    own = source.batch(source.keys[:1]).inputs
    np.testing.assert_allclose(neutral_clip(PLANTED, source, source.keys[0]), own, atol=1e-5)


def test_clips_of_landmarks_have_no_truth_in_pixels(source: ClipSource) -> None:
    points = ClipSource(
        [source.prepared(recording.id) for recording in source.recordings],
        source.cropper,
        source.scheme,
        source.windows_settings,
        InputSpec(layout="landmarks", frames=5),
        source.pooling,
    )
    with pytest.raises(DataError, match="landmarks"):
        truth_maps(PLANTED, points, points.keys[0])


# --- named


def test_an_action_unit_is_named_by_its_own_map_through_blur_noise_and_relevance_elsewhere(aligned: ClipSource) -> None:
    rng, right = np.random.default_rng(0), []
    for key in aligned.keys:
        truths = truth_maps(PLANTED, aligned, key)
        face = aligned.batch([key]).regions[0, 2].numpy() > 0
        for name, truth in truths.items():
            shown = gaussian_filter(truth, 2.0)
            shown = 0.5 * shown / shown[face].sum() + 0.5 * face / face.sum()
            right.append(matched_unit(shown * np.exp(rng.standard_normal(shown.shape)), truths, face) == name)
    assert np.mean(right) > 0.97

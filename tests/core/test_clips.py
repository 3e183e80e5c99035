"""From a video to stored crops to clip batches, with a cropper whose crops tell the frame's number.

1. Crops are those of the cropper on all frames at once, however they are streamed; a changed video is refused.
2. A batch's elements belong together: pixels, landmarks, regions, transforms, times and labels of the same frame.
3. Invalid frames show their neighbour; the source can travel to another process.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mien.clips.source import ClipSource, PreparedRecording
from mien.config.settings import PoolingSettings, WindowSettings
from mien.errors import DataError, ModelError
from mien.interfaces import Cropper
from mien.regions.bits import region_names
from mien.steps.crop import crop_recording, load_crops
from mien.types import BitArray, ByteArray, ClipKey, Crops, FaceTrack, FloatArray, InputSpec, LandmarkScheme, Recording
from mien.video.writer import VideoWriter


class Numbered(Cropper):
    """Crops that hold the x of the frame's first landmark, moved by a transform that says the same."""

    height: int = 8
    width: int = 10

    def crop(self, frames: ByteArray, track: FaceTrack, scheme: LandmarkScheme) -> Crops:
        valid = track.valid
        number = np.nan_to_num(track.landmarks[:, 0, 0]).astype(np.uint8)
        data = np.broadcast_to(number[:, None, None, None], (len(frames), 8, 10, 3)).copy()
        data[..., 0] = frames.mean((1, 2, 3)).astype(np.uint8)[:, None, None]
        data[..., 2] += np.arange(10, dtype=np.uint8)
        transforms = np.zeros((len(frames), 1, 2, 3))
        transforms[:, 0, 0, 2] = track.landmarks[:, 0, 0]
        return Crops(data=data, transforms=transforms, valid=valid)

    def regions(
        self, landmarks: FloatArray, transforms: FloatArray, scheme: LandmarkScheme, shape: str = "hull",
        padding: float = 0.25,
    ) -> BitArray:  # fmt: skip
        assert (shape, padding) == ("box", 0.5)
        np.testing.assert_array_equal(landmarks[:, 0, 0], transforms[:, 0, 0, 2])
        bits = np.zeros((len(landmarks), 8, 10), np.uint16)
        bits[:] = landmarks[:, 0, 0].astype(np.uint16)[:, None, None]
        return bits


class Points(Numbered):
    """The same for landmark sequences."""

    layout = "landmarks"

    def crop(self, frames: ByteArray, track: FaceTrack, scheme: LandmarkScheme) -> Crops:
        crops = super().crop(frames, track, scheme)
        return Crops(np.asarray(track.landmarks, np.float32), crops.transforms, crops.valid)

    def regions(
        self, landmarks: FloatArray, transforms: FloatArray, scheme: LandmarkScheme, shape: str = "hull",
        padding: float = 0.25,
    ) -> BitArray:  # fmt: skip
        return landmarks[..., 0].astype(np.uint16)


def a_scheme() -> LandmarkScheme:
    return LandmarkScheme("two", 2, {}, (0, 1), True, (0, 1), (0, 0), (1, 1), np.zeros((2, 2)))


def write_track(folder: Path, frames: int, lost: Sequence[int] = (), rate: float = 25) -> FaceTrack:
    """Write a track whose landmarks are (number, 2 * number) of their frame."""
    folder.mkdir(parents=True)
    landmarks = np.repeat(np.arange(frames, dtype=np.float32)[:, None, None], 2, axis=1) * [1, 2]
    confidence = np.ones(frames, np.float32)
    landmarks[list(lost)], confidence[list(lost)] = np.nan, 0
    boxes, faces = np.zeros((frames, 4), np.float32), np.ones(frames, np.int32)
    times = np.arange(frames) / rate
    arrays = {
        "times": times,
        "boxes": boxes,
        "confidence": confidence,
        "landmarks": landmarks.astype(np.float32),
        "faces": faces,
    }
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    about = {
        "scheme": "two", "width": 64, "height": 48, "rate": rate, "frames": frames, "valid_frames": frames - len(lost),
        "duration": frames / rate, "max_faces": 1, "frames_with_others": 0, "extras": [],
    }  # fmt: skip
    (folder / "track.json").write_text(json.dumps(about))
    return FaceTrack("two", times, boxes, confidence, landmarks, faces, 64, 48)


def write_video(path: Path, frames: int) -> Path:
    with VideoWriter(path, 25, 48, 64) as writer:
        levels = np.arange(frames, dtype=np.uint8) * 5 + 20
        writer.write(np.broadcast_to(levels[:, None, None, None], (frames, 48, 64, 3)).copy())
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "v.mp4", 40)


def prepare(
    folder: Path,
    video: Path,
    name: str = "r",
    label: float | None = 3.5,
    lost: Sequence[int] = (),
    cropper: Cropper | None = None,
) -> PreparedRecording:
    recording = Recording(name, f"person of {name}", video, label)
    write_track(folder / name / "track", 40, lost)
    (folder / name / "crops").mkdir()
    crop_recording(recording, folder / name / "track", a_scheme(), cropper or Numbered(), folder / name / "crops")
    return PreparedRecording(recording, folder / name / "track", folder / name / "crops")


def source_of(*prepared: PreparedRecording, cropper: Cropper | None = None, **windows: object) -> ClipSource:
    cropper = cropper or Numbered()
    return ClipSource(
        prepared,
        cropper,
        a_scheme(),
        WindowSettings.model_validate({"frames": 8, **windows}),
        InputSpec(layout=cropper.layout, standardise="none"),
        PoolingSettings(shape="box", padding=0.5),
    )


def test_crops_are_those_of_all_frames_at_once(tmp_path: Path, video: Path) -> None:
    done: list[int] = []
    track = write_track(tmp_path / "track", 40, lost=[17])
    recording = Recording("r", "p", video)
    crop_recording(recording, tmp_path / "track", a_scheme(), Numbered(), tmp_path, done.append)
    assert sum(done) == 40
    assert len(done) > 1
    stored = load_crops(tmp_path)
    expected = Numbered().crop(np.zeros((40, 48, 64, 3), np.uint8), track, a_scheme())
    np.testing.assert_array_equal(stored.data[..., 1:], expected.data[..., 1:])
    np.testing.assert_array_equal(stored.transforms, expected.transforms)
    np.testing.assert_array_equal(stored.valid, expected.valid)
    # The red channel is the picture's own: frame k has the grey level 20 + 5 k.
    np.testing.assert_allclose(stored.data[:, 0, 0, 0], 20 + 5.0 * np.arange(40), atol=3)
    part = load_crops(tmp_path, slice(5, 9))
    np.testing.assert_array_equal(part.data, stored.data[5:9])
    assert len(part) == 4
    about = json.loads((tmp_path / "crop.json").read_text())
    assert (about["frames"], about["valid_frames"], about["layout"]) == (40, 39, "video")


@pytest.mark.parametrize(("tracked", "message"), [(39, "more than 39 frames"), (41, "40 frames"), (32, "more than 32")])
def test_a_video_that_is_not_the_tracked_one_is_refused(
    tmp_path: Path, video: Path, tracked: int, message: str
) -> None:
    write_track(tmp_path / "track", tracked)
    with pytest.raises(DataError, match=message) as caught:
        crop_recording(Recording("r", "p", video), tmp_path / "track", a_scheme(), Numbered(), tmp_path)
    assert caught.value.where == str(video)
    assert not (tmp_path / "data.npy").exists()


def test_without_a_usable_face_nothing_is_cropped(tmp_path: Path, video: Path) -> None:
    write_track(tmp_path / "track", 40, lost=range(40))
    with pytest.raises(DataError, match="could not be cropped in any frame"):
        crop_recording(Recording("r", "p", video), tmp_path / "track", a_scheme(), Numbered(), tmp_path)


def test_a_batch_belongs_together(tmp_path: Path, video: Path) -> None:
    source = source_of(prepare(tmp_path, video), prepare(tmp_path, video, "s", None), overlap=0)
    assert [(key.recording, key.window) for key in source.keys] == [(r, w) for r in "rs" for w in range(5)]
    batch = source.batch([source.keys[2], source.keys[5]])
    assert batch.inputs.shape == (2, 3, 8, 8, 10)
    numbers = np.stack([np.arange(16, 24), np.arange(8)])
    np.testing.assert_array_equal(batch.frames, numbers)
    np.testing.assert_allclose(batch.times, numbers / 25)
    np.testing.assert_allclose(batch.inputs[:, 1, :, 0, 0] * 255, numbers, atol=1e-4)
    np.testing.assert_allclose(batch.inputs[:, 2, :, 0, 3] * 255, numbers + 3, atol=1e-4)
    np.testing.assert_array_equal(batch.regions[:, :, 4, 4], numbers)
    assert str(batch.regions.dtype) == "torch.int32"
    assert batch.transforms is not None
    np.testing.assert_array_equal(batch.transforms[:, :, 0, 0, 2], numbers)
    assert batch.labels[0] == 3.5
    assert batch.labels[1].isnan()
    assert batch.valid.all()
    assert batch.region_names == source.region_names == region_names
    assert batch.keys[1] == ClipKey("s", "person of s", 0)


def test_a_lost_frame_shows_its_neighbour_with_its_regions(tmp_path: Path, video: Path) -> None:
    source = source_of(prepare(tmp_path, video, lost=[2, 3]))
    batch = source.batch(source.keys[:1])
    shown = [0, 1, 1, 4, 4, 5, 6, 7]
    np.testing.assert_array_equal(batch.frames[0], np.arange(8))
    np.testing.assert_array_equal(batch.valid[0], np.isin(np.arange(8), [2, 3], invert=True))
    np.testing.assert_allclose(batch.inputs[0, 1, :, 0, 0] * 255, shown, atol=1e-4)
    np.testing.assert_array_equal(batch.regions[0, :, 0, 0], shown)
    np.testing.assert_allclose(batch.times[0], np.arange(8) / 25)


def test_landmarks(tmp_path: Path, video: Path) -> None:
    cropper = Points()
    batch_source = source_of(prepare(tmp_path, video, cropper=cropper), cropper=cropper, dilation=3)
    batch = batch_source.batch(batch_source.keys[:2])
    assert batch.layout == "landmarks"
    assert batch.inputs.shape == (2, 8, 2, 2)
    assert batch.regions.shape == (2, 8, 2)
    np.testing.assert_array_equal(batch.inputs[0, :, 0, 1], 2 * np.arange(0, 24, 3))
    np.testing.assert_array_equal(batch.regions[0, :, 1], np.arange(0, 24, 3))


def test_batches_and_batch_are_the_same_clips(tmp_path: Path, video: Path) -> None:
    source = source_of(prepare(tmp_path, video))
    keys = source.keys
    sizes = [len(batch) for batch in source.batches(keys, 4)]
    assert sizes == [4, 4, 1]
    together = source.batch(keys)
    for place, batch in enumerate(source.batches(keys, 1)):
        np.testing.assert_array_equal(batch.inputs[0], together.inputs[place])
        np.testing.assert_array_equal(batch.regions[0], together.regions[place])


def test_clips_are_standardised_as_another_network_wants_them(tmp_path: Path, video: Path) -> None:
    source = source_of(prepare(tmp_path, video))
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    other = source.batch(source.keys[:2], InputSpec(standardise="fixed", mean=mean, std=std))
    own = source.batch(source.keys[:2])
    shape = (1, 3, 1, 1, 1)
    np.testing.assert_allclose(
        other.inputs, (own.inputs.numpy() - np.reshape(mean, shape)) / np.reshape(std, shape), atol=1e-5
    )
    np.testing.assert_array_equal(other.regions, own.regions)
    with pytest.raises(ModelError, match="clips are video, not landmarks"):
        source.batch(source.keys[:1], InputSpec(layout="landmarks"))


def test_pixels_come_in_the_order_asked_for(tmp_path: Path, video: Path) -> None:
    source = source_of(prepare(tmp_path, video))
    found = source.pixels("r", [30, 3, 4, 3, 39])
    np.testing.assert_array_equal(found[:, 0, 0, 1], [30, 3, 4, 3, 39])
    with pytest.raises(DataError, match="no row 40"):
        source.pixels("r", [3, 40])


def test_select_spreads_evenly(tmp_path: Path, video: Path) -> None:
    source = source_of(prepare(tmp_path, video), prepare(tmp_path, video, "s"))
    assert [key.window for key in source.select(3, ["r"])] == [1, 4, 7]
    assert [key.window for key in source.select(1, ["s"])] == [4]
    assert source.select(100) == source.keys == source.select()
    assert [key.recording for key in source.select(1)] == ["r", "s"]


def test_random_windows_are_reproducible_and_inside(tmp_path: Path, video: Path) -> None:
    source = source_of(prepare(tmp_path, video, lost=[0]))
    drawn = [source.random_window("r", np.random.default_rng(seed)).frames for seed in range(30)]
    again = [source.random_window("r", np.random.default_rng(seed)).frames for seed in range(30)]
    np.testing.assert_array_equal(drawn, again)
    assert len({int(frames[0]) for frames in drawn}) > 10
    assert np.max(drawn) < 40


def test_the_source_travels(tmp_path: Path, video: Path) -> None:
    source = source_of(prepare(tmp_path, video))
    keys = source.keys
    travelled = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(travelled.batch(keys[1:3]).inputs, source.batch(keys[1:3]).inputs)
    assert len(pickle.dumps(source)) < 5000


def test_errors_name_the_video(tmp_path: Path, video: Path) -> None:
    source = source_of(prepare(tmp_path, video), frames=64)
    with pytest.raises(DataError, match="40 frames, but a window needs 64") as caught:
        source.windows("r")
    assert caught.value.where == str(video)
    with pytest.raises(DataError, match="not among the prepared"):
        source.windows("unknown")

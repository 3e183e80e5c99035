"""A real video with uneven time stamps, whose every frame shows its own time.

1. Decoding gives the stamps; clips hold the frames nearest in time to a regular clock, planned and random ones alike.
2. Times and frame numbers of clips and tables are the source's, whatever the windows' rate.
3. An overlay video shows every frame at its own time.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from mien.clips.source import ClipSource, PreparedRecording
from mien.config.settings import AugmentSettings, PoolingSettings, WindowSettings
from mien.interfaces import Cropper
from mien.regions.bits import REGIONS, region_names
from mien.regions.pooling import pool_cells, region_rows
from mien.report.overlay import merge_windows
from mien.report.overlay_video import OverlayStyle, overlay_video
from mien.steps.crop import crop_recording
from mien.training.data import TrainingClips
from mien.types import BitArray, ByteArray, Crops, FaceTrack, FloatArray, InputSpec, LandmarkScheme, Recording
from mien.video.reader import read_frames
from mien.video.writer import VideoWriter

SIZE, BITS, BLOCK = 64, 14, 16  # a time of 14 bits, in blocks of 16 x 16 pixels
COUNT, LOST = 260, [40, 41, 90]


def drawn(milliseconds: int) -> np.ndarray:
    """Return a picture of a time: one block a bit."""
    bits = (milliseconds >> np.arange(16)) & 1
    return np.kron(bits.reshape(4, 4) * 215 + 20, np.ones((BLOCK, BLOCK)))[..., None].repeat(3, 2).astype(np.uint8)


def read_off(pictures: np.ndarray) -> np.ndarray:
    """Return the times that pictures ``(T, H, W)`` show, seconds."""
    middles = pictures[:, BLOCK // 2 :: BLOCK, BLOCK // 2 :: BLOCK].reshape(len(pictures), -1)
    return ((middles > 128) @ (1 << np.arange(16))) / 1000


def stamps() -> np.ndarray:
    """Return uneven milliseconds: quick and slow stretches, and one pause of a second."""
    steps = np.random.default_rng(0).integers(8, 90, COUNT - 1)
    steps[100:160] = 20
    steps[200] = 1000
    return np.concatenate([[0], np.cumsum(steps)])


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "uneven.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for stamp in stamps():
            frame = av.VideoFrame.from_ndarray(drawn(int(stamp)), format="rgb24")
            frame.pts, frame.time_base = int(stamp), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


class Whole(Cropper):
    """The whole frame as it is; the regions are columns."""

    height: int = SIZE
    width: int = SIZE

    def crop(self, frames: ByteArray, track: FaceTrack, scheme: LandmarkScheme) -> Crops:
        return Crops(frames, np.tile(np.eye(2, 3), (len(frames), 1, 1, 1)), track.valid)

    def regions(
        self, landmarks: FloatArray, transforms: FloatArray, scheme: LandmarkScheme, shape: str = "hull",
        padding: float = 0.25,
    ) -> BitArray:  # fmt: skip
        return np.broadcast_to(np.uint16(1) << (np.arange(SIZE) % 4).astype(np.uint16), (len(landmarks), SIZE, SIZE))


def scheme() -> LandmarkScheme:
    return LandmarkScheme("two", 2, dict.fromkeys(REGIONS, (0, 1)), (0, 1), True, (0, 1), (0, 0), (1, 1), np.eye(2))


@pytest.fixture(scope="module")
def prepared(video: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedRecording:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "track").mkdir()
    (folder / "crops").mkdir()
    times = np.concatenate([times for _, times in read_frames(video)])
    confidence = np.ones(COUNT, np.float32)
    confidence[LOST] = 0
    landmarks = np.tile([[[10, 10], [50, 50]]], (COUNT, 1, 1)).astype(np.float32)
    landmarks[LOST] = np.nan
    boxes, faces = np.zeros((COUNT, 4), np.float32), np.ones(COUNT, np.int32)
    arrays = {"times": times, "boxes": boxes, "confidence": confidence, "landmarks": landmarks, "faces": faces}
    for name, values in arrays.items():
        np.save(folder / "track" / f"{name}.npy", values)
    about = {
        "scheme": "two", "width": SIZE, "height": SIZE, "rate": 25.0, "frames": COUNT,
        "valid_frames": COUNT - len(LOST),
        "duration": float(times[-1]), "max_faces": 1, "frames_with_others": 0, "extras": [],
    }  # fmt: skip
    (folder / "track" / "track.json").write_text(json.dumps(about))
    recording = Recording("r", "p", video, 1.0)
    crop_recording(recording, folder / "track", scheme(), Whole(), folder / "crops")
    return PreparedRecording(recording, folder / "track", folder / "crops")


def source_of(prepared: PreparedRecording, **windows: object) -> ClipSource:
    settings = WindowSettings.model_validate(windows)
    return ClipSource([prepared], Whole(), scheme(), settings, InputSpec(standardise="none"), PoolingSettings())


def test_decoding_gives_every_frame_with_its_stamp(video: Path) -> None:
    batches = list(read_frames(video))
    np.testing.assert_allclose(np.concatenate([times for _, times in batches]), stamps() / 1000, atol=1e-9)
    np.testing.assert_allclose(read_off(np.concatenate([f for f, _ in batches])[..., 0]), stamps() / 1000)


@pytest.mark.parametrize(
    ("frames", "rate", "dilation", "overlap"),
    [(16, 25.0, 1, 0.5), (32, 30.0, 4, 0.25), (64, 10.0, 1, 0.0), (16, 12.5, 3, 0.6), (16, 60.0, 2, 0.5)],
)
def test_clips_hold_the_frames_nearest_in_time(
    prepared: PreparedRecording, frames: int, rate: float, dilation: int, overlap: float
) -> None:
    source = source_of(prepared, frames=frames, rate=rate, dilation=dilation, overlap=overlap, max_invalid=0.9)
    times = stamps() / 1000
    stride = max(1, round(((frames - 1) * dilation + 1) * (1 - overlap)))
    for key in source.keys:
        batch = source.batch([key])
        shown = read_off((batch.inputs[0, 0] * 255).numpy())
        clock = (key.window * stride + np.arange(frames) * dilation) / rate
        valid = batch.valid[0].numpy()
        nearest = np.abs(times - clock[:, None]).min(axis=1)
        # Source time, of the frame whose number it is, and that frame is shown unless it has no face.
        np.testing.assert_allclose(np.abs(batch.times[0].numpy() - clock), nearest, atol=2e-6)
        np.testing.assert_allclose(batch.times[0].numpy(), times[batch.frames[0].numpy()])
        np.testing.assert_allclose(shown[valid], batch.times[0].numpy()[valid])
        np.testing.assert_array_equal(valid, ~np.isin(batch.frames[0].numpy(), LOST))
    window = source.windows("r")[-1]
    assert window.end_s == pytest.approx(times[window.frames[-1]])


def test_without_a_rate_windows_are_of_source_frames(prepared: PreparedRecording) -> None:
    source = source_of(prepared, frames=16, dilation=3, overlap=0)
    batch = source.batch(source.keys[-1:])
    assert (np.diff(batch.frames[0].numpy()) == 3).all()
    np.testing.assert_allclose(read_off((batch.inputs[0, 0] * 255).numpy()), batch.times[0].numpy())


def test_training_draws_windows_by_the_same_clock(prepared: PreparedRecording) -> None:
    source = source_of(prepared, frames=16, rate=20.0, dilation=2, max_invalid=0.5)
    clips = TrainingClips(source, ["r"], 0, AugmentSettings(flip=False, shift=0, jitter=0))
    times, starts = stamps() / 1000, set()
    usable = np.delete(times, LOST)
    for index in range(len(clips)):
        for epoch in range(8):
            shown = read_off(clips[epoch, index][0][..., 0])
            # The ticks that a clip can begin at are those of one clock for the whole recording.
            errors = [
                np.abs(shown - usable[np.abs(usable - (start + np.arange(16) * 2)[:, None] / 20).argmin(1)]).max()
                for start in range(int(times[-1] * 20))
            ]
            starts.add(int(np.argmin(errors)))
            assert np.sort(errors)[0] < 0.2  # a frame without a face shows its neighbour in the window
            assert np.median(errors) > 0.3
    assert len(starts) > 30


def test_tables_are_in_source_time(prepared: PreparedRecording) -> None:
    source = source_of(prepared, frames=16, rate=60.0)
    batch = source.batch(source.keys[3:5])
    rows = region_rows(pool_cells(torch.ones_like(batch.inputs), batch), region_names)
    total = rows[rows["region"] == "total"]
    np.testing.assert_allclose(total["time_s"], stamps()[total["frame"]] / 1000)
    # More ticks than frames: a frame that is shown twice has twice the area, and nothing is lost.
    assert total["area"].sum() == 2 * 16 * SIZE * SIZE
    assert total["area"].max() > SIZE * SIZE


def test_an_overlay_shows_every_frame_at_its_own_time(prepared: PreparedRecording, tmp_path: Path) -> None:
    source = source_of(prepared, frames=16, rate=10.0, overlap=0, max_invalid=0.5)
    windows = [source.windows("r")[place] for place in (1, 3)]
    strip = merge_windows(
        np.stack([window.frames for window in windows]),
        np.ones((2, 16, SIZE, SIZE), np.float32),
        np.stack([source.transforms("r", window.content) for window in windows]),
        np.stack([source.landmarks("r", window.content) for window in windows]),
    )
    style = OverlayStyle(panel=SIZE)
    path = overlay_video(tmp_path / "o.mp4", prepared.recording.video, strip, scheme(), rate=25.0, style=style)
    found = list(read_frames(path))
    times, pictures = (np.concatenate(parts) for parts in ([t for _, t in found], [f for f, _ in found]))
    first, last = windows[0].frames[0], windows[1].frames[-1]
    expected = stamps()[first : last + 1] / 1000
    np.testing.assert_allclose(times, expected - expected[0], atol=2e-5)
    np.testing.assert_allclose(read_off(pictures[:, :SIZE, :SIZE, 0]), expected)
    # Coloured inside the windows, and nowhere else, however uneven the steps.
    right = pictures[:, :SIZE, SIZE:].astype(int)
    numbers = np.arange(first, last + 1)
    inside = (numbers <= windows[0].frames[-1]) | (numbers >= windows[1].frames[0])
    coloured = (right[..., 0] - right[..., 2]).mean((1, 2)) > 60
    np.testing.assert_array_equal(coloured, inside)
    short = overlay_video(
        tmp_path / "s.mp4", prepared.recording.video, strip, scheme(), rate=25.0, style=OverlayStyle(seconds=1.0)
    )
    shown = np.concatenate([times for _, times in read_frames(short)])
    assert 0.8 < shown[-1] <= 1.0


def test_a_timed_writer_keeps_time_stamps(tmp_path: Path) -> None:
    times = np.array([0, 0.1, 0.11, 0.5, 1.75])
    pictures = np.stack([drawn(number) for number in range(5)])
    with VideoWriter(tmp_path / "v.mp4", 25, SIZE, SIZE, timed=True) as writer:
        writer.write(pictures[:2], times[:2])
        writer.write(pictures[2], times[2])
        writer.write(pictures[3:], times[3:])
    frames, found = next(read_frames(tmp_path / "v.mp4"))
    np.testing.assert_allclose(found, times, atol=1e-5)
    np.testing.assert_allclose(read_off(frames[..., 0]), np.arange(5) / 1000)


@pytest.mark.parametrize("timed", [False, True])
def test_times_are_for_a_timed_writer_alone(tmp_path: Path, timed: bool) -> None:
    times = None if timed else np.array([0.0])
    with (
        pytest.raises(ValueError, match="timed writer"),
        VideoWriter(tmp_path / "v.mp4", 25, SIZE, SIZE, timed=timed) as writer,
    ):
        writer.write(drawn(0), times)

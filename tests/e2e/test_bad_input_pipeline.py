"""What a user gets wrong around a whole run, through the command line: told at once, and what can go on goes on."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from mien.cli.app import app
from mien.progress import QuietProgress
from mien.registry import load_registry
from mien.testing.avec import avec_tree

pytestmark = pytest.mark.usefixtures("mediapipe_usable")

CONFIG = """
seed: 2
dataset: {use: avec2014, folder: avec, action_units: avec/openface, parts: {training: train, testing: test}}
detector: mediapipe
cropper: {use: face, height: 24, width: 24}
windows: {frames: 4, dilation: 2, overlap: 0.5}
backbone: {use: compact_r3d, widths: [4, 8], frames: 4, size: 24}
objective: {use: regression, minimum: 0, maximum: 63}
training: {epochs: 1, batch: 4}
explain: {methods: {ixg: input_x_gradient}, controls: {networks: 0}}
action_units: {of: openface_csv}
analyzers: {bands: severity_bands, au: {use: au_correlation, least_bins: 3}, groups: {use: subgroups, by: [task]}}
report: {videos: 0}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a folder with AVEC 2014's tree of three people, much of it spoilt, and a configuration."""
    folder = tmp_path_factory.mktemp("study")
    fields = {"participants": 6, "test_participants": 2, "recordings_per_participant": 2, "frames": 10, "size": 96}
    faces = load_registry().create("dataset", "animated_face", fields).recordings(folder, QuietProgress()).recordings
    avec_tree(faces, folder / "avec")
    training, units = folder / "avec/AVEC2014_AudioVisual/Video/Training", folder / "avec/openface"
    labels = folder / "avec/Final_Labels/Training_DepressionLabels"
    (labels / "203_1_Depression.csv").unlink()
    (labels / "204_1_Depression.csv").write_text("BDI;;; ?\n")
    (labels / "299_1_Depression.csv").write_text("12\n")
    (training / "Freeform/205_1_Freeform_video.mp4").write_text("no video")
    shutil.copy(training / "Freeform/206_1_Freeform_video.mp4", training / "Freeform/206_1_Freeform_z.mp4")
    rows = (units / "206_1_Freeform_video.csv").read_text().splitlines()
    (units / "206_1_Freeform_video.csv").write_text("\n".join(rows[:4]) + "\n")
    (units / "206_1_Northwind_video.csv").write_bytes("\n".join(rows).encode("utf-16"))
    for name in ("207_1_Freeform_video", "207_1_Northwind_video"):
        table = pd.read_csv(units / f"{name}.csv", skipinitialspace=True)
        table.loc[:, [column for column in table if column.startswith("AU")]] = 1
        table.to_csv(units / f"{name}.csv", index=False)
    (folder / "run.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def outcome(study):
    """Run it in a process of its own, with two workers; return how it ended."""
    command = [sys.executable, "-m", "mien", "run", str(study / "run.yaml"), "--out", str(study / "out")]
    command += ["--store", str(study / "store"), "--device", "cpu", "--workers", "2"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def mien(*arguments, **environment):
    """Return the exit code and the messages of a command."""
    result = CliRunner().invoke(app, [str(one) for one in arguments], env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


def attempt(study, *changes, config="run.yaml", **environment):
    """Run with changed keys and an empty store; it must be refused before any face is tracked."""
    sets = [part for change in changes for part in ("--set", change)]
    store = study / "refused"
    code, text = mien("run", study / config, "--out", study / "no", "--store", store, *sets, **environment)
    assert code == 2, text
    assert not list(store.glob("track/*"))
    return text


class TestSpoiltFiles:
    def test_the_run_goes_on_and_says_that_something_was_set_aside(self, outcome):
        assert outcome.returncode == 1, outcome.stderr
        assert "Traceback" not in outcome.stderr + outcome.stdout

    def test_each_is_set_aside_with_its_reason(self, outcome, study):
        table = pd.read_parquet(study / "out/tables/recordings.parquet")
        aside = table[table["status"] == "excluded"].groupby("recording")["reason"].first()
        assert "203_1_Depression.csv is not among the label files" in aside["203_1_Freeform"]
        assert "holds 'BDI ?', not one number" in aside["204_1_Northwind"]
        assert "has no video of the task Freeform" in aside["299_1_Freeform"]
        assert "of the same session and task" in " ".join(aside)
        assert "205_1_Freeform_video.mp4" in aside["205_1_Freeform"]
        used = set(table.loc[table["status"] == "used", "recording"])
        assert {"205_1_Northwind", "206_1_Freeform", "206_1_Northwind", "207_1_Freeform", "208_1_Northwind"} <= used

    def test_files_of_action_units_that_do_not_fit_are_told(self, outcome, study):
        report = (study / "out/report.html").read_text()
        for words in ("length is not the video", "It is not a CSV file of OpenFace"):
            assert words in outcome.stderr
            assert words in report

    def test_a_constant_series_has_no_correlation(self, outcome, study):
        report = (study / "out/report.html").read_text()
        assert "because a series does not change in it" in report
        assert "they are left out, not counted as 0" in report

    def test_bands_without_members_are_shown(self, outcome, study):
        table = pd.read_parquet(study / "out/tables/severity_bands.parquet")
        counts = table.groupby("band")["participants"].max()
        assert {"minimal", "mild", "moderate", "severe"} <= set(counts.index)
        assert (counts == 0).any()


class TestRefusedBeforeTracking:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (["dataset={use: avec2014, folder: avec/openface}"], "expected e.g. Video/Training/Freeform/203_1_Fre"),
            (["split.scheme=k_fold", "split.folds=9"], "cannot be divided into 9 folds"),
            (["split.scheme=k_fold", "split.folds=2", "training.patience=2"], "no participant validates"),
            (["split.validation=0.8"], "leave no participant to train on"),
            (["backbone=mvit_v2_s"], "exactly 16 frames of 224 x 224 pixels"),
            (["analyzers.st={use: statistics, confirmatory: [{region: mout}]}"], "Did you mean 'mouth'?"),
            (["analyzers.st={use: statistics, confirmatory: [{region: nose, au: AU4}]}"], "AU4"),
            (["analyzers.groups.by=[taks]"], "There is no covariate 'taks' in the data set. Did you mean 'task'?"),
            (["backbone={use: module, factory: 'no_such:net'}"], "no_such"),
            (["training.unfreeze_every=1", "training.start_from=absent"], "absent does not exist"),
        ],
        ids=lambda value: value[-1][:30] if isinstance(value, list) else None,
    )
    def test_what_does_not_fit(self, study, changes, words):
        assert words in " ".join(attempt(study, *changes).split())

    def test_weights_that_cannot_be_had_name_the_file_and_its_place(self, study, tmp_path):
        dead = "http://127.0.0.1:9"
        text = attempt(study, "detector=face_alignment", MIEN_WEIGHTS=str(tmp_path), https_proxy=dead, http_proxy=dead)
        assert str(tmp_path / "2DFAN4-11f355bf06.pth.tar") in text.replace("\n", "")

    def test_weights_of_another_network_are_told_once(self, study, tmp_path):
        from safetensors.numpy import save

        (tmp_path / "other.safetensors").write_bytes(save({}))
        detector = "{use: face_alignment, fan_file: %s, face_detector_file: %s}"
        text = attempt(study, "detector=" + detector % ((tmp_path / "other.safetensors",) * 2))
        assert text.count("do not fit the network") == 1
        assert "set aside" not in text.partition("error:")[2]


class TestCheckpoints:
    @pytest.fixture
    def copy(self, outcome, study, tmp_path):
        return Path(shutil.copytree(study / "out/checkpoint", tmp_path / "checkpoint"))

    def commands(self, study, checkpoint):
        video = study / "avec/AVEC2014_AudioVisual/Video/Testing/Freeform/207_1_Freeform_video.mp4"
        out = checkpoint.parent / "no"
        yield mien("explain", video, "--checkpoint", checkpoint, "--out", out)
        yield mien("validate", study / "labelled.yaml", "--checkpoint", checkpoint, "--out", out)
        yield mien("run", study / "run.yaml", "--out", out, "--set", f"training.start_from={checkpoint}")

    def refused(self, study, checkpoint, words):
        (study / "labelled.yaml").write_text("dataset: {use: avec2014, folder: avec}\n")
        for code, text in self.commands(study, checkpoint):
            assert code == 2, text
            assert words in text, text

    def test_of_folds_says_which_to_choose(self, study, copy):
        for number in range(2):
            shutil.copytree(copy, copy.parent / f"folds/fold_{number}")
        self.refused(study, copy.parent / "folds", "fold_0, fold_1")

    def test_a_damaged_file(self, study, copy):
        content = bytearray((copy / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (copy / "model.safetensors").write_bytes(content)
        self.refused(study, copy, "SHA-256 differs")

    def test_rubbish_with_the_right_hash(self, study, copy):
        (copy / "model.safetensors").write_bytes(b"rubbish")
        about = json.loads((copy / "checkpoint.json").read_text())
        about["sha256"] = hashlib.sha256(b"rubbish").hexdigest()
        (copy / "checkpoint.json").write_text(json.dumps(about))
        self.refused(study, copy, "cannot be read")

    def test_another_backbone_or_crop_size_to_start_from(self, study, copy):
        start = f"training.start_from={copy}"
        assert "backbone is 'compact_frame_cnn' here" in attempt(study, start, "backbone.use=compact_frame_cnn")
        size = ["cropper.height=32", "cropper.width=32", "backbone.size=32"]
        assert "cropper.height is 32 here and 24 there" in attempt(study, start, *size)


def test_a_folder_that_is_no_run(tmp_path):
    for command in (("report", tmp_path, "--methods"), ("compare", tmp_path, tmp_path)):
        code, text = mien(*command)
        assert code == 2
        assert "run.json" in text


def test_damaged_weights_do_not_verify(tmp_path):
    (tmp_path / "r3d_18-b3b3357e.pth").write_bytes(b"rubbish")
    assert mien("weights", "verify", MIEN_WEIGHTS=str(tmp_path))[0] == 1


def test_detectors_that_cannot_be_compared(study, tmp_path):
    video = tmp_path / "text.mp4"
    video.write_text("no video")
    code, text = mien("detectors", "compare", video, "mediapip", "mediapipe", "--out", tmp_path / "out")
    assert (code, "Did you mean 'mediapipe'?" in text) == (2, True)
    both = ("mediapipe", "mediapipe:min_confidence=0.3")
    code, text = mien("detectors", "compare", video, *both, "--out", tmp_path / "out")
    assert code == 2
    assert "text.mp4" in text

"""The methods paragraph says what the record says, and cites each paper once."""

import json

import pytest
from typer.testing import CliRunner

from mien.cli.app import app
from mien.report.methods import methods_text


@pytest.fixture
def record():
    return {
        "notice": "Research use, not a diagnosis.",
        "seed": 3,
        "device": "cpu",
        "python": "3.11.2",
        "versions": {"mien": "0.1.0", "torch": "2.13.0", "numpy": "1.26"},
        "citations": {"detector": "A: One, 2017; B: Two, 2018", "explain.methods.ig": "A: One, 2017"},
        "plugins": {
            "dataset": {"use": "manifest", "fields": {"file": "/home/someone/study.csv"}},
            "detector": {"use": "face_alignment", "fields": {"min_confidence": 0.75, "fan_file": None}},
            "cropper": {"use": "face", "fields": {"height": 112}},
            "backbone": {"use": "r3d_18", "fields": {}},
            "objective": {"use": "regression", "fields": {"name": "BDI-II"}},
            "explain.methods.ig": {"use": "integrated_gradients", "fields": {}},
        },
        "config": {
            "dataset": {},
            "split": {"scheme": "k_fold", "folds": 5},
            "windows": {"frames": 16, "dilation": 8, "rate": 25.0, "overlap": 0.5, "max_invalid": 0.25},
            "training": {
                "epochs": 20, "batch": 8, "optimizer": "sgd", "learning_rate": 1e-3, "weight_decay": 1e-4,
                "schedule": "cosine_restarts", "unfreeze_every": 2, "label_noise": 1.5, "balance": "bands",
            },
            "pooling": {"shape": "box", "padding": 0.25},
            "explain": {"methods": {"ig": {}}, "controls": {"networks": 5, "permuted": 1}},
        },
    }  # fmt: skip


SUMMARY = {"recordings": 90, "participants": 45, "set_aside": 2, "held_out": 45, "shared_persons": 0}


def test_every_choice_of_the_record_is_said(record):
    text = " ".join(methods_text(record, SUMMARY).sentences)
    for words in (
        "90 recordings of 45 participants", "2 were set aside", "5 folds", "face_alignment (min confidence 0.75)",
        "every 8th frame, resampled to 25 frames a second", "stochastic gradient descent", "warm restarts",
        "every 2 epochs", "standard deviation 1.5", "bands were balanced", "bounding box", "padding 0.25",
        "5 untrained networks and 1 network trained with permuted labels", "seed 3", "not a diagnosis",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize("file", ["/home/someone/study.csv", "someone.csv", "C:\\someone\\study", "(file)"])
def test_a_file_is_nobodys_business(file, record):
    record["plugins"]["dataset"]["fields"]["file"] = file
    text = str(methods_text(record))
    assert "someone" not in text
    assert "the data set manifest." in text


def test_a_paper_has_one_number_wherever_it_is_cited(record):
    text = methods_text(record)
    assert text.references[:2] == ["A: One, 2017", "B: Two, 2018"]
    assert "face_alignment (min confidence 0.75) [1, 2]" in " ".join(text.sentences)
    assert "integrated_gradients [1]" in " ".join(text.sentences)
    assert len(set(text.references)) == len(text.references)
    assert str(text).splitlines()[2] == "[1] A: One, 2017"


def test_official_parts_that_share_persons_are_not_called_disjoint(record):
    record["config"]["split"] = {"scheme": "holdout"}
    shared = " ".join(methods_text(record, SUMMARY | {"shared_persons": 26}).sentences)
    assert "26 persons had recordings in several" in shared
    assert "none was on two sides" not in shared
    assert "none was on two sides" in " ".join(methods_text(record, SUMMARY).sentences)


def test_the_command_writes_it(record, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    result = CliRunner().invoke(app, ["report", str(tmp_path), "--methods"])
    assert result.exit_code == 0
    assert result.stdout == str(methods_text(record, SUMMARY))


def test_what_is_no_run_is_a_clear_error(tmp_path):
    result = CliRunner().invoke(app, ["report", str(tmp_path), "--methods"])
    assert result.exit_code == 2
    assert "run.json" in result.output
    assert "folder of a finished run" in result.output

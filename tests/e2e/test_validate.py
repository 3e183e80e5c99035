"""A network that was trained on one set of rendered faces, held against another that is filmed differently."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from mien.cli.app import app
from mien.config.document import load_document
from mien.config.run_config import RunConfig
from mien.errors import ConfigError, DataError, ModelError
from mien.progress import QuietProgress
from mien.registry import load_registry
from mien.report.privacy import find_images
from mien.run.source import FILE, read_source
from mien.steps import pipeline
from mien.steps.validate import validate
from mien.steps.validate_config import validate_config
from mien.store.store import Store
from mien.tables import TABLES, conform

pytestmark = pytest.mark.usefixtures("mediapipe_usable")

DOCUMENT = {
    "seed": 2,
    "detector": "mediapipe",
    "cropper": {"use": "face", "height": 24, "width": 24},
    "windows": {"frames": 4, "dilation": 2, "overlap": 0.5},
    "backbone": {"use": "compact_r3d", "widths": [4, 8], "frames": 4, "size": 24},
    "objective": {"use": "regression", "name": "planted score"},
    "training": {"epochs": 2, "batch": 4},
    "explain": {
        "methods": {"ixg": "input_x_gradient"},
        "controls": {"networks": 1, "permuted": 0, "windows_per_participant": 1},
    },
    "analyzers": {"regions": "region_relevance", "severity": "statistics"},
    "report": {"videos": 0, "title": "Trained"},
}

BARE = {"explain": {"controls": {"networks": 0}}, "analyzers": {}, "report": {"faces": "none"}}
"""What makes a validation quick."""


def _manifest(folder, **fields):
    made = {"participants": 4, "test_participants": 1, "recordings_per_participant": 2, "frames": 10, "size": 96}
    listing = load_registry().create("dataset", "animated_face", made | fields).recordings(folder, QuietProgress())
    rows = [f"{one.id},{one.participant},{one.video},{one.label},{one.split}" for one in listing.recordings]
    file = folder / "study.csv"
    file.write_text("recording,participant,video,score,split\n" + "\n".join(rows) + "\n")
    return file


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on faces in the studio: its folder and its store."""
    file = _manifest(tmp_path_factory.mktemp("studio"))
    out, store = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("store")
    document = DOCUMENT | {"dataset": {"use": "manifest", "file": str(file)}}
    config = RunConfig.model_validate(document, context={"registry": load_registry()})
    assert pipeline.run(config, out, store=Store(store), device="cpu").exit_code == 0
    return out, store, document


@pytest.fixture(scope="module")
def evening(tmp_path_factory):
    """The same people in the evening; the label of one recording is missing."""
    file = _manifest(tmp_path_factory.mktemp("evening"), look="evening", seed=5)
    lines = file.read_text().splitlines()
    cells = lines[1].split(",")
    lines[1] = ",".join([*cells[:3], "", cells[4]])
    file.write_text("\n".join(lines) + "\n")
    return file


def _document(folder, content):
    file = folder / "validation.yaml"
    file.write_text(yaml.safe_dump(content))
    return load_document(file)


def _validate(folder, content, checkpoint, store, out=None):
    validation = validate_config(_document(folder, content), checkpoint, load_registry())
    outcome = validate(validation, checkpoint, out or folder / "out", store=Store(store), device="cpu")
    return outcome, {path.stem: pd.read_parquet(path) for path in outcome.out.glob("tables/*.parquet")}


@pytest.fixture(scope="module")
def validated(tmp_path_factory, finished, evening):
    """Validated with a configuration that names hardly more than the data set, away from the run of the checkpoint.

    The run had too few held-out participants for hypotheses: two are written beside its checkpoint.
    """
    folder = tmp_path_factory.mktemp("validated")
    shutil.copytree(finished[0] / "checkpoint", folder / "copy")
    source = json.loads((folder / "copy" / FILE).read_text())
    key = {"method": "ixg", "measure": "share", "au": "", "source": "", "adjusted": False}
    found = {"effect": 0.8, "low": 0.5, "high": 0.9, "n": 9}
    source["hypotheses"] = [key | found | {"region": region} for region in ("mouth", "no such region")]
    (folder / "copy" / FILE).write_text(json.dumps(source))
    content = {"dataset": {"use": "manifest", "file": str(evening)}, "report": {"videos": 0}}
    return _validate(folder, content, folder / "copy", finished[1])


def test_everything_is_held_out_and_nothing_trained(validated):
    outcome, tables = validated
    recordings = tables["recordings"]
    used = recordings[recordings["status"] == "used"]
    assert set(used["split"]) == {"test"}
    assert used["unseen"].all()
    assert len(used) == 7
    assert set(tables["predictions"]["split"]) == {"test"}
    assert tables["training"].empty
    assert set(tables["explanations"]["recording"]) == set(used["recording"])
    assert not (outcome.out / "checkpoint").exists()
    record = json.loads((outcome.out / "run.json").read_text())
    assert record["command"] == "validate"
    assert record["finished"] is not None
    assert record["config"]["cropper"]["height"] == 24
    assert any("splits of 7 recordings were not used" in note for note in outcome.summary["notes"])


def test_a_recording_without_label_is_set_aside_and_said(validated):
    outcome, tables = validated
    aside = tables["recordings"].query("status == 'excluded'")
    assert outcome.exit_code == 1
    assert len(aside) == 1
    assert "label" in aside["reason"].iloc[0] or "score" in aside["reason"].iloc[0]


def test_tables_are_as_described(validated):
    for name in ("validation", "replication"):
        pd.testing.assert_frame_equal(conform(TABLES[name], validated[1][name]), validated[1][name])


def test_figures_stand_beside_those_of_the_own_run(validated, finished):
    table = validated[1]["validation"].set_index(["topic", "quantity"])
    assert set(table.index.get_level_values("topic")) == {
        "metric", "calibration", "labels", "inter_ocular_distance", "face_height",
    }  # fmt: skip
    own = pd.read_parquet(finished[0] / "tables/metrics.parquet").query("split == 'test'")
    level = json.loads((finished[0] / "summary.json").read_text())["level"]
    own = own[own["level"] == level].set_index("metric")["value"]
    here = validated[1]["metrics"].query("level == @level").set_index("metric")["value"]
    for metric in own.index:
        np.testing.assert_equal(table.loc[("metric", metric), "source_value"], own[metric])
        np.testing.assert_equal(table.loc[("metric", metric), "value"], here[metric])
    labels = pd.read_parquet(finished[0] / "tables/recordings.parquet").groupby("participant")["label"].mean()
    assert table.loc[("labels", "mean"), "source_value"] == pytest.approx(labels.mean())
    assert table.loc[("labels", "sd"), "source_value"] == pytest.approx(labels.std())
    shift = (table.loc[("labels", "mean"), "value"] - labels.mean()) / labels.std()
    assert table.loc[("labels", "shift"), "value"] == pytest.approx(shift)


def test_errors_are_held_against_the_training_mean_of_the_own_run(validated, finished):
    mean = read_source(finished[0] / "checkpoint").training_mean
    recordings = pd.read_parquet(finished[0] / "tables/recordings.parquet")
    assert mean == pytest.approx(recordings.query("split == 'train'")["label"].mean())
    people = validated[1]["recordings"].query("status == 'used'")
    people = people.assign(error=(people["label"] - mean).abs()).groupby("participant")["error"].mean()
    found = validated[1]["evaluation"].query("subset == 'all'").set_index("statistic")["value"]
    assert found["mae_of_training_mean"] == pytest.approx(people.mean())


def test_the_report_has_the_section(validated):
    report = (validated[0].out / "report.html").read_text()
    assert '<section id="validation">' in report
    assert "Calibration on this data set" in report
    assert "without training" in report
    assert (validated[0].out / "figures/calibration.pdf").is_file()


def test_what_lies_beside_the_checkpoint_names_nobody(finished):
    text = (finished[0] / "checkpoint" / FILE).read_text()
    recordings = pd.read_parquet(finished[0] / "tables/recordings.parquet")
    for name in {*recordings["participant"], *recordings["recording"]}:
        assert name not in text


def test_hypotheses_of_the_source_are_measured_here(validated):
    outcome, tables = validated
    found = tables["replication"].set_index("region")
    here = tables["statistics"].query("region == 'mouth' and measure == 'share' and not adjusted").iloc[0]
    for column in ("effect", "low", "high", "p", "n"):
        np.testing.assert_equal(found.loc["mouth", column], here[column])
    assert found.loc["mouth", "n"] >= 3
    assert found.loc["no such region", ["verdict", "reason"]].tolist() == ["undecided", "It was not measured here."]
    assert sum(outcome.summary["replication"].values()) == 2
    assert "no such region" in (outcome.out / "report.html").read_text()


def test_a_checkpoint_without_source_still_validates_and_says_what_is_lacking(finished, evening, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(finished[0] / "checkpoint", checkpoint)
    (checkpoint / FILE).unlink()
    content = {"dataset": {"use": "manifest", "file": str(evening)}} | BARE
    outcome, tables = _validate(tmp_path, content, checkpoint, finished[1])
    assert tables["validation"]["source_value"].isna().all()
    assert tables["validation"].query("topic == 'metric'")["value"].notna().any()
    assert any("source.json" in note for note in outcome.summary["notes"])


def test_the_whole_configuration_of_the_run_does_as_well(finished, evening, tmp_path):
    content = finished[2] | {"dataset": {"use": "manifest", "file": str(evening)}, "split": {"test": 0.5}}
    found = validate_config(_document(tmp_path, content), finished[0] / "checkpoint", load_registry())
    assert found.config.report.title == "Trained"
    assert any("'split' and 'training' were not used" in note for note in found.notes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"cropper": {"use": "face", "height": 32, "width": 24}}, ["cropper.height is 32, the checkpoint's 24"]),
        (
            {"backbone": {"use": "compact_r3d", "widths": [4, 16], "frames": 4, "size": 24}},
            ["backbone.widths is [4, 16], the checkpoint's [4, 8]"],
        ),
        ({"windows": {"frames": 4, "dilation": 1, "overlap": 0.25}}, ["windows.dilation is 1", "windows.overlap"]),
        ({"objective": {"use": "regression", "name": "BDI"}}, ["objective.name is 'BDI'"]),
    ],
)
def test_another_network_or_input_is_refused_by_its_fields(changes, named, finished, evening, tmp_path):
    content = {"dataset": {"use": "manifest", "file": str(evening)}} | changes
    with pytest.raises(ModelError) as caught:
        validate_config(_document(tmp_path, content), finished[0] / "checkpoint", load_registry())
    for words in named:
        assert words in caught.value.message


def test_a_configuration_without_data_set_is_refused(finished, tmp_path):
    with pytest.raises(ConfigError, match="'dataset' is missing"):
        validate_config(_document(tmp_path, {"seed": 1}), finished[0] / "checkpoint", load_registry())


def test_a_misspelt_key_is_refused_with_the_nearest_name(finished, evening, tmp_path):
    content = {"dataset": {"use": "manifest", "file": str(evening)}, "analysers": {}}
    with pytest.raises(ConfigError) as caught:
        validate_config(_document(tmp_path, content), finished[0] / "checkpoint", load_registry())
    assert "analyzers" in caught.value.hint


def test_the_folder_of_folds_asks_which(finished, evening, tmp_path):
    shutil.copytree(finished[0] / "checkpoint", tmp_path / "checkpoint/fold_0")
    content = {"dataset": {"use": "manifest", "file": str(evening)}}
    with pytest.raises(ModelError) as caught:
        validate_config(_document(tmp_path, content), tmp_path / "checkpoint", load_registry())
    assert "fold_0" in caught.value.hint


def test_the_results_of_a_training_run_are_not_replaced(finished, evening, tmp_path):
    before = (finished[0] / "run.json").read_bytes()
    content = {"dataset": {"use": "manifest", "file": str(evening)}}
    with pytest.raises(DataError, match="results of a training run"):
        _validate(tmp_path, content, finished[0] / "checkpoint", finished[1], out=finished[0])
    assert (finished[0] / "run.json").read_bytes() == before


def test_damaged_figures_of_the_own_run_are_an_error(finished, tmp_path):
    shutil.copytree(finished[0] / "checkpoint", tmp_path / "checkpoint")
    for text in ("{", '{"format": 9}', '{"format": 1, "seed": "x"}'):
        (tmp_path / "checkpoint" / FILE).write_text(text)
        with pytest.raises(ModelError) as caught:
            read_source(tmp_path / "checkpoint")
        assert FILE in caught.value.where


def test_the_command_line_says_what_came_out(validated, finished, evening, tmp_path):
    file = tmp_path / "validation.yaml"
    file.write_text(yaml.safe_dump({"dataset": {"use": "manifest", "file": str(evening)}} | BARE))
    arguments = ["validate", str(file), "--checkpoint", str(finished[0]), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--store", str(finished[1]), "--device", "cpu"])
    assert result.exit_code == 1, result.output
    assert "calibration slope" in result.output
    assert "its own run" in result.output
    assert find_images(tmp_path / "out") == []
    compared = CliRunner().invoke(app, ["compare", str(finished[0]), str(tmp_path / "out")])
    assert compared.exit_code == 0, compared.output
    assert "pseudonyms" in compared.output
    methods = CliRunner().invoke(app, ["report", str(tmp_path / "out"), "--methods"])
    assert methods.exit_code == 0, methods.output
    assert "not trained here" in methods.output

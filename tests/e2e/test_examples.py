"""The examples run: the paper's configuration on AVEC's tree made of animated faces, and the small ones, cut short."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from mien.config.loading import load_config
from mien.progress import QuietProgress
from mien.registry import load_registry
from mien.report.privacy import find_images
from mien.steps import pipeline
from mien.store.store import Store
from mien.testing import avec_tree

pytestmark = pytest.mark.usefixtures("mediapipe_usable")

EXAMPLES = Path(__file__).parents[2] / "examples"

# What needs a download or an hour is swapped by a line each, as a user would.
SHORT = [
    "detector={use: mediapipe, min_confidence: 0.75}",
    "cropper.height=32",
    "cropper.width=32",
    "windows.frames=8",
    "windows.dilation=2",
    "backbone={use: compact_r3d, widths: [4, 8], frames: 8, size: 32}",
    "training.epochs=3",
    "training.unfreeze_every=1",
    "training.batch=4",
    "explain.windows_per_recording=1",
    "explain.controls={networks: 1, permuted: 1, windows_per_participant: 1}",
]


@pytest.fixture(scope="module")
def avec(tmp_path_factory):
    """AVEC 2014's long tree: five persons with a session of two tasks each, and the paper's configuration beside it."""
    folder = tmp_path_factory.mktemp("avec")
    faces = load_registry().create(
        "dataset",
        "animated_face",
        {
            "participants": 6, "test_participants": 3, "validation_participants": 1, "recordings_per_participant": 2,
            "frames": 32, "size": 96, "label_level": "participant",
        },
    )  # fmt: skip
    recordings = faces.recordings(folder / "made", QuietProgress()).recordings
    avec_tree(recordings, folder / "AVEC2014")
    shutil.move(folder / "AVEC2014" / "openface", folder / "OpenFace")
    shutil.copy(EXAMPLES / "expresso_ai.yaml", folder)
    return folder


@pytest.fixture(scope="module")
def finished(avec, tmp_path_factory):
    registry = load_registry()
    config = load_config(avec / "expresso_ai.yaml", registry=registry, overrides=SHORT)
    out = tmp_path_factory.mktemp("out")
    return pipeline.run(config, out, store=Store(tmp_path_factory.mktemp("store")), device="cpu", workers=2)


PAPER = {"severity_frames", "severity_regions", "severity_action_units_deeplift_openface", "au_correlation_openface"}


def table(outcome, name):
    return pd.read_parquet(outcome.out / "tables" / f"{name}.parquet")


def test_it_ends_well_and_says_what_made_it(finished):
    assert finished.exit_code == 0, finished.summary["notes"]
    record = json.loads((finished.out / "run.json").read_text())
    assert record["finished"]
    assert {"deeplift", "saliency", "smoothgrad"} == set(record["config"]["explain"]["methods"])


def test_person_session_and_task_are_apart(finished):
    recordings = table(finished, "recordings")
    assert recordings["participant"].nunique() == 6
    assert recordings["session"].nunique() == 6
    assert len(recordings) == 12
    assert set(recordings["split"]) == {"train", "validation", "test"}
    assert recordings.loc[recordings["split"] == "test", "unseen"].all()


def test_the_papers_tables_are_there_and_every_band_has_its_row(finished):
    bands = table(finished, "severity_bands")
    assert set(bands["band"]) == {"minimal", "mild", "moderate", "severe"}
    assert set(bands["decision"]) == {"overall", "correct", "over_estimated", "under_estimated"}
    counts = bands.drop_duplicates(["decision", "band"]).set_index(["decision", "band"])["participants"]
    assert counts["overall"].sum() == 3
    assert len(table(finished, "severity_bands_action_units"))


def test_the_confirmatory_family_is_tested_beside_both_kinds_of_control(finished):
    statistics = table(finished, "statistics")
    assert {("nose", ""), ("mouth", "")} <= set(zip(statistics["region"], statistics["au"], strict=True))
    controls = table(finished, "control_relevance")
    assert set(controls["kind"]) == {"untrained", "permuted"}


def test_no_face_is_in_what_the_licence_forbids_to_publish(finished):
    assert find_images(finished.out) == []  # which is why there are no PNG files either
    assert not list((finished.out / "videos").iterdir())


def test_the_papers_figures_are_fit_for_print(finished):
    assert {path.stem.removesuffix("_deeplift") for path in (finished.out / "figures").glob("*.pdf")} >= PAPER


CUT = {
    "expresso_ai_small.yaml": [
        "dataset={use: animated_face, participants: 8, test_participants: 3, validation_participants: 1, "
        "recordings_per_participant: 1, frames: 24, size: 96, label_level: participant, "
        "label: {AU09: 1.0, AU12: -0.5}, label_range: [0, 50]}",
        "explain.controls={networks: 1, permuted: 1, windows_per_participant: 1}",
        "explain.windows_per_recording=1",
        "training.epochs=2",
    ],
    "swap_detector.yaml": [
        "dataset={use: animated_face, participants: 3, test_participants: 1, recordings_per_participant: 1, size: 96}",
        "training.epochs=1",
        "training.batch=2",
        "explain.controls.networks=1",
    ],
    "video_vs_frame.yaml": [
        "dataset.participants=3",
        "dataset.test_participants=1",
        "dataset.recordings_per_participant=1",
        "dataset.label_kind=dynamics",
        "backbone=compact_frame_cnn",
        "training.epochs=1",
        "training.batch=2",
        "explain.controls.networks=1",
    ],
}


SHORTER = [
    ("participants: 24", "participants: 3"),
    ("test_participants: 4", "test_participants: 1"),
    ("participant: 6", "participant: 1"),
    ("epochs: 12", "epochs: 1"),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", CUT)
def test_the_small_ones_run(name, tmp_path):
    for path in EXAMPLES.glob("*.yaml"):
        text = path.read_text()
        if path.name == "expresso_ai_small_start.yaml":
            for more, less in SHORTER:
                assert more in text
                text = text.replace(more, less, 1)
        (tmp_path / path.name).write_text(text)
    config = load_config(tmp_path / name, registry=load_registry(), overrides=CUT[name])
    outcome = pipeline.run(config, tmp_path / "out", store=Store(tmp_path / "store"), device="cpu", workers=2)
    assert outcome.exit_code == 0, outcome.summary["notes"]
    assert (outcome.out / "report.html").is_file()
    drawn = {kind: {path.stem for path in (outcome.out / "figures").glob(f"*.{kind}")} for kind in ("png", "pdf")}
    assert "region_density" in drawn["png"]
    assert drawn["png"] == drawn["pdf"]

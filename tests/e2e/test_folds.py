"""Folds on real pixels, small: a network for each, stopped and resumed, in one process and in two; shared persons."""

import json
import shutil

import pandas as pd
import pytest

from mien.config import RunConfig
from mien.errors import DataError, ModelError
from mien.progress import QuietProgress
from mien.registry import load_registry
from mien.report.privacy import find_images
from mien.steps import networks, pipeline
from mien.steps.explain_config import explain_config
from mien.store.store import Store
from mien.tables import TABLES, conform
from mien.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.usefixtures("mediapipe_usable")

DOCUMENT = {
    "seed": 2,
    "detector": "mediapipe",
    "cropper": {"use": "face", "height": 24, "width": 24},
    "windows": {"frames": 4, "dilation": 2, "overlap": 0.5},
    "backbone": {"use": "compact_r3d", "widths": [4, 8], "frames": 4, "size": 24},
    "objective": "regression",
    "split": {"scheme": "k_fold", "folds": 2},
    "training": {"epochs": 2, "batch": 4, "logger": "csv"},
    "explain": {
        "methods": {"ixg": "input_x_gradient"},
        "controls": {"networks": 1, "permuted": 1, "windows_per_participant": 1},
    },
    "analyzers": {"regions": "region_relevance"},
    "report": {"videos": 1},
}


def run(out, store, *, workers=1, **changes):
    config = RunConfig.model_validate(DOCUMENT | changes, context={"registry": load_registry()})
    return pipeline.run(config, out, store=Store(store), device="cpu", workers=workers)


def tables(out):
    return {path.stem: pd.read_parquet(path) for path in sorted((out / "tables").glob("*.parquet"))}


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name, table in left.items():
        times = [column for column in ("seconds",) if column in table]
        pd.testing.assert_frame_equal(table.drop(columns=times), right[name].drop(columns=times), check_exact=True)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Eight recordings of four animated people, with a part each."""
    folder = tmp_path_factory.mktemp("faces")
    fields = {"participants": 4, "test_participants": 1, "recordings_per_participant": 2, "frames": 10, "size": 96}
    return load_registry().create("dataset", "animated_face", fields).recordings(folder, QuietProgress()).recordings


@pytest.fixture(scope="module")
def study(tmp_path_factory, faces):
    """The changes of the document that make it a run of these recordings, and of a video of nobody in them."""
    folder = tmp_path_factory.mktemp("study")
    rows = [f"{one.id},{one.participant},{one.video},{one.label},{one.split}" for one in faces]
    (folder / "study.csv").write_text("recording,participant,video,score,split\n" + "\n".join(rows) + "\n")
    shutil.copy(faces[0].video, folder / "stranger.mp4")
    return {
        "dataset": {"use": "manifest", "file": folder / "study.csv"},
        "out_of_distribution": {"videos": [str(folder / "stranger.mp4")]},
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory, study):
    """One uninterrupted run: its folder and its store."""
    out, store = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("store")
    assert run(out, store, **study).exit_code == 0
    return out, store


def untrained_copy(store, to):
    """The store without what training and everything after it left."""
    shutil.copytree(store, to)
    for step in ("train", "predict", "explain"):
        shutil.rmtree(to / step)
    return to


def test_tables_are_as_described(finished):
    found = tables(finished[0])
    for name in ("recordings", "predictions", "training", "relevance", "control_relevance", "explanations"):
        pd.testing.assert_frame_equal(conform(TABLES[name], found[name]), found[name])
        assert len(found[name]), name


def test_each_recording_is_judged_once_by_the_network_that_did_not_see_its_participant(finished):
    found = tables(finished[0])
    recordings = found["recordings"].set_index("recording")
    inside = recordings.drop("stranger")
    assert set(inside["split"]) == {"test"}
    assert inside["unseen"].all()
    assert inside.groupby("participant")["fold"].nunique().eq(1).all()
    assert inside.groupby("fold")["participant"].nunique().to_dict() == {0: 2, 1: 2}
    predictions = found["predictions"]
    assert not predictions.duplicated(["recording", "window"]).any()
    own = predictions["recording"].map(recordings["fold"]).fillna(0)  # a stranger is judged by the first
    assert (predictions["fold"] == own).all()
    assert set(predictions["split"]) == {"test", "out_of_distribution"}


def test_predictions_and_relevance_are_those_of_the_folds_own_checkpoint(finished, faces, tmp_path):
    found, registry = tables(finished[0]), load_registry()
    (first, second) = (finished[0] / f"checkpoint/fold_{fold}" for fold in (0, 1))
    assert load_checkpoint(first, registry).digest != load_checkpoint(second, registry).digest
    for fold, checkpoint in enumerate((first, second)):
        id_ = found["predictions"].query("split == 'test' and fold == @fold")["recording"].iloc[0]
        video = next(one.video for one in faces if one.id == id_)
        out = tmp_path / f"fold{fold}"
        config = explain_config(checkpoint, registry)
        outcome = pipeline.explain_videos(
            [video], checkpoint, out, config=config, store=Store(finished[1]), device="cpu"
        )
        assert outcome.exit_code == 0
        new = tables(out)
        for name, column in (("predictions", "prediction"), ("relevance", "signed")):
            theirs = found[name].query("recording == @id_")[column]
            assert new[name][column].to_numpy() == pytest.approx(theirs.to_numpy(), abs=1e-5)


def test_controls_are_told_apart(finished):
    found = tables(finished[0])
    controls = found["control_relevance"]
    assert controls.groupby("kind")["network"].unique().map(list).to_dict() == {"untrained": [0], "permuted": [0]}
    windows = controls.groupby("kind")[["recording", "window"]].apply(lambda rows: len(rows.drop_duplicates()))
    assert windows.to_dict() == {"untrained": 4, "permuted": 4}  # one of each participant
    assert "stranger" not in set(controls["recording"])
    training = found["training"].groupby(["network", "fold"])["epoch"].max().to_dict()
    assert training == dict.fromkeys([("trained", 0), ("trained", 1), ("permuted 0", 0), ("permuted 0", 1)], 1)


def test_a_permuted_network_learnt_other_labels(finished):
    record = json.loads((finished[0] / "run.json").read_text())
    names = ["network.fold_0", "network.fold_1", "permuted.0.fold_0", "permuted.0.fold_1"]
    assert len({record["weights"][name] for name in names}) == 4


def test_the_summary_and_the_report_say_what_was_done(finished):
    summary = json.loads((finished[0] / "summary.json").read_text())
    assert (summary["folds"], summary["held_out"], summary["shared_persons"]) == (2, 4, 0)
    assert any("own splits of 8 recordings were not used" in note for note in summary["notes"])
    assert summary["regions"][0]["permuted_highest"] is not None
    report = (finished[0] / "report.html").read_text()
    for text in (
        "Every participant was held out once, in one of 2 folds",
        "hold out each participant once, in 2 folds with a network each",
        "1 network trained with permuted labels",
        "training, fold 1",
        "Training curve of the permuted controls",
    ):
        assert text in report, text


def test_logs_and_checkpoints_lie_by_network(finished):
    logs = sorted(path.name for path in (finished[0] / "logs").iterdir())
    assert logs == ["permuted_0_fold_0", "permuted_0_fold_1", "trained_fold_0", "trained_fold_1"]
    with pytest.raises(ModelError, match="networks of 2 folds: fold_0, fold_1") as caught:
        load_checkpoint(finished[0] / "checkpoint", load_registry())
    assert "fold_0" in caught.value.hint


def test_each_network_has_a_card_of_its_own(finished):
    folders = [finished[0] / f"checkpoint/fold_{fold}" for fold in (0, 1)]
    cards = [(folder / "MODEL_CARD.md").read_text() for folder in folders]
    for fold, (folder, card) in enumerate(zip(folders, cards, strict=True)):
        assert f"| Fold | {fold}, one of 2 networks |" in card
        assert load_checkpoint(folder, load_registry()).digest in card
        assert f"Fold {fold} held out 2 participants: too few for figures of this network alone." in card
        assert f"--checkpoint checkpoint/fold_{fold} " in card
    assert not (finished[0] / "checkpoint/MODEL_CARD.md").exists()


def test_a_run_stopped_between_folds_goes_on_to_the_same_tables(finished, study, tmp_path, monkeypatch):
    store = untrained_copy(finished[1], tmp_path / "store")
    train_once, calls = networks.train_once, []

    def stopped(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train_once(*args)

    with monkeypatch.context() as patched:
        patched.setattr(networks, "train_once", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "out", store, **study)
    assert len(list(store.glob("train/*/*"))) == 1
    run(tmp_path / "out", store, **study)
    reused = json.loads((tmp_path / "out/run.json").read_text())["reused"]
    assert reused["train"] == 1
    assert_same(tables(tmp_path / "out"), tables(finished[0]))


@pytest.mark.slow
def test_tables_do_not_depend_on_the_number_of_workers(finished, study, tmp_path):
    store = untrained_copy(finished[1], tmp_path / "store")
    run(tmp_path / "out", store, workers=2, **study)
    assert_same(tables(tmp_path / "out"), tables(finished[0]))


def test_a_hold_out_after_folds_leaves_no_fold_behind(finished, study, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    run(
        out,
        finished[1],
        dataset=study["dataset"],
        split={},
        explain={"methods": {}},
        training={"epochs": 1},
        analyzers={},
    )
    assert (out / "checkpoint/model.safetensors").is_file()
    assert not list((out / "checkpoint").glob("fold_*"))
    assert not (out / "logs").exists()
    assert set(tables(out)["predictions"]["split"]) == {"train", "test"}


def test_persons_in_several_parts_and_sessions_without_names(finished, faces, tmp_path):
    """Official parts that share a person, whose sessions have two recordings each; nobody's name is left."""
    rows = ["recording,participant,session,video,score,split"]
    sittings = [
        ("anna", 0),
        ("anna", 0),
        ("berta", 1),
        ("berta", 1),
        ("berta", 2),
        ("berta", 2),
        ("carla", 3),
        ("carla", 4),
    ]
    for place, (one, (person, sitting)) in enumerate(zip(faces, sittings, strict=True)):
        part = "train" if sitting < 2 else "test"
        rows.append(f"{person}_{place},{person},{person}-{sitting},{one.video},{5 + sitting},{part}")
    (tmp_path / "study.csv").write_text("\n".join(rows) + "\n")
    changes = {
        "dataset": {"use": "manifest", "file": tmp_path / "study.csv"},
        "report": {"faces": "none"},
        "explain": {"methods": {"ixg": "input_x_gradient"}, "controls": {"networks": 0, "permuted": 1}},
    }
    with pytest.raises(DataError, match="'berta' is in two splits"):
        run(tmp_path / "out", finished[1], **changes, split={})
    outcome = run(tmp_path / "out", finished[1], **changes, split={"shared_persons": "count"})
    assert outcome.summary["shared_persons"] == 1
    assert outcome.summary["level"] == "session"
    assert any("1 person has recordings in several" in note for note in outcome.summary["notes"])
    found = tables(tmp_path / "out")["recordings"]
    tested = found[found["split"] == "test"]
    assert tested["unseen"].tolist().count(True) == 2
    assert tested.groupby("participant")["unseen"].nunique().eq(1).all()
    assert found["session"].str.fullmatch(r"P\d+-s\d+").all()
    named = {metric["level"] for metric in outcome.summary["metrics"] if metric["split"] == "test"}
    assert "session" in named
    assert found.groupby("session")["participant"].nunique().eq(1).all()
    assert found["session"].nunique() == 5
    for path in (tmp_path / "out").rglob("*"):
        assert "berta" not in path.name
        if path.is_file():
            assert b"berta" not in path.read_bytes(), path
    assert find_images(tmp_path / "out") == []

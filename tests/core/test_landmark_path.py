"""The whole path with landmark sequences `(B, T, N, 2)` and with classes, from strangers' components.

Eight people nod alike; their mouths open as wide as their videos are bright.  A network that sees nothing but the
landmarks learns the brightness from them, so all relevance against the mean over time lies in the mouth.
"""

import json
from contextlib import contextmanager
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pluggy
import pytest
import torch
from torch import nn

from mien.config import RunConfig
from mien.interfaces import (
    Analysis,
    Analyzer,
    Backbone,
    Cropper,
    Dataset,
    Detector,
    LabelScale,
    Objective,
)
from mien.regions.bits import point_bits
from mien.registry import Entry, Registry, hookimpl, hooks, load_registry
from mien.report.methods import methods_text
from mien.report.privacy import find_images
from mien.report.words import asked
from mien.steps import pipeline, prepare
from mien.steps.explain_config import explain_config
from mien.store.store import Store
from mien.tables import Column, Table
from mien.types import Crops, DatasetListing, FrameFaces, InputSpec, Recording
from mien.video.writer import VideoWriter

SCHEME = "ibug_68"
PEOPLE, FRAMES, WINDOW = 8, 24, 8


class Brightness(Dataset):
    """Grey videos; the label is how bright they are, or whether."""

    classes: bool = False
    people: int = PEOPLE

    def recordings(self, folder, progress):
        listing = []
        for person in range(self.people):
            path = folder / f"anna{person}.mp4"
            level = 20 + 25 * person
            if not path.is_file():
                with VideoWriter(path, 25, 64, 64) as writer:
                    writer.write(np.full((FRAMES, 64, 64, 3), level, np.uint8))
            label = float(person >= PEOPLE // 2) if self.classes else level / 25
            split = "test" if person in {1, 5, 6, 8} else "train"
            listing.append(Recording(f"anna{person}", f"anna{person}", path, label, split=split, consent=person == 1))
        return DatasetListing(listing)


class Mouth(Detector):
    """The mean face, whose mouth opens and closes as wide as the frame is bright."""

    @property
    def scheme(self):
        return SCHEME

    @contextmanager
    def open(self, device):
        scheme = load_registry().scheme(SCHEME)
        mouth, mean = list(scheme.regions["mouth"]), np.asarray(scheme.mean_face, float)
        seen = iter(range(10**9))

        def detect(frames, times):
            return [face(frame, next(seen)) for frame in frames]

        def face(frame, number):
            points = mean * 16 + 32
            points[mouth, 1] += frame.mean() / 50 * np.sin(number * 0.8)
            box = np.concatenate([points.min(0), points.max(0)])
            return FrameFaces(box[None], np.ones(1), points[None])

        def reset():
            nonlocal seen
            seen = iter(range(10**9))

        yield SimpleNamespace(detect=detect, reset=reset)


class Points(Cropper):
    """The landmarks, in inter-ocular distances from the middle of the frame."""

    layout: ClassVar = "landmarks"

    def crop(self, frames, track, scheme):
        transform = np.array([[1 / 16, 0, -2], [0, 1 / 16, -2]])
        data = (track.landmarks / 16 - 2).astype(np.float32)
        return Crops(data, np.tile(transform, (len(frames), 1, 1, 1)), track.valid)

    def regions(self, landmarks, transforms, scheme, shape="hull", padding=0.25):
        return np.tile(point_bits(scheme), (len(landmarks), 1))


class Sway(nn.Module):
    """How much each point moves, weighed."""

    def __init__(self, outputs):
        super().__init__()
        self.head = nn.Linear(68 * 2, outputs)

    def forward(self, sequences):
        return self.head(sequences.diff(dim=1).abs().mean(1).flatten(1))


class PointNetwork(Backbone):
    """A network of landmark sequences."""

    def build(self, outputs):
        return Sway(outputs)

    @property
    def input_spec(self):
        return InputSpec(layout="landmarks", frames=WINDOW, height=0, width=0, standardise="none")

    def stages(self, model):
        return {"head": model.head}


class Classes(Objective):
    """Two classes; explained is the difference of their logits."""

    higher_is: ClassVar = "class 1"

    @property
    def outputs(self):
        return 2

    def check_label(self, label):
        return None if label in (0.0, 1.0) else f"there is no class {label}"

    def fit(self, labels):
        return LabelScale()

    def loss(self, output, labels, scale):
        return nn.functional.cross_entropy(output, labels.long())

    def predict(self, output, scale):
        return output.softmax(1)[:, 1]

    def target(self, output):
        return output[:, 1] - output[:, 0]

    def metrics(self, predictions, labels):
        return {"accuracy": float(((predictions > 0.5) == (labels > 0.5)).mean())}


class Features(Analyzer):
    """How large the features of a stage are, clip by clip."""

    tables: ClassVar = (Table("features", "A clip.", (Column("norm", "number", "Its norm."),)),)

    def analyze(self, run):
        found = [row for _, features in run.features("head") for row in features]
        return Analysis({"features": pd.DataFrame({"norm": [float(row.norm()) for row in found]})})


class Broken(Analyzer):
    """Fails as a stranger's code does."""

    def analyze(self, run):
        return {}["nothing"]


class Observer:
    """Notes what a run tells."""

    def __init__(self):
        self.seen = []

    @hookimpl
    def mien_run_started(self, config, out):
        self.seen.append(("started", config["seed"], out.name))

    @hookimpl
    def mien_recording_done(self, recording):
        self.seen.append(("recording", recording.id))

    @hookimpl
    def mien_explained(self, method, recording):
        self.seen.append(("explained", method, recording))

    @hookimpl
    def mien_run_finished(self, summary):
        self.seen.append(("finished", summary["exit_code"]))


class Faulty:
    """An observer with a defect."""

    @hookimpl
    def mien_run_started(self):
        raise KeyError("a defect of a plugin")


PARTS = {"dataset": Brightness, "detector": Mouth, "cropper": Points, "backbone": PointNetwork, "objective": Classes}


@pytest.fixture
def observer():
    return Observer()


@pytest.fixture
def registry(observer, monkeypatch):
    """The installed plugins, and those of this file under the id `own`."""
    manager = pluggy.PluginManager("mien")
    manager.add_hookspecs(hooks)
    manager.register(observer)
    manager.register(Faulty(), name="faulty==1:faulty")
    made = Registry(manager)
    for entry in load_registry().entries():
        made.add(entry)
    strangers = [*PARTS.items(), ("analyzer", Features), ("analyzer", Broken)]
    for kind, component in strangers:
        id_ = "own" if kind != "analyzer" else component.__name__.lower()
        made.add(Entry(kind, id_, f"{__name__}:{component.__name__}", "test", "pytest==1"))
        made._classes[kind, id_] = component
    monkeypatch.setattr(prepare, "load_registry", lambda: made)
    return made


def document(**changes):
    return {
        "seed": 1,
        "dataset": "own",
        "detector": "own",
        "cropper": "own",
        "windows": {"frames": WINDOW, "overlap": 0.5},
        "backbone": "own",
        "objective": "regression",
        "training": {"epochs": 60, "batch": 8, "learning_rate": 0.03, "augment": {"phase": False}},
        "explain": {
            "methods": {
                "ig": {"use": "integrated_gradients", "baseline": "temporal_mean"},
                "ixg": "input_x_gradient",
            },
            "controls": {"networks": 1},
        },
        "analyzers": {"regions": "region_relevance", "time": "temporal_profile", "features": "features"},
    } | changes


def run(registry, tmp_path, **changes):
    config = RunConfig.model_validate(document(**changes), context={"registry": registry, "base": tmp_path})
    return pipeline.run(config, tmp_path / "out", store=Store(tmp_path / "store"), device="cpu", registry=registry)


def tables(tmp_path):
    return {path.stem: pd.read_parquet(path) for path in (tmp_path / "out/tables").glob("*.parquet")}


@pytest.mark.parametrize("classes", [False, True], ids=["regression", "classes"])
def test_landmarks_go_all_the_way_to_a_report(classes, registry, observer, tmp_path):
    chosen = {"dataset": {"use": "own", "classes": True}, "objective": "own"} if classes else {}
    outcome = run(registry, tmp_path, **chosen)
    assert outcome.exit_code == 0

    found = tables(tmp_path)
    windows = (FRAMES - WINDOW) // (WINDOW // 2) + 1
    assert set(found["recordings"]["windows"]) == {windows}
    test = found["metrics"].query("split == 'test' and level == 'participant'").set_index("metric")["value"]
    assert test["accuracy" if classes else "pearson"] > 0.95

    # Each point is in one cell, and all relevance is of what moves: the mouth.
    scheme = registry.scheme(SCHEME)
    ig = found["relevance"].query("method == 'ig'")
    area = ig.groupby("region")["area"].agg(["min", "max"])
    assert area.loc["total"].tolist() == [68, 68]
    assert area.loc["mouth"].tolist() == [len(scheme.regions["mouth"])] * 2
    assert area.loc["background"].tolist() == [0, 0]
    sums = ig.groupby("region")["absolute"].sum()
    assert sums["mouth"] == pytest.approx(sums["total"], rel=1e-3)
    assert outcome.summary["regions"][0]["region"] == "mouth"

    # Completeness in the objective's own unit.
    keys = ["recording", "window"]
    explained = found["explanations"].query("method == 'ig'").set_index(keys).sort_index()
    total = ig.query("region == 'total'").groupby(keys)["signed"].sum().sort_index()
    change = explained["output"] - explained["baseline_output"]
    np.testing.assert_allclose(total, change + explained["gap"], atol=1e-5)
    assert set(explained["completeness"]) == {"approximate"}
    absolute = ig.query("region == 'total'").groupby(keys)["absolute"].sum().sort_index()
    np.testing.assert_allclose(explained["absolute"], absolute, rtol=1e-5)

    # What a method measures beside reaches a table.
    measured = found["diagnostics"].query("method == 'ig'").pivot(index=keys, columns="name", values="value")
    assert list(measured.columns) == ["complete", "steps"]
    assert measured["steps"].tolist() == explained["steps"].tolist()

    assert len(found["features"]) == len(explained)
    assert (tmp_path / "out/report.html").stat().st_size > 100_000
    assert not [found for found in find_images(tmp_path / "out") if not found.startswith("figures/")]
    assert not list((tmp_path / "out/videos").iterdir())
    assert len(found["control_relevance"]) > 0


def test_plugins_are_told_and_a_faulty_one_hurts_nobody(registry, observer, tmp_path, caplog):
    run(registry, tmp_path, analyzers={})
    seen = observer.seen
    assert seen[0] == ("started", 1, "out")
    assert seen[-1] == ("finished", 0)
    assert [one for one in seen if one[0] == "recording"] == [("recording", f"anna{n}") for n in range(PEOPLE)]
    assert ("explained", "ig", "anna1") in seen
    assert "faulty" in caplog.text
    assert "a defect of a plugin" in caplog.text


def test_an_analyzer_that_fails_costs_its_own_figures_and_the_exit_code(registry, tmp_path):
    outcome = run(registry, tmp_path, analyzers={"broken": "broken", "regions": "region_relevance"})
    assert outcome.exit_code == 1
    assert any("'broken'" in note and "KeyError" in note for note in outcome.summary["notes"])
    report = (tmp_path / "out/report.html").read_text()
    assert report.count("analyzer &#39;broken&#39;") == 1
    assert "region_relevance" in tables(tmp_path)


def test_an_explanation_that_fails_is_told_by_the_exit_code(registry, tmp_path):
    blur = {"blur": {"use": "integrated_gradients", "baseline": "blur"}, "ixg": "input_x_gradient"}
    outcome = run(registry, tmp_path, explain={"methods": blur, "controls": {"networks": 0}}, analyzers={})
    assert outcome.exit_code == 1
    assert any("Landmarks cannot be blurred" in note for note in outcome.summary["notes"])
    assert set(tables(tmp_path)["relevance"]["method"]) == {"ixg"}


def test_one_more_person_to_test_on_changes_no_other_explanation(registry, tmp_path):
    short = {"training": {"epochs": 1}, "analyzers": {}}
    run(registry, tmp_path, **short)
    before = tables(tmp_path)["explanations"]
    run(registry, tmp_path, **short, dataset={"use": "own", "people": PEOPLE + 1})
    reused = json.loads((tmp_path / "out/run.json").read_text())["reused"]
    assert reused["train"] == 1
    assert reused["explain"] == 2 * 3 * 2  # methods, persons, networks
    after = tables(tmp_path)["explanations"]
    assert set(after["recording"]) - set(before["recording"]) == {"anna8"}


def test_another_code_of_the_network_is_another_explanation(registry, tmp_path, monkeypatch):
    run(registry, tmp_path, analyzers={}, training={"epochs": 1})
    config = explain_config(tmp_path / "out/checkpoint", registry, methods={"ixg": "input_x_gradient"})
    video = next((tmp_path / "store").rglob("anna1.mp4"))

    def reused(out):
        pipeline.explain_videos(
            [video], tmp_path / "out/checkpoint", tmp_path / out,
            config=config, store=Store(tmp_path / "store"), device="cpu", registry=registry,
        )  # fmt: skip
        return json.loads((tmp_path / out / "run.json").read_text())["reused"]["explain"]

    assert reused("again") == 1
    monkeypatch.setattr(PointNetwork, "version", 2)  # the same weights through another forward pass
    assert reused("changed") == 0


def test_new_videos_are_explained_without_controls_and_none_is_reported(registry, tmp_path):
    """Controls explain labelled people; new videos are of none."""
    run(registry, tmp_path, analyzers={}, training={"epochs": 1})
    assert "untrained network" in said_of(tmp_path / "out")
    checkpoint = tmp_path / "out/checkpoint"
    config = explain_config(checkpoint, registry, methods={"ixg": "input_x_gradient"})
    video = next((tmp_path / "store").rglob("anna1.mp4"))
    pipeline.explain_videos(
        [video], checkpoint, tmp_path / "new",
        config=config, store=Store(tmp_path / "store"), device="cpu", registry=registry,
    )  # fmt: skip
    assert pd.read_parquet(tmp_path / "new/tables/control_relevance.parquet").empty
    assert "untrained network" not in said_of(tmp_path / "new")


def said_of(out):
    """What the report says was asked, and the paragraph for a paper."""
    record = json.loads((out / "run.json").read_text())
    return " ".join([*asked(record["config"]), str(methods_text(record))])


def test_a_split_that_nobody_is_in_is_a_stated_gap(registry, tmp_path):
    methods = {"ixg": "input_x_gradient"}
    outcome = run(registry, tmp_path, explain={"methods": methods, "split": "validation"}, training={"epochs": 1})
    assert any("No recording of the split 'validation'" in note for note in outcome.summary["notes"])
    assert outcome.summary["regions"] == []


def test_one_analyzer_under_two_names_keeps_both_figures(registry, tmp_path):
    run(registry, tmp_path, analyzers={"first": "region_relevance", "second": "region_relevance"})
    names = {path.stem for path in (tmp_path / "out/figures").glob("*.pdf")}
    assert {"region_density", "second_region_density"} <= names


def test_pseudonyms_do_not_follow_the_order_of_the_rows(registry, tmp_path):
    run(registry, tmp_path, report={"faces": "none"}, analyzers={})
    for name, table in tables(tmp_path).items():
        if "participant" in table:
            assert table["participant"].is_monotonic_increasing, name
    for path in (tmp_path / "out").rglob("*"):
        assert "anna" not in path.name
        if path.is_file():
            assert b"anna" not in path.read_bytes(), path
    assert "anna" not in json.dumps(json.loads((tmp_path / "out/run.json").read_text()))


def test_the_network_itself_takes_sequences():
    assert Sway(2)(torch.zeros(3, WINDOW, 68, 2)).shape == (3, 2)

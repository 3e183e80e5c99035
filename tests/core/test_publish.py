"""The folder of the results is mien's own or is left alone, and is never taken for whole when it is not."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mien.errors import DataError
from mien.interfaces.component import Component
from mien.registry import load_registry
from mien.report.charts import free_name
from mien.run.record import begin_record
from mien.steps import publish
from mien.steps.context import RunContext
from mien.steps.identity import scheme_identity, weights_used
from mien.steps.results import recordings_table, with_relative_gaps
from mien.store.store import Store
from mien.types import Exclusion, Recording


@pytest.fixture
def publication(tmp_path):
    record = begin_record("run", {"file": "/home/anna/a.csv"}, {}, citations={}, seed=1, device="cpu", workers=1)
    config = SimpleNamespace(report=SimpleNamespace(faces="full"), pooling=None)
    context = RunContext(Store(tmp_path / "store"), None)
    return publish.Publication(config, tmp_path / "out", record, context, None, {}, tmp_path)


@pytest.mark.parametrize("name", ["tables", "figures", "videos", "checkpoint", "report.html", "summary.json"])
def test_files_that_are_not_miens_are_neither_removed_nor_replaced(tmp_path, name):
    mine = tmp_path / name
    mine.mkdir() if "." not in name else mine.write_text("mine")
    with pytest.raises(DataError, match=f"holds '{name}'"):
        publish.make_folder(tmp_path)
    assert mine.exists()


def test_other_files_and_an_earlier_run_do_not_stand_in_the_way(tmp_path):
    (tmp_path / "notes.txt").touch()
    publish.make_folder(tmp_path)
    (tmp_path / "tables").mkdir()
    (tmp_path / "run.json").write_text("{}")
    publish.make_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "run.json", "tables"]


def test_a_folder_whose_writing_was_stopped_says_so_and_is_written_again(publication, monkeypatch):
    out = publication.out
    publish.make_folder(out)
    for name in ("tables", "figures"):
        (out / name).mkdir()
    for name in ("tables/old.parquet", "report.html", "summary.json", "run.json", "notes.txt"):
        (out / name).write_text("of an earlier run")

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(publish, "draw_pictures", killed)
    with pytest.raises(KeyboardInterrupt):
        publish.publish(publication)
    assert json.loads((out / "run.json").read_text())["finished"] is None
    left = {path.name for path in out.iterdir()}
    assert left == {"run.json", "notes.txt", "tables", "figures", "videos"}
    assert not list((out / "tables").iterdir())
    publish.make_folder(out)  # the next run takes it for its own


def test_the_record_of_an_unfinished_run_names_no_files_either(publication):
    publication.config.report.faces = "none"
    publish.make_folder(publication.out)
    publish._begin(publication)
    assert "anna" not in (publication.out / "run.json").read_text()


def test_a_recording_set_aside_keeps_what_is_known_of_it():
    known = Recording("r", "p", Path("v.mp4"), label=3.0, split="test", consent=True)
    aside = [Exclusion("r", "p", "prepare", "no face", "v.mp4"), Exclusion("r", "q", "dataset", "repeated", "w.mp4")]
    table = recordings_table([], aside, [known], None)
    first, second = table.to_dict("records")
    assert (first["label"], first["split"], first["consent"]) == (3.0, "test", True)
    assert (second["recording"], second["participant"], second["split"]) == ("r (2)", "q", "none")


def gaps(output, baseline, gap, method="m", tolerance=0.1):
    rows = pd.DataFrame({"method": method, "output": output, "baseline_output": baseline, "gap": gap})
    return with_relative_gaps(rows, {method: tolerance})


class TestRelativeGap:
    def test_is_relative_to_the_change_of_the_output(self):
        found = gaps([1.0, -3.0], [0.0, 1.0], [0.05, -1.0])
        np.testing.assert_allclose(found["relative_gap"], [0.05, 0.25])
        assert found["flagged"].tolist() == [False, True]

    def test_has_a_floor_where_the_output_hardly_changes(self):
        found = gaps([2.0, -2.0], [2.0, 0.0], [0.01, 0.0])  # the standard deviation is 2, a tenth of it 0.2
        np.testing.assert_allclose(found["relative_gap"], [0.05, 0.0])

    def test_has_no_floor_for_one_clip(self):
        found = gaps([1.0], [1.0], [0.5])
        assert found["relative_gap"].tolist() == [np.inf]
        assert found["flagged"].all()
        assert gaps([1.0], [1.0], [0.0])["relative_gap"].tolist() == [0.0]

    def test_the_floor_is_that_of_held_out_clips(self):
        rows = pd.DataFrame({"method": "m", "output": [100.0, -100.0, 1.0, 3.0], "baseline_output": [100.0, 0, 1, 3]})
        found = with_relative_gaps(rows.assign(gap=0.01), {"m": 0.09}, pd.Series([False, False, True, True]))
        np.testing.assert_allclose(found["relative_gap"], [0.1, 1e-4, 0.1, 0.1])  # the standard deviation is 1
        assert found["flagged"].tolist() == [True, False, True, True]
        none = with_relative_gaps(rows.assign(gap=0.01), {"m": 1}, pd.Series([False] * 4))
        assert none["relative_gap"].max() < 0.01  # without any, that of all

    def test_is_absent_for_methods_that_promise_no_sum(self):
        found = gaps([1.0, 2.0], [np.nan, np.nan], [np.nan, np.nan])
        assert found["relative_gap"].isna().all()
        assert not found["flagged"].any()


def test_names_are_free():
    assert free_name("a", {"b"}) == "a"
    assert free_name("a", {"a"}, "b") == "b"
    assert free_name("a", {"a", "b", "b_2"}, "b") == "b_3"
    assert free_name("a", {"a"}) == "a_2"


def test_pretrained_weights_are_known_by_their_hash(tmp_path):
    class Pretrained(Component):
        """A component with weights."""

        def weight_files(self):
            return {"kinetics": tmp_path / "weights.pth", "absent": tmp_path / "none.pth"}

    (tmp_path / "weights.pth").write_bytes(b"abc")
    found = weights_used("backbone", Pretrained())
    assert found == {"backbone.kinetics": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}


def test_a_scheme_is_known_by_what_it_says():
    scheme = load_registry().scheme("ibug_68")
    assert scheme_identity(scheme) == scheme_identity(replace(scheme))
    assert scheme_identity(scheme) != scheme_identity(replace(scheme, stable=scheme.stable[1:]))
    assert scheme_identity(scheme) != scheme_identity(replace(scheme, mean_face=scheme.mean_face + 1e-3))


def test_a_record_begins_unfinished():
    record = begin_record("run", {}, {}, citations={}, seed=0, device="cpu", workers=1)
    assert record.finished is None
    assert record.started <= datetime.now(UTC)

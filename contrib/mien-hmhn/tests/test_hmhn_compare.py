"""The examples are one protocol, and the comparison's statistics are what they say."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

HERE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def compare() -> Any:
    spec = importlib.util.spec_from_file_location("hmhn_compare", HERE / "benchmarks" / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hmhn_compare"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    module.RESAMPLES = 300
    return module


def _example(name: str) -> Any:
    return yaml.safe_load((HERE / "examples" / f"{name}.yaml").read_text(encoding="utf-8"))


def test_the_examples_differ_in_the_network_and_its_own_maps_alone() -> None:
    hmhn, frame_cnn = _example("hmhn"), _example("frame_cnn")
    own = [name for name, method in hmhn["explain"]["methods"].items() if "hmhn_attention" in str(method)]
    assert own == ["heads", "grid"]
    for name in own:
        del hmhn["explain"]["methods"][name]
    assert hmhn.pop("backbone")["use"] == "hmhn"
    assert frame_cnn.pop("backbone") == {"use": "frame_cnn", "network": "resnet18", "weights": "none"}
    assert hmhn["report"].pop("title") != frame_cnn["report"].pop("title")
    assert hmhn == frame_cnn
    assert (hmhn["dataset"]["participants"], hmhn["dataset"]["test_participants"]) == (36, 12)


def _run(compare: Any, network: str, seed: int, error: float) -> Any:
    """Return a run of six people with two recordings each, whose predictions are off by ``error``."""
    people = [f"p{i}" for i in range(6) for _ in range(2)]
    labels = np.arange(12.0)
    rng = np.random.default_rng(seed)
    held_out = pd.DataFrame(
        {"participant": people, "label": labels, "prediction": labels + error * rng.choice([-1.0, 1.0], 12)},
        index=[f"r{i:02d}" for i in range(12)],
    )
    return compare.Run(network, seed, Path("none"), held_out)


def test_metrics_are_the_textbooks(compare: Any) -> None:
    rng = np.random.default_rng(0)
    labels, predictions = rng.normal(size=20), rng.normal(size=(3, 20))
    for row, found in enumerate(compare.metric("pearson", predictions, labels)):
        assert found == pytest.approx(np.corrcoef(predictions[row], labels)[0, 1])
    assert compare.metric("mae", predictions, labels)[1] == pytest.approx(np.mean(np.abs(predictions[1] - labels)))
    assert compare.metric("rmse", predictions, labels)[2] ** 2 == pytest.approx(np.mean((predictions[2] - labels) ** 2))


def test_participants_are_drawn_with_all_their_recordings(compare: Any) -> None:
    samples = compare.resampled(["a", "a", "b", "c", "c", "c"], 200)
    for rows in samples:
        counts = np.bincount(rows, minlength=6)
        assert counts[0] == counts[1]
        assert counts[3] == counts[4] == counts[5]
        assert counts[0] + counts[2] + counts[3] == 3
    assert [rows.tolist() for rows in compare.resampled(["a", "b"], 5)] == [
        rows.tolist() for rows in compare.resampled(["a", "b"], 5)
    ]


def test_a_planted_difference_is_found_with_its_interval(compare: Any) -> None:
    runs = [_run(compare, name, seed, error) for seed in (0, 1) for name, error in (("hmhn", 1.0), ("frame_cnn", 3.0))]
    found = compare.summarise(runs)
    assert found["networks"]["hmhn"]["mae"]["mean"] == pytest.approx(1.0)
    assert found["networks"]["frame_cnn"]["rmse"]["seeds"] == pytest.approx([3.0, 3.0])
    difference = found["differences"]["hmhn - frame_cnn"]["mae"]
    # Every recording is off by the same, so whoever is drawn the difference is 2.
    assert [difference[key] for key in ("mean", "low", "high")] == pytest.approx([-2.0, -2.0, -2.0])
    r = found["networks"]["frame_cnn"]["pearson"]
    assert r["low"] < r["mean"] < r["high"] < 1


def test_differences_wait_for_the_same_seeds(compare: Any) -> None:
    runs = [_run(compare, "hmhn", 0, 1.0), _run(compare, "frame_cnn", 0, 1.0), _run(compare, "hmhn", 1, 1.0)]
    assert compare.summarise(runs)["differences"] == {}


def test_a_run_that_has_ended_is_not_repeated(compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], check: bool) -> None:
        folder = Path(command[command.index("--out") + 1])
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        (folder / "summary.json").write_text("{}")
        rows = {"recording": ["r0", "r0", "r1"], "participant": ["p0", "p0", "p1"], "split": ["test", "test", "train"]}
        table = pd.DataFrame({**rows, "label": [5.0, 5.0, 9.0], "prediction": [4.0, 7.0, 9.0]})
        table.to_parquet(folder / "tables" / "predictions.parquet")
        commands.append(command)

    monkeypatch.setattr(compare.subprocess, "run", run)
    for _ in range(2):
        found = compare.train("hmhn_clip_loss", 3, tmp_path, ())
    assert len(commands) == 1
    assert "backbone.frame_loss=0" in commands[0]
    assert "seed=3" in commands[0]
    assert found.held_out.to_dict("index") == {"r0": {"participant": "p0", "label": 5.0, "prediction": 5.5}}
    compare.train("hmhn_clip_loss", 3, tmp_path, ("training.epochs=1",))
    assert len(commands) == 2


def test_what_is_written_is_json(compare: Any) -> None:
    tidied = compare.tidy({"a": (np.float64(1.23456), float("nan"), 3), "b": {"c": None, 1: "x"}})
    assert json.loads(json.dumps(tidied, allow_nan=False)) == {"a": [1.2346, None, 3], "b": {"c": None, "1": "x"}}


def test_the_readmes_table_tells_value_interval_and_densities() -> None:
    spec = importlib.util.spec_from_file_location("hmhn_table", HERE / "benchmarks" / "write_table.py")
    assert spec is not None
    assert spec.loader is not None
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    metrics = {name: {"mean": 0.5, "low": 0.25, "high": 0.75} for name in ("pearson", "mae", "rmse")}
    density = {"density": 3.0, "untrained_density_lowest": 0.9, "untrained_density_highest": 1.25}
    about = {"parameters": 1234, "training_s": [61.0, None], "mouth_density": {"0": {"heads": density}}}
    found = {
        "complete": False,
        "seeds": [0],
        "held_out": {"recordings": 8, "participants": 2},
        "networks": {"hmhn": metrics},
        "differences": {"hmhn - frame_cnn": metrics},
        "about": {"hmhn": about},
        "machine": "a machine",
    }
    text = "\n".join(table.lines(found))
    assert "**Not complete" in text
    assert "| `hmhn` | 1,234 | 0.500 [0.250, 0.750] | 0.50 [0.25, 0.75] | 0.50 [0.25, 0.75] |" in text
    assert "| hmhn - frame_cnn | +0.500 [+0.250, +0.750] |" in text
    assert "- `hmhn`, heads: 3.00 (untrained 0.90-1.25)" in text
    assert all(mark.strip() in (HERE / "README.md").read_text(encoding="utf-8") for mark in table.MARKS)

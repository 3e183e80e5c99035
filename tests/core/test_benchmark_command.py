"""``mien benchmark explanations``: what is wrong is told before anything is computed."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from mien.benchmark.cost import measure_cost, peak_on_cpu
from mien.benchmark.measuring import Measured, MeasureWorker
from mien.benchmark.methods import VARIANTS, benchmark_methods, describe_methods, fitting_methods
from mien.benchmark.result import BenchmarkResult, about_run, machine
from mien.cli.app import app
from mien.errors import ConfigError, ModelError, PluginError
from mien.registry import load_registry
from mien.testing.attribution import first_output
from mien.testing.fixtures import clip_batch, explained_network

REGISTRY = load_registry()


def said(*arguments):
    found = CliRunner().invoke(app, ["benchmark", "explanations", *arguments])
    return found.exit_code, " ".join(re.sub(r"\s+", " ", found.output).split())


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--methods", "salincy"], "There is no attribution method 'salincy'.", "Did you mean 'saliency'?"),
        (["--methods", "lrp_gama"], "There is no attribution method 'lrp_gama'.", "Did you mean 'lrp_gamma'?"),
        (["--methods", " , "], "No name is given.", ""),
        (["--tasks", "AU21"], "There is no planted task 'AU21'.", "Did you mean 'AU12'?"),
        (["--checkpoint", "x"], "A checkpoint needs videos", "Name them with --data."),
        (["--data", "x"], "Videos need a trained network", "Name it with --checkpoint."),
        (["--checkpoint", "x", "--data", "y", "--tasks", "AU12"], "Planted tasks have networks", "Leave out --tasks"),
        (["--checkpoint", "nowhere", "--data", "y"], "The checkpoint does not exist.", ""),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_made(arguments, message, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, text = said(*arguments)
    assert code == 2
    assert message in text
    assert hint in text
    assert not list(tmp_path.iterdir())


def test_without_the_plugin_of_the_planted_truth_the_message_says_what_to_do(monkeypatch):
    monkeypatch.delitem(REGISTRY._entries["dataset"], "animated_face")
    monkeypatch.setattr("mien.registry.load_registry", lambda: REGISTRY)
    code, text = said()
    assert code == 2
    assert "needs the data set 'animated_face'" in text
    assert "--checkpoint and --data" in text


def test_the_help_needs_no_heavy_library():
    script = (
        "import sys; from mien.cli.app import app; from typer.testing import CliRunner; "
        "assert CliRunner().invoke(app, ['benchmark', 'explanations', '--help']).exit_code == 0; "
        "assert not {'torch', 'pandas', 'numpy', 'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_board_of_the_planted_tasks_is_printed_and_written(monkeypatch, tmp_path):
    """With the figures of a benchmark that was run by someone else."""
    rows = [
        {"task": "AU12", "seed": 1, "network": "trained", "index": 0, "method": method, "measure": "density",
         "participant": person, "value": value, "n": 1}
        for method, value in (("saliency", 7.0), ("grad_cam", 1.5)) for person in "abc"
    ]  # fmt: skip
    asked = {}

    def run(**options):
        asked.update(options)
        return BenchmarkResult(pd.DataFrame(rows), about=about_run({}))

    monkeypatch.setattr("mien.benchmark.run.benchmark_explanations", run)
    code, text = said("--quick", "--methods", "saliency,grad_cam", "--tasks", "AU12", "-o", str(tmp_path / "out"))
    assert code == 0, text
    assert asked["quick"]
    assert asked["methods"] == ["saliency", "grad_cam"]
    assert asked["tasks"] == ["AU12"]
    assert re.search(r"1 saliency 1\.0 \(1\.0 to 1\.0\) 7\.00", text)
    assert (tmp_path / "out" / "leaderboard.html").is_file()
    assert "gates: " in text


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(monkeypatch, tmp_path):
    def run(**options):
        raise AssertionError("it was computed")

    monkeypatch.setattr("mien.benchmark.run.benchmark_explanations", run)
    (tmp_path / "file").write_text("")
    code, text = said("-o", str(tmp_path / "file" / "out"))
    assert code == 2, text
    assert "file" in text


def test_what_a_reader_must_know_is_printed(monkeypatch, tmp_path):
    row = {"task": "AU12", "seed": 1, "network": "trained", "index": 0, "method": "saliency", "measure": "density",
           "participant": "a", "value": 1.0, "n": 1}  # fmt: skip
    result = BenchmarkResult(pd.DataFrame([row]), about=about_run({}, notes=["The method 'x' gave nothing."]))
    monkeypatch.setattr("mien.benchmark.run.benchmark_explanations", lambda **options: result)
    code, text = said("-o", str(tmp_path / "out"))
    assert code == 0, text
    assert "The method 'x' gave nothing." in text


# Methods


def test_every_installed_method_takes_part_and_variants_once():
    found = benchmark_methods(REGISTRY)
    ids = {method.use for method in found.methods.values()}
    assert ids | {name for name in found.refused if name in REGISTRY.ids("attribution")} == set(
        REGISTRY.ids("attribution")
    )
    dumps = [(method.use, method.model_dump_json()) for method in found.methods.values()]
    assert len(set(dumps)) == len(dumps)
    for id_, variants in VARIANTS.items():
        for suffix in variants:
            assert f"{id_}_{suffix}" in {**found.methods, **found.refused}


def test_an_id_stands_for_all_its_variants_and_a_variant_for_itself():
    assert set(benchmark_methods(REGISTRY, ["integrated_gradients"]).methods) == {
        "integrated_gradients_blur", "integrated_gradients_temporal_mean",
    }  # fmt: skip
    found = benchmark_methods(REGISTRY, ["integrated_gradients_temporal_mean"]).methods
    assert set(found) == {"integrated_gradients_temporal_mean"}
    assert found["integrated_gradients_temporal_mean"].baseline == "temporal_mean"


def test_a_method_whose_requirement_is_not_installed_is_refused_with_the_reason(monkeypatch):
    registry = load_registry()
    entries = registry._entries["attribution"]
    monkeypatch.setitem(entries, "saliency", replace(entries["saliency"], requires=("no_such_module",)))
    found = benchmark_methods(registry, ["saliency", "grad_cam"])
    assert set(found.methods) == {"grad_cam"}
    assert "no_such_module" in found.refused["saliency"]
    with pytest.raises(ConfigError, match="None of the attribution methods can be used"):
        benchmark_methods(registry, ["saliency"])


@pytest.mark.parametrize("raised", [ValueError, SystemExit])
def test_a_method_whose_check_fails_in_any_way_is_refused_and_the_others_go_on(monkeypatch, raised):
    def check(self, model):
        raise raised("a stranger's mistake")

    monkeypatch.setattr(REGISTRY.load("attribution", "saliency"), "check", check)
    found = fitting_methods(benchmark_methods(REGISTRY, ["saliency", "grad_cam"]), explained_network())
    assert set(found.methods) == {"grad_cam"}
    assert "a stranger's mistake, in 'check'" in found.refused["saliency"]
    assert "attribution 'saliency' of mien==" in found.refused["saliency"]
    with pytest.raises(ModelError, match=r"No attribution method can explain the network.*a stranger's mistake"):
        fitting_methods(benchmark_methods(REGISTRY, ["saliency"]), explained_network())


def test_after_a_method_that_changed_the_network_it_is_built_again():
    networks = []

    class Worker(MeasureWorker):
        def model(self, task):
            return self._keep(("model", task.network.identity), self._build)

        def _build(self):
            networks.append(explained_network())
            return networks[-1]

    method = REGISTRY.create("attribution", "saliency")
    worker = Worker(Measured((), {"saliency": method}, Path(), "cpu"))
    task = SimpleNamespace(network=SimpleNamespace(identity="net"), method="saliency")
    with worker.kept(task):
        pass
    assert worker.model(task) is networks[0]
    changed = pytest.raises(PluginError, match=r"attribution 'saliency' of mien==.*It changed the network")
    with changed, worker.kept(task):
        worker.model(task).module.train()
    assert worker.model(task) is networks[1]


def test_what_is_said_of_a_run_holds_no_path_and_nothing_twice():
    note = "r1 was set aside: /home/anna_smith/videos/r1.mp4: It cannot be read."
    about = about_run({}, {"lrp": "/home/anna_smith/x.pt: No."}, notes=[note, note])
    assert len(about["notes"]) == 1
    assert "It cannot be read." in about["notes"][0]
    assert "anna" not in str(about)


def test_methods_are_described_for_json():
    known = describe_methods(benchmark_methods(REGISTRY, ["saliency"]).methods)["saliency"]
    assert known["use"] == "saliency"
    assert known["completeness"] == "none"
    assert known["signed"] is False
    assert "Simonyan" in known["citation"]


def test_the_machine_is_described_without_its_name():
    import platform

    assert "core" in machine("cpu")
    assert platform.node() not in machine("cpu") or not platform.node()


# Cost


def test_the_peak_of_memory_is_what_lay_there_at_once():
    def work():
        first = torch.zeros(500_000)
        second = torch.zeros(250_000)
        del first
        return torch.zeros(100_000), second

    assert peak_on_cpu(work) == pytest.approx(4 * 0.75, rel=0.02)


def test_a_method_that_holds_more_costs_more_and_gives_the_same_explanation():
    model, batch = explained_network(), clip_batch(1)
    method = REGISTRY.create("attribution", "saliency")
    plain = method.attribute(model, batch, first_output)
    cost = measure_cost(method, model, batch, first_output)
    assert torch.equal(cost.explanation.relevance, plain.relevance)
    assert cost.seconds > 0
    assert 4e-6 * plain.relevance.numel() < cost.memory_mb < 100
    wide = clip_batch(1, size=48)
    assert measure_cost(method, model, wide, first_output).memory_mb > 4 * cost.memory_mb
    assert np.isnan(measure_cost(method, model, batch, first_output, memory=False).memory_mb)

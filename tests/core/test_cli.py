"""What the command line prints, where to, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner, Result

from mien.cli import main
from mien.cli.app import app
from mien.cli.cache_commands import parse_size, size_text
from mien.cli.headline import headlines
from mien.cli.run_commands import chosen_methods, find_checkpoint
from mien.errors import ConfigError, DataError, PluginError
from mien.registry import KINDS, load_registry
from mien.steps.context import RunOutcome
from mien.store.store import Store
from mien.testing.distributions import write_distribution

CONFIG = """\
dataset: {use: animated_face, participants: 8}
detector: mediapipe
cropper: face
backbone: compact_r3d
objective: regression
explain: {methods: {s: saliency}}
"""
SUMMARY: dict[str, Any] = {
    "participants": 6,
    "recordings": 11,
    "set_aside": 1,
    "windows": 40,
    "held_out": 6,
    "level": "participant",
    "flagged_explanations": 2,
    "metrics": [
        {"split": "train", "level": "participant", "metric": "mae", "value": 9.0, "low": None, "high": None, "n": 4},
        {"split": "test", "level": "window", "metric": "mae", "value": 8.0, "low": None, "high": None, "n": 9},
        {
            "split": "test",
            "level": "participant",
            "metric": "pearson",
            "value": 0.912,
            "low": 0.8,
            "high": 0.97,
            "n": 6,
        },
        {"split": "test", "level": "participant", "metric": "ccc", "value": None, "low": None, "high": None, "n": 6},
    ],
    "regions": [
        {"method": "ig", "region": "background", "density": 9.9, "untrained_highest": 1.3},
        {"method": "ig", "region": "mouth", "density": 4.2, "untrained_highest": 1.3},
        {"method": "ig", "region": "nose", "density": 1.2, "untrained_highest": 1.1},
        {"method": "lrp", "region": "left_eye", "density": 2.0, "untrained_highest": None},
    ],
}


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def mien(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mien", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(CONFIG)
    return path


class TestLight:
    @pytest.mark.parametrize(
        ("arguments", "allowed"),
        [
            (["--help"], set()),
            (["--version"], set()),
            (["plugins", "list"], set()),
            (["plugins", "list", "--json"], set()),
            (["run", "--help"], set()),
            (["config", "check", "{config}"], {"numpy", "scipy"}),
            (["run", "{config}", "--out", "nowhere", "--set", "sed=1"], {"numpy", "scipy"}),
        ],
    )
    def test_imports_nothing_heavy(self, config: Path, arguments: list[str], allowed: set[str]) -> None:
        script = (
            "import sys, io, contextlib\nfrom mien.cli import main\n"
            "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n    main()\n"
            "print(*sorted(sys.modules))"
        )
        given = [argument.format(config=config) for argument in arguments]
        done = subprocess.run([sys.executable, "-c", script, *given], capture_output=True, text=True, check=True)
        heavy = {"torch", "numpy", "scipy", "pandas", "cv2", "av", "mediapipe", "matplotlib", "plotly"}
        assert set(done.stdout.split()) & heavy <= allowed


class TestBasics:
    def test_module_and_script_are_the_same(self) -> None:
        done = mien("--version")
        assert (done.returncode, done.stdout) == (0, "mien 0.1.0\n")

    def test_help_names_every_command(self) -> None:
        result = call("--help")
        assert result.exit_code == 0
        for name in ("run", "demo", "explain", "plugins", "config", "cache", "doctor"):
            assert name in result.stdout

    @pytest.mark.parametrize(
        "arguments",
        [
            ["nonsense"],
            ["run"],
            ["run", "x.yaml"],
            ["explain", "--out", "x", "--checkpoint", "y"],
            ["run", "x.yaml", "--out", "x", "--workers", "0"],
            ["run", "x.yaml", "--out", "x", "--device", "tpu"],
            ["run", "x.yaml", "--out", "x", "--time-limit", "-1"],
            ["plugins", "show", "attribution"],
        ],
    )
    def test_wrong_usage_leaves_with_2(self, arguments: list[str]) -> None:
        assert call(*arguments).exit_code == 2

    def test_error_goes_to_standard_error_without_traceback(self, tmp_path: Path) -> None:
        done = mien("config", "check", str(tmp_path / "none.yaml"))
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr == f"error: {tmp_path / 'none.yaml'}: The configuration file does not exist.\n"

    def test_square_brackets_in_messages_survive(self, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mien.registry.registry._installed", lambda module: False)
        result = call("config", "check", str(config))
        assert result.exit_code == 2
        assert "pip install 'mien[mediapipe]'" in result.stderr

    def test_what_a_plugin_prints_does_not_spoil_the_json(self, tmp_path: Path) -> None:
        source = "import os\nprint('printed')\nos.write(1, b'written')\nMIEN_API = '1'\n"
        write_distribution(tmp_path, "mien-loud", {"mien_loud": source}, entry_points={"loud": "mien_loud"})
        done = mien("plugins", "list", "--json", PYTHONPATH=str(tmp_path))
        assert json.loads(done.stdout)["problems"] == []
        assert "printed" in done.stderr
        assert "written" in done.stderr

    def test_brackets_in_the_help_of_a_plugins_command_are_shown(self, tmp_path: Path) -> None:
        source = "from mien import hookimpl\n@hookimpl\ndef mien_commands(commands):\n"
        source += "    commands.add('odd', 'mien_odd_help:odd', help='in [s] [/b]')\n"
        source += "    commands.add('even', 'mien_odd_help:odd', help=5)\ndef odd(): pass\n"
        write_distribution(tmp_path, "mien-odd", {"mien_odd_help": source}, entry_points={"odd": "mien_odd_help"})
        for arguments in (["--help"], ["odd", "--help"]):
            done = mien(*arguments, PYTHONPATH=str(tmp_path))
            assert (done.returncode, "in [s] [/b]" in done.stdout) == (0, True), done.stderr
        listed = mien("plugins", "list", PYTHONPATH=str(tmp_path)).stderr
        assert "The command 'even' of mien-odd==1.0 cannot be added" in listed

    def test_reader_that_leaves_early_is_no_error(self) -> None:
        command = [sys.executable, "-m", "mien", "plugins", "list", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            said = process.stderr.read()
        assert said == b""
        assert process.returncode == 141


class TestPlugins:
    def test_lists_every_component_once(self) -> None:
        listed = json.loads(call("plugins", "list", "--json").stdout)
        found = [(plugin["kind"], plugin["id"]) for plugin in listed["plugins"]]
        assert found == [(entry.kind, entry.id) for entry in load_registry().entries()]
        assert listed["problems"] == []

    def test_one_kind(self) -> None:
        listed = json.loads(call("plugins", "list", "objective", "--json").stdout)
        assert {plugin["kind"] for plugin in listed["plugins"]} == {"objective"}

    def test_unknown_kind(self) -> None:
        result = call("plugins", "list", "objectiv")
        assert result.exit_code == 2
        assert "Did you mean 'objective'?" in result.stderr

    def test_text_says_what_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mien.registry.registry._installed", lambda module: module != "zennit")
        lines = [line for line in call("plugins", "list").stdout.splitlines() if "lrp" in line]
        assert len(lines) == 1
        assert "needs zennit" in lines[0]
        assert "mien[zennit]" in lines[0]

    def test_a_limit_with_an_unknown_name_is_said(self) -> None:
        done = mien("plugins", "list", MIEN_PLUGINS="bilt")
        assert done.returncode == 0
        assert "No installed plugin has the entry point 'bilt'" in done.stderr

    def test_shows_fields_with_types_and_defaults(self) -> None:
        shown = json.loads(call("plugins", "show", "cropper", "face", "--json").stdout)
        height = next(field for field in shown["fields"] if field["name"] == "height")
        assert height["type"] == "integer >= 8"
        assert height["default"] == 112
        assert height["required"] is False
        assert shown["usable"] is True
        assert shown["documentation"].startswith("The whole face.")

    def test_shows_the_paper(self) -> None:
        text = call("plugins", "show", "attribution", "integrated_gradients").stdout
        assert "Sundararajan" in text
        assert "tolerance" in text

    @pytest.mark.parametrize("entry", load_registry().entries(), ids=lambda entry: f"{entry.kind}-{entry.id}")
    def test_shows_every_component(self, entry: Any) -> None:
        assert call("plugins", "show", entry.kind, entry.id).exit_code == 0
        shown = json.loads(call("plugins", "show", entry.kind, entry.id, "--json").stdout)
        assert shown["documentation"]
        assert all(field["type"] != "any" for field in shown["fields"])

    def test_unknown_id_names_the_nearest(self) -> None:
        result = call("plugins", "show", "attribution", "saliensy")
        assert result.exit_code == 2
        assert "Did you mean 'saliency'?" in result.stderr


class TestConfig:
    def test_valid(self, config: Path) -> None:
        result = call("config", "check", str(config))
        assert (result.exit_code, result.stdout) == (0, f"{config}: valid\n")

    def test_json_is_the_whole_configuration(self, config: Path) -> None:
        shown = json.loads(call("config", "check", str(config), "--json", "--set", "seed=5").stdout)
        assert shown["seed"] == 5
        assert shown["training"]["epochs"] == 30
        assert shown["explain"]["methods"]["s"]["use"] == "saliency"

    def test_wrong(self, config: Path) -> None:
        result = call("config", "check", str(config), "--set", "detector.min_confidense=0.3")
        assert result.exit_code == 2
        assert "Did you mean 'min_confidence'?" in result.stderr

    def test_schema(self) -> None:
        schema = json.loads(call("config", "schema").stdout)
        assert schema["title"] == "mien configuration"
        assert schema["additionalProperties"] is False

    def test_written_schemas_pass_the_check_and_old_ones_do_not(self, tmp_path: Path) -> None:
        folder = str(tmp_path / "schemas")
        assert call("config", "schema", "--check", folder).exit_code == 2
        assert call("config", "schema", "--write", folder).exit_code == 0
        assert call("config", "schema", "--check", folder).exit_code == 0


class TestCache:
    def fill(self, root: Path) -> None:
        with Store(root).write("track", "ab12", {}) as folder:
            (folder / "data.bin").write_bytes(b"x" * 5000)

    def test_size_and_prune(self, tmp_path: Path) -> None:
        self.fill(tmp_path)
        before = json.loads(call("cache", "size", "--store", str(tmp_path), "--json").stdout)
        assert before["bytes"] >= 5000
        assert before["steps"]["track"]["entries"] == 1
        pruned = json.loads(call("cache", "prune", "--max-size", "0", "--store", str(tmp_path), "--json").stdout)
        assert pruned == {"removed": 1, "bytes": before["bytes"]}
        assert json.loads(call("cache", "size", "--store", str(tmp_path), "--json").stdout)["bytes"] == 0

    def test_prune_wants_to_know_what(self, tmp_path: Path) -> None:
        result = call("cache", "prune", "--store", str(tmp_path))
        assert result.exit_code == 2
        assert "--older-than" in result.stderr

    def test_young_results_stay(self, tmp_path: Path) -> None:
        self.fill(tmp_path)
        result = call("cache", "prune", "--older-than", "1", "--store", str(tmp_path), "--json")
        assert json.loads(result.stdout)["removed"] == 0

    @pytest.mark.parametrize(("text", "size"), [("0", 0), ("12", 12), ("5 kB", 5000), ("1.5GB", 1_500_000_000)])
    def test_sizes_are_read(self, text: str, size: int) -> None:
        assert parse_size(text) == size

    @pytest.mark.parametrize("text", ["", "GB", "-1", "5 XB", "1e3"])
    def test_what_is_no_size_is_refused(self, text: str) -> None:
        with pytest.raises(ConfigError, match="not a size"):
            parse_size(text)

    def test_sizes_are_written(self) -> None:
        assert [size_text(n) for n in (0, 999, 1000, 1_440_000_000)] == ["0 B", "999 B", "1.0 kB", "1.4 GB"]


class TestDoctor:
    def test_tells_of_everything(self, tmp_path: Path) -> None:
        done = mien("doctor", "--json", "--store", str(tmp_path))
        assert done.returncode == 0
        facts = json.loads(done.stdout)
        assert {plugin["kind"] for plugin in facts["plugins"]} == set(KINDS)
        assert facts["video"]["h264_encoder"] is True
        assert facts["devices"]["cpu_threads"] >= 1
        assert facts["store"]["folder"] == str(tmp_path)
        assert facts["parquet"]["pyarrow"]
        names = {library["name"]: library["version"] for library in facts["libraries"]}
        assert names["torch"]
        assert "pytest" not in names

    def test_says_why_a_plugin_cannot_be_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from mien.cli.doctor import plugin

        monkeypatch.setattr("mien.registry.registry._installed", lambda module: False)
        found = plugin(load_registry().entry("attribution", "lrp"), load_registry())
        assert found["usable"] is False
        assert found["reason"] == "zennit is not installed"
        assert "mien[zennit]" in found["hint"]


class _Pipeline:
    """Stands in for the steps; notes what it was asked."""

    def __init__(self, ending: Callable[[Path], RunOutcome]) -> None:
        self.ending = ending
        self.asked: dict[str, Any] = {}

    def __call__(self, config: Any, out: Path, **named: Any) -> RunOutcome:
        self.asked = {"config": config, "out": out, **named}
        return self.ending(out)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], RunOutcome]], _Pipeline]:
    def install(ending: Callable[[Path], RunOutcome]) -> _Pipeline:
        stand_in = _Pipeline(ending)
        monkeypatch.setattr("mien.steps.pipeline.run", stand_in)
        return stand_in

    return install


def raising(error: BaseException) -> Callable[[Path], RunOutcome]:
    def end(out: Path) -> RunOutcome:
        raise error

    return end


class TestRun:
    @pytest.mark.parametrize("code", [0, 1])
    def test_leaves_with_the_outcomes_code_and_says_where_the_report_is(
        self, config: Path, tmp_path: Path, pipeline: Any, code: int
    ) -> None:
        stand_in = pipeline(lambda out: RunOutcome(code, out, SUMMARY))
        out, store = tmp_path / "out", tmp_path / "store"
        result = call(
            "run", str(config), "-o", str(out), "--workers", "2", "--store", str(store), "--device", "cpu",
            "--time-limit", "30", "--set", "seed=8",
        )  # fmt: skip
        assert result.exit_code == code
        assert str(out / "report.html") in result.stdout
        assert "pearson" in result.stdout
        asked = stand_in.asked
        assert asked["config"].seed == 8
        assert (asked["workers"], asked["device"], asked["time_limit"]) == (2, "cpu", 30)
        assert asked["store"].root == store

    def test_quiet_says_nothing(self, config: Path, tmp_path: Path, pipeline: Any) -> None:
        pipeline(lambda out: RunOutcome(0, out, SUMMARY))
        result = call("run", str(config), "-o", str(tmp_path), "--quiet")
        assert (result.exit_code, result.output) == (0, "")

    def test_a_users_mistake_has_no_traceback(self, config: Path, tmp_path: Path, pipeline: Any) -> None:
        pipeline(raising(DataError("The disk is full.", where="/data", hint="Free space.")))
        result = call("run", str(config), "-o", str(tmp_path))
        assert result.exit_code == 2
        assert result.stderr == "error: /data: The disk is full.\nFree space.\n"

    def test_interruption(self, config: Path, tmp_path: Path, pipeline: Any) -> None:
        pipeline(raising(KeyboardInterrupt()))
        result = call("run", str(config), "-o", str(tmp_path))
        assert result.exit_code == 130
        assert "goes on from there" in result.stderr

    def test_interruption_before_a_command_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mien.cli.app.app", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 130

    def test_a_broken_pipe_elsewhere_is_not_taken_for_ours(self, config: Path, tmp_path: Path, pipeline: Any) -> None:
        pipeline(raising(BrokenPipeError("a worker died")))
        with suppress(BrokenPipeError):
            assert call("run", str(config), "-o", str(tmp_path)).exit_code not in (0, 141)

    def test_demo_runs_the_bundled_configuration(self, tmp_path: Path, pipeline: Any) -> None:
        stand_in = pipeline(lambda out: RunOutcome(0, out, SUMMARY))
        assert call("demo", "-o", str(tmp_path)).exit_code == 0
        assert stand_in.asked["config"].dataset.use == "animated_face"


class TestHeadlines:
    def test_are_the_held_out_participants_and_the_densest_region_of_each_method(self) -> None:
        lines = dict(headlines(SUMMARY))
        assert lines["data"] == "11 recordings of 6 participants, 40 windows"
        assert lines["pearson"] == "0.912 [0.8, 0.97] on 6 held-out participants"
        assert lines["ig"] == "densest in the mouth: 4.20 times chance (untrained networks at most 1.30)"
        assert lines["lrp"] == "densest in the left eye: 2.00 times chance"
        assert lines["set aside"].startswith("1 recording;")
        assert lines["flagged"].startswith("2 explanations")
        assert set(lines) == {"data", "set aside", "pearson", "ig", "lrp", "flagged"}

    def test_over_folds_no_correlation_is_a_headline(self) -> None:
        assert "pearson" not in dict(headlines({**SUMMARY, "folds": 3}))

    def test_nothing_is_said_of_what_there_is_not(self) -> None:
        bare = {**SUMMARY, "set_aside": 0, "flagged_explanations": 0, "metrics": [], "regions": []}
        assert list(dict(headlines(bare))) == ["data"]


class TestExplain:
    def test_methods_by_name(self) -> None:
        methods = chosen_methods(["a=saliency", "input_x_gradient"], load_registry())
        assert [(name, method.use) for name, method in methods.items()] == [
            ("a", "saliency"),
            ("input_x_gradient", "input_x_gradient"),
        ]

    @pytest.mark.parametrize("given", [["=saliency"], ["a=saliency", "a=saliency"], ["saliensy"]])
    def test_wrong_methods(self, given: Sequence[str]) -> None:
        with pytest.raises(ConfigError):
            chosen_methods(given, load_registry())

    def test_a_method_that_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mien.registry.registry._installed", lambda module: False)
        with pytest.raises(PluginError, match="zennit"):
            chosen_methods(["lrp"], load_registry())

    def test_checkpoint_of_a_run_or_itself(self, tmp_path: Path) -> None:
        (tmp_path / "run" / "checkpoint").mkdir(parents=True)
        assert find_checkpoint(tmp_path / "run") == tmp_path / "run" / "checkpoint"
        assert find_checkpoint(tmp_path / "run" / "checkpoint") == tmp_path / "run" / "checkpoint"
        with pytest.raises(ConfigError, match="does not exist"):
            find_checkpoint(tmp_path / "none")

"""One run with an honest plugin beside dishonest ones: each door is used, each fault is told, and the run goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mien.testing.distributions import write_distribution

pytestmark = pytest.mark.usefixtures("mediapipe_usable")

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "examples" / "plugins" / "mien-hello"

BAD_MANIFEST = """
from mien import hookimpl
MIEN_API = "1.0"
KINDS = ("Fine", "Shape", "Nan", "Change", "Raise", "Hang", "Needs")
@hookimpl
def mien_register(registry):
    for name in KINDS:
        registry.attribution(name.lower(), f"mien_bad.methods:{name}")
    registry.attribution("saliency", "mien_bad.methods:Fine")
    registry.analyzer("odd_chart", "mien_bad.analyzers:OddChart")
    registry.analyzer("odd_raise", "mien_bad.analyzers:OddRaise")
    registry.analyzer("odd_change", "mien_bad.analyzers:OddChange")
@hookimpl
def mien_commands(commands):
    commands.add("run", "mien_bad.methods:Fine")
@hookimpl
def mien_report_section(tables):
    return tables["no such table"]
@hookimpl
def mien_trained(network):
    raise RuntimeError("trained too well")
"""

BAD_METHODS = '''
import time
from mien import AttributionMethod, Explanation

class Fine(AttributionMethod):
    """Keeps its promises."""
    def attribute(self, model, batch, target):
        inputs = batch.inputs.detach()
        return self.changed(Explanation(inputs, target(model.module(inputs)).detach()), model)
    def changed(self, explanation, model):
        return explanation

class Shape(Fine):
    """Returns another shape."""
    def changed(self, explanation, model):
        return Explanation(explanation.relevance[:, :1], explanation.output)

class Nan(Fine):
    """Returns NaN."""
    def changed(self, explanation, model):
        return Explanation(explanation.relevance * float("nan"), explanation.output)

class Change(Fine):
    """Changes the network."""
    def changed(self, explanation, model):
        next(model.module.parameters()).data.mul_(2)
        return explanation

class Raise(Fine):
    """Raises."""
    def changed(self, explanation, model):
        raise LookupError("no idea")

class Hang(Fine):
    """Is never done."""
    def changed(self, explanation, model):
        time.sleep(900)

class Needs(Fine):
    """Imports what is not there."""
    def changed(self, explanation, model):
        import no_such_library_at_all
'''

BAD_ANALYZERS = '''
from mien import Analysis, Analyzer, BarChart, BarSeries

class OddChart(Analyzer):
    """Gives a chart that cannot be drawn."""
    def analyze(self, run):
        series = [BarSeries(name="s", values=["no", "number"])]
        return Analysis(charts=[BarChart(name="odd", title="Odd", groups=["a", "b"], series=series)], notes=["Kept."])

class OddRaise(Analyzer):
    """Raises."""
    def analyze(self, run):
        return [][1]

class OddChange(Analyzer):
    """Changes the network."""
    def analyze(self, run):
        run.model.module.train()
        return Analysis()
'''

LOUD = """
from mien import ReportSection, hookimpl
MIEN_API = "1.0"
@hookimpl
def mien_report_section():
    return ReportSection(title="<img src=x onerror=alert(1)>", paragraphs=["<script>alert(2)</script>"])
"""

CONFIG = """
seed: 2
task_time_limit: 60
dataset: {use: animated_face, participants: 5, test_participants: 1, recordings_per_participant: 1, frames: 10,
  size: 96}
detector: mediapipe
cropper: {use: face, height: 24, width: 24}
windows: {frames: 4, dilation: 2, overlap: 0.5}
backbone: {use: compact_r3d, widths: [4, 8], frames: 4, size: 24}
objective: {use: regression, minimum: 0, maximum: 63}
training: {epochs: 1, batch: 4}
explain:
  windows_per_recording: 1
  methods: {hang: hang, ixg: input_x_gradient, fine: fine, shape: shape, nan: nan, change: change, raise: raise,
    needs: needs}
  controls: {networks: 0}
analyzers: {chart: odd_chart, raised: odd_raise, changed: odd_change, temporal_profile: temporal_profile}
report: {videos: 0}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder that holds the bad distributions, and the honest one's metadata."""
    folder = tmp_path_factory.mktemp("installed")
    sources = {"manifest": BAD_MANIFEST, "methods": BAD_METHODS, "analyzers": BAD_ANALYZERS}
    write_distribution(
        folder,
        "mien-bad",
        {f"mien_bad.{name}": source for name, source in sources.items()},
        entry_points={"bad": "mien_bad.manifest"},
    )
    write_distribution(folder, "mien-loud", {"mien_loud": LOUD}, entry_points={"loud": "mien_loud"})
    write_distribution(folder, "mien-old", {"mien_old": 'MIEN_API = "0.9"'}, entry_points={"old": "mien_old"})
    write_distribution(folder, "mien-dead", {"mien_dead": "raise SystemExit(3)"}, entry_points={"dead": "mien_dead"})
    write_distribution(folder, "mien-lost", {}, entry_points={}, requires=["mien"])
    write_distribution(folder, "mien-hello", {}, version="0.1.0", entry_points={"hello": "mien_hello.manifest"})
    (folder / "run.yaml").write_text(CONFIG)
    return folder


def mien(place, *arguments):
    """Call mien in a process that has the distributions on its path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place), str(HELLO / "src")])}
    command = [sys.executable, "-m", "mien", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=850, check=False, env=environment)


@pytest.fixture(scope="module")
def ran(place):
    options = ["--out", place / "out", "--store", place / "store", "--device", "cpu", "--workers", "2"]
    return mien(place, "run", place / "run.yaml", *options)


@pytest.fixture(scope="module")
def notes(ran, place):
    assert ran.returncode == 1, ran.stderr  # something that was asked for failed
    assert "Traceback" not in ran.stderr + ran.stdout
    return json.loads((place / "out/summary.json").read_text())["notes"]


@pytest.fixture(scope="module")
def report(ran, place):
    return (place / "out/report.html").read_text()


class TestTheHonestOne:
    def test_lifecycle_hooks_are_called_in_their_order(self, ran, place, notes):
        lines = (place / "out/diary.txt").read_text().splitlines()
        kinds = [line.split()[0] for line in lines]
        assert kinds == sorted(kinds, key=["a", "tracked", "trained", "explained", "finished:"].index)
        assert {kind: kinds.count(kind) for kind in kinds} == {
            "a": 1, "tracked": 5, "trained": 1, "explained": 2, "finished:": 1,
        }  # fmt: skip
        assert lines[0] == "a run with the backbone compact_r3d"
        assert "trained the network 'trained' of fold 0" in lines
        assert any(line.endswith("with ixg") for line in lines)

    def test_its_section_and_its_figure_are_in_the_report(self, report, place):
        assert "Hello, participants" in report
        assert "This section comes from the plugin mien-hello==0.1.0." in report
        assert 'id="chart-mien_hello_errors"' in report
        assert (place / "out/figures/mien_hello_errors.pdf").is_file()

    def test_its_command_is_listed_and_says_what_the_run_found(self, ran, place):
        assert "Say what a run found." in mien(place, "--help").stdout
        said = mien(place, "hello", place / "out")
        assert (said.returncode, said.stdout.partition(" and ")[0]) == (0, "Hello from 5 participants")
        missing = mien(place, "hello", place)
        assert missing.returncode == 2
        assert "summary.json" in missing.stderr

    def test_its_scheme_is_a_component(self, place):
        shown = json.loads(mien(place, "plugins", "show", "landmarks", "wflw_98", "--json").stdout)
        assert (shown["facts"]["points"], shown["distribution"]) == (98, "mien-hello==0.1.0")

    def test_it_is_found_good(self, place):
        checked = mien(place, "plugins", "check", "mien-hello", "--json")
        assert checked.returncode == 0, checked.stdout
        whats = {one["what"] for one in json.loads(checked.stdout)["checked"]}
        assert whats == {"entry point hello", "landmarks wflw_98", "command hello"}

    def test_its_own_tests_pass(self, place):
        environment = {**os.environ, "PYTHONPATH": str(HELLO / "src")}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            str(HELLO / "tests"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=place)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("shape", "The relevance has the shape (1, 1, 4, 24, 24), not (1, 3, 4, 24, 24). Relevance has the shape of"),
        ("nan", "The relevance holds NaN or infinite values."),
        ("change", "It changed the network: weights"),
        ("raise", "It raised LookupError: no idea, in 'attribute'."),
        ("needs", "It raised ModuleNotFoundError: No module named 'no_such_library_at_all', in 'attribute'."),
        (
            "hang",
            "It took longer than the limit of 60 seconds; at work was attribution 'hang' of mien-bad==1.0, in 'attr",
        ),
    ],
)
def test_a_method_that_breaks_its_promise_is_told(notes, method, words):
    (note,) = [note for note in notes if note.startswith(f"Method '{method}' did not explain recording")]
    assert f"attribution '{method}' of mien-bad==1.0" in note
    assert words in note


def test_what_keeps_its_promises_has_its_results(place, notes):
    explained = pd.read_parquet(place / "out/tables/explanations.parquet")
    assert set(explained["method"]) == {"ixg", "fine"}


@pytest.mark.parametrize(
    "words",
    [
        "The chart 'odd' of analyzer 'odd_chart' of mien-bad==1.0 cannot be drawn and is left out",
        "Analyzer 'raised' gave no result: analyzer 'odd_raise' of mien-bad==1.0: It raised IndexError",
        "Analyzer 'changed' gave no result: analyzer 'odd_change' of mien-bad==1.0: It changed the network: mode of",
        "The hook 'mien_report_section' of mien-bad==1.0 failed: KeyError: 'no such table'",
        "The hook 'mien_trained' of mien-bad==1.0 failed: RuntimeError: trained too well",
    ],
)
def test_an_analyzer_or_a_hook_that_fails_is_told(notes, words):
    assert any(words in note for note in notes), notes


def test_other_analyzers_are_in_the_report(report):
    assert "Kept." in report
    assert "Temporal profile" in report


def test_what_a_plugin_writes_is_shown_as_it_is(report):
    assert "&lt;img src=x onerror=alert(1)&gt;" in report
    assert "<img src=x" not in report
    assert "<script>alert(2)" not in report


def test_everything_that_is_wrong_is_found(place):
    checked = mien(place, "plugins", "check", "--json")
    assert checked.returncode == 1
    found = {}
    for one in json.loads(checked.stdout)["checked"]:
        found.setdefault(one["distribution"], []).extend(one["faults"])
    assert found["mien"] == []
    assert found["mien-loud"] == []
    assert "was made for API 0.9 of mien, and this mien has 1.0" in found["mien-old"][0]
    assert "cannot be loaded: SystemExit: 3" in found["mien-dead"][0]
    assert "no entry point in the group 'mien'" in found["mien-lost"][0]
    bad = " ".join(found["mien-bad"])
    assert "attribution 'saliency' is registered by both builtin" in bad
    assert "brings a command 'run', but mien has one of this name" in bad

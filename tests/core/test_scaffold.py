"""``mien plugin new``: what it writes installs, passes and is found; names that cannot be used are told first."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import yaml
from typer.testing import CliRunner, Result

from mien.cli.app import app
from mien.errors import ConfigError
from mien.registry import KINDS, load_registry
from mien.registry.loader import LIMIT
from mien.scaffold import EXAMPLES, Design, design, render, write

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def _nobody_has_installed_theirs() -> Iterator[None]:
    """Hide what a reader of the documentation may have written and installed under the names of these tests."""
    with mock.patch.dict(os.environ, {LIMIT: "builtin"}):
        own = load_registry.__wrapped__()
    found = importlib.util.find_spec
    with (
        mock.patch("mien.scaffold.design.load_registry", return_value=own),
        mock.patch("importlib.util.find_spec", lambda name: None if name.startswith("mien_my_") else found(name)),
    ):
        yield


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def plan(kind: str = "attribution", name: str = "my_method") -> Design:
    return design(kind, name)


def plans() -> list[Design]:
    return [plan(kind, f"my_{kind}") for kind in EXAMPLES]


def pretend_installed(made: Design, folder: Path) -> Path:
    """Return the folder that a search path needs to find a written plugin as pip would have installed it."""
    source = folder / "src"
    info = source / f"{made.module}-0.1.0.dist-info"
    info.mkdir()
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    points = [f"{name} = {module}" for name, module in project["entry-points"]["mien"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[mien]", *points]))
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    return source


def run(*command: str, path: list[Path], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python with further folders on its search path, without other plugins where there is none."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "OMP_NUM_THREADS": "1"}
    environment.pop(LIMIT, None)
    if not path:
        environment[LIMIT] = "builtin"
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder of a plugin of each kind."""
    into = tmp_path_factory.mktemp("plugins")
    return {made.kind: write(made, into).folder for made in plans()}


class TestWhatIsWritten:
    def test_every_kind_has_an_example(self) -> None:
        assert list(EXAMPLES) == list(KINDS)

    @pytest.mark.parametrize("kind", EXAMPLES)
    def test_it_is_a_whole_distribution(self, kind: str, written: dict[str, Path]) -> None:
        folder, name, module = written[kind], f"my_{kind}", f"mien_my_{kind}"
        for file in (
            *("README.md", "LICENSE", ".gitignore", ".github/workflows/test.yml", f"examples/{name}.yaml"),
            *(f"src/{module}/__init__.py", f"src/{module}/manifest.py", f"src/{module}/py.typed"),
            f"tests/test_{name}.py",
        ):
            assert (folder / file).is_file(), file
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        assert project["name"] == f"mien-my-{kind.replace('_', '-')}"
        assert project["entry-points"]["mien"] == {name: f"{module}.manifest"}
        assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
        workflow = yaml.safe_load((folder / ".github/workflows/test.yml").read_text())
        assert workflow["jobs"]["test"]["steps"][1]["with"]["python-version"] == "${{ matrix.python }}"

    def test_python_is_as_ruff_wants_it(self, written: dict[str, Path]) -> None:
        ruff = [sys.executable, "-m", "ruff"]
        for check in (["check", "--quiet", "--no-cache"], ["format", "--quiet", "--no-cache", "--diff"]):
            done = subprocess.run([*ruff, *check, *written.values()], capture_output=True, text=True, check=False)
            assert done.stdout + done.stderr == ""

    @pytest.mark.parametrize("kind", EXAMPLES)
    def test_it_imports_public_names_alone(self, kind: str) -> None:
        lines = [line for text in render(plan(kind, "mine")).values() for line in text.splitlines()]
        for line in lines:
            words = line.split()
            if words[:1] in (["from"], ["import"]) and words[1].split(".")[0] in {"mien", "mien_plugins"}:
                assert words[1] in {"mien", "mien.testing"}, line

    @pytest.mark.parametrize("kind", EXAMPLES)
    def test_what_a_run_of_its_example_leaves_is_not_published(self, kind: str, written: dict[str, Path]) -> None:
        """The build tool leaves out what git ignores, so that reports with faces get into no archive."""
        folder = written[kind]
        ignored = (folder / ".gitignore").read_text().splitlines()
        for file in ("README.md", f"examples/my_{kind}.yaml"):
            (out,) = re.findall(r"--out (\S+)", (folder / file).read_text())
            assert f"/{Path(out).parts[0]}/" in ignored, (file, out)

    def test_authors_may_have_any_name(self) -> None:
        made = design("objective", "mine", author='Zoë "Z" O\\Hara\nJr.')
        project = tomllib.loads(render(made)["pyproject.toml"])["project"]
        assert project["authors"] == [{"name": 'Zoë "Z" O\\Hara Jr.'}]


@pytest.mark.slow
def test_the_tests_of_every_kind_pass(written: dict[str, Path]) -> None:
    path = [pretend_installed(made, written[made.kind]) for made in plans()]
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--import-mode=importlib", "-W", "error"]
    tests = [str(folder / "tests") for folder in written.values()]
    done = run("-m", "pytest", *options, *tests, path=path, cwd=written["dataset"])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_an_editable_install_needs_the_build_tool_alone(written: dict[str, Path], tmp_path: Path) -> None:
    """Without the package ``editables``, which hatchling imports where the folder of the sources is not named."""
    pytest.importorskip("hatchling", reason="it builds the plugin")
    script = (
        "import sys; sys.modules['editables'] = None\n"
        "from hatchling.build import build_editable\n"
        "build_editable(sys.argv[1])"
    )
    folder = written["attribution"]
    done = run("-c", script, str(tmp_path), path=[], cwd=folder)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        (line,) = [archive.read(name).decode().strip() for name in archive.namelist() if name.endswith(".pth")]
    assert Path(line) == folder / "src"


def test_an_installed_one_is_listed_and_its_example_is_valid(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="it builds the plugin without a network")
    folder = write(plan(), tmp_path).folder
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    pip = run("-m", "pip", "install", *quiet, "--target", str(tmp_path / "site"), str(folder), path=[])
    assert pip.returncode == 0, pip.stderr
    listed = run("-m", "mien", "plugins", "list", "attribution", "--json", path=[tmp_path / "site"])
    entries = {entry["id"]: entry for entry in json.loads(listed.stdout)["plugins"]}
    assert entries["my_method"]["distribution"] == "mien-my-method==0.1.0"
    example = folder / "examples" / "my_method.yaml"
    checked = run("-m", "mien", "config", "check", str(example), path=[tmp_path / "site"])
    assert checked.stdout == f"{example}: valid\n", checked.stderr
    without = run("-m", "mien", "config", "check", str(example), path=[])
    assert without.returncode == 2
    assert "'my_method'" in without.stderr


class TestNames:
    def test_they_follow_from_the_id(self) -> None:
        made = design("attribution", "my_method")
        assert (made.distribution, made.module, made.class_name) == ("mien-my-method", "mien_my_method", "MyMethod")

    def test_the_distribution_may_be_called_otherwise(self) -> None:
        made = design("detector", "tiny", distribution="Lab.Faces")
        assert (made.distribution, made.module, made.name) == ("Lab.Faces", "lab_faces", "tiny")
        assert 'tiny = "lab_faces.manifest"' in render(made)["pyproject.toml"]

    def test_a_class_never_hides_what_it_needs(self) -> None:
        assert design("backbone", "backbone").class_name == "BackboneComponent"
        assert design("dataset", "path").class_name == "PathComponent"

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("My-Method", "my_method"),
            ("MyMethod", "my_method"),
            ("3d", "my_method"),
            ("class", "my_method"),
            ("a b", "a_b"),
            ("naïve", "na_ve"),
            ("a" * 41, "a" * 40),
            ("", "my_method"),
        ],
    )
    def test_an_id_that_is_no_python_name_is_refused(self, name: str, hint: str) -> None:
        with pytest.raises(ConfigError) as caught:
            design("attribution", name)
        assert f"'{name}' cannot be the id" in caught.value.message
        assert caught.value.hint == f"For example '{hint}'."

    def test_an_id_that_is_taken_is_refused_with_its_owner(self) -> None:
        with pytest.raises(ConfigError, match=r"The id 'saliency' is taken.*attribution.*of mien=="):
            design("attribution", "saliency")

    def test_a_scheme_brings_a_detector_whose_id_must_be_free_too(self) -> None:
        with pytest.raises(ConfigError, match="the detector of mien=="):
            design("landmarks", "mediapipe")

    def test_an_id_of_another_kind_is_free(self) -> None:
        assert design("analyzer", "saliency").name == "saliency"

    def test_an_unknown_kind_names_the_nearest(self) -> None:
        with pytest.raises(ConfigError, match=r"no kind of plugin 'atribution'\. Did you mean 'attribution'"):
            design("atribution", "mine")

    @pytest.mark.parametrize("distribution", ["-x", "a b", "ü", "../x", "a/b"])
    def test_a_distribution_that_pip_would_refuse_is_refused(self, distribution: str) -> None:
        with pytest.raises(ConfigError, match="cannot be the name of a distribution"):
            design("attribution", "mine", distribution=distribution)

    def test_a_distribution_without_a_python_name_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"'3d', which is no Python name. For example 'mien-3d'"):
            design("attribution", "mine", distribution="3d")

    def test_a_module_that_is_installed_is_not_hidden(self) -> None:
        with pytest.raises(ConfigError, match="module 'mien' is installed already"):
            design("attribution", "mine", distribution="mien")


class TestFolder:
    def test_one_that_is_not_empty_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        folder = tmp_path / "mien-my-method"
        folder.mkdir()
        (folder / "thesis.tex").write_text("years of work")
        with pytest.raises(ConfigError, match=r"The folder is not empty\..*'--force'"):
            write(plan(), tmp_path)
        assert [path.name for path in folder.iterdir()] == ["thesis.tex"]

    def test_an_empty_one_is_used(self, tmp_path: Path) -> None:
        (tmp_path / "mien-my-method").mkdir()
        assert write(plan(), tmp_path).replaced == ()

    def test_force_says_what_it_replaces_and_leaves_the_rest(self, tmp_path: Path) -> None:
        folder = write(plan(), tmp_path).folder
        (folder / "notes.txt").write_text("mine")
        (folder / "README.md").write_text("mine")
        again = write(plan(), tmp_path, force=True)
        assert again.replaced == ("README.md",)
        assert (folder / "notes.txt").read_text() == "mine"
        assert (folder / "README.md").read_text().startswith("# mien-my-method")

    def test_one_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match="The plugin cannot be written: Not a directory"):
            write(plan(), tmp_path / "file")


class TestCommand:
    @pytest.mark.parametrize("group", ["plugin", "plugins"])
    def test_it_prints_the_next_steps(self, group: str, tmp_path: Path) -> None:
        into = tmp_path / "a folder"
        result = call(group, "new", "attribution", "my_method", "--into", str(into), "--author", "Ann")
        assert result.exit_code == 0, result.output
        assert f"cd '{into}/mien-my-method'\n  pip install -e '.[test]'\n  pytest\n" in result.stdout
        assert "mien plugins check mien-my-method\n" in result.stdout
        assert "mien run examples/my_method.yaml --out runs/my_method\n" in result.stdout
        assert "explain: {methods: {my_method: my_method}}" in result.stdout
        assert 'authors = [{ name = "Ann" }]' in (into / "mien-my-method" / "pyproject.toml").read_text()

    def test_an_error_is_a_message_and_an_exit_code(self, tmp_path: Path) -> None:
        result = call("plugin", "new", "attribution", "lrp", "--into", str(tmp_path))
        assert result.exit_code == 2
        assert "'lrp' is taken" in result.stderr
        assert not list(tmp_path.iterdir())

    def test_what_is_replaced_is_listed(self, tmp_path: Path) -> None:
        arguments = ("plugin", "new", "cropper", "mine", "--into", str(tmp_path))
        call(*arguments)
        (tmp_path / "mien-mine" / "README.md").write_text("mine")
        assert call(*arguments).exit_code == 2
        result = call(*arguments, "--force")
        assert result.exit_code == 0
        assert result.stderr == f"replaced: {tmp_path / 'mien-mine' / 'README.md'}\n"

    @pytest.mark.parametrize("kind", EXAMPLES)
    def test_its_line_is_of_a_configuration(self, kind: str, tmp_path: Path) -> None:
        line = call("plugin", "new", kind, "mine", "--into", str(tmp_path)).stdout.splitlines()[-1]
        (key,) = yaml.safe_load(line)
        assert key in {
            *("dataset", "detector", "cropper", "backbone", "objective"),
            "explain",
            "action_units",
            "analyzers",
        }
        assert "mine" in line

"""``pytest --mien-plugin``: the suites of a distribution; and nothing where the option is not given."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import mien.testing
from mien.registry import load_registry
from mien.testing import SUITES, pytest_plugin

ROOT = Path(__file__).parents[2]


def run(folder, *arguments, by_hand=True):
    """Return the exit code and what pytest prints, in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command += ["-p", "mien.testing.pytest_plugin"] if by_hand else []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    if by_hand:
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


def test_it_runs_the_suites_of_a_distribution_and_nothing_else(tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    code, told = run(
        tmp_path, "--mien-plugin", "Mien", "-k", "saliency and (documented or sign or round or negative)", "-v"
    )
    assert code == 0, told
    assert "Test_attribution_saliency::test_an_unsigned_method_is_not_negative PASSED" in told
    assert "2 passed" in told
    assert "test_own" not in told


def test_with_paths_it_adds_to_them_and_without_the_option_it_imports_nothing(tmp_path):
    (tmp_path / "test_own.py").write_text(
        "import sys\n\n"
        "def test_own():\n    assert not {'numpy', 'pydantic', 'mien.registry', 'torch'} & set(sys.modules)\n"
    )
    code, told = run(tmp_path, "test_own.py", "-v")
    assert code == 0, told
    code, told = run(tmp_path, "test_own.py", "--mien-plugin", "mien", "--collect-only", "-q")
    assert code == 0, told
    assert "test_own.py::test_own" in told
    for entry in load_registry().entries():
        if entry.distribution.startswith("mien=="):
            assert f"Test_{entry.kind}_{entry.id}::" in told


def test_it_comes_with_mien_and_may_be_named_all_the_same(tmp_path):
    points = [point.name for point in entry_points(group="pytest11") if point.value == "mien.testing.pytest_plugin"]
    if points != ["mien.testing.pytest_plugin"]:
        pytest.skip("mien was installed before it had this entry point: pip install -e .")
    for arguments in ([], ["-p", "mien.testing.pytest_plugin"]):
        code, told = run(tmp_path, "--mien-plugin", "meen", *arguments, by_hand=False)
        assert code == 4, told
        assert "Did you mean 'mien'?" in told


def test_an_unknown_distribution_names_the_nearest(tmp_path):
    code, told = run(tmp_path, "--mien-plugin", "meen")
    assert code == 4, told
    assert "No installed distribution 'meen' registers components with mien. Did you mean 'mien'?" in told


class OwnSuite(SUITES["attribution"]):
    """What `OwnSuite` is run with."""

    atol = 1.0


OwnSuite.__test__ = False


def test_a_component_may_name_a_suite_of_its_own(monkeypatch):
    saliency = load_registry().load("attribution", "saliency")
    monkeypatch.setattr(saliency, "testing_suite", f"{__name__}:OwnSuite")
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or sys.modules[OwnSuite.__module__])
    suites = pytest_plugin.suites_of("mien")
    assert suites["Test_attribution_saliency"].atol == 1.0
    assert suites["Test_attribution_saliency"].component is saliency
    assert issubclass(suites["Test_attribution_occlusion"], SUITES["attribution"])


def test_what_cannot_be_loaded_is_a_usage_error(monkeypatch):
    monkeypatch.setattr(load_registry().load("attribution", "saliency"), "testing_suite", "no_such_module:Suite")
    with pytest.raises(pytest.UsageError, match="no_such_module"):
        pytest_plugin.suites_of("mien")


def test_the_page_names_every_suite_and_every_public_name():
    text = (ROOT / "docs" / "howto" / "test-a-plugin.md").read_text(encoding="utf-8")
    for kind, suite in SUITES.items():
        assert re.search(rf"`{kind}` \| `{suite.__name__}`", text), kind
    told = {"BrokenPromise", "ComponentSuite", "Guarantee", "SUITES"}  # of the reference
    missing = [name for name in mien.testing.__all__ if name not in told and name not in text]
    assert missing == []


def test_names_are_loaded_on_first_use_and_are_all_there():
    assert mien.testing.__all__ == list(mien.testing._HOME)
    for name in mien.testing.__all__:
        assert getattr(mien.testing, name) is not None
    assert set(mien.testing.__all__) <= set(dir(mien.testing))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = mien.testing.no_such_name

"""``mien plugins check`` finds each thing that can be wrong with a distribution, and names the distribution."""

import itertools
import json

import pytest
from typer.testing import CliRunner

from mien.cli.app import app
from mien.registry import checking, load_registry
from mien.registry.checking import check_installed
from mien.testing.distributions import write_distribution

NUMBERS = itertools.count()

MANIFEST = """
from mien import hookimpl
MIEN_API = "1"
@hookimpl
def mien_register(registry):
    {register}
"""

METHOD = '''
from typing import ClassVar
from mien import AttributionMethod
{top}
class Odd(AttributionMethod):
    """Odd."""
    {body}
    def attribute(self, model, batch, target):
        raise NotImplementedError
'''
BACKBONE = '''
from mien import Backbone
class Odd(Backbone):
    """Odd."""
    def build(self, outputs): ...
    def stages(self, model): ...
    @property
    def input_spec(self): {body}
'''
AS_BACKBONE = 'registry.backbone("odd", "PACKAGE.method:Odd")'
REGISTER = 'registry.attribution("odd", "PACKAGE.method:Odd")'


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Return what is found of ``mien-odd``, as if it was installed from these sources."""

    def checked(manifest=MANIFEST, register=REGISTER, method=METHOD, top="", body="", requires=("mien",), points=True):
        if "pandas" not in top:  # it takes a process of its own
            monkeypatch.setattr(checking, "_weight", lambda distribution, registry: [])
        package = f"odd_check_{next(NUMBERS)}"  # Python keeps what it has imported
        sources = {"manifest": manifest.replace("{register}", register), "method": method}
        sources["method"] = sources["method"].replace("{top}", top).replace("{body}", body)
        write_distribution(
            tmp_path,
            "mien-odd",
            {f"{package}.{name}": source.replace("PACKAGE", package) for name, source in sources.items()},
            entry_points={"odd": f"{package}.manifest"} if points else {},
            requires=requires,
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("MIEN_PLUGINS", "odd" if points else "")
        found = check_installed(load_registry.__wrapped__(), lambda name: None)
        return [one for one in found if one.distribution == "mien-odd==1.0"]

    return checked


def faults(found):
    return [fault for one in found for fault in one.faults]


def test_a_good_distribution_is_found_good(check):
    found = check()
    assert [one.what for one in found] == ["entry point odd", "attribution odd"]
    assert faults(found) == []
    assert [one.notes for one in found] == [[], []]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"manifest": "raise OSError('odd')"}, "mien-odd==1.0 cannot be loaded: OSError: odd"),
        ({"manifest": "raise SystemExit(4)"}, "mien-odd==1.0 cannot be loaded: SystemExit: 4"),
        ({"manifest": "class Mine(BaseException): pass\nraise Mine('odd')"}, "cannot be loaded: Mine: odd"),
        ({"manifest": "x = = 1"}, "cannot be loaded: SyntaxError"),
        ({"manifest": 'MIEN_API = "9.0"'}, "is not loaded: it was made for API 9.0 of mien"),
        ({"register": "registry.atribution('odd', 'a:B')"}, "cannot be loaded: AttributeError"),
        ({"register": 'registry.attribution("odd", "no_colon")'}, "is not of the form 'package.module:Name'"),
        ({"register": 'registry.attribution("odd", "a:B", requires="lime")'}, "'requires' is the text 'lime'"),
        ({"register": f"{REGISTER}\n    {REGISTER}"}, "attribution 'odd' is registered by both"),
        ({"register": 'registry.attribution("odd", "PACKAGE.none:Odd")'}, "cannot be imported: ModuleNotFoundError"),
        ({"register": 'registry.attribution("odd", "PACKAGE.method:None_")'}, "cannot be imported: AttributeError"),
        ({"register": 'registry.detector("odd", "PACKAGE.method:Odd")'}, "is not a subclass of mien.interfaces.det"),
        ({"register": 'registry.attribution("odd", "PACKAGE.method:Odd", requires=["lime_x"])'}, "needs lime_x, which"),
        ({"register": 'registry.landmarks("odd", "PACKAGE.method:Odd")'}, "it must return a LandmarkScheme"),
        ({"top": "raise SystemExit(1)"}, "It cannot be imported: SystemExit: 1"),
        ({"top": "import pandas"}, "import pandas at once"),
        ({"method": METHOD.replace('"""Odd."""', "")}, "It has no docstring"),
        ({"method": METHOD.replace("def attribute", "def atribute")}, "It does not implement attribute"),
        ({"body": "model_config = {'extra': 'ignore'}"}, "allows unknown keys"),
        ({"body": "version: ClassVar[int] = 0"}, "Its version is 0"),
        ({"body": "completeness: ClassVar[str] = 'total'"}, "Its completeness is 'total'"),
        ({"body": "steps: int = 'many'"}, ""),
        ({"register": AS_BACKBONE, "method": BACKBONE, "body": "return 'video'"}, "input_spec is str; it must be an"),
        ({"register": AS_BACKBONE, "method": BACKBONE, "body": "raise KeyError('size')"}, "KeyError: 'size'"),
        ({"manifest": f"print('loaded')\n{MANIFEST}", "top": "import json  # pandas"}, "Its modules print when they"),
    ],
)
def test_each_fault_is_told(check, given, words):
    found = check(**given)
    if words:
        assert words in " ".join(faults(found)), found
    else:  # its defaults are refused by its own rules, as those of a component that needs a field
        assert faults(found) == []


def test_what_does_not_travel_to_workers_is_told(check):
    body = "_open: object = __import__('pydantic').PrivateAttr(default_factory=lambda: (lambda: 1))"
    assert "It does not travel to worker processes" in " ".join(faults(check(body=body)))


def test_no_declared_version_is_a_note(check):
    found = check(manifest=MANIFEST.replace('MIEN_API = "1"', ""))
    assert faults(found) == []
    assert 'write MIEN_API = "1.0"' in found[0].notes[0]


def test_what_an_extra_of_mien_would_bring_is_a_note(check):
    register = 'registry.attribution("odd", "PACKAGE.method:Odd", requires=["lime_x"], extra="lime")'
    found = check(register=register)
    assert faults(found) == []
    assert "mien[lime]" in found[1].notes[0]


def test_one_without_entry_point_is_told(check):
    (found,) = check(points=False)
    assert "It has no entry point in the group 'mien'" in found.faults[0]
    assert "[project.entry-points.mien]" in found.faults[0]


def test_a_library_that_merely_requires_mien_is_noted(tmp_path, monkeypatch):
    needs = ["mien[cluster] >= 0.1 ; python_version > '3'"]
    write_distribution(tmp_path, "face-study", {}, entry_points={}, requires=needs)
    write_distribution(tmp_path, "miens-other", {}, entry_points={}, requires=["mienfeld"])
    monkeypatch.syspath_prepend(tmp_path)
    found = {one.distribution: one for one in checking._without_entry_point()}
    assert found["face-study==1.0"].faults == []
    assert "requires mien" in found["face-study==1.0"].notes[0]
    assert "miens-other==1.0" not in found


def mien(*arguments, **environment):
    return CliRunner().invoke(app, list(arguments), env=environment)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return the command line of a process that has a good and a bad distribution."""
    good = MANIFEST.replace("{register}", 'registry.attribution("fine", "check_good.method:Odd")')
    method = METHOD.replace("{top}", "").replace("{body}", "")
    write_distribution(
        tmp_path, "mien-good", {"check_good.manifest": good, "check_good.method": method},
        entry_points={"good": "check_good.manifest"},
    )  # fmt: skip
    write_distribution(tmp_path, "mien-bad", {"check_bad": "raise OSError"}, entry_points={"bad": "check_bad"})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MIEN_PLUGINS", "good,bad")
    load_registry.cache_clear()
    yield mien
    load_registry.cache_clear()


def test_the_command_tells_by_exit_code_and_table(installed):
    result = installed("plugins", "check")
    assert result.exit_code == 1
    assert "mien-bad==1.0" in result.output
    assert "OSError" in result.output
    result = installed("plugins", "check", "Mien_Good")
    assert result.exit_code == 0, result.output
    assert "mien-bad" not in result.output


def test_the_command_gives_json(installed):
    result = installed("plugins", "check", "mien-bad", "--json")
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert (told["api"], told["ok"]) == ("1.0", False)
    (entry,) = told["checked"]
    assert (entry["distribution"], entry["version"], entry["what"]) == ("mien-bad", "1.0", "entry point bad")


def test_an_unknown_distribution_names_the_nearest(installed):
    result = installed("plugins", "check", "mien-god")
    assert result.exit_code == 2
    assert "Did you mean 'mien-good'?" in result.stderr

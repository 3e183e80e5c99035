"""A plugin is loaded when mien still offers what it was made for; else it is told why, and the others stay."""

import itertools

import pytest

from mien import API_VERSION
from mien.api import declared_in_source, mismatch
from mien.registry import load_registry
from mien.testing.distributions import write_distribution

NUMBERS = itertools.count()

MANIFEST = """
    from mien import hookimpl
    {declaration}
    @hookimpl
    def mien_register(registry):
        registry.attribution("odd", "PACKAGE.method:Odd")
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return what the registry makes of a manifest, as if it was installed as mien-odd."""

    def loaded(source):
        package = f"odd_api_{next(NUMBERS)}"  # Python keeps what it has imported
        source = source.replace("PACKAGE", package)
        write_distribution(
            tmp_path, "mien-odd", {f"{package}.manifest": source}, entry_points={"odd": f"{package}.manifest"}
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("MIEN_PLUGINS", "builtin,odd")
        return load_registry.__wrapped__()

    return loaded


@pytest.mark.parametrize(
    ("declared", "offered", "fits"),
    [
        ("1", "1.0", True),
        ("1.0", "1.0", True),
        ("1.0", "1.7", True),
        ("1.7", "1.7", True),
        ("1.8", "1.7", False),
        ("1.10", "1.9", False),  # numbers, not text
        ("2", "1.9", False),
        ("1", "2.0", False),
        ("1.9", "2.0", False),
    ],
)
def test_the_same_major_and_no_later_minor_fit(declared, offered, fits):
    assert (mismatch(declared, offered) is None) == fits


def test_the_reason_says_whose_version_is_older():
    assert "install a newer mien" in mismatch("1.8", "1.7")
    assert "install a newer version of the plugin" in mismatch("1.9", "2.0")


@pytest.mark.parametrize("declared", [1, 1.0, "one", "1.0.0", "", "v1", ("1", "0")])
def test_what_is_no_version_is_told_as_such(declared):
    assert "must be a text such as" in mismatch(declared)


def test_miens_own_manifest_declares_the_version_that_is_offered():
    (own,) = [plugin for plugin in load_registry().plugins if plugin.name == "builtin"]
    assert (own.api, own.loaded) == (API_VERSION, True)


@pytest.mark.parametrize(
    ("declaration", "api"), [('MIEN_API = "1"', "1"), (f'MIEN_API = "{API_VERSION}"', API_VERSION), ("", None)]
)
def test_a_plugin_that_fits_or_says_nothing_is_loaded(load, declaration, api):
    registry = load(MANIFEST.format(declaration=declaration))
    assert registry.problems == []
    assert "odd" in registry.ids("attribution")
    (plugin,) = [one for one in registry.plugins if one.name == "odd"]
    assert (plugin.api, plugin.loaded, plugin.distribution) == (api, True, "mien-odd==1.0")


@pytest.mark.parametrize("declaration", ['MIEN_API = "99.0"', 'MIEN_API = "0.3"', "MIEN_API = 1"])
def test_a_plugin_for_another_api_is_explained_and_not_loaded(load, declaration):
    registry = load(MANIFEST.format(declaration=declaration))
    (problem,) = registry.problems
    assert problem.message.startswith("mien-odd==1.0 is not loaded: ")
    assert problem.distribution == "mien-odd==1.0"
    assert "odd" not in registry.ids("attribution")
    assert "saliency" in registry.ids("attribution")
    (plugin,) = [one for one in registry.plugins if one.name == "odd"]
    assert not plugin.loaded


def test_a_name_that_mien_does_not_have_is_explained_by_the_version_behind_it(load):
    source = """
        raise_first = 1
        MIEN_API = "99.1"
        from mien import SomethingNew
    """
    (problem,) = load(source).problems
    assert "it was made for API 99.1 of mien" in problem.message
    assert "ImportError" not in problem.message


def test_a_missing_library_is_not_blamed_on_the_version(load):
    (problem,) = load('MIEN_API = "1"\nimport no_such_library_at_all').problems
    assert "mien-odd==1.0 cannot be loaded: ModuleNotFoundError" in problem.message


def test_the_source_is_read_without_being_run(load, tmp_path, monkeypatch):
    (problem,) = load('MIEN_API = "1.0"\nraise SystemExit(3)').problems
    assert "mien-odd==1.0 cannot be loaded: SystemExit: 3" in problem.message
    (module,) = (path.parent.name for path in tmp_path.glob("*/manifest.py"))
    assert declared_in_source(f"{module}.manifest") == "1.0"
    (tmp_path / "annotated_manifest.py").write_text('MIEN_API: str = "9.0"\nraise SystemExit')
    monkeypatch.syspath_prepend(tmp_path)
    assert declared_in_source("annotated_manifest") == "9.0"
    assert declared_in_source("json") is None
    assert declared_in_source("no_such_module_at_all") is None

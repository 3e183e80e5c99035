"""A broken plugin hurts nobody else, and every fault is told with its owner."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from mien.errors import ConfigError, PluginError
from mien.interfaces import AttributionMethod
from mien.registry import hookimpl, load_registry, loader


def _plugin(name, register, monkeypatch):
    module = ModuleType(name)
    module.mien_register = hookimpl(register)
    monkeypatch.setitem(sys.modules, name, module)
    return _Point(name, name, module)


class _Point:
    """An entry point of a distribution that is not installed."""

    def __init__(self, name, value, module, distribution="stranger"):
        self.name, self.value = name, value
        self.dist = SimpleNamespace(name=distribution, version="1.0")
        self._module = module

    def load(self):
        if isinstance(self._module, Exception):
            raise self._module
        return self._module


@pytest.fixture
def load(monkeypatch):
    """Load a registry of the given entry points beside the built-in one."""
    built_in = [point for point in loader.entry_points(group="mien") if point.dist.name == "mien"]

    def with_points(*points, limit=None):
        monkeypatch.setattr(loader, "entry_points", lambda group: [*points, *built_in])
        if limit is None:
            monkeypatch.delenv("MIEN_PLUGINS", raising=False)
        else:
            monkeypatch.setenv("MIEN_PLUGINS", limit)
        return load_registry.__wrapped__()

    return with_points


class Tiny(AttributionMethod):
    """A stranger's method."""

    def attribute(self, model, batch, target):
        raise NotImplementedError


def test_a_strangers_component_is_made_with_its_provenance(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "stranger_methods", SimpleNamespace(Tiny=Tiny))
    point = _plugin("stranger", lambda registry: registry.attribution("tiny", "stranger_methods:Tiny"), monkeypatch)
    registry = load(point)
    assert registry.problems == []
    made = registry.create("attribution", "tiny")
    assert (made.use, made.provenance()["distribution"]) == ("tiny", "stranger==1.0")


def test_a_plugin_that_raises_is_named_and_the_others_stay(load, monkeypatch):
    registry = load(_Point("broken", "broken_module", ImportError("no such thing")))
    (problem,) = registry.problems
    assert "stranger==1.0 cannot be loaded: ImportError: no such thing" in problem.message
    assert "integrated_gradients" in registry.ids("attribution")


def test_an_id_that_a_plugin_would_have_brought_is_told_with_the_plugin(load, monkeypatch):
    def odd(registry):
        registry.attribution("refused", "no_colon")

    gone = _Point("broken", "broken_module", ImportError("no such thing"), "mien-gone")
    registry = load(gone, _plugin("odd", odd, monkeypatch))
    with pytest.raises(ConfigError, match="There is no attribution 'salience'") as caught:
        registry.entry("attribution", "salience")
    assert caught.value.hint == "Did you mean 'saliency'? mien-gone==1.0 cannot be loaded: ImportError: no such thing."
    assert "'no_colon' is not of the form" in registry.instead("attribution", "refused")


def test_of_two_owners_of_an_id_the_built_in_stays_and_both_are_named(load, monkeypatch):
    point = _plugin("thief", lambda registry: registry.attribution("saliency", "thief:Saliency"), monkeypatch)
    registry = load(point)
    (problem,) = registry.problems
    assert "mien_plugins.manifest" in problem.message
    assert "thief" in problem.message
    assert registry.entry("attribution", "saliency").distribution.startswith("mien==")


def test_the_same_entry_point_twice_is_a_problem_not_a_silent_skip(load, monkeypatch):
    point = _plugin("twice", lambda registry: None, monkeypatch)
    assert "twice" in load(point, point).problems[0].message


def test_a_target_of_the_wrong_form_is_a_problem(load, monkeypatch):
    point = _plugin("odd", lambda registry: registry.detector("odd", "no_colon_here"), monkeypatch)
    assert "package.module:Name" in load(point).problems[0].message


@pytest.mark.parametrize(
    ("id_", "given", "words"),
    [
        (5, {}, "an id is a text of letters, digits"),
        ("", {}, "an id is a text of letters, digits"),
        ("a b/../c", {}, "an id is a text of letters, digits"),
        ("odd", {"help": 5}, "'extra' and 'help' are texts"),
        ("odd", {"extra": None}, "'extra' and 'help' are texts"),
        ("odd", {"requires": [5]}, "not a list of modules"),
        ("odd", {"requires": None}, "not a list of modules"),
    ],
)
def test_what_cannot_be_listed_is_not_registered_and_told(load, monkeypatch, id_, given, words):
    registry = load(_plugin("odd", lambda registry: registry.detector(id_, "a.b:C", **given), monkeypatch))
    (problem,) = registry.problems
    assert "of stranger==1.0 is not registered" in problem.message
    assert words in problem.message
    assert "odd" not in registry.ids("detector")


def test_a_requirement_in_a_package_that_cannot_be_imported_is_missing(load, monkeypatch, tmp_path):
    (tmp_path / "package_that_leaves.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)

    def far(registry):
        registry.attribution("far", "far_away:Far", requires=["package_that_leaves.part"])

    registry = load(_plugin("far", far, monkeypatch))
    assert registry.entry("attribution", "far").missing() == ["package_that_leaves.part"]


def test_the_environment_limits_what_loads(load, monkeypatch):
    point = _plugin("stranger", lambda registry: registry.attribution("tiny", "a:B"), monkeypatch)
    assert load(point, limit="stranger").ids("attribution") == ["tiny"]
    assert "tiny" not in load(point, limit="builtin").ids("attribution")
    assert "no_such" in load(point, limit="no_such").problems[0].message


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(ConfigError, match=r"Did you mean 'mediapipe'"):
        load_registry().entry("detector", "mediapip")


def test_a_promise_that_is_not_kept_names_the_distribution(load, monkeypatch):
    point = _plugin("liar", lambda registry: registry.attribution("none", "json:NoSuchThing"), monkeypatch)
    with pytest.raises(PluginError, match=r"attribution 'none' of stranger==1\.0"):
        load(point).load("attribution", "none")


def test_a_component_of_another_kind_is_refused(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "stranger_methods", SimpleNamespace(Tiny=Tiny))
    point = _plugin("mixed", lambda registry: registry.detector("tiny", "stranger_methods:Tiny"), monkeypatch)
    with pytest.raises(PluginError, match="not a subclass"):
        load(point).load("detector", "tiny")


def test_a_missing_requirement_is_told_without_importing(load, monkeypatch):
    def far(registry):
        registry.attribution("far", "far_away:Far", requires=["no_such_module"], extra="captum")

    registry = load(_plugin("far", far, monkeypatch))
    assert registry.entry("attribution", "far").missing() == ["no_such_module"]
    with pytest.raises(PluginError, match=r"pip install 'mien\[captum\]'"):
        registry.require("attribution", "far")


def test_what_a_stranger_needs_comes_with_its_distribution(load, monkeypatch):
    def far(registry):
        registry.attribution("far", "far_away:Far", requires=["no_such_module"])

    registry = load(_plugin("far", far, monkeypatch))
    with pytest.raises(PluginError, match=r"needs no_such_module, which is not installed.*pip install 'stranger'"):
        registry.require("attribution", "far")


def test_real_entry_points_are_what_the_loader_reads():
    points = list(loader.entry_points(group="mien"))
    assert "builtin" in {point.name for point in points}
    # Their class is importlib's own, or that of its backport where something has imported it.
    assert {type(point).__name__ for point in points} == {"EntryPoint"}
    assert any(entry.owner.startswith("builtin") for entry in load_registry().entries())

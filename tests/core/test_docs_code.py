"""The code on the how-to pages of the kinds of plugin is what ``mien plugin new`` writes, and it runs.

Each page's component is put into a module of its own, its tests are collected here, and its configuration is checked
with the page's component registered.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
import yaml

from mien.config.check import misfits
from mien.config.loading import load_config
from mien.registry import Registrar, Registry, load_registry
from mien.registry.loader import LIMIT
from mien.scaffold import EXAMPLES, Design, design, render

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
NAMES = {
    "dataset": "my_videos",
    "detector": "my_detector",
    "landmarks": "my_points",
    "cropper": "my_cropper",
    "backbone": "my_network",
    "objective": "my_score",
    "attribution": "my_method",
    "action_units": "my_lips",
    "analyzer": "my_region",
}
"""What each page calls its plugin."""

_BLOCK = re.compile(r'^```python title="(?P<title>[^"]+)"\n(?P<code>.*?)^```$', re.DOTALL | re.MULTILINE)


def page(kind: str) -> str:
    return (HOWTO / f"plugin-{kind.replace('_', '-')}.md").read_text(encoding="utf-8")


def files(kind: str) -> dict[str, list[str]]:
    """Return the pieces of each file that a page shows, in order."""
    found: dict[str, list[str]] = {}
    for block in _BLOCK.finditer(page(kind)):
        found.setdefault(block["title"], []).append(block["code"].rstrip("\n"))
    return found


def own() -> Registry:
    """Return what mien itself registers."""
    with mock.patch.dict(os.environ, {LIMIT: "builtin"}):
        return load_registry.__wrapped__()


@cache
def made(kind: str) -> tuple[Design, dict[str, str]]:
    """Return a page's plugin as it is written, also where a reader has installed it."""
    with mock.patch("importlib.util.find_spec", return_value=None):
        plan = design(kind, NAMES[kind], registry=own())
    return plan, render(plan)


def squeezed(code: str) -> str:
    """Return code without its empty lines, of which a page shows fewer between its pieces."""
    return "\n".join(line for line in code.splitlines() if line.strip())


def without_docstring(code: str) -> str:
    return code.split("\n", 1)[1]


def module(name: str, code: str) -> ModuleType:
    """Return a module of that name; it can be imported until it is taken out of `sys.modules`."""
    MODULES[name] = sys.modules[name] = new = ModuleType(name)
    exec(compile(code, f"<{name}>", "exec"), new.__dict__)
    return new


def component_modules(kind: str) -> None:
    """Make the modules that a page shows; what it does not show is as it is written."""
    _, written = made(kind)
    sources = {path: code for path, code in written.items() if path.startswith("src/") and path.endswith(".py")}
    shown = {path: "\n".join(pieces) for path, pieces in files(kind).items() if path.startswith("src/")}
    for path, code in {**sources, **shown}.items():
        module(path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", "."), code)


def shown_tests(kind: str) -> Iterator[tuple[str, Any]]:
    """Yield the tests and fixtures that a page shows, run with what the whole file imports for them."""
    plan, written = made(kind)
    path = f"tests/test_{plan.name}.py"
    imports = written[path].split("\n\n\n")[0]
    tests = module(f"shown_{kind}", "\n".join([imports, *files(kind)[path]]))
    for name, value in vars(tests).items():
        if getattr(value, "__module__", "") == tests.__name__ or name == "videos":
            if isinstance(value, type):
                value.test_it_works_in_a_whole_small_run = None  # test_scaffold.py runs the same component there
            yield name, value


MODULES: dict[str, ModuleType] = {}

for _kind in NAMES:
    component_modules(_kind)
    globals().update(shown_tests(_kind))
for _name in MODULES:
    del sys.modules[_name]


@pytest.fixture(autouse=True, scope="module")
def _importable() -> Iterator[None]:
    """Let the pages' modules be imported while these tests run, as workers and pickles do."""
    sys.modules.update(MODULES)
    yield
    for name in MODULES:
        del sys.modules[name]


def test_every_kind_has_its_page_and_the_overview_names_it() -> None:
    overview = (HOWTO / "write-a-plugin.md").read_text(encoding="utf-8")
    assert list(NAMES) == list(EXAMPLES)
    for kind in NAMES:
        assert f"(plugin-{kind.replace('_', '-')}.md)" in overview
        assert f"mien plugin new {kind} {NAMES[kind]}\n" in page(kind)


@pytest.mark.parametrize("kind", NAMES)
def test_a_page_shows_what_is_written(kind: str) -> None:
    plan, written = made(kind)
    shown = files(kind)
    assert f"src/{plan.module}/{EXAMPLES[kind].file}.py" in shown
    for path, pieces in shown.items():
        if path.startswith("src/"):
            assert squeezed("\n".join(pieces)) == squeezed(without_docstring(written[path]))
        else:
            assert all(piece in written[path] for piece in pieces)


@pytest.mark.parametrize("kind", NAMES)
def test_a_pages_configuration_is_valid(kind: str, tmp_path: Path) -> None:
    plan, written = made(kind)
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", page(kind), re.DOTALL | re.MULTILINE)
    whole = merged(yaml.safe_load(written[f"examples/{plan.name}.yaml"]), yaml.safe_load(shown))
    assert plan.name in yaml.safe_dump(yaml.safe_load(shown))
    (tmp_path / "videos").mkdir()
    (tmp_path / "page.yaml").write_text(yaml.safe_dump(whole))
    registry = with_page(kind)
    assert misfits(load_config(tmp_path / "page.yaml", registry=registry), registry) == []


def merged(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with a part of it put in; a component (which has ``use``) is replaced as a whole."""
    result = dict(whole)
    for key, value in part.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict) and "use" not in value
        result[key] = merged(old, value) if both else value
    return result


def with_page(kind: str) -> Registry:
    """Return what mien itself registers, and the page's plugin."""
    plan, _ = made(kind)
    registry = own()
    register = MODULES[f"{plan.module}.manifest"].mien_register
    register(Registrar(registry, plan.name, f"{plan.distribution}==0.1.0"))
    return registry

"""The public names: each resolves, is documented, and stands on the page of the reference."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import mien
import mien.testing

DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = [mien, mien.testing]
NAMES = [(module, name) for module in PACKAGES for name in module.__all__]


@cache
def statements(module: str) -> list[ast.stmt]:
    """Return the top statements of a module, those within ``if`` in its place."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    return list(opened(ast.parse(Path(found.origin).read_text(encoding="utf-8")).body))


def opened(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.If):
            yield from opened(statement.body)
            yield from opened(statement.orelse)
        else:
            yield statement


def docstring(module: str, name: str) -> str | None:
    """Return what the source says of a name; dataclasses make up a docstring where there is none."""
    body = statements(module)
    for statement, after in zip(body, [*body[1:], None], strict=True):
        match statement:
            case ast.ClassDef(name=found) | ast.FunctionDef(name=found) if found == name:
                return ast.get_docstring(statement)
            case ast.Assign(targets=[ast.Name(id=found)]) | ast.AnnAssign(target=ast.Name(id=found)) if found == name:
                text = after.value if isinstance(after, ast.Expr) else None
                return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else None
            case ast.ImportFrom(module=str(home), names=names):
                for alias in names:
                    if (alias.asname or alias.name) == name:
                        return docstring(home, alias.name)
    return None


def for_type_checkers(module: ModuleType) -> dict[str, str]:
    """Return the home of each name in a package's ``if TYPE_CHECKING`` block."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    found = {}
    for statement in block.body:
        assert isinstance(statement, ast.ImportFrom)
        for alias in statement.names:
            assert alias.asname == alias.name  # else a strict type checker takes it for private
            found[alias.name] = str(statement.module)
    return found


@pytest.mark.parametrize(("module", "name"), NAMES, ids=[f"{module.__name__}.{name}" for module, name in NAMES])
def test_a_public_name_resolves_and_is_documented(module, name):
    assert getattr(module, name) is not None
    assert (docstring(module.__name__, name) or "").strip()


def test_the_tables_of_names_agree():
    assert mien.__all__ == ["__version__", *mien._HOME]
    assert mien.testing.__all__ == list(mien.testing._HOME)
    assert for_type_checkers(mien) == mien._HOME
    assert for_type_checkers(mien.testing) == {
        name: f"mien.testing.{home}" for name, home in mien.testing._HOME.items()
    }
    for module in PACKAGES:
        assert set(module.__all__) <= set(dir(module))
        with pytest.raises(AttributeError, match="no_such_name"):
            _ = module.no_such_name


def test_every_public_name_and_no_other_is_on_the_page():
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: (\S+)$", page, re.MULTILINE)
    assert sorted(shown) == sorted(f"{module.__name__}.{name}" for module, name in NAMES)


def test_a_name_without_a_topic_is_told():
    generate = runpy.run_path(str(DOCS / "generate.py"))
    misplaced, topics = generate["misplaced"], generate["PUBLIC"]
    for module in PACKAGES:
        assert misplaced(module, topics[module.__name__]) == []
    package = ModuleType("package")
    package.__all__ = ["one", "two", "three"]
    assert misplaced(package, {"First": ("", "one two"), "Second": ("", "two four")}) == [
        "package.three has no topic",
        "package.two has 2 topics",
        "package.four is not public",
    ]


def test_what_lacks_a_docstring_is_seen(tmp_path, monkeypatch):
    source = "from dataclasses import dataclass\n@dataclass\nclass Bare:\n    x: int\nalias = 1\nother = 2\n'Told.'\n"
    (tmp_path / "bare_names_of_a_test.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    found = {name: docstring("bare_names_of_a_test", name) for name in ("Bare", "alias", "other", "missing")}
    assert found == {"Bare": None, "alias": None, "other": "Told.", "missing": None}

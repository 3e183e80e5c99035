"""Who may import whom, read from the source; and that listing stays light."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.registry import load_registry

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core"
PLUGINS = ROOT / "plugins"
HEAVY = (
    "torch",
    "torchvision",
    "lightning",
    "mediapipe",
    "captum",
    "zennit",
    "cv2",
    "av",
    "pandas",
    "matplotlib",
    "plotly",
)


def imports(file: Path) -> Iterator[str]:
    """Yield every module that a file imports, anywhere in it."""
    package = file.parent.relative_to(CORE if CORE in file.parents else PLUGINS).parts
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def test_core_never_imports_plugins() -> None:
    guilty = [str(file) for file in sources(CORE) if any(m.split(".")[0] == "mien_plugins" for m in imports(file))]
    assert guilty == []


def test_plugins_do_not_import_each_other_across_kinds() -> None:
    guilty = []
    for file in sources(PLUGINS / "mien_plugins"):
        kind = file.relative_to(PLUGINS / "mien_plugins").parts[0]
        for module in imports(file):
            parts = module.split(".")
            if parts[0] == "mien_plugins" and len(parts) > 1 and parts[1] != kind:
                guilty.append(f"{file.name}: {module}")
    assert guilty == []


def test_the_reader_of_imports_sees_them() -> None:
    found = set(imports(CORE / "mien" / "cli" / "app.py"))
    assert {"typer", "typer.core.TyperGroup", "mien.cli.run_commands", "mien.errors"} <= found


def test_no_init_directly_in_the_roots() -> None:
    assert not (CORE / "__init__.py").exists()
    assert not (PLUGINS / "__init__.py").exists()


def test_library_never_prints() -> None:
    guilty = [
        f"{file.name}:{node.lineno}"
        for file in sources(CORE) + sources(PLUGINS)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert guilty == []


def loaded_after(code: str) -> set[str]:
    """Return the heavy libraries that a fresh process holds after running ``code``."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1])) & {*HEAVY, "numpy", "scipy"}


def test_importing_mien_and_listing_is_light() -> None:
    assert loaded_after("import mien\nfrom mien.registry import load_registry\nload_registry().entries()") == set()


def test_importing_every_component_imports_no_heavy_library() -> None:
    code = "from mien.registry import load_registry\nr = load_registry()\n[r.load(e.kind, e.id) for e in r.entries()]"
    assert loaded_after(code) & set(HEAVY) == set()


@pytest.mark.parametrize("entry", load_registry().entries(), ids=lambda entry: f"{entry.kind}-{entry.id}")
def test_every_manifest_entry_can_be_imported(entry: object) -> None:
    assert callable(load_registry().load(entry.kind, entry.id))  # type: ignore[attr-defined]


def test_no_installed_manifest_has_a_problem() -> None:
    assert load_registry().problems == []

"""Guarantees: equal content gives equal keys on every machine; changed code changes them."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import DataError, PluginError
from mien.store.keys import digest, file_digest, package_digest, source_version

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


def test_digest_is_the_hash_of_canonical_json() -> None:
    expected = hashlib.sha256(b'{"a":[1,2.5,null,true],"b":"\\u00e9"}').hexdigest()
    assert digest({"b": "é", "a": (1, 2.5, None, True)}) == expected


@given(JSON, JSON)
def test_digests_are_equal_for_equal_values_only(one: object, other: object) -> None:
    # repr tells 1 from 1.0 and from True, which == does not.
    same = repr(_ordered(one)) == repr(_ordered(other))
    assert (digest(one) == digest(other)) == same


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("value", [Path("a"), {"a": {1, 2}}, b"bytes"])
def test_values_that_are_not_json_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        digest(value)


def test_a_name_that_is_not_unicode_has_a_digest() -> None:
    assert len(digest("video\udcff.mp4")) == 64


def test_file_digest_is_that_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(range(256)) * 5000)
    assert file_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["absent.mp4", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=tmp_path.name):
        file_digest(tmp_path / name)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an importable package of which no code was seen yet."""
    folder = tmp_path / "keyed_package"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("x = 1\n")
    (folder / "inner" / "part.py").write_text("y = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    package_digest.cache_clear()
    return folder


def _digest_now() -> str:
    package_digest.cache_clear()
    importlib.invalidate_caches()
    return package_digest("keyed_package")


def test_package_digest_follows_the_source(package: Path) -> None:
    first = _digest_now()
    assert _digest_now() == first
    (package / "notes.txt").write_text("no code")
    assert _digest_now() == first
    (package / "inner" / "part.py").write_text("y = 3\n")
    changed = _digest_now()
    (package / "inner" / "part.py").rename(package / "inner" / "other.py")
    moved = _digest_now()
    assert len({first, changed, moved}) == 3


def test_package_digest_is_that_of_the_code_that_runs(package: Path) -> None:
    first = package_digest("keyed_package")
    (package / "__init__.py").write_text("x = 2\n")
    assert package_digest("keyed_package") == first


def test_a_single_module_has_a_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keyed_module.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert package_digest("keyed_module") == digest({"keyed_module.py": hashlib.sha256(b"x = 1\n").hexdigest()})


@pytest.mark.parametrize("module", ["no_such_module", "sys", "no.such.module", ""])
def test_a_module_without_source_is_named(module: str) -> None:
    with pytest.raises(PluginError, match="source"):
        package_digest(module)


def _install(folder: Path, direct_url: str | None) -> None:
    info = folder / "keyed-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: keyed\nVersion: 1.2\n")
    if direct_url is not None:
        (info / "direct_url.json").write_text(direct_url)


@pytest.mark.parametrize(
    ("direct_url", "hashed"),
    [
        (None, False),
        ('{"url": "https://x/keyed.whl", "archive_info": {}}', False),
        ('{"url": "file:///x", "dir_info": {}}', False),
        ('{"url": "file:///x", "dir_info": {"editable": true}}', True),
    ],
)
def test_only_an_editable_install_is_told_by_its_source(package: Path, direct_url: str | None, hashed: bool) -> None:
    _install(package.parent, direct_url)
    command = "from mien.store.keys import *; print(source_version('keyed==1.2', 'keyed_package.inner.part'))"
    # In a process of its own: what is installed is asked once a process.
    run = subprocess.run(
        [sys.executable, "-c", command], cwd=package.parent, capture_output=True, text=True, check=True
    )
    source = f"+{package_digest('keyed_package')[:16]}" if hashed else ""
    assert run.stdout.strip() == f"keyed==1.2{source}"


@pytest.mark.parametrize("distribution", ["unknown", "", "not-installed==1"])
def test_code_that_is_not_installed_is_told_by_its_source(package: Path, distribution: str) -> None:
    expected = f"{distribution}+{package_digest('keyed_package')[:16]}"
    assert source_version(distribution, "keyed_package") == expected

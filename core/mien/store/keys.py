"""What stored results are addressed by: digests of values, of files and of the code that made them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import lru_cache
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Any

from mien.errors import DataError, PluginError


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, as 64 hexadecimal digits.

    Parameters
    ----------
    value : None, bool, int, float, str, and lists, tuples and dictionaries (with str keys) of them
        The order of keys does not matter; a tuple equals a list; 1 differs from 1.0.

    Raises
    ------
    TypeError
        When the value holds anything else, e.g. a path: its text may differ between machines.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, as 64 hexadecimal digits; the file is streamed.

    Raises
    ------
    DataError
        When it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"The file cannot be read: {error.strerror}.", where=str(path)) from error


def source_version(distribution: str, module: str) -> str:
    """Return what changes when the code that ``distribution`` installed changes.

    Parameters
    ----------
    distribution : str
        ``name==version``, as a component's provenance has it.
    module : str
        A module of it; its top-level package is what is looked at.

    Returns
    -------
    str
        ``name==version``; followed by ``+`` and a digest of the package's source where the version does not
        tell: in an editable install, or when the package is not installed at all.

    Raises
    ------
    PluginError
        When the source is needed and cannot be found.
    """
    if not _changes_without_version(distribution.partition("==")[0]):
        return distribution
    return f"{distribution}+{package_digest(module.partition('.')[0])[:16]}"


@lru_cache(maxsize=256)
def _changes_without_version(name: str) -> bool:
    try:
        origin = Distribution.from_name(name).read_text("direct_url.json")
    except (PackageNotFoundError, ValueError):  # ValueError: the name is empty
        return True
    # Packages from an index have no such file.
    return bool(json.loads(origin or "{}").get("dir_info", {}).get("editable", False))


@lru_cache(maxsize=256)
def package_digest(module: str) -> str:
    """Return the SHA-256 over all ``*.py`` files of a module or package: their names and their content.

    It is computed once a process: code that changes later is not the code that runs.

    Raises
    ------
    PluginError
        When there is no such module, or its source is not in files.
    """
    files = _source_files(module)
    return digest({name: file_digest(path) for name, path in files.items()})


def _source_files(module: str) -> dict[str, Path]:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is not None and spec.submodule_search_locations is not None:
        folders = [Path(folder) for folder in spec.submodule_search_locations]
        files = {path.relative_to(folder).as_posix(): path for folder in folders for path in folder.rglob("*.py")}
    elif spec is not None and spec.origin is not None and Path(spec.origin).is_file():
        files = {Path(spec.origin).name: Path(spec.origin)}
    else:
        files = {}
    if not files:
        raise PluginError("The source of the module cannot be found.", where=module)
    return files

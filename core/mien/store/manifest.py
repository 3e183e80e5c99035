"""The list of an entry's files, by which damage is noticed."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.store.keys import digest, file_digest

NAME = "manifest.json"
FORMAT = 1


def seal(folder: Path, step: str, key: str, about: dict[str, Any]) -> None:
    """Write the manifest of all files in ``folder``.

    Nothing is forced to the disk, which would take most of the time of a small entry: after a power cut a file that
    did not arrive is shorter than noted, and the entry is made again.
    """
    body = {
        "format": FORMAT,
        "step": step,
        "key": key,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "about": about,
        "files": {name: _describe(path) for name, path in _files(folder)},
    }
    _write(folder, body)


def read(folder: Path) -> dict[str, Any] | None:
    """Return an entry's manifest, or None when it is absent or damaged."""
    try:
        body = json.loads((folder / NAME).read_bytes())
        stated = body.pop("digest")
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None
    return body if stated == digest(body) and body.get("format") == FORMAT else None


def fault(folder: Path) -> str | None:
    """Return what is wrong with an entry, or None.

    A file of the noted size and time of change is trusted.  Another time (the store was copied, say) has its
    content compared, and the new time noted.
    """
    body = read(folder)
    if body is None:
        return "its manifest cannot be read"
    moved = False
    for name, noted in body["files"].items():
        path = folder / name
        try:
            found = path.stat()
        except OSError:
            return f"{name} is missing"
        if found.st_size != noted["size"]:
            return f"{name} has {found.st_size} bytes, not {noted['size']}"
        if found.st_mtime_ns == noted["mtime_ns"]:
            continue
        if not _same_content(path, noted["sha256"]):
            return f"the content of {name} has changed"
        noted["mtime_ns"], moved = found.st_mtime_ns, True
    if moved:
        with suppress(OSError):  # a store may be shared and closed to writing; it is only slower then
            _write(folder, body)
    return None


def stamp(folder: Path) -> None:
    """Note that the entry was used now: as the manifest's time of change."""
    with suppress(OSError):
        os.utime(folder / NAME)


def last_used(folder: Path) -> float:
    """Return when the entry was last used, in seconds since the epoch; 0 when it has no manifest."""
    try:
        return (folder / NAME).stat().st_mtime
    except OSError:
        return 0.0


def _files(folder: Path) -> list[tuple[str, Path]]:
    found = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    if NAME in dict(found):
        raise ValueError(f"{folder}: the name {NAME} is the store's own")
    return found


def _describe(path: Path) -> dict[str, Any]:
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": file_digest(path)}


def _same_content(path: Path, sha256: str) -> bool:
    try:
        return file_digest(path) == sha256
    except DataError:
        return False


def _write(folder: Path, body: dict[str, Any]) -> None:
    # What is digested is what a reader gets: JSON turns tuples into lists, and keys into text.
    body = json.loads(json.dumps(body))
    partial = folder / f".{NAME}.{os.getpid()}"
    try:
        partial.write_text(json.dumps({**body, "digest": digest(body)}, indent=1), encoding="utf-8")
        partial.replace(folder / NAME)
    finally:
        partial.unlink(missing_ok=True)

"""A content-addressed store: results are written whole or not at all, and verified when found."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.store import manifest
from mien.store.faults import explained

logger = logging.getLogger(__name__)

_DAY = 86_400.0
_PARTIAL = ".partial"
_SCRATCH = ".scratch"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Entry:
    """A folder of the store; ``used`` is in seconds since the epoch, ``size`` in bytes."""

    step: str
    key: str
    path: Path
    size: int
    used: float
    scratch: bool = False


@dataclass(frozen=True)
class StepSize:
    """How much the results of a step take: bytes, and number of entries."""

    bytes: int = 0
    entries: int = 0


class Store:
    """Results by step and key.

    Several processes may read and write one store.  Nothing is made on the disk until something is written.

    Parameters
    ----------
    root : Path
        Its folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).expanduser().absolute()

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def find(self, step: str, key: str) -> Path | None:
        """Return the folder of an entry, or None when there is none.

        The entry is verified.  A damaged one is removed and a warning logged, so that it is made again.

        Raises
        ------
        DataError
            When the store cannot be read, or a damaged entry cannot be removed.
        """
        folder = self._folder(step, key)
        with explained(self.root):
            if not folder.is_dir():
                return None
            fault = manifest.fault(folder)
            if fault is None:
                manifest.stamp(folder)
                return folder
            if self._discard(folder):
                logger.warning("The stored result %s is damaged (%s) and will be made again.", folder, fault)
            return None

    def about(self, step: str, key: str) -> dict[str, Any] | None:
        """Return the provenance that an entry was written with, or None when there is no such entry."""
        body = manifest.read(self._folder(step, key))
        return None if body is None else dict(body["about"])

    @contextmanager
    def write(self, step: str, key: str, about: Mapping[str, Any]) -> Iterator[Path]:
        """Yield an empty folder that becomes the entry when the block ends well, and vanishes otherwise.

        When another process finishes the same entry first, that one is kept.

        Parameters
        ----------
        step, key : str
        about : mapping
            Where the result comes from; kept in the manifest, so it must be fit for JSON.

        Raises
        ------
        DataError
            When the disk is full or the store cannot be written.
        """
        entry = self._folder(step, key)
        noted = json.loads(json.dumps(dict(about)))  # fails now, not after hours of work
        with explained(self.root):
            folder = self._partial()
        try:
            with explained(self.root):
                yield folder
                manifest.seal(folder, step, key, noted)
                self._place(folder, step, key, entry)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def scratch(self, step: str, key: str) -> Path:
        """Return a folder that lasts until `clear_scratch`, for work that can be resumed.

        Raises
        ------
        DataError
            When the disk is full or the store cannot be written.
        """
        folder = self._folder(step, key, _SCRATCH)
        with explained(self.root):
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)
        return folder

    def clear_scratch(self, step: str, key: str) -> None:
        """Remove the scratch folder of a step and key, if there is one."""
        with explained(self.root):
            self._discard(self._folder(step, key, _SCRATCH))

    def entries(self) -> Iterator[Entry]:
        """Yield all entries and scratch folders, ordered by step and key."""
        for top, scratch in ((self.root, False), (self.root / _SCRATCH, True)):
            for path in sorted(top.glob("[!.]*/??/*")):
                size, newest = _measure(path)
                used = newest if scratch else manifest.last_used(path)
                yield Entry(path.parent.parent.name, path.name, path, size, used, scratch)

    def size(self) -> dict[str, StepSize]:
        """Return how much the results of each step take, scratch folders included."""
        sizes: dict[str, StepSize] = {}
        for entry in self.entries():
            known = sizes.get(entry.step, StepSize())
            sizes[entry.step] = StepSize(known.bytes + entry.size, known.entries + 1)
        return sizes

    def prune(self, older_than_days: float | None = None, max_bytes: int | None = None) -> list[Entry]:
        """Remove entries, the least recently used first, and what interrupted writers left.

        Parameters
        ----------
        older_than_days : float, optional
            Remove what was not used for so long.
        max_bytes : int, optional
            Then remove until the store takes no more than this.

        Returns
        -------
        list of Entry
            What was removed.  Scratch folders that changed within a day are spared: someone works in them.

        Raises
        ------
        DataError
            When something cannot be removed.
        """
        now = time.time()
        with explained(self.root):
            self._sweep(now - _DAY)
            known = sorted(self.entries(), key=lambda entry: entry.used)
            total = sum(entry.size for entry in known)
            removed = []
            for entry in known:
                old = older_than_days is not None and entry.used < now - older_than_days * _DAY
                excess = max_bytes is not None and total > max_bytes
                in_work = entry.scratch and entry.used > now - _DAY
                if (old or excess) and not in_work and self._discard(entry.path):
                    removed.append(entry)
                    total -= entry.size
        return removed

    def _folder(self, step: str, key: str, under: str = "") -> Path:
        for name in (step, key):
            if not _NAME.fullmatch(name):
                raise ValueError(f"'{name}' cannot name a step or an entry")
        return self.root / under / step / key[:2].ljust(2, "_") / key

    def _partial(self) -> Path:
        # Not tempfile.mkdtemp: its folders are closed to the group, and a store may be shared.
        folder = self.root / _PARTIAL / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def _place(self, folder: Path, step: str, key: str, entry: Path) -> None:
        entry.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                folder.rename(entry)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                if self.find(step, key) is not None:  # another writer was first; a damaged entry is gone now
                    return
            else:
                return

    def _discard(self, folder: Path) -> bool:
        """Remove a folder at once, as others see it; return False when it was gone already."""
        if not folder.exists():
            return False
        trash = self.root / _PARTIAL / uuid.uuid4().hex
        trash.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(trash)
        except FileNotFoundError:
            return False
        shutil.rmtree(trash, ignore_errors=True)  # what stays is swept by a later prune
        return True

    def _sweep(self, before: float) -> None:
        for folder in (self.root / _PARTIAL).glob("*"):
            if _measure(folder)[1] < before:
                shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path) -> tuple[int, float]:
    """Return the bytes in a folder and when it last changed; files that vanish meanwhile do not count."""
    size, newest = 0, 0.0
    for path in [folder, *folder.rglob("*")]:
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        newest = max(newest, found.st_mtime)
        size += 0 if path.is_dir() else found.st_size
    return size, newest


def default_store() -> Store:
    """Return the store of the environment variable ``MIEN_STORE``, or else the one in ``~/.cache/mien``."""
    return Store(Path(os.environ.get("MIEN_STORE") or "~/.cache/mien"))

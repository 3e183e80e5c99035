"""Turns what the operating system says of a full or closed disk into what a user can do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.errors import DataError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}
_ELSEWHERE = "keep the store elsewhere: set MIEN_STORE, or pass --store."


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Raise `DataError` in place of an `OSError` that says that ``folder`` is full or closed to writing.

    Other errors, and those that name a file outside ``folder``, pass as they are.
    """
    try:
        yield
    except OSError as error:
        known = _explain(error, folder)
        if known is None:
            raise
        raise known from error


def _explain(error: OSError, folder: Path) -> DataError | None:
    if not _concerns(error, folder):
        return None
    if error.errno in _FULL:
        return DataError(
            "The disk is full.", where=str(folder), hint=f"Free space ('mien cache prune'), or {_ELSEWHERE}"
        )
    # Without a file name nothing says that it was ours: a video may be closed to reading, too.
    if error.errno in _CLOSED and error.filename is not None:
        reason = error.strerror or type(error).__name__
        return DataError(
            f"It cannot be used: {reason}.",
            where=str(error.filename),
            hint=f"Change its permissions, or {_ELSEWHERE}",
        )
    return None


def _concerns(error: OSError, folder: Path) -> bool:
    named = error.filename
    if not isinstance(named, (str, bytes, os.PathLike)):
        return True
    path = Path(os.fsdecode(named)).absolute()
    folder = folder.absolute()
    # A parent that is closed, or is a file, keeps the folder from being made.
    return path.is_relative_to(folder) or folder.is_relative_to(path)

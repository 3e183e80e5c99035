"""Fetches weight files from their official addresses, verifies them and keeps them.

A file is verified against its full SHA-256 where that is known, else against the hash prefix that its official
name carries, else against the hash recorded when it was first fetched.  A machine without a network takes the file
from the cache's folder, where a user may put it by hand.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal

from mien.errors import ModelError
from mien.progress import Progress, QuietProgress

LOCATION = "MIEN_WEIGHTS"
_CHUNK = 1 << 20
_TIMEOUT_S = 30.0
_OFFICIAL_PREFIX = re.compile(r"-([0-9a-f]{8,64})\.[A-Za-z0-9.]+$")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightFile:
    """A weight file that a component may use, and how it is known to be the right one.

    Attributes
    ----------
    name : str
        Its name in the folder of weights.
    url : str
        The official address.
    sha256 : str or None
        The full hash, where it is known.
    hash_prefix : str or None
        Its beginning, as official file names carry it.
    note : str
        What the file is, in a few words.
    """

    name: str
    url: str
    sha256: str | None = None
    hash_prefix: str | None = None
    note: str = ""

    @property
    def path(self) -> Path:
        """Where the file lies, or will lie."""
        return weights_folder() / self.name

    @property
    def verified_by(self) -> Literal["sha256", "prefix", "recorded", "nothing"]:
        """What the file is held against: its full hash, the beginning of it, the hash of the first fetch, or nothing
        yet.
        """
        if self.sha256 or self.hash_prefix:
            return "sha256" if self.sha256 else "prefix"
        return "recorded" if _hash_file(self.path).exists() else "nothing"

    def fetch(self, progress: Progress | None = None) -> Path:
        """Return the path of the verified file, downloading it when it is not there; see `fetch`."""
        return fetch(self.url, self.name, sha256=self.sha256, hash_prefix=self.hash_prefix, progress=progress)

    def verify(self) -> str:
        """Read the file that is there and return its SHA-256.

        Raises
        ------
        ModelError
            When it is absent, or not what was expected.
        """
        if not self.path.is_file():
            hint = f"Fetch it: mien weights fetch {self.name}; or download {self.url} and put it there."
            raise ModelError("There is no such weight file.", where=str(self.path), hint=hint)
        expected = self.sha256 or self.hash_prefix or _recorded(self.path)
        found = file_sha256(self.path)
        _compare(found, expected or found, self.path, f"Delete {self.path}; it is downloaded again.")
        return found


def weights_folder() -> Path:
    """Return the folder of fetched weights: ``MIEN_WEIGHTS``, or ``~/.cache/mien/weights``."""
    return Path(os.environ.get(LOCATION) or "~/.cache/mien/weights").expanduser()


def official_prefix(name: str) -> str | None:
    """Return the beginning of the SHA-256 that a name such as ``r3d_18-b3b3357e.pth`` carries, or None."""
    found = _OFFICIAL_PREFIX.search(name)
    return found.group(1) if found else None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    url: str,
    name: str,
    *,
    sha256: str | None = None,
    hash_prefix: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the path of a verified weight file, downloading it when the cache has it not.

    A download that was cut off is taken up where it stopped; the file appears under its name only once it is
    whole and verified.

    Parameters
    ----------
    url : str
        The official address.
    name : str
        File name in the cache.
    sha256 : str, optional
        The full hash.
    hash_prefix : str, optional
        Its beginning, as official file names carry it; used where ``sha256`` is not known.

    Raises
    ------
    ModelError
        When the file can neither be found nor downloaded (the message says which file to put where), or is
        not what was expected.
    """
    path = weights_folder() / name
    expected = sha256 or hash_prefix or _recorded(path)
    if path.exists():
        _verify(path, expected, f"Delete {path}; it is downloaded again.")
        if expected is None:  # put there by hand: from now on it must stay the same
            _record(path, file_sha256(path))
        return path
    part = path.with_name(name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(url, part, progress or QuietProgress())
    except (OSError, HTTPException, ValueError) as error:  # URLError is an OSError; ValueError: no URL at all
        raise ModelError(
            f"The weights '{name}' cannot be downloaded: {_reason(error)}.",
            where=url,
            hint=f"Download {url} on a machine with a network and put it at {path}.",
        ) from error
    try:
        _verify(part, expected, f"Get it again from {url}.")
    except ModelError:
        part.unlink()
        raise
    if expected is None:
        _record(path, file_sha256(part))
    part.replace(path)
    return path


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error or type(error).__name__).rstrip(".")


def _verify(path: Path, expected: str | None, hint: str) -> None:
    if expected is not None:
        _compare(file_sha256(path), expected, path, hint)


def _compare(found: str, expected: str, path: Path, hint: str) -> None:
    if not found.startswith(expected.lower()):
        raise ModelError(
            f"The weights are damaged or another file: SHA-256 {found[:16]}..., expected {expected[:16]}...",
            where=str(path),
            hint=hint,
        )


def _hash_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _recorded(path: Path) -> str | None:
    note = _hash_file(path)
    return note.read_text(encoding="ascii").strip() if note.exists() else None


def _record(path: Path, digest: str) -> None:
    try:
        _hash_file(path).write_text(digest + "\n", encoding="ascii")
    except OSError as error:  # a folder of weights may be shared and read-only
        _log.warning("SHA-256 %s of '%s' cannot be recorded: %s.", digest, path.name, error.strerror or error)
        return
    _log.warning("No hash of '%s' is published: SHA-256 %s is recorded as that of the first fetch.", path.name, digest)


def _download(url: str, part: Path, progress: Progress) -> None:
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: nothing is left to send, the part is whole
            raise
        error.close()
        return
    with response:
        resumed = done > 0 and response.status == 206
        length = response.headers.get("Content-Length")
        total = int(length) if length is not None else None
        with part.open("ab" if resumed else "wb") as file, progress.task(part.stem, total, "bytes") as task:
            received = 0
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                task.advance(len(chunk))
    if total is not None and received < total:
        raise OSError(f"the connection ended after {received} of {total} bytes")

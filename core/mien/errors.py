"""The one tree of errors that mien raises for what a user can mend.

Every error says what happened, where, and what to do next; the command line prints it without a
traceback.  Anything else that escapes is a defect of mien or of a plugin.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MienError(Exception):
    """An error that a user can act on.

    Parameters
    ----------
    message : str
        What happened, in one sentence.
    where : str, optional
        The file, configuration key, plugin or recording that it happened in.
    hint : str, optional
        What to do next.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.message = printable(message)
        self.where = where and printable(where)
        self.hint = hint and printable(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.message}" + (f" {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[object, ...]:
        # Errors travel from worker processes; keyword-only arguments need help to be pickled.
        return _rebuild, (type(self), self.message, self.where, self.hint)


def _rebuild(cls: type[MienError], message: str, where: str | None, hint: str | None) -> MienError:
    return cls(message, where=where, hint=hint)


class ConfigError(MienError):
    """The configuration, or a command's arguments, cannot be used."""


class PluginError(MienError):
    """A plugin is missing, broken, or breaks its promise."""


class DataError(MienError):
    """A video, a label file or a stored result cannot be used."""


class ModelError(MienError):
    """A network, its weights or its input do not fit what is asked of them."""


def printable(text: str) -> str:
    r"""Return a text that every file and terminal takes: half a surrogate pair is spelt out, as ``\udcff``.

    Python puts them in place of the bytes of a file name that are no UTF-8.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def told(error: BaseException) -> str:
    """Return an exception as ``Type: message``, without a full stop."""
    try:
        said = str(error)
    except Exception as failure:  # noqa: BLE001  a stranger's exception may be unable to say anything
        said = f"its text cannot be had ({type(failure).__name__})"
    return printable(f"{type(error).__name__}: {said}".strip().rstrip(":."))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the entry of ``known`` most like ``name``, or lists them all.

    Returns
    -------
    str
        A sentence; empty when ``known`` is empty.
    """
    names = sorted(known)
    if not names:
        return ""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    return "Known: " + ", ".join(names) + "."

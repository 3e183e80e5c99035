"""Markdown from plain text: everything that is not marked as Markdown is escaped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from mien.report.facts import Grid

_SPECIAL = re.compile(r"[\\`*_\[\]#|~$]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|www)([:.])(?=//|\w)")
_LIST_MARKER = re.compile(r"^(\d*)([-+=.)])(?=[-+=\s]|$)")


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def escaped(text: Any) -> Markdown:
    """Return a text on one line that every reader of Markdown shows as it is.

    No mark-up, HTML, link, mention or list comes of it.  Line breaks become spaces; control characters, and those
    that turn the direction of writing, are left out.
    """
    if isinstance(text, Markdown):
        return text
    marked = "".join(_ENTITIES.get(c, c) for c in _SPECIAL.sub(r"\\\g<0>", one_line(text)))
    unlinked = _ADDRESS.sub(lambda found: f"{found[1]}&#{ord(found[2])};", marked)
    return Markdown(_LIST_MARKER.sub(r"\1\\\2", unlinked))


def code(text: Any) -> Markdown:
    """Return a text as code, which may stand in a table."""
    plain = one_line(text)
    if not plain or "`" in plain or "|" in plain:
        return escaped(plain)  # a code span cannot hold them everywhere
    return Markdown(f"`{plain}`")


def one_line(text: Any) -> str:
    """Return a text on one line, without characters that cannot be seen."""
    return "".join(c for c in " ".join(str(text).split()) if not unicodedata.category(c).startswith("C"))


def table(grid: Grid) -> Markdown:
    """Return a table in the dialect of GitHub and Hugging Face; numbers are aligned to the right."""
    return Markdown("\n".join(_lines(grid)))


def _lines(grid: Grid) -> Iterator[str]:
    yield _row(grid.headers)
    yield _row([Markdown("---:" if numeric else "---") for numeric in grid.numeric])
    yield from (_row(row) for row in grid.rows)


def _row(cells: Any) -> str:
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"

"""Sub-commands that plugins add to ``mien``; nothing of them is imported before one is called."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

COMMAND_NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class CommandEntry:
    """A sub-command that a plugin brings.

    Attributes
    ----------
    name : str
        ``mien <name>``.
    target : str
        ``module:attribute``: a `typer.Typer`, or a function whose arguments are the command's.
    help : str
        One line for ``mien --help``.
    """

    name: str
    target: str
    owner: str
    distribution: str
    help: str = ""


class Commands:
    """What the hook ``mien_commands`` is handed."""

    def __init__(self, add: Callable[[str, str, str], None]) -> None:
        self._add = add

    def add(self, name: str, target: str, *, help: str = "") -> None:
        """Add ``mien <name>``.

        Parameters
        ----------
        name : str
            Small letters, digits and hyphens; not that of one of mien's own commands.
        target : str
            ``package.module:attribute``: a `typer.Typer` with several commands, or a function that is one.  It is
            imported when the command is called, not before.
        help : str
            One line for ``mien --help``.
        """
        self._add(name, target, help)

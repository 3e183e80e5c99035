"""Where the command line writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import typer

from mien.errors import MienError, printable

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 200  # a listing that goes into a file or a pipe is not folded to 80 columns
_kept = ExitStack()  # puts standard output back where it was kept for JSON


def output() -> Console:
    """Return a console on standard output."""
    from rich.console import Console

    class _Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = _Output(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def messages() -> Console:
    """Return a console on standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def keep_for_json() -> Callable[[], None]:
    """Send what is printed from now on to standard error, until `print_json` writes or the returned function is called.

    Plugins and libraries print, in worker processes too; whoever reads the JSON should find nothing else.
    """
    real = sys.stdout
    real.flush()
    _kept.callback(setattr, sys, "stdout", real)
    sys.stdout = sys.stderr
    with suppress(OSError, ValueError):  # neither is a file, e.g. where a test catches them
        number, errors = real.fileno(), sys.stderr.fileno()
        saved = os.dup(number)
        _kept.callback(os.close, saved)
        _kept.callback(os.dup2, saved, number)
        _kept.callback(real.flush)
        os.dup2(errors, number)
    return _kept.close


def print_json(value: Any) -> None:
    """Write a value as JSON to standard output."""
    _kept.close()
    typer.echo(printable(json.dumps(value, indent=2, ensure_ascii=False, default=str)))  # JSON spells it out likewise


def print_error(error: MienError | str) -> None:
    """Write an error to standard error: where, what, and what to do next."""
    from rich.text import Text

    text = Text.assemble(("error: ", "bold red"))
    if isinstance(error, str):
        text.append(error)
    else:
        text.append(f"{error.where}: " if error.where else "", "bold")
        text.append(error.message)
        text.append(f"\n{error.hint}" if error.hint else "", "cyan")
    messages().print(text, soft_wrap=True)

"""Where the command line writes: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from mien.errors import MienError

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 200  # a listing that goes into a file or a pipe is not folded to 80 columns


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


def print_json(value: Any) -> None:
    """Write a value as JSON to standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


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

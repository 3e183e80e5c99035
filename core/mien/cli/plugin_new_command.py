"""``mien plugin new``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.console import messages, output

if TYPE_CHECKING:
    from mien.scaffold import Design, Written


def new(
    kind: Annotated[str, typer.Argument(help="Its kind, e.g. attribution.")],
    name: Annotated[str, typer.Argument(help="Its id, e.g. my_method: what a configuration calls it.")],
    into: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Folder in which the plugin's own folder is made.")
    ] = Path(),
    distribution: Annotated[
        str | None, typer.Option(metavar="NAME", help="What pip calls it. [default: mien- and the id]")
    ] = None,
    author: Annotated[str | None, typer.Option(metavar="NAME", help="Whom its pyproject.toml names.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty; files that are replaced are listed.")
    ] = False,
) -> None:
    """Write a new plugin: a small distribution with tests, which installs and passes before anything is changed."""
    from mien.scaffold import design, write

    plan = design(kind, name, distribution, author)
    written = write(plan, into, force=force)
    for path in written.replaced:
        messages().print(f"replaced: {written.folder / path}", style="yellow", markup=False, soft_wrap=True)
    _print_next(plan, written)


def _print_next(plan: Design, written: Written) -> None:
    from rich.text import Text

    from mien.scaffold.writing import config_line

    steps = (
        f"cd {shlex.quote(str(written.folder))}",
        "pip install -e '.[test]'",
        "pytest",
        f"mien plugins check {plan.distribution}",
        f"mien run examples/{plan.name}.yaml --out runs/{plan.name}",
    )
    console = output()
    console.print(f"{written.folder}: {len(written.files)} files written", markup=False, soft_wrap=True)
    console.print("\nNext:")
    for step in steps:
        console.print(Text(f"  {step}", style="cyan"), soft_wrap=True)
    console.print("\nIn a configuration:")
    console.print(Text(f"  {config_line(plan)}", style="cyan"), soft_wrap=True)

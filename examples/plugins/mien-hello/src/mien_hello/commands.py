"""``mien hello``; imported when it is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mien import DataError

app = typer.Typer(help="Say what a run found.")


@app.command()
def hello(run: Annotated[Path, typer.Argument(help="The folder of a run.")]) -> None:
    """Say whom a run looked at, in a line."""
    file = run / "summary.json"
    if not file.is_file():
        # mien prints errors of its own tree without a traceback and leaves with exit code 2.
        raise DataError("It holds no summary.json.", where=str(run), hint="Name the --out of a run that ended well.")
    summary = json.loads(file.read_text(encoding="utf-8"))
    typer.echo(f"Hello from {summary['participants']} participants and {summary['windows']} windows.")

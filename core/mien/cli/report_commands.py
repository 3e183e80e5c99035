"""``mien report``: what can be said of a finished run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.errors import ConfigError, DataError


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    methods: Annotated[
        bool, typer.Option("--methods", help="Write a methods paragraph with citations, from run.json.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it to a file.", dir_okay=False)
    ] = None,
) -> None:
    """Write a methods paragraph for a paper, from what a run recorded of itself."""
    if not methods:
        raise ConfigError("Nothing says what to write.", hint="Give --methods. The run's own report is report.html.")
    from mien.report.methods import methods_text

    summary = run / "summary.json"
    text = str(methods_text(read_json(run / "run.json"), read_json(summary) if summary.is_file() else None))
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"The file cannot be written: {error.strerror}.", where=str(out)) from error


def read_json(path: Path) -> Any:
    """Return the content of a file of a run, or raise `DataError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"It cannot be read: {error.strerror}.", where=str(path), hint="Give the folder of a finished run."
        ) from error
    except ValueError as error:
        raise DataError(f"It is not JSON: {error}.", where=str(path)) from error

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
    check: Annotated[
        bool, typer.Option("--check", help="Check the run's records and tables against their schemas.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it to a file.", dir_okay=False)
    ] = None,
) -> None:
    """Write a methods paragraph for a paper, from what a run recorded of itself; or check the run's files."""
    if not methods and not check:
        hint = "Give --methods or --check. The run's own report is report.html."
        raise ConfigError("Nothing says what to do.", hint=hint)
    if check:
        _check(run)
    if not methods:
        return
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


def _check(run: Path) -> None:
    from mien.registry import load_registry
    from mien.run.checking import faults

    found = faults(run, load_registry())
    for fault in found:
        typer.echo(fault)
    if found:
        raise typer.Exit(1)
    typer.echo("All records and tables are as their schemas say.")


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

"""``mien config check`` and ``mien config schema``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import messages, output, print_json
from mien.cli.options import Json, Overrides
from mien.errors import ConfigError

app = typer.Typer(help="Check a configuration; the schema that editors complete from.", no_args_is_help=True)


@app.command("check")
def check(
    config: Annotated[Path, typer.Argument(help="Configuration, YAML.")],
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Check that a configuration is valid, and that its parts are installed and fit together."""
    from mien.config.check import checked
    from mien.config.run_config import dump

    parsed, unchecked = checked(config, overrides or ())
    if unchecked:
        messages().print(unchecked, markup=False, soft_wrap=True)
    if as_json:
        print_json(dump(parsed))
    else:
        output().print(f"{config}: valid", markup=False)


@app.command("schema")
def schema(
    write: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write it and all other schemas to a folder."),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Check that a folder's schemas are up to date."),
    ] = None,
) -> None:
    """Print the JSON Schema of a configuration, over everything that is installed."""
    from mien.registry import load_registry

    registry = load_registry()
    if write is None and check is None:
        from mien.config.schema import run_schema

        print_json(run_schema(registry))
        return
    from mien.schemas import outdated_schemas, write_schemas

    if write is not None:
        written = write_schemas(write, registry)
        output().print(f"{len(written)} schemas written to {write}", markup=False)
    if check is not None and (outdated := outdated_schemas(check, registry)):
        raise ConfigError(
            f"Not up to date: {', '.join(outdated)}.",
            where=str(check),
            hint=f"mien config schema --write {check}",
        )

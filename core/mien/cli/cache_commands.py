"""``mien cache size`` and ``mien cache prune``."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from mien.cli.console import output, print_json
from mien.cli.options import Json, StoreFolder, open_store
from mien.errors import ConfigError

app = typer.Typer(help="The store of intermediate results.", no_args_is_help=True)

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def size_text(size: float) -> str:
    """Return bytes as text, e.g. ``1.4 GB``."""
    unit = "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def parse_size(text: str) -> int:
    """Return the bytes that a text such as ``20GB`` means."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if not found:
        raise ConfigError(f"'{text}' is not a size.", where="--max-size", hint="Write, for example, 500MB or 20GB.")
    return round(float(found.group(1)) * _UNITS[found.group(2).upper()])


@app.command("size")
def size(store: StoreFolder = None, as_json: Json = False) -> None:
    """Say how much the store takes, by step."""
    opened = open_store(store)
    steps = opened.size()
    total = sum(step.bytes for step in steps.values())
    if as_json:
        listed = {name: {"bytes": step.bytes, "entries": step.entries} for name, step in steps.items()}
        print_json({"store": str(opened.root), "bytes": total, "steps": listed})
        return
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, step in sorted(steps.items()):
        table.add_row(name, size_text(step.bytes), f"{step.entries} entries")
    table.add_row("total", size_text(total), str(opened.root), style="bold")
    output().print(table)


@app.command("prune")
def prune(
    older_than: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Remove what was not used for so many days.")
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Then remove, least recently used first, until no more than this is left, e.g. 20GB.",
        ),
    ] = None,
    store: StoreFolder = None,
    as_json: Json = False,
) -> None:
    """Remove stored results; a later run makes again what it needs."""
    if older_than is None and max_size is None:
        raise ConfigError("Nothing says what to remove.", hint="Give --older-than DAYS, --max-size SIZE, or both.")
    limit = None if max_size is None else parse_size(max_size)
    removed = open_store(store).prune(older_than_days=older_than, max_bytes=limit)
    freed = sum(entry.size for entry in removed)
    if as_json:
        print_json({"removed": len(removed), "bytes": freed})
    else:
        output().print(f"{len(removed)} entries removed, {size_text(freed)} freed")

"""``mien plugins check``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mien.cli.console import output, print_json
from mien.cli.options import Json
from mien.registry import load_registry
from mien.registry.checking import Checked, check_installed

_WRONG, _GOOD = 1, 0


def check(
    distribution: Annotated[str | None, typer.Argument(help="Only this one, e.g. mien-hello.")] = None,
    as_json: Json = False,
) -> None:
    """Import everything installed and hold it to what it says of itself; exit code 1 when something is wrong."""
    import warnings

    from mien.api import API_VERSION
    from mien.cli.plugin_doors import command_problems, load_command, own_commands

    registry = load_registry()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries' own, which concern nobody here
        checked = check_installed(
            registry,
            lambda name: load_command(registry.commands[name]),
            command_problems(registry, own_commands()),
            distribution,
        )
    wrong = any(one.faults for one in checked)
    if as_json:
        print_json({"api": API_VERSION, "ok": not wrong, "checked": [_facts(one) for one in checked]})
    else:
        _print(checked, API_VERSION)
    raise typer.Exit(_WRONG if wrong else _GOOD)


def _facts(one: Checked) -> dict[str, Any]:
    name, _, version = one.distribution.partition("==")
    return {
        "distribution": name,
        "version": version,
        "what": one.what,
        "ok": not one.faults,
        "faults": one.faults,
        "notes": one.notes,
    }


def _print(checked: list[Checked], api: str) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table("distribution", "what", "", "remarks", box=box.SIMPLE_HEAD, padding=(0, 1))
    last = ""
    for one in checked:
        mark = ("wrong", "red") if one.faults else ("note", "yellow") if one.notes else ("good", "green")
        remarks = Text("\n".join([*one.faults, *one.notes]))
        table.add_row(Text(one.distribution if one.distribution != last else ""), Text(one.what), Text(*mark), remarks)
        last = one.distribution
    wrong = sum(bool(one.faults) for one in checked)
    console = output()
    console.print(table)
    console.print(f"API {api}: {len(checked)} checked, {wrong} wrong.")

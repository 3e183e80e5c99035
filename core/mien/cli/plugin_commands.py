"""``mien plugins list`` and ``mien plugins show``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import plugin_check_command, plugin_new_command
from mien.cli.console import messages, output, print_json
from mien.cli.describe import describe, listing
from mien.cli.options import Json
from mien.cli.plugin_doors import command_problems, own_commands
from mien.errors import ConfigError, nearest
from mien.registry import KINDS, Problem, load_registry

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(help="What is installed, how it is configured, and a new one.", no_args_is_help=True)
app.command("new")(plugin_new_command.new)
app.command("check")(plugin_check_command.check)


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise ConfigError(f"There is no kind of plugin '{kind}'.", hint=nearest(kind, KINDS))
    return kind


@app.command("list")
def list_plugins(
    kind: Annotated[str | None, typer.Argument(help="Only this kind.")] = None,
    as_json: Json = False,
) -> None:
    """List the installed components; nothing of theirs is imported."""
    registry = load_registry()
    found = [listing(entry) for entry in registry.entries(_kind(kind) if kind else None)]
    problems = [*registry.problems, *command_problems(registry, own_commands())]
    if as_json:
        told = [{"owner": problem.owner, "message": problem.message} for problem in problems]
        print_json({"plugins": found, "problems": told})
        return
    _print_list(output(), found)
    _print_problems(problems)


def _print_list(console: Console, found: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    kind = ""
    for item in found:
        shown = item["kind"] if item["kind"] != kind else ""
        kind = item["kind"]
        note = "" if item["usable"] else f"needs {', '.join(item['missing'])}: pip install 'mien[{item['extra']}]'"
        if not item["usable"] and not item["extra"]:
            note = item["install"]
        table.add_row(
            Text(shown, style="bold"),
            Text(item["id"], style="cyan"),
            Text(item["help"]),
            Text(note, style="yellow"),
        )
    console.print(table)


def _print_problems(problems: Sequence[Problem]) -> None:
    from rich.text import Text

    for problem in problems:
        text = Text.assemble(("warning: ", "yellow"), f"{problem.owner}: {problem.message}")
        messages().print(text, soft_wrap=True)


@app.command("show")
def show_plugin(
    kind: Annotated[str, typer.Argument(help="Its kind, e.g. attribution.")],
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its id, e.g. lrp.")],
    as_json: Json = False,
) -> None:
    """Show one component: what it does, its fields, its paper, and what it needs."""
    registry = load_registry()
    described = describe(registry.entry(_kind(kind), id_), registry)
    if as_json:
        print_json(described)
    else:
        _print_component(output(), described)


def _print_component(console: Console, described: dict[str, Any]) -> None:
    from rich.text import Text

    console.print(Text.assemble((f"{described['kind']} {described['id']}", "bold"), f"  {described['distribution']}"))
    console.print(Text(described["documentation"]))
    console.print()
    needs = f"Requires {', '.join(described['requires'])}. " if described["requires"] else ""
    usable = "Usable." if described["usable"] else f"Not usable: {described['install']}"
    console.print(Text(needs + usable, style="green" if described["usable"] else "yellow"))
    for choice in described["unavailable"]:
        text = f"{choice['field']}: {choice['value']} cannot be used here. {choice['reason']} {choice['hint']}"
        console.print(Text(text, style="yellow"))
    for name, value in described["facts"].items():
        console.print(Text.assemble((f"{name.replace('_', ' ')}: ", "bold"), _value(value)))
    if described["fields"]:
        console.print()
        console.print(_field_table(described["fields"]))


def _field_table(fields: list[dict[str, Any]]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table("field", "type", "default", "meaning", box=box.SIMPLE_HEAD, padding=(0, 1))
    for field in fields:
        default = "required" if field["required"] else _value(field["default"])
        cells = (field["name"], field["type"], default, field["description"])
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "none"
    return {"None": "none", "True": "true", "False": "false"}.get(str(value), str(value))

"""The sub-commands of ``mien`` that plugins bring; a plugin's module is imported when its command is called."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import typer
from typer.core import TyperCommand

from mien.errors import PluginError, told
from mien.registry import CommandEntry, Problem, Registry, load_registry
from mien.registry.registry import import_target

_PANEL = "Commands of plugins"


def commands_of_plugins(own: Collection[str]) -> dict[str, CommandEntry]:
    """Return the plugins' sub-commands by name; ``own`` are mien's, which no plugin can replace."""
    return {name: entry for name, entry in sorted(load_registry().commands.items()) if name not in own}


def command_problems(registry: Registry, own: Collection[str]) -> list[Problem]:
    """Return a problem for each sub-command that has the name of one of mien's own."""
    return [
        Problem(
            entry.owner,
            f"{entry.distribution} brings a command '{name}', but mien has one of this name; mien's own is used.",
            entry.distribution,
        )
        for name, entry in sorted(registry.commands.items())
        if name in own
    ]


def own_commands() -> list[str]:
    """Return the names of mien's own sub-commands."""
    from mien.cli.app import app

    return list(getattr(typer.main.get_command(app), "commands", {}))


def shown(text: str) -> str:
    """Return a plugin's text as help that shows it as it is: brackets in it are no markup."""
    from rich.markup import escape

    return escape(text)


class PluginCommand(TyperCommand):
    """Stands for a plugin's command in listings; becomes it when it is called."""

    def __init__(self, entry: CommandEntry) -> None:
        help_ = shown(entry.help) or f"A command of {entry.distribution}."
        super().__init__(name=entry.name, help=help_, callback=None, rich_help_panel=_PANEL)
        self._entry = entry

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Return the context of the plugin's own command, which is imported for it."""
        return load_command(self._entry).make_context(info_name, args, parent=parent, **extra)


def load_command(entry: CommandEntry) -> Any:
    """Import and return a plugin's command.

    Raises
    ------
    PluginError
        When it cannot be imported, or is neither a `typer.Typer` nor a function.
    """
    where = f"command '{entry.name}' of {entry.distribution}"
    try:
        loaded = import_target(entry.target)
        if not isinstance(loaded, typer.Typer) and callable(loaded) and not isinstance(loaded, type):
            function, loaded = loaded, typer.Typer()
            loaded.command(help=shown(entry.help) or None)(function)
        if isinstance(loaded, typer.Typer):
            return typer.main.get_command(loaded)
    except KeyboardInterrupt:  # the user's
        raise
    except BaseException as error:  # a stranger's module may raise anything, SystemExit too
        hint = f"{entry.target} was promised by its manifest."
        raise PluginError(f"It cannot be imported: {told(error)}.", where=where, hint=hint) from error
    raise PluginError(f"{entry.target} is neither a typer.Typer nor a function.", where=where)

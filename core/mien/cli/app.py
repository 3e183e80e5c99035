"""The commands of ``mien``, put together; nothing heavy is imported before a command needs it."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mien import __version__
from mien.cli import (
    benchmark_command,
    cache_commands,
    compare_command,
    config_commands,
    detector_commands,
    doctor_command,
    plugin_commands,
    report_commands,
    run_commands,
    validate_command,
    weight_commands,
)
from mien.cli.console import print_error
from mien.cli.plugin_doors import PluginCommand, commands_of_plugins
from mien.errors import MienError, PluginError, told
from mien.registry import load_registry
from mien.registry.culprit import culprit

log = logging.getLogger(__name__)

INTERRUPTED = 130
_OF_THE_COMMAND_LINE = ("click", "typer")  # a wrong argument, an exit: no failures
BROKEN_PIPE = 141  # as a shell counts a process that SIGPIPE ended


class _Guarded(TyperGroup):
    """Has the commands of plugins beside its own; turns what ends a command early into a message and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        own = super().list_commands(ctx)
        return [*own, *commands_of_plugins(own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:  # plugins are looked for only when the name is none of mien's
            return command
        entry = commands_of_plugins(self.commands).get(cmd_name)
        return None if entry is None else PluginCommand(entry)

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except MienError as error:
            print_error(error)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            print_error("Interrupted. What was computed is kept; the same command goes on from there.")
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            if not _reader_left():
                raise
            raise typer.Exit(BROKEN_PIPE) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] in _OF_THE_COMMAND_LINE:
                raise
            whose = culprit(error, load_registry())
            if not whose:
                raise
            log.debug("A plugin failed.", exc_info=error)
            hint = "This is a defect of that plugin: tell its authors. The traceback is in the debug log (-vv)."
            print_error(PluginError(f"It raised {told(error)}.", where=whose, hint=hint))
            raise typer.Exit(2) from error
        return result


def _reader_left() -> bool:
    """Whether nobody reads standard output any more; it is then closed, so that leaving is silent."""
    try:
        sys.stdout.write("\n")  # the failed write may have left nothing to flush
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


app = typer.Typer(
    cls=_Guarded,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave."),
    ] = False,
) -> None:
    """Train video networks on faces, and explain what in the face, when, and how surely drove a decision."""


app.command("run")(run_commands.run)
app.command("demo")(run_commands.demo)
app.command("explain")(run_commands.explain)
app.command("validate")(validate_command.validate)
app.command("compare")(compare_command.compare)
app.add_typer(benchmark_command.app, name="benchmark")
app.command("report")(report_commands.report)
app.add_typer(plugin_commands.app, name="plugins")
app.add_typer(plugin_commands.app, name="plugin", hidden=True)  # the same: one speaks of a new plugin
app.add_typer(config_commands.app, name="config")
app.add_typer(cache_commands.app, name="cache")
app.add_typer(weight_commands.app, name="weights")
app.add_typer(detector_commands.app, name="detectors")
app.command("doctor")(doctor_command.doctor)

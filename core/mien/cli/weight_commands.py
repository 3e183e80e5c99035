"""``mien weights list``, ``mien weights fetch`` and ``mien weights verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.cache_commands import size_text
from mien.cli.console import messages, output, print_error, print_json
from mien.cli.options import Json, Quiet
from mien.errors import ConfigError

if TYPE_CHECKING:
    from mien.weight_roster import Roster
    from mien.weights import WeightFile

app = typer.Typer(
    help="The weight files that components use; they lie in $MIEN_WEIGHTS or ~/.cache/mien/weights.",
    no_args_is_help=True,
)

_HELD_AGAINST = {
    "sha256": "full SHA-256",
    "prefix": "SHA-256 prefix in its name",
    "recorded": "SHA-256 of the first fetch",
    "nothing": "no published hash; recorded when fetched",
}

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="File names; see mien weights list.")]


def _roster() -> Roster:
    from mien.registry import load_registry
    from mien.weight_roster import roster

    return roster(load_registry())


@app.command("list")
def list_weights(as_json: Json = False) -> None:
    """List every weight file that an installed component may use: here or not, its size, how it is verified."""
    from mien.weight_roster import others
    from mien.weights import weights_folder

    known = _roster()
    facts = [each.facts() for each in known.known]
    unknown = [{"path": str(path), "bytes": path.stat().st_size} for path in others(known)]
    if as_json:
        print_json(
            {
                "folder": str(weights_folder()),
                "weights": facts,
                "unknown_files": unknown,
                "problems": list(known.problems),
            }
        )
        return
    _print_list(facts, unknown, str(weights_folder()))
    for problem in known.problems:
        messages().print(f"warning: {problem}", style="yellow", markup=False, soft_wrap=True)


def _print_list(facts: list[dict[str, Any]], unknown: list[dict[str, Any]], folder: str) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for each in facts:
        here = Text(size_text(each["bytes"]), style="green") if each["present"] else Text("absent", style="yellow")
        users = Text(", ".join(each["users"]), style="cyan")
        table.add_row(Text(each["name"]), here, Text(_HELD_AGAINST[each["verified_by"]]), users, Text(each["note"]))
    for each in unknown:
        table.add_row(Text(Path(each["path"]).name), Text(size_text(each["bytes"])), Text("of no installed component"))
    console = output()
    console.print(table)
    console.print(Text(f"folder: {folder}", style="bold"), soft_wrap=True)


@app.command("fetch")
def fetch_weights(
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="Every known file.")] = False,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What this configuration needs.", dir_okay=False)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Download weight files that are not here, and verify them.

    Exit code 1 when one cannot be had: it is then said which file to put where.
    """
    from mien.cli import logs
    from mien.cli.progress import make_progress
    from mien.progress import QuietProgress
    from mien.weight_roster import fetch_all

    if not names and not everything and config is None:
        raise ConfigError("Nothing says what to fetch.", hint="Give NAME..., --config FILE, or --all.")
    console = messages()
    logs.configure(console, 0, quiet)
    files = _chosen(names or [], everything, config)
    failed = 0
    for file, error in fetch_all(files, QuietProgress() if quiet else make_progress(console)):
        if error is not None:
            failed += 1
            print_error(error)
        elif not quiet:
            output().print(f"{file.name}: {file.path}", markup=False, soft_wrap=True)
    if not files and not quiet:
        output().print("no weight files are needed")
    raise typer.Exit(1 if failed else 0)


def _chosen(names: list[str], everything: bool, config: Path | None) -> list[WeightFile]:
    wanted: list[WeightFile] = []
    if names or everything:
        wanted += _roster().select([] if everything else names)
    if config is not None:
        wanted += _of_config(config)
    return list({file.name: file for file in wanted}.values())


def _of_config(config: Path) -> list[WeightFile]:
    from mien.config.check import parts
    from mien.config.loading import load_config
    from mien.weight_roster import needed

    return needed(component for _, _, component in parts(load_config(config)))


@app.command("verify")
def verify_weights(names: Names = None, as_json: Json = False) -> None:
    """Read the weight files that are here and compare their hashes.

    Exit code 1 when a file is damaged or another one, or a named one is absent.
    """
    from dataclasses import asdict

    from mien.weight_roster import verify

    found = list(verify(_roster().select(names or [])))
    if as_json:
        print_json([asdict(each) for each in found if each.present or names])
    else:
        _print_verified([each for each in found if each.present or names])
    raise typer.Exit(1 if any(each.damaged or (names and not each.present) for each in found) else 0)


def _print_verified(found: list[Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for each in found:
        good = each.present and each.damaged is None
        held = _HELD_AGAINST[each.verified_by]
        if each.verified_by == "nothing" and good:
            held = f"no published hash; it is {each.sha256}"
        what = held if good else each.damaged or "absent"
        table.add_row(Text("yes" if good else "no", style="green" if good else "red"), Text(each.name), Text(what))
    output().print(table if found else "no weight files are here")

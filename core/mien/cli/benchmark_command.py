"""``mien benchmark explanations``."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import logs
from mien.cli.console import messages, output, print_json
from mien.cli.options import (
    Device,
    DeviceOption,
    Json,
    Out,
    Quiet,
    StoreFolder,
    TimeLimit,
    Verbose,
    Workers,
    open_store,
)
from mien.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from mien.benchmark.result import BenchmarkResult
    from mien.benchmark.written import Written
    from mien.registry import Registry

app = typer.Typer(help="Are explanations true? Measured, not believed.", no_args_is_help=True)

_PLANTED = "animated_face"

Quick = Annotated[bool, typer.Option("--quick", help="Fewer seeds and clips: minutes on two cores.")]
Methods = Annotated[
    str | None, typer.Option(metavar="A,B", help="Only these methods or variants. [default: all that are installed]")
]
Tasks = Annotated[str | None, typer.Option(metavar="A,B", help="Only these planted tasks. [default: all]")]
OwnNetwork = Annotated[
    Path | None,
    typer.Option(metavar="DIR_OR_FILE", help="Test a network of your own, on --data: what needs no planted truth."),
]
OwnVideos = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="A configuration (YAML), a manifest (CSV), a folder of videos, or a video."),
]


@app.callback()
def _group() -> None:
    """Are explanations true? Measured, not believed."""
    # Torch warns where memory from before the measurement is freed in it, which is not counted. Read once, on import.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


@app.command("explanations")
def explanations(
    out: Out = Path("mien-benchmark"),
    quick: Quick = False,
    methods: Methods = None,
    tasks: Tasks = None,
    checkpoint: OwnNetwork = None,
    data: OwnVideos = None,
    workers: Workers = 1,
    store: StoreFolder = None,
    device: DeviceOption = Device.auto,
    time_limit: TimeLimit = None,
    as_json: Json = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Measure every attribution method: against planted truth, and by the standard tests of faithfulness.

    Networks learn labels that are planted in videos of an animated face; each method says what they look at. With
    --checkpoint and --data the tests that need no planted truth are run on your own network and videos. A stopped run
    goes on where it stopped. Results: leaderboard.html, .json and .md, figures/ and tables/.
    """
    _check(checkpoint, data, tasks)
    chosen = _names(methods, "--methods")

    from mien.registry import load_registry

    registry = load_registry()
    if checkpoint is None:
        _require_truth(registry)

    from mien.benchmark.methods import benchmark_methods
    from mien.benchmark.tasks import chosen_tasks
    from mien.benchmark.written import write_results

    benchmark_methods(registry, chosen)
    named = [task.name for task in chosen_tasks(_names(tasks, "--tasks"))] if tasks is not None else None

    from mien.cli.progress import make_progress
    from mien.progress import QuietProgress

    console = messages()
    logs.configure(console, verbose, quiet)
    common: dict[str, Any] = {
        "quick": quick,
        "store": open_store(store),
        "workers": workers,
        "device": device.value,
        "time_limit": time_limit,
        "progress": QuietProgress() if quiet else make_progress(console),
        "registry": registry,
        "methods": chosen,
    }

    began = time.perf_counter()
    result = _measured(checkpoint, data, named, out, common)
    spent = round(time.perf_counter() - began, 1)
    written = write_results(replace(result, about={"seconds": spent, **result.about}), out)
    if as_json:
        _print_json(written)
    elif not quiet:
        print_board(output(), written)


def _measured(
    checkpoint: Path | None, data: Path | None, tasks: Sequence[str] | None, out: Path, common: Mapping[str, Any]
) -> BenchmarkResult:
    """Measure on the user's own network and videos where they are named, else on planted tasks."""
    if checkpoint is not None and data is not None:
        from mien.benchmark.own import benchmark_own
        from mien.cli.run_commands import find_checkpoint

        found = find_checkpoint(checkpoint)
        _make(out)
        return benchmark_own(found, data, **common)
    from mien.benchmark.run import benchmark_explanations

    _make(out)
    return benchmark_explanations(tasks=tasks, **common)


def _check(checkpoint: Path | None, data: Path | None, tasks: str | None) -> None:
    if checkpoint is not None and data is None:
        raise ConfigError(
            "A checkpoint needs videos to be tested on.", where="--checkpoint", hint="Name them with --data."
        )
    if data is not None and checkpoint is None:
        raise ConfigError(
            "Videos need a trained network to be tested with.", where="--data", hint="Name it with --checkpoint."
        )
    if checkpoint is not None and tasks is not None:
        raise ConfigError(
            "Planted tasks have networks and videos of their own.",
            where="--tasks",
            hint="Leave out --tasks, or --checkpoint and --data.",
        )


def _make(out: Path) -> None:
    """Make the folder of the results: that it cannot be made should be told before hours of work."""
    from mien.store.faults import explained

    with explained(out):
        out.mkdir(parents=True, exist_ok=True)


def _names(text: str | None, where: str) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise ConfigError("No name is given.", where=where)
    return names


def _require_truth(registry: Registry) -> None:
    if _PLANTED not in registry.ids("dataset"):
        raise ConfigError(
            f"The benchmark needs the data set '{_PLANTED}', whose truth is planted; no loaded plugin brings it.",
            where="mien benchmark explanations",
            hint="Look at MIEN_PLUGINS and 'mien plugins list'; or test a network of your own with --checkpoint and "
            "--data.",
        )
    registry.require("dataset", _PLANTED)


def _print_json(written: Written) -> None:
    from mien.benchmark.board import as_json

    print_json(as_json(written.board))


def print_board(console: Console, written: Written) -> None:
    """Print a compact leaderboard, the gates, and where the files are."""
    from rich.table import Table
    from rich.text import Text

    from mien.benchmark.markdown import compact
    from mien.benchmark.words import gates_said

    heads, rows = compact(written.board)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place == 1 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    if len(written.board.gates):
        console.print(Text(f"gates: {gates_said(written.board.gates)}"))
    for name, reason in written.board.result.about.get("refused", {}).items():
        console.print(Text(f"{name} took no part: {reason}"))
    for note in written.board.result.about.get("notes", []):
        console.print(Text(str(note)))
    console.print(Text(f"page: {written.page.resolve()}", style="cyan"))

"""``mien compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.console import output, print_json
from mien.cli.options import Json
from mien.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from mien.comparing.runs import Comparison

_RUN = "The folder of a finished run."
_OTHER = "The folder of the other run; differences are this one's less the first's."


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help=_RUN)],
    second: Annotated[Path, typer.Argument(metavar="RUN", help=_OTHER)],
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="FIRST=SECOND", help="Compare these methods instead of those of one name. Repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Write tables and figures to a folder.", file_okay=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show two runs side by side: what was configured differently, metrics, and relevance by region.

    Differences are the second run's less the first's, paired over the participants that both held out.
    """
    methods = _methods(method) if method else None

    from mien.comparing import written
    from mien.comparing.runs import compare_runs
    from mien.registry import load_registry

    found = compare_runs(first, second, load_registry(), methods)
    if out is not None:
        written.write(found, out)
    if as_json:
        print_json(written.as_json(found))
        return
    _print(found)
    if out is not None:
        output().print(f"results: {out.resolve()}", markup=False)


def _methods(given: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given:
        name, equals, other = text.partition("=")
        if not (name and equals and other) or name in pairs:
            raise ConfigError("A pair of methods has the form FIRST=SECOND, each first once.", where=f"--method {text}")
        pairs[name] = other
    return pairs


def _print(found: Comparison) -> None:
    console = output()
    console.print(f"first   {found.first}", markup=False)
    console.print(f"second  {found.second}", markup=False)
    if found.differences.empty:
        console.print("Configuration and versions are the same.")
    else:
        _table(console, "What differs", found.differences, ["key", "first", "second"])
    if len(found.metrics):
        shown = found.metrics.assign(
            first_run=_with_interval(found.metrics, "first", "first_low", "first_high"),
            second_run=_with_interval(found.metrics, "second", "second_low", "second_high"),
            paired=_with_interval(found.metrics, "difference", "low", "high"),
        )
        columns = ["metric", "first_run", "first_n", "second_run", "second_n", "paired", "p", "participants"]
        _table(console, "Held-out metrics; second less first, paired over common participants", shown, columns)
    if len(found.regions):
        regions = found.regions.assign(paired=_with_interval(found.regions, "difference", "low", "high"))
        for measure, said in (("share", "share of relevance; difference of log-ratios"), ("density", "density")):
            own = regions[regions["measure"] == measure]
            columns = ["first_method", "second_method", "region", "first", "second", "paired", "participants"]
            _table(console, f"Regions: {said}", own, columns)
    for note in found.notes:
        console.print(f"note: {note}", markup=False)


def _with_interval(table: pd.DataFrame, value: str, low: str, high: str) -> list[str]:
    return [
        _cell(v) + (f" [{_cell(a)}, {_cell(b)}]" if _known(a) and _known(b) else "")
        for v, a, b in zip(table[value], table[low], table[high], strict=True)
    ]


def _table(console: Console, title: str, rows: pd.DataFrame, columns: Sequence[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows[list(columns)].itertuples(index=False):
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(table)


def _known(value: Any) -> bool:
    return value is not None and value == value


def _cell(value: Any) -> str:
    if not _known(value):
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)

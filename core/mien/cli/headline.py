"""What a run prints at its end: the headline numbers and where the report lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_METRICS = 5
_REGIONS = 1


def print_headline(console: Console, summary: Mapping[str, Any], out: Path) -> None:
    """Print a summary (the content of ``summary.json``) in a few lines."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in headlines(summary):
        table.add_row(Text(name, style="bold"), Text(value))
    report = out / "report.html"
    table.add_row(Text("report", style="bold"), Text(str(report.resolve()), style="cyan"))
    console.print(table)


def headlines(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the lines of a summary as (name, text)."""
    windows = f"{summary['windows']} windows"
    yield "data", f"{summary['recordings']} recordings of {summary['participants']} participants, {windows}"
    if summary["set_aside"]:
        yield (
            "set aside",
            f"{summary['set_aside']} recordings; the report and tables/recordings.parquet say why",
        )
    yield from _metrics(summary)
    yield from _regions(summary["regions"])
    if summary["flagged_explanations"]:
        yield (
            "flagged",
            f"{summary['flagged_explanations']} explanations whose completeness gap exceeds the tolerance",
        )


def _metrics(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    level, people = summary["level"], f"{summary['held_out']} held-out participants"
    chosen = [m for m in summary["metrics"] if m["split"] == "test" and m["level"] == level and m["value"] is not None]
    for metric in chosen[:_METRICS]:
        interval = ""
        if metric["low"] is not None and metric["high"] is not None:
            interval = f" [{metric['low']:.3g}, {metric['high']:.3g}]"
        units = people if level == "participant" else f"{metric['n']} recordings of {people}"
        yield metric["metric"], f"{metric['value']:.3g}{interval} on {units}"


def _regions(regions: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    shown: dict[str, int] = {}
    for region in regions:  # densest first
        method = region["method"]
        if region["density"] is None or shown.get(method, 0) >= _REGIONS:
            continue
        shown[method] = shown.get(method, 0) + 1
        beside = region["untrained_highest"]
        text = f"densest in the {region['region'].replace('_', ' ')}: {region['density']:.2f} times chance"
        yield method, text + (f" (untrained networks at most {beside:.2f})" if beside is not None else "")

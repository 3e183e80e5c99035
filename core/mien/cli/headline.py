"""What a run prints at its end: the headline numbers and where the report lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.report.words import count, densest, region_title

if TYPE_CHECKING:
    from rich.console import Console

_METRICS = 5


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
    people, windows = count(summary["participants"], "participant"), count(summary["windows"], "window")
    yield "data", f"{count(summary['recordings'], 'recording')} of {people}, {windows}"
    if summary["set_aside"]:
        yield (
            "set aside",
            f"{count(summary['set_aside'], 'recording')}; the report and tables/recordings.parquet say why",
        )
    yield from _metrics(summary)
    yield from _regions(summary["regions"])
    if summary["flagged_explanations"]:
        yield (
            "flagged",
            f"{count(summary['flagged_explanations'], 'explanation')} whose completeness gap exceeds the tolerance",
        )


def _metrics(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    level, people = summary["level"], count(summary["held_out"], "held-out participant")
    chosen = [m for m in summary["metrics"] if m["split"] == "test" and m["level"] == level and m["value"] is not None]
    for metric in chosen[:_METRICS]:
        interval = ""
        if metric["low"] is not None and metric["high"] is not None:
            interval = f" [{metric['low']:.3g}, {metric['high']:.3g}]"
        units = people if level == "participant" else f"{count(metric['n'], 'recording')} of {people}"
        yield metric["metric"], f"{metric['value']:.3g}{interval} on {units}"


def _regions(regions: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for region in densest(regions):
        beside = region["untrained_highest"]
        text = f"densest in the {region_title(region['region'])}: {region['density']:.2f} times chance"
        yield region["method"], text + (f" (untrained networks at most {beside:.2f})" if beside is not None else "")

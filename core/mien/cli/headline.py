"""What a run prints at its end: the headline numbers and where the report lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.report.words import (
    count,
    densest,
    held_out_metrics,
    held_out_people,
    interval,
    number,
    region_title,
)

if TYPE_CHECKING:
    from rich.console import Console

_METRICS = 5
_BIASED_OVER_FOLDS = {"pearson", "spearman", "ccc"}  # whoever is held out pulls the mean of the others the other way


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
    yield from _validation(summary)
    yield from _regions(summary["regions"])
    if summary["flagged_explanations"]:
        yield (
            "flagged",
            f"{count(summary['flagged_explanations'], 'explanation')} whose completeness gap exceeds the tolerance",
        )


def _validation(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in summary.get("validation", []):
        if one["topic"] == "calibration":
            yield f"calibration {one['quantity']}", f"{number(one['value'])} ({interval(one['low'], one['high'])})"
    before = [one for one in summary.get("validation", []) if one["source_value"] is not None]
    if before:
        yield "its own run", ", ".join(f"{one['quantity']} {number(one['source_value'])}" for one in before)
    verdicts = summary.get("replication", {})
    if verdicts:
        said = ", ".join(f"{many} {verdict.replace('_', ' ')}" for verdict, many in verdicts.items())
        yield "hypotheses", f"of {sum(verdicts.values())}: {said}"


def _metrics(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    left_out = _BIASED_OVER_FOLDS if int(summary.get("folds", 1)) > 1 else ()
    held_out = held_out_metrics(summary)
    chosen = [one for name, one in held_out.items() if one["value"] is not None and name not in left_out][:_METRICS]
    skill = summary.get("skill")
    if skill and skill["value"] is not None:
        chosen.append({**skill, "metric": "rmse skill"})
    for metric in chosen:
        ends = ""
        if metric["low"] is not None and metric["high"] is not None:
            ends = f" [{metric['low']:.3g}, {metric['high']:.3g}]"
        yield metric["metric"], f"{metric['value']:.3g}{ends} on {held_out_people(summary, metric['n'])}"


def _regions(regions: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for region in densest(regions):
        beside = region["untrained_highest"]
        text = f"densest in the {region_title(region['region'])}: {region['density']:.2f} times chance"
        yield region["method"], text + (f" (untrained networks at most {beside:.2f})" if beside is not None else "")

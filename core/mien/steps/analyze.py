"""Run the analyzers; one that fails, or gives tables it does not describe, costs its own figures and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from mien.errors import DataError, PluginError, nearest
from mien.interfaces import Analysis, Analyzer, Remark, RunView
from mien.parallel.worker import attempt
from mien.promises import at_work, broken, name_of
from mien.report.charts import chart_name, free_name
from mien.report.trial import drawable
from mien.run.view import RunResults
from mien.steps.context import RunContext
from mien.tables import TABLES, Table, conform

if TYPE_CHECKING:
    from mien.report.charts import Chart

log = logging.getLogger(__name__)


def analyze(view: RunView, analyzers: Mapping[str, Analyzer], context: RunContext) -> dict[str, Analysis]:
    """Return what each analyzer found, by its name in the configuration; its tables are as it describes them."""
    found: dict[str, Analysis] = {}
    with context.progress.task("analyzing", len(analyzers), "analyzers") as bar:
        for name, analyzer in analyzers.items():
            outcome = attempt(_analysis, analyzer, view)
            if outcome.error is None:
                taken = {chart.name for analysis in found.values() for chart in analysis.charts}
                charts, faults = drawable(outcome.value.charts, name_of(analyzer))
                found[name] = replace(outcome.value, charts=_own_names(charts, name, taken))
                context.notes.extend(faults)
                context.incomplete |= bool(faults)
            else:
                log.warning("analyzer %s: %s", name, outcome.error)
                log.debug("%s", outcome.trace)
                context.notes.append(f"Analyzer '{name}' gave no result: {outcome.error}")
                context.incomplete = True
            bar.advance()
    return found


def _analysis(analyzer: Analyzer, view: RunView) -> Analysis:
    try:
        with at_work(analyzer, "analyze"):
            analysis = analyzer.analyze(view)
    finally:
        changed = view.forget_changed() if isinstance(view, RunResults) else ""
    if changed:
        raise broken(analyzer, f"It changed the network: {changed}.", "A network is left as it was found")
    if not isinstance(analysis, Analysis):
        raise broken(analyzer, f"It returned {type(analysis).__name__}.", "'analyze' returns an Analysis")
    for name, value, fits, promised in _parts(analysis):
        if not fits:
            raise broken(analyzer, f"The {name} of its Analysis are {_kind(value)}.", promised)
    return as_described(analyzer, analysis, view.recordings)


def _parts(analysis: Analysis) -> Iterator[tuple[str, object, bool, str]]:
    """Yield each part of an analysis: its name, value, whether it is of the promised type, and the promise."""
    tables, charts, notes, remarks = analysis.tables, analysis.charts, analysis.notes, analysis.method_remarks
    named = isinstance(tables, Mapping) and all(isinstance(table, pd.DataFrame) for table in tables.values())
    yield "tables", tables, named, "Tables are DataFrames by their names"
    yield "charts", charts, isinstance(charts, list | tuple), "Charts are a list"
    texts = isinstance(notes, list | tuple) and all(isinstance(note, str) for note in notes)
    yield "notes", notes, texts, "Notes are a list of texts"
    known = isinstance(remarks, Mapping) and all(isinstance(remark, Remark) for remark in remarks.values())
    yield "method_remarks", remarks, known, "Remarks are Remarks by the names of methods"


def _kind(value: object) -> str:
    """Return the type of a value, and of the first thing in it."""
    if not isinstance(value, Mapping | list | tuple):
        return type(value).__name__
    held = sorted({type(one).__name__ for one in (value.values() if isinstance(value, Mapping) else value)})
    return f"{type(value).__name__} of {' and '.join(held)}"


def _own_names(charts: Sequence[Chart], analyzer: str, taken: set[str]) -> list[Chart]:
    """Return the charts under names that no other has; charts become files by their names."""
    named = []
    for chart in charts:
        name = free_name(chart.name, taken, chart_name(analyzer, chart.name))
        taken.add(name)
        named.append(replace(chart, name=name))
    return named


def as_described(analyzer: Analyzer, analysis: Analysis, recordings: pd.DataFrame) -> Analysis:
    """Return the analysis with the columns, order and types that the analyzer's descriptions give its tables.

    Parameters
    ----------
    analyzer : Analyzer
    analysis : Analysis
        What it returned.
    recordings : DataFrame
        The table ``recordings`` of the run.

    Raises
    ------
    PluginError
        When a table is not described, has the name of one of the run's own, does not fit its description, or has a
        participant or recording that is not of the run.
    """
    described = {table.name: table for table in analyzer.tables}
    tables = {}
    for name, frame in analysis.tables.items():
        where = f"{name_of(analyzer)}, table '{name}'"
        if name in TABLES:
            raise PluginError("A table of the run itself has this name.", where=where, hint="Name it differently.")
        if name not in described:
            raise PluginError("The analyzer does not describe it.", where=where, hint=nearest(name, described))
        tables[name] = _fitting(analyzer, described[name], frame)
        _check_ids(tables[name], recordings, where)
    return replace(analysis, tables=tables)


def _fitting(analyzer: Analyzer, table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    try:
        return conform(table, frame)
    except DataError as error:
        raise PluginError(error.message, where=f"{name_of(analyzer)}, {error.where}") from error


def _check_ids(frame: pd.DataFrame, recordings: pd.DataFrame, where: str) -> None:
    """Refuse ids for which a report without names would have no pseudonym; the message does not repeat them."""
    for column in ("participant", "recording"):
        if column in frame and not (known := frame[column].isin(recordings[column])).all():
            raise PluginError(f"{int((~known).sum())} rows have a {column} that is not of this run.", where=where)

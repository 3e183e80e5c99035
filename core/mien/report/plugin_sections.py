"""Sections that plugins add to a report; one that fails costs itself and is told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from mien.errors import MienError
from mien.interfaces import Remark
from mien.interfaces.report_section import ReportSection, SectionTable
from mien.parallel.worker import attempt
from mien.registry import Registry
from mien.report.charts import Chart, chart_name, free_name
from mien.report.facts import Grid, grid
from mien.report.frame_charts import FrameGrid
from mien.report.trial import drawable

HOOK = "mien_report_section"
_LEFT_OUT = "The section that {} gave for the report is left out: "
_LEVELS = ("good", "care", "bad")


@dataclass(frozen=True)
class PluginSection:
    """A section that can be shown, and the distribution that it comes from."""

    distribution: str
    title: str
    paragraphs: Sequence[str] = ()
    remarks: Sequence[Remark] = ()
    tables: Sequence[tuple[str, Grid]] = ()
    charts: Sequence[Chart] = ()


class _Copies(Mapping[str, pd.DataFrame]):
    """Tables of which a plugin gets copies, each when it is asked for: some are large."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = tables

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self._tables[name].copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def plugin_sections(
    registry: Registry,
    config: Mapping[str, Any],
    summary: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    taken: Collection[str],
) -> tuple[list[PluginSection], list[str]]:
    """Return the sections of all plugins that have one for this run, and sentences about what failed.

    Parameters
    ----------
    taken : collection of str
        Names of the report's other charts; those of sections are called after their distribution.
    """
    sections, faults, names = [], [], set(taken)
    copies = _Copies(tables)
    for distribution, answer in registry.ask(HOOK, config=dict(config), summary=dict(summary), tables=copies):
        fault = str(answer) if isinstance(answer, MienError) else _fault(distribution, answer)
        if fault:
            faults.append(fault)
        elif answer is not None:
            made = attempt(_shown, distribution, answer, names)  # a cell may be anything, also unfit to be shown
            if made.error is not None:
                faults.append(_LEFT_OUT.format(distribution) + made.error.message)
                continue
            section, left_out = made.value
            sections.append(section)
            faults.extend(left_out)
    return sections, faults


def _fault(distribution: str, answer: object) -> str:
    """Return in a sentence why an answer cannot be shown; empty when it can."""
    said = _LEFT_OUT.format(distribution)
    if answer is None:
        return ""
    if not isinstance(answer, ReportSection):
        return f"{said}{HOOK} returned {type(answer).__name__}; it must return a ReportSection or None."
    for part in ("paragraphs", "remarks", "tables", "charts"):
        if not isinstance(getattr(answer, part), list | tuple):
            return f"{said}its {part} must be a list, not {type(getattr(answer, part)).__name__}."
    texts = [answer.title, *answer.paragraphs, *(table.caption for table in answer.tables if _is_table(table))]
    if any(not isinstance(text, str) for text in texts) or not answer.title.strip():
        return f"{said}its title, paragraphs and captions must be texts, and the title not empty."
    if any(not isinstance(remark, Remark) for remark in answer.remarks):
        return f"{said}its remarks must be mien Remarks."
    if any(not _is_good(remark) for remark in answer.remarks):
        return f"{said}a remark's verdict and text must be texts, its level one of {', '.join(_LEVELS)}."
    for table in answer.tables:
        if not _is_table(table):
            return f"{said}its tables must be SectionTables."
        if not all(isinstance(part, list | tuple) for part in (table.columns, table.rows, *_rows(table))):
            return f"{said}columns, rows and each row of the table '{table.caption}' must be lists."
        if any(len(row) != len(table.columns) for row in table.rows):
            return f"{said}a row of the table '{table.caption}' has not one value for each of its columns."
    return ""


def _rows(table: SectionTable) -> Sequence[object]:
    return table.rows if isinstance(table.rows, list | tuple) else ()


def _is_good(remark: Remark) -> bool:
    return isinstance(remark.verdict, str) and isinstance(remark.text, str) and remark.level in _LEVELS


def _is_table(value: object) -> bool:
    return isinstance(value, SectionTable)


def _shown(distribution: str, section: ReportSection, taken: set[str]) -> tuple[PluginSection, list[str]]:
    charts, faults = drawable(section.charts, distribution)
    named = []
    for chart in charts:
        # A plugin's pictures of frames have passed no check of whose face may be shown.
        bare = chart.only(()) if isinstance(chart, FrameGrid) else chart
        name = free_name(chart_name(distribution.partition("==")[0], chart.name), taken)
        taken.add(name)
        named.append(replace(bare, name=name, about=""))
    tables = [
        (_plain(table.caption), grid(_cells(table.columns), [_cells(row) for row in table.rows]))
        for table in section.tables
    ]
    remarks = [Remark(_plain(one.verdict), _plain(one.text), one.level) for one in section.remarks]
    paragraphs = [_plain(paragraph) for paragraph in section.paragraphs]
    return PluginSection(distribution, _plain(section.title), paragraphs, remarks, tables, named), faults


def _plain(text: str) -> str:
    """Return a text as nothing but a text: a subclass may say of itself that it needs no escaping."""
    return str.__str__(text)


def _cells(values: Sequence[object]) -> list[Any]:
    return [_plain(value) if isinstance(value, str) else value for value in values]

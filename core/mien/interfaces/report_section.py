"""What the hook ``mien_report_section`` gives: a section of a run's report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien.interfaces.analyzer import Remark

if TYPE_CHECKING:
    from mien.report.charts import Chart


@dataclass(frozen=True)
class SectionTable:
    """A table for reading.

    Attributes
    ----------
    caption : str
        What a row is, and the unit of each column.
    columns : sequence of str
        Headers.
    rows : sequence of sequences
        A text or a number for each column; numbers are written with three digits, None and NaN as a dash.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class ReportSection:
    """A section of a run's report.  Every text is shown as it is: markup in it is escaped.

    Attributes
    ----------
    title : str
        Its heading.
    paragraphs : sequence of str
        Findings with their numbers, gaps and their reasons.
    remarks : sequence of Remark
        What is to be believed, in colour.
    tables : sequence of SectionTable
    charts : sequence of Chart
        Also written to ``figures/``.
    """

    title: str
    paragraphs: Sequence[str] = ()
    remarks: Sequence[Remark] = ()
    tables: Sequence[SectionTable] = ()
    charts: Sequence[Chart] = ()

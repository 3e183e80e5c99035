"""The columns of the run's own tables: name, type, unit and meaning.  This is the only list of them.

Analyzers describe the tables they add in the same terms (`Analyzer.tables`), with the shared columns from here.
"""

from __future__ import annotations

from mien.tables.checks import conform, empty, table, table_schema
from mien.tables.columns import (
    ABSOLUTE,
    AREA,
    FRAME,
    LEVELS,
    METHOD,
    PARTICIPANT,
    RECORDING,
    REGION,
    SESSION,
    SIGNED,
    SPLIT,
    TIME,
    WINDOW,
    Column,
    ColumnType,
    Table,
)
from mien.tables.effects import FAMILIES, HYPOTHESES, STATISTICS
from mien.tables.run import TABLES, VERDICTS

__all__ = [
    "ABSOLUTE",
    "AREA",
    "FAMILIES",
    "FRAME",
    "HYPOTHESES",
    "LEVELS",
    "METHOD",
    "PARTICIPANT",
    "RECORDING",
    "REGION",
    "SESSION",
    "SIGNED",
    "SPLIT",
    "STATISTICS",
    "TABLES",
    "TIME",
    "VERDICTS",
    "WINDOW",
    "Column",
    "ColumnType",
    "Table",
    "conform",
    "empty",
    "table",
    "table_schema",
]

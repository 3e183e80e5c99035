"""The JSON Schema of ``leaderboard.json``; nothing heavy is imported."""

from __future__ import annotations

from mien.benchmark.tables import GATES, LEADERBOARD, MODELS, SUMMARY
from mien.config.schema import DIALECT, Schema
from mien.tables import Table, table_schema

FORMAT = 1
IN_JSON = (LEADERBOARD, GATES, SUMMARY, MODELS)
"""The tables that the file holds."""


def json_name(table: Table) -> str:
    """Return the key of a table in the file."""
    return table.name.removeprefix("benchmark_")


def leaderboard_schema() -> Schema:
    """Return the JSON Schema of ``leaderboard.json``."""
    rows = {
        json_name(table): {
            "type": "array",
            "items": {key: value for key, value in table_schema(table).items() if key != "$schema"},
        }
        for table in IN_JSON
    }
    about = "When, where and with what it was made: date, machine, versions, methods, recipe, seeds, notes."
    first = {
        "format": {"type": "integer", "description": "Version of this file's layout."},
        "notice": {"type": "string"},
        "about": {"type": "object", "description": about},
        "rule": {"type": "string", "description": "How the leaderboard is ordered."},
    }
    return {
        "$schema": DIALECT,
        "title": "leaderboard",
        "description": "leaderboard.json of `mien benchmark explanations`.",
        "type": "object",
        "properties": {**first, **rows},
        "required": [*first, *rows],
        "additionalProperties": False,
    }

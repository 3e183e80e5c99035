"""Every JSON Schema that mien publishes, by its file in ``schemas/``."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mien.benchmark.schema import leaderboard_schema
from mien.benchmark.tables import BENCHMARK_TABLES
from mien.config.schema import DIALECT, Schema, run_schema
from mien.errors import ConfigError, PluginError
from mien.registry import Registry
from mien.tables import TABLES, Table, table_schema

VERSION = 1
"""Of all schemas, in their ``$id``: raised when a file that was valid is no longer, or a column changes its meaning."""

RECORDS: dict[str, str] = {
    "run.json": "mien.run.record:RunRecord",
    "source.json": "mien.run.source:SourceRecord",
    "summary.json": "mien.run.record:Summary",
}
"""Files in ``schemas/`` that describe a pydantic model, ``module:Model``."""


def all_schemas(registry: Registry) -> dict[str, Schema]:
    """Return every schema by its path below ``schemas/``; each has an ``$id`` with their version."""
    return {
        name: {"$schema": schema["$schema"], "$id": f"urn:mien:schemas:{VERSION}:{name}", **schema}
        for name, schema in _schemas(registry).items()
    }


def _schemas(registry: Registry) -> dict[str, Schema]:
    schemas = {"config.json": run_schema(registry)}
    schemas |= {name: _record(target) for name, target in RECORDS.items()}
    schemas |= {"leaderboard.json": leaderboard_schema()}
    schemas |= {f"tables/{name}.json": table_schema(name) for name in TABLES}
    schemas |= {f"tables/{name}.json": table_schema(table) for name, table in BENCHMARK_TABLES.items()}
    for own in analyzer_tables(registry).values():
        schemas |= {f"tables/{table.name}.json": table_schema(table) for table in own}
    return schemas


def analyzer_tables(registry: Registry) -> dict[str, tuple[Table, ...]]:
    """Return the tables that each registered analyzer describes, by its id.

    A table whose name an earlier analyzer has is named ``<id>_<name>``; one with the name of a table of the run itself
    is never written and left out.  An analyzer that cannot be imported has none.
    """
    taken: set[str] = set()
    found: dict[str, tuple[Table, ...]] = {}
    for entry in registry.entries("analyzer"):
        try:
            tables: tuple[Table, ...] = registry.load(entry.kind, entry.id).tables
        except PluginError:
            continue  # `mien plugins list` says why; the schemas of the others do not depend on it
        own = (table for table in tables if table.name not in TABLES)
        found[entry.id] = tuple(replace(t, name=f"{entry.id}_{t.name}") if t.name in taken else t for t in own)
        taken |= {table.name for table in found[entry.id]}
    return found


def _record(target: str) -> Schema:
    module, _, name = target.partition(":")
    make: Callable[..., Schema] = getattr(importlib.import_module(module), name).model_json_schema
    return {"$schema": DIALECT, **make(mode="serialization")}


def as_text(schema: Schema) -> str:
    """Return a schema as it is written to its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path, registry: Registry) -> list[Path]:
    """Write every schema below ``folder`` and return the files; those of older tables are removed."""
    wanted = {folder / name: as_text(schema) for name, schema in all_schemas(registry).items()}
    try:
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for path in set((folder / "tables").glob("*.json")) - set(wanted):
            path.unlink()
    except OSError as error:
        raise ConfigError(f"The schemas cannot be written: {error.strerror}.", where=str(folder)) from error
    return list(wanted)


def outdated_schemas(folder: Path, registry: Registry) -> list[str]:
    """Return the schemas whose files below ``folder`` are absent or say something else."""
    return [name for name, schema in all_schemas(registry).items() if _read(folder / name) != schema]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None

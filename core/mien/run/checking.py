"""Whether what a run wrote is as its schemas say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from mien.errors import DataError
from mien.registry import Registry
from mien.run.record import RunRecord, Summary
from mien.schemas import analyzer_tables
from mien.tables import TABLES, Table, conform

_RECORDS: Mapping[str, type[BaseModel]] = {"run.json": RunRecord, "summary.json": Summary}


def faults(folder: Path, registry: Registry) -> list[str]:
    """Return what in the records and tables of a run is not as its schema says; one sentence each.

    Parameters
    ----------
    folder : Path
        Of a finished run.
    registry : Registry
        Its analyzers describe the tables that are not the run's own.

    Raises
    ------
    DataError
        When the folder holds no run.
    """
    missing = [name for name in _RECORDS if not (folder / name).is_file()]
    if missing:
        raise DataError(f"It holds no {missing[0]}.", where=str(folder), hint="Give the folder of a finished run.")
    return [*_records(folder), *_tables(folder, registry)]


def _records(folder: Path) -> Iterator[str]:
    for name, model in _RECORDS.items():
        try:
            model.model_validate_json((folder / name).read_bytes())
        except ValidationError as error:
            for fault in error.errors():
                yield f"{name}: {'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"


def _tables(folder: Path, registry: Registry) -> Iterator[str]:
    import pandas as pd
    import pyarrow

    known = {**TABLES, **{table.name: table for own in analyzer_tables(registry).values() for table in own}}
    for file in sorted((folder / "tables").glob("*.parquet")):
        described = _described(file.stem, known)
        if described is None:
            yield f"{file.name}: no installed analyzer describes a table of this name."
            continue
        try:
            conform(described, pd.read_parquet(file))
        except DataError as error:
            yield f"{file.name}: {error}"
        except (pyarrow.ArrowException, OSError) as error:
            yield f"{file.name}: it cannot be read: {error}"


def _described(name: str, known: Mapping[str, Table]) -> Table | None:
    """Return the table of that name; a second analyzer's is called ``<name in the configuration>_<table>``."""
    if name in known:
        return known[name]
    endings = [table for table in known if name.endswith(f"_{table}")]
    return known[max(endings, key=len)] if endings else None

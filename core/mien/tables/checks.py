"""Puts rows into the columns and types that a table promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mien.errors import DataError, nearest
from mien.tables.columns import Column, Table
from mien.tables.run import TABLES

if TYPE_CHECKING:
    import pandas as pd


def table(name: str) -> Table:
    """Return the description of one of the run's own tables, or raise `DataError` with the nearest name."""
    if name not in TABLES:
        raise DataError(f"There is no table '{name}'.", hint=nearest(name, TABLES))
    return TABLES[name]


def _described(which: str | Table) -> Table:
    return which if isinstance(which, Table) else table(which)


def conform(which: str | Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the table's columns, in its order and types.

    Parameters
    ----------
    which : str or Table
        The name of one of the run's own tables, or a description.
    frame : DataFrame

    Raises
    ------
    DataError
        When a column is missing, extra or there twice, a value has another type, is absent or is not allowed.
    """
    described = _described(which)
    wanted = [column.name for column in described.columns]
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"The table has the column {twice} twice.", where=f"table '{described.name}'")
    missing, extra = [c for c in wanted if c not in frame], [str(c) for c in frame if c not in wanted]
    if missing or extra:
        parts = [
            f"{word} {', '.join(names)}" for word, names in (("lacks", missing), ("has the unknown", extra)) if names
        ]
        raise DataError(f"The table {' and '.join(parts)}.", where=f"table '{described.name}'")
    import pandas as pd

    columns = {column.name: _cast(frame[column.name], column, described.name) for column in described.columns}
    return pd.DataFrame(columns).reset_index(drop=True)


def empty(which: str | Table) -> pd.DataFrame:
    """Return the table without rows."""
    import pandas as pd

    return conform(which, pd.DataFrame({column.name: [] for column in _described(which).columns}))


def _cast(values: pd.Series[Any], column: Column, table: str) -> pd.Series[Any]:
    where = f"table '{table}', column '{column.name}'"
    absent = values.isna()
    if absent.any() and not column.nullable:
        raise DataError(f"{int(absent.sum())} of {len(values)} values are absent.", where=where)
    try:
        result = _typed(values, absent, column)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"A value is not {_ARTICLE[column.type]}: {error}.", where=where) from error
    if column.allowed:
        others = sorted(set(result[~absent]) - set(column.allowed))
        if others:
            raise DataError(f"'{others[0]}' is not one of {', '.join(column.allowed)}.", where=where)
    return result


_ARTICLE = {"string": "text", "integer": "an integer", "number": "a number", "boolean": "true or false"}


def _typed(values: pd.Series[Any], absent: pd.Series[bool], column: Column) -> pd.Series[Any]:
    if column.type == "number":
        return values.astype("float64")
    if column.type == "integer":
        return values.astype("float64").astype("Int64") if column.nullable else _integers(values)
    if column.type == "boolean":
        return values.astype("boolean") if column.nullable else _booleans(values)
    return _texts(values, absent)


def _integers(values: pd.Series[Any]) -> pd.Series[Any]:
    result = values.astype("int64")
    if len(values) and not (result == values.astype("float64")).all():
        raise ValueError("a fraction would be lost")
    return result


def _booleans(values: pd.Series[Any]) -> pd.Series[Any]:
    if not set(values.unique()) <= {True, False}:
        raise ValueError(f"{values.iloc[0]!r}")
    return values.astype("bool")


def _texts(values: pd.Series[Any], absent: pd.Series[bool]) -> pd.Series[Any]:
    import pandas as pd

    text: Any = "str" if int(pd.__version__.split(".")[0]) >= 3 else "object"  # pandas 2 holds text as objects
    if not isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype):
        values = values.astype("object").map(str)
    result: pd.Series[Any] = values.astype(text)
    return result.where(~absent)


def table_schema(which: str | Table) -> dict[str, Any]:
    """Return the JSON Schema of one row of a table, with the unit of each column."""
    described = _described(which)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": described.name,
        "description": f"One row of tables/{described.name}.parquet: {described.row[0].lower()}{described.row[1:]}",
        "type": "object",
        "properties": {column.name: _column_schema(column) for column in described.columns},
        "required": [column.name for column in described.columns],
        "additionalProperties": False,
    }


def _column_schema(column: Column) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": [column.type, "null"] if column.nullable else column.type,
        "description": column.description,
    }
    if column.unit:
        schema["unit"] = column.unit
    if column.allowed:
        schema["enum"] = list(column.allowed)
    return schema

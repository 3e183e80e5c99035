"""Fixation files: one CSV file with a column ``recording``, or a folder with one file a recording."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mien import DataError, nearest

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

COLUMNS = ("recording", "time", "x", "y", "duration", "viewer")
"""Of a file, and of the tables here: time and duration in seconds, places in pixels of the video as displayed."""

NUMBERS = ("time", "x", "y", "duration")


@dataclass(frozen=True)
class FixationFile:
    """What was read.

    Attributes
    ----------
    table : DataFrame
        `COLUMNS`; numbers that could not be read are NaN, missing texts are empty.
    problems : tuple of str
        How many files of a folder could not be used, without their names, which may say who somebody is.
    """

    table: pd.DataFrame
    problems: tuple[str, ...] = ()


def read_fixations(path: Path, columns: Mapping[str, str]) -> FixationFile:
    """Return the fixations of a file, or of all CSV files of a folder, whose names are then the recordings'.

    Parameters
    ----------
    path : Path
    columns : mapping of str to str
        Names of the file's columns, for those of `COLUMNS` that are called differently there.

    Raises
    ------
    DataError
        When nothing can be read: the file or folder is missing or empty, or columns are.  In a folder a file that
        cannot be read is a problem, unless there is no other; the log says which, and why.
    """
    if path.is_dir():
        return _folder(path, columns)
    if not path.exists():
        near = nearest(path.name, _neighbours(path))
        hint = near if near.startswith("Did") else "Give a CSV file, or a folder with one for each recording."
        raise DataError("The fixation file does not exist.", where=str(path), hint=hint)
    return FixationFile(_file(path, columns, None))


def _neighbours(path: Path) -> list[str]:
    return [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []


def _folder(path: Path, columns: Mapping[str, str]) -> FixationFile:
    import pandas as pd

    files = sorted(path.glob("*.csv"))
    if not files:
        hint = "It should hold one CSV file for each recording, named after the recording's id."
        raise DataError("The folder holds no CSV file.", where=str(path), hint=hint)
    tables = []
    for file in files:
        try:
            tables.append(_file(file, columns, file.stem))
        except DataError as error:  # a file may be called after a person, and a report may be without names
            reason = f"{error.message} {error.hint or ''}".rstrip()
            log.warning("fixations: the file '%s' is left out: %s", file.name, reason)
    if not tables:
        message = f"None of the {len(files)} fixation files of the folder can be used."
        raise DataError(message, where=str(path), hint="The log says why, file by file.")
    bad = len(files) - len(tables)
    problem = f"{bad} of {len(files)} fixation files cannot be used and are left out; the log says which, and why."
    return FixationFile(pd.concat(tables, ignore_index=True), (problem,) if bad else ())


def _file(path: Path, columns: Mapping[str, str], recording: str | None) -> pd.DataFrame:
    """Return one file's fixations; ``recording`` is its recording, where the file has no column for it."""
    import pandas as pd

    where = str(path)
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except pd.errors.EmptyDataError as error:
        raise DataError("The fixation file is empty.", where=where, hint=_expected(recording)) from error
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise DataError(f"The fixation file cannot be read: {error}.", where=where) from error
    raw.columns = raw.columns.str.strip()
    names = {column: columns.get(column, column) for column in COLUMNS}
    if recording is not None and names["recording"] not in raw:
        raw[names["recording"]] = recording
    missing = [name for name in names.values() if name not in raw]
    if missing:
        raise DataError(_lacks(missing), where=where, hint=_mend(missing, list(raw.columns), recording))
    if raw.empty:
        raise DataError("The fixation file holds no fixation, only its head.", where=where)
    found = pd.DataFrame({column: raw[name].str.strip() for column, name in names.items()})
    for column in NUMBERS:
        found[column] = pd.to_numeric(found[column], errors="coerce").astype("float64")
        if found[column].isna().all():
            message = f"The column '{names[column]}' holds no number."
            raise DataError(message, where=where, hint="Numbers are written with a decimal point.")
    return found


def _expected(recording: str | None) -> str:
    own = COLUMNS if recording is None else COLUMNS[1:]
    return f"Its first line should be: {','.join(own)}"


def _lacks(missing: list[str]) -> str:
    return f"The fixation file lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}."


def _mend(missing: list[str], there: list[str], recording: str | None) -> str:
    if len(there) == 1 and any(mark in there[0] for mark in ";\t"):
        return "Values are separated by commas."
    if missing == ["recording"]:
        return "Add it, or give a folder with one file for each recording, named after the recording's id."
    near = nearest(missing[0], there)
    return f"{_expected(recording)}. {near} Columns of another name are told by 'columns'.".replace("  ", " ")

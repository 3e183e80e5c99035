"""Reads the CSV files that OpenFace writes, of any version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.types import FloatArray, IntArray

_AU = re.compile(r"AU(\d{1,2})_([rc])", re.IGNORECASE)
_KEYS = ("frame", "timestamp", "face_id", "confidence", "success")
_MISSING = ("-nan(ind)", "nan(ind)", "-nan(snan)")  # as Microsoft's library prints what is not a number
_RANGE: Mapping[str, tuple[float, float]] = {"r": (0, 5), "c": (0, 1)}
_SLACK = 0.01


@dataclass(frozen=True)
class OpenFaceTable:
    """The rows of one file; N rows, one a frame and face.

    Attributes
    ----------
    file : Path
    keys : mapping of str to ndarray, shape (N,)
        Those of ``frame``, ``timestamp`` (seconds), ``face_id``, ``confidence`` (0-1) and ``success`` (0 or 1) that
        the file has.
    intensity, presence : mapping of str to ndarray, shape (N,)
        By Action Unit, e.g. ``AU12``: 0 to 5, and 0 or 1.
    columns : sequence of str
        All columns of the file.
    """

    file: Path
    keys: Mapping[str, FloatArray]
    intensity: Mapping[str, FloatArray]
    presence: Mapping[str, FloatArray]
    columns: Sequence[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The Action Units, in order."""
        return tuple(sorted({*self.intensity, *self.presence}))

    def key(self, name: str) -> FloatArray:
        """Return a column that is needed.

        Raises
        ------
        DataError
            When the file lacks it.
        """
        if name not in self.keys:
            other = {"timestamp": "frame", "frame": "time"}.get(name)
            hint = f" Or set 'align: {other}'." if other else ""
            raise DataError(
                f"It has no column '{name}'.", where=str(self.file), hint=f"It has {summary(self.columns)}.{hint}"
            )
        return self.keys[name]

    def faces(self) -> IntArray:
        """Return the face of each row, ``(N,)``; 0 where the file tells no faces apart."""
        import numpy as np

        rows = len(next(iter([*self.intensity.values(), *self.presence.values()])))
        return np.asarray(self.keys.get("face_id", np.zeros(rows))).astype(int)

    def seen(self, min_confidence: float) -> Any:
        """Return in which rows OpenFace found the face, and surely enough; bool ``(N,)``."""
        import numpy as np

        good = np.ones(len(self.faces()), bool)
        if "success" in self.keys:
            good &= self.keys["success"] > 0
        if "confidence" in self.keys:
            good &= self.keys["confidence"] >= min_confidence
        return good


def read_openface(file: Path) -> OpenFaceTable:
    """Return a file's Action Units and what aligns them.

    Old and new headers are read alike: with or without spaces after the commas, with or without ``face_id``.

    Raises
    ------
    DataError
        When it cannot be read, is no table of numbers, has no column of an Action Unit, or intensities outside 0-5.
    """
    header = _header(file)
    units = {name: match for name in header if (match := _AU.fullmatch(name))}
    if not units:
        raise DataError(
            "It has no column of an Action Unit ('AU12_r', 'AU12_c').",
            where=str(file),
            hint=f"It has {summary(header)}. Run OpenFace's FeatureExtraction with '-aus'.",
        )
    columns = _numbers(file, header, [name for name in header if name in _KEYS or name in units])
    found: dict[str, dict[str, FloatArray]] = {"r": {}, "c": {}}
    for name, match in units.items():
        kind = match[2].lower()
        _check_range(file, name, columns[name], _RANGE[kind])
        found[kind][f"AU{int(match[1]):02d}"] = columns[name].clip(*_RANGE[kind])
    keys = {name: columns[name] for name in _KEYS if name in columns}
    return OpenFaceTable(file, keys, found["r"], found["c"], header)


def summary(columns: Sequence[str]) -> str:
    """Return a list of columns to print; ``x_0, x_1, ...`` count as one, ``x_*``."""
    stems = dict.fromkeys(re.sub(r"_\d+$", "_*", name) for name in columns)
    shown = list(stems)[:20]
    more = f" and {len(stems) - len(shown)} more" if len(stems) > len(shown) else ""
    return f"the columns {', '.join(shown)}{more}"


def _header(file: Path) -> list[str]:
    try:
        with file.open(encoding="utf-8-sig") as stream:
            line = stream.readline()
    except UnicodeDecodeError as error:
        raise DataError("It is not a CSV file of OpenFace's.", where=str(file)) from error
    except OSError as error:
        raise DataError(f"It cannot be read: {error.strerror or error}.", where=str(file)) from error
    names = [name.strip().strip('"') for name in line.split(",")]
    if not any(names):
        raise DataError("It is empty.", where=str(file))
    for name in names:
        if name and names.count(name) > 1:
            raise DataError(f"Two columns are called '{name}'.", where=str(file))
    return names


def _numbers(file: Path, header: list[str], wanted: list[str]) -> dict[str, FloatArray]:
    import pandas as pd

    places = [header.index(name) for name in wanted]
    try:
        table = pd.read_csv(
            file, header=None, skiprows=1, usecols=places, skipinitialspace=True, na_values=_MISSING, encoding="utf-8"
        )
    except pd.errors.EmptyDataError as error:
        raise DataError("It has no rows below its header.", where=str(file)) from error
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"It is not a whole CSV file: {str(error).strip()}.", where=str(file)) from error
    columns = {}
    for name, place in zip(wanted, places, strict=True):
        values = pd.to_numeric(table[place], errors="coerce")
        wrong = values.isna() & table[place].notna()
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise DataError(
                f"Column '{name}' holds '{table[place].iloc[row]}', which is no number.",
                where=f"{file}, line {row + 2}",
            )
        columns[name] = values.to_numpy(float)
    return columns


def _check_range(file: Path, name: str, values: FloatArray, span: tuple[float, float]) -> None:
    import numpy as np

    wrong = (values < span[0] - _SLACK) | (values > span[1] + _SLACK)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"Column '{name}' holds {values[row]:g}; OpenFace's go from {span[0]} to {span[1]}.",
            where=f"{file}, line {row + 2}",
            hint="Scale it, or use the file that OpenFace wrote.",
        )

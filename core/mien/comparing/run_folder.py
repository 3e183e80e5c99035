"""The folder of a finished run, as far as a comparison reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mien.errors import DataError


@dataclass(frozen=True)
class RunFolder:
    """A finished run.

    Attributes
    ----------
    path : Path
    record, summary : mapping
        ``run.json`` and ``summary.json``.
    """

    path: Path
    record: Mapping[str, Any]
    summary: Mapping[str, Any]

    @property
    def config(self) -> Mapping[str, Any]:
        """The dump of its configuration."""
        config: Mapping[str, Any] = self.record["config"]
        return config

    @property
    def pseudonymous(self) -> bool:
        """Whether its participants have pseudonyms."""
        return bool(self.config.get("report", {}).get("faces") == "none")

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return one of its tables, or some columns of it.

        Raises
        ------
        DataError
            When it is not there or damaged.
        """
        file = self.path / "tables" / f"{name}.parquet"
        try:
            return pd.read_parquet(file, columns=None if columns is None else list(columns))
        except FileNotFoundError as error:
            raise DataError("The run has no such table.", where=str(file), hint=_AGAIN) from error
        except (OSError, ValueError) as error:  # pyarrow's errors are of these
            raise DataError(f"The table cannot be read: {error}.", where=str(file), hint=_AGAIN) from error


_AGAIN = "Run it again into the same folder; what was computed is taken from the store."


def read_run(folder: Path) -> RunFolder:
    """Return a finished run.

    Raises
    ------
    DataError
        When the folder is not that of a run, or the run is not finished.
    """
    if not (folder / "run.json").is_file():
        raise DataError(
            "It is not the folder of a run: run.json is missing.",
            where=str(folder),
            hint="Give the folder that `mien run` or `mien validate` wrote with --out.",
        )
    record = _read(folder / "run.json")
    if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
        raise DataError("It is not the record of a run: it has no configuration.", where=str(folder / "run.json"))
    if record.get("finished") is None:
        raise DataError("The run is not finished.", where=str(folder), hint=_AGAIN)
    return RunFolder(folder, record, _read(folder / "summary.json"))


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"It cannot be read: {error.strerror}.", where=str(file), hint=_AGAIN) from error
    except ValueError as error:
        raise DataError(f"It is not JSON: {error}.", where=str(file), hint=_AGAIN) from error


def differences(first: RunFolder, second: RunFolder) -> pd.DataFrame:
    """Return what made the two runs different: a row for each key of the configuration and each version.

    Returns
    -------
    DataFrame
        kind (configuration, version, plugin or command), key (dotted), first, second: as text; empty where a run has
        no such key.
    """
    pairs = {
        "configuration": (dict(_flat(first.config)), dict(_flat(second.config))),
        "version": (first.record.get("versions", {}), second.record.get("versions", {})),
        "plugin": (_versions(first), _versions(second)),
        "command": ({"command": first.record.get("command")}, {"command": second.record.get("command")}),
    }
    rows = [
        {"kind": kind, "key": key, "first": _text(one.get(key)), "second": _text(other.get(key))}
        for kind, (one, other) in pairs.items()
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key)
    ]
    return pd.DataFrame(rows, columns=["kind", "key", "first", "second"])


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _flat(item, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _versions(run: RunFolder) -> dict[str, str]:
    plugins: Mapping[str, Mapping[str, Any]] = run.record.get("plugins", {})
    return {str(about.get("use", place)): str(about.get("version", "")) for place, about in plugins.items()}


def _text(value: Any) -> str:
    return "" if value is None else str(value)

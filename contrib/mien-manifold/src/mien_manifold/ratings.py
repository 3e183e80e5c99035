"""What is known of each window: score, prediction, band, covariates, and ratings from a file."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mien import ConfigError, DataError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from mien import BoolArray, Objective, Recording, RunView

OWN = ("recording", "participant", "window", "score", "prediction", "band")
_IDS = ("recording", "participant")
_PARTS = 4
MOST_GROUPS = 24
"""More are not told apart by colours and marks."""


class Known(NamedTuple):
    """What is known of windows: one row a window, a column a rating; and sentences on what does not fit."""

    table: pd.DataFrame
    rated: tuple[str, ...]
    """The numeric ratings of the data set and of the file, score first."""
    notes: list[str]


def known(run: RunView, rows: pd.DataFrame, file: Path | None) -> Known:
    """Return what is known of each of the windows ``rows`` (of the table ``predictions``), in their order.

    Raises
    ------
    DataError
        When the file cannot be used.
    """
    table = rows[["recording", "participant", "window"]].assign(
        score=rows["label"].astype("float64"), prediction=rows["prediction"].astype("float64")
    )
    if run.objective.severity_bands:
        table["band"] = _bands(table["score"], run.objective.severity_bands)
    covariates, notes = _without_clashes(run.covariates.drop(columns="participant"))
    table = table.merge(covariates, on="recording", how="left", validate="many_to_one")
    if file is not None:
        given = read_ratings(file, table.columns)
        key = str(given.columns[0])
        notes += _strangers(given[key], set(run.recordings[key].map(str)), key, file)
        table = table.merge(given, on=key, how="left", validate="many_to_one")
    rated = [str(name) for name in table.columns if name not in OWN and is_number(table[name])]
    return Known(table, (*(["score"] if run.objective.continuous else []), *rated), notes)


def foreseen(recordings: Sequence[Recording], objective: Objective, file: Path | None) -> pd.DataFrame:
    """Return what will be known of windows, as `known` has it, one row a recording: before anything is computed.

    A covariate that is a number for some recordings counts as one: the others may be set aside.

    Raises
    ------
    DataError
        When the file cannot be used.
    """
    import pandas as pd

    table = pd.DataFrame(
        {
            "recording": [one.id for one in recordings],
            "participant": [one.participant for one in recordings],
            "window": 0,
            "score": pd.Series([one.label for one in recordings], dtype="float64"),
            "prediction": float("nan"),
        }
    )
    if objective.severity_bands:
        table["band"] = ""
    covariates, _ = _without_clashes(pd.DataFrame({"recording": table["recording"], **_covariates(recordings)}))
    table = table.merge(covariates, on="recording", how="left", validate="one_to_one")
    if file is not None:
        given = read_ratings(file, table.columns)
        key = str(given.columns[0])
        _strangers(given[key], set(table[key]), key, file)
        table = table.merge(given, on=key, how="left", validate="many_to_one")
    return table


def _covariates(recordings: Sequence[Recording]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name in dict.fromkeys(name for one in recordings for name in one.covariates):
        values = [one.covariates.get(name) for one in recordings]
        numbers = [value if isinstance(value, int | float) else float("nan") for value in values]
        found[name] = numbers if any(number == number for number in numbers) else [str(value) for value in values]
    return found


def is_number(values: pd.Series[float]) -> bool:
    """Return whether a column holds numbers."""
    from pandas.api.types import is_numeric_dtype

    return bool(is_numeric_dtype(values))


def _bands(scores: pd.Series[float], bands: Mapping[str, float]) -> list[str | None]:
    def band(score: float) -> str | None:
        reached = [name for name, lowest in bands.items() if score >= lowest]
        return reached[-1] if reached else None

    return [band(score) for score in scores]


def _without_clashes(covariates: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    clashing = [str(name) for name in covariates if name in OWN and name != "recording"]
    notes = [
        f"The covariate '{name}' is called '{name} (covariate)' here: {name} means another thing." for name in clashing
    ]
    return covariates.rename(columns={name: f"{name} (covariate)" for name in clashing}), notes


def read_ratings(path: Path, taken: Sequence[str] | pd.Index[str]) -> pd.DataFrame:
    """Return the ratings of a CSV file: first ``recording`` or ``participant``, then a column a rating.

    Parameters
    ----------
    path : Path
        UTF-8, with a header.  Columns of which every value is a number are numeric, others are text.
    taken : sequence of str
        Names that a rating must not have.

    Raises
    ------
    DataError
        When it cannot be read, names nobody or somebody twice, or a rating's name is taken.
    """
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row longer than the header would lose values
            found = pd.read_csv(
                path, dtype=dict.fromkeys(_IDS, str), encoding="utf-8-sig", skipinitialspace=True, index_col=False
            )
    except (OSError, ValueError, pd.errors.ParserWarning) as error:  # another encoding, no rows: ValueError
        reason = str(error).splitlines()[0]
        raise DataError(
            f"The ratings cannot be read: {reason}.", where=str(path), hint="Save it as CSV (UTF-8)."
        ) from error
    found.columns = [str(name).strip() for name in found.columns]
    ids = [name for name in _IDS if name in found]
    if len(ids) != 1:
        said = "both" if ids else "neither"
        raise DataError(
            f"The ratings have {said} of the columns 'recording' and 'participant'.",
            where=str(path),
            hint="Give one of them: whom a row rates. The others are ratings.",
        )
    key = ids[0]
    names = [str(name) for name in found.columns if name != key]
    clash = next((name for name in names if name in taken), None)
    if clash is not None:
        raise DataError(f"A rating is called '{clash}', which is known already.", where=str(path), hint="Rename it.")
    found[key] = found[key].str.strip()
    if found[key].isna().any():
        raise DataError(f"{int(found[key].isna().sum())} rows do not say which {key} they rate.", where=str(path))
    twice = found.loc[found[key].duplicated(), key]
    if len(twice):
        raise DataError(
            f"The {key} '{twice.iloc[0]}' is rated twice.", where=str(path), hint="Average its raters beforehand."
        )
    return found[[key, *names]]


def _strangers(rated: pd.Series[str], ours: Collection[str], key: str, path: Path) -> list[str]:
    strange = [name for name in rated if name not in ours]
    if len(strange) == len(rated):
        hint = nearest(strange[0], ours) if strange and len(ours) <= 50 else ""
        raise DataError(f"None of its {len(rated)} rows rates a {key} of this run.", where=str(path), hint=hint)
    if not strange:
        return []
    return [f"{len(strange)} of the {len(rated)} rated {key}s are not of this run."]


def require(names: Sequence[str], table: pd.DataFrame, field: str, *, numeric: bool = False) -> None:
    """Raise `ConfigError` for a name that is no rating (the nearest one is told), or is text where a number is due."""
    choices = [str(name) for name in table.columns if name not in ("recording", "window")]
    for name in names:
        if name not in choices:
            raise ConfigError(f"There is no rating '{name}'.", where=field, hint=nearest(name, choices))
        if numeric and not is_number(table[name]):
            raise ConfigError(f"The rating '{name}' is not a number throughout.", where=field, hint="Leave it out.")


def grouped(values: pd.Series[float], bands: Sequence[str] = ()) -> tuple[list[tuple[str, BoolArray]], bool]:
    """Return the groups that points are coloured by, as (name, members), and whether they have an order.

    Numbers of more than four values are cut at their quartiles; what is not known comes first.

    Parameters
    ----------
    values : Series
        One a point.
    bands : sequence of str
        The order of the values, where they are bands.
    """
    import numpy as np

    absent = values.isna().to_numpy(bool)
    groups = [("not known", absent)] if absent.any() else []
    if bands or not is_number(values):
        present = set(values.dropna().map(str))
        names = [name for name in bands if name in present] if bands else sorted(present)
        return [*groups, *((name, (values == name).to_numpy(bool)) for name in names)], bool(bands)
    numbers = values.to_numpy(np.float64)
    distinct = np.unique(numbers[~absent])
    if len(distinct) <= _PARTS:
        return [*groups, *((f"{value:g}", numbers == value) for value in distinct)], True
    edges = np.unique(np.quantile(numbers[~absent], np.linspace(0, 1, _PARTS + 1)))
    parts = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    for part in range(len(edges) - 1):
        members = ~absent & (parts == part)
        groups.append((f"{edges[part]:.3g} to {edges[part + 1]:.3g}", members))
    return groups, True

"""Two cohorts of people, told apart by what the data set says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 3
"""A smaller cohort is not compared: it has no interval, no test of it can find anything, and it may say who it is."""

_ABOUT = ("recording", "participant")


@dataclass(frozen=True)
class Cohorts:
    """Two groups of participants.

    Attributes
    ----------
    covariate : str
        What tells them apart.
    names : (str, str)
    of : mapping of str to str
        The cohort of each participant that is in one.
    """

    covariate: str
    names: tuple[str, str]
    of: Mapping[str, str]

    def sizes(self) -> tuple[int, int]:
        """Return how many participants each has."""
        first, second = (sum(one == name for one in self.of.values()) for name in self.names)
        return first, second


@dataclass(frozen=True)
class Asked:
    """How cohorts are to be told apart; see the fields of `mien_perturbation.group_regions.GroupRegions`."""

    by: str | None
    between: tuple[str, str] | None
    cut_point: float | None


def cohorts(covariates: pd.DataFrame, people: Sequence[str], asked: Asked) -> Cohorts | str:
    """Return the two cohorts, or the sentence that says why there are none.

    A participant's number is the mean over its recordings; a text that differs between them puts it in no cohort.

    Parameters
    ----------
    covariates : DataFrame
        `mien.RunView.covariates`.
    people : sequence of str
        The participants to divide.
    asked : Asked
    """
    names = [str(name) for name in covariates.columns if name not in _ABOUT]
    if not names:
        return "the data set says nothing of its participants that could tell cohorts apart."
    values = {name: _of_people(covariates, name, people) for name in names}
    by = asked.by if asked.by is not None else _only(values)
    if by is None:
        return (
            f"several covariates could tell cohorts apart, or none has exactly two values. Name one in 'by': "
            f"{', '.join(names)}."
        )
    if by not in values:
        return f"there is no covariate '{by}' in the data set. Known: {', '.join(names)}."
    divided = _divided(by, values[by], asked)
    if isinstance(divided, str):
        return divided
    small = [f"'{name}' has {size}" for name, size in zip(divided.names, divided.sizes(), strict=True) if size < FEWEST]
    if small:
        return (
            f"of the explained participants, the cohort {' and the cohort '.join(small)} ({by}); each needs {FEWEST} "
            "or more. Explain more participants, or divide them otherwise ('by', 'between', 'cut_point')."
        )
    return divided


def _of_people(covariates: pd.DataFrame, name: str, people: Sequence[str]) -> pd.Series[float] | pd.Series[str]:
    """Return a covariate of each participant; absent where it is not known, or not one."""
    import pandas as pd

    values = covariates.groupby("participant")[name]
    if pd.api.types.is_numeric_dtype(covariates[name]):
        return values.mean().reindex(list(people))
    return values.agg(_one).reindex(list(people))


def _one(values: pd.Series[str]) -> str | None:
    known = values.dropna().unique()
    return str(known[0]) if len(known) == 1 else None


def _only(values: Mapping[str, pd.Series[float] | pd.Series[str]]) -> str | None:
    """Return the only covariate with exactly two values."""
    two = [name for name, own in values.items() if own.nunique() == 2]
    return two[0] if len(two) == 1 else None


def _divided(by: str, values: pd.Series[float] | pd.Series[str], asked: Asked) -> Cohorts | str:
    import pandas as pd

    known = values.dropna()
    if known.empty:
        return f"'{by}' is not known of any explained participant, or not the same in all recordings of one."
    numeric = pd.api.types.is_numeric_dtype(known)
    if not numeric and asked.cut_point is not None:
        return f"'{by}' is no number, so that 'cut_point' cannot split it. Name two of its values in 'between'."
    if numeric and asked.between is None and (asked.cut_point is not None or known.nunique() > 2):
        return _split(by, {str(person): float(value) for person, value in known.items()}, asked.cut_point)
    named = {str(person): f"{value:g}" if numeric else str(value) for person, value in known.items()}
    return _between(by, named, asked.between)


def _split(by: str, values: Mapping[str, float], cut_point: float | None) -> Cohorts:
    """Return those below a number and the others; the number is the median where none is given."""
    lowest = min(values.values())
    middle = median(values.values()) if cut_point is None else cut_point
    if cut_point is None and middle == lowest:  # below the median there would be nobody
        middle = min(value for value in values.values() if value > lowest)
    names = (f"below {middle:g}", f"{middle:g} or more")
    return Cohorts(by, names, {person: names[int(value >= middle)] for person, value in values.items()})


def _between(by: str, named: Mapping[str, str], between: tuple[str, str] | None) -> Cohorts | str:
    found = sorted(set(named.values()))
    if between is None:
        if len(found) != 2:
            return f"'{by}' has {len(found)} values ({', '.join(found)}); name the two to compare in 'between'."
        between = (found[0], found[1])
    missing = [name for name in between if name not in found]
    if missing:
        return f"no explained participant has '{missing[0]}' as '{by}'. Known: {', '.join(found)}."
    return Cohorts(by, between, {person: value for person, value in named.items() if value in between})

"""Two cohorts of people, told apart by what the data set says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 3
"""A smaller cohort is not compared: it has no interval, no test of it can find anything, and it may say who it is."""

_ABOUT = ("recording", "participant")
_SPELT = {"true": ("true", "yes", "on", "1"), "false": ("false", "no", "off", "0")}
"""What YAML reads as a truth value, so that how it was written is lost; and the numbers that stand for it."""


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
    unknown, differing, others : int
        How many participants are in neither: nothing is known of them, their recordings differ in a text, or they have
        a value that is not compared.
    """

    covariate: str
    names: tuple[str, str]
    of: Mapping[str, str]
    unknown: int = 0
    differing: int = 0
    others: int = 0

    def sizes(self) -> tuple[int, int]:
        """Return how many participants each has."""
        first, second = (sum(one == name for one in self.of.values()) for name in self.names)
        return first, second


def named(value: str | float) -> str:
    """Return a covariate's value, or what a configuration says of it, as text: 1 and 1.0 alike, no digit lost."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(float(value)).removesuffix(".0")


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
    known = int(values[by].notna().sum())
    differing = _differing(covariates, by, people)
    return replace(
        divided, unknown=len(people) - known - differing, differing=differing, others=known - len(divided.of)
    )


def _of_people(covariates: pd.DataFrame, name: str, people: Sequence[str]) -> pd.Series[float] | pd.Series[str]:
    """Return a covariate of each participant; absent where it is not known, or not one."""
    import pandas as pd

    values = covariates.groupby("participant")[name]
    if pd.api.types.is_numeric_dtype(covariates[name]):
        lowest = values.min()  # where all are alike, their mean might be another number, by rounding
        return values.mean().where(values.max() != lowest, lowest).reindex(list(people))
    return values.agg(_one).reindex(list(people))


def _one(values: pd.Series[str]) -> str | None:
    known = values.dropna().unique()
    return str(known[0]) if len(known) == 1 else None


def _differing(covariates: pd.DataFrame, name: str, people: Sequence[str]) -> int:
    """Return of how many people the recordings differ in a text."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(covariates[name]):
        return 0
    return int((covariates.groupby("participant")[name].nunique().reindex(list(people)) > 1).sum())


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
    return _between(by, {str(person): named(value) for person, value in known.items()}, asked.between)


def _split(by: str, values: Mapping[str, float], cut_point: float | None) -> Cohorts:
    """Return those below a number and the others; the number is the median where none is given."""
    lowest = min(values.values())
    middle = median(values.values()) if cut_point is None else cut_point
    if cut_point is None and middle == lowest:  # below the median there would be nobody
        middle = min(value for value in values.values() if value > lowest)
    names = (f"below {named(middle)}", f"{named(middle)} or more")
    return Cohorts(by, names, {person: names[int(value >= middle)] for person, value in values.items()})


def _between(by: str, values: Mapping[str, str], between: tuple[str, str] | None) -> Cohorts | str:
    found = sorted(set(values.values()))
    if between is None:
        if len(found) != 2:
            return f"'{by}' has {len(found)} values ({', '.join(found)}); name the two to compare in 'between'."
        between = (found[0], found[1])
    first, second = (_meant(asked, found) for asked in between)
    if first is None or second is None:
        missing = between[0] if first is None else between[1]
        return f"no explained participant has '{missing}' as '{by}'. Known: {', '.join(found)}."
    if first == second:
        return f"'{between[0]}' and '{between[1]}' are the same value of '{by}'; name two in 'between'."
    return Cohorts(by, (first, second), {person: value for person, value in values.items() if value in (first, second)})


def _meant(asked: str, found: Sequence[str]) -> str | None:
    """Return the value that is meant: of the same text, or else the only one of the same number or truth."""
    if asked in found:
        return asked
    alike = [value for value in found if _same(asked, value)]
    return alike[0] if len(alike) == 1 else None


def _same(asked: str, value: str) -> bool:
    if asked in _SPELT:
        return value.casefold() in _SPELT[asked]
    try:
        return float(asked) == float(value)
    except ValueError:  # one of them is no number
        return False

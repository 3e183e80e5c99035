"""What the comparison of cohorts says, in sentences with their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mien_perturbation.group_charts import title

if TYPE_CHECKING:
    import pandas as pd

    from mien_perturbation.cohorts import Cohorts

_CORRECTIONS = {"benjamini_hochberg": "Benjamini and Hochberg", "holm": "Holm"}
_TOLD = 5  # differences in sentences; the table has all


def findings(table: pd.DataFrame, found: Cohorts, measure: str, correction: str, level: float) -> list[str]:
    """Return who was compared, which regions differ, and what cannot be told."""
    from mien_perturbation.cohort_tests import smallest_p

    first, second = found.names
    sizes = found.sizes()
    notes = [
        f"Importance ({measure}) of regions in two cohorts ({found.covariate}): {first} ({sizes[0]} participants) and "
        f"{second} ({sizes[1]}). A difference has many possible reasons and is no proof that people are treated unlike."
    ]
    tested = table[table["p"].notna()]
    called = tested[tested["adjusted_p"] <= level].sort_values("adjusted_p", kind="stable")
    adjusted = f"adjusted p (after {_CORRECTIONS[correction]})"
    if called.empty:
        text = f"None of {len(tested)} tests (methods x regions) has an {adjusted} of {level:g} or below"
        if len(tested):
            text += f"; the smallest: {_told(tested.sort_values('p', kind='stable').iloc[0], found)}"
        notes.append(f"{text}. No difference found is not no difference.")
        least = smallest_p(*sizes)
        if least > level:
            people = f"With {sizes[0]} and {sizes[1]} participants"
            notes.append(f"{people} p cannot be below {_number(least)}: nothing could be found.")
    else:
        notes.append(
            f"{len(called)} of {len(tested)} tests (methods x regions) have an {adjusted} of {level:g} or below."
        )
        notes += [f"{_told(row, found)}." for _, row in called.head(_TOLD).iterrows()]
    return notes + _gaps(table)


def labels_note(predictions: pd.DataFrame, found: Cohorts, permutations: int, seed: int) -> list[str]:
    """Return how the cohorts' labels differ, where they are known: the first other reason to look at."""
    from mien_perturbation.cohort_tests import compared

    own = predictions.dropna(subset=["label"]).groupby("participant")["label"].mean()
    sides = [[value for person, value in own.items() if found.of.get(str(person)) == name] for name in found.names]
    if min(map(len, sides)) < 2:
        return []
    one = compared(sides[0], sides[1], permutations, 100, seed)
    if one.p != one.p:  # NaN: all labels are the same
        return []
    return [
        f"The cohorts' labels differ by {_number(one.value)} on average (p = {_number(one.p)}): "
        + ("a difference in regions may come from that." if one.p <= 0.05 else "no sign that labels are behind it.")
    ]


def _told(row: Any, found: Cohorts) -> str:
    return (
        f"{row['method']}, {title(row['region'])}: {_number(row['first_mean'])} in {found.names[0]}, "
        f"{_number(row['second_mean'])} in {found.names[1]} (difference {_number(row['difference'])}, 95 % interval "
        f"{_number(row['difference_low'])} to {_number(row['difference_high'])}; Hedges' g {_number(row['effect'])}; "
        f"p = {_number(row['p'])}, adjusted {_number(row['adjusted_p'])})"
    )


def _gaps(table: pd.DataFrame) -> list[str]:
    without = table.loc[table["p"].isna()]
    if without.empty:
        return []
    places = ", ".join(f"{row['method']} {title(row['region'])}" for _, row in without.iterrows())
    return [
        f"Not tested, because importance is the same for all, or defined for fewer than three of a cohort: {places}."
    ]


def _number(value: float) -> str:
    return f"{float(value):.2g}"

"""What the comparison of cohorts says, in sentences with their numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mien_perturbation.group_charts import title

if TYPE_CHECKING:
    import pandas as pd

    from mien_perturbation.cohorts import Cohorts

_CORRECTIONS = {"benjamini_hochberg": "Benjamini and Hochberg", "holm": "Holm"}
_TOLD = 5  # differences in sentences; the table has all


def findings(table: pd.DataFrame, found: Cohorts, measure: str, correction: str, level: float) -> list[str]:
    """Return who was compared, which regions differ, and what cannot be told."""
    first, second = found.names
    sizes = found.sizes()
    notes = [
        f"Importance ({measure}) of regions in two cohorts ({found.covariate}): {first} ({sizes[0]} participants) and "
        f"{second} ({sizes[1]}). A difference has many reasons and is no proof that people are treated unlike.",
        *_left_out(found),
    ]
    tested = table[table["p"].notna()]
    called = tested[tested["adjusted_p"] <= level].sort_values("adjusted_p", kind="stable")
    adjusted = f"adjusted p (after {_CORRECTIONS[correction]})"
    if called.empty:
        text = f"None of {len(tested)} tests (methods x regions) has an {adjusted} of {level:g} or below"
        if len(tested):
            text += f"; the smallest: {_told(tested.sort_values('p', kind='stable').iloc[0], found)}"
        notes += [f"{text}. No difference found is not no difference.", *_too_few(tested, correction, level)]
    else:
        notes.append(
            f"{len(called)} of {len(tested)} tests (methods x regions) have an {adjusted} of {level:g} or below."
        )
        notes += [f"{_told(row, found)}." for _, row in called.head(_TOLD).iterrows()]
    return notes + _gaps(table)


def labels_note(predictions: pd.DataFrame, found: Cohorts, resamples: int, seed: int) -> list[str]:
    """Return how the cohorts' labels differ, where they are known: the first other reason to look at."""
    from mien_perturbation.cohort_tests import compared
    from mien_perturbation.cohorts import FEWEST

    own = predictions.dropna(subset=["label"]).groupby("participant")["label"].mean()
    sides = [[value for person, value in own.items() if found.of.get(str(person)) == name] for name in found.names]
    first, second = found.names
    if min(map(len, sides)) < FEWEST:
        sizes = f"{len(sides[0])} ({first}) and {len(sides[1])} ({second})"
        return [f"How the cohorts' labels differ is not told: labels are known of {sizes} participants."]
    if len({*sides[0], *sides[1]}) == 1:
        return ["The participants' mean labels are all the same."]
    one = compared(sides[0], sides[1], 0, resamples, seed)  # without a test: labels may differ for all that p says
    interval = f"95 % interval {_number(one.low)} to {_number(one.high)}"
    return [
        f"The cohorts' labels differ by {_number(one.value)} on average ({first} less {second}; {interval}): a "
        "difference in regions may come from labels as far apart as that."
    ]


def _left_out(found: Cohorts) -> list[str]:
    """Return how many people are in neither cohort, and why."""
    why = {
        "is not known of": found.unknown,
        "differs between the recordings of": found.differing,
        "has another value for": found.others,
    }
    left = sum(why.values())
    if not left:
        return []
    reasons = ", ".join(f"{reason} {count}" for reason, count in why.items() if count)
    who = f"{left} of {left + len(found.of)} explained participants, who are in neither cohort"
    return [f"Left out are {who}: '{found.covariate}' {reasons}."]


def _too_few(tested: pd.DataFrame, correction: str, level: float) -> list[str]:
    """Return what could not have been found, as no p can be as small as the correction asks for.

    Of m tests the smallest p has to be level / m or below.  Benjamini and Hochberg ask less of each where several are
    as small: of k, level x k / m.
    """
    if tested.empty:
        return []
    leasts = [_least(row) for _, row in tested.iterrows()]
    least, tests = min(leasts), len(tested)
    if least <= level / tests:
        return []
    needed = math.ceil(least * tests / level - 1e-9)
    could = "nothing could be found"
    if correction == "benjamini_hochberg" and needed <= tests:
        could = f"differences in fewer than {needed} of {tests} tests could not be found"
    few = "participants" if tested["exact"].iloc[leasts.index(least)] else "divisions ('permutations')"
    asked = f"the correction asks for {_number(level / tests)} or below of the smallest of {tests}"
    return [f"With so few {few} p cannot be below {_number(least)}, and {asked}, so that {could}."]


def _least(row: Any) -> float:
    """Return the smallest p that a test can give."""
    from mien_perturbation.cohort_tests import smallest_p

    if not row["exact"]:
        return 1 / (1 + float(row["divisions"]))
    return smallest_p(int(row["first_participants"]), int(row["second_participants"]))


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

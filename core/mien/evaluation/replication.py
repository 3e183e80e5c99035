"""Whether what a run found holds on other data: the table ``replication``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mien.statistics import FEWEST

KEYS = ("method", "measure", "region", "au", "source", "adjusted")
"""What a hypothesis is about."""

REPLICATED, NOT_REPLICATED, UNDECIDED = "replicated", "not_replicated", "undecided"

HALF = 0.5
"""Of the source's effect: what an interval has to exclude for a hypothesis not to be replicated."""

RULE = (
    "Replicated: the 95 % interval here lies wholly on the source effect's side of 0. Not replicated: it lies wholly "
    "below half of the source's effect, taken on the source's side. Undecided: everything else, an undefined effect "
    f"or interval, or fewer than {FEWEST} participants."
)


def verdict(source_effect: float, effect: float, low: float, high: float, n: int) -> tuple[str, str]:
    """Return the verdict on a hypothesis and why, by `RULE`.

    Parameters
    ----------
    source_effect : float
        The effect in the network's own run.
    effect, low, high : float
        The effect here, with its interval; NaN where undefined.
    n : int
        Participants here.
    """
    if not math.isfinite(source_effect) or source_effect == 0:
        return UNDECIDED, "The source's effect has no direction."
    if n < FEWEST:
        return UNDECIDED, f"Fewer than {FEWEST} participants."
    if not math.isfinite(effect):
        return UNDECIDED, "The effect is undefined here."
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNDECIDED, "There is no interval here."
    lowest, highest = (low, high) if source_effect > 0 else (-high, -low)
    half = HALF * abs(source_effect)
    if lowest > 0:
        small = ", but below half of its size" if highest < half else ""
        return REPLICATED, f"The interval lies on the source's side of 0{small}."
    if highest < 0:
        return NOT_REPLICATED, "The interval lies on the other side of 0."
    if highest < half:
        return NOT_REPLICATED, "The interval holds 0 and excludes half of the source's effect."
    return UNDECIDED, "The interval holds 0 and at least half of the source's effect."


def replication_table(hypotheses: Sequence[Mapping[str, Any]], statistics: pd.DataFrame | None) -> pd.DataFrame:
    """Return a row for each hypothesis of the source, with what was found here and the verdict.

    Parameters
    ----------
    hypotheses : sequence of mapping
        Rows of the source run's table ``hypotheses``.
    statistics : DataFrame or None
        The table ``statistics`` of this data set; None when it was not made.
    """
    found = {} if statistics is None else {_key(row): row for row in statistics.to_dict("records")}
    rows = []
    for one in hypotheses:
        here = found.get(_key(one))
        effect, low, high, p = (_float((here or {}).get(name)) for name in ("effect", "low", "high", "p"))
        n = int(here["n"]) if here else 0
        said, reason = verdict(_float(one["effect"]), effect, low, high, n)
        if here is None:
            said, reason = UNDECIDED, "It was not measured here."
        before = {f"source_{name}": _float(one.get(name)) for name in ("effect", "low", "high")}
        rows.append(
            dict(zip(KEYS, _key(one), strict=True))
            | before
            | {"source_n": one.get("n"), "effect": effect, "low": low, "high": high, "p": p, "n": n}
            | {"verdict": said, "reason": reason}
        )
    return pd.DataFrame(rows)


def _key(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    texts = ("" if row.get(name) is None or pd.isna(row[name]) else str(row[name]) for name in KEYS[:-1])
    return (*texts, bool(row["adjusted"]))


def _float(value: Any) -> float:
    return math.nan if value is None or pd.isna(value) else float(value)

"""Where relevance falls in two runs, by region, paired by participant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mien.comparing.run_folder import RunFolder
from mien.errors import DataError, nearest
from mien.regions.measures import counted, per_participant
from mien.regions.names import TOTAL
from mien.regions.pooling import SUMS
from mien.statistics import FEWEST, log_ratio, mean_interval
from mien.types import FloatArray

RESAMPLES = 1000
SHARE_FLOOR = 1e-4
"""A smaller share of relevance counts as this much, so that its log-ratio is finite."""

COLUMNS = (
    "first_method", "second_method", "region", "measure", "first", "second", "difference", "low", "high",
    "participants",
)  # fmt: skip


def compare_regions(
    one: RunFolder, other: RunFolder, methods: Mapping[str, str] | None, common: Sequence[str], seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """Return share and density of each region in two runs, with what has to be said of them.

    Parameters
    ----------
    methods : mapping of str to str or None
        Method of the first run to that of the second; None: those of one name.
    common : sequence of str
        The participants that both runs held out; with fewer than `mien.statistics.FEWEST` nothing is paired, and the
        figures are those of each run's own participants.

    Raises
    ------
    DataError
        When no held-out recording was explained with a method that was named.
    """
    own = [_relevance(run) for run in (one, other)]
    pairs = _method_pairs(one, other, own, methods)
    if not pairs:
        said = "No method of the same name explained held-out recordings of both runs; map them with --method A=B."
        return pd.DataFrame(columns=list(COLUMNS)), [said]
    rows = [
        {"first_method": before, "second_method": after} | row
        for before, after in pairs.items()
        for row in _rows(own[0][before], own[1][after], common, seed)
    ]
    notes = []
    if one.config.get("pooling") != other.config.get("pooling"):
        notes.append("Regions were pooled differently (see 'pooling'): their relevance is not of the same pixels.")
    return pd.DataFrame(rows, columns=list(COLUMNS)), notes


def _relevance(run: RunFolder) -> dict[str, pd.DataFrame]:
    """Return the measures of each held-out participant and region, by method."""
    columns = ["method", "recording", "participant", "split", "valid", "region", *SUMS]
    rows = run.table("relevance", columns)
    rows = counted(rows[rows["split"] == "test"])
    if rows.empty:
        return {}
    measured = per_participant(rows)
    return {str(method): table for method, table in measured.groupby("method", sort=False)}


def _method_pairs(
    one: RunFolder, other: RunFolder, own: Sequence[Mapping[str, pd.DataFrame]], methods: Mapping[str, str] | None
) -> dict[str, str]:
    if methods is None:
        return {name: name for name in own[0] if name in own[1]}
    for names, run, there in ((methods, one, own[0]), (methods.values(), other, own[1])):
        for name in names:
            if name not in there:
                raise DataError(
                    f"No held-out recording was explained with the method '{name}'.",
                    where=str(run.path),
                    hint=nearest(name, there),
                )
    return dict(methods)


def _rows(first: pd.DataFrame, second: pd.DataFrame, common: Sequence[str], seed: int) -> list[dict[str, Any]]:
    rows = []
    for region in dict.fromkeys([*first["region"], *second["region"]]):
        if region == TOTAL:
            continue
        sides = [table[table["region"] == region].set_index("participant") for table in (first, second)]
        for measure in ("share", "density"):
            left, right = (side[measure].astype(float) for side in sides)
            found = _paired(left, right, measure, common, seed) if len(common) >= FEWEST else _apart(left, right)
            rows.append({"region": region, "measure": measure} | found)
    return rows


def _apart(left: pd.Series[Any], right: pd.Series[Any]) -> dict[str, Any]:
    nothing = dict.fromkeys(("difference", "low", "high"), np.nan)
    return {"first": left.mean(), "second": right.mean(), **nothing, "participants": 0}


def _paired(
    left: pd.Series[Any], right: pd.Series[Any], measure: str, common: Sequence[str], seed: int
) -> dict[str, Any]:
    """Return both means and the mean paired difference with its interval; of shares that of their log-ratios."""
    pair = pd.concat({"first": left, "second": right}, axis=1, join="inner").dropna()
    pair = pair[pair.index.isin(common)].sort_index()
    before, after = (pair[side].to_numpy(np.float64) for side in ("first", "second"))
    change: FloatArray = after - before
    if measure == "share":
        change = log_ratio(after, SHARE_FLOOR) - log_ratio(before, SHARE_FLOOR)
    mean, low, high = (float(one[0]) for one in mean_interval(change[:, None], RESAMPLES, seed))
    return {
        "first": pair["first"].mean(),
        "second": pair["second"].mean(),
        "difference": mean,
        "low": low,
        "high": high,
        "participants": len(pair),
    }

"""Two runs side by side: what was configured differently, metrics, and where relevance falls, paired by participant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from mien.comparing.relevance import compare_regions
from mien.comparing.run_folder import RunFolder, differences, read_run
from mien.errors import DataError
from mien.evaluation.units import at_levels, known
from mien.interfaces import Objective
from mien.registry import Registry
from mien.report.words import count, listed
from mien.statistics import FEWEST, interval, resampled_rows, sign_flip

RESAMPLES = 1000

_MEANT = ("use", "name", "unit", "minimum", "maximum")
"""What of an objective says what is measured, and in which unit."""

_METRICS = ("metric", "first", "first_low", "first_high", "first_n", "second", "second_low", "second_high", "second_n",
            "common_first", "common_second", "difference", "low", "high", "p", "participants")  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Two runs beside each other; differences are the second less the first.

    Attributes
    ----------
    first, second : str
        Their folders.
    differences : DataFrame
        kind, key, first, second: what of configuration and versions differs.
    metrics : DataFrame
        Each metric on all held-out units of each run, with its interval; then of the common participants in both, and
        the paired difference with interval, and p for the absolute error.
    regions : DataFrame
        Method, region and measure (share: difference of log-ratios; density): means over the common participants, and
        the paired difference; with too few in common, means over each run's own.
    notes : sequence of str
        Gaps and what to beware of.
    """

    first: str
    second: str
    differences: pd.DataFrame
    metrics: pd.DataFrame
    regions: pd.DataFrame
    notes: Sequence[str] = field(default_factory=list)


def compare_runs(
    first: Path, second: Path, registry: Registry, methods: Mapping[str, str] | None = None, seed: int = 0
) -> Comparison:
    """Compare two finished runs on the participants that both held out.

    Parameters
    ----------
    methods : mapping of str to str, optional
        Method of the first run to that of the second; by default those of one name.

    Raises
    ------
    DataError
        When a folder is not that of a finished run, or a method is not in it.
    """
    one, other = read_run(first), read_run(second)
    notes = _privacy(one, other)
    reason = _other_objective(one, other)
    objective = None if reason else _objective(one, registry)
    units, level = _held_out(one, other, continuous=objective is None or objective.continuous)
    pairable = not notes or _same_people(one, other, units)
    if notes:
        notes.append("They are paired all the same: seed, data set and all labels agree." if pairable else
                     "They are not paired.")  # fmt: skip
    common = _common(units) if pairable else []
    if objective is None:
        notes.append(reason)
        metrics = pd.DataFrame(columns=list(_METRICS))
    else:
        metrics = _metrics(one, other, units, common, level, objective, seed)
        notes += _labels(units, common)
    if len(common) < FEWEST:
        notes.append(
            f"{count(len(common), 'participant was', 'participants were')} held out by both runs: with fewer than "
            f"{FEWEST} nothing is paired, and there are no differences."
        )
    regions, said = compare_regions(one, other, methods, common, seed)
    return Comparison(str(first), str(second), differences(one, other), metrics, regions, [*notes, *said])


def _privacy(one: RunFolder, other: RunFolder) -> list[str]:
    if one.pseudonymous != other.pseudonymous:
        return ["One of the runs was published with pseudonyms (report.faces: none): its participants cannot be found "
                "in the other."]  # fmt: skip
    if one.pseudonymous:
        return ["Both runs were published with pseudonyms (report.faces: none), which depend on the seed and on who "
                "took part: the same name may be another person."]  # fmt: skip
    return []


def _same_people(one: RunFolder, other: RunFolder, units: Sequence[pd.DataFrame]) -> bool:
    """Whether pseudonyms mean the same people: made from the same names by the same seed, with the same labels."""
    agree = all(one.config.get(key) == other.config.get(key) for key in ("seed", "dataset"))
    people = [set(run.table("recordings", ["participant"])["participant"]) for run in (one, other)]
    if one.pseudonymous != other.pseudonymous or not agree or people[0] != people[1]:
        return False
    labels = [table.groupby("participant")["label"].mean() for table in units]
    joined = pd.concat(labels, axis=1, join="inner").to_numpy(float)
    return len(joined) > 0 and bool(np.allclose(joined[:, 0], joined[:, 1]))


def _other_objective(one: RunFolder, other: RunFolder) -> str:
    left, right = one.config.get("objective", {}), other.config.get("objective", {})
    differing = [f"{key} is {left.get(key)!r} and {right.get(key)!r}" for key in _MEANT
                 if left.get(key) != right.get(key)]  # fmt: skip
    return f"Metrics are not compared: of the objective {listed(differing)}." if differing else ""


def _objective(run: RunFolder, registry: Registry) -> Objective:
    fields = dict(run.config["objective"])
    try:
        made: Objective = registry.create("objective", str(fields.pop("use")), fields)
    except ValidationError as error:
        raise DataError(
            f"The installed objective does not take the run's fields: {error}", where=str(run.path / "run.json")
        ) from error
    return made


def _held_out(one: RunFolder, other: RunFolder, *, continuous: bool) -> tuple[list[pd.DataFrame], str]:
    """Return label and prediction of each run's held-out units, at the level that both are measured at."""
    levels = {str(run.summary.get("level", "participant")) for run in (one, other)}
    level = levels.pop() if len(levels) == 1 else "participant"
    held_out = [_by_level(run, continuous=continuous) for run in (one, other)]
    both = [name for name in held_out[0] if name in held_out[1]]
    # Classes have no participants where one of them has several; and there may be no sessions to tell apart.
    level = level if level in both else both[-1]
    return [tables[level] for tables in held_out], level


def _by_level(run: RunFolder, *, continuous: bool) -> Mapping[str, pd.DataFrame]:
    predictions = run.table("predictions")
    return at_levels(known(predictions[predictions["split"] == "test"]), continuous=continuous)


def _keys(units: Sequence[pd.DataFrame]) -> list[str]:
    """Return the columns that tell units apart in both tables: participant, and session or recording."""
    return [name for name in ("participant", "session", "recording") if all(name in table for table in units)]


def _joined(units: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the units of both runs, each with both labels and predictions, in the order of their names."""
    keys = _keys(units)
    left, right = (table[[*keys, "label", "prediction"]] for table in units)
    return left.merge(right, on=keys, suffixes=("_first", "_second")).sort_values(keys, ignore_index=True)


def _common(units: Sequence[pd.DataFrame]) -> list[str]:
    return sorted(set(_joined(units)["participant"]))


def _labels(units: Sequence[pd.DataFrame], common: Sequence[str]) -> list[str]:
    joined = _joined(units)
    joined = joined[joined["participant"].isin(common)]
    differ = ~np.isclose(joined["label_first"], joined["label_second"])
    if not differ.any():
        return []
    return [
        f"The labels of {differ.sum()} of {count(len(joined), 'common unit')} differ between the runs: each is held "
        "against its own."
    ]


def _metrics(
    one: RunFolder,
    other: RunFolder,
    units: Sequence[pd.DataFrame],
    common: Sequence[str],
    level: str,
    objective: Objective,
    seed: int,
) -> pd.DataFrame:
    own = [_own(run, level) for run in (one, other)]
    names = list(dict.fromkeys([*own[0].index, *own[1].index]))
    joined = _joined(units)
    paired = _paired(joined[joined["participant"].isin(common)], objective, seed) if len(common) >= FEWEST else {}
    rows = []
    for name in names:
        row: dict[str, object] = {"metric": name}
        for side, table in zip(("first", "second"), own, strict=True):
            for column, suffix in (("value", ""), ("low", "_low"), ("high", "_high"), ("n", "_n")):
                row[side + suffix] = table[column].get(name, np.nan)
        nothing = {"participants": 0}
        rows.append(row | paired.get(name, nothing))
    return pd.DataFrame(rows, columns=list(_METRICS))


def _own(run: RunFolder, level: str) -> pd.DataFrame:
    metrics = run.table("metrics")
    chosen = metrics[(metrics["split"] == "test") & (metrics["subset"] == "all") & (metrics["level"] == level)]
    return chosen.set_index("metric")


def _paired(joined: pd.DataFrame, objective: Objective, seed: int) -> dict[str, dict[str, float]]:
    """Return each metric of the common units in both runs, with the interval of the difference over participants."""
    values = {side: (joined[f"prediction_{side}"].to_numpy(float), joined[f"label_{side}"].to_numpy(float))
              for side in ("first", "second")}  # fmt: skip
    owners, people = pd.factorize(joined["participant"], sort=True)

    def metrics(side: str, rows: Any) -> Mapping[str, float]:
        predictions, labels = values[side]
        return objective.metrics(predictions[rows], labels[rows])

    whole = {side: metrics(side, slice(None)) for side in values}
    drawn: dict[str, list[float]] = {name: [] for name in whole["first"]}
    for rows in resampled_rows(owners, RESAMPLES, np.random.default_rng(seed)):
        first, second = metrics("first", rows), metrics("second", rows)
        for name, those in drawn.items():
            those.append(second[name] - first[name])
    found = {}
    for name, those in drawn.items():
        low, high = interval(those)
        before, after = whole["first"][name], whole["second"][name]
        found[name] = {"common_first": before, "common_second": after, "difference": after - before, "low": low,
                       "high": high, "p": np.nan, "participants": len(people)}  # fmt: skip
    if objective.continuous and "mae" in found:
        errors = [np.abs(predictions - labels) for predictions, labels in values.values()]
        change = pd.Series(errors[1] - errors[0]).groupby(owners).mean()
        found["mae"]["p"] = sign_flip(change, np.random.default_rng(seed)).p
    return found

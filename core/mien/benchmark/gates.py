"""What is demanded of the networks and of the explanations, and whether it holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mien.benchmark.measures import MEASURES
from mien.benchmark.summary import RESAMPLES, judged, summarise
from mien.benchmark.tables import ALL, GATES
from mien.report.words import count, listed, number
from mien.statistics import mean_interval
from mien.tables import conform

MOST_PARTICIPANTS = 0.9
"""In so many participants a method has to find the planted region, or Action Unit, for a gate to count it."""

GRADIENT_METHODS = ("saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "gradient_shap")
"""Those that use the network's gradient as it is; guided backpropagation changes it."""

_METHODS = 5
_BADGE_METHODS = 3
_SWAP = ("AU12", "AU09")
_CONTROL = 0.5
_SHUFFLED_R = 0.2
_BADGE_SHARE = 0.8
_GAP = 0.01
_NAMED = 6
_LAST_DIGITS = 1e-9
"""A mean of 54 ones in 60 may come out a last digit below .9."""

SAME = {"lrp_epsilon": "input_x_gradient"}
"""Methods that give another's map on networks of ReLUs (Ancona et al., ICLR 2018), and count as it."""


@dataclass(frozen=True)
class Bounds:
    """What is demanded on a task whose label is one planted Action Unit.

    Attributes
    ----------
    r : float
        Correlation of held-out predictions with the label, of every seed.
    density : float
        Of the planted region, for the best gradient method.
    temporal_r : float
        Of the best method.
    methods : int
        That put the planted region first, and name the planted Action Unit, in `MOST_PARTICIPANTS`.
    control : float
        Density of the untrained networks, relative to that of the best gradient method; below it.
    """

    r: float
    density: float
    temporal_r: float
    methods: int = _METHODS
    control: float = _CONTROL


FIXED_BOUNDS: Mapping[str, Bounds] = {
    "AU12": Bounds(r=0.9, density=6.0, temporal_r=0.8),
    "AU09": Bounds(r=0.9, density=9.0, temporal_r=0.8),
}
"""Set before anything was measured."""

PILOT_BOUNDS: Mapping[str, Bounds] = {
    "AU01+02": Bounds(r=0.7, density=5.0, temporal_r=0.6),
    "AU04": Bounds(r=0.8, density=3.0, temporal_r=0.4),
}
"""Set from the pilot seeds, which the reported ones do not share, before the reported ones ran."""

_UNSET = Bounds(math.nan, math.nan, math.nan, 0, math.nan)


@dataclass(frozen=True)
class _Found:
    """What the gates look at."""

    summary: pd.DataFrame
    scores: pd.DataFrame
    models: pd.DataFrame
    uses: Mapping[str, str]
    seed: int

    def rows(self, task: str, measure: str) -> pd.DataFrame:
        """Return the defined rows of a measure over all seeds, a method each."""
        one = self.summary
        one = one[(one["task"] == task) & (one["measure"] == measure) & (one["seed"] == ALL)]
        return one[one["mean"].notna()]


def gates(
    summary: pd.DataFrame,
    scores: pd.DataFrame,
    models: pd.DataFrame,
    uses: Mapping[str, str],
    seed: int = 0,
    pilot: Mapping[str, Bounds] | None = None,
) -> pd.DataFrame:
    """Return the table `GATES` of the planted tasks that were run.

    A method counts once, however many of its variants pass, and so do two that give the same map (`SAME`).  A
    participant in whom a method put no region first, or named no Action Unit, counts against it.  What was not measured
    has no verdict, and says why.

    Parameters
    ----------
    uses : mapping of str to str
        The registered id of each method.
    seed : int
        Of the bootstrap of the label swap.
    pilot : mapping of str to Bounds, optional
        `PILOT_BOUNDS` when None.
    """
    found = _Found(summary, scores, models, uses, seed)
    tasks = set(summary["task"]) | set(models["task"])
    bounds = {**FIXED_BOUNDS, "AU01+02": _UNSET, "AU04": _UNSET, **(PILOT_BOUNDS if pilot is None else pilot)}
    rows: list[dict[str, Any]] = []
    for task, bound in bounds.items():
        if task in tasks:
            rows += _of_unit(found, task, bound)
    if "badge_cue" in tasks:
        rows.append(_badge(found))
    if tasks.issuperset(_SWAP):
        rows.append(_swap(found))
    if "shuffled" in tasks:
        rows.append(_shuffled(found))
    if tasks - {""}:
        rows.append(_gap(found))
    return conform(GATES, pd.DataFrame(rows, columns=[column.name for column in GATES.columns]))


def _row(
    gate: str,
    task: str,
    found: tuple[float, float, float],
    relation: str,
    bound: float,
    note: str,
) -> dict[str, Any]:
    value, low, high = found
    holds = {">": value > bound, ">=": value >= bound, "<": value < bound, "<=": value <= bound}[relation]
    if not math.isfinite(bound):
        note = f"No bound was set for this task. {note}".strip()
    passed = bool(holds) if math.isfinite(value) and math.isfinite(bound) else None
    return {"gate": gate, "task": task, "value": value, "low": low, "high": high, "relation": relation,
            "bound": bound, "passed": passed, "note": note}  # fmt: skip


_UNMEASURED = (math.nan, math.nan, math.nan)


def _of_unit(found: _Found, task: str, bound: Bounds) -> Iterator[dict[str, Any]]:
    yield _prediction(found, task, bound.r)
    for measure, what in (("densest_planted", "put the planted region first"), ("unit_named", "name the planted AU")):
        gate = f"methods that {what} in at least {MOST_PARTICIPANTS:.0%} of participants".replace("%", " %")
        rows = _of_everybody(found, task, measure)
        yield _counted(found, rows, task, measure, MOST_PARTICIPANTS - _LAST_DIGITS, gate, bound.methods or math.nan)
    best = _best(found.rows(task, "density"), [m for m, use in found.uses.items() if use in GRADIENT_METHODS])
    yield _row(
        "density of the planted region, best gradient method",
        task,
        _UNMEASURED if best is None else (best["mean"], best["low"], best["high"]),
        ">",
        bound.density,
        "No gradient method was measured." if best is None else f"{best['method']}.",
    )
    yield _beside_untrained(found, task, best, bound.control)
    best = _best(found.rows(task, "temporal_r"), list(found.uses))
    yield _row(
        "correlation of signed relevance with the AU over time, best method",
        task,
        _UNMEASURED if best is None else (best["mean"], best["low"], best["high"]),
        ">",
        bound.temporal_r,
        "No method was measured." if best is None else f"{best['method']}.",
    )


def _prediction(found: _Found, task: str, bound: float) -> dict[str, Any]:
    rows = found.models[found.models["task"] == task]
    gate = "r of predictions on held-out participants, every seed"
    if rows["r"].isna().any():  # a network that says the same of everybody has not learnt the label
        return {**_row(gate, task, _UNMEASURED, ">", bound, _constant(rows)), "passed": False}
    if rows.empty:
        return _row(gate, task, _UNMEASURED, ">", bound, "No network predicted.")
    worst = _record(rows, rows["r"].argmin())
    values = (float(worst["r"]), float(worst["r_low"]), float(worst["r_high"]))
    return _row(gate, task, values, ">", bound, f"The lowest. {_each_seed(rows)}")


def _constant(rows: pd.DataFrame) -> str:
    seeds = [str(seed) for seed in rows.loc[rows["r"].isna(), "seed"]]
    return f"Undefined for seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}. {_each_seed(rows[rows['r'].notna()])}"


def _each_seed(rows: pd.DataFrame) -> str:
    each = [f"{number(r, 3)} (seed {seed})" for seed, r in zip(rows["seed"], rows["r"], strict=True)]
    return f"r: {listed(each)}." if each else ""


def _of_everybody(found: _Found, task: str, measure: str) -> pd.DataFrame:
    """Return the rows of a measure that is 1 or 0, a method each; it is 0 where it is undefined."""
    scores = found.scores[(found.scores["task"] == task) & (found.scores["measure"] == measure)]
    scores = scores.assign(value=scores["value"].fillna(0.0))
    models = found.models[found.models["task"] == task]
    return replace(found, summary=summarise(scores, models, found.seed)).rows(task, measure)


def _counted(
    found: _Found, rows: pd.DataFrame, task: str, measure: str, level: float, gate: str, bound: float
) -> dict[str, Any]:
    """Return how many methods reach a level on average, and with either end of their interval."""
    if rows.empty:
        return _row(gate, task, _UNMEASURED, ">=", bound, "Nothing was measured.")
    above = {end: _ids(rows.loc[rows[end] >= level, "method"].tolist(), found.uses) for end in ("mean", "low", "high")}
    many = (float(len(above["mean"])), float(len(above["low"])), float(len(above["high"])))
    said = _some(above["mean"]) if above["mean"] else f"None; the best is {_said_best(rows, measure)}"
    return _row(
        gate,
        task,
        many,
        ">=",
        bound,
        f"{said}. Of {count(len(_ids(rows['method'].tolist(), found.uses)), 'method')}.",
    )


def _ids(methods: Sequence[str], uses: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(SAME.get(method, uses.get(method, method)) for method in methods))


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return listed(names) if more < 2 else listed([*names[:_NAMED], f"{more} more"])


def _said_best(rows: pd.DataFrame, measure: str) -> str:
    best = _record(rows, rows["mean"].argmax())
    value = f"{100 * best['mean']:.0f} %" if MEASURES[measure].share else number(best["mean"], 3)
    return f"{best['method']} with {value}"


def _best(rows: pd.DataFrame, methods: Sequence[str]) -> Mapping[str, Any] | None:
    rows = rows[rows["method"].isin(methods)]
    return None if rows.empty else _record(rows, rows["mean"].argmax())


def _record(rows: pd.DataFrame, place: int | np.integer[Any]) -> dict[str, Any]:
    return {str(name): value for name, value in rows.iloc[int(place)].items()}


def _beside_untrained(found: _Found, task: str, best: Mapping[str, Any] | None, bound: float) -> dict[str, Any]:
    gate = "density of the untrained networks, relative to that of the best gradient method"
    if best is None or not best["controls"]:
        return _row(gate, task, _UNMEASURED, "<", bound, "No untrained network was measured.")
    learnt, people = _on_the_same_people(found, task, str(best["method"]))
    many = count(int(best["controls"]), "untrained network")
    note = f"{best['method']}; mean and range of {many}: {number(best['control_mean'], 2)}"
    note += f" ({number(best['control_low'], 2)} to {number(best['control_high'], 2)}), "
    note += f"trained {number(learnt, 2)}, of the same {count(people, 'participant')}."
    return _row(gate, task, (float(best["control_mean"]) / learnt, math.nan, math.nan), "<", bound, note)


def _on_the_same_people(found: _Found, task: str, method: str) -> tuple[float, int]:
    """Return the trained networks' mean density over the participants of the untrained ones, and how many these are."""
    rows = found.scores[(found.scores["task"] == task) & (found.scores["method"] == method)]
    rows = rows[(rows["measure"] == "density") & rows["value"].notna()]
    people = set(rows.loc[rows["network"] == "untrained", "participant"])
    own = judged(rows)
    own = own[own["participant"].isin(people)]
    return float(own.groupby("participant")["value"].mean().mean()), len(people)


def _badge(found: _Found) -> dict[str, Any]:
    gate = f"methods with more than {_BADGE_SHARE:.0%} of relevance on the background".replace("%", " %")
    level = _BADGE_SHARE + _LAST_DIGITS  # more than, not as much as
    rows = found.rows("badge_cue", "background_share")
    return _counted(found, rows, "badge_cue", "background_share", level, gate, _BADGE_METHODS)


def _swap(found: _Found) -> dict[str, Any]:
    """Return how many methods are densest in the mouth for the one label, and in the nose for the other."""
    names = [_region(task) for task in _SWAP]
    gate = (
        f"methods whose densest region goes from the {names[0]} to the {names[1]} with the label, in at least "
        f"{MOST_PARTICIPANTS:.0%} of participants"
    ).replace("%", " %")
    both = _both_right(found)
    if both.empty:
        return _row(gate, "", _UNMEASURED, ">=", _METHODS, "Nothing was measured in both networks.")
    mean, low, high = mean_interval(both.to_numpy(), RESAMPLES, found.seed)
    level = MOST_PARTICIPANTS - _LAST_DIGITS
    above = [_ids(both.columns[np.asarray(ends) >= level].tolist(), found.uses) for ends in (mean, low, high)]
    best = int(np.nanargmax(mean))
    said = _some(above[0]) if above[0] else f"None; the best is {both.columns[best]} with {100 * mean[best]:.0f} %"
    note = f"{said}. The same videos, one network for {_SWAP[0]} and one for {_SWAP[1]}."
    values = (float(len(above[0])), float(len(above[1])), float(len(above[2])))
    return _row(gate, "", values, ">=", _METHODS, note)


def _region(task: str) -> str:
    return {"AU12": "mouth", "AU09": "nose"}[task]


def _both_right(found: _Found) -> pd.DataFrame:
    """Return participants by methods: 1 where both networks' densest region is the planted one, averaged over seeds."""
    rows = judged(found.scores)
    rows = rows[(rows["measure"] == "densest_planted") & rows["task"].isin(_SWAP)]
    rows = rows.assign(value=rows["value"].fillna(0.0))  # no region is first
    keys = ["seed", "method", "participant"]
    wide = rows.pivot_table(index=keys, columns="task", values="value", sort=False)
    if set(wide.columns) != set(_SWAP):
        return pd.DataFrame()
    both = wide.dropna().prod(axis=1)
    return both.groupby(["participant", "method"], sort=False).mean().unstack("method")


def _shuffled(found: _Found) -> dict[str, Any]:
    gate = "|r| of predictions after training on shuffled labels, every seed"
    rows = found.models[found.models["task"] == "shuffled"]
    if rows["r"].isna().any():
        return _row(gate, "shuffled", _UNMEASURED, "<", _SHUFFLED_R, _constant(rows))
    if rows.empty:
        return _row(gate, "shuffled", _UNMEASURED, "<", _SHUFFLED_R, "No network predicted.")
    worst = _record(rows, rows["r"].abs().argmax())
    ends = sorted((abs(float(worst["r_low"])), abs(float(worst["r_high"]))))
    if float(worst["r_low"]) < 0 < float(worst["r_high"]):
        ends[0] = 0.0
    values = (abs(float(worst["r"])), ends[0], ends[1])
    return _row(gate, "shuffled", values, "<", _SHUFFLED_R, f"The largest. {_each_seed(rows)}")


def _gap(found: _Found) -> dict[str, Any]:
    gate = "completeness gap of integrated gradients in trained networks, every clip"
    rows = judged(found.scores)
    own = [method for method, use in found.uses.items() if use == "integrated_gradients"]
    rows = rows[(rows["measure"] == "gap") & rows["method"].isin(own) & rows["value"].notna()]
    if rows.empty:
        return _row(gate, "", _UNMEASURED, "<=", _GAP, "No gap was measured.")
    values = rows["value"].to_numpy(float)
    within = float((values <= _GAP).mean())
    note = (
        f"The largest of {int(rows['n'].sum()):,} clips. Median over participants {100 * np.median(values):.2g} %, "
        f"95th percentile {100 * np.quantile(values, 0.95):.2g} %; within the bound in {100 * within:.3g} % of "
        f"participants, tasks and seeds."
    )
    return _row(gate, "", (float(values.max()), math.nan, math.nan), "<=", _GAP, note)

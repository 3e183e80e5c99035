"""What the figures of faithfulness come to: over participants, in a verdict, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mien.interfaces import Remark
from mien.report.words import count, listed
from mien.statistics import mean_interval

if TYPE_CHECKING:
    from mien_plugins.analyzers.faithfulness import Faithfulness

_KEYS = ["method", "measure", "stage"]
_ORDERED = ("deletion", "insertion")
_LEVELS: dict[str, Literal["good", "care", "bad"]] = {
    "believe": "good",
    "with care": "care",
    "do not believe": "bad",
}


def figures(rows: pd.DataFrame, resamples: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the mean of each participant, and the mean over participants with its interval."""
    groups = rows.groupby([*_KEYS, "participant"], sort=False)["value"]
    people = groups.agg(value="mean", clips="count").reset_index()
    found = []
    for key, own in people.groupby(_KEYS, sort=False):
        mean, low, high = mean_interval(own[["value"]], resamples, seed)
        clips = rows.merge(own[[*_KEYS, "participant"]], on=[*_KEYS, "participant"])["value"]
        found.append(
            {
                **dict(zip(_KEYS, key, strict=True)),
                "value": mean[0],
                "low": low[0],
                "high": high[0],
                "participants": int(own["value"].notna().sum()),
                "clips": len(clips),
                "undefined": int(clips.isna().sum()),
            }
        )
    return people, pd.DataFrame(found)


def judged(asked: Faithfulness, table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Remark]]:
    """Return the verdict on each method, and the remark that stands beside its heat maps."""
    verdicts, remarks = [], {}
    for method, own in table.groupby("method", sort=False):
        verdict, why = _verdict(asked, own)
        verdicts.append({"method": method, "verdict": verdict, "why": " ".join(why)})
        text = " ".join([*why, _figures_in_words(own)])
        remarks[str(method)] = Remark(verdict.capitalize(), text, _LEVELS[verdict])
    return pd.DataFrame(verdicts), remarks


def _verdict(asked: Faithfulness, own: pd.DataFrame) -> tuple[str, list[str]]:
    """Return the verdict by the analyzer's rule, and what does not hold."""
    order = {test: _of(own, test) for test in _ORDERED}
    random = _of(own, "randomisation")
    shown = {test: figure["low"] > 0 for test, figure in order.items()}
    why = _failings({test: order[test] for test, holds in shown.items() if not holds})
    if not random["value"] <= asked.similar:
        why.append(_undefined_or(random, "A network of random parameters gives much the same map ({:.2f})."))
    for measure, what in (("stability_noise", "slight noise"), ("stability_shift", "a shift by a pixel")):
        figure = _of(own, measure)
        if (own["measure"] == measure).any() and not figure["value"] >= asked.stable:
            why.append(_undefined_or(figure, f"The map does not stay the same under {what} ({{:.2f}})."))
    refuted = all(figure["value"] <= 0 for figure in order.values()) or random["value"] > asked.similar
    return ("do not believe" if refuted else "with care" if why else "believe"), why


def _failings(figures: dict[str, dict[str, float]]) -> list[str]:
    """Return a sentence on what fails, one for those that fail alike."""
    tests: dict[str, list[str]] = {}
    for test, figure in figures.items():
        tests.setdefault(_failing(figure), []).append(test)
    return [f"{listed(own).capitalize()} {'is' if len(own) == 1 else 'are'} {what}." for what, own in tests.items()]


def _failing(figure: dict[str, float]) -> str:
    if not math.isfinite(figure["value"]):
        return "not defined"
    if figure["value"] <= 0:
        return "no better than in random order"
    certain = math.isfinite(figure["low"])
    return "not certain to be better than in random order" + ("" if certain else ", for want of participants")


def _undefined_or(figure: dict[str, float], sentence: str) -> str:
    if math.isfinite(figure["value"]):
        return sentence.format(figure["value"])
    return "It cannot be said how alike the maps are: they are the same everywhere."


def _of(own: pd.DataFrame, measure: str) -> dict[str, float]:
    """Return a figure; of randomisation, that after the last stage."""
    rows = own[own["measure"] == measure]
    if rows.empty:
        return dict.fromkeys(("value", "low", "high"), math.nan)
    last: Any = rows.iloc[-1]
    return {name: float(last[name]) for name in ("value", "low", "high")}


def _figures_in_words(own: pd.DataFrame) -> str:
    parts = [f"{test} {_with_interval(_of(own, test))}" for test in _ORDERED]
    parts.append(f"similarity left after randomisation {_with_interval(_of(own, 'randomisation'))}")
    alike = [
        f"{name} {_of(own, measure)['value']:.2f}"
        for measure, name in (("stability_noise", "noise"), ("stability_shift", "a shift"))
        if math.isfinite(_of(own, measure)["value"])
    ]
    if alike:
        parts.append(f"stability under {' and '.join(alike)}")
    people = int(own["participants"].max())
    certain = any(math.isfinite(_of(own, test)["low"]) for test in (*_ORDERED, "randomisation"))
    ends = "in brackets 95 % intervals" if certain else "too few for intervals"
    return f"{'; '.join(parts).capitalize()} ({count(people, 'participant')}; {ends})."


def _with_interval(figure: dict[str, float]) -> str:
    if not math.isfinite(figure["value"]):
        return "not defined"
    ends = f" ({figure['low']:.2f} to {figure['high']:.2f})" if math.isfinite(figure["low"]) else ""
    return f"{figure['value']:.2f}{ends}"


def notes(asked: Faithfulness, table: pd.DataFrame, verdicts: pd.DataFrame) -> list[str]:
    """Return the rule and the verdicts in sentences."""
    rule = (
        "A map is to be believed where deletion and insertion are better than random order with their whole 95 % "
        f"interval, at most {asked.similar:g} of similarity is left when the network's parameters are random, and at "
        f"least {asked.stable:g} under slight noise and a shift by a pixel. It is not where neither deletion nor "
        "insertion is better than random order, or more similarity is left. Belief means that the map shows what "
        "this network uses, not that the network is right."
    )
    by = {str(name): [str(m) for m in own["method"]] for name, own in verdicts.groupby("verdict", sort=False)}
    found = [f"{verdict.capitalize()}: {listed(by[verdict])}." for verdict in _LEVELS if verdict in by]
    empty = table[table["undefined"] > 0].groupby("method", sort=False)["undefined"].max()
    return [
        rule,
        *found,
        *(
            f"{method}: undefined in {count(int(n), 'clip')}, e.g. for want of relevance."
            for method, n in empty.items()
        ),
    ]


def matrix(table: pd.DataFrame, stages: list[str], methods: list[str]) -> list[list[float]]:
    """Return the similarity left: a row a method, a column a stage."""
    own = table[table["measure"] == "randomisation"].pivot(index="method", columns="stage", values="value")
    found: list[list[float]] = own.reindex(index=methods, columns=stages).to_numpy(np.float64).tolist()
    return found

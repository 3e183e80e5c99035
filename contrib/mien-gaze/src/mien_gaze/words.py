"""What was found, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mien import Remark
from mien_gaze.tables import CENTRE, FACE, FATES, TEMPLATE, TITLES, VIEWERS

if TYPE_CHECKING:
    import pandas as pd

    from mien_gaze.gathering import Gathered

CAUTION = "Agreement with gaze is no proof that an explanation is correct: a network need not use what people look at."

_IN_SENTENCE = {
    CENTRE: "the centre of the crop",
    FACE: "an even spread over the face",
    TEMPLATE: "the gaze on other faces",
    VIEWERS: "the gaze of other viewers",
}
"""Baselines, as an end of "it agrees with gaze more than"."""

_WORDS = {"above": "more than", "below": "less than", "unclear": "not clearly more or less than"}


def number(value: float) -> str:
    """Return a number with two digits after the point."""
    return f"{value:.2f}" if math.isfinite(value) else "not defined"


def interval(low: float, high: float) -> str:
    """Return the interval in words, or that there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "no interval: too few participants"
    return f"95 % interval {number(low)} to {number(high)}"


def count(many: int, noun: str) -> str:
    """Return ``1 fixation``, ``2 fixations``."""
    return f"{many:,} {noun}{'' if many == 1 else 's'}"


def of_fixations(gathered: Gathered) -> list[str]:
    """Return what became of the fixations, and what windows hold none."""
    total, fates = sum(gathered.fates.values()), gathered.fates
    notes = [f"{fates['used']:,} of {count(total, 'fixation')} were used."]
    left = [f"{fates[name]:,} {meaning}" for name, meaning in FATES.items() if name != "used" and fates[name]]
    if left:
        notes.append(f"Fixations that were not used: {'; '.join(left)}.")
    empty = gathered.windows - len(gathered.looked)
    if empty:
        notes.append(f"{empty:,} of {count(gathered.windows, 'window')} hold no fixation on the crop; left out.")
    return notes


def found(agreement: pd.DataFrame, differences: pd.DataFrame, methods: Sequence[str]) -> list[str]:
    """Return what each method's agreement is, and how it stands beside the baselines."""
    notes = []
    for method in methods:
        parts = [
            f"{TITLES[metric]} {_value(agreement, method, metric)}" for metric in ("nss", "auc_judd", "auc_shuffled")
        ]
        notes.append(f"{method}: {'; '.join(parts)}. By NSS it agrees with gaze {_beside(differences, method)}.")
    undefined = agreement[(agreement["undefined_windows"] > 0) & (agreement["against"] == "all")]
    for name, metric, windows in undefined[["map", "metric", "undefined_windows"]].itertuples(index=False):
        if (name, metric) == (TEMPLATE, "auc_shuffled"):
            continue  # never defined, as its description says
        notes.append(f"{name}: {TITLES[metric]} is not defined in {count(windows, 'window')}, which it leaves out.")
    return [*notes, CAUTION]


def gaps(windows: pd.DataFrame) -> list[str]:
    """Return what could not be compared, and why."""
    notes = []
    alone = windows[(windows["against"] == "all") & (windows["viewers"] < 2)][["recording", "window"]].drop_duplicates()
    if len(alone):
        notes.append(f"{count(len(alone), 'window')} with one viewer alone: there, no other viewers to compare with.")
    if TEMPLATE not in set(windows["map"]):
        notes.append("With one participant there is no gaze on other faces to compare with.")
    if windows["recording"].nunique() < 2:
        notes.append("With one recording there are no fixations on others: the shuffled AUC is not defined.")
    return notes


def remarks(agreement: pd.DataFrame, differences: pd.DataFrame, methods: Sequence[str]) -> dict[str, Remark]:
    """Return what stands beside each method's heat maps: never that they are right."""
    result = {}
    for method in methods:
        nss = _value(agreement, method, "nss")
        text = f"NSS {nss}: it agrees with gaze {_beside(differences, method)}. {CAUTION}"
        result[method] = Remark(_verdict(differences, method), text, "care")
    return result


def _verdict(differences: pd.DataFrame, method: str) -> str:
    known = _nss(differences, method)
    if CENTRE not in known:
        return "Not compared with gaze"
    if known.get(VIEWERS) == "above":
        return "Agrees with gaze more than the gaze of other viewers"
    return f"Agrees with gaze {_WORDS[known[CENTRE]]} the centre of the crop"


def _beside(differences: pd.DataFrame, method: str) -> str:
    """Return ``more than A and B, less than C``, as an end of "it agrees with gaze"."""
    known = _nss(differences, method)
    parts = []
    for verdict, words in _WORDS.items():
        own = [_IN_SENTENCE[baseline] for baseline, one in known.items() if one == verdict]
        if own:
            parts.append(f"{words} {' and '.join([', '.join(own[:-1]), own[-1]] if len(own) > 1 else own)}")
    return ", ".join(parts) if parts else "to a degree that no baseline can be held against"


def _nss(differences: pd.DataFrame, method: str) -> Mapping[str, str]:
    own = differences[(differences["method"] == method) & (differences["metric"] == "nss")]
    return dict(zip(own["baseline"], own["verdict"], strict=True))


def _value(agreement: pd.DataFrame, name: str, metric: str) -> str:
    own = agreement[(agreement["map"] == name) & (agreement["against"] == "all") & (agreement["metric"] == metric)]
    if own.empty:
        return "not defined"
    row: Any = own.iloc[0]
    return f"{number(row['value'])} ({interval(row['low'], row['high'])})"

"""Whether relevance adds up, and to what: baselines, gaps, and what biases took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mien.report.facts import Grid, grid
from mien.report.words import count

NOT_APPLICABLE = "not applicable"
_NO_BASELINE = "nothing: it has no baseline, and says where, not how much"


def completeness_grid(explanations: pd.DataFrame) -> Grid | None:
    """Return, for each method, how far relevance is from adding up to what it explains."""
    if explanations.empty:
        return None
    rows: list[list[Any]] = []
    for method, own in explanations.groupby("method", sort=False):
        gaps = own["relative_gap"].dropna()
        # A run of an older version does not say what its methods promise: there, what has no gap promised none.
        promise = str(own["completeness"].iloc[0]) if "completeness" in own else "" if len(gaps) else NOT_APPLICABLE
        none: Any = NOT_APPLICABLE if promise == NOT_APPLICABLE else math.nan
        middle, largest = (float(gaps.median()), float(gaps.max())) if len(gaps) else (none, none)
        flagged = none if none == NOT_APPLICABLE else int(own["flagged"].sum())
        steps = own["steps"].dropna()
        middle_steps = float(steps.median()) if len(steps) else math.nan
        seconds = float(own["seconds"].median())
        rows.append([method, len(own), promise, flagged, middle, largest, middle_steps, seconds])
    headers = ["method", "clips", "promise", "flagged", "median gap", "largest gap", "median steps", "seconds a clip"]
    return grid(headers, rows)


def without_relevance(explanations: pd.DataFrame) -> list[str]:
    """Return a sentence on each method that gave clips no relevance at all: their shares are undefined."""
    if "absolute" not in explanations:  # a run of an older version
        return []
    sentences = []
    for method, own in explanations.groupby("method", sort=False):
        nothing = int((own["absolute"] == 0).sum())
        if nothing:
            sentences.append(
                f"{method}: {count(nothing, 'clip')} of {len(own):,} got no relevance at all, so that shares of it are "
                "undefined; sums over a participant do not change by them."
            )
    return sentences


def bias_grid(explanations: pd.DataFrame, diagnostics: pd.DataFrame) -> Grid | None:
    """Return what the biases of each layer took of the relevance, for methods that let them keep it."""
    rows: list[list[Any]] = []
    if not diagnostics.empty:
        names = diagnostics["name"]
        told = diagnostics[(names == "bias") | names.str.startswith("bias of ")]
        outputs = explanations.set_index(["method", "recording", "window"])["output"]
        for (method, name), own in told.groupby(["method", "name"], sort=False):
            keys = pd.MultiIndex.from_frame(own[["method", "recording", "window"]])
            layer = "all" if name == "bias" else str(name).removeprefix("bias of ")
            taken = own["value"].to_numpy(float)
            absolute = float(np.abs(taken).mean() / max(float(outputs.loc[keys].abs().mean()), 1e-12))
            rows.append([method, layer, float(taken.mean()), absolute])
    headers = ["method", "layer", "its bias took (mean over clips)", "size, relative to the mean |f(x)|"]
    return grid(headers, rows) if rows else None


def baseline_grid(record: Mapping[str, Any], methods: Sequence[str]) -> Grid | None:
    """Return what each method compares a clip with; None where no method has a baseline."""
    place = "explain.methods."
    told = record.get("compared_with", {})
    rows = [[name, told.get(place + name, _NO_BASELINE)] for name in methods]
    if not any(place + name in told for name in methods):
        return None
    return grid(["method", "relevance explains the change of the output from"], rows) if rows else None

"""From windows to participants, and from participants to means with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mien import mean_interval
from mien_gaze.tables import AGREEMENT, BASELINES, DIFFERENCES, METRICS, PEOPLE, VIEWERS

if TYPE_CHECKING:
    import pandas as pd

_PLACE = ["recording", "window"]


def participants(windows: pd.DataFrame) -> pd.DataFrame:
    """Return the table ``gaze_participants``: means over the windows of each person."""
    by = ["map", "kind", "against", "participant"]
    groups = windows.groupby(by, sort=False)
    found = groups[list(METRICS)].mean()
    found.insert(0, "windows", groups.size())
    return found.reset_index()[[column.name for column in PEOPLE.columns]]


def agreement(windows: pd.DataFrame, people: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Return the table ``gaze_agreement``: means over participants, who are drawn with replacement."""
    import pandas as pd

    rows = []
    for about, own in people.groupby(["map", "kind", "against"], sort=False):
        name, _, against = about
        here = windows[(windows["map"] == name) & (windows["against"] == against)]
        mean, low, high = mean_interval(own[list(METRICS)], resamples, seed)
        for place, metric in enumerate(METRICS):
            known, undefined = int(own[metric].notna().sum()), int(here[metric].isna().sum())
            rows.append((*about, metric, mean[place], low[place], high[place], known, undefined))
    return pd.DataFrame(rows, columns=[column.name for column in AGREEMENT.columns])


def differences(windows: pd.DataFrame, methods: Sequence[str], resamples: int, seed: int) -> pd.DataFrame:
    """Return the table ``gaze_differences``: each method against each baseline, window by window.

    Other viewers are compared where both are held against each viewer; the other baselines against all.
    """
    import pandas as pd

    rows = []
    for method in methods:
        for baseline in BASELINES:
            against = "each_viewer" if baseline == VIEWERS else "all"
            own, other = (_of(windows, name, against) for name in (method, baseline))
            if own.empty or other.empty:
                continue
            pair = own.merge(other, on=[*_PLACE, "participant"], suffixes=("", "_other"))
            for metric in METRICS:
                pair[metric] -= pair[f"{metric}_other"]
            people = pair.groupby("participant", sort=False)[list(METRICS)].mean()
            mean, low, high = mean_interval(people, resamples, seed)
            for place, metric in enumerate(METRICS):
                ends = mean[place], low[place], high[place]
                known = int(people[metric].notna().sum())
                rows.append((method, baseline, against, metric, *ends, known, _verdict(metric, *ends[1:])))
    return pd.DataFrame(rows, columns=[column.name for column in DIFFERENCES.columns])


def _of(windows: pd.DataFrame, name: str, against: str) -> pd.DataFrame:
    rows = windows[(windows["map"] == name) & (windows["against"] == against)]
    return rows[[*_PLACE, "participant", *METRICS]]


def _verdict(metric: str, low: float, high: float) -> str:
    if metric == "kl":  # less is better
        low, high = -high, -low
    if not (np.isfinite(low) and np.isfinite(high)) or low <= 0 <= high:
        return "unclear"
    return "above" if low > 0 else "below"

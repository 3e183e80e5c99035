"""Severity bands confused with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mien.evaluation.units import at_levels, known
from mien.interfaces.objective import Objective

CONFUSION_COLUMNS = ("split", "level", "true_band", "predicted_band", "count")


def band_of(values: Any, bands: Mapping[str, float]) -> list[str]:
    """Return the band of each value: the highest whose lowest label it reaches.

    A value below all bands belongs to the lowest: a network may predict less than the scale's minimum.  Predictions
    are not rounded, so that 13.6 is still minimal where mild begins at 14 (the reference pipeline does not say; we
    do not favour the higher band).

    Parameters
    ----------
    values : array-like, shape (n,)
        In label units, not NaN.
    bands : mapping of str to float
        The lowest label of each, ascending.
    """
    names, lowest = list(bands), np.array(list(bands.values()))
    places = np.searchsorted(lowest, np.asarray(values, float), side="right") - 1
    return [names[max(place, 0)] for place in places]


def confusion_table(predictions: pd.DataFrame, objective: Objective, level: str) -> pd.DataFrame:
    """Return how many units of each true band were predicted to be in each band: the table ``confusion``.

    Every pair of bands has a row, so that a band without members shows as 0.

    Parameters
    ----------
    predictions : DataFrame
        The table ``predictions``; rows without a label are left out.
    level : str
        Whose prediction is put into a band: the mean of a score, of classes that of most parts, as for the metrics.
        Where there is no such level it is the participant, or for classes the highest level that there is.

    Returns
    -------
    DataFrame
        Empty for an objective without severity bands.
    """
    bands = objective.severity_bands
    rows = []
    for split, own in known(predictions).groupby("split", sort=True):
        if not bands:
            break
        levels = at_levels(own, continuous=objective.continuous)
        used = level if level in levels else list(levels)[-1]
        units = levels[used]
        true, said = band_of(units["label"], bands), band_of(units["prediction"], bands)
        counts = Counter(zip(true, said, strict=True))
        rows += [(split, used, a, b, counts[a, b]) for a in bands for b in bands]
    return pd.DataFrame(rows, columns=list(CONFUSION_COLUMNS))

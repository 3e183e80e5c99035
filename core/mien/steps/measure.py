"""Hold predictions against labels: the tables ``metrics``, ``evaluation`` and ``confusion``."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mien.evaluation import confusion_table, evaluation_table, metrics_table
from mien.interfaces import Objective
from mien.run.summary import headline_level
from mien.tables import conform


def measure(
    predictions: pd.DataFrame, recordings: pd.DataFrame, objective: Objective, means: Mapping[int, float], seed: int
) -> dict[str, pd.DataFrame]:
    """Return the three tables; videos out of distribution are left out, and without labels they are empty.

    Parameters
    ----------
    predictions, recordings : DataFrame
        The tables of these names.
    means : mapping of int to float
        The mean label that each fold's network was trained with.
    """
    inside = predictions[predictions["split"] != "out_of_distribution"]
    unseen = dict(zip(recordings["recording"], recordings["unseen"], strict=True))
    level = headline_level(recordings[recordings["recording"].isin(inside["recording"])])
    found = {
        "metrics": metrics_table(inside, unseen, objective, seed),
        "evaluation": evaluation_table(inside, unseen, objective, means, level, seed),
        "confusion": confusion_table(inside, objective, level),
    }
    return {name: conform(name, table) for name, table in found.items()}

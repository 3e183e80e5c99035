"""How good predictions are: metrics, tests against chance and against the training mean, and bands confused."""

from __future__ import annotations

from mien.evaluation.against_mean import evaluation_table, training_means
from mien.evaluation.bands import band_of, confusion_table
from mien.evaluation.metrics import metrics_table
from mien.evaluation.units import at_levels, subsets

__all__ = [
    "at_levels",
    "band_of",
    "confusion_table",
    "evaluation_table",
    "metrics_table",
    "subsets",
    "training_means",
]

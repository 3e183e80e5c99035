"""Statistics over participants: what evaluation and analyzers use alike.

Nothing heavier than numpy is imported before it is used.
"""

from __future__ import annotations

from mien.statistics.bootstrap import (
    FEWEST,
    function_interval,
    interval,
    mean_interval,
    participant_bootstrap,
    resampled_rows,
)
from mien.statistics.calibration import calibration
from mien.statistics.circular import ShiftEvidence, WindowedSeries, circular_shift_test
from mien.statistics.compositional import centred_log_ratio, log_ratio
from mien.statistics.discovery import benjamini_hochberg
from mien.statistics.outcome import Estimate, Evidence
from mien.statistics.permutation import adjusted_association, association, permutation_association, sign_flip
from mien.statistics.ranking import fisher_mean, fisher_z, ranks, unit

__all__ = [
    "FEWEST",
    "Estimate",
    "Evidence",
    "ShiftEvidence",
    "WindowedSeries",
    "adjusted_association",
    "association",
    "benjamini_hochberg",
    "calibration",
    "centred_log_ratio",
    "circular_shift_test",
    "fisher_mean",
    "fisher_z",
    "function_interval",
    "interval",
    "log_ratio",
    "mean_interval",
    "participant_bootstrap",
    "permutation_association",
    "ranks",
    "resampled_rows",
    "sign_flip",
    "unit",
]

"""Whether predictions mean what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mien.statistics.bootstrap import numbered, participant_bootstrap
from mien.statistics.outcome import UNDEFINED, Estimate


def calibration(
    labels: Any,
    predictions: Any,
    participants: Any,
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> tuple[Estimate, Estimate]:
    """Return slope and offset of the regression of labels on predictions, with intervals over participants.

    Perfectly calibrated predictions have slope 1 and offset 0; a slope below 1 says that they are too extreme.

    Parameters
    ----------
    labels, predictions : array-like, shape (n,)
        One of each labelled unit.
    participants : array-like, shape (n,)
        Whose they are: the unit of resampling.

    Returns
    -------
    slope, offset : Estimate
        Undefined with fewer than three units or constant predictions.

    Notes
    -----
    Ordinary least squares.  Source: Cox 1958; Steyerberg 2019, Clinical Prediction Models, chapter 15.
    """
    wanted, said = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)

    def fit(rows: npt.NDArray[np.intp]) -> tuple[float, float]:
        x, y = said[rows], wanted[rows]
        if len(x) < 3 or np.ptp(x) == 0:
            return UNDEFINED, UNDEFINED
        slope = float(np.mean((x - x.mean()) * (y - y.mean())) / x.var())
        return slope, float(y.mean() - slope * x.mean())

    owners = numbered(participants)
    seed = int(rng.integers(2**63))  # both from the same resamples
    slope, offset = (
        participant_bootstrap(lambda rows, i=i: fit(rows)[i], owners, np.random.default_rng(seed), resamples, level)  # type: ignore[misc]
        for i in (0, 1)
    )
    return slope, offset

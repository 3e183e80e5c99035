"""Who was predicted how well: severity bands and decision types of held-out recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from mien.interfaces import RunView

BDI_II: Mapping[str, float] = {"minimal": 0.0, "mild": 14.0, "moderate": 20.0, "severe": 29.0}
"""Severity bands of the BDI-II, by their lowest score (Beck, Steer & Brown 1996)."""

_HIGHEST = 63.0  # of the BDI-II

DECISIONS = ("overall", "correct", "over_estimated", "under_estimated")
"""What is told apart; ``overall`` is everyone, those of none of the other three included."""

TITLES = {
    "overall": "all",
    "correct": "correct",
    "over_estimated": "over-estimated",
    "under_estimated": "under-estimated",
}
_KEYS = {"participant": ["participant", "fold"], "session": ["participant", "fold", "session"]}


def bands_for(run: RunView, wanted: Mapping[str, float] | None) -> Mapping[str, float]:
    """Return the severity bands to use: those wanted, else the objective's, else the BDI-II's where labels fit it.

    Labels fit where all held-out ones are on the BDI-II's scale and one at least is above its lowest band: bands of
    another scale would be wrong ones.

    Returns
    -------
    mapping of str to float
        The lowest label of each, ascending; empty where there are none.
    """
    chosen = run.objective.severity_bands if wanted is None else wanted
    if chosen or wanted is not None:
        return chosen
    labels = run.predictions.loc[run.predictions["split"] == "test", "label"].dropna()
    fits = len(labels) and labels.between(0, _HIGHEST).all() and labels.max() >= BDI_II["mild"]
    return BDI_II if fits else {}


def decided(run: RunView, bands: Mapping[str, float], within: float, beyond: float) -> pd.DataFrame:
    """Return the band and the decision type of each labelled, held-out recording.

    A recording has those of its unit, which is its participant; where a participant has several labels its session,
    and where that is the recording, the recording (`mien.run.summary.headline_level`).  A unit's prediction is its
    mean prediction, as the metrics have it.

    Parameters
    ----------
    bands : mapping of str to float
        The lowest label of each, ascending.
    within : float
        Largest absolute error of a correct decision, label units.
    beyond : float
        An error beyond it is an over- or under-estimate.

    Returns
    -------
    DataFrame
        recording, participant, unit (a number), level, label, prediction, error, band, decision (empty for none).
    """
    import numpy as np

    from mien.evaluation import at_levels, band_of
    from mien.run.summary import headline_level

    predictions = run.predictions
    own = predictions[(predictions["split"] == "test") & predictions["label"].notna()]
    wanted = headline_level(run.recordings[run.recordings["status"] == "used"])
    levels = at_levels(own)
    level = wanted if wanted in levels else "participant"
    keys = _KEYS.get(level, ["participant", "fold", "session", "recording"])
    units = levels[level]
    error = (units["prediction"] - units["label"]).to_numpy(np.float64)
    size = np.abs(error)
    names = np.select([size <= within, error > beyond, error < -beyond], list(DECISIONS[1:]), "")
    units = units[[*keys, "label", "prediction"]].assign(
        unit=range(len(units)), level=level, error=error, band=band_of(units["label"], bands), decision=names
    )
    places = own[["recording", "participant", "session", "fold"]].drop_duplicates()
    joined = places.merge(units, on=keys, how="left", validate="many_to_one")
    return joined[["recording", "participant", "unit", "level", "label", "prediction", "error", "band", "decision"]]


def of_decision(found: pd.DataFrame, decision: str) -> pd.DataFrame:
    """Return the rows of one decision type."""
    return found if decision == DECISIONS[0] else found[found["decision"] == decision]


def cells(found: pd.DataFrame, bands: Mapping[str, float]) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield decision, band and the recordings in it; empty cells too."""
    for decision in DECISIONS:
        own = of_decision(found, decision)
        for band in bands:
            yield decision, band, own[own["band"] == band]

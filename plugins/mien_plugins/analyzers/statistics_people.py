"""One row a held-out participant: severity, prediction, and what relevance does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from mien.interfaces import RunView

    Array = npt.NDArray[np.float64]

FEWEST_IN_FOLD = 3


def held_out(run: RunView) -> pd.DataFrame:
    """Return the predictions for labelled, held-out recordings of participants whom the network never saw."""
    unseen = run.recordings.loc[run.recordings["unseen"].astype(bool), "recording"]
    own = run.predictions
    known = own["label"].notna() & own["prediction"].notna()
    return own[(own["split"] == "test") & known & own["recording"].isin(unseen)]


def severity_of(predictions: pd.DataFrame, recordings: Collection[str]) -> pd.DataFrame:
    """Return mean label, mean prediction and fold of each participant, over the recordings that were explained.

    Windows are averaged to recordings, those to sessions, those to participants, as for the metrics.

    Returns
    -------
    DataFrame
        Index participant; columns label, prediction, fold.
    """
    from mien.evaluation import at_levels

    own = predictions[predictions["recording"].isin(recordings)]
    people = at_levels(own)["participant"].groupby("participant", observed=True)
    return people.agg({"label": "mean", "prediction": "mean", "fold": "first"})


def window_measures(rows: pd.DataFrame, total_floor: float) -> pd.DataFrame:
    """Return share, signed and signed share of each region in each window of one method in one network.

    Parameters
    ----------
    rows : DataFrame
        Relevance (its frames without a face are left out) or control relevance.
    total_floor : float
        The signed share is NaN where the window's |total signed| is below this part of its total absolute relevance.

    Returns
    -------
    DataFrame
        Index participant, recording, window; a column a measure and region.
    """
    import pandas as pd

    seen = rows[rows["valid"]] if "valid" in rows else rows
    place = ["participant", "recording", "window", "region"]
    sums = seen.groupby(place, sort=False, observed=True)[["signed", "absolute"]].sum().unstack("region")
    signed, absolute = sums["signed"], sums["absolute"]
    total_signed, total = signed["total"], absolute["total"]
    there = total > 0
    steady = there & (total_signed.abs() >= total_floor * total)
    measures = {
        "share": absolute.div(total.where(there), axis=0).clip(0, 1),
        "signed": signed,
        "signed_share": signed.div(total_signed.where(steady), axis=0),
    }
    found: pd.DataFrame = pd.concat(measures, axis=1, names=["measure", "region"])
    return found


def participant_means(windows: pd.DataFrame, sessions: Mapping[str, str]) -> pd.DataFrame:
    """Return the measures of each participant: means over windows, then recordings, then sessions.

    Undefined windows (NaN) are left out; a participant without a defined one is NaN.

    Parameters
    ----------
    windows : DataFrame
        What `window_measures` gives.
    sessions : mapping of str to str
        The session of each recording.

    Returns
    -------
    DataFrame
        Index participant; columns as there.
    """
    recordings = windows.groupby(level=["participant", "recording"], sort=False, observed=True).mean()
    session = recordings.index.get_level_values("recording").map(sessions)
    person = recordings.index.get_level_values("participant")
    units = recordings.groupby([person, session], sort=False, observed=True).mean()
    return units.groupby(level=0, sort=False, observed=True).mean()


def participant_z(windows: pd.DataFrame) -> pd.DataFrame:
    """Return each participant's mean Fisher z of the correlations with Action Units, over its windows.

    Parameters
    ----------
    windows : DataFrame
        What `window_correlations` gives, of one kind.

    Returns
    -------
    DataFrame
        Index method, source, region, au; a column a participant.
    """
    import numpy as np

    from mien.statistics import fisher_z

    z = windows.assign(z=fisher_z(windows["correlation"].to_numpy(np.float64)))
    keys = ["method", "source", "region", "au", "participant"]
    found: pd.DataFrame = z.groupby(keys, sort=False, observed=True)["z"].mean().unstack("participant")
    return found


@dataclass(frozen=True)
class Strata:
    """Folds as strata of a test, or why they are not: ``of`` is None when participants are pooled."""

    of: Array | None
    note: str = ""


def strata_of(people: pd.DataFrame) -> Strata:
    """Return the folds of participants where every fold has three or more of them."""
    import numpy as np

    sizes = people["fold"].value_counts()
    if len(sizes) < 2:
        return Strata(None)
    if sizes.min() >= FEWEST_IN_FOLD:
        return Strata(people["fold"].to_numpy(np.float64))
    return Strata(
        None,
        f"Folds have fewer than {FEWEST_IN_FOLD} participants: they are pooled, though each fold's network is another.",
    )

"""Which participants, recordings and frames a report shows; stated, not picked by hand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mien.types import FloatArray

ROLES = ("worst", "median", "best")
_EXTREME = ["kind", "rank", "frame", "time_s", "value"]
_ROUNDING = 1e-5  # of numbers that were kept in single precision


@dataclass(frozen=True)
class Selected:
    """A recording that the report shows, and why: ``error`` is its participant's absolute error."""

    role: str
    participant: str
    recording: str
    error: float


def participant_errors(predictions: pd.DataFrame, split: str | None = None) -> pd.Series[float]:
    """Return the absolute error of each participant, largest first.

    A participant's prediction is the mean over recordings of the means over windows; one with several labels has the
    mean of the errors for each of them.

    Parameters
    ----------
    predictions : DataFrame
        The table ``predictions``.
    split : str, optional
        Only this side.
    """
    known = predictions[predictions["label"].notna()]
    if split is not None:
        known = known[known["split"] == split]
    recordings = known.groupby(["participant", "recording"]).agg({"label": "first", "prediction": "mean"})
    labels = recordings.groupby(["participant", "label"])["prediction"].mean().reset_index("label")
    errors = (labels["prediction"] - labels["label"]).abs().groupby("participant").mean()
    return errors.sort_values(ascending=False, kind="stable")


def choose_recordings(
    predictions: pd.DataFrame,
    explained: Collection[str] | None = None,
    split: str = "test",
    *,
    continuous: bool = True,
) -> list[Selected]:
    """Return one recording each of the worst, median and best predicted participant.

    Parameters
    ----------
    predictions : DataFrame
        The table ``predictions``.
    explained : collection of str, optional
        Choose among these recordings only.
    split : str
        Whose participants; all labelled ones when the side is empty.
    continuous : bool
        Whether labels are numbers on a scale; of classes, an error is the share of windows that were given a wrong one.

    Returns
    -------
    list of Selected
        Fewer than three when there are fewer participants; empty without labels.
    """
    if not continuous:
        wrong = (predictions["prediction"] != predictions["label"]).astype("float64")
        predictions = predictions.assign(prediction=wrong, label=0.0 * predictions["label"])
    if explained is not None:
        predictions = predictions[predictions["recording"].isin(list(explained))]
    errors = participant_errors(predictions, split)
    if errors.empty:
        errors = participant_errors(predictions)
    places = {"worst": 0, "best": len(errors) - 1, "median": (len(errors) - 1) // 2}
    chosen: dict[str, Selected] = {}
    for role in sorted(places, key=("worst", "best", "median").index):
        if len(errors) and errors.index[places[role]] not in {one.participant for one in chosen.values()}:
            person = str(errors.index[places[role]])
            recording = _typical_recording(predictions, person, float(errors.loc[person]))
            chosen[role] = Selected(role, person, recording, float(errors.loc[person]))
    return [chosen[role] for role in ROLES if role in chosen]


def _typical_recording(predictions: pd.DataFrame, participant: str, error: float) -> str:
    own = predictions[predictions["participant"] == participant]
    means = own.groupby("recording")[["label", "prediction"]].mean()
    distance = ((means["prediction"] - means["label"]).abs() - error).abs()
    return str(distance.idxmin())


def outside_recordings(recordings: pd.DataFrame, explained: Collection[str], limit: int = 3) -> list[str]:
    """Return the first explained recordings that are on no side of the split, in the table's order."""
    outside = recordings[~recordings["split"].isin(["train", "validation", "test"])]
    return [str(name) for name in outside["recording"] if name in explained][:limit]


def frame_totals(relevance: pd.DataFrame, method: str, recording: str) -> pd.DataFrame:
    """Return the total relevance of each explained frame with a face, mean over windows.

    Returns
    -------
    DataFrame
        Columns frame, time_s, signed, absolute; by frame.
    """
    rows = relevance[
        (relevance["method"] == method)
        & (relevance["recording"] == recording)
        & (relevance["region"] == "total")
        & relevance["valid"]
    ]
    columns = ["time_s", "signed", "absolute"]
    return rows.groupby("frame", as_index=False)[columns].mean().sort_values("frame", ignore_index=True)


def extreme_frames(
    relevance: pd.DataFrame,
    method: str,
    recording: str,
    *,
    count: int = 4,
    signed: bool = True,
    apart_s: float = 0.2,
) -> pd.DataFrame:
    """Return the frames of highest and lowest total relevance.

    Parameters
    ----------
    relevance : DataFrame
        The table ``relevance``.
    count : int
        Frames of each kind; fewer in a short recording.
    signed : bool
        By signed relevance; by absolute relevance for methods without sign.
    apart_s : float
        Frames of a kind are at least so many seconds apart, or they would all show the same moment.

    Returns
    -------
    DataFrame
        Columns kind (``top``, ``bottom``), rank (from 1), frame, time_s, value.  No frame is of both kinds.  Empty
        where all frames have as much: an attention that is shared evenly over time ranks none.
    """
    totals = frame_totals(relevance, method, recording)
    values = totals["signed" if signed else "absolute"].to_numpy(np.float64)
    times = totals["time_s"].to_numpy(np.float64)
    half = 0 if alike(values) else len(totals) // 2
    order = [int(row) for row in np.argsort(-values, kind="stable")]
    found: list[dict[str, object]] = []
    # Each kind from its own half: apart in time, the rest of a short recording's top would lie below its bottom.
    for kind, candidates in (("top", order[:half]), ("bottom", order[::-1][:half])):
        rows = _spaced(candidates, times, count, apart_s)
        for rank, row in enumerate(rows, 1):
            frame = int(totals["frame"].iloc[row])
            found.append({"kind": kind, "rank": rank, "frame": frame, "time_s": times[row], "value": values[row]})
    return pd.DataFrame(found, columns=_EXTREME)


def alike(values: FloatArray) -> bool:
    """Tell whether values differ by no more than rounding."""
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max()) if len(values) else True


def even_frames(relevance: pd.DataFrame, method: str, recording: str, count: int = 4) -> pd.DataFrame:
    """Return frames spread evenly over the explained ones, for a method that ranks none.

    Returns
    -------
    DataFrame
        As `extreme_frames`; kind is empty.
    """
    totals = frame_totals(relevance, method, recording)
    chosen = min(count, len(totals))
    rows = totals.iloc[[int((place + 0.5) * len(totals) / chosen) for place in range(chosen)]]
    return rows.assign(kind="", rank=range(1, chosen + 1), value=rows["absolute"])[_EXTREME]


def _spaced(order: Sequence[int], times: FloatArray, count: int, apart: float) -> list[int]:
    rows: list[int] = []
    for row in order:
        if len(rows) == count:
            break
        if all(abs(times[row] - times[other]) >= apart for other in rows):
            rows.append(row)
    return rows

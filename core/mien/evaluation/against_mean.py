"""Whether predictions follow the labels, and are better than always saying the training mean.

The unit is the participant: labels and predictions are averaged over their labelled units, and errors of several
sessions too, before anything is tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mien.evaluation.units import ALL, at_levels, subsets
from mien.interfaces.objective import Objective
from mien.statistics import (
    FEWEST,
    association,
    function_interval,
    participant_bootstrap,
    permutation_association,
    sign_flip,
)
from mien.statistics.permutation import PERMUTATIONS, Statistic
from mien.training.splits import Fold
from mien.types import FloatArray, Recording

EVALUATION_COLUMNS = ("split", "subset", "level", "test", "statistic", "value", "low", "high", "p", "n", "note")
RESAMPLES = 1000

_OURS = ("train", "validation")
"""Splits that are not tested: the network was made with them."""

_ERRORS = {
    "mae": "bootstrap",
    "mae_of_training_mean": "bootstrap",
    "rmse": "bootstrap",
    "rmse_of_training_mean": "bootstrap",
    "rmse_skill": "bootstrap",
    "absolute_error_reduction": "sign_flip",
    "squared_error_reduction": "sign_flip",
}
_SKILL_NOTE = "1 - RMSE / RMSE of the training mean: above 0 is better than the mean, 1 is perfect."
_REDUCTION_NOTE = "Error of the training mean less that of the network, so that above 0 the network is better."
_WITHIN = "Within folds: values are centred (and ranked) in each fold, and permuted there."
_ALONE = (
    "Not defined: no fold holds out {fewest} participants. Across such folds r is biased, since whoever is held out "
    "pulls the mean of the others the other way; see rmse_skill."
)


def training_means(recordings: Iterable[Recording], folds: Sequence[Fold]) -> dict[int, float]:
    """Return the mean label of each fold's training recordings, each session counted once."""
    recordings = list(recordings)
    means = {}
    for fold in folds:
        units = {
            (r.participant, r.session or r.id): r.label
            for r in recordings
            if r.label is not None and fold.splits.get(r.id) == "train"
        }
        if units:
            means[fold.number] = float(np.mean(list(units.values())))
    return means


def evaluation_table(
    predictions: pd.DataFrame,
    unseen: Mapping[str, bool],
    objective: Objective,
    means: Mapping[int, float],
    level: str,
    seed: int,
    *,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Return the tests of held-out predictions: the table ``evaluation``.

    ``permuted_labels``: the correlation of mean prediction and mean label over participants, within folds where there
    are several.  ``sign_flip``: how much smaller the error is than that of the training mean, paired by participant.
    ``bootstrap``: errors of both, and the skill, without a test.

    Parameters
    ----------
    predictions : DataFrame
        The table ``predictions``; rows without a label are left out, and the splits train and validation.
    unseen : mapping of str to bool
        By recording: whether the network that judges it has seen nothing of its person.
    objective : Objective
        One whose labels are no numbers on a scale (`Objective.continuous`) has no such tests.
    means : mapping of int to float
        The mean label that each fold's network was trained with (see `training_means`).
    level : str
        The labelled unit, whose error is taken: participant, session or recording.
    seed : int

    Returns
    -------
    DataFrame
        What is undefined has no value, and the note says why.
    """
    rows: list[dict[str, Any]] = []
    tested = predictions[~predictions["split"].isin(_OURS)]
    for split, subset, own in subsets(tested, unseen) if objective.continuous else ():
        levels = at_levels(own) if len(own) else {}
        rng = np.random.default_rng([seed, int(subset == ALL)])
        units = levels.get(level, levels.get("participant", own))
        used = level if level in levels else "participant"
        place = {"split": split, "subset": subset}
        for name in ("pearson", "spearman"):
            people = levels.get("participant", own)
            row = _association(people, name, rng, permutations, resamples)
            rows.append(place | {"level": "participant"} | row)
        rows += [place | {"level": used} | row for row in _errors(units, means, rng, permutations, resamples)]
    return pd.DataFrame(rows, columns=list(EVALUATION_COLUMNS))


def _association(
    people: pd.DataFrame, statistic: Statistic, rng: np.random.Generator, permutations: int, resamples: int
) -> dict[str, Any]:
    row: dict[str, Any] = {"test": "permuted_labels", "statistic": statistic}
    folds = people["fold"].nunique()
    note = _WITHIN if folds > 1 else ""
    if folds > 1:
        sizes = people.groupby("fold")["participant"].transform("size")
        left_out = int((sizes < FEWEST).sum())
        people = people[sizes >= FEWEST]
        if people.empty:
            return row | _nothing(left_out, _ALONE.format(fewest=FEWEST))
        note += f" {left_out} participants in folds of fewer than {FEWEST} are left out." if left_out else ""
    x, y, strata = (people[name].to_numpy(float) for name in ("prediction", "label", "fold"))
    found = permutation_association(x, y, rng, permutations, strata, statistic)
    if found.reason:
        return row | _nothing(found.n, f"Not defined: {found.reason}.")
    spread = participant_bootstrap(
        lambda rows: association(x[rows], y[rows], strata[rows], statistic), np.arange(len(x)), rng, resamples
    )
    values = {"value": found.effect, "low": spread.low, "high": spread.high, "p": found.p, "n": found.n}
    return row | values | {"note": note}


def _nothing(n: int, note: str) -> dict[str, Any]:
    return {**dict.fromkeys(["value", "low", "high", "p"], np.nan), "n": n, "note": note}


def _errors(
    units: pd.DataFrame, means: Mapping[int, float], rng: np.random.Generator, permutations: int, resamples: int
) -> list[dict[str, Any]]:
    error = units["prediction"] - units["label"]
    of_mean = units["fold"].map(means).astype(float) - units["label"]
    columns = {"abs": error.abs(), "abs_mean": of_mean.abs(), "sq": error**2, "sq_mean": of_mean**2}
    people = pd.DataFrame({"participant": units["participant"], **columns}).groupby("participant").mean().dropna()
    if people.empty:
        where = "" if units.empty else " in a fold with training labels"
        reason = f"Not defined: there is no labelled participant{where}."
        return [{"test": test, "statistic": name, **_nothing(0, reason)} for name, test in _ERRORS.items()]
    value, low, high = function_interval(_summary, people.to_numpy(), resamples, rng)
    p = {
        "absolute_error_reduction": sign_flip(people["abs_mean"] - people["abs"], rng, permutations).p,
        "squared_error_reduction": sign_flip(people["sq_mean"] - people["sq"], rng, permutations).p,
    }
    notes = {"rmse_skill": _SKILL_NOTE, **dict.fromkeys(p, _REDUCTION_NOTE)}
    return [
        {
            "test": test,
            "statistic": name,
            "value": value[i],
            "low": low[i],
            "high": high[i],
            "p": p.get(name, np.nan),
            "n": len(people),
            "note": notes.get(name, "") if np.isfinite(value[i]) else "Not defined: the training mean makes no error.",
        }
        for i, (name, test) in enumerate(_ERRORS.items())
    ]


def _summary(means: FloatArray) -> FloatArray:
    """Return the figures of `_ERRORS` from mean errors ``(resamples, 4)``; participants count alike."""
    absolute, absolute_of_mean, squared, squared_of_mean = means.T
    rmse, rmse_of_mean = np.sqrt(squared), np.sqrt(squared_of_mean)
    ratio = np.divide(rmse, rmse_of_mean, out=np.full(rmse.shape, np.nan), where=rmse_of_mean > 0)
    return np.stack(
        [
            absolute,
            absolute_of_mean,
            rmse,
            rmse_of_mean,
            1 - ratio,
            absolute_of_mean - absolute,
            squared_of_mean - squared,
        ],
        axis=1,
    )

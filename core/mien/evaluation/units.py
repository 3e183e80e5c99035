"""Predictions averaged over windows, recordings, sessions and participants; and whose they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

ALL, UNSEEN = "all", "unseen_persons"

_PLACE = ["participant", "fold", "session", "recording"]
_MEASURED = ["label", "prediction"]


def known(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a label and a prediction."""
    return predictions[predictions["label"].notna() & predictions["prediction"].notna()]


def at_levels(predictions: pd.DataFrame, *, continuous: bool = True) -> Mapping[str, pd.DataFrame]:
    """Return label and prediction of each unit, by level.

    A recording has the mean over its windows, a session the mean over its recordings, a participant the mean over
    its sessions.  The level ``session`` is there only where sessions are neither the recordings nor the participants.

    Classes have no mean: a unit then has the class that most of its parts were given (of equally many, the lowest),
    and a level one of whose units has parts of several labels is left out, with those above it.

    Parameters
    ----------
    predictions : DataFrame
        The table ``predictions``, labelled.
    continuous : bool
        Whether labels are numbers on a scale (`mien.interfaces.Objective.continuous`), and not classes.

    Returns
    -------
    mapping of str to DataFrame
        Each with participant, fold, label, prediction, and what tells its units apart.
    """
    levels = {"window": predictions[[*_PLACE, *_MEASURED]]}
    for name, keys in (("recording", _PLACE), ("session", _PLACE[:3]), ("participant", _PLACE[:2])):
        finer = levels[next(reversed(levels))].groupby(keys, sort=True)
        if not continuous and (finer["label"].nunique() > 1).any():
            break
        units = finer[_MEASURED].mean() if continuous else finer[_MEASURED].agg(_most)
        levels[name] = units.reset_index()
    sizes = {name: len(table) for name, table in levels.items()}
    if sizes.get("session", 0) in (sizes.get("recording"), sizes.get("participant")):
        del levels["session"]
    return levels


def _most(classes: pd.Series) -> float:
    return float(classes.mode().iloc[0])


def subsets(predictions: pd.DataFrame, unseen: Mapping[str, bool]) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield split, subset and the labelled predictions in it.

    ``unseen_persons`` leaves out the recordings of people of whom the network has seen others.  A split has it only
    where it is not all or nothing; the split ``test`` also where nobody in it is unseen, and then it is empty.

    Parameters
    ----------
    unseen : mapping of str to bool
        By recording: the column of the table ``recordings``.
    """
    for split, own in known(predictions).groupby("split", sort=True):
        yield str(split), ALL, own
        fresh = own["recording"].map(unseen).astype(bool)
        if not fresh.all() and (fresh.any() or split == "test"):
            yield str(split), UNSEEN, own[fresh]

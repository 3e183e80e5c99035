"""Which windows are embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mien import ClipKey


def candidates(predictions: pd.DataFrame, split: str, fold: int | None) -> pd.DataFrame:
    """Return the windows that may be embedded.

    Parameters
    ----------
    predictions : DataFrame
        The table of that name: one row a window.
    split : {"test", "all"}
        Held-out participants alone, or all of the data set; never what is out of distribution.
    fold : int or None
        Those that the network of this fold judges; None for all.

    Returns
    -------
    DataFrame
        Rows of ``predictions``, in the order of participant, recording and window.
    """
    own = predictions["split"] == "test" if split == "test" else predictions["split"] != "out_of_distribution"
    rows = predictions[own if fold is None else own & (predictions["fold"] == fold)]
    return rows.sort_values(["participant", "recording", "window"], kind="stable", ignore_index=True)


def chosen(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most so many of the candidates, as many of each participant, spread evenly over the participant's own.

    Where participants are more than that, they are spread evenly too, with one window each.
    """
    if len(rows) <= most:
        return rows
    people = [group.index for _, group in rows.groupby("participant", sort=True)]
    people = _spread(people, most)
    taken = [place for own in people for place in _spread(list(own), most // len(people))]
    return rows.loc[taken].reset_index(drop=True)


def _spread(items: list[Any], most: int) -> list[Any]:
    """Return at most so many items: the middles of as many equal stretches."""
    count = min(most, len(items))
    return [items[(2 * place + 1) * len(items) // (2 * count)] for place in range(count)]


def keys_of(rows: pd.DataFrame) -> list[ClipKey]:
    """Return the keys of the clips of windows."""
    from mien import ClipKey

    columns = (rows["recording"].map(str), rows["participant"].map(str), rows["window"].map(int))
    return [ClipKey(*key) for key in zip(*columns, strict=True)]

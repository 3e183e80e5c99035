"""Rank correlations between the maps of each two methods, per participant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from mien_plugins.analyzers.time_bins import occurrences
from mien_plugins.analyzers.window_correlation import spearman

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Array = npt.NDArray[np.float64]

_WINDOW = ["recording", "window"]

COLUMNS = ("method", "other_method", "participant", "correlation", "windows", "undefined_windows")


def over_regions(relevance: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return how alike two methods rank the parts of the face, for each pair and participant.

    What is ranked is the absolute relevance per element of each region, of the rest of the face and of the background,
    summed first over the windows that both methods explained.  By their sums alone large regions would come first with
    any method.

    Parameters
    ----------
    relevance : DataFrame
        Rows of regions, of one network.

    Returns
    -------
    DataFrame
        `COLUMNS`; correlation is NaN where a method has no relevance or fewer than three regions have an area.  Without
        a window of both methods there is no row.
    """
    import pandas as pd

    parts = relevance[relevance["region"] != "total"]
    found = []
    for participant, own in parts.groupby("participant", sort=False, observed=True):
        keys = [*_WINDOW, "region", "method"]
        sums = pd.DataFrame(own.groupby(keys, sort=False, observed=True)[["absolute", "area"]].sum().unstack("method"))
        for pair in combinations(methods, 2):
            density, windows = _density(sums, pair)
            if windows:
                found += [(*both, str(participant), r, windows, 0) for *both, r in _pairs(density, pair)]
    return pd.DataFrame(found, columns=list(COLUMNS))


def _density(sums: pd.DataFrame, pair: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """Return the density of regions over the windows that both methods explained, and how many windows those are.

    Parameters
    ----------
    sums : DataFrame
        Indexed by recording, window, region; columns ``absolute`` and ``area`` of each method, NaN where it has none.
    """
    import pandas as pd

    known = sums.reindex(columns=pd.MultiIndex.from_product([["absolute", "area"], pair])).dropna()
    windows = len(known.groupby(level=_WINDOW, observed=True))
    whole = known.groupby(level="region", sort=False, observed=True).sum()
    absolute, area = (whole.loc[:, name] for name in ("absolute", "area"))
    return pd.DataFrame(absolute / area.where(area > 0)), windows


def over_time(relevance: pd.DataFrame, methods: Sequence[str], unsigned: Collection[str]) -> pd.DataFrame:
    """Return how alike two methods rank the frames of a window, for each pair and participant.

    What is ranked is the relevance summed over the face, signed where both methods are, else absolute.  A participant's
    correlation is the mean over windows by Fisher's z.

    Parameters
    ----------
    relevance : DataFrame
        Rows of regions in frames.
    unsigned : collection of str
        The methods whose relevance does not tell for from against.

    Returns
    -------
    DataFrame
        `COLUMNS`; a window in which one of the two series does not change, or of fewer than three frames, is undefined.
    """
    import numpy as np
    import pandas as pd

    from mien.statistics import fisher_mean

    face = _face(relevance)
    found: dict[tuple[str, str, str], list[float]] = {}
    for (participant, _, _), own in face.groupby(["participant", "recording", "window"], sort=False, observed=True):
        by_frame = {kind: own.pivot(index="frame", columns="method", values=kind) for kind in ("signed", "absolute")}
        absolute = {(one, two): r for one, two, r in _pairs(by_frame["absolute"], methods)}
        for one, two, signed in _pairs(by_frame["signed"], methods):
            value = absolute[one, two] if {one, two} & set(unsigned) else signed
            found.setdefault((one, two, str(participant)), []).append(value)
    rows = [
        (*key, float(fisher_mean(values)), len(values), int(np.isnan(values).sum())) for key, values in found.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _face(relevance: pd.DataFrame) -> pd.DataFrame:
    """Return the signed and absolute relevance inside the face: one row a method, window and frame.

    A frame that a window holds several times is one frame; see `occurrences`.
    """
    window = ["method", "participant", *_WINDOW]
    sides = [
        relevance[relevance["region"] == region].set_index([*window, "frame"]) for region in ("total", "background")
    ]
    total, background = (side[["signed", "absolute"]] for side in sides)
    face = total.sub(background, fill_value=0.0)
    return face.div(occurrences(sides[0]["area"].reindex(face.index), window), axis=0).reset_index()


def _pairs(table: pd.DataFrame, methods: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """Yield each two methods with the rank correlation of their columns, over the rows that all have."""
    import numpy as np

    present = [method for method in methods if method in table and table[method].notna().any()]
    values = table[present].dropna().to_numpy(np.float64)
    correlations = spearman(values, values)
    for one, two in combinations(range(len(present)), 2):
        yield present[one], present[two], float(correlations[one, two])

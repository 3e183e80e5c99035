"""Rank correlation of relevance with Action Units within windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien_plugins.analyzers.time_bins import independent_bins, occurrences

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Array = npt.NDArray[np.float64]

KINDS = ("intensity", "presence")
COLUMNS = ("method", "source", "region", "au", "kind", "recording", "participant", "window", "correlation")
FEWEST_FRAMES = 3  # any two values of two frames correlate perfectly

_WINDOW = ["recording", "participant", "window"]


@dataclass(frozen=True)
class Window:
    """Signed relevance inside a window: ``signed (T, regions)`` at the source's ``frames (T,)``, ascending."""

    recording: str
    participant: str
    number: int
    frames: npt.NDArray[np.intp]
    signed: Array


def windows_of(relevance: pd.DataFrame, regions: Sequence[str]) -> list[Window]:
    """Return the windows of one method over their frames with a face.

    A source frame that a resampled window holds several times is one frame: its relevance, a sum over its
    occurrences, is divided by their number; see `occurrences`.

    Parameters
    ----------
    relevance : DataFrame
        Rows of the table ``relevance`` of one method.
    regions : sequence of str
        The columns of `Window.signed`; NaN where a region has no row.
    """
    import numpy as np
    import pandas as pd

    seen = relevance[relevance["valid"]]
    keys = [*_WINDOW, "frame"]
    wide = seen.pivot_table(index=keys, columns="region", values="signed", observed=True)
    wide = wide.reindex(columns=list(regions))
    area = seen[seen["region"] == "total"].groupby(keys, observed=True)["area"].sum().reindex(wide.index)
    values = wide.to_numpy(np.float64) / occurrences(area, _WINDOW).to_numpy(np.float64)[:, None]
    frames = wide.index.get_level_values("frame").to_numpy(np.intp)
    places = [wide.index.get_level_values(name) for name in _WINDOW]
    changed = np.zeros(len(wide), bool)  # rows are sorted, so that a window's stand together
    for place in places:
        codes, _ = pd.factorize(place)
        changed |= np.diff(codes, prepend=-1) != 0
    starts = np.flatnonzero(changed)
    return [
        Window(str(places[0][rows[0]]), str(places[1][rows[0]]), int(places[2][rows[0]]), frames[rows], values[rows])
        for rows in np.split(np.arange(len(wide)), starts[1:])
        if len(rows)
    ]


def series_of(units: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return one source's Action Units as columns over recording and frame; those it never tells are left out."""
    # Not a pivot table: that would give every recording the frames of the longest one, or drop those without a face.
    table = units.groupby(["recording", "frame", "au"], observed=True)[kind].mean().unstack("au")
    return table.dropna(axis=1, how="all")


def window_correlations(relevance: pd.DataFrame, action_units: pd.DataFrame, *, least_bins: int) -> pd.DataFrame:
    """Return Spearman's correlation of each region's signed relevance with each Action Unit, in each window.

    Frames belong together by their number in the source video; frames without a face, and frames of which the Action
    Unit is not known, are left out.

    Parameters
    ----------
    relevance, action_units : DataFrame
        As `RunView` has them.  Every region counts, total and background included.
    least_bins : int
        Methods with fewer independent values over a window are left out.

    Returns
    -------
    DataFrame
        method, source, region, au, kind (``intensity`` or ``presence``), recording, participant, window, correlation
        (NaN where a series is constant or has fewer than three known frames).  Windows of recordings without Action
        Units have no rows.
    """
    import pandas as pd

    parts = []
    for method, own in relevance.groupby("method", sort=False, observed=True):
        if independent_bins(own) < least_bins:
            continue
        regions = [str(region) for region in own["region"].unique()]
        windows = windows_of(own, regions)
        for source, units in action_units.groupby("source", sort=False, observed=True):
            for kind in KINDS:
                place = {"method": method, "source": source, "kind": kind}
                parts += [part.assign(**place) for part in _correlations(windows, series_of(units, kind), regions)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _correlations(windows: Sequence[Window], table: pd.DataFrame, regions: Sequence[str]) -> Iterator[pd.DataFrame]:
    import numpy as np
    import pandas as pd

    known = {str(name): own.droplevel(0) for name, own in table.groupby(level="recording", observed=True)}
    pairs = pd.MultiIndex.from_product([list(regions), list(table.columns)], names=["region", "au"])
    for window in windows:
        if not len(pairs) or window.recording not in known:
            continue
        right = known[window.recording].reindex(window.frames).to_numpy(np.float64)
        found = spearman(window.signed, right)
        yield pairs.to_frame(index=False).assign(
            recording=window.recording,
            participant=window.participant,
            window=window.number,
            correlation=found.ravel(),
        )


def spearman(left: Array, right: Array) -> Array:
    """Return Spearman's correlation of each pair of columns: ``(T, A)`` and ``(T, B)`` to ``(A, B)``.

    Rows in which the right series is not known (NaN) are left out, pair by pair.  NaN where one of the two is
    constant, the left one has a gap, or fewer than three rows are left.
    """
    import numpy as np

    from mien.statistics import ranks, unit

    found = np.full((left.shape[1], right.shape[1]), np.nan)
    known = np.isfinite(right)
    masks, of = np.unique(known, axis=1, return_inverse=True)
    whole = np.isfinite(left).all(axis=0)
    for number in range(masks.shape[1]):
        rows, columns = masks[:, number], np.flatnonzero(of.ravel() == number)
        if rows.sum() >= FEWEST_FRAMES:
            ranked = [unit(ranks(side[rows], axis=0), axis=0) for side in (left[:, whole], right[:, columns])]
            found[np.ix_(whole, columns)] = ranked[0].T @ ranked[1]
    return found

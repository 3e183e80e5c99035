"""Measures of where relevance falls, derived from the sums over regions.

- ``share``: a region's absolute relevance over the total absolute relevance (the paper's figure, of absolute
  instead of signed relevance, so that it cannot explode where positive and negative parts cancel).
- ``signed_share``: the same of signed relevance, as the paper has it.
- ``density``: for a region (and ``elsewhere_face``) its share of the *face's* absolute relevance over its
  share of the face's area; for ``background`` (and ``total``) of the whole crop's.  1 is what evenly spread
  relevance gives, 2 is twice chance.  A region without pixels, or relevance of 0 throughout, has NaN.

Regions overlap, so shares may add up to more than 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mien.regions.names import BACKGROUND, TOTAL
from mien.regions.pooling import SUMS


def counted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of relevance that a data set's figures are made of.

    Frames without a face are left out (where the rows are of frames), and what is out of distribution is, unless there
    is nothing else.
    """
    inside = rows[rows["split"] != "out_of_distribution"]
    inside = inside if len(inside) else rows
    return inside[inside["valid"]] if "valid" in inside else inside


def per_participant(rows: pd.DataFrame, by: Sequence[str] = ("method",)) -> pd.DataFrame:
    """Return one row for each participant and region, with sums and measures.

    Windows of one person are not independent: their sums are added before any ratio is taken.

    Parameters
    ----------
    rows : DataFrame
        Region rows with the columns ``participant``, ``region``, those of ``by`` and the sums.
    by : sequence of str
        What else to keep apart, e.g. ``("method", "network", "split")``.

    Returns
    -------
    DataFrame
        Columns ``by``, participant, region, the sums, share, signed_share, density.
    """
    keys = [*by, "participant"]
    sums = rows.groupby([*keys, "region"], sort=False, observed=True)[list(SUMS)].sum().reset_index()
    return add_measures(sums, keys)


def add_measures(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the rows with the columns share, signed_share and density.

    Parameters
    ----------
    rows : DataFrame
        One row for each region in each group, ``total`` and ``background`` among them.
    keys : sequence of str
        The columns that tell groups apart, e.g. ``["method", "participant"]``.
    """
    columns = ["signed", "absolute", "area"]
    total = _of(rows, TOTAL, keys, columns)
    background = _of(rows, BACKGROUND, keys, columns)
    whole = rows["region"].isin([BACKGROUND, TOTAL]).to_numpy()
    within = np.where(whole[:, None], total, total - background)
    signed, absolute, area = (rows[name].to_numpy(np.float64) for name in columns)
    relevance_share, area_share = _ratio(absolute, within[:, 1]), _ratio(area, within[:, 2])
    return rows.assign(
        share=_ratio(absolute, total[:, 1]),
        signed_share=_ratio(signed, total[:, 0]),
        density=_ratio(relevance_share, area_share),
    )


def _of(rows: pd.DataFrame, region: str, keys: Sequence[str], columns: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return, for every row, the values of one region of its group: shape (rows, columns)."""
    wanted = rows.loc[rows["region"] == region, [*keys, *columns]]
    joined = rows[list(keys)].merge(wanted, on=list(keys), how="left", validate="many_to_one")
    return joined[list(columns)].to_numpy(np.float64)


def _ratio(part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole != 0)

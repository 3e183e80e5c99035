"""Groups of participants by covariate, and the bars that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from mien.report.charts import BarChart, GroupedBars

MOST = 6
"""A covariate with more values is not taken for groups unless it is asked for."""

_ABOUT = ("recording", "participant")
_PANELS = 4  # of the chart of relevance


@dataclass(frozen=True)
class Grouping:
    """Participants in groups.

    Attributes
    ----------
    covariate : str
    names : sequence of str
        The groups in order; some may be empty.
    of : Series of str
        The group of each participant; absent where it is not known.
    """

    covariate: str
    names: Sequence[str]
    of: pd.Series[str]

    def members(self, group: str) -> list[str]:
        """Return the participants in a group."""
        return [str(name) for name in self.of.index[(self.of == group).fillna(False).to_numpy(bool)]]

    def inside(self, group: str) -> pd.Series[bool]:
        """Return whether each participant is in the group; absent where its group is not known."""
        known = self.of.dropna()
        return known == group


def groupings(
    covariates: pd.DataFrame, people: Sequence[str], by: Sequence[str] | None, cut_points: Mapping[str, Sequence[float]]
) -> tuple[list[Grouping], list[str]]:
    """Return the groupings of participants, and what could not be grouped.

    A participant's number is the mean over its recordings; a text that differs between them tells no group.

    Parameters
    ----------
    covariates : DataFrame
        `RunView.covariates`.
    people : sequence of str
        The participants to group.
    by : sequence of str, optional
        Covariates; none: all that give two to `MOST` groups.
    cut_points : mapping
        Where to split numbers; else two values are two groups, and more are split at their median.
    """
    import pandas as pd

    from mien.errors import nearest

    names = [str(name) for name in covariates.columns if name not in _ABOUT]
    notes = [] if names else ["The data set has no covariates."]
    found = []
    for name in [*(by if by is not None else names), *(key for key in cut_points if by and key not in by)]:
        if name not in names:
            notes.append(f"There is no covariate '{name}' in the data set. {nearest(name, names)}".strip())
            continue
        numeric = pd.api.types.is_numeric_dtype(covariates[name])
        values = covariates.groupby("participant")[name]
        value = values.mean() if numeric else values.agg(_one)
        value = value.reindex(list(people))
        grouping = _numbers(name, value, cut_points.get(name)) if numeric else _texts(name, value)
        missing = int(grouping.of.isna().sum())
        if len(grouping.names) < 2:
            notes.append(f"{name}: all held-out participants are alike, or not known; there is nothing to compare.")
        elif by is None and len(grouping.names) > MOST and name not in cut_points:
            notes.append(f"{name}: {len(grouping.names)} values are too many for groups; name it in 'by' to see them.")
        else:
            found.append(grouping)
            if missing:
                notes.append(f"{name} is not known, or not the same in all recordings, of {missing} participants.")
    return found, notes


def _one(values: pd.Series[str]) -> str | None:
    known = values.dropna().unique()
    return str(known[0]) if len(known) == 1 else None


def _texts(name: str, values: pd.Series[str]) -> Grouping:
    return Grouping(name, sorted(str(value) for value in values.dropna().unique()), values)


def _numbers(name: str, values: pd.Series[float], points: Sequence[float] | None) -> Grouping:
    import numpy as np
    import pandas as pd

    distinct = sorted(float(value) for value in values.dropna().unique())
    if points is None and len(distinct) <= 2:
        names = [f"{value:g}" for value in distinct]
        return Grouping(name, names, values.map(lambda value: f"{value:g}", na_action="ignore").astype("object"))
    middle = float(values.median())
    # Where the median is the smallest value, splitting below it would leave nobody there.
    cuts = list(points) if points is not None else [middle if middle > distinct[0] else distinct[1]]
    names = [f"below {cuts[0]:g}", *(f"{a:g} to below {b:g}" for a, b in pairwise(cuts))]
    names.append(f"{cuts[-1]:g} or more")
    places = np.searchsorted(cuts, values.to_numpy(np.float64), side="right")
    of = pd.Series([names[min(place, len(cuts))] for place in places], index=values.index, dtype="object")
    return Grouping(name, names, of.where(values.notna()))


def error_chart(table: pd.DataFrame) -> BarChart:
    """Return mean absolute error and bias of each group."""
    from mien.report.charts import BarChart, BarSeries

    series = []
    for column, title in (("mae", "mean absolute error"), ("bias", "mean error (prediction − label)")):
        certain = bool(table[f"{column}_low"].notna().any())
        series.append(
            BarSeries(
                name=title,
                values=table[column].tolist(),
                low=table[f"{column}_low"].tolist() if certain else (),
                high=table[f"{column}_high"].tolist() if certain else (),
            )
        )
    labels = zip(table["covariate"], table["group"], table["participants"], strict=True)
    return BarChart(
        name="subgroup_errors",
        title="Errors by group",
        caption="Means over held-out participants with 95 % bootstrap interval, where there are at least three; n is "
        "their number. Differences and their q-values are in the table subgroup_errors.",
        x_label="label units",
        groups=[f"{covariate}: {group} (n = {n})" for covariate, group, n in labels],
        series=series,
        value_name="with 95 % interval",
    )


def relevance_chart(table: pd.DataFrame, method: str) -> GroupedBars:
    """Return the share of relevance by region of each group, a panel for each covariate."""
    from mien.report.charts import GroupedBars, GroupedPanel, GroupedSeries, chart_name
    from mien.report.words import listed, region_title

    own = table[table["method"] == method]
    regions = [str(region) for region in own["region"].unique()]
    covariates = [str(name) for name in own["covariate"].unique()]
    panels = []
    for covariate in covariates[:_PANELS]:
        series = []
        for group, rows in own[own["covariate"] == covariate].groupby("group", sort=False):
            rows = rows.set_index("region").reindex(regions)
            certain = bool(rows["share_low"].notna().any())
            series.append(
                GroupedSeries(
                    name=str(group),
                    values=rows["share"].tolist(),
                    low=rows["share_low"].tolist() if certain else (),
                    high=rows["share_high"].tolist() if certain else (),
                    n=int(rows["participants"].max()),
                )
            )
        panels.append(GroupedPanel(name=covariate, series=series))
    rest = f" In the table alone: {listed(covariates[_PANELS:])}." if len(covariates) > _PANELS else ""
    return GroupedBars(
        name=chart_name("subgroup_relevance", method),
        title=f"Relevance by region and group ({method})",
        caption="Share of all absolute relevance: mean over held-out participants with 95 % bootstrap interval, where "
        f"there are at least three. n is the number of participants.{rest}",
        y_label="share of absolute relevance",
        groups=[region_title(region) for region in regions],
        panels=panels,
        ordered=False,
    )

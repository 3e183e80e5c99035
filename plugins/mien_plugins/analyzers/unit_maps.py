"""A map of region x Action Unit for each method."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from mien.report.charts import HeatMap


def unit_map(table: pd.DataFrame, value: str, *, name: str, title: str, caption: str) -> HeatMap:
    """Return a heat map of Spearman correlations, with a panel for each method.

    Parameters
    ----------
    table : DataFrame
        One row a method, region and Action Unit (``method``, ``region``, ``au``).
    value : str
        The column that is drawn, -1 to 1; empty where it is absent.
    """
    from mien.report.charts import HeatMap, HeatPanel
    from mien.report.words import region_title

    regions, units = list(table["region"].unique()), sorted(table["au"].unique())
    panels = []
    for method, own in table.groupby("method", sort=False):
        values = own.pivot(index="region", columns="au", values=value).reindex(index=regions, columns=units)
        panels.append(HeatPanel(name=str(method), values=values.to_numpy().tolist()))
    return HeatMap(
        name=name,
        title=title,
        caption=caption,
        rows=[region_title(str(region)) for region in regions],
        x=list(range(len(units))),
        x_names=[str(unit) for unit in units],
        panels=panels,
        unit="Spearman r",
        annotate=True,
        limit=1.0,
    )

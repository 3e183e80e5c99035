"""The bars that show how two cohorts differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mien import BarChart, BarSeries, GroupedBars, GroupedPanel, GroupedSeries

if TYPE_CHECKING:
    import pandas as pd

    from mien_perturbation.cohorts import Cohorts

_DRAWN = 4  # methods that are drawn
_LABELS = {
    "density": "times chance",
    "share": "share of absolute relevance",
    "signed": "signed share of relevance",
}

_MEANINGS = {
    "density": "the share of relevance over the share of the area: 1 is an even spread",
    "share": "the share of all absolute relevance",
    "signed": "signed relevance over all absolute relevance, -1 to 1",
}


def importance_charts(table: pd.DataFrame, found: Cohorts, measure: str) -> list[GroupedBars]:
    """Return the mean importance of each region in either cohort, a chart for each method: their scales differ."""
    regions = list(dict.fromkeys(table["region"]))
    sizes = dict(zip(found.names, found.sizes(), strict=True))
    methods = list(dict.fromkeys(table["method"]))
    drawn = []
    for number, method in enumerate(methods[:_DRAWN], start=1):
        rows = table[table["method"] == method].set_index("region").reindex(regions)
        series = [
            GroupedSeries(
                name=name,
                values=rows[f"{place}_mean"].tolist(),
                low=rows[f"{place}_mean_low"].tolist(),
                high=rows[f"{place}_mean_high"].tolist(),
                n=sizes[name],
            )
            for place, name in zip(("first", "second"), found.names, strict=True)
        ]
        drawn.append(
            GroupedBars(
                name=f"group_regions_{number}",
                title=f"Importance of regions by cohort ({found.covariate}): {method}",
                caption="Mean over participants with 95 % bootstrap interval; n is the number of participants. "
                f"Importance is {_MEANINGS[measure]}.{_rest(methods)}",
                y_label=_LABELS[measure],
                groups=[title(region) for region in regions],
                panels=[GroupedPanel(name=str(method), series=series)],
                ordered=False,
            )
        )
    return drawn


def effect_chart(table: pd.DataFrame, found: Cohorts) -> BarChart:
    """Return the size of the difference in each region, a panel for each method."""
    regions = list(dict.fromkeys(table["region"]))
    methods = list(dict.fromkeys(table["method"]))
    series = []
    for method in methods[:_DRAWN]:
        rows = table[table["method"] == method].set_index("region").reindex(regions)
        series.append(
            BarSeries(
                name=str(method),
                values=rows["effect"].tolist(),
                low=rows["effect_low"].tolist(),
                high=rows["effect_high"].tolist(),
            )
        )
    first, second = found.names
    n, m = found.sizes()
    return BarChart(
        name="group_regions_effect",
        title=f"How far cohorts differ ({found.covariate}: {first} less {second})",
        caption=f"{n} participants ({first}) and {m} ({second}). Hedges' g: the difference of means in standard "
        "deviations within cohorts, with 95 % bootstrap interval over participants. An interval that leaves out 0 is "
        "no test; p-values are in the table."
        f"{_rest(methods)}",
        x_label="Hedges' g",
        groups=[title(region) for region in regions],
        series=series,
        value_name="with 95 % interval",
        chance=0.0,
        chance_name="no difference",
    )


def title(region: str) -> str:
    """Return a region's name as it is written in figures and sentences."""
    return "elsewhere in the face" if region == "elsewhere_face" else region.replace("_", " ")


def _rest(methods: list[str]) -> str:
    return f" In the table alone: {', '.join(methods[_DRAWN:])}." if len(methods) > _DRAWN else ""

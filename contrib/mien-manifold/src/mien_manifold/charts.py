"""The figures: windows on the first two axes, quality over neighbourhoods, and how axes go with ratings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mien import (
    BarChart,
    BarSeries,
    Chart,
    HeatMap,
    HeatPanel,
    LineChart,
    LineSeries,
    PointGroup,
    ScatterChart,
)
from mien_manifold.measured import MEASURES
from mien_manifold.ratings import MOST_GROUPS, grouped

if TYPE_CHECKING:
    import pandas as pd

    from mien_manifold.measured import Study

_READ = {
    "trustworthiness": "1: every neighbour in the embedding was a neighbour in the features.",
    "continuity": "1: every neighbour in the features is a neighbour in the embedding.",
}


def _name(*parts: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", "_".join(parts).lower()).strip("_")


def scatters(study: Study, colours: Sequence[str], bands: Sequence[str]) -> tuple[list[Chart], list[str]]:
    """Return a figure for each method and colouring, and sentences on those that cannot be drawn."""
    charts: list[Chart] = []
    gaps = []
    for colour in colours:
        groups, _ = grouped(study.about[colour], bands if colour == "band" else ())
        if len(groups) > MOST_GROUPS:
            gaps.append(
                f"Not coloured by {colour}: colours and marks do not tell {len(groups)} groups apart "
                f"(at most {MOST_GROUPS})."
            )
            continue
        charts += [scatter(study, name, colour, bands if colour == "band" else ()) for name in study.embedded]
    return charts, gaps


def scatter(study: Study, name: str, colour: str, bands: Sequence[str] = ()) -> ScatterChart:
    """Return the windows on the first two axes of an embedding, coloured by what is known of them."""
    embedded, method = study.embedded[name], study.methods[name]
    points = embedded.points
    x, y = points[:, 0], points[:, 1] if points.shape[1] > 1 else 0 * points[:, 0]
    groups, ordered = grouped(study.about[colour], bands)
    labels = [
        f"participant {row['participant']}, recording {row['recording']}, window {row['window']}"
        for row in study.about.to_dict("records")
    ]
    made = [
        PointGroup(
            name=group,
            x=x[members].tolist(),
            y=y[members].tolist(),
            labels=[label for label, member in zip(labels, members, strict=True) if member],
        )
        for group, members in groups
        if members.any()
    ]
    turned = "The sign of an axis is" if method.arbitrary == "sign" else "How the axes are signed and turned is"
    return ScatterChart(
        name=_name("manifold", name, colour),
        title=f"{method.title} of {source(study)}, coloured by {colour} ({name})",
        caption=f"A point is a window: {len(points)} of {study.people} participants. {turned} arbitrary. A cloud "
        "of points is not as many people: windows of one participant are alike.",
        x_label=_axis(name, study, 1),
        y_label=_axis(name, study, 2) if points.shape[1] > 1 else "",
        groups=made,
        ordered=ordered,
    )


def source(study: Study) -> str:
    """Return which features were embedded, for titles."""
    features = study.features
    return features.stage if features.network == "run" else f"{features.stage} of {features.network}, not trained here"


def _axis(name: str, study: Study, number: int) -> str:
    explained = study.embedded[name].explained
    return f"axis {number}" + (f" ({100 * explained[number - 1]:.0f} % of variance)" if explained else "")


def quality_charts(table: pd.DataFrame, of: str) -> list[Chart]:
    """Return the curves of trustworthiness and of continuity over the size of the neighbourhood."""
    charts: list[Chart] = []
    for measure in MEASURES:
        own = table[table["measure"] == measure]
        series = [_line(str(method), rows) for method, rows in own.groupby("method", sort=False)]
        if not series:
            continue
        drawn = own.drop_duplicates("neighbours")
        random = LineSeries(name="drawn at random", x=drawn["neighbours"].tolist(), y=drawn["chance"].tolist())
        charts.append(
            LineChart(
                name=_name("manifold", measure),
                title=f"{measure.capitalize()} of embeddings of {of}",
                caption=f"{_READ[measure]} Bands: 95 % intervals, participants drawn anew.",
                x_label="size of the neighbourhood, windows",
                y_label=measure,
                series=[*series, random],
            )
        )
    return charts


def _line(name: str, rows: pd.DataFrame) -> LineSeries:
    known = bool(rows["low"].notna().any())
    return LineSeries(
        name=name,
        x=rows["neighbours"].tolist(),
        y=rows["value"].tolist(),
        low=rows["low"].tolist() if known else (),
        high=rows["high"].tolist() if known else (),
    )


def axes_chart(table: pd.DataFrame, of: str) -> list[Chart]:
    """Return the map of axis x rating; none without tests."""
    if not table["effect"].notna().any():
        return []
    ratings = list(dict.fromkeys(table["rating"]))
    keys = table[["method", "axis"]].drop_duplicates().to_dict("records")
    rows = [f"{key['method']} {key['axis']}" for key in keys]
    values = table["effect"].to_numpy(float).reshape(len(rows), len(ratings))
    people = int(table["participants"].max())
    return [
        HeatMap(
            name="manifold_axes",
            title=f"Axes of embeddings of {of}, against ratings",
            caption=f"Spearman's correlation of participants' means ({people} at most). Its sign is arbitrary, and on "
            "t-SNE and UMAP so is how the axes are turned; intervals and q-values are in the table manifold_axes.",
            rows=rows,
            x=list(range(len(ratings))),
            x_names=ratings,
            panels=[HeatPanel(name="", values=values.tolist())],
            unit="Spearman r",
            annotate=True,
            limit=1.0,
        )
    ]


def ratings_chart(table: pd.DataFrame, of: str) -> list[Chart]:
    """Return how well ratings are predicted from all axes; none where that is undefined for all."""
    own = table[table["r2"].notna()]
    if own.empty:
        return []
    ratings = list(dict.fromkeys(own["rating"]))
    people = int(own["participants"].max())
    series = []
    for method, rows in own.groupby("method", sort=False):
        found = rows.set_index("rating").reindex(ratings)
        r2, low, high = (found[column].tolist() for column in ("r2", "low", "high"))
        series.append(BarSeries(name=str(method), values=r2, low=low, high=high))
    return [
        BarChart(
            name="manifold_ratings",
            title=f"Ratings predicted from all axes of an embedding of {of}",
            caption=f"R2 of each participant's rating predicted from the others' ({people} at most), with 95 % "
            "intervals; 0: no better than the others' mean.",
            x_label="R2, each participant left out",
            value_name="R2, with 95 % interval",
            groups=ratings,
            series=series,
            chance=0.0,
            chance_name="the others' mean",
        )
    ]

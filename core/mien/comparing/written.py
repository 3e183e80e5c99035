"""What a comparison of two runs leaves in a folder, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from mien.comparing.runs import Comparison
from mien.report import draw_matplotlib
from mien.report.charts import BarChart, BarSeries, chart_name
from mien.report.words import region_title
from mien.run.record import NOTICE
from mien.store.faults import explained

FILE = "comparison.json"


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data; what is undefined is null."""
    return {
        "format": 1,
        "notice": NOTICE,
        "first": comparison.first,
        "second": comparison.second,
        "notes": list(comparison.notes),
        "differences": _rows(comparison.differences),
        "metrics": _rows(comparison.metrics),
        "regions": _rows(comparison.regions),
    }


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows


def write(comparison: Comparison, out: Path) -> None:
    """Write ``comparison.json``, each table as Parquet and CSV, and figures of the differences by region.

    Raises
    ------
    DataError
        When the folder cannot be written.
    """
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(as_json(comparison), indent=2, ensure_ascii=False)
        (out / FILE).write_text(text + "\n", encoding="utf-8")
        for name in ("differences", "metrics", "regions"):
            table: pd.DataFrame = getattr(comparison, name)
            table.to_parquet(out / f"{name}.parquet", index=False)
            table.to_csv(out / f"{name}.csv", index=False)
        for chart in charts(comparison):
            draw_matplotlib.save(chart, out / "figures")


def charts(comparison: Comparison) -> Iterator[BarChart]:
    """Yield a figure for each measure: the paired difference of each region, a panel a method."""
    for measure, rows in comparison.regions.groupby("measure", sort=False):
        regions = list(dict.fromkeys(rows["region"]))
        series = []
        for (first, second), own in rows.groupby(["first_method", "second_method"], sort=False):
            own = own.set_index("region").reindex(regions)
            values, low, high = (own[name].astype(float).tolist() for name in ("difference", "low", "high"))
            title = str(first) if first == second else f"{first} → {second}"
            series.append(BarSeries(name=title, values=values, low=low, high=high))
        what = "log-ratio of the share" if measure == "share" else "density"
        yield BarChart(
            name=chart_name("difference", str(measure)),
            title=f"Second run less first: {what} of relevance",
            caption="Mean paired difference over the participants that both runs held out, with 95 % interval.",
            x_label=f"difference in {what}",
            groups=[region_title(str(region)) for region in regions],
            series=series,
            value_name="difference, with 95 % interval",
            chance=0.0,
            chance_name="no difference",
        )

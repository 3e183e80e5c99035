"""Whether predictions are better than the training mean, and which severity bands are confused, for reading."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from mien.report.charts import HeatMap, HeatPanel
from mien.report.facts import Grid, grid
from mien.report.words import number

_HEADERS = ("held out", "measure", "network (95 % interval)", "training mean", "gain (95 % interval)", "p", "n")

_SUBSETS = {"all": "all", "unseen_persons": "people not seen in training"}

# What is measured: of the network, of the training mean, what is gained, what is tested.
_MEASURES = {
    "mean absolute error": ("mae", "mae_of_training_mean", "absolute_error_reduction", "absolute_error_reduction"),
    "RMSE (gain: skill)": ("rmse", "rmse_of_training_mean", "rmse_skill", "squared_error_reduction"),
    "Pearson r (labels permuted)": ("pearson", None, None, "pearson"),
    "Spearman r (labels permuted)": ("spearman", None, None, "spearman"),
}


def evaluation_grid(evaluation: pd.DataFrame) -> Grid | None:
    """Return the tests of held-out predictions for reading, or None without any."""
    own = evaluation[evaluation["split"] == "test"] if len(evaluation) else evaluation
    if own.empty:
        return None
    rows = []
    for subset, part in own.groupby("subset", sort=True):
        figures = {str(row["statistic"]): row for row in part.to_dict("records")}
        for measure, names in _MEASURES.items():
            rows.append([_SUBSETS.get(str(subset), str(subset)), measure, *_figures(figures, *names)])
    return grid(_HEADERS, rows)


def _figures(
    figures: dict[str, dict[Any, Any]], network: str, mean: str | None, gain: str | None, tested: str
) -> list[Any]:
    of_mean = float(figures[mean]["value"]) if mean else math.nan
    p, n = float(figures[tested]["p"]), int(figures[tested]["n"])
    return [_with_interval(figures[network]), of_mean, _with_interval(figures[gain]) if gain else "–", p, n]


def _with_interval(figure: dict[Any, Any]) -> str:
    if not math.isfinite(figure["value"]):
        return "–"
    known = math.isfinite(figure["low"])
    return number(figure["value"]) + (f" ({number(figure['low'])} to {number(figure['high'])})" if known else "")


def evaluation_notes(evaluation: pd.DataFrame) -> list[str]:
    """Return why figures are undefined, or how they are meant, each once."""
    own = evaluation[(evaluation["split"] == "test") & (evaluation["note"] != "")] if len(evaluation) else evaluation
    if own.empty:
        return []
    together = own.groupby("note", sort=False)["statistic"].agg(lambda names: ", ".join(dict.fromkeys(names)))
    said = (f"{names.replace('_', ' ').replace('rmse', 'RMSE')}: {note}" for note, names in together.items())
    return [note[0].upper() + note[1:] for note in said]


def confusion_chart(confusion: pd.DataFrame) -> HeatMap | None:
    """Return true against predicted severity bands of held-out units; None where fewer than two bands have members."""
    own = confusion[confusion["split"] == "test"] if len(confusion) else confusion
    if own.empty:
        return None
    members = own.groupby("true_band", sort=False)["count"].sum()
    if (members > 0).sum() < 2:
        return None
    bands = [str(band) for band in members.index]
    counts = own.pivot(index="true_band", columns="predicted_band", values="count").loc[bands, bands]
    return HeatMap(
        name="band_confusion",
        title="Severity bands: label against prediction",
        caption=f"Held-out {own['level'].iloc[0]}s by the band of their label (rows) and of their prediction "
        "(columns). A band without members has n = 0.",
        x_label="band of the prediction",
        y_label="band of the label",
        rows=[f"{band} (n = {int(members[band])})" for band in bands],
        x=list(range(len(bands))),
        x_names=bands,
        panels=[HeatPanel(name="rows: band of the label", values=counts.to_numpy(float).tolist())],
        signed=False,
        unit=f"{own['level'].iloc[0]}s",
        annotate=True,
        decimals=0,
    )

"""What a report says of classes: their labels are names, which have no mean and no error."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mien.evaluation.units import at_levels, known
from mien.report.charts import HeatMap, HeatPanel
from mien.report.facts import SPLIT_TITLES, Grid, grid
from mien.report.words import count

_SIDES = ("test", "validation", "train", "none")
_WRITTEN = 12  # more classes leave no room for a number in each cell


def class_name(classes: Sequence[str], label: float) -> str:
    """Return the name of a class, or its label where it has none."""
    return classes[int(label)] if label == int(label) and 0 <= label < len(classes) else f"{label:g}"


def class_chart(predictions: pd.DataFrame, classes: Sequence[str], label: str) -> HeatMap | None:
    """Return how often each class was given which, a panel for each side; None without labels.

    Parameters
    ----------
    predictions : DataFrame
        The table ``predictions``.
    classes : sequence of str
        Names, in the order of the labels; those that have none are told by their labels.
    label : str
        What the classes are of.
    """
    sides = _units(predictions)
    if not sides:
        return None
    found = pd.concat([units for _, _, units in sides])
    numbers = sorted({*range(len(classes)), *found["label"], *found["prediction"]})
    names = [class_name(classes, number) for number in numbers]
    panels = []
    for side, level, units in sides:
        counts = pd.crosstab(units["label"], units["prediction"]).reindex(index=numbers, columns=numbers, fill_value=0)
        title = f"{SPLIT_TITLES[side]}, {count(len(units), level)}"
        panels.append(HeatPanel(name=title, values=counts.to_numpy(float).tolist()))
    return HeatMap(
        name="predictions",
        title="Labels (rows) against predictions (columns)",
        caption="How many with the label of a row were given the class of a column: the diagonal is right. Each has "
        "the class that most of its windows were given.",
        x_label=f"{label}: prediction",
        y_label=f"{label}: label",
        rows=names,
        x=list(range(len(names))),
        x_names=names,
        panels=panels,
        signed=False,
        unit="how many",
        annotate=len(names) <= _WRITTEN,
        decimals=0,
    )


def class_grid(predictions: pd.DataFrame, classes: Sequence[str]) -> Grid | None:
    """Return label and prediction of every recording, or of what has one label; None without labels."""
    sides = _units(predictions)
    if not sides:
        return None
    level = sides[0][1]
    rows = []
    for side, _, units in sides:
        for row in units.to_dict("records"):
            one = [row["participant"]] if level == "participant" else [row["participant"], row[level]]
            names = [class_name(classes, row[key]) for key in ("label", "prediction")]
            rows.append([*one, SPLIT_TITLES[side], *names])
    who = ["participant"] if level == "participant" else ["participant", level]
    return grid([*who, "side", "label", "prediction"], rows)


def class_line(own: pd.DataFrame, classes: Sequence[str], label: str) -> str:
    """Return what was predicted of one recording, from its rows of the table ``predictions``."""
    given = own["prediction"].mode().iloc[0]
    times = int((own["prediction"] == given).sum())
    windows = f"{times} of {len(own):,} windows" if len(own) > 1 else "its one window"
    said = f"Predicted {label}: {class_name(classes, given)}, in {windows}"
    if not own["label"].notna().any():
        return f"{said}; the label is not known."
    return f"{said}; the label is {class_name(classes, own['label'].dropna().iloc[0])}."


def _units(predictions: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Return side, level and units of each side: of the highest level at which each has one label on all sides."""
    labelled = known(predictions)
    if labelled.empty:
        return []
    level = list(at_levels(labelled, continuous=False))[-1]
    return [
        (side, level, _of_level(labelled[labelled["split"] == side], level))
        for side in _SIDES
        if (labelled["split"] == side).any()
    ]


def _of_level(predictions: pd.DataFrame, level: str) -> pd.DataFrame:
    levels = at_levels(predictions, continuous=False)
    return levels[level] if level in levels else levels["recording"]  # on this side, sessions may be the recordings

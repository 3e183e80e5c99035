"""A section of the report: how far each held-out participant's prediction is from the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mien import BarChart, BarSeries, Remark, ReportSection, SectionTable

if TYPE_CHECKING:
    import pandas as pd

_FEW = 10


def held_out_section(predictions: pd.DataFrame) -> ReportSection | None:
    """Return the section, or None when nobody with a label was held out.

    Parameters
    ----------
    predictions : DataFrame
        The run's table ``predictions``, one row a window.
    """
    tested = predictions[(predictions["split"] == "test") & predictions["label"].notna()]
    if tested.empty:
        return None
    # Windows of one person are not independent: means over participants first.
    people = tested.groupby("participant")[["label", "prediction"]].mean()
    errors = (people["prediction"] - people["label"]).abs().sort_values()
    chart = BarChart(
        name="errors",
        title="Absolute error of each held-out participant",
        caption="Mean over the participant's windows, in the label's unit.",
        x_label="absolute error",
        groups=[str(name) for name in errors.index],
        series=[BarSeries(name="absolute error", values=errors.tolist())],
        value_name="absolute error",
    )
    return ReportSection(
        title="Hello, participants",
        paragraphs=[f"{len(people)} participants were held out; the largest error is {errors.iloc[-1]:.3g}."],
        remarks=_remarks(len(people)),
        tables=[
            SectionTable(
                "Mean over windows, in the label's unit",
                ("participant", "label", "prediction"),
                [(str(name), row["label"], row["prediction"]) for name, row in people.iterrows()],
            )
        ],
        charts=[chart],
    )


def _remarks(people: int) -> list[Remark]:
    if people >= _FEW:
        return []
    return [Remark("with care", f"{people} participants are too few to tell one network from another.")]

"""What was embedded and found, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mien_manifold.measured import Study

_LEVEL = 0.05


def described(study: Study, pooling: str, windows: int, people: int) -> str:
    """Return whose features were embedded, of how many windows and participants there are."""
    features = study.features
    whose = "the run's network" if features.network == "run" else f"the backbone '{features.network}', not trained here"
    averaged = {"mean": "mean over time and space", "time": "mean over time", "none": "nothing averaged"}[pooling]
    return (
        f"Embedded: {_of(len(study.about), windows)} windows of {_of(study.people, people)} participants; the features "
        f"are the output of stage '{features.stage}' of {whose}, {features.values.shape[1]} numbers a window "
        f"({averaged})."
    )


def left_out(rows: pd.DataFrame, kept: pd.DataFrame, most: int) -> list[str]:
    """Return how many windows and participants the limit leaves out, where it does."""
    windows, people = len(rows), rows["participant"].nunique()
    if len(kept) == windows:
        return []
    gone = people - kept["participant"].nunique()
    altogether = f", and {gone} of {people} participants altogether" if gone else ""
    return [f"The limit ('windows': {most}) leaves out {windows - len(kept)} of {windows} windows{altogether}."]


def qualities(table: pd.DataFrame, neighbours: int) -> list[str]:
    """Return how true each embedding is to neighbourhoods of one size."""
    own = table[table["neighbours"] == neighbours]
    sentences = []
    for method, rows in own.groupby("method", sort=False):
        said = [f"{row['measure']} {row['value']:.2f}{_interval(row)}" for row in rows.to_dict("records")]
        sentences.append(
            f"{method}: {' and '.join(said)} for neighbourhoods of {neighbours} windows; at random "
            f"{rows['chance'].iloc[0]:.2f}."
        )
    return sentences


def alike(methods: pd.DataFrame) -> list[str]:
    """Return how far neighbours are the same person: a picture of people, not of what they show."""
    return [
        f"{row['method']}: {100 * row['same_participant']:.0f} % of a window's neighbours are of its own participant; "
        f"at random it would be {100 * row['same_participant_chance']:.0f} %."
        for row in methods.to_dict("records")
        if row["same_participant"] == row["same_participant"]
    ]


def axes_found(table: pd.DataFrame) -> list[str]:
    """Return which axes go with a rating."""
    tested = table[table["q"].notna()]
    if tested.empty:
        return ["Axes are not held against ratings: no rating differs among three or more participants."]
    called = tested[tested["q"] < _LEVEL]
    notes = [
        "The sign of an axis is arbitrary, and in t-SNE and UMAP the axes may be turned at will: a correlation with "
        "one axis says that the rating varies along it, not what the axis is."
    ]
    if called.empty:
        return [*notes, f"None of {len(tested)} correlations of an axis with a rating has q below {_LEVEL}."]
    best: dict[Any, Any] = called.sort_values(["q", "p"], kind="stable").iloc[0].to_dict()
    return [
        *notes,
        f"q is below {_LEVEL} for {len(called)} of {len(tested)} correlations of an axis with a rating; the surest: "
        f"{best['method']} axis {best['axis']} with {best['rating']}, Spearman's r {best['effect']:.2f}"
        f"{_interval(best)}, q = {best['q']:.2g}, {best['participants']} participants.",
    ]


def ratings_found(table: pd.DataFrame) -> list[str]:
    """Return which ratings all axes together predict."""
    tested = table[table["q"].notna()]
    if tested.empty and len(table):
        fewest = int(table["axes"].min()) + 3
        return [
            f"Ratings are not predicted from all axes of an embedding: that takes {fewest} participants or more, whose "
            "ratings are known and differ."
        ]
    if tested.empty:
        return []
    called = tested[tested["q"] < _LEVEL]
    if called.empty:
        return [f"None of {len(tested)} predictions of a rating from all axes of an embedding has q below {_LEVEL}."]
    best: dict[Any, Any] = called.sort_values(["q", "p"], kind="stable").iloc[0].to_dict()
    return [
        f"q is below {_LEVEL} for {len(called)} of {len(tested)} predictions of a rating from all axes; the surest: "
        f"{best['rating']} from {best['method']}, R2 {best['r2']:.2f}{_interval(best)} with each participant left out, "
        f"q = {best['q']:.2g}."
    ]


def _interval(row: dict[Any, Any]) -> str:
    low, high = row["low"], row["high"]
    return "" if low != low or high != high else f" (95 % interval {low:.2f} to {high:.2f})"


def _of(some: int, everything: int) -> str:
    return f"{some}" if some == everything else f"{some} of {everything}"

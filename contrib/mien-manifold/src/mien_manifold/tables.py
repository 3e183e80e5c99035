"""The tables that the analyzer writes."""

from __future__ import annotations

from mien import Column, Table

_METHOD = Column("method", "string", "The user's name of the embedding, a key of the analyzer's methods.")
_AXIS = Column("axis", "integer", "Number of the axis, from 1.")
_RATING = Column(
    "rating", "string", "The rating: score (the label), prediction, a covariate, or a column of the ratings' file."
)
_PEOPLE = Column("participants", "integer", "Participants whose rating is known.")

MANIFOLD = Table(
    "manifold",
    "An embedding of the windows' features.",
    (
        _METHOD,
        Column("use", "string", "Which method it is.", allowed=("pca", "isomap", "tsne", "umap")),
        Column("parameters", "string", "Its parameters, as JSON."),
        Column("network", "string", "Whose features: run, or the id of the backbone that was named."),
        Column("stage", "string", "The stage whose output they are."),
        Column("features", "integer", "Numbers a window."),
        Column("windows", "integer", "Windows that were embedded."),
        Column("participants", "integer", "Whose they are."),
        Column("neighbours", "integer", "The neighbourhood that the figures below are of.", nullable=True),
        Column(
            "same_participant",
            "number",
            "Share of a window's neighbours in the embedding that are of its own participant.",
            nullable=True,
        ),
        Column("same_participant_chance", "number", "The same of neighbours that are drawn at random.", nullable=True),
    ),
)

POINTS = Table(
    "manifold_points",
    "A window's place on one axis of an embedding.",
    (
        _METHOD,
        Column("recording", "string", "Id of the recording."),
        Column("participant", "string", "The person; the unit of statistics."),
        Column("window", "integer", "Number of the window within its recording, from 0."),
        _AXIS,
        Column("value", "number", "Its place; the sign of an axis is arbitrary, and the unit is the method's own."),
    ),
)

_ENDS = "of the 95 % interval (participants drawn anew, neighbourhoods kept); absent below three participants."
QUALITY = Table(
    "manifold_quality",
    "How true an embedding is to neighbourhoods of one size.",
    (
        _METHOD,
        Column("neighbours", "integer", "Size of the neighbourhood, windows."),
        Column(
            "measure",
            "string",
            "trustworthiness: whether neighbours in the embedding were neighbours before; continuity: whether "
            "neighbours stayed neighbours.",
            allowed=("trustworthiness", "continuity"),
        ),
        Column("value", "number", "Mean over windows; 1 at best."),
        Column("low", "number", f"Lower end {_ENDS}", nullable=True),
        Column("high", "number", f"Upper end {_ENDS}", nullable=True),
        Column("chance", "number", "Its expectation for an embedding drawn at random."),
    ),
)

AXES = Table(
    "manifold_axes",
    "How an axis of an embedding goes with a rating, over participants.",
    (
        _METHOD,
        _AXIS,
        _RATING,
        Column(
            "effect",
            "number",
            "Spearman's correlation of participants' means, -1 to 1; its sign is arbitrary, as the axis's is; absent "
            "where it is undefined.",
            nullable=True,
        ),
        Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants).", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("p", "number", "Two-sided: ratings permuted among participants.", nullable=True),
        Column("q", "number", "Benjamini-Hochberg q-value over all tests of this table.", nullable=True),
        _PEOPLE,
    ),
)

RATINGS = Table(
    "manifold_ratings",
    "How well a rating is predicted from all axes of an embedding together.",
    (
        _METHOD,
        _RATING,
        Column("axes", "integer", "Axes of the embedding."),
        Column(
            "r2",
            "number",
            "R2 of a linear prediction of each participant from the others; 1 at best, below 0 where the others' mean "
            "is the better prediction. It does not depend on how axes are signed, turned or scaled.",
            nullable=True,
        ),
        Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants' errors).", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("p", "number", "One-sided: ratings permuted among participants.", nullable=True),
        Column("q", "number", "Benjamini-Hochberg q-value over all tests of this table.", nullable=True),
        _PEOPLE,
    ),
)

TABLES = (MANIFOLD, POINTS, QUALITY, AXES, RATINGS)

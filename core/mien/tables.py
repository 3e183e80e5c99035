"""The columns of the run's own tables: name, type, unit and meaning.  This is the only list of them.

Analyzers describe the tables they add in the same terms (`Analyzer.tables`), with the shared columns from here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from mien.errors import DataError, nearest

if TYPE_CHECKING:
    import pandas as pd

ColumnType = Literal["string", "integer", "number", "boolean"]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    name : str
    type : {"string", "integer", "number", "boolean"}
        Stored as text, int64, float64 and bool; integers and booleans that may be absent as Int64 and boolean.
    description : str
    unit : str
        Empty for what has none.
    nullable : bool
        Whether a value may be absent (NaN in numbers).
    allowed : tuple of str
        The only values; empty for any.
    """

    name: str
    type: ColumnType
    description: str
    unit: str = ""
    nullable: bool = False
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table: what a row is, and its columns in order."""

    name: str
    row: str
    columns: tuple[Column, ...]


# Columns that several tables have, in the run's own and in those of analyzers.
_SPLITS = ("train", "validation", "test", "out_of_distribution", "none")
METHOD = Column("method", "string", "The user's name of the attribution method, a key of explain.methods.")
RECORDING = Column("recording", "string", "Id of the recording.")
PARTICIPANT = Column("participant", "string", "The person; the unit of statistics.")
SESSION = Column(
    "session",
    "string",
    "The sitting that the label belongs to, told apart within a participant; the recording's id where the data set "
    "names none.",
)
SPLIT = Column("split", "string", "The side of the split that the participant is on.", allowed=_SPLITS)
WINDOW = Column("window", "integer", "Number of the window within its recording, from 0.")
FRAME = Column("frame", "integer", "Number of the frame in the source video, from 0.")
TIME = Column("time_s", "number", "Time of the frame from the start of the video.", "s")
_FOLD = Column("fold", "integer", "Number of the fold whose network is meant, from 0; 0 without folds.")
_LABEL = Column("label", "number", "The label, in its own unit; absent when it is not known.", nullable=True)
LEVELS = ("window", "recording", "session", "participant")
_SUBSET = Column(
    "subset",
    "string",
    "Whose predictions: all; or unseen_persons, without recordings of people of whom the network has seen others.",
    allowed=("all", "unseen_persons"),
)
REGION = Column(
    "region",
    "string",
    "A face region; elsewhere_face (the face outside all regions); background; or total (the sum over all "
    "cells). Regions may overlap, so that the rows of regions may add up to more than total.",
)
SIGNED = Column("signed", "number", "Sum of the relevance.", "output")
ABSOLUTE = Column("absolute", "number", "Sum of the absolute relevance.", "output")
AREA = Column("area", "number", "Number of elements (pixels or landmarks) that were summed.", "elements")
_SUMS = (
    SIGNED,
    Column("positive", "number", "Sum of the positive relevance.", "output"),
    Column("negative", "number", "Sum of the negative relevance; 0 or less.", "output"),
    ABSOLUTE,
    AREA,
)


def _maybe(column: Column) -> Column:
    return replace(column, nullable=True)


_RECORDINGS = Table(
    "recordings",
    "A recording, used or set aside.",
    (
        RECORDING,
        PARTICIPANT,
        SESSION,
        Column("video", "string", "The video file."),
        SPLIT,
        Column(
            "fold",
            "integer",
            "Number of the fold that holds it out, from 0; absent for what no fold holds out.",
            nullable=True,
        ),
        Column(
            "unseen",
            "boolean",
            "Whether no recording of this participant trained or validated the network that judges it.",
        ),
        _LABEL,
        Column("status", "string", "Whether the recording took part.", allowed=("used", "excluded")),
        Column("stage", "string", "The step that set it aside; absent when it was used.", nullable=True),
        Column("reason", "string", "Why it was set aside; absent when it was used.", nullable=True),
        Column("frames", "integer", "Frames decoded.", "frames", nullable=True),
        Column("valid_frames", "integer", "Frames with a face.", "frames", nullable=True),
        Column("duration_s", "number", "Time from the first to the last frame.", "s", nullable=True),
        Column("rate_hz", "number", "Mean frame rate.", "1/s", nullable=True),
        Column("width_px", "integer", "Width as displayed.", "pixels", nullable=True),
        Column("height_px", "integer", "Height as displayed.", "pixels", nullable=True),
        Column("max_faces", "integer", "Largest number of faces seen in one frame.", nullable=True),
        Column("frames_with_others", "integer", "Frames with more than one face.", "frames", nullable=True),
        Column("windows", "integer", "Windows cut from it.", nullable=True),
        Column("consent", "boolean", "Whether the face may be shown in a report with faces: consented."),
    ),
)

_PREDICTIONS = Table(
    "predictions",
    "A window, and what the trained network says of it; under folds, the network that did not see the participant.",
    (
        RECORDING,
        PARTICIPANT,
        SESSION,
        SPLIT,
        _FOLD,
        WINDOW,
        Column("start_s", "number", "Time of the window's first frame.", "s"),
        Column("end_s", "number", "Time of the window's last frame.", "s"),
        _LABEL,
        Column("prediction", "number", "The prediction, in the label's unit.", "label"),
        Column("valid_fraction", "number", "Fraction of the window's frames with a face, 0 to 1."),
    ),
)

_RELEVANCE = Table(
    "relevance",
    "A region in one frame of a window, explained by one method.",
    (
        METHOD,
        RECORDING,
        PARTICIPANT,
        SPLIT,
        WINDOW,
        FRAME,
        TIME,
        Column("valid", "boolean", "False where the frame had no face and was filled from its neighbour."),
        REGION,
        *_SUMS,
    ),
)

_CELLS = Table(
    "relevance_cells",
    "A cell (pixels with the same set of regions) in one frame; cells are disjoint and add up to the total.",
    (
        METHOD,
        RECORDING,
        WINDOW,
        FRAME,
        Column("cell", "integer", "The set of regions as bits; 0 is the background."),
        *_SUMS,
    ),
)

_CONTROL = Table(
    "control_relevance",
    "A region in one window, explained in one network of the controls; summed over the frames with a face.",
    (
        METHOD,
        Column(
            "kind",
            "string",
            "What the network is: untrained; or permuted: trained with labels permuted among participants.",
            allowed=("untrained", "permuted"),
        ),
        Column("network", "integer", "Number of the network within its kind, from 0."),
        RECORDING,
        PARTICIPANT,
        SPLIT,
        WINDOW,
        REGION,
        *_SUMS,
    ),
)

_EXPLANATIONS = Table(
    "explanations",
    "A window explained by one method.",
    (
        METHOD,
        RECORDING,
        WINDOW,
        Column("output", "number", "The explained quantity f(x), e.g. the standardised score.", "output"),
        Column(
            "baseline_output",
            "number",
            "f(baseline); absent for methods without one.",
            "output",
            nullable=True,
        ),
        Column("gap", "number", "Sum of relevance minus (f(x) - f(baseline)).", "output", nullable=True),
        Column(
            "relative_gap",
            "number",
            "Absolute gap over |f(x) - f(baseline)|, or over a tenth of the standard deviation of f over the method's "
            "clips where that is larger.",
            nullable=True,
        ),
        Column("flagged", "boolean", "Whether the relative gap exceeds the method's tolerance."),
        Column("seconds", "number", "Time that the explanation took.", "s"),
        Column("steps", "number", "Evaluations of the network, for methods that add them.", nullable=True),
    ),
)

_ACTION_UNITS = Table(
    "action_units",
    "A facial Action Unit in one frame.",
    (
        Column("source", "string", "The user's name of the source, a key of action_units."),
        RECORDING,
        PARTICIPANT,
        FRAME,
        TIME,
        Column("au", "string", "The Action Unit, e.g. AU12."),
        Column("intensity", "number", "Intensity, 0 to 5; absent without a face.", nullable=True),
        Column("presence", "number", "0 or 1; absent where the source does not tell.", nullable=True),
    ),
)

_TRAINING = Table(
    "training",
    "An epoch of the training of one network.",
    (
        Column("network", "string", "trained; or permuted and a number: a control trained with permuted labels."),
        _FOLD,
        Column("epoch", "integer", "Number of the epoch, from 0."),
        Column("step", "integer", "Optimiser steps made by its end."),
        Column("train_loss", "number", "Mean loss over the training clips."),
        Column("validation_loss", "number", "Mean loss over the validation clips.", nullable=True),
        Column("learning_rate", "number", "Learning rate at its end.", nullable=True),
    ),
)

_METRICS = Table(
    "metrics",
    "A metric of the predictions.",
    (
        SPLIT,
        _SUBSET,
        Column("level", "string", "What is averaged first.", allowed=LEVELS),
        Column("metric", "string", "Name of the metric, e.g. pearson."),
        Column("value", "number", "Its value; absent where it is undefined.", nullable=True),
        Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants).", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("n", "integer", "Number of windows, recordings, sessions or participants."),
    ),
)

_EVALUATION = Table(
    "evaluation",
    "A figure of held-out predictions, tested over participants.",
    (
        SPLIT,
        _SUBSET,
        Column("level", "string", "The unit whose prediction is held against its label.", allowed=LEVELS[1:]),
        Column(
            "test",
            "string",
            "permuted_labels: labels permuted among participants (within folds); sign_flip: signs of the differences "
            "of participants flipped; bootstrap: an interval alone.",
            allowed=("permuted_labels", "sign_flip", "bootstrap"),
        ),
        Column(
            "statistic",
            "string",
            "pearson, spearman; mae, rmse and those of the training mean; rmse_skill (1 - RMSE / RMSE of the training "
            "mean); absolute_error_reduction, squared_error_reduction (error of the training mean less that of the "
            "network).",
        ),
        Column("value", "number", "Its value; absent where it is undefined.", nullable=True),
        Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants).", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("p", "number", "Two-sided p-value; absent without a test.", nullable=True),
        Column("n", "integer", "Participants."),
        Column("note", "string", "How it is meant, or why it is undefined; may be empty."),
    ),
)

_CONFUSION = Table(
    "confusion",
    "A pair of severity bands.",
    (
        SPLIT,
        Column("level", "string", "Whose mean prediction is put into a band.", allowed=LEVELS[1:]),
        Column("true_band", "string", "The band of the label."),
        Column("predicted_band", "string", "The band of the prediction."),
        Column("count", "integer", "Units of the level in both; 0 for a band without members."),
    ),
)

_REFERENCE = (
    Column("source_low", "number", "Lower end of its 95 % interval there.", nullable=True),
    Column("source_high", "number", "Upper end of its 95 % interval there.", nullable=True),
    Column("source_n", "integer", "Units or participants there.", nullable=True),
)

_VALIDATION = Table(
    "validation",
    "A figure of another labelled data set (`mien validate`), beside the same of the network's own run.",
    (
        Column(
            "topic",
            "string",
            "What it is about: held-out metrics; calibration (labels regressed on predictions); labels and face size.",
            allowed=("metric", "calibration", "labels", "inter_ocular_distance", "face_height"),
        ),
        Column(
            "quantity",
            "string",
            "A metric; slope or offset; mean or sd over participants; shift (difference of the means in standard "
            "deviations of the source); ks_distance (largest difference of the two distributions, 0 to 1, by their "
            "quantiles).",
        ),
        Column("unit", "string", "label, pixels, frame heights, sd, or empty."),
        Column("source_value", "number", "Its value in the network's own run; absent when unknown.", nullable=True),
        *_REFERENCE,
        Column("value", "number", "Its value here; absent where it is undefined.", nullable=True),
        Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants).", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("n", "integer", "Units (for metrics and calibration) or participants here."),
        Column("note", "string", "How it is meant, or why it is undefined; may be empty."),
    ),
)

VERDICTS = ("replicated", "not_replicated", "undecided")

_REPLICATION = Table(
    "replication",
    "A hypothesis of the network's own run, measured on another data set (`mien validate`).",
    (
        METHOD,
        Column("measure", "string", "The measure, as in the table statistics."),
        Column("region", "string", "The region; empty for none."),
        Column("au", "string", "The Action Unit; empty for none."),
        Column("source", "string", "The user's name of the source of Action Units; empty for none."),
        Column("adjusted", "boolean", "Whether the effect is adjusted for the prediction."),
        Column("source_effect", "number", "The effect in the network's own run."),
        *_REFERENCE,
        Column("effect", "number", "The effect here; absent where it is undefined or not measured.", nullable=True),
        Column("low", "number", "Lower end of the 95 % interval here.", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval here.", nullable=True),
        Column("p", "number", "Two-sided p-value here.", nullable=True),
        Column("n", "integer", "Participants here."),
        Column(
            "verdict",
            "string",
            "replicated: the interval here lies wholly on the source effect's side of 0; not_replicated: it lies "
            "wholly below half of the source's effect, taken on its side; undecided: everything else.",
            allowed=VERDICTS,
        ),
        Column("reason", "string", "Why, in words."),
    ),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _RECORDINGS,
        _PREDICTIONS,
        _RELEVANCE,
        _CELLS,
        _CONTROL,
        _EXPLANATIONS,
        _ACTION_UNITS,
        _TRAINING,
        _METRICS,
        _EVALUATION,
        _CONFUSION,
        _VALIDATION,
        _REPLICATION,
    )
}


FAMILIES = ("confirmatory", "regions", "action_units", "descriptive")

_EFFECT_KEYS = (
    METHOD,
    Column(
        "measure",
        "string",
        "What is held against severity, one value a participant. share: log-ratio of the region's share of absolute "
        "relevance, ln(share / (1 - share)). signed_share: signed relevance over the total's. signed: raw signed "
        "relevance of a window. au_correlation: mean Fisher z of the correlation over time of the region's signed "
        "relevance with the Action Unit.",
        allowed=("share", "signed_share", "signed", "au_correlation"),
    ),
    Column("region", "string", "The region."),
    Column("au", "string", "The Action Unit, e.g. AU12; empty for none."),
    Column("source", "string", "The user's name of the source of Action Units; empty for none."),
    Column("adjusted", "boolean", "Whether the effect is adjusted for the participant's mean prediction."),
)

STATISTICS = Table(
    "statistics",
    "The effect of true severity on one measure of relevance, over held-out participants that the network never saw.",
    (
        *_EFFECT_KEYS,
        Column(
            "family",
            "string",
            "The family of its q-value. confirmatory: named in the configuration; regions and action_units: all "
            "others; descriptive: not tested. Adjusted effects are a family of their own under each name.",
            allowed=FAMILIES,
        ),
        Column(
            "effect",
            "number",
            "Spearman's correlation with the participant's mean label (within folds where there are), -1 to 1; partial "
            "where adjusted; absent where it is undefined.",
            nullable=True,
        ),
        Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants).", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("p", "number", "Two-sided, by permutation; absent where it is not tested.", nullable=True),
        Column("q", "number", "Benjamini-Hochberg q-value within its family.", nullable=True),
        Column("n", "integer", "Participants that the effect is of."),
        Column("undefined", "integer", "Participants with a label and explained whose measure is undefined."),
        Column("controls_untrained", "integer", "Untrained networks of which the same effect is defined."),
        Column("control_untrained_max", "number", "Largest |effect| among them; absent without any.", nullable=True),
        Column("controls_permuted", "integer", "Networks trained with permuted labels whose effect is defined."),
        Column("control_permuted_max", "number", "Largest |effect| among them; absent without any.", nullable=True),
        Column(
            "exceeds",
            "boolean",
            "Whether |effect| is larger than that of every control; absent without controls of both kinds.",
            nullable=True,
        ),
    ),
)
"""Made by the analyzer `statistics`; not one of the run's own tables."""

HYPOTHESES = Table(
    "hypotheses",
    "An effect of `statistics` that is worth testing on other data.",
    (
        Column("id", "string", "H1, H2, ..., by q."),
        Column("statement", "string", "The hypothesis in a sentence."),
        Column("evidence", "string", "The numbers behind it."),
        Column("n", "integer", "Participants."),
        Column("caveat", "string", "What it does not say."),
        *_EFFECT_KEYS,
        Column("effect", "number", "As in the table statistics."),
        Column("low", "number", "Lower end of the 95 % interval.", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("p", "number", "Two-sided, by permutation."),
        Column("q", "number", "Within its family."),
    ),
)
"""Made by the analyzer `statistics`; not one of the run's own tables."""


def table(name: str) -> Table:
    """Return the description of one of the run's own tables, or raise `DataError` with the nearest name."""
    if name not in TABLES:
        raise DataError(f"There is no table '{name}'.", hint=nearest(name, TABLES))
    return TABLES[name]


def _described(which: str | Table) -> Table:
    return which if isinstance(which, Table) else table(which)


def conform(which: str | Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the table's columns, in its order and types.

    Parameters
    ----------
    which : str or Table
        The name of one of the run's own tables, or a description.
    frame : DataFrame

    Raises
    ------
    DataError
        When a column is missing, extra or there twice, a value has another type, is absent or is not allowed.
    """
    described = _described(which)
    wanted = [column.name for column in described.columns]
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"The table has the column {twice} twice.", where=f"table '{described.name}'")
    missing, extra = [c for c in wanted if c not in frame], [str(c) for c in frame if c not in wanted]
    if missing or extra:
        parts = [
            f"{word} {', '.join(names)}" for word, names in (("lacks", missing), ("has the unknown", extra)) if names
        ]
        raise DataError(f"The table {' and '.join(parts)}.", where=f"table '{described.name}'")
    import pandas as pd

    columns = {column.name: _cast(frame[column.name], column, described.name) for column in described.columns}
    return pd.DataFrame(columns).reset_index(drop=True)


def empty(which: str | Table) -> pd.DataFrame:
    """Return the table without rows."""
    import pandas as pd

    return conform(which, pd.DataFrame({column.name: [] for column in _described(which).columns}))


def _cast(values: pd.Series[Any], column: Column, table: str) -> pd.Series[Any]:
    where = f"table '{table}', column '{column.name}'"
    absent = values.isna()
    if absent.any() and not column.nullable:
        raise DataError(f"{int(absent.sum())} of {len(values)} values are absent.", where=where)
    try:
        result = _typed(values, absent, column)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"A value is not {_ARTICLE[column.type]}: {error}.", where=where) from error
    if column.allowed:
        others = sorted(set(result[~absent]) - set(column.allowed))
        if others:
            raise DataError(f"'{others[0]}' is not one of {', '.join(column.allowed)}.", where=where)
    return result


_ARTICLE = {"string": "text", "integer": "an integer", "number": "a number", "boolean": "true or false"}


def _typed(values: pd.Series[Any], absent: pd.Series[bool], column: Column) -> pd.Series[Any]:
    if column.type == "number":
        return values.astype("float64")
    if column.type == "integer":
        return values.astype("float64").astype("Int64") if column.nullable else _integers(values)
    if column.type == "boolean":
        return values.astype("boolean") if column.nullable else _booleans(values)
    return _texts(values, absent)


def _integers(values: pd.Series[Any]) -> pd.Series[Any]:
    result = values.astype("int64")
    if len(values) and not (result == values.astype("float64")).all():
        raise ValueError("a fraction would be lost")
    return result


def _booleans(values: pd.Series[Any]) -> pd.Series[Any]:
    if not set(values.unique()) <= {True, False}:
        raise ValueError(f"{values.iloc[0]!r}")
    return values.astype("bool")


def _texts(values: pd.Series[Any], absent: pd.Series[bool]) -> pd.Series[Any]:
    import pandas as pd

    text: Any = "str" if int(pd.__version__.split(".")[0]) >= 3 else "object"  # pandas 2 holds text as objects
    if not isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype):
        values = values.astype("object").map(str)
    result: pd.Series[Any] = values.astype(text)
    return result.where(~absent)


def table_schema(which: str | Table) -> dict[str, Any]:
    """Return the JSON Schema of one row of a table, with the unit of each column."""
    described = _described(which)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": described.name,
        "description": f"One row of tables/{described.name}.parquet: {described.row[0].lower()}{described.row[1:]}",
        "type": "object",
        "properties": {column.name: _column_schema(column) for column in described.columns},
        "required": [column.name for column in described.columns],
        "additionalProperties": False,
    }


def _column_schema(column: Column) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": [column.type, "null"] if column.nullable else column.type,
        "description": column.description,
    }
    if column.unit:
        schema["unit"] = column.unit
    if column.allowed:
        schema["enum"] = list(column.allowed)
    return schema

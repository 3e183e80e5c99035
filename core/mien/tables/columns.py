"""What describes a table, and the columns that several tables share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

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
FOLD = Column("fold", "integer", "Number of the fold whose network is meant, from 0; 0 without folds.")
LABEL = Column("label", "number", "The label, in its own unit; absent when it is not known.", nullable=True)
LEVELS = ("window", "recording", "session", "participant")
SUBSET = Column(
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
SUMS = (
    SIGNED,
    Column("positive", "number", "Sum of the positive relevance.", "output"),
    Column("negative", "number", "Sum of the negative relevance; 0 or less.", "output"),
    ABSOLUTE,
    AREA,
)


def maybe(column: Column) -> Column:
    """Return the column, whose values may be absent."""
    return replace(column, nullable=True)

"""A data set given by a CSV file of videos and scores."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mien.errors import DataError, nearest
from mien.interfaces import ConfigPath, Dataset
from mien.progress import Progress
from mien.types import DatasetListing, Exclusion, Recording, Split

T = TypeVar("T")

_DELIMITERS = ",;\t"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_REQUIRED = ("participant", "video", "score")
_SPLITS: Mapping[str, Split | None] = {
    "": None,
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
}
_CONSENT = {"": False, "yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class Columns(BaseModel):
    """What the columns of the file are called."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    participant: str = "participant"
    video: str = "video"
    score: str = "score"
    recording: str = Field("recording", description="Optional column: a name of the recording.")
    session: str = Field(
        "session",
        description="Optional column: the sitting that the score belongs to, of one participant; recordings of one "
        "sitting share it.",
    )
    split: str = Field("split", description="Optional column: train, validation, test or nothing.")
    consent: str = Field("consent", description="Optional column: whether the face may be shown, yes or no.")
    action_units: str = Field("action_units", description="Optional column: a file of Action Units.")

    @model_validator(mode="after")
    def _distinct(self) -> Columns:
        names = list(self.model_dump().values())
        if len(set(names)) != len(names):
            raise ValueError("two of them have the same name")
        return self


class Manifest(Dataset):
    """Videos and scores from a CSV file.

    One row a recording: participant, video and score, and if wanted recording, session, split, consent and
    action_units.  All further columns are covariates: numbers where every value of the column is one, otherwise
    text; an empty cell is missing.  Files are relative to the CSV file.  Values are separated by commas, semicolons
    or tabs.  Rows that cannot be used are set aside with their line number.
    """

    participants_are: ClassVar[str] = "the people of the manifest"

    file: ConfigPath = Field(description="The CSV file, in UTF-8, with a header.")
    columns: Columns = Columns()

    @classmethod
    def testing_fields(cls, folder: Path) -> Mapping[str, Any]:
        """Return a file of two short videos."""
        from mien.testing.clips import drawn_frames, write_video

        for name in ("a.mp4", "b.mp4"):
            write_video(folder / name, drawn_frames(6, 64))
        (folder / "videos.csv").write_text("participant,video,score\np0,a.mp4,1\np1,b.mp4,2\n", encoding="utf-8")
        return {"file": folder / "videos.csv"}

    def recordings(self, folder: Path, progress: Progress) -> DatasetListing:
        """Return the recordings in the order of the rows, and the rows that cannot be used.

        Raises
        ------
        DataError
            When the file cannot be read as CSV, or lacks a column or rows.
        """
        header, rows = _read(self.file)
        _check_header(header, self.columns, self.file)
        reader = _RowReader(self.file, header, self.columns, _numeric(header, rows))
        read = [reader.read(row) for row in rows]
        return DatasetListing(
            [row for row in read if isinstance(row, Recording)], [row for row in read if isinstance(row, Exclusion)]
        )


@dataclass(frozen=True)
class _Row:
    line: int
    values: Sequence[str]


class _Unusable(Exception):
    """Why a row cannot be used."""


def _read(file: Path) -> tuple[list[str], list[_Row]]:
    """Return the header and the rows that are not blank."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("It is not a CSV file in UTF-8.", where=str(file), hint="Save it as 'CSV UTF-8'.") from error
    except OSError as error:
        raise DataError(
            f"It cannot be read: {error.strerror or error}.", where=str(file), hint="Correct 'dataset.file'."
        ) from error
    if not text.strip():
        raise DataError("It is empty.", where=str(file))
    if "\0" in text:
        raise DataError("It is not a CSV file.", where=str(file))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        rows = [_Row(reader.line_num, [value.strip() for value in values]) for values in reader]
    except csv.Error as error:
        raise DataError(f"It is not a CSV file: {error}.", where=f"{file}, line {reader.line_num}") from error
    rows = [row for row in rows if any(row.values)]
    if len(rows) < 2:
        raise DataError("It has no rows below its header.", where=str(file))
    return list(rows[0].values), rows[1:]


def _delimiter(text: str) -> str:
    header = text.lstrip().partition("\n")[0]
    return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([header], delimiter=mark))))


def _check_header(header: Sequence[str], columns: Columns, file: Path) -> None:
    for name in header:
        if name and header.count(name) > 1:
            raise DataError(f"Two columns are called '{name}'.", where=str(file))
    for part in _REQUIRED:
        wanted = getattr(columns, part)
        if wanted not in header:
            known = nearest(wanted, [name for name in header if name])
            raise DataError(
                f"It has no column '{wanted}'.",
                where=str(file),
                hint=f"{known} The names of columns can be set: 'columns.{part}'.",
            )


class _RowReader:
    """Turns rows into recordings, and remembers those before for the sake of doubles."""

    def __init__(self, file: Path, header: Sequence[str], columns: Columns, numeric: Collection[str]) -> None:
        self._folder = file.parent
        self._header = header
        self._columns = columns
        self._numeric = numeric
        self._videos: dict[Path, int] = {}
        self._ids: dict[str, int] = {}
        self._sessions: dict[str, tuple[str, float, int]] = {}

    def read(self, row: _Row) -> Recording | Exclusion:
        cells = dict(zip(self._header, row.values, strict=False))
        try:
            return self._recording(row, cells)
        except _Unusable as reason:
            video = cells.get(self._columns.video, "")
            return Exclusion(
                recording=cells.get(self._columns.recording) or Path(video).stem or f"line {row.line}",
                participant=cells.get(self._columns.participant, ""),
                stage="dataset",
                reason=f"line {row.line}: {reason}",
                video=str(self._path(video)) if video else "",
            )

    def _recording(self, row: _Row, cells: Mapping[str, str]) -> Recording:
        if len(row.values) != len(self._header):
            raise _Unusable(f"it has {len(row.values)} values, but the header has {len(self._header)}")
        columns = self._columns
        participant = cells[columns.participant]
        if not participant:
            raise _Unusable("no participant is given")
        video = self._video(cells[columns.video])
        label = _number(cells[columns.score], columns.score)
        split = _choice(_SPLITS, cells.get(columns.split, ""), "split", "train, validation or test")
        consent = _choice(_CONSENT, cells.get(columns.consent, ""), "consent", "yes or no")
        session = cells.get(columns.session) or None
        self._check_session(session, participant, label)
        units = cells.get(columns.action_units, "")
        id_ = self._id(cells.get(columns.recording, ""), cells[columns.video])
        self._videos[video.resolve()] = self._ids[id_] = row.line
        if session is not None:
            self._sessions.setdefault(session, (participant, label, row.line))
        return Recording(
            id=id_,
            participant=participant,
            video=video,
            label=label,
            split=split,
            covariates=self._covariates(cells),
            action_units=self._path(units) if units else None,
            consent=consent,
            session=session,
        )

    def _path(self, value: str) -> Path:
        return self._folder / Path(value).expanduser()

    def _video(self, value: str) -> Path:
        if not value:
            raise _Unusable("no video is given")
        video = self._path(value)
        if not video.is_file():
            raise _Unusable(f"the video {value} does not exist")
        if video.resolve() in self._videos:
            raise _Unusable(f"its video is that of line {self._videos[video.resolve()]}")
        return video

    def _check_session(self, session: str | None, participant: str, label: float) -> None:
        person, score, line = self._sessions.get(session or "", (participant, label, 0))
        if person != participant:
            raise _Unusable(f"its session '{session}' is that of participant {person} in line {line}")
        if score != label:
            raise _Unusable(f"its score {label:g} is not that of its session '{session}' in line {line}, {score:g}")

    def _id(self, given: str, video: str) -> str:
        """Return a name that can be part of a file's name; without one given, the video's."""
        if given:
            id_ = _file_name(given)
            if id_ in self._ids:
                raise _Unusable(f"its name '{given}' is that of line {self._ids[id_]}")
            return id_
        short = _file_name(Path(video).stem)
        long = _file_name(Path(video).with_suffix("").as_posix())
        id_, number = short if short not in self._ids else long, 2
        while id_ in self._ids:
            id_, number = f"{long}_{number}", number + 1
        return id_

    def _covariates(self, cells: Mapping[str, str]) -> dict[str, str | float]:
        known = set(self._columns.model_dump().values())
        return {
            name: float(value) if name in self._numeric else value
            for name, value in cells.items()
            if name and value and name not in known
        }


def _numeric(header: Sequence[str], rows: Sequence[_Row]) -> set[str]:
    """Return the columns in which every value that is given is a number; a column is not half text."""
    values = [dict(zip(header, row.values, strict=False)) for row in rows]
    return {name for name in header if all(_parsed(cells[name]) is not None for cells in values if cells.get(name))}


def _number(value: str, column: str) -> float:
    if not value:
        raise _Unusable(f"no {column} is given")
    number = _parsed(value)
    if number is None:
        raise _Unusable(f"its {column} '{value}' is not a number")
    return number


def _parsed(value: str) -> float | None:
    """Return a finite number; None for anything else, e.g. a comma, which may be decimal or of thousands."""
    number = float(value) if _NUMBER.fullmatch(value) else math.inf
    return number if math.isfinite(number) else None


def _choice(known: Mapping[str, T], value: str, what: str, allowed: str) -> T:
    if value.lower() not in known:
        raise _Unusable(f"its {what} '{value}' is not {allowed}")
    return known[value.lower()]


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "recording"

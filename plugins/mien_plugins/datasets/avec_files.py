"""Which files of an AVEC challenge's folder are videos, which are labels, and whose they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mien.errors import DataError

Part = Literal["training", "development", "testing"]

PART_FOLDERS: Mapping[Part, str] = {"training": "Training", "development": "Development", "testing": "Testing"}
"""The parts' folders as the challenge calls them."""

_PART_WORDS: Mapping[str, Part] = {
    "training": "training",
    "train": "training",
    "development": "development",
    "develop": "development",
    "devel": "development",
    "dev": "development",
    "testing": "testing",
    "test": "testing",
}
_LABEL = re.compile(r"(?P<person>\d+)_(?P<sitting>\d+)_Depression\.(csv|txt)", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
_VIDEO_SUFFIXES = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".wmv", ".mpg"}
_DEEPEST = 8
_MOST_FOLDERS = 5_000  # a challenge has some dozens


@dataclass(frozen=True)
class Found:
    """A file, the part that its folders name (None: no part), and its path in the data set's folder."""

    path: Path
    part: Part | None
    relative: Path


LabelFiles = dict[tuple[Part | None, str], list[Found]]
"""By part and session, ``203_1``; several where copies lie about."""


@dataclass(frozen=True)
class Tree:
    """What lies in a folder: videos, label files by part and session, and the folders themselves."""

    videos: list[Found]
    labels: LabelFiles
    folders: list[Path]


def read_tree(folder: Path) -> Tree:
    """Return the videos and label files in and below a folder; hidden files are left out.

    Raises
    ------
    DataError
        When the folder does not exist, cannot be read, or holds thousands of folders.
    """
    tree = Tree([], {}, [])
    for found in _files(folder, tree.folders):
        label = _LABEL.fullmatch(found.path.name)
        if label is not None:
            tree.labels.setdefault((found.part, f"{label['person']}_{label['sitting']}"), []).append(found)
        elif found.path.suffix.lower() in _VIDEO_SUFFIXES:
            tree.videos.append(found)
    return tree


def files_by_stem(folder: Path) -> dict[tuple[Part | None, str], Path]:
    """Return the CSV files in and below a folder by part and name without suffix.

    Raises
    ------
    DataError
        As `read_tree`.
    """
    return {
        (found.part, found.path.stem): found.path for found in _files(folder, []) if found.path.suffix.lower() == ".csv"
    }


def _files(folder: Path, folders: list[Path]) -> Iterator[Found]:
    """Yield all files in order of their paths, and note the folders that they lie in."""
    if not folder.is_dir():
        raise DataError(
            "It is a file." if folder.exists() else "It does not exist.", where=str(folder), hint="Name a folder."
        )
    for place, below, names in os.walk(folder, onerror=_refuse):
        here = Path(place).relative_to(folder)
        below[:] = sorted(name for name in below if not name.startswith(".")) if len(here.parts) < _DEEPEST else []
        folders.append(here)
        if len(folders) > _MOST_FOLDERS:
            raise DataError(
                f"It holds more than {_MOST_FOLDERS:,} folders, which no AVEC challenge does.",
                where=str(folder),
                hint="Name the folder that the challenge was unpacked into.",
            )
        part = part_of(here)
        for name in sorted(names):
            if not name.startswith("."):
                yield Found(Path(place, name), part, here / name)


def _refuse(error: OSError) -> None:
    raise DataError(f"It cannot be read: {error.strerror or error}.", where=str(error.filename)) from error


def part_of(folder: Path) -> Part | None:
    """Return the part that the last telling folder names: ``Training``, ``dev``, ``Training_DepressionLabels``, ..."""
    for name in reversed(folder.parts):
        for word in re.split(r"[^a-z]+", name.lower()):
            if word in _PART_WORDS:
                return _PART_WORDS[word]
    return None


class BadLabel(Exception):
    """Why a session's label cannot be used."""


def read_label(files: Sequence[Found], largest: float) -> float:
    """Return the one number that a session's label file holds, or all copies of it.

    Blanks, a byte order mark, quotes and a header before the number are tolerated.

    Raises
    ------
    BadLabel
        When a file holds no number, several, or one outside of 0 to ``largest``, or the copies differ.
    """
    values = {file.relative: _number(file, largest) for file in files}
    if len(set(values.values())) > 1:
        shown = ", ".join(f"{path} holds {value:g}" for path, value in values.items())
        raise BadLabel(f"its label files differ: {shown}")
    return next(iter(values.values()))


def _number(file: Found, largest: float) -> float:
    name = f"its label file {file.relative}"
    try:
        text = file.path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadLabel(f"{name} cannot be read as text") from error
    words = re.findall(r"[^\s,;\"']+", text)
    numbers = [word for word in words if _NUMBER.fullmatch(word)]
    if not words:
        raise BadLabel(f"{name} is empty")
    if len(numbers) != 1 or words[-1] != numbers[0]:
        raise BadLabel(f"{name} holds '{' '.join(words)[:40]}', not one number")
    value = float(numbers[0])
    if not 0 <= value <= largest:
        raise BadLabel(f"{name} holds {value:g}, which is not from 0 to {largest:g}")
    return value

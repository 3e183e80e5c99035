"""A diary of a run, in its folder."""

from __future__ import annotations

from pathlib import Path

FILE = "diary.txt"


class Diary:
    """Writes down what happens, a line each."""

    def __init__(self) -> None:
        self._file: Path | None = None

    def begin(self, folder: Path, title: str) -> None:
        """Begin anew in a run's folder."""
        self._file = folder / FILE
        self._file.write_text(f"{title}\n", encoding="utf-8")

    def note(self, line: str) -> None:
        """Write a line; nothing before a run began."""
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")

"""The narrow interface through which steps and plugins tell of their progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One bar."""

    def advance(self, amount: float = 1) -> None:
        """Count further units of work as done."""
        ...


class Progress(Protocol):
    """Where progress is told; the command line draws bars, a library call is quiet."""

    def task(self, label: str, total: float | None, unit: str = "") -> AbstractContextManager[Task]:
        """Return a context manager that yields a `Task`.

        Parameters
        ----------
        label : str
            What is done, e.g. ``tracking faces``.
        total : float or None
            Units of work, when known.
        unit : str
            What is counted, e.g. ``frames``.
        """
        ...


class _QuietTask:
    def advance(self, amount: float = 1) -> None:
        """Do nothing."""


class QuietProgress:
    """Progress that nobody sees."""

    @contextmanager
    def task(self, label: str, total: float | None, unit: str = "") -> Iterator[Task]:
        """Yield a task that counts nothing."""
        yield _QuietTask()


class NamedProgress:
    """Another progress whose labels end with what is worked on: ``training (fold 2)``."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name

    def task(self, label: str, total: float | None, unit: str = "") -> AbstractContextManager[Task]:
        """Return the task of the other progress."""
        return self._progress.task(f"{label} ({self._name})", total, unit)

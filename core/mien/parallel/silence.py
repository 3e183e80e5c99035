"""Tells of a task that has shown no progress for long: without a time limit, nothing else would."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mien.promises import watch

logger = logging.getLogger(__name__)

LONG = 600.0
"""Seconds without progress after which a task is told of."""


class Silence:
    """Since when a task has shown no progress; it is told once.

    Parameters
    ----------
    name : callable or None
        Names a task at the beginning of a sentence; None where nothing is to be told.
    """

    def __init__(self, name: Callable[[Any], str] | None) -> None:
        self._name = name
        self._patience = LONG if name else math.inf
        self._task = "The start of a worker"
        self.due = math.inf
        """When the task is told of, as `time.monotonic` counts."""

    def start(self) -> None:
        """Begin to make ready for tasks."""
        self.due = time.monotonic() + self._patience

    def begin(self, task: Any) -> None:
        """Begin a task."""
        if self._name is not None:
            self._task = self._name(task)
        self.start()

    def heard(self) -> None:
        """Note progress; a task that was told of is told of no more."""
        if self.due < math.inf:
            self.start()

    def rest(self) -> None:
        """Wait for the next task."""
        self.due = math.inf

    def look(self, at_work: str) -> None:
        """Tell of the task if it is due; ``at_work`` is the component that it is in, if any is known."""
        if time.monotonic() < self.due:
            return
        self.rest()
        logger.warning(
            "%s has shown no progress for %s%s. If it hangs, stop the run (Ctrl-C) and repeat it with a --time-limit "
            "in seconds (or 'task_time_limit'), which sets such a task aside; what is computed stays.",
            self._task,
            f"{self._patience / 60:g} minutes" if self._patience >= 60 else f"{self._patience:g} seconds",
            f"; at work is {at_work}" if at_work else "",
        )


@contextmanager
def listening(name: Callable[[Any], str] | None) -> Iterator[Silence]:
    """Give the silence of the tasks of this process; a thread beside them looks at it."""
    silence, done, at_work = Silence(name), threading.Event(), ""
    every = LONG / 60

    def note(name: str) -> None:
        nonlocal at_work
        at_work = name
        if former is not None:
            former(name)

    def look() -> None:
        while not done.wait(every):
            silence.look(at_work)

    former: Callable[[str], object] | None = watch(note)
    beside = threading.Thread(target=look, name="mien-silence", daemon=True)
    beside.start()
    try:
        yield silence
    finally:
        done.set()
        beside.join()
        watch(former)

"""What came of a task."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mien.errors import DataError, MienError
from mien.parallel.worker import Attempt, while_at_work

logger = logging.getLogger(__name__)

R = TypeVar("R")


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What came of task number ``index``: its ``value``, or an ``error``."""

    index: int
    value: R | None = None
    error: MienError | None = None


def outcome_of(index: int, result: Attempt) -> Outcome[Any]:
    """Return a task's attempt as its outcome; the traceback of a defect goes into the debug log."""
    if result.trace:
        logger.debug("Task %d failed:\n%s", index, result.trace)
    return Outcome(index, result.value, result.error)


def checked(started: Attempt) -> Any:
    """Return the value of an attempt to start working, or raise its error."""
    if started.error is not None:
        if started.trace:
            logger.debug("A worker could not start:\n%s", started.trace)
        raise started.error
    return started.value


def overdue(limit: float, at_work: str) -> DataError:
    """Return the error of a task that took longer than ``limit`` seconds."""
    return DataError(
        f"It took longer than the limit of {limit:g} seconds{while_at_work(at_work)}.",
        hint="It was ended and set aside. If it only needs longer, raise --time-limit or 'task_time_limit'.",
    )

"""Progress bars with rate and remaining time; log lines where nobody looks at a terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from mien.progress import Progress, Task

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task as RichTask
    from rich.progress import TaskID

log = logging.getLogger(__name__)
_SHORT_S = 1.0  # a bar that took less disappears when it is done


def make_progress(console: Console) -> Progress:
    """Return bars on a terminal, log lines elsewhere."""
    return BarProgress(console) if console.is_terminal else LogProgress()


def rate_text(speed: float | None, unit: str) -> str:
    """Return a speed as text: units a second, or seconds a unit where that is the larger number."""
    if not speed:
        return ""
    if speed >= 1:
        return f"{speed:,.0f} {unit}/s" if speed >= 10 else f"{speed:.1f} {unit}/s"
    return f"{1 / speed:.1f} s/{unit.removesuffix('s') or 'step'}"


class RateColumn(ProgressColumn):
    """How fast the work goes."""

    def render(self, task: RichTask) -> Text:
        """Return the speed since the bar began."""
        return Text(rate_text(task.finished_speed or task.speed, task.fields.get("unit", "")), style="cyan")


class _BarTask:
    def __init__(self, bars: Bars, id_: TaskID) -> None:
        self._bars, self._id = bars, id_

    def advance(self, amount: float = 1) -> None:
        """Count further units of work as done."""
        self._bars.advance(self._id, amount)


class BarProgress:
    """Bars on a terminal; tasks may be nested."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Bars | None = None
        self._open = 0

    @contextmanager
    def task(self, label: str, total: float | None, unit: str = "") -> Iterator[Task]:
        """Show a bar until the block is left; it stays on the screen when it took over a second."""
        bars = self._bars = self._bars or self._start()
        self._open += 1
        id_ = bars.add_task(label, total=total, unit=unit)
        began = time.monotonic()
        try:
            yield _BarTask(bars, id_)
        finally:
            self._open -= 1
            bars.stop_task(id_)
            if time.monotonic() - began < _SHORT_S:
                bars.remove_task(id_)
            if self._open == 0:
                bars.stop()
                self._bars = None

    def _start(self) -> Bars:
        bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}", markup=False),
            RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        bars.start()
        return bars


class _CountingTask:
    def __init__(self) -> None:
        self.done = 0.0

    def advance(self, amount: float = 1) -> None:
        """Count further units of work as done."""
        self.done += amount


class LogProgress:
    """One log line when a task begins and one when it ends; shown with ``-v``."""

    @contextmanager
    def task(self, label: str, total: float | None, unit: str = "") -> Iterator[Task]:
        """Log the beginning and the end of a task."""
        log.info("%s%s", label, f" ({total:g} {unit})" if total else "")
        counted = _CountingTask()
        began = time.monotonic()
        yield counted
        seconds = time.monotonic() - began
        speed = rate_text(counted.done / seconds if seconds else None, unit)
        log.info("%s: done in %.1f s%s", label, seconds, f", {speed}" if speed else "")

"""What runs in a worker process, and what travels back from it."""

from __future__ import annotations

import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from mien.errors import MienError, PluginError, told
from mien.promises import Leaving, watch

Report = Callable[[float], None]
"""Counts further units of a task's work as done."""

_REPORT_EVERY = 0.1  # seconds; a report a frame would fill the pipe of a busy parent


@dataclass(frozen=True)
class Job:
    """What all tasks of a pool have in common."""

    function: Callable[[Any, Any, Report], Any]
    initializer: Callable[..., Any] | None = None
    initargs: tuple[Any, ...] = ()

    def open(self) -> Any:
        """Return the state that a worker's tasks share."""
        return None if self.initializer is None else self.initializer(*self.initargs)


@dataclass(frozen=True)
class Attempt:
    """A value, or the error that came instead of it, with its traceback when it was not foreseen."""

    value: Any = None
    error: MienError | None = None
    trace: str = ""


def attempt(call: Callable[..., Any], *args: Any) -> Attempt:
    """Call and return what came of it; only what ends a process is raised."""
    try:
        return Attempt(call(*args))
    except MienError as error:
        # One that stands for a stranger's exception keeps the way to it.
        defect = error.__cause__ is not None and not isinstance(error.__cause__, MienError)
        return Attempt(error=error, trace=traceback.format_exc() if defect else "")
    except Exception as error:  # noqa: BLE001  one recording's failure, whatever it is, must not end the others
        named = PluginError(
            f"{told(error)}.",
            where=_whose(error),
            hint="This is a defect of a plugin or of mien; the traceback is in the debug log.",
        )
        return Attempt(error=named, trace=traceback.format_exc())


def _whose(error: Exception) -> str | None:
    from mien.registry import load_registry
    from mien.registry.culprit import culprit

    return culprit(error, load_registry()) or None


@dataclass(frozen=True)
class AtWork:
    """A message of a worker: which component it now runs; empty for none."""

    name: str


def while_at_work(name: str) -> str:
    """Complete a sentence about a task that ended badly with the component that was at work, if any was."""
    return f"; at work was {name}" if name else ""


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch, where it is imported, to one thread: the same sums for any number of workers."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch:
            torch.set_num_threads(before)


def close_state(state: Any) -> None:
    """Close a state that can be closed."""
    close = getattr(state, "close", None)
    if callable(close):
        close()


def serve(pipe: Connection, packed_job: bytes) -> None:
    """Answer the tasks that come through the pipe, until an empty message or the end of the parent."""
    # An interrupt reaches every process of the terminal; the parent decides what becomes of the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # An orderly exit, so that half-written files are removed on the way.
    signal.signal(signal.SIGTERM, _leave)
    with pipe, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        watch(lambda name: pipe.send_bytes(pickle.dumps(AtWork(name))))
        opened = attempt(_open, packed_job)
        pipe.send_bytes(pack(Attempt(error=opened.error, trace=opened.trace)))
        if opened.error is None:
            job, state = opened.value
            try:
                _answer(pipe, job, state)
            finally:
                close_state(state)


def _leave(*_: object) -> None:
    raise Leaving(128 + signal.SIGTERM)


def _open(packed_job: bytes) -> tuple[Job, Any]:
    job: Job = pickle.loads(packed_job)
    with one_thread():
        return job, job.open()


def _answer(pipe: Connection, job: Job, state: Any) -> None:
    while packed := pipe.recv_bytes():
        reporter = _Reporter(pipe)
        with one_thread():
            result = attempt(_call, job, state, packed, reporter)
        reporter.flush()
        pipe.send_bytes(pack(result))


def _call(job: Job, state: Any, packed: bytes, reporter: Report) -> Any:
    return job.function(state, pickle.loads(packed), reporter)


def pack(result: Attempt) -> bytes:
    """Return an attempt as bytes; where its value cannot travel, the error that says so."""
    packed = attempt(pickle.dumps, result)
    if packed.error is not None:  # the value cannot travel
        return pickle.dumps(Attempt(error=packed.error, trace=packed.trace))
    blob: bytes = packed.value
    return blob


class _Reporter:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._amount = 0.0
        self._last = time.monotonic()

    def __call__(self, amount: float) -> None:
        self._amount += amount
        if time.monotonic() - self._last >= _REPORT_EVERY:
            self.flush()

    def flush(self) -> None:
        if self._amount:
            self._pipe.send_bytes(pickle.dumps(self._amount))
        self._amount = 0.0
        self._last = time.monotonic()

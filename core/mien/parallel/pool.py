"""Runs a function over tasks in processes; a task that hangs or kills its process costs only itself."""

from __future__ import annotations

import math
import multiprocessing
import os
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import connection
from typing import Any, TypeVar

from mien.errors import ConfigError, DataError, PluginError
from mien.parallel.cluster import Cluster, run_on_cluster
from mien.parallel.outcome import Outcome, checked, outcome_of, overdue
from mien.parallel.silence import Silence, listening
from mien.parallel.worker import Attempt, AtWork, Job, Report, attempt, close_state, one_thread, serve, while_at_work

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
Advance = Callable[[int, float], None]
Name = Callable[[Any], str] | None

_START = 120.0  # seconds beyond the limit in which a worker imports its libraries, on a busy machine too
_GRACE = 5.0  # seconds that a worker has to leave by itself
_LAST_WORDS = 1.0  # seconds for one that is ended in the midst of the others' work
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def run_tasks(
    function: Callable[[S, T, Report], R],
    tasks: Iterable[T],
    *,
    workers: int,
    time_limit: float | None = None,
    initializer: Callable[..., S] | None = None,
    initargs: Sequence[Any] = (),
    on_advance: Advance | None = None,
    name: Callable[[T], str] | None = None,
    cluster: Cluster | None = None,
) -> Iterator[Outcome[R]]:
    """Yield the outcome of ``function(state, task, report)`` for each task, as they complete.

    The values do not depend on ``workers``, their order does.  Closing the iterator early, or an exception in
    the caller's loop (Ctrl-C), ends all workers.

    Parameters
    ----------
    function : callable
        Importable by name, as its tasks and values must be picklable.  ``report(amount)`` tells of progress.
    tasks : iterable
    workers : int
        Processes.  With 1 and no time limit the tasks run in the calling process.
    time_limit : float, optional
        Seconds a task may take; its worker is then ended and replaced, and the error names the component that was
        at work.  A worker that is not ready after two minutes more cannot be started.
    initializer, initargs : callable and its arguments, optional
        Makes the ``state`` once a worker; a state with a method ``close`` is closed at the end.
    on_advance : callable, optional
        Called in this process with a task's index and the amount reported.
    name : callable, optional
        Names a task at the beginning of a sentence.  With it, and without a time limit, a warning is logged of each
        task that has reported no progress for ten minutes, once.
    cluster : Cluster, optional
        Whose workers do the tasks, in place of processes here; ``workers`` is then without effect.

    Yields
    ------
    Outcome
        With an error when the function raised, took too long or lost its process.  A `MienError` is passed
        on as it is; any other exception becomes a `PluginError`, its traceback logged at debug level.

    Raises
    ------
    ConfigError
        When ``workers`` or ``time_limit`` is not positive, or the cluster cannot be used.
    MienError
        When the initializer fails, or no worker can be started.
    """
    if workers < 1:
        raise ConfigError(f"At least one worker is needed, not {workers}.", where="workers")
    if time_limit is not None and not time_limit > 0:
        raise ConfigError(f"The time limit must be positive, not {time_limit}.", where="time_limit")
    job = Job(function, initializer, tuple(initargs))
    advance = on_advance or _quiet
    if cluster is not None:
        return run_on_cluster(job, list(tasks), cluster, time_limit, advance, name)
    if workers == 1 and time_limit is None:
        return _run_here(job, list(tasks), advance, name)
    return _run_in_processes(_Crew(job, list(tasks), workers, time_limit, advance, name))


def _quiet(index: int, amount: float) -> None:
    """Tell nobody."""


def _run_here(job: Job, tasks: list[Any], advance: Advance, name: Name) -> Iterator[Outcome[Any]]:
    if not tasks:
        return
    with listening(name) as silence:

        def report(index: int, amount: float) -> None:
            silence.heard()
            advance(index, amount)

        silence.start()
        with one_thread():
            state = checked(attempt(job.open))
        try:
            for index, task in enumerate(tasks):
                silence.begin(task)
                with one_thread():
                    result = attempt(job.function, state, task, partial(report, index))
                silence.rest()  # while the caller has its turn
                yield outcome_of(index, result)
        finally:
            close_state(state)


def _run_in_processes(crew: _Crew) -> Iterator[Outcome[Any]]:
    try:
        for outcome in crew.outcomes():
            began = time.monotonic()
            yield outcome
            crew.postpone(time.monotonic() - began)
    finally:
        crew.end()


class _Crew:
    """The workers of one call, and the tasks they have not begun."""

    def __init__(
        self, job: Job, tasks: list[Any], workers: int, time_limit: float | None, advance: Advance, name: Name
    ) -> None:
        self._packed_job = pickle.dumps(job)
        self._pending = deque(enumerate(tasks))
        self._unfinished = len(tasks)
        self._most = workers
        self._limit = math.inf if time_limit is None else time_limit
        self._advance = advance
        self._name = name if time_limit is None else None  # the limit tells
        self._active: list[_Worker] = []
        self._leaving: list[_Worker] = []

    def outcomes(self) -> Iterator[Outcome[Any]]:
        while self._unfinished:
            while len(self._active) < min(self._most, self._unfinished):
                self._active.append(_Worker(self._packed_job, self._limit, self._name))
            for worker in self._to_attend():
                outcome = self._attend(worker)
                if outcome is not None:
                    self._unfinished -= 1
                    yield outcome

    def postpone(self, seconds: float) -> None:
        """Give the tasks in work the time in which nobody listened to them."""
        for worker in self._active:
            worker.deadline += seconds
            worker.silence.due += seconds

    def end(self) -> None:
        for worker in self._active:
            worker.process.terminate()
        until = time.monotonic() + _GRACE
        for worker in self._active + self._leaving:
            worker.end(until - time.monotonic())
        self._active, self._leaving = [], []

    def _to_attend(self) -> list[_Worker]:
        """Wait, and return the workers that have news or whose time is up."""
        by_handle: dict[Any, _Worker] = {}
        for worker in self._active:
            by_handle[worker.pipe] = by_handle[worker.process.sentinel] = worker
        wait = min(min(worker.deadline, worker.silence.due) for worker in self._active) - time.monotonic()
        ready = connection.wait(list(by_handle), None if wait == math.inf else max(wait, 0.0))
        now = time.monotonic()
        for worker in self._active:
            if worker.pipe not in ready:  # what lies ready may be progress
                worker.silence.look(worker.at_work)
        overdue = [worker for worker in self._active if worker.deadline <= now]
        return list(dict.fromkeys([by_handle[handle] for handle in ready] + overdue))

    def _attend(self, worker: _Worker) -> Outcome[Any] | None:
        if not worker.has_news():  # a result that lies ready counts, whatever the clock says
            if worker.deadline > time.monotonic():
                return None
            worker.process.terminate()
            return self._lost(worker, overdue(self._limit, worker.at_work))
        message = worker.receive()
        if message is None:
            return self._lost(worker, None)
        if isinstance(message, AtWork):
            worker.at_work = message.name
            return None
        if isinstance(message, Attempt):
            index = worker.index
            if index is None:
                checked(message)
            self._occupy(worker)
            return None if index is None else outcome_of(index, message)
        if worker.index is not None:
            worker.silence.heard()
            self._advance(worker.index, message)
        return None

    def _occupy(self, worker: _Worker) -> None:
        if self._pending:
            worker.begin(*self._pending.popleft(), self._limit)
        else:
            worker.dismiss()
            self._active.remove(worker)
            self._leaving.append(worker)

    def _lost(self, worker: _Worker, error: DataError | None) -> Outcome[Any]:
        self._active.remove(worker)
        code = worker.end(_LAST_WORDS)
        who = while_at_work(worker.at_work)
        if worker.index is None:
            raise PluginError(
                f"A worker process cannot be started ({'it took too long' if error else _cause(code)}{who}).",
                hint="In a script, call mien inside `if __name__ == '__main__':`; or use one worker.",
            )
        hint = "If memory ran out, use fewer workers; else a library that the step uses crashed."
        return Outcome(worker.index, error=error or DataError(f"Its process died ({_cause(code)}){who}.", hint=hint))


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


class _Worker:
    """One process: it starts, then works on one task at a time."""

    def __init__(self, packed_job: bytes, limit: float, name: Name) -> None:
        context = multiprocessing.get_context("spawn")
        self.index: int | None = None
        self.at_work = ""
        self.deadline = math.inf if limit == math.inf else time.monotonic() + limit + _START
        self.silence = Silence(name)
        self.silence.start()
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, packed_job), daemon=True)
        with theirs, _one_thread_in_children():
            self.process.start()

    def begin(self, index: int, task: Any, limit: float) -> None:
        packed = pickle.dumps(task)
        self.index = index
        self.deadline = time.monotonic() + limit
        self.silence.begin(task)
        with suppress(BrokenPipeError, ConnectionResetError):  # it died; its end of the pipe tells so next
            self.pipe.send_bytes(packed)

    def dismiss(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send_bytes(b"")

    def has_news(self) -> bool:
        return self.pipe.poll() or not self.process.is_alive()

    def receive(self) -> Any:
        """Return an `Attempt`, an amount of progress, or None when the process has died."""
        try:
            packed = self.pipe.recv_bytes() if self.pipe.poll() else None
        except (EOFError, OSError):
            return None
        if packed is None:
            return None
        message = attempt(pickle.loads, packed)
        return message.value if message.error is None else message

    def end(self, grace: float) -> int | None:
        """Wait for the process to leave, at most ``grace`` seconds, then kill it; return its exit code."""
        self.process.join(max(grace, 0.0))
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode
        self.process.close()
        self.pipe.close()
        return code


@contextmanager
def _one_thread_in_children() -> Iterator[None]:
    # Libraries read these when they are loaded, which may be before the worker's first line runs.
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

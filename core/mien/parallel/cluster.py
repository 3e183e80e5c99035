"""Runs a function over tasks on the workers of a dask cluster; a worker that is lost costs only its task."""

from __future__ import annotations

import importlib
import logging
import math
import pickle
import queue
import re
import socket
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import ConfigError, DataError, PluginError
from mien.parallel.cluster_worker import Errand, greeting, leave, own_version, work
from mien.parallel.outcome import Outcome, checked, outcome_of, overdue
from mien.parallel.silence import Silence
from mien.parallel.worker import Attempt, Job, while_at_work

logger = logging.getLogger(__name__)

Advance = Callable[[int, float], None]

_PATIENCE = 5.0  # seconds for the scheduler to answer
_ADDRESS = re.compile(r"(?:(?:tcp|tls|ws|wss)://)?(?P<host>\[[^\]]+\]|[^\s/:\[\]]+):(?P<port>\d{1,5})")
_LOOK = 1.0  # seconds between two looks at who works
_TRIES = 2  # times that a task is begun, each on another worker


@dataclass(frozen=True)
class Cluster:
    """A running dask cluster.

    Attributes
    ----------
    address : str
        Of its scheduler, e.g. ``tcp://node1:8786``.
    shared : Path
        The folder of results, which every worker must see at this path.
    """

    address: str
    shared: Path

    def check(self) -> None:
        """Ask the scheduler, and every worker that is there, whether they can be used.

        Raises
        ------
        PluginError
            When dask.distributed is not installed.
        ConfigError
            When no scheduler answers, or a worker does not see the folder or has another mien.
        """
        with _connected(self.address) as client, _probe(self.shared) as probe:
            errand = Errand(uuid.uuid4().hex, b"", probe, own_version())
            answers: dict[str, bytes] = client.run(greeting, errand)
            for answer in answers.values():
                checked(_unpacked(answer))
            if not answers:
                logger.warning("The cluster %s has no worker yet; mien waits for one.", self.address)


def run_on_cluster(
    job: Job,
    tasks: Sequence[Any],
    cluster: Cluster,
    time_limit: float | None,
    advance: Advance,
    name: Callable[[Any], str] | None,
) -> Iterator[Outcome[Any]]:
    """Yield the outcome of each task, as they complete; see `mien.parallel.run_tasks`.

    Each worker process has one task at a time.  A task whose worker is lost is begun once more on another; a second
    loss sets it aside.  Past the time limit a task is given up and its worker restarted.
    """
    if not tasks:
        return
    with _connected(cluster.address) as client, _probe(cluster.shared) as probe:
        errand = Errand(f"mien-{uuid.uuid4().hex}", pickle.dumps(job), probe, own_version())
        crew = _Crew(client, errand, tasks, math.inf if time_limit is None else time_limit, advance, name)
        try:
            yield from crew.outcomes()
        finally:
            crew.end()


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise PluginError(
            "A cluster needs dask.distributed, which is not installed.",
            where="--cluster",
            hint="Install it: pip install 'mien[cluster]'.",
        ) from error
    try:
        _knock(address)
        client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # TimeoutError is an OSError
        raise ConfigError(
            f"No dask scheduler answers at '{address}': {str(error) or type(error).__name__}.",
            where="--cluster",
            hint="Give the address that 'dask scheduler' prints, such as tcp://node1:8786.",
        ) from error
    try:
        yield client
    finally:
        client.close()


def _knock(address: str) -> None:
    """Raise `OSError` or `ValueError` where nothing listens; a client may wait for long, or leave threads behind."""
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise ValueError("it is no address of a scheduler")
    socket.create_connection((found["host"].strip("[]"), int(found["port"])), timeout=_PATIENCE).close()


@contextmanager
def _probe(folder: Path) -> Iterator[Path]:
    """Make a file in the shared folder for as long as workers may look for it."""
    path = folder / f".probe-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise DataError(f"The store cannot be written: {error.strerror or error}.", where=str(folder)) from error
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _unpacked(answer: bytes) -> Attempt:
    result: Attempt = pickle.loads(answer)
    return result


@dataclass
class _Running:
    """A task at work: its future, the worker that has it, when its time is up, and the component last at work."""

    future: Any
    worker: str
    silence: Silence
    deadline: float = math.inf
    at_work: str = ""


class _Crew:
    """The tasks of one call, and the workers that have them."""

    def __init__(
        self,
        client: Any,
        errand: Errand,
        tasks: Sequence[Any],
        limit: float,
        advance: Advance,
        name: Callable[[Any], str] | None,
    ) -> None:
        self._client = client
        self._errand = errand
        self._tasks = tasks
        self._limit = limit
        self._advance = advance
        self._name = name if limit == math.inf else None  # the limit tells
        self._pending = deque(range(len(tasks)))
        self._running: dict[int, _Running] = {}
        self._losses: Counter[int] = Counter()
        self._news: queue.SimpleQueue[tuple[str, int, Any]] = queue.SimpleQueue()
        self._looked = -math.inf
        client.subscribe_topic(errand.key, self._hear)

    def outcomes(self) -> Iterator[Outcome[Any]]:
        left = len(self._tasks)
        while left:
            for outcome in [*self._look(), *self._attend(), *self._overdue()]:
                left -= 1
                yield outcome

    def end(self) -> None:
        """Take back what is not done, and let the workers close their states; a cluster that is gone has none."""
        with suppress(OSError, RuntimeError):
            self._client.unsubscribe_topic(self._errand.key)
            self._client.cancel([task.future for task in self._running.values()])
            if not self._running:  # else a worker would have to end its task first
                self._client.run(leave, self._errand.key)

    def _hear(self, event: tuple[Any, dict[str, Any]]) -> None:
        _, message = event
        self._news.put((message["what"], message["index"], message["value"]))

    def _look(self) -> Iterator[Outcome[Any]]:
        """See which workers there are: take back what lost ones had, and give a task to each that has none."""
        if time.monotonic() - self._looked < _LOOK:
            return
        try:
            workers = set(self._client.nthreads())
        except OSError as error:
            raise _gone() from error
        self._looked = time.monotonic()
        for index in [index for index, task in self._running.items() if task.worker not in workers]:
            outcome = self._worker_lost(index)
            if outcome is not None:
                yield outcome
        idle = workers - {task.worker for task in self._running.values()}
        for worker in sorted(idle)[: len(self._pending)]:
            self._begin(self._pending.popleft(), worker)

    def _worker_lost(self, index: int) -> Outcome[Any] | None:
        """Put a task back, or set it aside when it had its tries; one that is done is taken in as news."""
        task = self._running[index]
        if task.future.status == "finished":
            return None
        self._running.pop(index).future.cancel()
        self._losses[index] += 1
        if self._losses[index] >= _TRIES:
            return _lost(index, task.at_work)
        logger.warning("The worker %s of the cluster was lost; its task is begun again.", task.worker)
        self._pending.appendleft(index)
        return None

    def _begin(self, index: int, worker: str) -> None:
        future = self._client.submit(
            work,
            self._errand,
            index,
            pickle.dumps(self._tasks[index]),
            workers=[worker],
            pure=False,
        )
        self._running[index] = _Running(future, worker, Silence(self._name))
        future.add_done_callback(lambda done: self._news.put(("done", index, done)))

    def _attend(self) -> Iterator[Outcome[Any]]:
        """Wait for news, and take in all there are."""
        soonest = min([task.deadline for task in self._running.values()], default=math.inf)
        wait = min(soonest - time.monotonic(), _LOOK)
        with suppress(queue.Empty):
            news = self._news.get(timeout=max(wait, 0.01))
            while True:
                outcome = self._take(*news)
                if outcome is not None:
                    yield outcome
                news = self._news.get_nowait()

    def _take(self, what: str, index: int, value: Any) -> Outcome[Any] | None:
        task = self._running.get(index)
        if task is None:
            return None  # given up before
        if what == "advanced":
            task.silence.heard()
            self._advance(index, value)
        elif what == "begun":
            task.deadline = time.monotonic() + self._limit
            task.silence.begin(self._tasks[index])
        elif what == "at work":
            task.at_work = value
        elif value.key == task.future.key:
            return self._done(index, task.future)
        return None

    def _done(self, index: int, future: Any) -> Outcome[Any]:
        at_work = self._running.pop(index).at_work
        self._looked = -math.inf  # its worker is free
        if future.status == "cancelled":
            raise _gone()
        if future.status != "finished":  # `work` raises nothing: a worker or a message of dask's failed
            return _lost(index, at_work)
        try:
            ready, answer = future.result(timeout=_PATIENCE)
        except TimeoutError:  # the worker was lost with the result
            return _lost(index, at_work)
        result = _unpacked(answer)
        if not ready:
            checked(result)
        return outcome_of(index, result)

    def _overdue(self) -> Iterator[Outcome[Any]]:
        now = time.monotonic()
        for task in self._running.values():
            task.silence.look(task.at_work)
        for index in [index for index, task in self._running.items() if task.deadline <= now]:
            at_work = self._running[index].at_work
            self._give_up(index, self._running[index].worker)
            yield Outcome(index, error=overdue(self._limit, at_work))

    def _give_up(self, index: int, worker: str) -> None:
        self._running.pop(index).future.cancel()
        try:
            self._client.restart_workers([worker], timeout=_PATIENCE, raise_for_error=False)
        except (KeyError, OSError, ValueError) as error:
            logger.warning("The worker %s cannot be restarted, and may still be at a task given up: %s", worker, error)


def _lost(index: int, at_work: str) -> Outcome[Any]:
    hint = "If memory ran out, give the workers more; else a library that the step uses crashed."
    return Outcome(index, error=DataError(f"Its worker in the cluster was lost{while_at_work(at_work)}.", hint=hint))


def _gone() -> ConfigError:
    return ConfigError(
        "The scheduler of the cluster is gone.",
        where="--cluster",
        hint="Start it again and run again; what is computed stays in the store.",
    )

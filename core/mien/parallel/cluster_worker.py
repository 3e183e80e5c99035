"""What runs in a worker of a dask cluster."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import ConfigError
from mien.parallel.worker import Attempt, Job, attempt, close_state, one_thread, pack
from mien.promises import watch

_REPORT_EVERY = 0.5  # seconds; reports travel over the network and through the scheduler


@dataclass(frozen=True)
class Errand:
    """What all tasks of one call have in common.

    Attributes
    ----------
    key : str
        Of the call; also the topic of what workers tell about it.
    job : bytes
        A pickled `Job`.
    probe : Path
        A file in the folder that all machines share.
    version : str
        Of mien and its source where the call was made.
    """

    key: str
    job: bytes
    probe: Path
    version: str


# A worker has several threads where it is started so, but its state (a detector, a network) serves one at a time.
_ONE_AT_A_TIME = threading.Lock()
_STATES: dict[str, tuple[Job, Any]] = {}


def own_version() -> str:
    """Return the version of mien and its source on this machine."""
    from mien import __version__
    from mien.store.keys import source_version

    return source_version(f"mien=={__version__}", "mien")


def greet(errand: Errand) -> None:
    """Check that this worker can work for a call.

    Raises
    ------
    ConfigError
        When it does not see the shared folder, or has another mien.
    """
    import socket

    host = socket.gethostname()
    if not errand.probe.is_file():
        raise ConfigError(
            f"The worker on {host} does not see the store {errand.probe.parent}.",
            where="cluster",
            hint="Put the store on a folder that all machines share, at the same path: --store.",
        )
    if own_version() != errand.version:
        raise ConfigError(
            f"The worker on {host} has another mien: {own_version()}, here {errand.version}.",
            where="cluster",
            hint="Install the same on all machines, or start the workers from the same environment.",
        )


def greeting(errand: Errand) -> bytes:
    """Return what came of `greet`, as a pickled `Attempt`."""
    return pack(attempt(greet, errand))


def work(errand: Errand, index: int, packed: bytes) -> tuple[bool, bytes]:
    """Do one task; return whether the worker was ready for it, and a pickled `Attempt`."""
    with _ONE_AT_A_TIME:
        ready = attempt(_ready, errand)
        if ready.error is not None:
            return False, pack(Attempt(error=ready.error, trace=ready.trace))
        job, state = ready.value
        reporter = _Reporter(errand.key, index)
        reporter.begin()
        with one_thread(), reporter.watching():
            result = attempt(_call, job, state, packed, reporter)
        reporter.flush()
        return True, pack(result)


def leave(key: str) -> None:
    """Close the state of a call."""
    with _ONE_AT_A_TIME:
        _, state = _STATES.pop(key, (None, None))
        close_state(state)


def _ready(errand: Errand) -> tuple[Job, Any]:
    """Return the job and the state, which is made for the first task of a call."""
    if errand.key not in _STATES:
        for _, old in _STATES.values():  # of calls that ended without saying so
            close_state(old)
        _STATES.clear()
        greet(errand)
        job: Job = pickle.loads(errand.job)
        with one_thread():
            _STATES[errand.key] = job, job.open()
    return _STATES[errand.key]


def _call(job: Job, state: Any, packed: bytes, reporter: _Reporter) -> Any:
    return job.function(state, pickle.loads(packed), reporter)


class _Reporter:
    """Tells the caller, through the scheduler, that a task has begun and how far it is."""

    def __init__(self, topic: str, index: int) -> None:
        from distributed import get_worker

        self._worker: Any = get_worker()
        self._topic = topic
        self._index = index
        self._amount = 0.0
        self._last = time.monotonic()

    def begin(self) -> None:
        self._tell("begun", self._worker.address)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Tell the caller which component was last at work; a message for each of its calls would be too many."""
        last = ""

        def tell(name: str) -> None:
            nonlocal last
            if name and name != last:
                last = name
                self._tell("at work", name)

        watch(tell)
        try:
            yield
        finally:
            watch(None)

    def __call__(self, amount: float) -> None:
        self._amount += amount
        if time.monotonic() - self._last >= _REPORT_EVERY:
            self.flush()

    def flush(self) -> None:
        if self._amount:
            self._tell("advanced", self._amount)
        self._amount = 0.0
        self._last = time.monotonic()

    def _tell(self, what: str, value: Any) -> None:
        self._worker.log_event(self._topic, {"what": what, "index": self._index, "value": value})

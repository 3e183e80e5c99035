"""Several processes that train one network, each on its device."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.queues import SimpleQueue
from typing import Any

import torch
from torch import multiprocessing
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

from mien.compat import prepare_torchvision
from mien.errors import MienError
from mien.progress import Progress, Task
from mien.training.devices import DeviceName

prepare_torchvision()
from lightning.fabric.plugins.environments.lightning import find_free_network_port  # noqa: E402

Work = Callable[[int, Progress], object]
"""What each process does; it is told its rank.  Picklable, as the processes start afresh."""

_POLL = 0.1  # seconds


def train_together(work: Work, devices: int, device: DeviceName, progress: Progress) -> None:
    """Let ``devices`` processes do the same work, with the environment that Lightning needs to find the others.

    They are started by mien and not by Lightning, which would run the whole command again in each of them.  What they
    give back lies in files: the state that the training leaves in its scratch folder.

    Raises
    ------
    MienError
        The first one that a process raised; the others are ended.
    """
    queue: SimpleQueue[Any] = multiprocessing.get_context("spawn").SimpleQueue()
    settings = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(find_free_network_port()),
        "WORLD_SIZE": str(devices),
        "NODE_RANK": "0",
    }
    threads = max(1, torch.get_num_threads() // devices) if device == "cpu" else None
    # Daemons end with this process, whatever ends it.
    processes: Any = start_processes(  # type: ignore[no-untyped-call]
        _take_part, (work, settings, threads, queue), devices, join=False, daemon=True, start_method="spawn"
    )
    with ExitStack() as stack:
        stack.callback(_end, processes.processes)
        reader = _Reader(queue, progress, stack)
        try:
            while not processes.join(timeout=_POLL):
                reader.read()
        except (ProcessRaisedException, ProcessExitedException):
            reader.read()
            raise
        reader.read()


def _take_part(rank: int, work: Work, settings: dict[str, str], threads: int | None, queue: SimpleQueue[Any]) -> None:
    os.environ |= {**settings, "LOCAL_RANK": str(rank)}
    # What is to be told is told by the process that takes up the result.
    logging.getLogger("mien").addHandler(logging.NullHandler())
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        work(rank, _ToldProgress(queue if rank == 0 else None))
    except MienError as error:
        queue.put(error)
        raise


def _end(processes: list[Any]) -> None:
    for process in processes:
        if process.is_alive():
            process.terminate()
        process.join()


class _ToldProgress:
    """Progress that is told to another process, or to nobody."""

    def __init__(self, queue: SimpleQueue[Any] | None) -> None:
        self._queue = queue

    @contextmanager
    def task(self, label: str, total: float | None, unit: str = "") -> Iterator[Task]:
        """Yield a task that sends what is advanced."""
        self._send((label, total, unit))
        yield self

    def advance(self, amount: float = 1) -> None:
        """Send it."""
        self._send(amount)

    def _send(self, message: object) -> None:
        if self._queue is not None:
            self._queue.put(message)


class _Reader:
    """Draws the bar that another process tells of, and raises the error that it sent."""

    def __init__(self, queue: SimpleQueue[Any], progress: Progress, stack: ExitStack) -> None:
        self._queue = queue
        self._progress = progress
        self._stack = stack
        self._task: Task | None = None

    def read(self) -> None:
        """Read what is there."""
        while not self._queue.empty():
            message = self._queue.get()
            if isinstance(message, MienError):
                raise message from None
            if isinstance(message, tuple):
                self._task = self._stack.enter_context(self._progress.task(*message))
            elif self._task is not None:
                self._task.advance(message)

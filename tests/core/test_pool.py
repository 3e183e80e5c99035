"""Guarantees: values do not depend on the number of workers; a task that hangs or dies costs only itself."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mien.errors import ConfigError, DataError, MienError, PluginError
from mien.parallel import Outcome, run_tasks

# Worker processes import their functions by name, which they cannot do with this file.
WORK = '''
import os, signal, sys, time
from mien.errors import DataError, ModelError, PluginError

class State:
    def __init__(self, log, bonus=0):
        self.log, self.bonus = log, bonus
        self.note("open")
    def note(self, what):
        with open(self.log, "a") as file:
            file.write(f"{what} {os.getpid()}\\n")
    def opened(self):
        with open(self.log) as file:
            return file.read().count("open")
    def close(self):
        self.note("close")

class Stubborn(Exception):
    """Can be pickled, and not be read back."""
    def __init__(self, one, two):
        super().__init__(one)
class StubbornError(DataError):
    def __init__(self, one, two):
        super().__init__(one)

def square(state, task, report):
    time.sleep(task % 3 * 0.01)
    return task * task
def add_bonus(state, task, report):
    until = time.monotonic() + 30
    while state.opened() < task[1] and time.monotonic() < until:
        time.sleep(0.01)  # else a quick worker does it all
    task = task[0]
    return task + state.bonus
def process(state, task, report):
    return os.getpid()
def environment(state, task, report):
    return [os.environ.get(name) for name in task]
def progress(state, task, report):
    for _ in range(task):
        report(0.5)
    return task
def trouble(state, task, report):
    if task == "unusable":
        raise ModelError("It does not fit.", where="here", hint="Change it.")
    if task == "defect":
        raise KeyError("lost")
    if task == "unpicklable":
        return lambda: None
    if task == "stubborn":
        raise Stubborn(1, 2)
    if task == "stubborn error":
        raise StubbornError("a", "b")
    if task == "die":
        os._exit(7)
    if task == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "leave":
        sys.exit(3)
    if task == "hang":
        time.sleep(600)
    if task == "hang hard":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if task == "clean":
        try:
            time.sleep(600)
        finally:
            state.note("cleaned")
    return task
def refuse(*_):
    raise PluginError("Its weights are absent.")
def stumble(*_):
    raise ValueError("initial")
def exit_at_once(*_):
    os._exit(9)
def threads(state, task, report):
    import torch
    return torch.get_num_threads()
'''


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("importable")
    (folder / "pool_work.py").write_text(WORK)
    sys.path.insert(0, str(folder))  # spawned processes take over the path
    importlib.invalidate_caches()
    yield importlib.import_module("pool_work")
    sys.path.remove(str(folder))
    del sys.modules["pool_work"]


@pytest.fixture(autouse=True)
def _no_process_stays() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def _in_order(outcomes: Iterator[Outcome]) -> list[Outcome]:
    found = sorted(outcomes, key=lambda outcome: outcome.index)
    assert [outcome.index for outcome in found] == list(range(len(found)))
    return found


def _values(outcomes: Iterator[Outcome]) -> list[object]:
    found = _in_order(outcomes)
    assert [outcome.error for outcome in found] == [None] * len(found)
    return [outcome.value for outcome in found]


@pytest.mark.parametrize(("workers", "limit"), [(1, None), (1, 60.0), (2, None), (3, 60.0)])
def test_values_do_not_depend_on_the_workers(work: ModuleType, workers: int, limit: float | None) -> None:
    outcomes = run_tasks(work.square, range(9), workers=workers, time_limit=limit)
    assert _values(outcomes) == [number**2 for number in range(9)]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_tasks_start_nothing(work: ModuleType, workers: int) -> None:
    assert list(run_tasks(work.square, [], workers=workers, initializer=work.refuse)) == []


def test_one_worker_is_this_process_unless_a_limit_is_set(work: ModuleType) -> None:
    assert set(_values(run_tasks(work.process, [1, 2], workers=1))) == {os.getpid()}
    others = set(_values(run_tasks(work.process, [1, 2], workers=1, time_limit=60)))
    assert len(others) == 1
    assert others != {os.getpid()}


def test_no_more_workers_than_tasks(work: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "log"
    arguments = {"workers": 4, "initializer": work.State, "initargs": (log,)}
    assert len(_values(run_tasks(work.process, [1, 2], **arguments))) == 2
    assert log.read_text().count("open") <= 2


@pytest.mark.parametrize("workers", [1, 2])
def test_the_state_is_made_once_a_worker_and_closed(work: ModuleType, tmp_path: Path, workers: int) -> None:
    log = tmp_path / "log"
    outcomes = run_tasks(
        work.add_bonus,
        [(number, workers) for number in range(6)],
        workers=workers,
        initializer=work.State,
        initargs=(log, 100),
    )
    assert _values(outcomes) == [100 + number for number in range(6)]
    lines = [line.split() for line in log.read_text().splitlines()]
    processes = {process for _, process in lines}
    assert len(processes) == workers
    assert sorted(map(tuple, lines)) == sorted((what, one) for one in processes for what in ("open", "close"))


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_travel_as_they_are_and_others_are_named(
    work: ModuleType, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "mien.parallel"):
        bad, defect, good = _in_order(run_tasks(work.trouble, ["unusable", "defect", "fine"], workers=workers))
    assert type(bad.error).__name__ == "ModelError"
    assert str(bad.error) == "here: It does not fit. Change it."
    assert isinstance(defect.error, PluginError)
    assert "KeyError: 'lost'" in str(defect.error)
    assert 'raise KeyError("lost")' in caplog.text
    assert good == Outcome(2, "fine")


@pytest.mark.parametrize("task", ["unpicklable", "stubborn", "stubborn error"])
def test_what_cannot_travel_is_an_error_of_that_task(work: ModuleType, task: str) -> None:
    bad, good = _in_order(run_tasks(work.trouble, [task, "fine"], workers=2))
    assert isinstance(bad.error, MienError)
    assert good.value == "fine"


@pytest.mark.parametrize(("task", "cause"), [("die", "exit code 7"), ("crash", "SIGSEGV"), ("leave", "exit code 3")])
def test_a_dying_worker_costs_one_task(work: ModuleType, task: str, cause: str) -> None:
    found = _in_order(run_tasks(work.trouble, ["a", task, "b", task, "c"], workers=2))
    assert [outcome.value for outcome in found] == ["a", None, "b", None, "c"]
    for dead in (found[1], found[3]):
        assert isinstance(dead.error, DataError)
        assert cause in str(dead.error)


@pytest.mark.parametrize("task", ["hang", "hang hard"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_beyond_the_limit_is_ended_alone(work: ModuleType, workers: int, task: str) -> None:
    began = time.monotonic()
    found = _in_order(run_tasks(work.trouble, ["a", task, "b"], workers=workers, time_limit=1.0))
    assert [outcome.value for outcome in found] == ["a", None, "b"]
    assert isinstance(found[1].error, DataError)
    assert "1 seconds" in str(found[1].error)
    assert time.monotonic() - began < 60


def test_a_worker_that_is_ended_can_clean_up(work: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "log"
    list(run_tasks(work.trouble, ["clean"], workers=1, time_limit=0.5, initializer=work.State, initargs=(log,)))
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["open", "cleaned", "close"]


def test_the_callers_own_time_does_not_count(work: ModuleType) -> None:
    outcomes = run_tasks(work.square, range(4), workers=2, time_limit=0.5)
    found = []
    for outcome in outcomes:
        found.append(outcome)
        time.sleep(0.7)
    assert _values(iter(found)) == [0, 1, 4, 9]


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_adds_up(work: ModuleType, workers: int) -> None:
    done: dict[int, float] = {}
    outcomes = run_tasks(
        work.progress,
        [3, 0, 2000],
        workers=workers,
        on_advance=lambda index, amount: done.update({index: done.get(index, 0) + amount}),
    )
    assert _values(outcomes) == [3, 0, 2000]
    assert done == {0: 1.5, 2: 1000.0}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_initializer_ends_the_pool(work: ModuleType, workers: int) -> None:
    with pytest.raises(PluginError, match="weights are absent"):
        list(run_tasks(work.square, [1, 2], workers=workers, initializer=work.refuse))
    with pytest.raises(PluginError, match="ValueError: initial"):
        list(run_tasks(work.square, [1, 2], workers=workers, initializer=work.stumble))


def test_a_worker_that_dies_before_its_first_task_ends_the_pool(work: ModuleType) -> None:
    with pytest.raises(PluginError, match=r"exit code 9.*__main__"):
        list(run_tasks(work.square, [1, 2], workers=2, initializer=work.exit_at_once))


def test_libraries_get_one_thread(work: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    assert _values(run_tasks(work.environment, [names], workers=2)) == [["1", "1"]]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("workers", [1, 2])
def test_torch_gets_one_thread_and_the_caller_keeps_its_own(work: ModuleType, workers: int) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert _values(run_tasks(work.threads, [0], workers=workers)) == [1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_closing_the_iterator_ends_the_workers(work: ModuleType) -> None:
    outcomes = run_tasks(work.trouble, ["a", "hang", "hang"], workers=2)
    assert next(outcomes).value == "a"
    outcomes.close()
    assert multiprocessing.active_children() == []


def test_an_interrupt_ends_the_workers_and_propagates(work: ModuleType) -> None:
    def interrupt(index: int, amount: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_tasks(work.progress, [5, 5], workers=2, on_advance=interrupt))
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(os.name == "nt", reason="signals a process group")
def test_control_c_in_a_terminal(work: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "script.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(str(work.__file__)).parent)!r})\n"
        "import pool_work\n"
        "from mien.parallel import run_tasks\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        list(run_tasks(pool_work.trouble, ['clean', 'clean'], workers=2,\n"
        f"                       initializer=pool_work.State, initargs=({str(log)!r},)))\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    script = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not (log.exists() and log.read_text().count("open") == 2) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(script.pid, signal.SIGINT)  # as the terminal does: to the parent and to the workers
    _, errors = script.communicate(timeout=60)
    assert script.returncode == 130
    assert errors == ""
    assert log.read_text().count("cleaned") == 2
    for line in log.read_text().splitlines():
        with pytest.raises(ProcessLookupError):
            os.kill(int(line.split()[1]), 0)


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import operator\n"
        "from mien.errors import PluginError\n"
        "from mien.parallel import run_tasks\n"
        "try:\n"
        "    list(run_tasks(operator.add, [1], workers=2))\n"
        "except PluginError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=60)
    assert run.stdout.startswith("A worker process cannot be started")
    assert "if __name__ == '__main__'" in run.stdout


@pytest.mark.parametrize("setting", [{"workers": 0}, {"workers": 1, "time_limit": 0}])
def test_settings_that_make_no_sense_are_refused_at_once(work: ModuleType, setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        run_tasks(work.square, [1], **setting)

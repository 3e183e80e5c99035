"""A dask cluster gives what processes here give; a worker that hangs or dies costs its task, and errors are clear."""

from __future__ import annotations

import importlib
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mien.errors import ConfigError, DataError, ModelError, PluginError
from mien.parallel import Cluster, Outcome, run_tasks
from mien.parallel.cluster_worker import Errand, greet, own_version

distributed = pytest.importorskip("distributed")

# Workers import their functions by name, which they cannot do with this file.
WORK = """
import os, threading, time
from mien.errors import DataError, ModelError, PluginError

BUSY = threading.Lock()

class State:
    def __init__(self, log, bonus=0):
        self.log, self.bonus = log, bonus
        self.note("open")
    def note(self, what):
        with open(self.log, "a") as file:
            file.write(f"{what} {os.getpid()}\\n")
    def close(self):
        self.note("close")

def square(state, task, report):
    time.sleep(task % 3 * 0.01)
    return task * task
def add_bonus(state, task, report):
    assert BUSY.acquire(blocking=False), "two tasks at a time"
    time.sleep(0.05)
    BUSY.release()
    return task + state.bonus, os.getpid()
def progress(state, task, report):
    for _ in range(task):
        report(0.5)
    return task
def trouble(state, task, report):
    what, log = task
    state = State(log)
    if what == "unusable":
        raise ModelError("It does not fit.", where="here", hint="Change it.")
    if what == "defect":
        raise KeyError("lost")
    if what == "unpicklable":
        return lambda: None
    if what == "die":
        os._exit(7)
    if what == "die once":
        with open(log) as file:
            died = "died" in file.read()
        state.note("died")
        if not died:
            os._exit(7)
    if what == "hang":
        time.sleep(600)
    if what == "dawdle":
        time.sleep(3)
    return what
def refuse(*_):
    raise PluginError("Its weights are absent.")
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("importable")
    (folder / "cluster_work.py").write_text(WORK)
    sys.path.insert(0, str(folder))  # spawned processes take over the path
    importlib.invalidate_caches()
    yield importlib.import_module("cluster_work")
    sys.path.remove(str(folder))
    del sys.modules["cluster_work"]


@pytest.fixture(scope="module")
def address(work: ModuleType) -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0", memory_limit=0
    ) as running:
        yield running.scheduler_address


@pytest.fixture
def cluster(address: str, tmp_path: Path) -> Cluster:
    return Cluster(address, tmp_path / "store")


def by_index(outcomes: Iterator[Outcome[object]]) -> list[Outcome[object]]:
    return sorted(outcomes, key=lambda outcome: outcome.index)


def test_the_values_are_those_of_processes_here(work: ModuleType, cluster: Cluster) -> None:
    tasks = list(range(12))
    here = by_index(run_tasks(work.square, tasks, workers=1))
    there = by_index(run_tasks(work.square, tasks, workers=1, cluster=cluster))
    assert there == here
    assert list(cluster.shared.iterdir()) == []  # nothing is left in the store


def test_no_tasks_need_no_cluster(work: ModuleType, tmp_path: Path) -> None:
    nowhere = Cluster("tcp://127.0.0.1:1", tmp_path)
    assert list(run_tasks(work.square, [], workers=1, cluster=nowhere)) == []


def test_a_state_is_made_once_a_worker_serves_one_task_at_a_time_and_is_closed(
    work: ModuleType, cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    made = by_index(
        run_tasks(
            work.add_bonus, range(10), workers=1, cluster=cluster, initializer=work.State, initargs=(str(log), 100)
        )
    )
    values = [outcome.value for outcome in made]
    assert [outcome.error for outcome in made] == [None] * 10
    assert [value[0] for value in values] == list(range(100, 110))  # type: ignore[index]
    workers = {value[1] for value in values}  # type: ignore[index]
    lines = log.read_text().split("\n")[:-1]
    assert sorted(lines) == sorted([f"open {pid}" for pid in workers] + [f"close {pid}" for pid in workers])


def test_progress_arrives(work: ModuleType, cluster: Cluster) -> None:
    amounts: dict[int, float] = {}

    def advance(index: int, amount: float) -> None:
        amounts[index] = amounts.get(index, 0) + amount

    list(run_tasks(work.progress, [4, 7], workers=1, cluster=cluster, on_advance=advance))
    assert amounts == {0: 2.0, 1: 3.5}


def test_errors_are_those_of_processes_here(work: ModuleType, cluster: Cluster, tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    tasks = [("unusable", log), ("defect", log), ("unpicklable", log), ("fine", log)]
    unusable, defect, unpicklable, fine = by_index(run_tasks(work.trouble, tasks, workers=1, cluster=cluster))
    assert isinstance(unusable.error, ModelError)
    assert (unusable.error.message, unusable.error.where) == ("It does not fit.", "here")
    assert isinstance(defect.error, PluginError)
    assert "KeyError" in defect.error.message
    assert isinstance(unpicklable.error, PluginError)
    assert fine.value == "fine"


def test_a_lost_worker_is_made_up_for_once(work: ModuleType, cluster: Cluster, tmp_path: Path) -> None:
    tasks = [("die once", str(tmp_path / "log")), ("fine", str(tmp_path / "other"))]
    outcomes = by_index(run_tasks(work.trouble, tasks, workers=1, cluster=cluster))
    assert [outcome.value for outcome in outcomes] == ["die once", "fine"]


def test_a_task_that_kills_its_workers_is_set_aside(work: ModuleType, cluster: Cluster, tmp_path: Path) -> None:
    tasks = [("die", str(tmp_path / "log"))] + [("fine", str(tmp_path / "other"))] * 3
    dead, *fine = by_index(run_tasks(work.trouble, tasks, workers=1, cluster=cluster))
    assert isinstance(dead.error, DataError)
    assert "lost" in dead.error.message
    assert [outcome.value for outcome in fine] == ["fine"] * 3
    assert (tmp_path / "log").read_text().count("open") <= 3


def test_a_task_that_hangs_is_given_up(work: ModuleType, cluster: Cluster, tmp_path: Path) -> None:
    tasks = [("hang", str(tmp_path / "log")), ("fine", str(tmp_path / "other"))]
    began = time.monotonic()
    hung, fine = by_index(run_tasks(work.trouble, tasks, workers=1, cluster=cluster, time_limit=2))
    assert isinstance(hung.error, DataError)
    assert "2 seconds" in hung.error.message
    assert fine.value == "fine"
    assert time.monotonic() - began < 120
    assert (tmp_path / "log").read_text().count("open") == 1  # it is not begun again


def test_what_keeps_a_worker_from_starting_ends_the_call(work: ModuleType, cluster: Cluster) -> None:
    with pytest.raises(PluginError, match="weights are absent"):
        list(run_tasks(work.square, [1, 2], workers=1, cluster=cluster, initializer=work.refuse))


def test_the_call_can_be_left_early(work: ModuleType, cluster: Cluster) -> None:
    outcomes = run_tasks(work.square, range(20), workers=1, cluster=cluster)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert list(cluster.shared.iterdir()) == []


def test_a_cluster_that_fits_passes_the_check(cluster: Cluster) -> None:
    cluster.check()
    assert list(cluster.shared.iterdir()) == []  # the file that workers looked for is gone


def test_a_worker_that_does_not_see_the_store_is_named(tmp_path: Path) -> None:
    errand = Errand("key", b"", tmp_path / "elsewhere" / "probe", own_version())
    with pytest.raises(ConfigError, match="does not see the store") as error:
        greet(errand)
    assert socket.gethostname() in error.value.message
    assert "--store" in (error.value.hint or "")


def test_a_worker_with_another_mien_is_named(tmp_path: Path) -> None:
    probe = tmp_path / "probe"
    probe.touch()
    with pytest.raises(ConfigError, match="another mien"):
        greet(Errand("key", b"", probe, "mien==0.0"))


@pytest.mark.parametrize("wrong", ["tcp://127.0.0.1:1", "nonsense", "http://127.0.0.1:1"])
def test_a_wrong_address_is_told_within_seconds(tmp_path: Path, wrong: str) -> None:
    began = time.monotonic()
    with pytest.raises(ConfigError, match="No dask scheduler answers") as error:
        Cluster(wrong, tmp_path).check()
    assert wrong in error.value.message
    assert "tcp://" in (error.value.hint or "")
    assert time.monotonic() - began < 60


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(PluginError, match="not installed") as error:
        Cluster("tcp://127.0.0.1:1", tmp_path).check()
    assert "mien[cluster]" in (error.value.hint or "")


def test_a_task_without_progress_is_told_once(
    work: ModuleType,
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("mien.parallel.silence.LONG", 0.5)
    tasks = [("dawdle", tmp_path / "log"), ("fine", tmp_path / "log")]
    with caplog.at_level("WARNING", "mien"):
        found = list(run_tasks(work.trouble, tasks, workers=1, cluster=cluster, name=lambda task: f"Task {task[0]}"))
    assert {outcome.value for outcome in found} == {"dawdle", "fine"}
    told = [record.message for record in caplog.records if "no progress" in record.message]
    assert [message.partition(" has")[0] for message in told] == ["Task dawdle"]

"""A task that hangs or dies is told with the component that was at work; the others are done."""

import importlib
import logging
import sys
import time

import pytest

from mien.config.run_config import RunConfig
from mien.errors import DataError, PluginError
from mien.parallel import pool, run_tasks, silence
from mien.promises import at_work, watch

WORK = '''
import os, time
from mien import AttributionMethod
from mien.promises import at_work

class Slow(AttributionMethod):
    """Never done."""
    def attribute(self, model, batch, target):
        raise NotImplementedError

SLOW = Slow().named("slow", "mien-slow==3.2")

def run(state, task, report):
    with at_work(SLOW, "attribute"):
        if task == "hang":
            time.sleep(600)
        if task == "die":
            os._exit(7)
        if task == "raise":
            raise ZeroDivisionError
        if task == "leave":
            raise SystemExit(2)
    if task == "hang after":
        time.sleep(600)
    if task == "dawdle":
        with at_work(SLOW, "attribute"):
            time.sleep(1.5)
    if task == "go on":
        for _ in range(15):
            time.sleep(0.1)
            report(1)
    return task

def never_ready():
    with at_work(SLOW, "open"):
        time.sleep(600)
'''


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    (folder / "slow_work.py").write_text(WORK)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield importlib.import_module("slow_work")
    sys.path.remove(str(folder))
    del sys.modules["slow_work"]


def test_who_was_at_work_is_named_and_the_others_are_done(work):
    tasks = ["hang", "one", "die", "two", "raise", "leave"]
    began = time.monotonic()
    found = {tasks[one.index]: one for one in run_tasks(work.run, tasks, workers=2, time_limit=2.0)}
    assert time.monotonic() - began < 60
    assert (found["one"].value, found["two"].value) == ("one", "two")
    who = "attribution 'slow' of mien-slow==3.2"
    assert isinstance(found["hang"].error, DataError)
    assert found["hang"].error.message == (
        f"It took longer than the limit of 2 seconds; at work was {who}, in 'attribute'."
    )
    assert "task_time_limit" in found["hang"].error.hint
    assert found["die"].error.message == f"Its process died (exit code 7); at work was {who}, in 'attribute'."
    for task, did in (("raise", "It raised ZeroDivisionError, in 'attribute'."), ("leave", "It raised SystemExit: 2")):
        assert isinstance(found[task].error, PluginError)
        assert found[task].error.where == who
        assert did in found[task].error.message


def test_nobody_is_blamed_for_what_came_after(work):
    (outcome,) = run_tasks(work.run, ["hang after"], workers=1, time_limit=1.0)
    assert outcome.error.message == "It took longer than the limit of 1 seconds."


def test_a_worker_that_is_never_ready_is_told_too(work, monkeypatch):
    monkeypatch.setattr(pool, "_START", 1.0)
    with pytest.raises(PluginError, match=r"it took too long; at work was attribution 'slow' of mien-slow==3\.2"):
        list(run_tasks(work.run, ["one"], workers=1, time_limit=3.0, initializer=work.never_ready))


def named(task):
    return f"Recording {task}"


def _told(caplog):
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_without_progress_is_told_once_with_who_is_at_work(work, workers, monkeypatch, caplog):
    monkeypatch.setattr(silence, "LONG", 0.6)
    with caplog.at_level(logging.WARNING, "mien"):
        found = list(run_tasks(work.run, ["dawdle", "go on", "one"], workers=workers, name=named))
    assert {outcome.value for outcome in found} == {"dawdle", "go on", "one"}
    told = [message for message in _told(caplog) if not message.startswith("The start of a worker")]  # a busy machine
    assert len(told) == 1, told
    assert told[0].startswith(
        "Recording dawdle has shown no progress for 0.6 seconds; at work is attribution 'slow' of mien-slow==3.2, in "
        "'attribute'. If it hangs, "
    )
    assert "--time-limit" in told[0]


@pytest.mark.parametrize(("limit", "name"), [(60.0, named), (None, None)])
@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_told_where_a_limit_tells_or_nothing_has_a_name(work, limit, name, workers, monkeypatch, caplog):
    monkeypatch.setattr(silence, "LONG", 0.2)
    with caplog.at_level(logging.WARNING, "mien"):
        list(run_tasks(work.run, ["dawdle", "one"], workers=workers, time_limit=limit, name=name))
    assert _told(caplog) == []


def test_the_callers_own_time_is_no_silence(work, monkeypatch, caplog):
    monkeypatch.setattr(silence, "LONG", 0.6)
    with caplog.at_level(logging.WARNING, "mien"):
        for _ in run_tasks(work.run, ["one", "two", "three"], workers=1, name=named):
            time.sleep(0.8)
    assert _told(caplog) == []


def test_whoever_listened_before_listens_after(work):
    heard = []
    watch(heard.append)
    try:
        list(run_tasks(work.run, ["dawdle"], workers=1, name=named))
        assert heard == ["attribution 'slow' of mien-slow==3.2, in 'attribute'", ""] * 2
        with at_work(work.SLOW, "check"):
            assert heard[-1].endswith("in 'check'")
    finally:
        watch(None)


def test_long_is_ten_minutes_and_told_in_minutes(caplog):
    quiet = silence.Silence(named)
    quiet.begin("r7")
    quiet.look("")
    quiet.due = time.monotonic()
    with caplog.at_level(logging.WARNING, "mien"):
        quiet.look("")
        quiet.heard()
        quiet.look("")
    (message,) = _told(caplog)
    assert message.startswith("Recording r7 has shown no progress for 10 minutes. If it hangs, stop the run (Ctrl-C)")


def test_the_configuration_may_set_the_limit():
    field = RunConfig.model_fields["task_time_limit"]
    assert field.default is None
    assert "one task" in field.description

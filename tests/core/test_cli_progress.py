"""Progress is drawn on a terminal and logged elsewhere; either way it says how fast the work goes."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from mien.cli.progress import BarProgress, LogProgress, make_progress, rate_text


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_bars_on_a_terminal_only() -> None:
    assert isinstance(make_progress(terminal()), BarProgress)
    assert isinstance(make_progress(Console(file=io.StringIO())), LogProgress)


@pytest.mark.parametrize(
    ("speed", "text"),
    [(None, ""), (0.0, ""), (411.4, "411 frames/s"), (2.52, "2.5 frames/s"), (0.25, "4.0 s/frame")],
)
def test_rate(speed: float | None, text: str) -> None:
    assert rate_text(speed, "frames") == text


def test_bar_shows_label_count_and_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.cli.progress._SHORT_S", 0.0)
    console = terminal()
    with BarProgress(console).task("tracking [faces]", 4, "frames") as task:
        task.advance(3)
        task.advance()
    shown = written(console)
    assert "tracking [faces]" in shown
    assert "4/4" in shown
    assert "frames" in shown


def test_a_short_bar_disappears() -> None:
    console = terminal()
    with BarProgress(console).task("quick", 4, "frames") as task:
        task.advance(4)
    assert "4/4" not in written(console)


def test_nested_bars_and_a_second_round() -> None:
    console = terminal()
    progress = BarProgress(console)
    with progress.task("outer", 1, "steps") as outer:
        with progress.task("inner", None) as inner:
            inner.advance()
        outer.advance()
    with progress.task("later", 1) as later:
        later.advance()
    for label in ("outer", "inner", "later"):
        assert label in written(console)


def test_bars_stop_when_the_work_fails() -> None:
    progress = BarProgress(terminal())
    with pytest.raises(ValueError, match="no"), progress.task("work", 2):
        raise ValueError("no")
    assert progress._bars is None


def test_log_lines(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO, logger="mien.cli.progress")
    monkeypatch.setattr(logging.getLogger("mien"), "propagate", True)  # the command line turns it off
    with LogProgress().task("training", 10, "epochs") as task:
        task.advance(10)
    first, last = (record.message for record in caplog.records if record.name == "mien.cli.progress")
    assert first == "training (10 epochs)"
    assert last.startswith("training: done in ")
    assert "epochs/s" in last

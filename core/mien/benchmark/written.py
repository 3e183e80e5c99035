"""What a benchmark leaves in a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mien.benchmark.board import Board, as_json, make_board
from mien.benchmark.figures import charts
from mien.benchmark.markdown import as_markdown
from mien.benchmark.page import render
from mien.benchmark.result import BenchmarkResult
from mien.report import draw_matplotlib
from mien.store.faults import explained

PAGE, JSON, MARKDOWN = "leaderboard.html", "leaderboard.json", "leaderboard.md"


@dataclass(frozen=True)
class Written:
    """The board, and where it lies."""

    board: Board
    page: Path


def write_results(result: BenchmarkResult, out: Path) -> Written:
    """Write the page, the JSON, the Markdown table, the figures and the tables of a benchmark into ``out``.

    They are ``leaderboard.html`` (one file that opens offline), ``leaderboard.json``, ``leaderboard.md``,
    ``figures/*.pdf|svg|png`` and ``tables/benchmark_*.parquet``.

    Raises
    ------
    DataError
        When the folder cannot be written.
    """
    board = make_board(result)
    with explained(out):
        tables = out / "tables"
        tables.mkdir(parents=True, exist_ok=True)
        for name, table in board.tables.items():
            table.to_parquet(tables / f"{name}.parquet", index=False)
        text = json.dumps(as_json(board), indent=2, ensure_ascii=False, allow_nan=False)
        (out / JSON).write_text(text + "\n", encoding="utf-8")
        (out / MARKDOWN).write_text(as_markdown(board), encoding="utf-8")
        (out / PAGE).write_text(render(board), encoding="utf-8")
        for old in (out / "figures").glob("benchmark_*.*"):
            old.unlink()  # of a run with other tasks
        for chart in charts(board):
            draw_matplotlib.save(chart, out / "figures")
    return Written(board, out / PAGE)

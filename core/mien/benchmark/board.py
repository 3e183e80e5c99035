"""Everything that is reckoned from a benchmark's scores."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mien.benchmark.gates import gates
from mien.benchmark.leaderboard import OWN_RULE, RULE, leaderboard
from mien.benchmark.result import BenchmarkResult
from mien.benchmark.schema import FORMAT, IN_JSON, json_name
from mien.benchmark.summary import summarise
from mien.benchmark.tables import BENCHMARK_TABLES, GATES, LEADERBOARD, MODELS, SCORES, SUMMARY
from mien.run.record import NOTICE


@dataclass(frozen=True)
class Board:
    """A result with its tables `SUMMARY`, `LEADERBOARD` and `GATES`."""

    result: BenchmarkResult
    summary: pd.DataFrame
    leaderboard: pd.DataFrame
    gates: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, as in `BENCHMARK_TABLES`."""
        found = {
            SCORES.name: self.result.scores,
            MODELS.name: self.result.models,
            SUMMARY.name: self.summary,
            LEADERBOARD.name: self.leaderboard,
            GATES.name: self.gates,
        }
        return {name: found[name] for name in BENCHMARK_TABLES}

    @property
    def methods(self) -> list[str]:
        """The methods, the best first."""
        return [str(name) for name in self.leaderboard["method"]]


def make_board(result: BenchmarkResult) -> Board:
    """Return what a result shows; the bootstrap's seed is ``about["seed"]``."""
    seed = int(result.about.get("seed", 0))
    summary = summarise(result.scores, result.models, seed)
    ranked = leaderboard(result.scores, result.methods, seed)
    return Board(result, summary, ranked, gates(summary, result.scores, result.models, result.uses, seed))


def as_json(board: Board) -> dict[str, Any]:
    """Return the content of ``leaderboard.json``; what is undefined is null.  The scores are in their own table."""
    rows = {
        json_name(table): json.loads(board.tables[table.name].to_json(orient="records", double_precision=15))
        for table in IN_JSON
    }
    rule = RULE if board.result.planted else OWN_RULE
    return {"format": FORMAT, "notice": NOTICE, "about": _plain(board.result.about), "rule": rule, **rows}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)

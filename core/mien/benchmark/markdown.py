"""The leaderboard as a compact Markdown table, e.g. for a README."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mien.benchmark import words
from mien.benchmark.board import Board
from mien.benchmark.measures import MEASURES
from mien.benchmark.page import records
from mien.benchmark.strips import range_text, value_text

COLUMNS = (
    "densest_planted",
    "density",
    "unit_named",
    "temporal_r",
    "background_share",
    "deletion_blur",
    "insertion_blur",
    "randomisation",
    "stability_noise",
    "seconds",
)
"""The measures of the compact table; the page and the JSON have all of them."""

_INTERVALS = ("density", "temporal_r")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|])")


def as_markdown(board: Board) -> str:
    """Return the table with a line that dates it and names the machine."""
    heads, rows = compact(board)
    lines = [_row(heads), _row(["--:", ":--", *("--:" for _ in heads[2:])])]
    lines += [_row([place, escaped(method), *cells]) for place, method, *cells in rows]
    return "\n".join([*lines, "", _dated(board), ""])


def compact(board: Board) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the rows of the compact table; the second column is the method."""
    present = [name for name in COLUMNS if board.leaderboard[name].notna().any()]
    heads = [f"{MEASURES[name].short} {'↑' if MEASURES[name].higher else '↓'}" for name in present]
    rows = [[*_first(row), *(_cell(row, name) for name in present)] for row in records(board.leaderboard)]
    return ["#", "method", "mean rank", *heads], rows


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _first(row: Mapping[str, Any]) -> list[str]:
    rank = f"{row['mean_rank']:.1f}" if math.isfinite(row["mean_rank"]) else "–"
    if math.isfinite(row["mean_rank_low"]):
        rank += f" ({row['mean_rank_low']:.1f} to {row['mean_rank_high']:.1f})"
    return [str(int(row["place"])), str(row["method"]), rank]


def _cell(row: Mapping[str, Any], name: str) -> str:
    measure = MEASURES[name]
    text = value_text(measure, row[name])
    ends = range_text(measure, row[f"{name}_low"], row[f"{name}_high"]) if name in _INTERVALS else ""
    return f"{text} ({ends})" if ends else text


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _dated(board: Board) -> str:
    about = board.result.about
    version = about.get("versions", {}).get("mien")
    parts = [f"mien {version}"] if version else []
    parts += [str(about[key]) for key in ("date", "machine") if about.get(key)]
    parts += ["quick run"] if about.get("quick") else []
    gates = [f"Gates: {words.gates_said(board.gates)}"] if len(board.gates) else []
    return "\n\n".join([*([f"*{escaped('; '.join(parts))}*"] if parts else []), *gates])

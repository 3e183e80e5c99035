"""What stands on the benchmark's page; the template only lays it out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mien.benchmark import words
from mien.benchmark.board import Board
from mien.benchmark.leaderboard import OWN_RULE, RULE, UNIT_TASKS, cell_ranks, tasks_of
from mien.benchmark.measures import GROUPS, MEASURES, Measure, measures_of
from mien.benchmark.strips import Strip, best_places, range_text, scale_of, sentence, strip, value_text
from mien.benchmark.tables import ALL
from mien.report import facts
from mien.report.facts import Grid
from mien.report.html import page_asset, page_environment
from mien.report.sections import Card
from mien.report.words import number

_SHADES = 5
_REST = ("completeness", "cost")


@dataclass(frozen=True)
class Cell:
    """A cell of the leaderboard; ``shade`` is 0 (the last fifth) to 4 (the first), -1 for none."""

    text: str
    title: str = ""
    shade: int = -1


@dataclass(frozen=True)
class Place:
    """A row of the leaderboard."""

    place: int
    method: str
    about: str
    rank: str
    rank_interval: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Gate:
    """A demand and what was found; ``state`` is passed, failed or open."""

    gate: str
    task: str
    value: str
    interval: str
    bound: str
    state: str
    note: str


@dataclass(frozen=True)
class Demand:
    """A gate of several tasks: one for each, or None."""

    gate: str
    gates: Sequence[Gate | None]


@dataclass(frozen=True)
class Panel:
    """A measure: methods by tasks."""

    measure: Measure
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Strip]]]
    low: str
    high: str


@dataclass(frozen=True)
class Page:
    """Everything that the template lays out."""

    title: str
    lead: str
    cards: Sequence[Card]
    done: Sequence[str]
    gates: Sequence[Gate]
    gate_tasks: Sequence[str]
    demands: Sequence[Demand]
    single_gates: Sequence[Gate]
    gates_said: str
    heads: Sequence[tuple[str, Sequence[Measure]]]
    places: Sequence[Place]
    rule: str
    panels: Mapping[str, Sequence[Panel]]
    models: Grid | None
    figures: Sequence[tuple[str, Grid]]
    refused: Grid | None
    methods: Grid
    notes: Sequence[str]
    reading: Sequence[str]
    limits: Sequence[str]
    facts: Sequence[tuple[str, str]]
    versions: Grid
    recipe: str


def render(board: Board) -> str:
    """Return the page as HTML: one file without any address to load from."""
    template = page_environment().get_template("leaderboard.html.j2")
    return template.render(page=content(board), css=page_asset("report.css"), own_css=page_asset("leaderboard.css"))


def content(board: Board) -> Page:
    """Return the page's content."""
    about, result = board.result.about, board.result
    judged = [_gate(row) for row in records(board.gates)]
    found = {(gate.gate, gate.task): gate for gate in judged}
    tasks = [task for task in UNIT_TASKS if any(gate.task == task for gate in judged)]
    return Page(
        title=words.title(board),
        lead=words.lead(board),
        cards=_cards(board),
        done=words.done(board),
        gates=judged,
        gate_tasks=tasks,
        demands=[
            Demand(name, [found.get((name, task)) for task in tasks])
            for name in dict.fromkeys(gate.gate for gate in judged if gate.task in tasks)
        ],
        single_gates=[gate for gate in judged if gate.task not in tasks],
        gates_said=words.gates_said(board.gates),
        heads=_heads(board),
        places=_places(board),
        rule=RULE if result.planted else OWN_RULE,
        panels={title: panels for title, panels in _panels(board) if panels},
        models=_models(result.models),
        figures=list(_figures(board)),
        refused=_pairs(["method", "why it took no part"], about.get("refused", {})),
        methods=_methods(result.methods),
        notes=[str(note) for note in about.get("notes", [])],
        reading=words.reading(planted=result.planted),
        limits=words.limits(planted=result.planted),
        facts=words.provenance(about),
        versions=facts.grid(["library", "version"], [[k, v] for k, v in about.get("versions", {}).items()]),
        recipe=json.dumps(about["recipe"], indent=2, ensure_ascii=False, default=str) if "recipe" in about else "",
    )


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as mappings; what is absent is NaN or None."""
    return [{str(name): None if value is pd.NA else value for name, value in row.items()}
            for row in table.to_dict("records")]  # fmt: skip


def _cards(board: Board) -> list[Card]:
    result = board.result
    people = result.scores["participant"].nunique()
    cards = [Card(str(len(board.methods)), "methods and variants"), Card(str(people), "participants")]
    if result.planted:
        cards.insert(1, Card(str(result.scores.loc[result.scores["task"] != "", "task"].nunique()), "planted tasks"))
        cards.append(Card(str(result.models["seed"].nunique()), "seeds a task"))
        passed = int(board.gates["passed"].sum())
        cards.insert(0, Card(f"{passed} of {len(board.gates)}", "gates passed"))
    return cards


def _gate(row: Mapping[str, Any]) -> Gate:
    percent = "|r|" not in row["gate"] and "completeness gap" in row["gate"]

    def text(value: Any) -> str:
        if value is None or not math.isfinite(value):
            return "–"
        return f"{100 * value:.2g} %" if percent else f"{value:.0f}" if value == int(value) else number(value, 2)

    ends = f"{text(row['low'])} to {text(row['high'])}" if math.isfinite(row["low"]) else ""
    state = "open" if row["passed"] is None else "passed" if row["passed"] else "failed"
    sign = {">=": "≥", "<=": "≤"}.get(row["relation"], row["relation"])
    bound = f"{sign} {text(row['bound'])}" if math.isfinite(row["bound"]) else "none set"
    return Gate(row["gate"], row["task"], text(row["value"]), ends, bound, state, row["note"])


def shown(board: Board) -> list[Measure]:
    """Return the measures that some method has, in order."""
    table = board.leaderboard
    return [measure for measure in MEASURES.values() if table[measure.name].notna().any()]


def _heads(board: Board) -> list[tuple[str, Sequence[Measure]]]:
    present = shown(board)
    # One narrow column of its own would be as wide as the word above it.
    parts = ((GROUPS["planted"], ("planted",)), (GROUPS["faithfulness"], ("faithfulness",)), ("Not ranked", _REST))
    heads = [(title, [measure for measure in present if measure.group in groups]) for title, groups in parts]
    return [(title, measures) for title, measures in heads if measures]


def standing(board: Board, measures: Sequence[Measure]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the share of the other methods that do no better, ``(methods, measures)``; NaN where undefined."""
    means = np.array([[row[measure.name] for measure in measures] for row in records(board.leaderboard)], float)
    if len(means) < 2 or not measures:
        return np.full(means.shape, np.nan)
    ranks = cell_ranks(means.T[None], measures, "min")[0].T
    return np.where(np.isfinite(means), (len(means) - ranks) / (len(means) - 1), np.nan)


def _places(board: Board) -> list[Place]:
    measures = shown(board)
    shares = standing(board, measures)
    places = []
    for row, own in zip(records(board.leaderboard), shares, strict=True):
        cells = [
            Cell(
                value_text(measure, row[measure.name]),
                _cell_title(measure, row),
                int(min(share * _SHADES, _SHADES - 1)) if measure.ranked and math.isfinite(share) else -1,
            )
            for measure, share in zip(measures, own, strict=True)
        ]
        rank = number(row["mean_rank"], 3) if math.isfinite(row["mean_rank"]) else "–"
        low, high = row["mean_rank_low"], row["mean_rank_high"]
        ends = f"{low:.1f} to {high:.1f}" if math.isfinite(low) else ""
        places.append(Place(int(row["place"]), row["method"], words.promise(row), rank, ends, cells))
    return places


def _cell_title(measure: Measure, row: Mapping[str, Any]) -> str:
    value = row[measure.name]
    if not math.isfinite(value):
        return f"{measure.title}: not measured, not defined or not applicable"
    text = f"{measure.title}: {value_text(measure, value)}"
    ends = range_text(measure, row[f"{measure.name}_low"], row[f"{measure.name}_high"])
    text += f" (95 % interval {ends})" if ends else ""
    beside = row[f"{measure.name}_control"]
    return text + (f"; untrained {value_text(measure, beside)}" if math.isfinite(beside) else "")


def _rows_by(board: Board, measure: Measure) -> dict[tuple[str, str], dict[str, Any]]:
    table = board.summary
    own = table[(table["measure"] == measure.name) & (table["seed"] == ALL)]
    return {(row["task"], row["method"]): row for row in records(own)}


def _panels(board: Board) -> Iterator[tuple[str, list[Panel]]]:
    tasks = list(dict.fromkeys(board.summary["task"]))
    for group, title in GROUPS.items():
        found = [_panel(board, measure, tasks) for measure in measures_of(group)]
        yield title, [panel for panel in found if panel is not None]


def _panel(board: Board, measure: Measure, tasks: Sequence[str]) -> Panel | None:
    rows = _rows_by(board, measure)
    defined = {task for (task, _), row in rows.items() if math.isfinite(row["mean"])}
    # Where a measure is not summed up it is still shown, after the tasks where it is.
    counted = tasks_of(measure, tasks)
    columns = [task for task in [*counted, *(t for t in tasks if t not in counted)] if task in defined]
    if not columns:
        return None
    scale = scale_of(measure, [row for (task, _), row in rows.items() if task in columns])
    best = {task: best_places(measure, [rows.get((task, method)) for method in board.methods]) for task in columns}
    cells = [
        (method, [strip(measure, rows.get((task, method)), scale, best=place in best[task]) for task in columns])
        for place, method in enumerate(board.methods)
    ]
    heads = [words.task_title(task) for task in columns]
    return Panel(measure, heads, cells, value_text(measure, scale.low), value_text(measure, scale.high))


def _models(models: pd.DataFrame) -> Grid | None:
    if models.empty:
        return None
    rows = [
        [words.task_title(row["task"]), str(row["seed"]), row["network"], row["r"],
         f"{number(row['r_low'])} to {number(row['r_high'])}" if math.isfinite(row["r_low"]) else "–",
         row["mae"], row["n"]]
        for row in records(models)
    ]  # fmt: skip
    headers = ["task", "seed", "network", "r", "95 % interval", "mean absolute error", "participants"]
    return facts.grid(headers, rows)


def _figures(board: Board) -> Iterator[tuple[str, Grid]]:
    """Yield every figure of each task, of all seeds together, in words."""
    for task, own in board.summary[board.summary["seed"] == ALL].groupby("task", sort=False):
        measures = [MEASURES[name] for name in MEASURES if name in set(own["measure"])]
        found = {(row["method"], row["measure"]): row for row in records(own)}
        rows = [
            [method, *(_figure(measure, found.get((method, measure.name))) for measure in measures)]
            for method in board.methods
        ]
        yield words.task_title(str(task)), facts.grid(["method", *(measure.title for measure in measures)], rows)


def _figure(measure: Measure, row: Mapping[str, Any] | None) -> str:
    if row is None or not math.isfinite(row["mean"]):
        return "–"
    return sentence(measure, row)


def _pairs(headers: Sequence[str], pairs: Mapping[str, Any]) -> Grid | None:
    return facts.grid(headers, [[str(k), str(v)] for k, v in pairs.items()]) if pairs else None


def _methods(methods: Mapping[str, Mapping[str, Any]]) -> Grid:
    rows = [
        [name, known.get("use", name), words.promise(known), known.get("distribution", ""),
         ", ".join(f"{key} {value}" for key, value in known.get("fields", {}).items()), known.get("citation", "")]
        for name, known in methods.items()
    ]  # fmt: skip
    return facts.grid(["method", "id", "completeness, sign", "package", "parameters", "source"], rows)

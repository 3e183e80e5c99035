"""Analyzers' tables are what the analyzers describe, or they cost the analyzer its results and nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pandas as pd
import pluggy
import pytest

from mien.errors import DataError, PluginError
from mien.interfaces import Analysis, Analyzer, RunView
from mien.registry import Entry, Registry, load_registry
from mien.schemas import all_schemas, analyzer_tables
from mien.steps.analyze import analyze, as_described
from mien.steps.context import RunContext
from mien.store.store import Store
from mien.tables import FRAME, PARTICIPANT, RECORDING, Column, Table
from mien.testing import AnalyzerSuite, BrokenPromise

BLINKS = Table("blinks", "A blink.", (RECORDING, PARTICIPANT, FRAME, Column("depth", "number", "Its depth.", "mm")))
GOOD: dict[str, Any] = {"depth": [1, 2], "frame": [3.0, 4.0], "participant": ["p0", "p1"], "recording": ["r0", "r1"]}
RECORDINGS = pd.DataFrame({"recording": ["r0", "r1"], "participant": ["p0", "p1"]})


class Fixed(Analyzer):
    """Gives the tables that it is told to."""

    tables: ClassVar[tuple[Table, ...]] = (BLINKS,)
    given: dict[str, dict[str, list[Any]]]

    def analyze(self, run: RunView) -> Analysis:
        """Give them."""
        return Analysis({name: pd.DataFrame(columns) for name, columns in self.given.items()}, notes=["Done."])


class Same(Fixed):
    """Describes another table by the same name, and one that the run itself has."""

    tables: ClassVar[tuple[Table, ...]] = (
        Table("blinks", "A blink of another kind.", (FRAME,)),
        Table("relevance", "Not the run's.", (FRAME,)),
    )


def described(**given: dict[str, list[Any]]) -> Analysis:
    analyzer = Fixed(given=given)
    view: Any = SimpleNamespace(recordings=RECORDINGS)
    return as_described(analyzer, analyzer.analyze(view), view.recordings)


def test_a_table_gets_its_order_and_types() -> None:
    table = described(blinks=GOOD).tables["blinks"]
    assert list(table.columns) == ["recording", "participant", "frame", "depth"]
    assert [str(table[name].dtype) for name in ("frame", "depth")] == ["int64", "float64"]


def test_a_table_without_rows_gets_its_types() -> None:
    table = described(blinks={name: [] for name in GOOD}).tables["blinks"]
    assert [str(table[name].dtype) for name in ("frame", "depth")] == ["int64", "float64"]


BAD: dict[str, tuple[dict[str, dict[str, list[Any]]], str]] = {
    "unknown": ({"blinx": GOOD}, "table 'blinx': The analyzer does not describe it. Did you mean 'blinks'?"),
    "of the run": ({"relevance": GOOD}, "table 'relevance': A table of the run itself has this name."),
    "missing": ({"blinks": {k: v for k, v in GOOD.items() if k != "depth"}}, "table 'blinks': .* lacks depth"),
    "extra": ({"blinks": GOOD | {"more": [1, 2]}}, "table 'blinks': .* has the unknown more"),
    "type": ({"blinks": GOOD | {"depth": ["deep", 1]}}, "table 'blinks', column 'depth': A value is not a number"),
    "huge": ({"blinks": GOOD | {"frame": [2**70, 1]}}, "table 'blinks', column 'frame': A value is not an integer"),
    "absent": ({"blinks": GOOD | {"depth": [None, 1]}}, "table 'blinks', column 'depth': 1 of 2 values are absent"),
    "person": ({"blinks": GOOD | {"participant": ["p0", "x"]}}, "1 rows have a participant that is not of this run"),
    "video": ({"blinks": GOOD | {"recording": ["x", "x"]}}, "2 rows have a recording that is not of this run"),
}


@pytest.mark.parametrize(("given", "said"), BAD.values(), ids=BAD)
def test_what_does_not_fit_names_the_analyzer(given: dict[str, dict[str, list[Any]]], said: str) -> None:
    with pytest.raises(PluginError, match=f"analyzer 'Fixed', {'' if 'table' in said else '.*'}{said}"):
        described(**given)


def test_what_does_not_fit_is_a_stated_gap(tmp_path: Path) -> None:
    context = RunContext(Store(tmp_path), load_registry())
    analyzers: dict[str, Analyzer] = {name: Fixed(given=given) for name, (given, _) in BAD.items()}
    analyzers["fine"] = Fixed(given={"blinks": GOOD})
    view: Any = SimpleNamespace(recordings=RECORDINGS)
    found = analyze(view, analyzers, context)
    assert list(found) == ["fine"]
    assert [note.split(" gave no result")[0] for note in context.notes] == [f"Analyzer '{name}'" for name in BAD]
    assert "analyzer 'Fixed', table 'blinx': The analyzer does not describe it." in context.notes[0]


def test_twice_the_same_column_is_refused() -> None:
    table = pd.DataFrame([[1, 2]], columns=["frame", "frame"])
    with pytest.raises(PluginError, match="has the column frame twice") as caught:
        as_described(Fixed(given={}), Analysis({"blinks": table}), RECORDINGS)
    assert isinstance(caught.value.__cause__, DataError)


def test_schemas_keep_tables_of_one_name_apart() -> None:
    registry = Registry(pluggy.PluginManager("mien"))
    for id_, name in (("a_fixed", "Fixed"), ("b_same", "Same"), ("c_broken", "Absent")):
        registry.add(Entry("analyzer", id_, f"{__name__}:{name}", "owner", "own==1"))
    tables = analyzer_tables(registry)
    assert [table.name for table in tables["a_fixed"]] == ["blinks"]
    assert [table.name for table in tables["b_same"]] == ["b_same_blinks"]
    assert "c_broken" not in tables
    schemas = all_schemas(registry)
    assert list(schemas["tables/blinks.json"]["properties"]) == ["recording", "participant", "frame", "depth"]
    assert schemas["tables/b_same_blinks.json"]["title"] == "b_same_blinks"
    assert "method" in schemas["tables/relevance.json"]["properties"]


def test_the_suite_notices_what_is_not_described() -> None:
    suite = AnalyzerSuite()
    given = GOOD | {"participant": ["p0", "p0"], "recording": ["p0_r0", "p0_r0"]}
    suite.test_its_tables_are_as_described(Fixed(given={"blinks": given}), {})
    with pytest.raises(BrokenPromise, match="does not describe it"):
        suite.test_its_tables_are_as_described(Fixed(given={"blinx": given}), {"empty": True})


@pytest.mark.parametrize(
    "tables",
    [
        (BLINKS, BLINKS),
        (Table("relevance", "A row.", (FRAME,)),),
        (Table("blinks", "A row.", (FRAME, FRAME)),),
        (Table("blinks", "A row.", (Column("frame", "integer", ""),)),),
        (Table("blinks", "A row.", ()),),
    ],
    ids=["name twice", "name of the run", "column twice", "no meaning", "no columns"],
)
def test_the_suite_notices_incomplete_descriptions(tables: tuple[Table, ...]) -> None:
    suite = AnalyzerSuite()
    suite.component = SimpleNamespace(tables=tables)  # type: ignore[misc]
    with pytest.raises(AssertionError):
        suite.test_its_descriptions_are_complete()

"""What every analyzer promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mien.interfaces import Analysis, Analyzer
from mien.registry import load_registry
from mien.report.charts import Chart
from mien.tables import TABLES, table_schema
from mien.testing.checks import pins
from mien.testing.component import ComponentSuite
from mien.testing.fixtures import run_view
from mien.testing.surroundings import leaves_as_found, left_as_found, other_seeds

_TABLES = ("recordings", "predictions", "relevance", "control_relevance", "action_units", "covariates")
_MENTIONS = {"method", "source", "region"}


class AnalyzerSuite(ComponentSuite):
    """Checks of an analyzer on a small synthetic run.

    Its participants have an ``age`` and a ``group``, and its network the stages ``body`` and ``head``.

    Attributes
    ----------
    scheme : str
        Id of the run's landmark scheme.
    """

    guarantees: ClassVar[Mapping[str, str]] = {
        "findings": "Tables are data frames, charts are charts, notes are sentences; there is one of them at least.",
        "descriptions": "Descriptions of tables are complete: names free and unique, every column with a meaning.",
        "tables": "Every table is described and fits its description, however little there is to analyze.",
        "names": "Charts have names of their own; they become files.",
        "deterministic": "The same run gives the same tables and notes, whatever the global seeds.",
        "run": "The run is left as it was, and so is the process.",
        "nothing": "A run in which nothing was explained gives a note, not an error.",
        "one participant": "A run of one participant gives tables or notes, not an error.",
        "mentions": "`mentions` tells a field of its own, what it names, and the name.",
        "checks": "`check` and `check_recordings` take the run that it analyzes, and leave its network as it was.",
    }

    scheme: str = "mediapipe_478"

    def view(self, **options: Any) -> Any:
        """Return a synthetic run."""
        registry = load_registry()
        return run_view(registry.scheme(self.scheme), registry.create("objective", "regression"), **options)

    @pytest.fixture
    def analysis(self, made: Analyzer) -> Callable[[], Analysis]:
        """Return what gives the analyzer's findings."""
        return lambda: made.analyze(self.view())

    def use(self, made: Analyzer, folder: Path) -> object:
        """Analyze the synthetic run."""
        return made.analyze(self.view())

    def run_parts(self, made: Analyzer) -> Mapping[str, Any]:
        """Return it as the only analyzer, with what it mentions."""
        registry = load_registry()
        parts: dict[str, Any] = {"analyzers": {"analysis": made}}
        mentioned = list(made.mentions())
        methods = [name for _, what, name in mentioned if what == "method"]
        sources = [name for _, what, name in mentioned if what == "source"] or ["source"]
        if methods:
            parts["methods"] = {name: registry.create("attribution", "input_x_gradient") for name in methods}
        return parts | {"action_units": {name: registry.create("action_units", "openface_csv") for name in sources}}

    @pins("findings")
    def test_it_gives_tables_charts_and_sentences(self, analysis: Callable[[], Analysis]) -> None:
        """And at least one of them."""
        import pandas as pd

        found = analysis()
        assert found.tables or found.charts or found.notes, "it found nothing at all"
        assert all(isinstance(table, pd.DataFrame) for table in found.tables.values())
        assert all(isinstance(chart, Chart) for chart in found.charts)
        assert all(isinstance(note, str) and note.strip() for note in found.notes)

    @pins("descriptions")
    def test_its_descriptions_are_complete(self) -> None:
        """Names are unique and free, columns have a meaning, and the JSON Schemas are valid."""
        jsonschema = pytest.importorskip("jsonschema")
        names = [table.name for table in self.component.tables]
        assert len(set(names)) == len(names)
        assert not set(names) & set(TABLES), "the run itself has a table of this name"
        for table in self.component.tables:
            columns = [column.name for column in table.columns]
            assert table.row.strip()
            assert columns
            assert len(set(columns)) == len(columns), table.name
            assert all(column.description.strip() for column in table.columns), table.name
            jsonschema.Draft202012Validator.check_schema(table_schema(table))

    @pins("tables")
    @pytest.mark.parametrize("options", [{}, {"participants": 1}, {"empty": True}], ids=["full", "one", "empty"])
    def test_its_tables_are_as_described(self, made: Analyzer, options: dict[str, Any]) -> None:
        """Each table is described and fits its description, however little there is to analyze."""
        from mien.steps.analyze import as_described

        view = self.view(**options)
        as_described(made, made.analyze(view), view.recordings)

    @pins("names")
    def test_names_are_unique(self, analysis: Callable[[], Analysis]) -> None:
        """Charts become files by their names."""
        names = [chart.name for chart in analysis().charts]
        assert len(set(names)) == len(names), f"two charts have the same name: {names}"

    @pins("deterministic")
    def test_it_is_deterministic(self, made: Analyzer) -> None:
        """The same run gives the same tables."""
        found = []
        for seed in (1, 2):
            with other_seeds(seed):
                found.append(made.analyze(self.view()))
        first, second = found
        assert first.tables.keys() == second.tables.keys()
        for name, table in first.tables.items():
            assert table.equals(second.tables[name]), f"the table '{name}' differs"
        assert list(first.notes) == list(second.notes)

    @pins("run")
    def test_the_run_is_left_as_it_was(self, made: Analyzer) -> None:
        """Its tables, its network, and the process."""
        from mien.testing.attribution import assert_same_state, network_state

        view, own = self.view(), self.view()
        before = network_state(view.model.module)
        with other_seeds(7919):
            leaves_as_found("the analyzer", lambda: made.analyze(view))
        for name in _TABLES:
            assert getattr(view, name).equals(getattr(own, name)), f"the run's table '{name}' was changed"
        assert_same_state(before, network_state(view.model.module))

    @pins("nothing")
    def test_nothing_explained_is_a_stated_gap(self, made: Analyzer) -> None:
        """An empty run gives a note, not an error."""
        assert made.analyze(self.view(empty=True)).notes, "it says nothing of the gap"

    @pins("one participant")
    def test_one_participant_is_enough_to_run(self, made: Analyzer) -> None:
        """Intervals may be undefined, but the analysis is there."""
        found = made.analyze(self.view(participants=1))
        assert found.tables or found.notes

    @pins("mentions")
    def test_what_it_mentions_is_told(self, made: Analyzer) -> None:
        """So that a name that is not there is told before anything is computed."""
        for field, what, name in made.mentions():
            assert field.partition(".")[0].partition("[")[0] in type(made).model_fields, field
            assert what in _MENTIONS, what
            assert name.strip()

    @pins("checks")
    def test_its_checks_take_the_run(self, made: Analyzer) -> None:
        """They are asked before anything is computed, and what they refuse is not run."""
        from mien.testing.attribution import assert_same_state, network_state
        from mien.testing.tables import listed

        view = self.view()
        before = network_state(view.model.module)
        with other_seeds(7919), left_as_found("the analyzer"):
            made.check(view.model)
            made.check_recordings(listed(view.recordings, view.covariates), view.objective)
        assert_same_state(before, network_state(view.model.module))

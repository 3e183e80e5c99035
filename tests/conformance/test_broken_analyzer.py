"""Each guarantee of analyzers has an analyzer that breaks it, and is seen to."""

import os
from typing import ClassVar

import numpy as np
import pandas as pd
import torch

from mien.interfaces import Analysis, Analyzer
from mien.report.charts import LineChart, LineSeries
from mien.tables import Column, Table
from mien.testing import AnalyzerSuite, guarantees
from mien.testing.broken import all_must_fail, must_fail

TOTALS = Table(
    "own_totals", "A method.", (Column("method", "string", "Its name."), Column("total", "number", "A sum."))
)


def chart(name):
    line = LineSeries(name="line", x=(0.0, 1.0), y=(0.0, 1.0))
    return LineChart(name=name, title="A line", caption="It rises.", x_label="x", y_label="y", series=(line,))


class Good(Analyzer):
    """The sum of relevance by method."""

    tables: ClassVar = (TOTALS,)

    def analyze(self, run):
        if run.relevance.empty:
            return Analysis(notes=["Nothing was explained."])
        own = run.relevance.astype({"method": str}).groupby("method", as_index=False)["signed"].sum()
        return Analysis({"own_totals": own.rename(columns={"signed": "total"})}, [chart("own_line")], ["All is well."])


class Lists(Good):
    """Gives a list for a table."""

    def analyze(self, run):
        return Analysis({"own_totals": [1, 2]})


class Described(Good):
    """Describes its table twice."""

    tables: ClassVar = (TOTALS, TOTALS)


class Undescribed(Good):
    """Gives a table that it does not describe."""

    def analyze(self, run):
        return Analysis({"surprise": pd.DataFrame({"a": [1]})})


class SameName(Good):
    """Has two charts of one name."""

    def analyze(self, run):
        return Analysis(charts=[chart("a"), chart("a")])


class Noisy(Good):
    """Draws from numpy's global generator."""

    def analyze(self, run):
        return Analysis({"own_totals": pd.DataFrame({"method": ["m"], "total": [np.random.uniform()]})})  # noqa: NPY002


class Sorts(Good):
    """Writes into the run's tables."""

    def analyze(self, run):
        run.relevance["signed"] = 0.0
        return super().analyze(run)


class Threads(Good):
    """Sets the number of torch's threads."""

    def analyze(self, run):
        torch.set_num_threads(torch.get_num_threads() % 2 + 1)
        return super().analyze(run)


class Precise(Good):
    """Leaves another default type behind."""

    def analyze(self, run):
        torch.set_default_dtype(torch.float64)
        return super().analyze(run)


class FirstImport(Good):
    """Uses a library whose first import sets an environment variable, as numba's does."""

    imported: ClassVar = []

    def analyze(self, run):
        if not self.imported:
            os.environ["SET_BY_A_LIBRARY"] = "1"
            self.imported.append("library")
        return super().analyze(run)


class NeedsSomething(Good):
    """Takes the first row for granted."""

    def analyze(self, run):
        assert run.relevance.iloc[0] is not None
        return super().analyze(run)


class NeedsTwo(Good):
    """Takes a second participant for granted."""

    def analyze(self, run):
        assert run.relevance["participant"].unique()[1]
        return super().analyze(run)


class Mentions(Good):
    """Names a field that it does not have."""

    def mentions(self):
        return [("no_such_field", "method", "gradient")]


class Checks(Good):
    """Leaves the network in training mode."""

    def check(self, model):
        model.module.train()


class TestGood(AnalyzerSuite):
    component = Good


BROKEN = {
    "findings": Lists,
    "descriptions": Described,
    "tables": Undescribed,
    "names": SameName,
    "deterministic": Noisy,
    "run": Sorts,
    "nothing": NeedsSomething,
    "one participant": NeedsTwo,
    "mentions": Mentions,
    "checks": Checks,
}

globals().update(all_must_fail(AnalyzerSuite, BROKEN))
globals().update({f"Test{one.__name__}": must_fail(AnalyzerSuite, one, "run") for one in (Threads, Precise)})


def test_what_the_first_import_of_a_library_does_is_not_the_plugins_deed():
    AnalyzerSuite().test_the_run_is_left_as_it_was(FirstImport())
    assert FirstImport.imported
    assert "SET_BY_A_LIBRARY" not in os.environ


def test_every_guarantee_is_broken():
    own = {guarantee.name for guarantee in guarantees(AnalyzerSuite) if guarantee.suite != "ComponentSuite"}
    assert set(BROKEN) == own

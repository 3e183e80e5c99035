"""What mien promises of every component of these kinds."""

from __future__ import annotations

from typing import Any, ClassVar

from mien.testing import AnalyzerSuite, AttributionMethodSuite
from mien_perturbation.group_regions import GroupRegions
from mien_perturbation.lime import Lime
from mien_perturbation.rise import Rise


class TestLime(AttributionMethodSuite):
    component = Lime


class TestLimeLasso(AttributionMethodSuite):
    component = Lime
    fields: ClassVar[dict[str, Any]] = {"surrogate": "lasso", "fill": "blur", "time_segments": 2}


class TestRise(AttributionMethodSuite):
    component = Rise
    fields: ClassVar[dict[str, Any]] = {"masks": 60}


class TestRisePaper(AttributionMethodSuite):
    component = Rise
    fields: ClassVar[dict[str, Any]] = {"masks": 60, "centred": False, "fill": "grey", "grid": (2, 3, 3)}


class TestGroupRegions(AnalyzerSuite):
    component = GroupRegions
    fields: ClassVar[dict[str, Any]] = {"permutations": 99, "resamples": 100}

    def view(self, **options: Any) -> Any:
        """Return a run of enough people for two cohorts."""
        return super().view(**{"participants": 8, **options})

    def test_it_compares(self, made: GroupRegions) -> None:
        """The run is large enough for every table."""
        assert set(made.analyze(self.view()).tables) == {table.name for table in GroupRegions.tables}

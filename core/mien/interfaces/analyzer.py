"""Interface of semantic analyzers: from a run's results to tables and figures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mien.interfaces.component import Component

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import pandas as pd
    from torch import Tensor

    from mien.interfaces.attribution import AttributionMethod, ExplainedModel
    from mien.interfaces.objective import Objective
    from mien.report.charts import Chart
    from mien.types import ClipBatch, ClipKey


class RunView(Protocol):
    """What an analyzer sees of a run.  Tables are loaded, and clips made, when they are asked for.

    The columns of the tables are those of the JSON Schemas in ``schemas/tables``.
    """

    recordings: pd.DataFrame
    """One row a recording, those set aside included."""

    predictions: pd.DataFrame
    """One row a window."""

    relevance: pd.DataFrame
    """Method x window x frame x region, of the trained network."""

    control_relevance: pd.DataFrame
    """The same for untrained networks, with the column ``network``; may be empty."""

    action_units: pd.DataFrame
    """Source x recording x frame x Action Unit, long; may be empty."""

    region_names: tuple[str, ...]
    objective: Objective
    methods: Mapping[str, AttributionMethod]
    model: ExplainedModel
    seed: int

    def clips(self, keys: Sequence[ClipKey] | None = None) -> Iterator[ClipBatch]:
        """Yield the explained clips (or those named), as the network saw them."""
        ...

    def maps(self, method: str, key: ClipKey) -> npt.NDArray[object]:
        """Return the relevance of one clip summed over channels: ``(T, H, W)`` or ``(T, N)``."""
        ...

    def features(self, stage: str, keys: Sequence[ClipKey] | None = None) -> Iterator[tuple[ClipBatch, Tensor]]:
        """Yield batches of clips with the output of a stage of the network for them."""
        ...


@dataclass(frozen=True)
class Analysis:
    """What an analyzer found.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        Written to ``tables/<name>.parquet``.
    charts : sequence of Chart
        Shown in the report and written to ``figures/``.
    notes : sequence of str
        Sentences for the report: findings with their numbers, gaps and their reasons.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    charts: Sequence[Chart] = ()
    notes: Sequence[str] = ()


class Analyzer(Component):
    """Turns relevance, predictions, labels and Action Units into tables and figures."""

    @abstractmethod
    def analyze(self, run: RunView) -> Analysis:
        """Return the tables, charts and notes of a run.

        Relevance is aggregated per participant before any statistics.  What cannot be computed is a stated gap
        (a note), not an error.
        """

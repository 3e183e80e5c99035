"""Interface of semantic analyzers: from a run's results to tables and figures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from mien.interfaces.component import Component
from mien.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from torch import Tensor

    from mien.interfaces.attribution import AttributionMethod, ExplainedModel
    from mien.interfaces.objective import Objective
    from mien.report.charts import Chart
    from mien.types import ClipBatch, ClipKey, FaceTrack, FloatArray, InputSpec, LandmarkScheme, Recording, Tile

Mention = Literal["method", "source", "region"]
"""What a field of an analyzer may name of the rest of a configuration."""


@dataclass(frozen=True)
class Remark:
    """What is to be known of an attribution method's heat maps; the report shows it beside each of them.

    Attributes
    ----------
    verdict : str
        In a word or two, e.g. "with care".
    text : str
        One line: why, with the numbers.
    level : {"good", "care", "bad"}
        The colour.
    """

    verdict: str
    text: str
    level: Literal["good", "care", "bad"] = "care"


class RunView(Protocol):
    """What an analyzer sees of a run.  Tables are loaded, and clips made, when they are asked for.

    The columns of the tables are those of the JSON Schemas in ``schemas/tables``.
    """

    @property
    def recordings(self) -> pd.DataFrame:
        """One row a recording, those set aside included."""

    @property
    def predictions(self) -> pd.DataFrame:
        """One row a window; under folds, what the network says that did not see the participant."""

    @property
    def relevance(self) -> pd.DataFrame:
        """Method x window x frame x region, of the trained network; under folds, of that of the clip's own fold."""

    @property
    def control_relevance(self) -> pd.DataFrame:
        """Method x kind x network x window x region, of the controls, over frames with a face; may be empty.

        ``kind`` is ``untrained`` or ``permuted`` (trained with labels permuted among participants); networks are
        numbered within their kind.
        """

    @property
    def action_units(self) -> pd.DataFrame:
        """Source x recording x frame x Action Unit, long; may be empty."""

    @property
    def covariates(self) -> pd.DataFrame:
        """One row a used recording: recording, participant, and what else the data set says of it.

        A covariate's column is numeric where all its values are numbers, and text otherwise; what is not known is
        absent.  It is not published as a table.
        """

    @property
    def region_names(self) -> tuple[str, ...]:
        """The regions, in the order of their bits."""

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The rectangles of the crop, in the order of the tiles' axis of `ClipBatch.transforms`."""

    @property
    def scheme(self) -> LandmarkScheme:
        """Of the landmarks of `track`."""

    @property
    def objective(self) -> Objective:
        """What the network's output means."""

    @property
    def methods(self) -> Mapping[str, AttributionMethod]:
        """Attribution methods by the user's name."""

    @property
    def model(self) -> ExplainedModel:
        """The trained network; under folds, that of the first fold."""

    def model_of(self, recording: str) -> ExplainedModel:
        """Return the trained network that judges a recording; under folds, that of its own fold."""
        ...

    @property
    def seed(self) -> int:
        """Decides everything that an analyzer draws at random."""

    def track(self, recording: str) -> FaceTrack:
        """Return the whole face track of a recording."""
        ...

    def clips(self, keys: Sequence[ClipKey] | None = None, spec: InputSpec | None = None) -> Iterator[ClipBatch]:
        """Yield the explained clips (or those named, explained or not), as the network saw them.

        With ``spec`` they are standardised as it says, for another network; its sizes do not matter, its layout does.
        The windows of all recordings are those of `predictions`.

        Raises
        ------
        ModelError
            When ``spec`` has another layout than the clips.
        """
        ...

    def maps(self, method: str, key: ClipKey) -> FloatArray:
        """Return the relevance of one clip summed over channels: ``(T, H, W)`` or ``(T, N)``."""
        ...

    def features(self, stage: str, keys: Sequence[ClipKey] | None = None) -> Iterator[tuple[ClipBatch, Tensor]]:
        """Yield batches of clips with the output of a stage of the network for them.

        Under folds, the network is that of the clips' own fold, and so is the one that `maps` and the tables are of.
        """
        ...


@dataclass(frozen=True)
class Analysis:
    """What an analyzer found.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        Written to ``tables/<name>.parquet``; each is described in `Analyzer.tables`.
    charts : sequence of Chart
        Shown in the report and written to ``figures/``.
    notes : sequence of str
        Sentences for the report: findings with their numbers, gaps and their reasons.
    method_remarks : mapping of str to Remark
        What stands beside the heat maps of a method, by the method's name.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    charts: Sequence[Chart] = ()
    notes: Sequence[str] = ()
    method_remarks: Mapping[str, Remark] = field(default_factory=dict)


class Analyzer(Component):
    """Turns relevance, predictions, labels and Action Units into tables and figures.

    Attributes
    ----------
    tables : tuple of Table
        Every table that `analyze` may return: what a row is, and each column's type, unit and meaning.  They
        become JSON Schemas in ``schemas/tables`` and part of the documentation.  A returned table that is not
        described, or does not fit its description, costs the analyzer all its results, and the report says so.

        A description must not take the name of one of the run's own tables.  Ids of people and of recordings
        belong in columns named ``participant`` and ``recording`` only: reports without faces replace them there.
    """

    tables: ClassVar[tuple[Table, ...]] = ()

    def mentions(self) -> Iterable[tuple[str, Mention, str]]:
        """Return what the fields name of the rest of the configuration, as (field, what, name).

        A ``method`` is a key of ``explain.methods``, a ``source`` one of ``action_units``, a ``region`` one of
        `mien.regions.names.POOLED_REGIONS`.  A name that is not there is told before anything is computed.
        """
        return ()

    def check(self, model: ExplainedModel) -> None:
        """Raise a `MienError` when a field does not fit the network, e.g. names a stage that it has not.

        ``mien config check`` and the start of a run ask it of the untrained network, before anything is computed; the
        default takes every network.  ``where`` of the error is the field.  The network is left as it was found.
        """

    def check_recordings(self, recordings: Sequence[Recording], objective: Objective) -> None:
        """Raise a `MienError` when the data set lacks what a field names, e.g. a covariate.

        A run asks it once the data set has listed its recordings, before the first is tracked; the default takes all.
        ``where`` of the error is the field.

        Parameters
        ----------
        recordings : sequence of Recording
            Those with a usable label; some may be set aside later.
        objective : Objective
        """

    @abstractmethod
    def analyze(self, run: RunView) -> Analysis:
        """Return the tables, charts and notes of a run.

        Relevance is aggregated per participant before any statistics.  What cannot be computed is a stated gap
        (a note), not an error.
        """

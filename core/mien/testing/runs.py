"""What every data set and every analyzer promises.

Dataset: recordings have unique ids, a participant, an existing video and a legal split; asked again, it gives the same;
a session is of one participant, has one label and is on one side.  Official parts may share persons: such a data set
says so with ``shares_persons``.  One that knows what is planted in its videos (`mien.interfaces.PlantedTruth`) renders
their own frames again.

Analyzer: tables are data frames, charts are charts, notes are sentences; every table is one that the analyzer
describes, and fits; the same run gives the same result; a run in which nothing was explained, or of one participant,
gives notes and no error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.errors import MienError
from mien.interfaces import Analysis, Analyzer, Dataset, PlantedTruth
from mien.progress import QuietProgress
from mien.registry import load_registry
from mien.report.charts import Chart
from mien.tables import TABLES, table_schema
from mien.testing.component import ComponentSuite
from mien.testing.fixtures import run_view
from mien.types import DatasetListing
from mien.video.reader import read_frames


class DatasetSuite(ComponentSuite):
    """Checks of a data set; give fields that make it small.

    Attributes
    ----------
    shares_persons : bool
        Whether its official parts may share persons, so that a participant is on several sides.
    """

    shares_persons: bool = False

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return the data set's lasting folder."""
        return tmp_path_factory.mktemp("dataset")

    @pytest.fixture
    def listing(self, made: Dataset, folder: Path) -> DatasetListing:
        """Return its recordings."""
        return made.recordings(folder, QuietProgress())

    def test_recordings_are_well_formed(self, listing: DatasetListing) -> None:
        """Unique ids, participants, videos, splits."""
        ids = [recording.id for recording in listing.recordings]
        assert ids
        assert len(set(ids)) == len(ids)
        for recording in listing.recordings:
            assert recording.participant
            assert recording.video.is_file()
            assert recording.split in {"train", "validation", "test", None}

    def test_a_participant_is_on_one_side(self, listing: DatasetListing) -> None:
        """No person is trained on and tested with, unless the official parts share persons."""
        sides: dict[str, set[str | None]] = {}
        for recording in listing.recordings:
            sides.setdefault(recording.participant, set()).add(recording.split)
        assert self.shares_persons or all(len(side) == 1 for side in sides.values())

    def test_a_session_is_one_label_of_one_participant_on_one_side(self, listing: DatasetListing) -> None:
        """Recordings of one sitting belong together."""
        sessions: dict[str, set[tuple[object, ...]]] = {}
        for recording in listing.recordings:
            about = recording.participant, recording.label, recording.split
            sessions.setdefault(recording.session or recording.id, set()).add(about)
        assert all(len(about) == 1 for about in sessions.values())

    def test_asked_again_it_gives_the_same(self, made: Dataset, listing: DatasetListing, folder: Path) -> None:
        """What it made is used again, not made again."""
        made_at = {recording.id: recording.video.stat().st_mtime_ns for recording in listing.recordings}
        again = made.recordings(folder, QuietProgress())
        assert list(again.recordings) == list(listing.recordings)
        assert {recording.id: recording.video.stat().st_mtime_ns for recording in again.recordings} == made_at

    def test_planted_truth_is_what_was_filmed(self, made: Dataset, listing: DatasetListing) -> None:
        """Frames are rendered again as they are in the video, and Action Units change them."""
        if not isinstance(made, PlantedTruth):
            pytest.skip("it does not say what is planted")
        recording = listing.recordings[0]
        frames = np.concatenate([batch for batch, _ in read_frames(recording.video)])
        shown = made.intensities(recording.id)
        assert shown.shape == (len(frames), len(made.planted_units))
        assert ((shown >= 0) & (shown <= 1)).all()
        last = len(frames) - 1
        again = made.render(recording.id, [0, last], {})
        assert again.shape == (2, *frames.shape[1:])
        for number, frame in zip((0, last), again, strict=True):
            assert np.corrcoef(frame.ravel(), frames[number].ravel())[0, 1] > 0.95
        rest = made.render(recording.id, [0], {}, neutral=True)
        for name in made.planted_units:
            assert (made.render(recording.id, [0], {name: 1.0}, neutral=True) != rest).any(), name
        for asked in (("nobody", [0], {}), (recording.id, [last + 1], {}), (recording.id, [0], {"AU00": 1.0})):
            with pytest.raises(MienError):
                made.render(*asked)


class AnalyzerSuite(ComponentSuite):
    """Checks of an analyzer on a small synthetic run."""

    scheme: str = "mediapipe_478"

    def view(self, **options: Any) -> Any:
        """Return a synthetic run."""
        registry = load_registry()
        return run_view(registry.scheme(self.scheme), registry.create("objective", "regression"), **options)

    @pytest.fixture
    def analysis(self, made: Analyzer) -> Analysis:
        """Return what the analyzer finds."""
        return made.analyze(self.view())

    def test_it_gives_tables_charts_and_sentences(self, analysis: Analysis) -> None:
        """And at least one of them."""
        import pandas as pd

        assert analysis.tables or analysis.charts or analysis.notes
        assert all(isinstance(table, pd.DataFrame) for table in analysis.tables.values())
        assert all(isinstance(chart, Chart) for chart in analysis.charts)
        assert all(isinstance(note, str) and note.strip() for note in analysis.notes)

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

    @pytest.mark.parametrize("options", [{}, {"participants": 1}, {"empty": True}], ids=["full", "one", "empty"])
    def test_its_tables_are_as_described(self, made: Analyzer, options: dict[str, Any]) -> None:
        """Each table is described and fits its description, however little there is to analyze."""
        from mien.steps.analyze import as_described

        view = self.view(**options)
        as_described(made, made.analyze(view), view.recordings)

    def test_names_are_unique(self, analysis: Analysis) -> None:
        """Charts become files by their names."""
        names = [chart.name for chart in analysis.charts]
        assert len(set(names)) == len(names)

    def test_it_is_deterministic(self, made: Analyzer, analysis: Analysis) -> None:
        """The same run gives the same tables."""
        again = made.analyze(self.view())
        assert analysis.tables.keys() == again.tables.keys()
        for name, table in analysis.tables.items():
            assert table.equals(again.tables[name])
        assert list(again.notes) == list(analysis.notes)

    def test_nothing_explained_is_a_stated_gap(self, made: Analyzer) -> None:
        """An empty run gives a note, not an error."""
        assert made.analyze(self.view(empty=True)).notes

    def test_one_participant_is_enough_to_run(self, made: Analyzer) -> None:
        """Intervals may be undefined, but the analysis is there."""
        analysis = made.analyze(self.view(participants=1))
        assert analysis.tables or analysis.notes

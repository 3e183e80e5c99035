"""What every data set promises."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mien.errors import MienError
from mien.interfaces import Dataset, PlantedTruth
from mien.progress import QuietProgress
from mien.testing.checks import pins
from mien.testing.component import ComponentSuite
from mien.types import DatasetListing
from mien.video.reader import probe, read_frames

_SHORTEST = 4  # frames of the clips of the small run


class DatasetSuite(ComponentSuite):
    """Checks of a data set; give fields that make it small.

    Attributes
    ----------
    shares_persons : bool
        Whether its official parts may share persons, so that a participant is on several sides.
    """

    guarantees: ClassVar[Mapping[str, str]] = {
        "recordings": "It has recordings, of unique ids, with a participant, an existing video and a legal split.",
        "names": "Ids can be file names: no slash, no control character, not longer than 150 characters.",
        "values": "A label is a finite number or None; covariates are numbers and text.",
        "videos": "The first video can be read.",
        "sides": "A participant is on one side, unless its official parts share persons and it says so.",
        "sessions": "A session is of one participant, has one label, and is on one side.",
        "exclusions": "A recording that is set aside has its reason, in a sentence, and is listed once.",
        "again": "Asked again, it gives the same, and what it made is used again, not made again.",
        "deterministic": "With an empty folder it gives the same ids, participants, labels and splits.",
        "planted truth": "One that says what is planted renders its own frames again; what it cannot is a MienError.",
    }

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

    def use(self, made: Dataset, folder: Path) -> object:
        """List the recordings."""
        return made.recordings(folder, QuietProgress())

    def run_parts(self, made: Dataset) -> Mapping[str, Any]:
        """Return it; clips are short, and persons on several sides are counted where the suite says so."""
        shared = {"shared_persons": "count"} if self.shares_persons else {}
        return {"dataset": made, "windows": {"frames": _SHORTEST, "overlap": 0.0}, "split": shared}

    def check_run(self, run: Any, made: Dataset) -> None:
        """Find the recordings."""
        assert (run.table("recordings")["status"] == "used").any()

    @pins("recordings")
    def test_recordings_are_well_formed(self, listing: DatasetListing) -> None:
        """Unique ids, participants, videos, splits."""
        ids = [recording.id for recording in listing.recordings]
        assert ids, "it has no recording"
        assert len(set(ids)) == len(ids), "two recordings have the same id"
        for recording in listing.recordings:
            assert recording.participant
            assert recording.video.is_file(), f"{recording.video} is not there"
            assert recording.split in {"train", "validation", "test", None}

    @pins("names")
    def test_ids_can_be_file_names(self, listing: DatasetListing) -> None:
        """Results are written under them."""
        for recording in listing.recordings:
            assert 0 < len(recording.id) <= 150, recording.id
            assert recording.id not in {".", ".."}
            assert recording.id.isprintable(), repr(recording.id)
            assert not set(recording.id) & set("/\\"), recording.id

    @pins("values")
    def test_labels_and_covariates_are_values(self, listing: DatasetListing) -> None:
        """What is not known is None, or absent."""
        for recording in listing.recordings:
            assert recording.label is None or math.isfinite(recording.label), f"{recording.id}: {recording.label}"
            for name, value in recording.covariates.items():
                assert isinstance(value, str | int | float), f"{recording.id}, {name}: {value!r}"

    @pins("videos")
    def test_its_first_video_can_be_read(self, listing: DatasetListing) -> None:
        """Size and frames."""
        video = listing.recordings[0].video
        info = probe(video)
        frames, _ = next(iter(read_frames(video)))
        assert frames.shape[1:] == (info.height, info.width, 3)

    @pins("sides")
    def test_a_participant_is_on_one_side(self, listing: DatasetListing) -> None:
        """No person is trained on and tested with, unless the official parts share persons."""
        sides: dict[str, set[str | None]] = {}
        for recording in listing.recordings:
            sides.setdefault(recording.participant, set()).add(recording.split)
        several = [person for person, side in sides.items() if len(side) > 1]
        assert self.shares_persons or not several, f"on several sides: {several}"

    @pins("sessions")
    def test_a_session_is_one_label_of_one_participant_on_one_side(self, listing: DatasetListing) -> None:
        """Recordings of one sitting belong together."""
        sessions: dict[str, set[tuple[object, ...]]] = {}
        for recording in listing.recordings:
            about = recording.participant, recording.label, recording.split
            sessions.setdefault(recording.session or recording.id, set()).add(about)
        several = [session for session, about in sessions.items() if len(about) > 1]
        assert not several, f"of several participants, labels or sides: {several}"

    @pins("exclusions")
    def test_what_is_set_aside_has_a_reason(self, listing: DatasetListing) -> None:
        """And is not used as well."""
        used = {recording.id for recording in listing.recordings}
        for exclusion in listing.exclusions:
            assert exclusion.reason.strip(), f"{exclusion.recording} has no reason"
            assert exclusion.recording not in used, f"{exclusion.recording} is set aside and used"

    @pins("again")
    def test_asked_again_it_gives_the_same(self, made: Dataset, listing: DatasetListing, folder: Path) -> None:
        """What it made is used again, not made again."""
        made_at = {recording.id: recording.video.stat().st_mtime_ns for recording in listing.recordings}
        again = made.recordings(folder, QuietProgress())
        assert list(again.recordings) == list(listing.recordings)
        assert {recording.id: recording.video.stat().st_mtime_ns for recording in again.recordings} == made_at

    @pins("deterministic")
    def test_an_empty_folder_gives_the_same(self, made: Dataset, listing: DatasetListing, tmp_path: Path) -> None:
        """Whatever the global seeds are."""
        from mien.testing.surroundings import other_seeds

        with other_seeds(5):
            again = made.recordings(tmp_path, QuietProgress())
        about = [
            [(one.id, one.participant, one.label, one.split, one.session) for one in found.recordings]
            for found in (listing, again)
        ]
        assert about[0] == about[1]

    @pins("planted truth")
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

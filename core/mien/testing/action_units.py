"""What every source of Action Units promises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mien.errors import MienError
from mien.interfaces import ActionUnitSource
from mien.registry import load_registry
from mien.testing.checks import attempted, pins
from mien.testing.component import ComponentSuite
from mien.testing.fixtures import mean_face_track
from mien.testing.parts import openface_table
from mien.types import ActionUnitTrace, FaceTrack, Recording

_FRAMES, _LOST = 12, 3


class ActionUnitSourceSuite(ComponentSuite):
    """Checks of an Action Unit source on a still face; its recording has an OpenFace file, its track blendshapes.

    Attributes
    ----------
    scheme : str
        Id of the track's landmark scheme.
    """

    guarantees: ClassVar[Mapping[str, str]] = {
        "names": "Action Units have FACS names (AU01, AU12), each once.",
        "intensity": "Intensities are 0 to 5, presence is 0 or 1; every Action Unit is told somehow.",
        "times": "One row for each time, in seconds, increasing.",
        "no face": "A frame without a face is NaN, never 0.",
        "empty": "A track of one frame, of none, or without any face is told, or refused by a MienError with a hint.",
        "deterministic": "The same recording gives the same trace, and the track is left as it was.",
        "needs": "A track that lacks an extra that it `needs` is a MienError with a hint.",
        "files": "`files` names what it reads beside the track, also what is missing: a MienError with a hint.",
    }

    scheme: str = "mediapipe_478"

    @pytest.fixture
    def recording(self, tmp_path: Path) -> Recording:
        """Return a recording of twelve frames whose file of Action Units has no face in the fourth."""
        return self.recorded(tmp_path)

    def recorded(self, folder: Path) -> Recording:
        """Return that recording, its file in a folder."""
        file = folder / "r0.csv"
        file.write_text(openface_table(_FRAMES, [_LOST]), encoding="utf-8")
        return Recording("r0", "p0", video=folder / "r0.mp4", action_units=file)

    def track(self, frames: int = _FRAMES, lost: tuple[int, ...] = (_LOST,)) -> FaceTrack:
        """Return the track of a face, with blendshapes."""
        track = mean_face_track(load_registry().scheme(self.scheme), frames=max(frames, 1), lost=lost)[:frames]
        blendshapes = np.zeros((frames, 52), np.float32)
        blendshapes[list(lost)] = np.nan
        return replace(track, extras={"blendshapes": blendshapes})

    def trace(self, made: ActionUnitSource, recording: Recording, track: FaceTrack | None = None) -> ActionUnitTrace:
        """Return what the source says."""
        own = self.track() if track is None else track
        return made.action_units(recording, own, load_registry().scheme(self.scheme))

    def use(self, made: ActionUnitSource, folder: Path) -> object:
        """Tell the Action Units of the recording."""
        return self.trace(made, self.recorded(folder))

    def run_parts(self, made: ActionUnitSource) -> Mapping[str, Any]:
        """Return it as the only source."""
        return {"action_units": {"source": made}}

    def check_run(self, run: Any, made: ActionUnitSource) -> None:
        """Find its Action Units."""
        table = run.table("action_units")
        assert set(table["source"]) == {"source"}

    @pins("names")
    def test_the_trace_is_well_formed(self, made: ActionUnitSource, recording: Recording) -> None:
        """Names as in FACS."""
        trace = self.trace(made, recording)
        assert trace.names
        assert all(re.fullmatch(r"AU\d\d", name) for name in trace.names), trace.names
        assert len(set(trace.names)) == len(trace.names)

    @pins("intensity")
    def test_intensities_are_in_range(self, made: ActionUnitSource, recording: Recording) -> None:
        """And an Action Unit of which nothing is told is left out."""
        trace = self.trace(made, recording)
        assert trace.intensity.shape == (len(trace.times), len(trace.names))
        known = trace.intensity[np.isfinite(trace.intensity)]
        assert not known.size or (known.min() >= 0 and known.max() <= 5)
        presence = _presence(trace)
        assert presence.shape == trace.intensity.shape
        assert np.isin(presence[np.isfinite(presence)], (0, 1)).all()
        assert _told(trace).any(0).all(), "an Action Unit is told in no frame"

    @pins("times")
    def test_times_are_those_of_the_track(self, made: ActionUnitSource, recording: Recording) -> None:
        """Twelve frames, 25 a second."""
        times = np.asarray(self.trace(made, recording).times)
        assert np.all(np.diff(times) > 0)
        np.testing.assert_allclose(times, self.track().times, atol=0.001)

    @pins("no face")
    def test_no_face_is_not_zero(self, made: ActionUnitSource, recording: Recording) -> None:
        """The fourth frame."""
        assert not _told(self.trace(made, recording))[_LOST].any()

    @pins("empty")
    def test_little_is_told_or_refused(self, made: ActionUnitSource, recording: Recording) -> None:
        """One frame, none, and none with a face."""
        for track in (self.track(1, ()), self.track(0, ()), self.track(_FRAMES, tuple(range(_FRAMES)))):
            found = attempted(partial(self.trace, made, recording, track))
            if isinstance(found, MienError):
                assert found.hint, f"the refusal has no hint: {found}"
            else:
                assert found.intensity.shape == (len(found.times), len(found.names))

    @pins("deterministic")
    def test_it_repeats_itself_and_changes_nothing(self, made: ActionUnitSource, recording: Recording) -> None:
        """Twice the same; the track as before."""
        track, own = self.track(), self.track()
        first, second = self.trace(made, recording, track), self.trace(made, recording, track)
        assert first.names == second.names
        np.testing.assert_array_equal(first.intensity, second.intensity)
        np.testing.assert_array_equal(track.landmarks, own.landmarks)
        np.testing.assert_array_equal(track.extras["blendshapes"], own.extras["blendshapes"])

    @pins("needs")
    def test_what_it_needs_is_asked_for(self, made: ActionUnitSource, recording: Recording) -> None:
        """A track without extras, where it needs one."""
        assert all(advice.strip() for advice in made.needs.values())
        if made.needs:
            with pytest.raises(MienError) as caught:
                self.trace(made, recording, replace(self.track(), extras={}))
            assert caught.value.hint, "the refusal has no hint"

    @pins("files")
    def test_it_names_the_files_that_it_reads(self, made: ActionUnitSource, recording: Recording) -> None:
        """Without the recording's file it does as well, or had named it and says what to do."""
        named, file = list(made.files(recording)), recording.action_units
        before = self.trace(made, recording)
        assert all(isinstance(path, Path) for path in named)
        assert file is not None
        file.unlink()
        assert list(made.files(recording)) == named, "a file that is missing is named no more"
        after = attempted(partial(self.trace, made, recording))
        if isinstance(after, MienError):
            assert file in named, f"it reads {file.name}, which it does not name"
            assert after.hint, f"the error has no hint: {after}"
        else:
            np.testing.assert_array_equal(after.intensity, before.intensity)


def _presence(trace: ActionUnitTrace) -> Any:
    return np.full_like(trace.intensity, np.nan) if trace.presence is None else trace.presence


def _told(trace: ActionUnitTrace) -> Any:
    return np.isfinite(trace.intensity) | np.isfinite(_presence(trace))

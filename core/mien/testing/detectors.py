"""What every detector promises."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mien.errors import ModelError, PluginError
from mien.interfaces import Detector
from mien.registry import load_registry
from mien.testing.checks import pins
from mien.testing.component import ComponentSuite
from mien.testing.fixtures import face_frames
from mien.types import ByteArray, FrameFaces

_RATE = 25


class DetectorSuite(ComponentSuite):
    """Checks of a detector on a real face: scikit-image's public-domain portrait."""

    guarantees: ClassVar[Mapping[str, str]] = {
        "faces": "Every frame has one `FrameFaces`, the most confident face first, in the shapes of its scheme.",
        "pixels": "Boxes and landmarks are pixels of the source frame, finite, the landmarks in their box.",
        "extras": "Every frame has the extras that `extras` names, one row a face.",
        "no face": "A frame without a face has none, in the same shapes, and is no error.",
        "no frames": "No frames give no faces, and no error.",
        "sizes": "A frame of any size and shape is looked at; one of a few pixels has no face and is no error.",
        "deterministic": "A new session repeats the result, bit by bit.",
        "reset": "After `reset` nothing of the recording before is left.",
        "batches": "Cutting a recording into batches does not change its faces.",
        "frames": "The frames are left as they were.",
        "session": "A session that is left by an error closes, and passes the error on; the next one works.",
    }

    run_frames: ClassVar[int] = 4
    run_labels: ClassVar[tuple[float, ...]] = (0.0, 1.0, 1.0)
    """Of the people of the small run."""

    def detect(self, made: Detector, *batches: ByteArray) -> list[FrameFaces]:
        """Return the faces of batches of frames under one session."""
        found: list[FrameFaces] = []
        with self.session(made) as session:
            session.reset()
            for batch in batches:
                found += list(session.detect(batch, (len(found) + np.arange(len(batch))) / _RATE))
        return found

    def session(self, made: Detector) -> Any:
        """Return an open session's context; a detector that cannot be opened here, for want of a file, is skipped."""
        self.can_open(made)
        return made.open("cpu")

    def can_open(self, made: Detector) -> None:
        """Skip the check where the detector says that it cannot be opened."""
        key = made.model_dump_json()
        if key not in self._opens:
            try:
                with made.open("cpu"):
                    self._opens[key] = ""
            except (ModelError, PluginError) as error:
                self._opens[key] = str(error)
        if self._opens[key]:
            pytest.skip(f"the detector cannot be opened here: {self._opens[key]}")

    _opens: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give each suite a memory of its own of what can be opened."""
        super().__init_subclass__(**kwargs)
        cls._opens = {}

    def use(self, made: Detector, folder: Path) -> object:
        """Look at a grey frame."""
        with made.open("cpu") as session:
            return session.detect(np.full((1, 64, 64, 3), 127, np.uint8), np.zeros(1))

    def run_parts(self, made: Detector) -> Mapping[str, Any]:
        """Return it with videos of a real face."""
        from mien.testing.parts import SmallStudy

        face_frames(1)  # skips where there is no portrait
        self.can_open(made)
        study = SmallStudy(faces="portrait", frames=self.run_frames, size=256, labels=self.run_labels)
        return {"detector": made, "dataset": study}

    def check_run(self, run: Any, made: Detector) -> None:
        """Find frames with a face."""
        recordings = run.table("recordings")
        assert (recordings["valid_frames"] > 0).all()

    @pins("faces")
    def test_faces_have_the_promised_shapes(self, made: Detector) -> None:
        """Boxes, confidence and landmarks of every frame."""
        points = load_registry().scheme(made.scheme).points
        faces = self.detect(made, face_frames(3))
        assert len(faces) == 3
        for face in faces:
            assert face.count >= 1, "no face was found in the portrait"
            assert face.boxes.shape == (face.count, 4)
            assert face.landmarks.shape == (face.count, points, 2)
            assert np.all(face.boxes[:, :2] < face.boxes[:, 2:])
            assert np.all((face.confidence > 0) & (face.confidence <= 1))
            assert np.all(np.diff(face.confidence) <= 0)

    @pins("pixels")
    def test_landmarks_lie_in_their_box(self, made: Detector) -> None:
        """Landmarks and boxes are of one frame of reference: source pixels."""
        for face in self.detect(made, face_frames(2)):
            assert np.isfinite(face.landmarks).all()
            assert np.isfinite(face.boxes).all()
            centre = face.landmarks[0].mean(0)
            assert np.all(centre > face.boxes[0, :2])
            assert np.all(centre < face.boxes[0, 2:])
            width, height = face.boxes[0, 2:] - face.boxes[0, :2]
            assert min(width, height) > 16, "the portrait's face is larger than 16 pixels"

    @pins("extras")
    def test_extras_are_those_it_names(self, made: Detector) -> None:
        """With a face and without."""
        for face in self.detect(made, face_frames(1), np.full((1, 128, 128, 3), 127, np.uint8)):
            assert set(face.extras) == set(made.extras)
            assert all(len(values) == face.count for values in face.extras.values())

    @pins("no face")
    def test_no_face_is_empty(self, made: Detector) -> None:
        """A grey frame has no face, and the shapes say so."""
        points = load_registry().scheme(made.scheme).points
        (face,) = self.detect(made, np.full((1, 128, 128, 3), 127, np.uint8))
        assert face.count == 0
        assert face.boxes.shape == (0, 4)
        assert face.landmarks.shape == (0, points, 2)

    @pins("no frames")
    def test_no_frames_is_empty(self, made: Detector) -> None:
        """An empty batch gives an empty list."""
        assert self.detect(made, np.zeros((0, 64, 64, 3), np.uint8)) == []

    @pins("sizes")
    def test_frames_of_any_size(self, made: Detector) -> None:
        """Odd, narrow and tiny."""
        for height, width in ((97, 61), (8, 8), (2, 40)):
            (face,) = self.detect(made, np.full((1, height, width, 3), 127, np.uint8))
            assert face.count == 0

    @pins("deterministic")
    def test_a_new_session_repeats_the_result(self, made: Detector) -> None:
        """Deterministic, bit by bit."""
        first, second = self.detect(made, face_frames(2)), self.detect(made, face_frames(2))
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one.landmarks, other.landmarks)
            np.testing.assert_array_equal(one.boxes, other.boxes)

    @pins("reset")
    def test_reset_forgets_the_recording(self, made: Detector) -> None:
        """The same frames again, as another recording."""
        frames, found = face_frames(2), []
        with self.session(made) as session:
            for _ in range(2):
                session.reset()
                found.append(list(session.detect(frames, np.arange(2) / _RATE)))
        for one, other in zip(*found, strict=True):
            np.testing.assert_allclose(one.landmarks, other.landmarks, atol=1e-3)

    @pins("batches")
    def test_batches_do_not_matter(self, made: Detector) -> None:
        """Three frames at once are three frames one by one."""
        frames = face_frames(3)
        together, apart = self.detect(made, frames), self.detect(made, frames[:1], frames[1:2], frames[2:])
        for one, other in zip(together, apart, strict=True):
            np.testing.assert_allclose(one.landmarks, other.landmarks, atol=1e-3)

    @pins("frames")
    def test_the_frames_are_left_as_they_were(self, made: Detector) -> None:
        """Bit by bit."""
        frames = face_frames(1)
        own = frames.copy()
        self.detect(made, frames)
        np.testing.assert_array_equal(frames, own)

    @pins("session")
    def test_a_session_passes_an_error_on(self, made: Detector) -> None:
        """And the next one works."""
        with pytest.raises(KeyError, match="planted failure"), self.session(made):
            raise KeyError("planted failure")
        assert len(self.detect(made, np.full((1, 64, 64, 3), 127, np.uint8))) == 1

"""What every detector, landmark scheme, cropper and Action Unit source promises.

Detector: one `FrameFaces` a frame, the most confident face first, in the shapes of its scheme; frames without a face
and no frames at all are empty, not errors; a new session repeats the result; cutting a recording into batches does not
change it.

Landmark scheme: the regions that all schemes share, indices within range, a centred mean face of unit inter-ocular
distance.

Cropper: crops, transforms and region bits in the types' shapes; frames do not depend on each other; the transform is
the way back to the source; every region of a face that is in view has pixels.

Action Unit source: intensities of 0 to 5, NaN where there is no face, FACS names.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mien.errors import ModelError, PluginError
from mien.interfaces import ActionUnitSource, Cropper, Detector
from mien.regions.names import REGIONS
from mien.registry import load_registry
from mien.testing.component import ComponentSuite
from mien.testing.fixtures import face_frames, mean_face_track
from mien.types import ByteArray, FrameFaces, LandmarkScheme, Recording


class DetectorSuite(ComponentSuite):
    """Checks of a detector on a real face."""

    def detect(self, made: Detector, *batches: ByteArray) -> list[FrameFaces]:
        """Return the faces of batches of frames under one session."""
        found: list[FrameFaces] = []
        try:
            with made.open("cpu") as session:
                session.reset()
                for batch in batches:
                    times = (len(found) + np.arange(len(batch))) / 25
                    found += list(session.detect(batch, times))
        except (ModelError, PluginError) as error:
            pytest.skip(f"the detector cannot be opened here: {error}")
        return found

    def test_faces_have_the_promised_shapes(self, made: Detector) -> None:
        """Boxes, confidence and landmarks of every frame."""
        points = load_registry().scheme(made.scheme).points
        faces = self.detect(made, face_frames(3))
        assert len(faces) == 3
        for face in faces:
            assert face.count >= 1
            assert face.boxes.shape == (face.count, 4)
            assert face.landmarks.shape == (face.count, points, 2)
            assert np.all(face.boxes[:, :2] < face.boxes[:, 2:])
            assert np.all((face.confidence > 0) & (face.confidence <= 1))
            assert np.all(np.diff(face.confidence) <= 0)

    def test_landmarks_lie_in_their_box(self, made: Detector) -> None:
        """Landmarks and boxes are of one frame of reference: source pixels."""
        for face in self.detect(made, face_frames(2)):
            centre = face.landmarks[0].mean(0)
            assert np.all(centre > face.boxes[0, :2])
            assert np.all(centre < face.boxes[0, 2:])

    def test_no_face_is_empty(self, made: Detector) -> None:
        """A grey frame has no face, and the shapes say so."""
        points = load_registry().scheme(made.scheme).points
        (face,) = self.detect(made, np.full((1, 128, 128, 3), 127, np.uint8))
        assert face.count == 0
        assert face.boxes.shape == (0, 4)
        assert face.landmarks.shape == (0, points, 2)

    def test_no_frames_is_empty(self, made: Detector) -> None:
        """An empty batch gives an empty list."""
        assert self.detect(made, np.zeros((0, 64, 64, 3), np.uint8)) == []

    def test_a_new_session_repeats_the_result(self, made: Detector) -> None:
        """Deterministic, bit by bit."""
        first, second = self.detect(made, face_frames(3)), self.detect(made, face_frames(3))
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one.landmarks, other.landmarks)

    def test_batches_do_not_matter(self, made: Detector) -> None:
        """Three frames at once are three frames one by one."""
        frames = face_frames(3)
        together, apart = self.detect(made, frames), self.detect(made, frames[:1], frames[1:2], frames[2:])
        for one, other in zip(together, apart, strict=True):
            np.testing.assert_allclose(one.landmarks, other.landmarks, atol=1e-3)


class LandmarkSchemeSuite:
    """Checks of a landmark scheme: ``component`` is the function that returns it."""

    component: ClassVar[Any]
    fields: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def made(self) -> LandmarkScheme:
        """Return the scheme."""
        scheme: LandmarkScheme = type(self).__dict__["component"]()
        return scheme

    def test_it_defines_the_shared_regions(self, made: LandmarkScheme) -> None:
        """Every cropper and analyzer understands every detector."""
        assert tuple(made.regions) == REGIONS

    def test_its_indices_exist(self, made: LandmarkScheme) -> None:
        """All of them are points of the scheme."""
        used = [*made.outline, *made.stable, *made.right_eye_corners, *made.left_eye_corners]
        used += [point for region in made.regions.values() for point in region]
        used += [point for edge in made.edges for point in edge]
        used += [point for place in made.named_points.values() for point in place]
        assert min(used) >= 0
        assert max(used) < made.points
        assert len(made.stable) >= 3

    def test_its_mean_face_is_normalised(self, made: LandmarkScheme) -> None:
        """Eyes one unit apart and level around the origin, the person's right on the left, the mouth below."""
        eyes = made.eye_centres(made.mean_face)
        np.testing.assert_allclose(eyes.mean(0), 0, atol=0.02)
        np.testing.assert_allclose(made.inter_ocular(made.mean_face), 1, atol=0.02)
        assert eyes[0, 0] < eyes[1, 0]
        assert made.mean_face[list(made.regions["mouth"]), 1].mean() > 0.5


class CropperSuite(ComponentSuite):
    """Checks of a cropper under a landmark scheme."""

    scheme: str = "mediapipe_478"

    @pytest.fixture
    def given(self) -> Any:
        """Return frames, track and scheme; the middle one of five frames has no face."""
        scheme = load_registry().scheme(self.scheme)
        frames = np.random.default_rng(0).integers(0, 255, (5, 160, 160, 3)).astype(np.uint8)
        return frames, mean_face_track(scheme, lost=[2]), scheme

    def test_crops_have_the_promised_shapes(self, made: Cropper, given: Any) -> None:
        """Data, transforms and validity."""
        crops = made.crop(*given)
        assert len(crops) == 5
        assert list(crops.valid) == [True, True, False, True, True]
        assert crops.transforms.shape == (5, len(made.tiles), 2, 3)
        if made.layout == "video":
            assert crops.data.shape == (5, made.height, made.width, 3)
            assert crops.data.dtype == np.uint8

    def test_frames_do_not_depend_on_each_other(self, made: Cropper, given: Any) -> None:
        """All at once equals one by one."""
        frames, track, scheme = given
        together = made.crop(*given)
        for row in np.flatnonzero(together.valid):
            alone = made.crop(frames[row : row + 1], track[row : row + 1], scheme)
            np.testing.assert_array_equal(alone.data[0], together.data[row])
            np.testing.assert_array_equal(alone.transforms[0], together.transforms[row])

    def test_no_frames_is_empty(self, made: Cropper, given: Any) -> None:
        """Nothing in, nothing out."""
        frames, track, scheme = given
        assert len(made.crop(frames[:0], track[:0], scheme)) == 0

    def test_every_region_in_view_has_pixels(self, made: Cropper, given: Any) -> None:
        """And a frame without a face has none."""
        frames, track, scheme = given
        crops = made.crop(frames, track, scheme)
        for shape in ("hull", "box"):
            bits = made.regions(track.landmarks, crops.transforms, scheme, shape)
            assert bits.dtype == np.uint16
            assert bits.shape[0] == 5
            assert not bits[2].any()
            for number in range(len(REGIONS)):
                assert (bits[0] >> number & 1).any(), REGIONS[number]

    def test_the_transforms_can_be_inverted(self, made: Cropper, given: Any) -> None:
        """They are the way back to the source."""
        crops = made.crop(*given)
        determinants = np.linalg.det(crops.transforms[crops.valid][..., :2])
        assert np.all(np.abs(determinants) > 1e-6)


class ActionUnitSourceSuite(ComponentSuite):
    """Checks of an Action Unit source on a still face; its recording has an OpenFace file, its track blendshapes."""

    scheme: str = "mediapipe_478"

    @pytest.fixture
    def recording(self, tmp_path: Path) -> Recording:
        """Return a recording of twelve frames whose file of Action Units has no face in the fourth."""
        file = tmp_path / "r0.csv"
        rows = [f"{t + 1}, 0, {t / 25:.3f}, {0.98 if t != 3 else 0}, {int(t != 3)}, 0.5, 1" for t in range(12)]
        header = "frame, face_id, timestamp, confidence, success, AU12_r, AU12_c"
        file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return Recording("r0", "p0", video=tmp_path / "r0.mp4", action_units=file)

    def test_the_trace_is_well_formed(self, made: ActionUnitSource, recording: Recording) -> None:
        """Names, times, range, and NaN where there is no face; every Action Unit is told somehow."""
        scheme = load_registry().scheme(self.scheme)
        track = mean_face_track(scheme, frames=12, lost=[3])
        extras = {"blendshapes": np.zeros((12, 52), np.float32)}
        trace = made.action_units(recording, replace(track, extras=extras), scheme)
        assert trace.names
        assert all(re.fullmatch(r"AU\d\d", name) for name in trace.names)
        assert len(set(trace.names)) == len(trace.names)
        assert trace.intensity.shape == (len(trace.times), len(trace.names))
        assert np.nanmin(trace.intensity) >= 0
        assert np.nanmax(trace.intensity) <= 5
        presence = np.full_like(trace.intensity, np.nan) if trace.presence is None else trace.presence
        assert presence.shape == trace.intensity.shape
        assert np.isin(presence[np.isfinite(presence)], (0, 1)).all()
        told = np.isfinite(trace.intensity) | np.isfinite(presence)
        assert not told[3].any()
        assert told.any(0).all()

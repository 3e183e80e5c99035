"""What every cropper promises, under any landmark scheme."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from mien.interfaces import Cropper
from mien.regions.names import REGIONS
from mien.registry import load_registry
from mien.testing.checks import pins
from mien.testing.component import ComponentSuite
from mien.testing.fixtures import mean_face_track
from mien.types import FloatArray

_SIZE, _LOST = 160, 2


class CropperSuite(ComponentSuite):
    """Checks of a cropper under a landmark scheme, on the scheme's mean face.

    Attributes
    ----------
    scheme : str
        Id of the landmark scheme.
    """

    guarantees: ClassVar[Mapping[str, str]] = {
        "shapes": "Crops are uint8 (T, height, width, 3), for landmarks float32 (T, N, 2); a transform for each tile.",
        "valid": "Frames without a face are told apart by `valid`, and cost the others nothing.",
        "batch": "Frames do not depend on each other: all at once equals one by one.",
        "deterministic": "The same frames give the same crops, and frames and track are left as they were.",
        "way back": "A transform maps source pixels to the crop's, and can be inverted: the crop shows what it says.",
        "no frames": "No frames give no crops, and no error.",
        "one frame": "One frame is cropped.",
        "no face": "Frames of which none has a face are cropped without an error, and have no region.",
        "regions": "Region bits are uint16, an element of the crop each; every region in view has some, hull and box.",
        "tiles": "Tiles lie within the crop and do not overlap.",
    }

    scheme: str = "mediapipe_478"

    @pytest.fixture
    def given(self) -> Any:
        """Return frames, track and scheme; the middle one of five frames has no face."""
        scheme = load_registry().scheme(self.scheme)
        frames = np.random.default_rng(0).integers(0, 255, (5, _SIZE, _SIZE, 3)).astype(np.uint8)
        return frames, mean_face_track(scheme, size=_SIZE, lost=[_LOST]), scheme

    def use(self, made: Cropper, folder: Path) -> object:
        """Crop a frame."""
        scheme = load_registry().scheme(self.scheme)
        return made.crop(np.zeros((1, _SIZE, _SIZE, 3), np.uint8), mean_face_track(scheme, 1, _SIZE), scheme)

    def run_parts(self, made: Cropper) -> Mapping[str, Any]:
        """Return it, with a face told in the suite's scheme."""
        from mien.testing.parts import KnownFace

        return {"cropper": made, "detector": KnownFace(scheme_id=self.scheme)}

    def check_run(self, run: Any, made: Cropper) -> None:
        """Find the regions of its crops."""
        table = run.table("relevance")
        assert (table.loc[table["region"] == "mouth", "area"] > 0).all()

    @pins("shapes")
    def test_crops_have_the_promised_shapes(self, made: Cropper, given: Any) -> None:
        """Data, transforms and their types."""
        crops = made.crop(*given)
        assert len(crops) == 5
        assert crops.transforms.shape == (5, len(made.tiles), 2, 3)
        assert crops.transforms.dtype == np.float64
        assert crops.valid.dtype == bool
        if made.layout == "video":
            assert crops.data.shape == (5, made.height, made.width, 3)
            assert crops.data.dtype == np.uint8
        else:
            assert crops.data.shape[::2] == (5, 2)
            assert 1 <= crops.data.shape[1] <= given[2].points
            assert crops.data.dtype == np.float32

    @pins("valid")
    def test_frames_without_a_face_are_told(self, made: Cropper, given: Any) -> None:
        """The third one is; all others have finite data and transforms."""
        crops = made.crop(*given)
        assert list(crops.valid) == [True, True, False, True, True]
        assert np.isfinite(crops.transforms[crops.valid]).all()
        assert np.isfinite(crops.data[crops.valid]).all()

    @pins("batch")
    def test_frames_do_not_depend_on_each_other(self, made: Cropper, given: Any) -> None:
        """All at once equals one by one."""
        frames, track, scheme = given
        together = made.crop(*given)
        for row in np.flatnonzero(together.valid):
            alone = made.crop(frames[row : row + 1], track[row : row + 1], scheme)
            np.testing.assert_array_equal(alone.data[0], together.data[row])
            np.testing.assert_array_equal(alone.transforms[0], together.transforms[row])

    @pins("deterministic")
    def test_it_repeats_itself_and_changes_nothing(self, made: Cropper, given: Any) -> None:
        """Twice the same crops; frames, landmarks and boxes as before."""
        frames, track, scheme = given
        own = frames.copy(), track.landmarks.copy(), track.boxes.copy()
        first, second = made.crop(*given), made.crop(*given)
        np.testing.assert_array_equal(first.data[first.valid], second.data[second.valid])
        np.testing.assert_array_equal(first.transforms[first.valid], second.transforms[second.valid])
        made.regions(track.landmarks, first.transforms, scheme)
        for now, before in zip((frames, track.landmarks, track.boxes), own, strict=True):
            np.testing.assert_array_equal(now, before)

    @pins("way back")
    def test_the_transforms_are_the_way_back_to_the_source(self, made: Cropper, given: Any) -> None:
        """Red and green of the source say where a pixel is; those of the crop say where it was taken from."""
        _, track, scheme = given
        y, x = np.mgrid[0:_SIZE, 0:_SIZE]
        frame = np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)
        crops = made.crop(np.stack([frame] * 5), track, scheme)
        determinants = np.linalg.det(crops.transforms[crops.valid][..., :2])
        assert np.all(np.abs(determinants) > 1e-6), "a transform cannot be inverted"
        if made.layout == "landmarks":
            return  # the landmarks may be told in any unit
        seen = 0
        for tile, transform in zip(made.tiles, crops.transforms[0], strict=True):
            v, u = np.mgrid[tile.y0 : tile.y1, tile.x0 : tile.x1]
            source = _inverse(transform, np.stack([u, v], axis=-1))
            inside = np.all((source > 4) & (source < _SIZE - 5), axis=-1)
            shown = crops.data[0][tile.y0 : tile.y1, tile.x0 : tile.x1, :2].astype(float)
            seen += int(inside.sum())
            if inside.any():
                off = np.median(np.abs(shown - source)[inside], axis=0)
                assert np.all(off < 2), f"a tile shows what lies {off} pixels from where its transform says"
        assert seen > 0, "no pixel of the crop shows the frame"

    @pins("no frames")
    def test_no_frames_is_empty(self, made: Cropper, given: Any) -> None:
        """Nothing in, nothing out."""
        frames, track, scheme = given
        assert len(made.crop(frames[:0], track[:0], scheme)) == 0

    @pins("one frame")
    def test_one_frame_is_cropped(self, made: Cropper, given: Any) -> None:
        """The shortest video."""
        frames, track, scheme = given
        crops = made.crop(frames[:1], track[:1], scheme)
        assert list(crops.valid) == [True]
        assert made.regions(track.landmarks[:1], crops.transforms, scheme).shape[0] == 1

    @pins("no face")
    def test_no_valid_frame_is_no_error(self, made: Cropper, given: Any) -> None:
        """All frames without a face."""
        frames, _, scheme = given
        lost = mean_face_track(scheme, size=_SIZE, lost=range(5))
        crops = made.crop(frames, lost, scheme)
        assert len(crops) == 5
        assert not crops.valid.any()
        assert not made.regions(lost.landmarks, crops.transforms, scheme).any()

    @pins("regions")
    def test_every_region_in_view_has_pixels(self, made: Cropper, given: Any) -> None:
        """And a frame without a face has none."""
        frames, track, scheme = given
        crops = made.crop(frames, track, scheme)
        for shape in ("hull", "box"):
            bits = made.regions(track.landmarks, crops.transforms, scheme, shape)
            assert bits.dtype == np.uint16
            assert bits.shape == crops.data.shape[: 3 if made.layout == "video" else 2]
            assert not bits[_LOST].any(), "a frame without a face has a region"
            for number in range(len(REGIONS)):
                assert (bits[0] >> number & 1).any(), REGIONS[number]

    @pins("tiles")
    def test_tiles_divide_the_crop(self, made: Cropper) -> None:
        """Within it, and none upon another."""
        covered = np.zeros((made.height, made.width), int)
        assert made.tiles
        for tile in made.tiles:
            assert 0 <= tile.x0 < tile.x1 <= made.width
            assert 0 <= tile.y0 < tile.y1 <= made.height
            covered[tile.y0 : tile.y1, tile.x0 : tile.x1] += 1
        assert covered.max() == 1, "two tiles overlap"


def _inverse(transform: FloatArray, places: FloatArray) -> FloatArray:
    return np.asarray((places - transform[:, 2]) @ np.linalg.inv(transform[:, :2]).T, np.float64)

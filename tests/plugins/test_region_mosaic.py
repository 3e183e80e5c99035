"""The mosaic of regions against the paper's definitions.

1. Boxes equal a slow twin, at the image's borders and for tiny regions too; tiles cover the crop.
2. Every pixel of a tile shows the place of the source that the tile's transform says, and belongs to its region.
3. Frames without all regions are invalid; relevance goes back to where it came from.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import typing
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from mien.regions.bits import FACE, REGIONS, bit
from mien.registry import load_registry
from mien.report.overlay import Strip, region_outlines, smoothed, to_source
from mien.types import FaceTrack, LandmarkScheme
from mien_plugins.croppers.region_mosaic import Region, RegionMosaic

HEIGHT, WIDTH = 240, 320


@pytest.fixture(params=["mediapipe_478", "ibug_68"])
def scheme(request: pytest.FixtureRequest) -> LandmarkScheme:
    return load_registry().scheme(request.param)


def track_of(scheme: LandmarkScheme, places: list[tuple[float, float, float]]) -> FaceTrack:
    """Return mean faces at ``(x, y)`` of the point between the eyes, with an inter-ocular distance in pixels."""
    faces = [np.asarray(scheme.mean_face, float) * size + [x, y] for x, y, size in places]
    landmarks = np.stack(faces).astype(np.float32)
    count = len(places)
    boxes = np.concatenate([landmarks.min(1), landmarks.max(1)], axis=1)
    return FaceTrack(
        scheme.id, np.arange(count) / 25, boxes, np.ones(count), landmarks, np.ones(count, int), WIDTH, HEIGHT
    )


def picture(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return slow waves, other ones in each channel."""
    return 127.5 + 80 * np.stack([np.sin(x / 17 + c) * np.cos(y / 15 - 2 * c) for c in range(3)], axis=-1)


def frames_of(count: int) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    return np.repeat(np.rint(picture(x, y)).astype(np.uint8)[None], count, axis=0)


INSIDE = [(160, 100, 60), (140.3, 90.7, 41.5), (180, 120, 75)]
AT_BORDERS = [(40, 20, 60), (290, 200, 50), (160, 5, 66), (20, 120, 40)]


def slow_box(points: np.ndarray, padding: float, least: float) -> list[float] | None:
    """Return the paper's box of a region's points, with our smallest side and clipped to the image; or None."""
    xs, ys = [float(x) for x, _ in points], [float(y) for _, y in points]
    sides = []
    for low, high, length in ((min(xs), max(xs), WIDTH), (min(ys), max(ys), HEIGHT)):
        side = high - low
        low, high = low - padding * side, high + padding * side
        if high - low < least:
            centre = (low + high) / 2
            low, high = centre - least / 2, centre + least / 2
        sides.append((max(low, -0.5), min(high, length - 0.5)))
    (x0, x1), (y0, y1) = sides
    return [x0, y0, x1, y1] if x1 - x0 >= 1 and y1 - y0 >= 1 else None


@pytest.mark.parametrize("places", [INSIDE, AT_BORDERS], ids=["inside", "borders"])
@pytest.mark.parametrize("fields", [{}, {"eyebrow_padding": 0.4, "eye_padding": 0.0, "least_side": 0.3}])
def test_boxes_are_the_papers(scheme: LandmarkScheme, places: list, fields: dict) -> None:
    mosaic, track = RegionMosaic(**fields), track_of(scheme, places)
    paddings = {"eye": 0.25, "eyebrow": 0.0, "nose": 0.0, "mouth": 0.25}
    paddings |= {name.removesuffix("_padding"): value for name, value in fields.items() if "padding" in name}
    found = mosaic.boxes(track, scheme)
    for frame, (_, _, size) in enumerate(places):
        expected = [
            slow_box(
                track.landmarks[frame, list(scheme.regions[name])],
                paddings[name.split("_")[-1]],
                max(fields.get("least_side", 0.1) * size, 1),
            )
            for name in mosaic.show
        ]
        if None in expected:
            assert np.isnan(found[frame]).all()
        else:
            np.testing.assert_allclose(found[frame], expected, atol=2e-4)
    assert np.isfinite(found).any()


def test_closed_eyes_and_flat_eyebrows_have_the_least_side(scheme: LandmarkScheme) -> None:
    track = track_of(scheme, [(160, 100, 60)])
    landmarks = np.array(track.landmarks)
    for name in ("right_eye", "left_eyebrow"):
        rows = list(scheme.regions[name])
        landmarks[0, rows, 1] = landmarks[0, rows, 1].mean()
    flat = replace(track, landmarks=landmarks)
    size = float(scheme.inter_ocular(landmarks)[0])
    mosaic = RegionMosaic()
    boxes = dict(zip(mosaic.show, mosaic.boxes(flat, scheme)[0], strict=True))
    for name in ("right_eye", "left_eyebrow"):
        x0, y0, x1, y1 = boxes[name]
        assert y1 - y0 == pytest.approx(0.1 * size)
        assert (y0 + y1) / 2 == pytest.approx(landmarks[0, scheme.regions[name][0], 1], abs=1e-4)
        assert x1 - x0 > 20
    # And however small the face is, a box has a pixel.
    tiny = replace(track, landmarks=landmarks / 100 + 100)
    sides = RegionMosaic().boxes(tiny, scheme)[0]
    np.testing.assert_allclose(sides[:, 2:] - sides[:, :2], 1, atol=1e-4)
    assert RegionMosaic().crop(frames_of(1), tiny, scheme).valid.all()


@pytest.mark.parametrize("places", [INSIDE, AT_BORDERS[:1]], ids=["inside", "border"])
def test_every_tile_shows_its_place_in_the_source(scheme: LandmarkScheme, places: list) -> None:
    mosaic, track = RegionMosaic(height=90, width=100), track_of(scheme, places)
    crops = mosaic.crop(frames_of(len(places)), track, scheme)
    boxes = mosaic.boxes(track, scheme)
    assert crops.valid.all()
    for place, tile in enumerate(mosaic.tiles):
        y, x = np.mgrid[tile.y0 : tile.y1, tile.x0 : tile.x1].astype(float)
        for frame in range(len(places)):
            matrix = crops.transforms[frame, place]
            source = np.linalg.solve(matrix[:, :2], np.stack([x.ravel(), y.ravel()]) - matrix[:, 2:])
            expected = picture(*source).reshape(*x.shape, 3)
            found = crops.data[frame, tile.y0 : tile.y1, tile.x0 : tile.x1]
            assert np.abs(found - expected).max() < 5
            # The box fills the tile from edge to edge.
            corners = matrix[:, :2] @ boxes[frame, place].reshape(2, 2).T + matrix[:, 2:]
            np.testing.assert_allclose(corners.T, [[tile.x0 - 0.5, tile.y0 - 0.5], [tile.x1 - 0.5, tile.y1 - 0.5]])


def test_all_pixels_of_a_tile_belong_to_its_region(scheme: LandmarkScheme) -> None:
    mosaic, track = RegionMosaic(), track_of(scheme, INSIDE)
    transforms = mosaic.crop(frames_of(3), track, scheme).transforms
    for shape, padding in (("hull", 0.25), ("box", 0.0)):
        bits = mosaic.regions(track.landmarks, transforms, scheme, shape, padding)
        for tile in mosaic.tiles:
            assert (bits[:, tile.y0 : tile.y1, tile.x0 : tile.x1] == bit(tile.region) | bit(FACE)).all()
        assert bits.shape == (3, 112, 112)


@pytest.mark.parametrize("columns", [1, 2, 3, 6, 9])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("size", [(112, 112), (50, 67)])
def test_tiles_cover_the_crop_and_do_not_overlap(count: int, columns: int, size: tuple[int, int]) -> None:
    names = REGIONS[:count]
    mosaic = RegionMosaic(show=names, columns=columns, height=size[0], width=size[1])
    covered = np.zeros(size, int)
    for tile in mosaic.tiles:
        covered[tile.y0 : tile.y1, tile.x0 : tile.x1] += 1
    assert (covered == 1).all()
    assert tuple(tile.region for tile in mosaic.tiles) == names
    widths = {tile.x1 - tile.x0 for tile in mosaic.tiles[: columns if columns < count else count]}
    assert max(widths) - min(widths) <= 1


def test_the_default_looks_like_a_face() -> None:
    places = {tile.region: (tile.x0, tile.y0) for tile in RegionMosaic().tiles}
    # The person's right is on the left of the picture.
    for name in ("eye", "eyebrow"):
        assert places[f"right_{name}"][0] < places[f"left_{name}"][0]
    assert places["right_eyebrow"][1] < places["right_eye"][1] < places["mouth"][1]


def test_the_regions_are_those_of_the_schemes() -> None:
    assert set(typing.get_args(Region)) == set(REGIONS)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"show": ["mouth", "nose", "mouth"]}, "names a region twice"),
        ({"show": []}, "at least 1"),
        ({"show": ["jaw"]}, "right_eyebrow"),
        ({"height": 8}, "a side of 2 pixels; at least 4"),
        ({"nose_padding": -0.1}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RegionMosaic(**fields)


def test_frames_without_all_regions_are_invalid_and_hurt_no_other(scheme: LandmarkScheme) -> None:
    track = track_of(scheme, [*INSIDE, (160, 100, 60), (-20, 120, 60), (160, 100, 60)])
    landmarks, confidence = np.array(track.landmarks), np.array(track.confidence)
    landmarks[1], confidence[1] = np.nan, 0
    confidence[3] = 0  # landmarks that nobody vouches for
    mixed = replace(track, landmarks=landmarks, confidence=confidence)
    mosaic, frames = RegionMosaic(), frames_of(6)
    crops, expected = mosaic.crop(frames, mixed, scheme), mosaic.crop(frames, track, scheme)
    # Frame 4: the right eye is beside the image, though the left one is in it.
    assert crops.valid.tolist() == [True, False, True, False, False, True]
    assert np.isnan(crops.transforms[~crops.valid]).all()
    assert not crops.data[~crops.valid].any()
    bits = mosaic.regions(landmarks, crops.transforms, scheme)
    assert not bits[~crops.valid].any()
    assert bits[crops.valid].all()
    for frame in (0, 2, 5):
        np.testing.assert_array_equal(crops.data[frame], expected.data[frame])
    # Without the eyes, that frame can be used.
    left = RegionMosaic(show=["left_eye", "left_eyebrow"])
    assert left.crop(frames, mixed, scheme).valid.tolist() == [True, False, True, False, True, True]


def test_relevance_of_a_tile_goes_back_to_its_region(scheme: LandmarkScheme) -> None:
    mosaic, track = RegionMosaic(), track_of(scheme, INSIDE[:1])
    crops, boxes = mosaic.crop(frames_of(1), track, scheme), mosaic.boxes(track, scheme)
    for place, tile in enumerate(mosaic.tiles):
        maps = np.zeros((1, 112, 112), np.float32)
        maps[0, tile.y0 : tile.y1, tile.x0 : tile.x1] = 1
        found = to_source(maps, crops.transforms, HEIGHT, WIDTH, mosaic.tiles)[0]
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        x0, y0, x1, y1 = boxes[0, place]
        outside = np.maximum(np.maximum(x0 - x, x - x1), np.maximum(y0 - y, y - y1))
        assert (found[outside < -1] == 1).all()
        assert (found[outside > 1] == 0).all()


def test_outlines_are_the_boxes_and_the_blur_stays_in_its_tile(scheme: LandmarkScheme) -> None:
    mosaic, track = RegionMosaic(), track_of(scheme, INSIDE)
    crops, boxes = mosaic.crop(frames_of(3), track, scheme), mosaic.boxes(track, scheme)
    maps = np.random.default_rng(0).normal(size=(3, 112, 112)).astype(np.float32)
    strip = Strip(np.arange(3), maps, crops.transforms, track.landmarks, mosaic.tiles)
    outlines = region_outlines(strip, scheme)
    assert tuple(outlines) == mosaic.show
    for place, name in enumerate(mosaic.show):
        x0, y0, x1, y1 = boxes[:, place].T
        np.testing.assert_allclose(
            outlines[name], np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]).transpose(2, 0, 1)
        )
    blurred = smoothed(maps, mosaic.tiles)
    for tile, other in itertools.permutations(mosaic.tiles, 2):
        part = np.s_[:, tile.y0 : tile.y1, tile.x0 : tile.x1]
        changed = maps.copy()
        changed[:, other.y0 : other.y1, other.x0 : other.x1] = 1e3
        np.testing.assert_array_equal(smoothed(changed, mosaic.tiles)[part], blurred[part])
    assert blurred.std() < 0.5 * maps.std()


def test_importing_the_cropper_is_light() -> None:
    code = "import sys, mien_plugins.croppers.region_mosaic; print(*{'numpy', 'cv2', 'torch'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []

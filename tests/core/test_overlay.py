"""Relevance lands on the source pixel it came from, whatever the head's place, size and tilt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.errors import DataError
from mien.regions.bits import REGIONS, bit, rasterise
from mien.report.overlay import (
    NEGATIVE,
    POSITIVE,
    Strip,
    View,
    blend,
    draw_outlines,
    encode,
    face_view,
    merge_windows,
    overlay,
    region_outlines,
    relevance_limit,
    to_source,
)
from mien.report.overlay_video import OverlayStyle, overlay_video
from mien.types import LandmarkScheme, Tile
from mien.video.reader import probe, read_frames
from mien.video.writer import VideoWriter

SCHEME = LandmarkScheme(
    id="test",
    points=28,
    regions={name: tuple(range(4 * i, 4 * i + 4)) for i, name in enumerate(REGIONS)},
    outline=(24, 25, 26, 27),
    closed_outline=True,
    stable=(0, 4),
    right_eye_corners=(0, 1),
    left_eye_corners=(4, 5),
    mean_face=np.zeros((28, 2)),
)


def similarity(scale, degrees, x, y):
    """Source to crop: turn and scale about the source's origin, then move."""
    a = np.deg2rad(degrees)
    return np.array([[scale * np.cos(a), -scale * np.sin(a), x], [scale * np.sin(a), scale * np.cos(a), y]])


def blob(height, width, x, y, sigma=2.5):
    rows, columns = np.mgrid[:height, :width]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32)


def centre(image):
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(columns * image).sum(), (rows * image).sum()]) / image.sum()


TRANSFORMS = [(0.5, 0, -10, -20), (0.4, 30, 10, -25), (1.7, -50, -150, 40), (0.8, 170, 150, 90)]


@pytest.mark.parametrize("parameters", TRANSFORMS)
def test_a_planted_blob_lands_where_it_came_from(parameters):
    transform = similarity(*parameters)
    place = np.array([33.0, 27.0])  # in the crop
    source = cv2.invertAffineTransform(transform) @ [*place, 1]
    maps = blob(64, 64, *place)[None]
    found = to_source(maps, transform[None, None], 300, 300)[0]
    assert centre(found) == pytest.approx(source, abs=0.1)
    assert found.max() == pytest.approx(1.0, abs=0.1)
    # One source pixel holds scale**2 crop pixels, so that what is carried keeps its sum.
    assert found.sum() * parameters[0] ** 2 == pytest.approx(maps.sum(), rel=0.02)


def test_nothing_lands_outside_the_crop():
    found = to_source(np.ones((1, 20, 30), np.float32), similarity(1, 0, -100, -50)[None, None], 200, 200)[0]
    expected = np.zeros((200, 200))
    expected[50:70, 100:130] = 1
    assert found == pytest.approx(expected)


def test_tiles_go_back_on_their_own():
    maps = np.zeros((1, 10, 20), np.float32)
    maps[0, 4, 3], maps[0, 6, 15] = 1.0, 2.0
    tiles = (Tile(0, 0, 10, 10), Tile(10, 0, 20, 10))
    transforms = np.stack([similarity(1, 0, -40, -30), similarity(1, 0, 10 - 70, -10)])[None]
    found = to_source(maps, transforms, 60, 100, tiles)[0]
    assert found[34, 43] == 1.0
    assert found[16, 75] == 2.0
    assert found.sum() == pytest.approx(3.0)


def test_a_frame_without_a_transform_stays_empty():
    transforms = np.full((1, 1, 2, 3), np.nan)
    assert not to_source(np.ones((1, 8, 8), np.float32), transforms, 20, 20).any()


def test_a_view_shows_the_same_place():
    view = View(40, 20, 140, 100, 2.5)
    transform = similarity(0.5, 20, 5, -10)
    place = np.array([30.0, 20.0])
    source = cv2.invertAffineTransform(transform) @ [*place, 1]
    found = to_source(blob(64, 64, *place)[None], transform[None, None], 200, 200, view=view)[0]
    assert found.shape == view.size
    assert centre(found) == pytest.approx(view.affine @ [*source, 1], abs=0.2)
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[60, 90] = 255
    assert centre(view.show(frame)[..., 0].astype(float)) == pytest.approx(view.affine @ [90, 60, 1], abs=0.2)


def test_colours_are_symmetric_and_saturate():
    frame = np.full((1, 5, 3), 100, np.uint8)
    image = blend(frame, np.array([[0, 1, -1, 50, np.nan]]), 1.0, signed=True)[0].astype(int)
    assert image[0].tolist() == image[4].tolist() == [100, 100, 100]
    assert image[1].tolist() == image[3].tolist()
    assert np.abs(image[1] - 0.85 * np.array(POSITIVE) - 15).max() <= 1
    assert np.abs(image[2] - 0.85 * np.array(NEGATIVE) - 15).max() <= 1


def test_the_limit_is_robust():
    values = np.ones((1, 100, 100))
    values[0, 0, 0] = -1e6
    assert relevance_limit(values) == 1.0
    assert relevance_limit(np.zeros((1, 4, 4))) == 1.0


def test_overlapping_windows_become_one_map_a_frame():
    frames = np.array([[4, 6], [6, 8]])
    maps = np.arange(4, dtype=float).reshape(2, 2, 1, 1)
    strip = merge_windows(frames, maps, np.zeros((2, 2, 1, 2, 3)), np.zeros((2, 2, 5, 2)))
    assert strip.frames.tolist() == [4, 6, 8]
    assert strip.maps.ravel().tolist() == [0.0, 1.5, 3.0]


def strip_of(transform, seed=0, frames=1):
    rng = np.random.default_rng(seed)
    corners = np.array([[0, 0], [16, 3], [14, 12], [1, 9]], float)
    places = rng.uniform(60, 140, (6, 1, 2)) + corners
    face = np.array([[50, 50], [160, 50], [160, 160], [50, 160]], float)
    landmarks = np.concatenate([places.reshape(-1, 2), face])
    n = frames
    return Strip(
        np.arange(n),
        np.repeat(blob(64, 64, 30, 30)[None], n, 0),
        np.repeat(transform[None, None], n, 0),
        np.repeat(landmarks[None], n, 0),
    )


@pytest.mark.parametrize("shape", ["hull", "box"])
def test_outlines_enclose_the_pixels_that_are_pooled(shape):
    transform = similarity(0.5, 25, 25, -30)
    strip = strip_of(transform)
    outlines = region_outlines(strip, SCHEME, shape, 0.25)
    into = strip.landmarks @ transform[:, :2].T + transform[:, 2]
    masks = rasterise(into, SCHEME, 64, 64, shape, 0.25)[0]
    for name, polygon in outlines.items():
        in_crop = polygon[0] @ transform[:, :2].T + transform[:, 2]
        for row, column in np.argwhere(masks & bit(name)):
            inside = cv2.pointPolygonTest(in_crop.astype(np.float32)[:, None], (float(column), float(row)), True)
            assert inside > -1e-3


def test_an_unseen_face_has_no_outline():
    strip = strip_of(similarity(0.5, 0, 0, 0))
    strip.landmarks[:] = np.nan
    outlines = region_outlines(strip, SCHEME)
    image = np.zeros((20, 20, 3), np.uint8)
    assert not draw_outlines(image, [p[0] for p in outlines.values()], View(0, 0, 20, 20)).any()


def test_the_view_holds_the_face_in_every_frame():
    landmarks = np.full((3, 2, 2), np.nan)
    landmarks[0], landmarks[2] = [[500, 300], [560, 380]], [[540, 310], [600, 390]]
    view = face_view(landmarks, 720, 1280, panel=320)
    assert view.x0 <= 500
    assert view.x1 >= 600
    assert view.y0 <= 300
    assert view.y1 >= 390
    assert max(view.size) == 320
    whole = face_view(np.full((1, 2, 2), np.nan), 720, 1280, panel=320)
    assert (whole.x0, whole.y0, whole.x1, whole.y1) == (0, 0, 1280, 720)


def test_a_picture_is_a_jpeg_of_limited_width():
    data = encode(np.zeros((100, 900, 3), np.uint8), width=300)
    assert data.startswith(b"\xff\xd8\xff")
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (33, 300, 3)


def test_an_overlay_is_red_where_relevance_is():
    transform = similarity(0.4, 15, -10, -20)
    strip = strip_of(transform)
    frame = np.full((200, 200, 3), 120, np.uint8)
    view = View(0, 0, 200, 200)
    image = overlay(frame, strip, 0, view=view, limit=1.0, signed=True).astype(int)
    x, y = np.round(cv2.invertAffineTransform(transform) @ [30, 30, 1]).astype(int)
    assert image[y, x, 0] > image[y, x, 2] + 100
    assert image[5, 5].tolist() == [120, 120, 120]


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "source.mp4"
    with VideoWriter(path, 20.0, 200, 240) as writer:
        for i in range(30):
            writer.write(np.full((200, 240, 3), 60 + 4 * i, np.uint8))
    return path


def test_the_video_has_the_frames_and_rate_of_the_source(video, tmp_path):
    strip = strip_of(similarity(0.4, 15, -10, -20), frames=10)
    strip = Strip(np.arange(4, 24, 2), strip.maps, strip.transforms, strip.landmarks)
    style = OverlayStyle(label="red: for", panel=160)
    path = overlay_video(tmp_path / "o.mp4", video, strip, SCHEME, rate=20.0, style=style)
    frames = np.concatenate([frames for frames, _ in read_frames(path)])
    info = probe(path)
    assert len(frames) == 22 - 4 + 1  # from the first explained frame to the last
    assert info.rate == pytest.approx(20.0)
    half = frames.shape[2] // 2
    assert abs(int(frames[0, 5, 5, 0]) - (60 + 4 * 4)) < 8
    assert np.ptp(frames[0, :-24, :half].astype(int).mean(-1)) < 30  # left: as filmed
    assert (frames[0, :-24, half:].astype(int)[..., 0] - frames[0, :-24, half:, 2]).max() > 80  # right: red
    assert list(tmp_path.glob(".*")) == []


def test_frames_far_from_any_explained_one_are_plain(video, tmp_path):
    strip = strip_of(similarity(0.4, 15, -10, -20), frames=3)
    strip = Strip(np.array([0, 1, 20]), strip.maps, strip.transforms, strip.landmarks)
    style = OverlayStyle(panel=160)
    path = overlay_video(tmp_path / "o.mp4", video, strip, SCHEME, rate=20.0, style=style)
    frames = np.concatenate([frames for frames, _ in read_frames(path)]).astype(int)[:, :-24]
    redness = (frames[..., 0] - frames[..., 2]).max(axis=(1, 2))
    assert redness[20] > 80
    assert redness[10:20].max() < 20


def test_a_source_that_is_too_short_is_an_error(video, tmp_path):
    strip = strip_of(similarity(0.4, 15, -10, -20), frames=1)
    strip = Strip(np.array([500]), strip.maps, strip.transforms, strip.landmarks)
    with pytest.raises(DataError, match="no frame 500"):
        overlay_video(tmp_path / "o.mp4", video, strip, SCHEME, rate=20.0)
    assert not (tmp_path / "o.mp4").exists()

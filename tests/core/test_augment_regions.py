"""Regions stay on their pixels through every augmentation.

Each region is painted in its own colour by its mask, the clip is changed, and the regions that the change gives back
must lie on their colours: by moving the mask's pixels, and by rasterising the landmarks under the moved transforms.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mien.clips.windows import plan_windows, random_window
from mien.config.settings import AugmentSettings, WindowSettings
from mien.registry import load_registry
from mien.testing import mean_face_track
from mien.training.augment import Change, draw_change
from mien.training.data import TrainingClips
from mien.types import InputSpec, Tile

SETTINGS = {
    "flip": AugmentSettings(flip=True, shift=0, jitter=0),
    "shift": AugmentSettings(flip=False, shift=5, jitter=0),
    "rotate": AugmentSettings(flip=False, shift=0, jitter=0, rotate=40),
    "zoom": AugmentSettings(flip=False, shift=0, jitter=0, zoom=0.4),
    "all": AugmentSettings(flip=True, shift=4, jitter=0, rotate=25, zoom=0.3),
}
CROPPERS = [("face", {}), ("face", {"mode": "box", "width": 90}), ("region_mosaic", {})]


def colours(bits: np.ndarray) -> np.ndarray:
    """Return a picture in which each set of regions has a colour far from all others and from black."""
    palette = np.random.default_rng(1).integers(0, 256, (128, 3)).astype(np.uint8)
    return palette[bits]


def inside(bits: np.ndarray, reach: int = 1) -> np.ndarray:
    """Return which pixels have only pixels of the same value around them; those at the crop's border have not."""
    height, width = bits.shape[1:]
    same = np.zeros(bits.shape, bool)
    core = np.s_[:, reach : height - reach, reach : width - reach]
    same[core] = True
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            other = bits[:, reach + down : height - reach + down, reach + right : width - reach + right]
            same[core] &= other == bits[core]
    return same


def tile_interior(tiles: tuple[Tile, ...], shape: tuple[int, int], reach: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for tile in tiles:
        mask[tile.y0 + reach : tile.y1 - reach, tile.x0 + reach : tile.x1 - reach] = True
    return mask


@pytest.fixture(params=CROPPERS, ids=lambda given: f"{given[0]}-{'-'.join(map(str, given[1].values()))}")
def painted(request: pytest.FixtureRequest):
    """Return a cropper, its regions of a face in two frames, and what is needed to rasterise them again."""
    name, fields = request.param
    registry = load_registry()
    cropper = registry.load("cropper", name)(**fields)
    scheme = registry.scheme("mediapipe_478")
    track = mean_face_track(scheme, frames=2)
    crops = cropper.crop(np.zeros((2, 160, 160, 3), np.uint8), track, scheme)
    return (
        cropper,
        cropper.regions(track.landmarks, crops.transforms, scheme),
        crops.transforms,
        track.landmarks,
        scheme,
    )


@pytest.mark.parametrize("kind", SETTINGS)
def test_moved_bits_lie_on_their_colours(painted, kind):
    cropper, bits, *_ = painted
    seen = 0
    for seed in range(12):
        change = draw_change(SETTINGS[kind], np.random.default_rng(seed))
        picture = change.pixels(colours(bits), cropper.tiles)
        moved = change.regions(bits, cropper.tiles)
        assert moved.shape == bits.shape
        assert moved.dtype == bits.dtype
        if kind in ("flip", "shift"):  # whole pixels: exact everywhere
            np.testing.assert_array_equal(picture, colours(moved))
        # Colours mix between pixels of different regions, and nowhere else.
        even = change.regions(inside(bits).astype(np.uint16), cropper.tiles) == 1
        np.testing.assert_array_equal(picture[even], colours(moved)[even])
        seen += even.mean()
    assert seen / 12 > 0.5


@pytest.mark.parametrize("kind", SETTINGS)
def test_regions_rasterised_again_lie_on_their_colours(painted, kind):
    cropper, _, transforms, landmarks, scheme = painted
    # A hull that is grown about the centre of its box grows a little otherwise when it is turned: no growing here.
    bits = cropper.regions(landmarks, transforms, scheme, "hull", 0.0)
    height, width = bits.shape[1:]
    seen = 0
    for seed in range(8):
        change = draw_change(SETTINGS[kind], np.random.default_rng(seed))
        picture = change.pixels(colours(bits), cropper.tiles)
        moved = change.transforms(transforms, height, width, cropper.tiles)
        again = cropper.regions(landmarks, moved, scheme, "hull", 0.0)
        # What comes into view repeats the border, where landmarks know of no region.
        inner = tile_interior(cropper.tiles, (height, width), 2)[None].repeat(2, axis=0).astype(np.uint16)
        in_view = change.regions(inner, cropper.tiles) == 1
        even = inside(again, 2) & in_view & (change.regions(inside(bits).astype(np.uint16), cropper.tiles) == 1)
        np.testing.assert_array_equal(picture[even], colours(again)[even])
        seen += even.mean()
    assert seen / 8 > 0.3


@pytest.mark.parametrize("kind", SETTINGS)
def test_pixels_never_cross_tiles(kind):
    mosaic = load_registry().load("cropper", "region_mosaic")(columns=3)
    shades = np.zeros((2, 112, 112, 3), np.uint8)
    for number, tile in enumerate(mosaic.tiles):
        shades[:, tile.y0 : tile.y1, tile.x0 : tile.x1] = 40 * number + 10
    for seed in range(20):
        change = draw_change(SETTINGS[kind], np.random.default_rng(seed))
        np.testing.assert_array_equal(change.pixels(shades, mosaic.tiles), shades)
        names = shades[..., 0].astype(np.uint16)
        np.testing.assert_array_equal(change.regions(names, mosaic.tiles), names)


def test_each_tile_changes_as_a_crop_of_its_own_would():
    clip = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    tiles = (Tile(0, 0, 22, 40), Tile(22, 0, 60, 18), Tile(22, 18, 60, 40))
    for change in (Change(mirrored=True, down=2, right=-3), Change(degrees=13, scale=1.2, mirrored=True, right=2)):
        found = change.pixels(clip, tiles)
        for tile in tiles:
            part = np.s_[:, tile.y0 : tile.y1, tile.x0 : tile.x1]
            np.testing.assert_array_equal(found[part], change.pixels(np.ascontiguousarray(clip[part])))


def test_a_mirrored_left_eye_stays_the_left_eye(painted):
    cropper, bits, *_ = painted
    moved = Change(mirrored=True).regions(bits, cropper.tiles)
    values, counts = np.unique(bits, return_counts=True)
    moved_values, moved_counts = np.unique(moved, return_counts=True)
    np.testing.assert_array_equal(values, moved_values)
    np.testing.assert_array_equal(counts, moved_counts)
    if len(cropper.tiles) == 1:
        np.testing.assert_array_equal(moved, bits[:, :, ::-1])
    else:
        np.testing.assert_array_equal(moved, bits)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_quarter_turn_is_exact(mirrored):
    clip = np.random.default_rng(0).integers(0, 256, (2, 21, 21, 3), dtype=np.uint8)
    start = clip[:, :, ::-1] if mirrored else clip
    change = Change(mirrored=mirrored, degrees=90)
    np.testing.assert_array_equal(change.pixels(clip), np.rot90(start, -1, axes=(1, 2)))  # clockwise
    np.testing.assert_array_equal(change.regions(clip[..., 0]), np.rot90(start[..., 0], -1, axes=(1, 2)))


def test_zoom_brings_the_face_nearer_about_the_middle():
    x = np.arange(41, dtype=float)
    clip = np.broadcast_to(np.rint(60 + 3 * x)[None, None, :, None], (1, 41, 41, 3)).astype(np.uint8)
    for scale in (2.0, 0.8):
        expected = 60 + 3 * np.clip(20 + (x - 20) / scale, 0, 40)
        found = Change(scale=scale).pixels(clip)[0, 20, :, 0]
        np.testing.assert_allclose(found, expected, atol=0.6)


def test_draws_stay_within_their_settings_and_leave_older_ones_as_they_were():
    settings = AugmentSettings(shift=3, jitter=0.2, rotate=12, zoom=0.25)
    drawn = [draw_change(settings, np.random.default_rng(seed)) for seed in range(400)]
    degrees, scales = np.array([c.degrees for c in drawn]), np.array([c.scale for c in drawn])
    assert -12 <= degrees.min() < -11
    assert 11 < degrees.max() <= 12
    assert 0.75 <= scales.min() < 0.77
    assert 1.23 < scales.max() <= 1.25
    for seed, change in enumerate(drawn[:50]):
        plain = draw_change(AugmentSettings(shift=3, jitter=0.2), np.random.default_rng(seed))
        assert (plain.degrees, plain.scale) == (0, 1)
        for name in ("mirrored", "down", "right", "brightness", "contrast"):
            assert getattr(plain, name) == getattr(change, name)


def test_the_stream_of_the_first_five_numbers_is_pinned():
    # Trained networks depend on it: mirrored, two shifts, brightness and contrast, in this order.
    for seed in range(5):
        rng = np.random.default_rng(seed)
        mirrored, (down, right) = rng.random() < 0.5, rng.integers(-3, 3, size=2, endpoint=True)
        brightness, contrast = 1 + 0.1 * rng.uniform(-1, 1, size=2)
        expected = Change(bool(mirrored), int(down), int(right), 0.0, 1.0, float(brightness), float(contrast))
        assert draw_change(AugmentSettings(), np.random.default_rng(seed)) == expected


class PaintedSource:
    """Stands for a `ClipSource` of one recording, whose crops are painted by their regions."""

    def __init__(self, cropper, layout="video"):
        self.cropper, self.spec = cropper, InputSpec(layout=layout)
        self.times, self.valid = np.arange(20) / 25, np.ones(20, bool)
        # Eight tiles of one value each, and another value in each frame.
        self.bits = np.kron(np.arange(8, dtype=np.uint16).reshape(2, 4), np.ones((20, 12), np.uint16))
        self.bits = self.bits[None] + 8 * (np.arange(20, dtype=np.uint16) % 15)[:, None, None]

    def prepared(self, recording):
        return SimpleNamespace(recording=SimpleNamespace(label=1.0))

    def timeline(self, recording):
        return self.times, self.valid

    def windows(self, recording):
        return plan_windows(self.times, self.valid, WindowSettings(frames=4))

    def random_window(self, recording, rng):
        return random_window(self.times, self.valid, WindowSettings(frames=4), rng)

    def regions(self, recording, numbers):
        return self.bits[numbers]

    def pixels(self, recording, numbers):
        return colours(self.bits[numbers])


@pytest.mark.parametrize("tiles", [(), (Tile(0, 0, 17, 40), Tile(17, 0, 48, 40))])
@pytest.mark.parametrize("memory", [0, 2**30])
def test_the_regions_of_a_training_clip_are_those_of_its_pixels(tiles, memory):
    source = PaintedSource(SimpleNamespace(tiles=tiles))
    clips = TrainingClips(source, ["r"], 3, SETTINGS["flip"].model_copy(update={"shift": 3}), memory)
    for epoch in range(6):
        for index in range(len(clips)):
            np.testing.assert_array_equal(clips[epoch, index][0], colours(clips.regions((epoch, index))))
    unchanged = TrainingClips(source, ["r"], 3, None, memory)
    np.testing.assert_array_equal(unchanged[0, 1][0], colours(unchanged.regions((0, 1))))


def test_landmark_clips_are_not_changed():
    source = PaintedSource(SimpleNamespace(tiles=()), "landmarks")
    source.bits = source.bits[:, 0]  # (T, N)
    clips = TrainingClips(source, ["r"], 3, SETTINGS["all"].model_copy(update={"phase": False}))
    np.testing.assert_array_equal(clips[0, 1][0], source.pixels("r", np.arange(2, 6)))
    np.testing.assert_array_equal(clips.regions((0, 1)), source.bits[2:6])

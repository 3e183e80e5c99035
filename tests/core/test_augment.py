"""Guarantees: changes are the same in all frames, and each has its closed form."""

from __future__ import annotations

import numpy as np
import pytest

from mien.config.settings import AugmentSettings
from mien.training.augment import augment, jitter, shift

NOTHING = AugmentSettings(flip=False, shift=0, jitter=0, phase=False)


def _clip(frames: int = 4, height: int = 7, width: int = 9) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def test_nothing_asked_for_changes_nothing() -> None:
    clip = _clip()
    for seed in range(5):
        assert np.array_equal(augment(clip, NOTHING, np.random.default_rng(seed)), clip)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-1, 1), (20, -20)])
def test_shift_equals_padding_with_the_border(down: int, right: int) -> None:
    clip = _clip()
    pad = 20
    padded = np.pad(clip, [(0, 0), (pad, pad), (pad, pad), (0, 0)], mode="edge")
    height, width = clip.shape[1:3]
    expected = padded[:, pad - down : pad - down + height, pad - right : pad - right + width]
    assert np.array_equal(shift(clip, down, right), expected)


def test_jitter_scales_mean_and_deviation() -> None:
    clip = np.random.default_rng(1).integers(90, 160, (3, 16, 16, 3), dtype=np.uint8)
    changed = jitter(clip, 1.1, 0.8)
    assert changed.dtype == np.uint8
    assert changed.mean() == pytest.approx(1.1 * clip.mean(), abs=0.1)
    assert changed.std() == pytest.approx(1.1 * 0.8 * clip.std(), rel=0.01)


def test_jitter_stays_inside_eight_bits() -> None:
    clip = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1).repeat(3, axis=3)
    assert set(np.unique(jitter(clip, 2.0, 2.0))) == {0, 255}


def test_half_of_the_clips_are_mirrored() -> None:
    clip = _clip()
    settings = AugmentSettings(flip=True, shift=0, jitter=0)
    outcomes = [augment(clip, settings, np.random.default_rng(seed)) for seed in range(200)]
    mirrored = [np.array_equal(outcome, clip[:, :, ::-1]) for outcome in outcomes]
    assert all(m or np.array_equal(o, clip) for m, o in zip(mirrored, outcomes, strict=True))
    assert 70 < sum(mirrored) < 130


def test_all_frames_change_alike_and_depend_on_the_generator_alone() -> None:
    still = np.repeat(_clip(frames=1), 5, axis=0)
    settings = AugmentSettings(shift=3, jitter=0.1)
    changed = augment(still, settings, np.random.default_rng(5))
    assert all(np.array_equal(frame, changed[0]) for frame in changed)
    assert np.array_equal(changed, augment(still, settings, np.random.default_rng(5)))
    assert not np.array_equal(changed, augment(still, settings, np.random.default_rng(6)))


def test_switching_one_change_off_leaves_the_others() -> None:
    clip = _clip()
    for seed in range(20):
        flipped = augment(clip, AugmentSettings(shift=0, jitter=0), np.random.default_rng(seed))
        both = augment(clip, AugmentSettings(shift=2, jitter=0), np.random.default_rng(seed))
        moved = {(down, right): shift(flipped, down, right) for down in range(-2, 3) for right in range(-2, 3)}
        assert any(np.array_equal(both, candidate) for candidate in moved.values())

"""Windows in closed cases: overlap, dilation, common rates, variable frame rates, frames without a face."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from mien.clips.windows import plan_windows, random_window
from mien.config.settings import WindowSettings
from mien.errors import DataError


def frames_of(count: int, settings: WindowSettings, rate: float = 25) -> list[list[int]]:
    return [w.frames.tolist() for w in plan_windows(np.arange(count) / rate, np.ones(count, bool), settings)]


def test_half_overlap() -> None:
    found = frames_of(11, WindowSettings(frames=4, overlap=0.5))
    assert found == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]]


def test_no_overlap_and_exact_fit() -> None:
    assert frames_of(8, WindowSettings(frames=4, overlap=0)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert frames_of(4, WindowSettings(frames=4)) == [[0, 1, 2, 3]]


def test_the_largest_overlap_still_moves_on() -> None:
    assert frames_of(4, WindowSettings(frames=2, overlap=0.99)) == [[0, 1], [1, 2], [2, 3]]


def test_dilation_takes_every_nth_frame_and_overlap_is_of_the_span() -> None:
    settings = WindowSettings(frames=3, dilation=4, overlap=0.5)  # span 9, so every 4th frame (round half to even)
    assert frames_of(15, settings) == [[0, 4, 8], [4, 8, 12]]


def test_times_and_index() -> None:
    first, second = plan_windows(np.arange(8) / 4, np.ones(8, bool), WindowSettings(frames=4, overlap=0))
    assert (first.index, first.start_s, first.end_s) == (0, 0.0, 0.75)
    assert (second.index, second.start_s, second.end_s) == (1, 1.0, 1.75)
    assert first.valid.all()
    np.testing.assert_array_equal(first.content, first.frames)


@pytest.mark.parametrize(
    ("source", "rate", "expected"),
    [
        (25, 25, [[0, 1, 2, 3]]),
        (50, 25, [[0, 2, 4, 6]]),
        (30, 15, [[0, 2, 4, 6]]),
        (30, 20, [[0, 1, 3, 4]]),  # ticks at 0, 1.5, 3 and 4.5 frames: of two equally near, the earlier
        (25, 50, [[0, 0, 1, 1]]),
        (30000 / 1001, 30000 / 1001, [[0, 1, 2, 3]]),
    ],
)
def test_common_rate(source: float, rate: float, expected: list[list[int]]) -> None:
    count = expected[0][-1] + 2
    assert frames_of(count, WindowSettings(frames=4, rate=rate), source)[:1] == expected


def test_ties_go_to_the_earlier_frame_whatever_the_rounding() -> None:
    times = 7.3 + np.arange(500) / 30
    windows = plan_windows(times, np.ones(500, bool), WindowSettings(frames=998, rate=60))
    np.testing.assert_array_equal(windows[0].frames, np.arange(998) // 2)


def test_rate_counts_ticks_not_frames() -> None:
    # Two seconds at 50 Hz are 21 ticks of 10 Hz: four windows of 5.
    assert len(frames_of(101, WindowSettings(frames=5, rate=10, overlap=0), 50)) == 4


def test_variable_frame_rate_takes_the_nearest_frame_in_time() -> None:
    times = np.array([0, 0.02, 0.11, 0.19, 0.22, 0.31, 0.55, 0.61])
    windows = plan_windows(times, np.ones(8, bool), WindowSettings(frames=7, rate=10))
    # Ticks 0, .1, .2, .3, .4, .5, .6: the gap from .31 to .55 is filled from both its sides.
    assert windows[0].frames.tolist() == [0, 2, 3, 5, 5, 6, 7]
    assert (windows[0].start_s, windows[0].end_s) == (0, 0.61)


def test_variable_frame_rate_against_brute_force() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.005, 0.1, 300))
    settings = WindowSettings(frames=8, dilation=2, rate=12.5, overlap=0.25)
    ticks = times[0] + np.arange(int((times[-1] - times[0]) * 12.5) + 1) / 12.5
    nearest = np.abs(times[None] - ticks[:, None]).argmin(axis=1)
    expected = [nearest[s : s + 15 : 2].tolist() for s in range(0, len(ticks) - 14, 11)]
    assert [w.frames.tolist() for w in plan_windows(times, np.ones(300, bool), settings)] == expected


def test_invalid_frames_show_the_nearest_valid_one_and_are_flagged() -> None:
    valid = np.array([False, False, True, True, False, False, False, True])
    (window,) = plan_windows(np.arange(8) / 25, valid, WindowSettings(frames=8, max_invalid=0.9))
    assert window.frames.tolist() == list(range(8))
    assert window.content.tolist() == [2, 2, 2, 3, 3, 3, 7, 7]
    np.testing.assert_array_equal(window.valid, valid)


def test_windows_with_too_few_faces_are_left_out_and_the_rest_numbered_on() -> None:
    valid = np.ones(16, bool)
    valid[[4, 5, 12]] = False
    windows = plan_windows(np.arange(16) / 25, valid, WindowSettings(frames=4, overlap=0, max_invalid=0.25))
    assert [w.frames[0] for w in windows] == [0, 8, 12]  # a quarter is still allowed
    assert [w.index for w in windows] == [0, 1, 2]
    assert windows[2].content.tolist() == [13, 13, 14, 15]


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        (WindowSettings(frames=16), ["10 frames", "needs 16"]),
        (WindowSettings(frames=4, dilation=4), ["10 frames", "needs 13"]),
        (WindowSettings(frames=4, rate=5), ["10 frames", "2 at 5 per second", "needs 4"]),
    ],
)
def test_too_short_a_recording_says_how_many_frames_are_needed(settings: WindowSettings, numbers: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        plan_windows(np.arange(10) / 25, np.ones(10, bool), settings)
    for number in numbers:
        assert number in str(caught.value)


@pytest.mark.parametrize("draw", [False, True])
def test_without_a_usable_window_the_error_counts_the_faces(draw: bool) -> None:
    arguments = np.arange(10) / 25, np.arange(10) % 2 == 0, WindowSettings(frames=4)
    cut = partial(random_window, rng=np.random.default_rng(0)) if draw else plan_windows
    with pytest.raises(DataError, match="Only 5 of 10 frames"):
        cut(*arguments)


def test_random_windows_begin_at_every_usable_frame_equally_often() -> None:
    valid = np.ones(12, bool)
    valid[5] = False
    settings = WindowSettings(frames=2, dilation=2, max_invalid=0)
    rng = np.random.default_rng(0)
    drawn = [random_window(np.arange(12) / 25, valid, settings, rng) for _ in range(2000)]
    starts, counts = np.unique([w.frames[0] for w in drawn], return_counts=True)
    assert starts.tolist() == [0, 1, 2, 4, 6, 7, 8, 9]
    assert counts.min() > 180
    assert all(w.frames[1] - w.frames[0] == 2 and w.index == -1 for w in drawn)


def test_a_random_window_takes_one_number_from_the_generator() -> None:
    first, second = np.random.default_rng(3), np.random.default_rng(3)
    random_window(np.arange(40) / 25, np.ones(40, bool), WindowSettings(frames=4), first)
    second.integers(37)
    assert first.integers(1000) == second.integers(1000)

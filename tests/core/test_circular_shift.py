"""Guarantees: the effect is scipy's Spearman, the p-value is a slow twin's, and gaps are counted, not taken for 0."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter1d

from mien.statistics import WindowedSeries, circular_shift_test

WINDOW = 8


def recording(participant: str, frames: int, seed: int, starts=(0, 4, 9), units: int = 2, regions: int = 3):
    rng = np.random.default_rng(seed)
    whole = gaussian_filter1d(rng.normal(size=(frames, units)), 2, axis=0)
    windows = [(np.arange(start, start + WINDOW), rng.normal(size=(WINDOW, regions))) for start in starts]
    return WindowedSeries(participant, whole, windows)


def slow_z(one: WindowedSeries, shift: int, region: int, unit: int, correlation=stats.spearmanr) -> list[float]:
    """Return z of each defined window, written from the definition."""
    length, found = len(one.whole), []
    for frames, values in one.windows:
        seen = np.isfinite(values).all(axis=1)
        place, own = frames[seen] + shift, values[seen, region]
        beyond = place // length > place[0] // length  # of the seam, seen from the window's first frame
        side = beyond == (beyond.mean() > 0.5)
        known = one.whole[place % length, unit]
        keep = side & np.isfinite(known)
        if keep.sum() < 3 or np.ptp(known[keep]) == 0 or np.ptp(own[keep]) == 0:
            continue
        found.append(math.atanh(np.clip(correlation(known[keep], own[keep]).statistic, -0.999, 0.999)))
    return found


def slow_p(recordings, region: int, unit: int, correlation=stats.spearmanr) -> float:
    """Return the p-value over all shifts of recordings that are each of another participant."""
    means = [
        [np.mean(slow_z(one, shift, region, unit, correlation) or [0.0]) for shift in range(len(one.whole))]
        for one in recordings
    ]
    drawn = np.abs([sum(combination) for combination in itertools.product(*means)])
    return float(np.mean(drawn >= drawn[0] - 1e-9))


def test_the_effect_is_the_mean_over_participants_of_their_windows() -> None:
    recordings = [recording("a", 30, 0), recording("a", 25, 1, starts=(3,)), recording("b", 40, 2)]
    found = circular_shift_test(recordings, np.random.default_rng(0), 19)
    for region, unit in itertools.product(range(3), range(2)):
        z = [np.mean(slow_z(recordings[0], 0, region, unit) + slow_z(recordings[1], 0, region, unit))]
        z.append(np.mean(slow_z(recordings[2], 0, region, unit)))
        assert found.effect[region, unit] == pytest.approx(math.tanh(np.mean(z)))
        assert found.z[:, region, unit] == pytest.approx(z)
    assert found.people == ("a", "b")
    assert (found.participants == 2).all()
    assert (found.windows == 7).all()
    assert not found.undefined.any()


@pytest.mark.parametrize(("kind", "correlation"), [("spearman", stats.spearmanr), ("pearson", stats.pearsonr)])
@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
def test_all_shifts_of_two_recordings_are_those_of_a_slow_twin(gaps: bool, kind, correlation) -> None:
    recordings = [recording("a", 21, 3), recording("b", 19, 4, starts=(0, 7))]
    if gaps:
        recordings[0].whole[5:8] = np.nan
        recordings[1].whole[11, 0] = np.nan
        recordings[0].windows[1][1][2] = np.nan  # a frame without a face
        recordings[1].whole[:12, 1] = 0.0  # an Action Unit that is mostly absent
    found = circular_shift_test(recordings, np.random.default_rng(0), 21 * 19, kind=kind)
    assert found.exact
    assert found.draws == 21 * 19
    for region, unit in itertools.product(range(3), range(2)):
        assert found.p[region, unit] == pytest.approx(slow_p(recordings, region, unit, correlation))
        z = [np.mean(slow_z(one, 0, region, unit, correlation) or [0.0]) for one in recordings]
        assert found.effect[region, unit] == pytest.approx(math.tanh(np.mean(z)))


def test_windows_may_leave_out_frames_and_differ_in_length() -> None:
    one = recording("a", 40, 5)
    rng = np.random.default_rng(6)
    windows = [(np.array([1, 3, 5, 9, 10]), rng.normal(size=(5, 3))), (np.arange(20, 32), rng.normal(size=(12, 3)))]
    mixed = WindowedSeries("a", one.whole, windows)
    found = circular_shift_test([mixed], rng, 40)
    assert found.exact
    assert found.p[1, 0] == pytest.approx(slow_p([mixed], 1, 0))


def test_many_windows_in_several_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = [recording("a", 60, 7, starts=range(0, 50, 3)), recording("b", 50, 8, starts=range(40))]
    recordings[0].whole[[10, 30, 31]] = np.nan
    whole = circular_shift_test(recordings, np.random.default_rng(0), 50)
    monkeypatch.setattr("mien.statistics.circular._CELLS", 300)
    pieces = circular_shift_test(recordings, np.random.default_rng(0), 50)
    assert pieces.p == pytest.approx(whole.p)
    assert pieces.effect == pytest.approx(whole.effect)


def test_what_does_not_move_is_undefined_and_counted() -> None:
    one, other = recording("a", 30, 9), recording("b", 30, 10)
    one.whole[:, 1] = 0.3
    other.windows[0][1][:, 2] = 1.5
    found = circular_shift_test([one, other], np.random.default_rng(0), 99)
    assert found.undefined.tolist() == [[0, 3], [0, 3], [1, 4]]
    assert found.participants.tolist() == [[2, 1], [2, 1], [2, 1]]
    assert np.isnan(found.z[0, :, 1]).all()
    one.whole[:, 0] = other.whole[:, 0] = 0.0
    still = circular_shift_test([one, other], np.random.default_rng(0), 99)
    assert np.isnan(still.effect[:, 0]).all()
    assert np.isnan(still.p[:, 0]).all()
    assert np.isfinite(still.p[:, 1]).all()


def test_a_perfect_tie_is_found_although_it_is_clipped() -> None:
    rng = np.random.default_rng(11)
    recordings = []
    for person in range(6):
        whole = gaussian_filter1d(rng.normal(size=(80, 1)), 3, axis=0)
        windows = [(np.arange(s, s + 16), whole[s : s + 16] ** 3) for s in range(0, 64, 8)]
        recordings.append(WindowedSeries(str(person), whole, windows))
    found = circular_shift_test(recordings, rng, 999)
    assert found.effect[0, 0] == pytest.approx(0.999)
    assert found.p[0, 0] == 0.001


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(ValueError, match="no windows"):
        circular_shift_test([recording("a", 30, 0, starts=())], np.random.default_rng(0))
    with pytest.raises(ValueError, match="no shift of at least 20"):
        circular_shift_test([recording("a", 30, 0)], np.random.default_rng(0), minimum_shift=20)

"""Whether two series of one recording move together, tested against circular shifts of one of them.

Smooth series correlate by chance inside a short window far more often than a test on frames believes.  A circular shift
of one series over its whole recording keeps its smoothness and its distribution and breaks only its tie to the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mien.statistics.outcome import two_sided
from mien.statistics.ranking import FLAT, fisher_z, ranks, unit
from mien.types import FloatArray

FEWEST_FRAMES = 3
"""Any two values of two frames correlate perfectly."""

_CELLS = 2_000_000  # of an array that is made at once
IntArray = npt.NDArray[np.intp]
Counts = npt.NDArray[np.int64]
Kind = Literal["spearman", "pearson"]


@dataclass(frozen=True)
class WindowedSeries:
    """One recording: a series over all its frames, and others in some windows of it.

    Attributes
    ----------
    participant : str
    whole : ndarray, shape (F, B)
        The series that is shifted (Action Units), one value a frame of the whole recording in steps of equal time;
        NaN where it is not known.
    windows : sequence of (frames, values)
        Of each window the rows of ``whole`` that its values belong to, shape (T,), and the values (signed relevance),
        shape (T, A).  Windows may overlap, leave out frames and differ in length.  Frames in which a value is NaN
        are left out.
    """

    participant: str
    whole: FloatArray
    windows: Sequence[tuple[IntArray, FloatArray]]


@dataclass(frozen=True)
class ShiftEvidence:
    """What `circular_shift_test` found, for each pair of series: arrays of shape (A, B).

    Attributes
    ----------
    effect : ndarray
        Mean over participants of their mean Fisher z, transformed back to a correlation; NaN where no participant
        has a defined window.
    p : ndarray
        Two-sided; NaN where the effect is undefined.
    participants : ndarray of int
        Participants with a defined window.
    windows, undefined : ndarray of int
        Windows with and without a defined correlation: in the latter one of the two series is constant, or has fewer
        than three known frames.
    z : ndarray, shape (participants, A, B)
        Each participant's mean Fisher z; NaN where undefined.
    people : tuple of str
        The participants of ``z``.
    draws : int
        Shifts drawn of each recording, or the number of all combinations.
    exact : bool
        Whether all combinations were counted.
    """

    effect: FloatArray
    p: FloatArray
    participants: IntArray
    windows: IntArray
    undefined: IntArray
    z: FloatArray
    people: tuple[str, ...]
    draws: int
    exact: bool


def circular_shift_test(
    recordings: Sequence[WindowedSeries],
    rng: np.random.Generator,
    draws: int = 999,
    minimum_shift: int = 0,
    clip: float = 0.999,
    kind: Kind = "spearman",
) -> ShiftEvidence:
    """Return the mean correlation inside windows, tested against circular shifts over whole recordings.

    The effect is Spearman's (or Pearson's) correlation in each window, clipped before Fisher's z, averaged over the
    windows of each participant and then over participants.  For the null, the whole series of each recording is shifted
    by a random number of frames, wrapping around, independently of the other recordings, and read again at the windows'
    frames.  The statistic is the sum over participants of their mean z; a participant without a defined window adds
    nothing.  All pairs of series share the shifts.

    Parameters
    ----------
    recordings : sequence of WindowedSeries
        With the same A and B.
    draws : int
        Random draws; all combinations of shifts are counted exactly where there are no more of them.
    minimum_shift : int
        Least distance in frames of a shift from none.  0 draws from all shifts, none included, which keeps the rate
        of false positives; leaving near shifts out gains a little power, but calls far too much in few, short
        recordings.
    clip : float
        Largest absolute correlation.
    kind : {"spearman", "pearson"}
        Ranks, or the values themselves: for series with plateaus of equal values, which keep a rank correlation below
        1 however well the two agree.

    Returns
    -------
    ShiftEvidence

    Raises
    ------
    ValueError
        Without windows, or when a recording has no shift of at least ``minimum_shift``.

    Notes
    -----
    The unit of randomness is the recording, so that recordings must be independent given no tie; that of the effect
    is the participant.  Assumes that the shifted series is stationary over the recording; the seam where its end
    meets its beginning is no step inside a window, because a window over it counts by its longer side alone.  With one
    recording p cannot be smaller than one over its number of frames, and few stretches that are truly different
    (frames over the time of autocorrelation) leave little power.  ``benchmarks/false_positives.py`` measures the rate
    of false positives.  Source: Chung & Fraser 1958 for the group of shifts; Harris 2020 (arXiv 2012.06862) for why
    autocorrelated series need them.
    """
    people = tuple(dict.fromkeys(one.participant for one in recordings))
    shifts, exact = _shifts([_legal(len(one.whole), minimum_shift) for one in recordings], draws, rng)
    total, counts, undefined = _of_people(recordings, people, shifts, clip, kind)
    means = np.divide(total, counts, out=np.zeros(total.shape), where=counts > 0)
    statistic = means.sum(axis=0)
    z = np.where(counts[:, 0] > 0, means[:, 0], np.nan)
    return _evidence(statistic, z, counts[:, 0], undefined, people, exact)


def _of_people(
    recordings: Sequence[WindowedSeries], people: Sequence[str], shifts: IntArray, clip: float, kind: Kind
) -> tuple[FloatArray, Counts, Counts]:
    """Return each participant's sum of z and number of defined windows, and the number of windows without a z.

    The former two are of shape ``(participants, 1 + draws, A, B)``, first unshifted and then at each draw; the last is
    of shape ``(A, B)``, unshifted.
    """
    pairs = _pairs(recordings)
    total = np.zeros((len(people), shifts.shape[1] + 1, *pairs))
    counts = np.zeros(total.shape, np.int64)
    undefined = np.zeros(pairs, np.int64)
    for one, own in zip(recordings, shifts, strict=True):
        distinct, place = np.unique(np.concatenate([[0], own]), return_inverse=True)
        z, known = _shifted(one, distinct, pairs, clip, kind)
        person = people.index(one.participant)
        total[person] += z[place]
        counts[person] += known[place]
        undefined += len(one.windows) - known[place[0]]
    return total, counts, undefined


def _pairs(recordings: Sequence[WindowedSeries]) -> tuple[int, int]:
    """Return A and B."""
    for one in recordings:
        for _, values in one.windows:
            return values.shape[1], one.whole.shape[1]
    raise ValueError("there are no windows")


def _evidence(
    statistic: FloatArray,
    z: FloatArray,
    counts: Counts,
    undefined: Counts,
    people: tuple[str, ...],
    exact: bool,
) -> ShiftEvidence:
    participants = np.isfinite(z).sum(axis=0)
    effect = np.divide(statistic[0], participants, out=np.full(participants.shape, np.nan), where=participants > 0)
    p = np.full(participants.shape, np.nan)
    for pair in zip(*np.nonzero(participants), strict=True):
        p[pair] = two_sided(float(statistic[0][pair]), statistic[1:][(slice(None), *pair)], exact)
    return ShiftEvidence(
        np.tanh(effect), p, participants, counts.sum(axis=0), undefined, z, people, len(statistic) - 1, exact
    )


def _legal(length: int, minimum: int) -> IntArray:
    shifts = np.arange(minimum, length - minimum + 1) if minimum else np.arange(length)
    if not len(shifts):
        raise ValueError(f"a recording of {length} frames has no shift of at least {minimum}")
    return shifts


def _shifts(legal: Sequence[IntArray], draws: int, rng: np.random.Generator) -> tuple[IntArray, bool]:
    """Return the shifts of each recording, ``(recordings, draws)``, and whether they are all combinations."""
    if math.prod(len(own) for own in legal) <= draws + 1:
        grid = np.meshgrid(*legal, indexing="ij")
        return np.stack([axis.ravel() for axis in grid]), True
    return np.stack([rng.choice(own, size=draws) for own in legal]), False


def _shifted(
    one: WindowedSeries, shifts: IntArray, pairs: tuple[int, int], clip: float, kind: Kind
) -> tuple[FloatArray, Counts]:
    """Return the sum of z over the windows and the number of defined windows at each shift: ``(S, A, B)`` both."""
    size = (len(shifts), *pairs)
    total, known = np.zeros(size), np.zeros(size, np.int64)
    for starts, offsets, values in _alike(one.windows):
        segments = _Segments(one.whole, offsets, kind)
        rows = max(1, _CELLS // (len(shifts) * one.whole.shape[1] * max(len(offsets), values.shape[2])))
        for first in range(0, len(starts), rows):
            some = slice(first, first + rows)
            at = (starts[some, None] + shifts) % len(one.whole)
            z = fisher_z(segments.correlations(at, values[some]), clip)
            defined = np.isfinite(z)
            total += np.where(defined, z, 0.0).sum(axis=0)
            known += defined.sum(axis=0)
    return total, known


def _alike(windows: Sequence[tuple[IntArray, FloatArray]]) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Yield windows of the same spacing together: first frames ``(W,)``, offsets ``(T,)``, values ``(W, T, A)``."""
    groups: dict[bytes, tuple[IntArray, list[int], list[FloatArray]]] = {}
    for frames, values in windows:
        known = np.isfinite(values).all(axis=1)
        if known.sum() < FEWEST_FRAMES:
            continue
        own = np.asarray(frames, np.intp)[known]
        offsets = own - own[0]
        group = groups.setdefault(offsets.tobytes(), (offsets, [], []))
        group[1].append(int(own[0]))
        group[2].append(np.asarray(values, np.float64)[known])
    for offsets, starts, found in groups.values():
        yield np.array(starts, np.intp), offsets, np.stack(found)


class _Segments:
    """The stretches of a whole series with the spacing of a window, from every frame on.

    Ranks are taken once for each stretch, not for each window and shift.  A stretch over the seam, where the end of the
    series meets its beginning, counts by its longer side alone: a step inside it would be unlike anything that the
    unshifted windows hold.
    """

    def __init__(self, whole: FloatArray, offsets: IntArray, kind: Kind = "spearman") -> None:
        self.kind = kind
        rows = np.arange(len(whole))[:, None] + offsets
        stretches = np.asarray(whole, np.float64)[rows % len(whole)].transpose(0, 2, 1)  # (F, B, T)
        beyond = rows >= len(whole)
        longer = beyond.mean(axis=1, keepdims=True) > 0.5
        known = np.isfinite(stretches) & (beyond == longer)[:, None]
        self.units = _known_units(stretches, known, kind)
        self.gaps = ~known.all(axis=2)
        self.masks, of = np.unique(known[self.gaps], axis=0, return_inverse=True)
        self.mask_of = np.full(self.gaps.shape, -1)
        self.mask_of[self.gaps] = of.ravel()

    def correlations(self, at: IntArray, values: FloatArray) -> FloatArray:
        """Return the correlations ``(W, S, A, B)`` of windows ``(W, T, A)`` with stretches ``at (W, S)``."""
        own = unit(ranks(values, axis=1) if self.kind == "spearman" else values, axis=1)
        whole = self.units[at]  # (W, S, B, T)
        width, count, series, frames = whole.shape
        flat = whole.reshape(width, count * series, frames) @ own
        found = np.swapaxes(flat.reshape(width, count, series, -1), 2, 3)
        if self.gaps.any():
            self._with_gaps(found, at, values)
        return found

    def _with_gaps(self, found: FloatArray, at: IntArray, values: FloatArray) -> None:
        """Correlate over the known frames alone where a stretch has unknown ones: those frames rank anew."""
        window, shift, series = np.nonzero(self.gaps[at])
        start = at[window, shift]
        number = self.mask_of[start, series]
        turned = np.swapaxes(values, 1, 2)[:, None]  # (W, 1, A, T)
        block = max(1, _CELLS // max(values.size, 1))
        for first in range(0, len(self.masks), block):
            own = _known_units(turned, self.masks[None, first : first + block, None], self.kind)  # (W, masks, A, T)
            rows = np.flatnonzero((number >= first) & (number < first + block))
            left = own[window[rows], number[rows] - first]
            right = self.units[start[rows], series[rows], :, None]
            found[window[rows], shift[rows], :, series[rows]] = (left @ right)[..., 0]


def _known_units(series: FloatArray, known: npt.NDArray[np.bool_], kind: Kind) -> FloatArray:
    """Return values (their ranks) along the last axis over the known ones, centred and of length 1, 0 for unknown ones.

    NaN throughout for what is constant or has fewer than three known values.
    """
    measured = ranks(np.where(known, series, np.inf)) if kind == "spearman" else series
    place = np.where(known, measured, 0.0)
    count = known.sum(axis=-1, keepdims=True)
    mean = place.sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    centred = np.where(known, place - mean, 0.0)
    length = np.sqrt((centred**2).sum(axis=-1, keepdims=True))
    size = np.sqrt((place**2).sum(axis=-1, keepdims=True))
    usable = (count >= FEWEST_FRAMES) & (length > FLAT * size)
    found: FloatArray = np.divide(centred, length, out=np.full(centred.shape, np.nan), where=usable)
    return found

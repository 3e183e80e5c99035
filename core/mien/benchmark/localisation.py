"""Whether relevance lies where an Action Unit is planted, and rises and falls with it.

Absolute maps are those of the relevance summed over a pixel's channels first; they may be one frame's, a clip's or a
stack of several clips': sums are taken over all of it before any ratio.  A measure that is not defined, as where
relevance is 0 throughout, is NaN (or None), never an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.regions.names import ELSEWHERE, FACE
from mien.statistics import WindowedSeries, circular_shift_test
from mien.types import BoolArray, FloatArray, IntArray

HELD = 0.8
"""The share of an Action Unit's change that the mask of its truth map holds."""

_SMOOTHING = 40
"""The side of a map over the standard deviation by which it is smoothed before it is matched."""


def density(absolute: FloatArray, region: BoolArray, face: BoolArray) -> float:
    """Return a region's share of the face's absolute relevance over its share of the face's area; 1 is chance.

    Parameters
    ----------
    absolute : ndarray
        Absolute relevance, 0 or more.
    region, face : ndarray of bool, same shape
        The region is inside the face.

    Returns
    -------
    float
        NaN where the face has no relevance, or the region or the face no pixel.
    """
    area, whole = int(region.sum()), int(face.sum())
    total = float(absolute[face].sum())
    if not (area and whole and total > 0):
        return float("nan")
    return float(absolute[region].sum()) / total * whole / area


def densities(absolute: FloatArray, bits: IntArray, names: Sequence[str]) -> dict[str, float]:
    """Return the `density` of every region of the face, and of the face outside all of them.

    Parameters
    ----------
    bits : ndarray of int, shape of ``absolute``
        Of the regions of each pixel.
    names : sequence of str
        Bit i is ``names[i]``; the face's is among them.
    """
    face = _bit(bits, names, FACE)
    inside = {name: _bit(bits, names, name) for name in names if name != FACE}
    inside[ELSEWHERE] = bits == 1 << list(names).index(FACE)
    return {name: density(absolute, region, face) for name, region in inside.items()}


def first_region(found: Mapping[str, float]) -> str | None:
    """Return the region of the highest density; None where none is defined, or several share it (flat relevance)."""
    known = {name: value for name, value in found.items() if np.isfinite(value)}
    highest = [name for name, value in known.items() if value >= max(known.values()) * (1 - 1e-9)]
    return highest[0] if len(highest) == 1 else None


def put_first(found: Mapping[str, float], regions: Sequence[str]) -> float:
    """Return 1 where the densest region is one of some, 0 where it is not or several are; NaN without relevance."""
    if not np.isfinite(list(found.values())).any():
        return float("nan")
    return float(first_region(found) in regions)


def background_share(absolute: FloatArray, face: BoolArray) -> float:
    """Return the share of absolute relevance outside the face, 0 to 1; NaN without relevance."""
    total = float(absolute.sum())
    return float(absolute[~face].sum()) / total if total > 0 else float("nan")


def truth_mask(truth: FloatArray, held: float = HELD) -> BoolArray:
    """Return the fewest pixels that hold ``held`` of all change in a truth map, and those equal to the faintest.

    Unlike a fraction of the maximum, it does not hang on a single bright pixel.  All False where nothing changes.
    """
    falling = np.sort(truth, axis=None)[::-1].astype(np.float64)
    sums = np.cumsum(falling)
    if not (falling.size and sums[-1] > 0):
        return np.zeros(truth.shape, bool)
    count = int(np.searchsorted(sums, held * sums[-1] * (1 - 1e-12)))
    mask: BoolArray = (truth >= falling[count]) & (truth > 0)
    return mask


def mass_accuracy(absolute: FloatArray, truth: FloatArray, held: float = HELD) -> float:
    """Return the share of absolute relevance inside the mask of a truth map (`truth_mask`), 0 to 1.

    Chance is the mask's share of the map.  NaN without relevance or truth.  Source: Arras, Osman & Samek, CLEVR-XAI,
    Information Fusion 2022, whose mask is a set of objects.
    """
    mask = truth_mask(truth, held)
    total = float(absolute.sum())
    return float(absolute[mask].sum()) / total if total > 0 and mask.any() else float("nan")


def rank_accuracy(absolute: FloatArray, truth: FloatArray, held: float = HELD) -> float:
    """Return the share of the K most relevant pixels that lie inside the mask of a truth map, of K pixels, 0 to 1.

    Of pixels as relevant as the last of the K, each counts by the chance that it is one of them.  NaN without
    relevance or truth.  Source: as `mass_accuracy`.
    """
    mask = truth_mask(truth, held)
    count = int(mask.sum())
    if not (count and float(absolute.max(initial=0)) > 0):
        return float("nan")
    last = np.partition(absolute, absolute.size - count, axis=None)[absolute.size - count]
    above, equal = absolute > last, absolute == last
    chance = (count - int(above.sum())) / int(equal.sum())
    return (int(mask[above].sum()) + chance * int(mask[equal].sum())) / count


def union(truths: Mapping[str, FloatArray], names: Sequence[str]) -> FloatArray:
    """Return where any of some Action Units shows: the largest of their truth maps at each pixel."""
    return np.asarray(np.max([truths[name] for name in names], axis=0))


def similarity(absolute: FloatArray, truth: FloatArray, where: BoolArray | None = None) -> float:
    """Return how alike two maps ``(H, W)`` are: Pearson's correlation after both are smoothed a little.

    A correlation does not see relevance that lies evenly over the face, nor how much of it there is.  Smoothing (a
    Gaussian of a fortieth of the longer side) makes up for the network's pixels being coarser than the truth's, so that
    a map is not held to be another Action Unit's for lying a pixel beside a thin line.

    Parameters
    ----------
    where : ndarray of bool, shape (H, W), optional
        The pixels that count: the face.

    Returns
    -------
    float
        NaN where a map is constant.
    """
    return _correlation(_smooth(absolute), _smooth(truth), where)


def matched_unit(absolute: FloatArray, truths: Mapping[str, FloatArray], where: BoolArray | None = None) -> str | None:
    """Return the Action Unit whose truth map is most like the relevance (`similarity`); None where none is defined.

    Each map stands for one Action Unit.  Where a label has several, any one of theirs names it rightly, and chance is
    their number over that of the maps.
    """
    smooth = _smooth(absolute)
    found = {name: _correlation(smooth, _smooth(truth), where) for name, truth in truths.items()}
    known = {name: value for name, value in found.items() if np.isfinite(value)}
    return max(known, key=lambda name: known[name]) if known else None


def region_series(relevance: FloatArray, region: BoolArray) -> FloatArray:
    """Return the signed relevance of a region in each frame: ``(T, H, W)`` and its mask to ``(T,)``."""
    return np.asarray(np.where(region, relevance, 0.0).sum(axis=(1, 2)))


@dataclass(frozen=True)
class TemporalCorrelation:
    """How a participant's relevance follows an Action Unit.

    Attributes
    ----------
    r : float
        Pearson's correlation within each clip, averaged over clips by Fisher's z (clipped at .999); NaN where none is
        defined.
    p : float
        Two-sided, by circular shifts of the Action Unit over each whole recording; NaN with ``r``.
    clips, undefined : int
        Clips with and without a correlation: in the latter the Action Unit or the relevance does not change.
    """

    r: float
    p: float
    clips: int
    undefined: int


def temporal_correlation(
    recordings: Sequence[WindowedSeries], seed: int = 0, draws: int = 999
) -> dict[str, TemporalCorrelation]:
    """Return, for each participant, how signed relevance follows the planted Action Unit over the frames of clips.

    Pearson's correlation, not Spearman's: planted intensities rest at 0 and 1, and such plateaus keep a rank
    correlation below 1 however well relevance follows.

    Parameters
    ----------
    recordings : sequence of WindowedSeries
        ``whole`` is the Action Unit's intensity in every frame, ``(F, 1)`` (the mean where a label has several), and
        each window's values the region's signed relevance, ``(T, 1)`` (`region_series`).
    seed : int
        Of the shifts.

    Returns
    -------
    dict of str to TemporalCorrelation
        By participant.
    """
    found = {}
    for person in dict.fromkeys(one.participant for one in recordings):
        own = [one for one in recordings if one.participant == person and one.windows]
        found[person] = _followed(own, np.random.default_rng(seed), draws)
    return found


def _followed(recordings: Sequence[WindowedSeries], rng: np.random.Generator, draws: int) -> TemporalCorrelation:
    if not recordings:
        return TemporalCorrelation(float("nan"), float("nan"), 0, 0)
    evidence = circular_shift_test(recordings, rng, draws, kind="pearson")
    return TemporalCorrelation(
        r=float(evidence.effect[0, 0]),
        p=float(evidence.p[0, 0]),
        clips=int(evidence.windows[0, 0]),
        undefined=int(evidence.undefined[0, 0]),
    )


def _bit(bits: IntArray, names: Sequence[str], name: str) -> BoolArray:
    held: BoolArray = (bits >> list(names).index(name)) & 1 == 1
    return held


def _correlation(first: FloatArray, second: FloatArray, where: BoolArray | None) -> float:
    a, b = (np.asarray(values if where is None else values[where], np.float64).ravel() for values in (first, second))
    if not a.size:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(a @ b) / lengths if lengths > 1e-12 * scale else float("nan")


def _smooth(values: FloatArray) -> FloatArray:
    """Smooth a map by a Gaussian whose weights are renormalised at the border."""
    spread = max(values.shape) / _SMOOTHING
    across, down = (_weights(size, spread) for size in (values.shape[1], values.shape[0]))
    return np.asarray(down @ values @ across.T)


def _weights(size: int, spread: float) -> FloatArray:
    places = np.arange(size)
    weights = np.exp(-((places[:, None] - places) ** 2) / (2 * spread**2))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))

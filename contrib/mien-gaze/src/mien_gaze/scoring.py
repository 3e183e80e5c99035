"""Every map of every window held against the fixations on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mien_gaze import metrics
from mien_gaze.density import Part, centre_map, fixation_density, relevance_map
from mien_gaze.gathering import Gathered, Looked
from mien_gaze.placing import Array, Points
from mien_gaze.tables import BASELINES, CENTRE, FACE, METRICS, TEMPLATE, VIEWERS, WINDOWS

if TYPE_CHECKING:
    import pandas as pd

    from mien import ClipKey, RunView, Tile

GAZE = "gaze"
"""The name of the fixation density among the mean maps."""


@dataclass(frozen=True)
class Maker:
    """How maps are made.

    Attributes
    ----------
    run : RunView
    methods : mapping of str to set of ClipKey
        The clips that each method explained.
    sigma : float
        Of the Gaussian around a fixation, pixels of the video.
    blur : bool
        Whether relevance is blurred alike.
    part : {"absolute", "positive"}
        Of the relevance.
    centre : float
        Sigma of the centre's Gaussian, as a fraction of the crop's sides.
    """

    run: RunView
    methods: Mapping[str, set[ClipKey]]
    sigma: float
    blur: bool
    part: Part
    centre: float

    @property
    def tiles(self) -> Sequence[Tile]:
        """The rectangles of the crop."""
        return self.run.tiles

    def density(self, looked: Looked, points: Points) -> Array:
        """Return the density of some of a window's fixations, with a sum of 1 where there is any."""
        density = fixation_density(points, looked.window, self.tiles, looked.window.shape, self.sigma)
        return normalised(density)

    def relevance(self, looked: Looked) -> Iterator[tuple[str, Array]]:
        """Yield the map of each method that explained the window."""
        key = looked.window.key
        for method, keys in self.methods.items():
            if key in keys:
                found = self.run.maps(method, key)
                yield (
                    method,
                    relevance_map(found, looked.window, self.tiles, self.part, self.sigma if self.blur else None),
                )


@dataclass
class MeanMaps:
    """Mean maps of each participant, every window counting alike; maps have a sum of 1."""

    sums: dict[str, dict[str, Array]] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, name: str, participant: str, image: Array) -> None:
        """Add one window's map; one without a sum is left out."""
        if not image.sum() > 0:
            return
        sums, counts = self.sums.setdefault(name, {}), self.counts.setdefault(name, {})
        sums[participant] = sums.get(participant, np.zeros(image.shape)) + normalised(image)
        counts[participant] = counts.get(participant, 0) + 1

    def of(self, name: str, participant: str) -> Array | None:
        """Return a participant's mean map."""
        total = self.sums.get(name, {}).get(participant)
        return None if total is None else total / self.counts[name][participant]

    def overall(self, name: str) -> Array | None:
        """Return the mean over participants, all counting alike."""
        found = self._people(name)
        return np.mean(list(found.values()), axis=0) if found else None

    def of_others(self, name: str) -> dict[str, Array]:
        """Return, for each participant, the mean over the others; empty for one alone."""
        found = self._people(name)
        if len(found) < 2:
            return {}
        total: Array = np.sum(list(found.values()), axis=0)
        return {person: np.clip(total - own, 0, None) / (len(found) - 1) for person, own in found.items()}

    def _people(self, name: str) -> dict[str, Array]:
        counts = self.counts.get(name, {})
        return {person: total / counts[person] for person, total in self.sums.get(name, {}).items()}


@dataclass(frozen=True)
class Scored:
    """The table ``gaze_windows``, and the mean maps: of gaze, of each method, and of the face."""

    windows: pd.DataFrame
    maps: MeanMaps


def score(gathered: Gathered, maker: Maker) -> Scored:
    """Return the scores of all maps in all windows with fixations on the crop."""
    import pandas as pd

    maps = MeanMaps()
    counts: dict[str, Array] = {}
    for one in gathered.looked:
        key = one.window.key
        maps.add(GAZE, key.participant, maker.density(one, one.points))
        maps.add(FACE, key.participant, one.window.face.astype(np.float64))
        counts[key.recording] = counts.get(key.recording, np.zeros(gathered.shape)) + one.points.counts(gathered.shape)
    everywhere: Array = np.sum(list(counts.values()), axis=0)
    templates = maps.of_others(GAZE)
    rows: list[tuple[object, ...]] = []
    for one in gathered.looked:
        key = one.window.key
        relevance = dict(maker.relevance(one))
        for method, image in relevance.items():
            maps.add(method, key.participant, image)
        known = {
            **relevance,
            CENTRE: centre_map(gathered.shape, maker.centre),
            FACE: one.window.face.astype(np.float64),
        }
        if key.participant in templates:
            known[TEMPLATE] = templates[key.participant]
        rows += _rows(one, maker, known, everywhere - counts[key.recording])
    return Scored(pd.DataFrame(rows, columns=[column.name for column in WINDOWS.columns]), maps)


def _rows(one: Looked, maker: Maker, maps: Mapping[str, Array], others: Array) -> Iterator[tuple[object, ...]]:
    """Yield the rows of one window: against all viewers, and, where there are several, against each."""
    key, points, shape = one.window.key, one.points, one.window.shape
    about = key.recording, key.participant, key.window, len(np.unique(points.row)), len(points.viewers)
    density = maker.density(one, points)
    for name, image in maps.items():
        yield name, _kind(name), "all", *about, *_scores(name, image, points.counts(shape), density, others)
    if len(points.viewers) < 2:
        return
    each: dict[str, list[Array]] = {}
    for viewer in points.viewers:
        own = points.of(viewer)
        rest = maker.density(one, points.without(viewer))
        truth = own.counts(shape), maker.density(one, own), others
        for name, image in {**maps, VIEWERS: rest}.items():
            each.setdefault(name, []).append(_scores(name, image, *truth))
    for name, found in each.items():
        yield name, _kind(name), "each_viewer", *about, *_mean(np.array(found))


def _scores(name: str, image: Array, counts: Array, density: Array, others: Array) -> Array:
    """Return `scores`; of the template no shuffled AUC: the negatives are the very fixations that it is made of."""
    return scores(image, counts, density, np.zeros_like(others) if name == TEMPLATE else others)


def _kind(name: str) -> str:
    return "baseline" if name in BASELINES else "method"


def scores(image: Array, counts: Array, density: Array, others: Array) -> Array:
    """Return the six measures of a map, in the order of `METRICS`; NaN where undefined.

    Parameters
    ----------
    image : ndarray, shape (H, W)
        The map.
    counts, density : ndarray, shape (H, W)
        Fixations, and their density.
    others : ndarray, shape (H, W)
        Fixations on other recordings.
    """
    found = {
        "nss": metrics.nss(image, counts),
        "cc": metrics.cc(image, density),
        "sim": metrics.sim(image, density),
        "kl": metrics.kl(image, density),
        "auc_judd": metrics.auc_judd(image, counts),
        "auc_shuffled": metrics.auc_shuffled(image, counts, others),
    }
    return np.array([found[name] for name in METRICS])


def _mean(values: Array) -> Array:
    """Return the mean over viewers ``(V, 6)`` of what is defined; NaN where nothing is."""
    known = np.isfinite(values)
    return np.divide(
        np.where(known, values, 0).sum(0), known.sum(0), out=np.full(values.shape[1], np.nan), where=known.any(0)
    )


def normalised(image: Array) -> Array:
    """Return a map with a sum of 1; unchanged where it has none."""
    total = image.sum()
    return image / total if total > 0 else image

"""Spectral relevance analysis: clips grouped by where their relevance lies.

Source: Lapuschkin, Wäldchen, Binder, Montavon, Samek, Müller: Unmasking Clever Hans predictors and assessing what
machines really learn, Nature Communications 2019; the eigengap and the affinity by nearest neighbours as in von
Luxburg: A tutorial on spectral clustering, Statistics and Computing 2007.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien.types import FloatArray, IntArray
from mien_plugins.analyzers.artifact_audit_maps import CELLS

if TYPE_CHECKING:
    from mien_plugins.analyzers.artifact_audit_maps import ClipMap

FEWEST = 8
"""With fewer clips nothing is clustered."""

_SIDE = 8  # parts on each side of a map
_LEAST_NEIGHBOURS = 3
_ROUNDS = 100


@dataclass(frozen=True)
class Clusters:
    """Clips in clusters, the largest cluster first.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
        The cluster of each clip, from 0.
    distances : ndarray, shape (n,)
        From the clip's map to its cluster's mean map.
    eigenvalues : ndarray, shape (k,)
        The smallest of the graph's Laplacian, ascending.
    """

    labels: IntArray
    distances: FloatArray
    eigenvalues: FloatArray

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.labels.max()) + 1

    def nearest(self, cluster: int, number: int) -> IntArray:
        """Return the clips of a cluster that are nearest to its mean, the nearest first."""
        import numpy as np

        own = np.flatnonzero(self.labels == cluster)
        return own[np.argsort(self.distances[own], kind="stable")][:number]


def cluster(features: FloatArray, most: int) -> Clusters:
    """Return the clusters of maps.

    Each map is a point; its nearest neighbours (about the square root of their number) are tied to it; the number of
    clusters is where the eigenvalues of the graph's normalised Laplacian first rise most (the eigengap), and
    k-means on the eigenvectors divides the points.

    Parameters
    ----------
    features : ndarray, shape (n, d)
        One down-sampled map a row; at least `FEWEST`.
    most : int
        The largest number of clusters.
    """
    import numpy as np
    from scipy.linalg import eigh

    n = len(features)
    laplacian = _laplacian(_neighbours(features))
    wanted = min(most + 1, n)
    values, vectors = eigh(laplacian, subset_by_index=(0, wanted - 1))
    number = int(np.argmax(np.diff(values))) + 1
    labels = np.zeros(n, np.int64) if number == 1 else _divided(vectors[:, :number], number)
    labels = _largest_first(labels)
    means = np.stack([features[labels == one].mean(0) for one in range(int(labels.max()) + 1)])
    return Clusters(labels, np.linalg.norm(features - means[labels], axis=1), values)


def _neighbours(features: FloatArray) -> FloatArray:
    """Return who is near whom, ``(n, n)``: 1 for neighbours of each other, 1/2 where only one is the other's."""
    import numpy as np
    from scipy.spatial.distance import cdist

    n = len(features)
    distances = cdist(features, features)
    np.fill_diagonal(distances, np.inf)
    number = min(n - 1, max(_LEAST_NEIGHBOURS, round(np.sqrt(n))))
    near = np.zeros((n, n))
    np.put_along_axis(near, np.argsort(distances, axis=1, kind="stable")[:, :number], 1.0, axis=1)
    return np.asarray((near + near.T) / 2)


def _laplacian(affinity: FloatArray) -> FloatArray:
    import numpy as np

    scale = 1 / np.sqrt(affinity.sum(1))
    return np.asarray(np.eye(len(affinity)) - scale[:, None] * affinity * scale)


def _divided(vectors: FloatArray, number: int) -> IntArray:
    """Return the clusters of the rows, brought to unit length, by k-means.

    It begins with rows that are far from each other, as Ng, Jordan & Weiss (On spectral clustering, NIPS 2001) have
    it: nothing is drawn at random.
    """
    import numpy as np
    from scipy.spatial.distance import cdist

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = vectors / np.where(lengths > 0, lengths, 1.0)
    centres = rows[:1]
    while len(centres) < number:
        centres = np.concatenate([centres, rows[cdist(rows, centres).min(1).argmax()][None]])
    for _ in range(_ROUNDS):
        labels = cdist(rows, centres).argmin(1)
        moved = [rows[labels == one].mean(0) if (labels == one).any() else centres[one] for one in range(number)]
        if np.allclose(moved, centres):
            break
        centres = np.stack(moved)
    return np.asarray(labels, np.int64)


def _largest_first(labels: IntArray) -> IntArray:
    """Return the clusters numbered by size, without empty ones; of equal ones that of the first clip comes first."""
    import numpy as np

    names, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    numbers = np.empty(int(names.max()) + 1, np.int64)
    numbers[names[order]] = np.arange(len(names))
    return np.asarray(numbers[labels])


def features(clips: Sequence[ClipMap], method: str) -> FloatArray:
    """Return the map of each clip of a method that holds relevance, ``(n, 64)``: 8 x 8 parts with the sum 1."""
    import numpy as np

    own = clustered_clips(clips, method)
    halved = [one.sums.relevance.sum(0).reshape(_SIDE, CELLS // _SIDE, _SIDE, -1).sum((1, 3)) for one in own]
    return np.asarray([parts.ravel() / parts.sum() for parts in halved], np.float64).reshape(-1, _SIDE**2)


def clustered_clips(clips: Sequence[ClipMap], method: str) -> list[ClipMap]:
    """Return the clips of a method that hold relevance."""
    return [one for one in clips if one.method == method and one.sums.total > 0]

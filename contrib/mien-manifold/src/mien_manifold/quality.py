"""How true an embedding is to the neighbourhoods of the features.

Trustworthiness falls where windows become neighbours in the embedding that were none before; continuity, its mirror,
where neighbours are torn apart.  Both are 1 at best and about a half by chance.

Source: Venna & Kaski: Neighborhood preservation in nonlinear projection methods: an experimental study, ICANN 2001.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mien import FloatArray, IntArray


def neighbour_ranks(points: FloatArray) -> IntArray:
    """Return how near each point is to each other one.

    Parameters
    ----------
    points : ndarray, shape (n, d)

    Returns
    -------
    ndarray of int, shape (n, n)
        Row i: 1 for the nearest neighbour of point i, up to n - 1; 0 for itself.  Equally near ones are ranked in
        their order.
    """
    from scipy.spatial.distance import cdist

    distances = cdist(points, points)
    np.fill_diagonal(distances, -1.0)  # a point comes before its duplicates
    order = np.argsort(distances, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(len(points))[None], axis=1)
    return ranks


def most_neighbours(points: int) -> int:
    """Return the largest neighbourhood for which the measures are defined: less than half of the points."""
    return (points - 1) // 2


@dataclass(frozen=True)
class Quality:
    """Trustworthiness and continuity of each point, for neighbourhoods of 1 to K points; each ``(n, K)``.

    Their mean over points is Venna & Kaski's figure.
    """

    trustworthiness: FloatArray
    continuity: FloatArray


def quality(features: IntArray, embedding: IntArray, most: int) -> Quality:
    """Return the quality of an embedding for neighbourhoods of 1 to ``most`` points.

    Parameters
    ----------
    features, embedding : ndarray of int, shape (n, n)
        Ranks of neighbours (`neighbour_ranks`) before and after.
    most : int
        At most `most_neighbours`.
    """
    return Quality(_kept(features, embedding, most), _kept(embedding, features, most))


def _kept(true: IntArray, shown: IntArray, most: int) -> FloatArray:
    """Return 1 less the scaled ranks, in ``true``, of those neighbours in ``shown`` that are none in ``true``."""
    n = len(true)
    found = np.empty((n, most))
    for k in range(1, most + 1):
        intruders = (shown <= k) & (true > k)
        excess = np.where(intruders, true - k, 0).sum(1)
        found[:, k - 1] = 1 - 2 * excess / (k * (2 * n - 3 * k - 1))
    return found


def chance(points: int, neighbours: int) -> float:
    """Return the expected trustworthiness (and continuity) of an embedding drawn at random.

    Each of the k neighbours then has a uniform rank among the others: E[max(r - k, 0)] = (n-1-k)(n-k) / (2(n-1)).
    """
    n, k = points, neighbours
    return 1 - (n - 1 - k) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1))


def same_owner(ranks: IntArray, owners: IntArray, neighbours: int) -> tuple[float, float]:
    """Return the share of neighbours that are of the point's own participant, and what chance gives.

    Parameters
    ----------
    ranks : ndarray of int, shape (n, n)
    owners : ndarray of int, shape (n,)
    """
    own = owners[:, None] == owners[None]
    near = (ranks > 0) & (ranks <= neighbours)
    others = ranks > 0
    return float(own[near].mean()), float(own[others].mean())

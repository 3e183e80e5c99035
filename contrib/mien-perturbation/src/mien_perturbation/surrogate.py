"""LIME's local surrogate: a weighted linear fit of the output over on/off switches; numpy alone.

Source: Ribeiro, Singh, Guestrin 2016.  Ridge, its penalty and the kernel are those of the authors' library (``lime``,
0.2.0.1), with the distance and width that it takes for images; the paper itself fits a lasso (K-LASSO).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SWEEPS = 10_000  # of the lasso over all coefficients; it converges in far fewer
_STILL = 1e-12  # a sweep that moves the fit by less, relative to the output's spread, is the last


@dataclass(frozen=True)
class Surrogate:
    """A linear function of the switches that stands for the network near a clip.

    Attributes
    ----------
    coefficients : ndarray, shape (K,)
        What the output gains when a switch is on.
    intercept : float
        Its value with all switches off.
    r2 : float
        Weighted coefficient of determination on the samples that it was fitted to, 1 for a perfect fit; NaN where
        the output never changes.
    """

    coefficients: Floats
    intercept: float
    r2: float

    def at(self, switches: npt.ArrayLike) -> Any:
        """Return its value for switches ``(..., K)``."""
        return np.asarray(switches, np.float64) @ self.coefficients + self.intercept


def proximity(switches: npt.ArrayLike, width: float) -> Floats:
    """Return the exponential kernel's weight of each sample: how near it is to the whole clip, 0 to 1.

    ``sqrt(exp(-d^2 / width^2))``, where d is the cosine distance of the switches from all being on,
    ``1 - sqrt(share that is on)``.

    Parameters
    ----------
    switches : array-like of bool, shape (n, K)
    width : float
        Above 0.
    """
    on = np.asarray(switches, np.float64)
    distance = 1 - np.sqrt(on.mean(axis=1))
    weights: Floats = np.sqrt(np.exp(-((distance / width) ** 2)))
    return weights


def ridge(switches: npt.ArrayLike, outputs: npt.ArrayLike, weights: npt.ArrayLike, penalty: float) -> Surrogate:
    """Return the surrogate that minimises ``sum w (y - b - z a)^2 + penalty |a|^2``, in closed form.

    The intercept is not penalised.  With a penalty of 0 and switches that the samples do not tell apart, the one with
    the smallest coefficients is taken.

    Parameters
    ----------
    switches : array-like of bool, shape (n, K)
    outputs, weights : array-like, shape (n,)
    penalty : float
        At least 0.
    """
    z, y, w, (middle, mean) = _centred(switches, outputs, weights)
    root = np.sqrt(w)[:, None]
    # The penalty as further rows: the normal equations would square the condition of few samples.
    rows = np.concatenate([z * root, np.sqrt(penalty) * np.eye(z.shape[1])])
    wanted = np.concatenate([y * root[:, 0], np.zeros(z.shape[1])])
    found = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return _surrogate(found, z, y, w, middle, mean)


def lasso(switches: npt.ArrayLike, outputs: npt.ArrayLike, weights: npt.ArrayLike, strength: float) -> Surrogate:
    """Return the surrogate with few coefficients: ``sum w (y - b - z a)^2 / (2 sum w) + penalty sum |a|`` is minimal.

    Parameters
    ----------
    switches : array-like of bool, shape (n, K)
    outputs, weights : array-like, shape (n,)
    strength : float
        0 to 1: the penalty as a fraction of the smallest one that leaves no coefficient, so that it does not depend on
        the output's unit.

    Notes
    -----
    By coordinate descent (Friedman, Hastie, Tibshirani 2010).
    """
    z, y, w, (middle, mean) = _centred(switches, outputs, weights)
    total = float(w.sum())
    gram, slope = (z * w[:, None]).T @ z / total, (z * w[:, None]).T @ y / total
    found = _descent(gram, slope, strength * float(np.abs(slope).max(initial=0.0)))
    return _surrogate(found, z, y, w, middle, mean)


def _descent(gram: Floats, slope: Floats, penalty: float) -> Floats:
    """Minimise ``a G a / 2 - s a + penalty sum |a|``."""
    found = np.zeros(len(slope))
    sizes = np.diagonal(gram)
    still = _STILL * float(np.abs(slope).max(initial=0.0))
    for _ in range(_SWEEPS):
        moved = 0.0
        for place in np.flatnonzero(sizes > 0):
            rest = slope[place] - gram[place] @ found + sizes[place] * found[place]
            value = np.sign(rest) * max(abs(rest) - penalty, 0.0) / sizes[place]
            moved = max(moved, abs(value - found[place]) * float(sizes[place]))
            found[place] = value
        if moved <= still:
            break
    return found


def _centred(
    switches: npt.ArrayLike, outputs: npt.ArrayLike, weights: npt.ArrayLike
) -> tuple[Floats, Floats, Floats, tuple[Floats, float]]:
    """Return switches and outputs about their weighted means, the weights, and the means."""
    z, y, w = (np.asarray(values, np.float64) for values in (switches, outputs, weights))
    first = float(y[0])
    y = y - first  # what never changes is then 0, without rounding
    middle, mean = np.average(z, axis=0, weights=w), float(np.average(y, weights=w))
    return z - middle, y - mean, w, (middle, mean + first)


def _surrogate(found: Floats, z: Floats, y: Floats, w: Floats, middle: Floats, mean: float) -> Surrogate:
    spread = float(w @ y**2)
    flat = spread <= 1e-24 * float(w.sum()) * mean**2
    r2 = float("nan") if flat else 1 - float(w @ (y - z @ found) ** 2) / spread
    return Surrogate(found, mean - float(middle @ found), r2)

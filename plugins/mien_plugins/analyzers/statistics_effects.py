"""Effects of severity on a measure of relevance: Spearman's correlation over participants, plain and adjusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Rows = npt.NDArray[np.intp]

_LEAST_LEFT = 1e-9  # of the variance: what is determined by the prediction has no partial correlation


@dataclass(frozen=True)
class Effect:
    """An effect with its interval and test; NaN where undefined."""

    effect: float
    low: float
    high: float
    p: float
    n: int


@dataclass(frozen=True)
class _Sample:
    """The participants of a measure: their rows by stratum, resamples of these, and standard ranks of both."""

    rows: Rows
    blocks: tuple[slice, ...]
    drawn: Rows
    label: Array
    prediction: Array


class Severity:
    """Tests measures of the same participants against their true severity.

    Parameters
    ----------
    label, prediction : ndarray, shape (n,)
        One of each participant.
    strata : ndarray, shape (n,), optional
        Folds: values are ranked, permuted and resampled within them.
    seed : int
        All measures share their permutations and resamples.
    permutations, resamples : int
    """

    def __init__(
        self,
        label: Array,
        prediction: Array,
        strata: Array | None,
        seed: int = 0,
        permutations: int = 9999,
        resamples: int = 2000,
    ) -> None:
        self.label, self.prediction, self.strata = label, prediction, strata
        self.seed, self.permutations, self.resamples = seed, permutations, resamples
        self._samples: dict[bytes, _Sample] = {}

    def tested(self, x: Array, *, adjusted: bool) -> Effect:
        """Return the effect of the label on a measure, shape (n,), with interval and p; NaN values are left out."""
        import numpy as np

        from mien.statistics import adjusted_association, permutation_association

        rng = np.random.default_rng(self.seed)
        if adjusted:
            found = adjusted_association(x, self.label, self.prediction, rng, self.permutations, self.strata)
        else:
            found = permutation_association(x, self.label, rng, self.permutations, self.strata)
        low, high = self.interval(x, adjusted=adjusted) if np.isfinite(found.effect) else (np.nan, np.nan)
        return Effect(found.effect, low, high, found.p, found.n)

    def described(self, x: Array) -> Effect:
        """Return the plain effect with its interval, not tested."""
        import numpy as np

        low, high = self.interval(x, adjusted=False)
        return Effect(self.value(x, adjusted=False), low, high, np.nan, len(self._sample(x).rows))

    def value(self, x: Array, *, adjusted: bool) -> float:
        """Return the effect alone; NaN where it is undefined."""
        import numpy as np

        sample = self._sample(x)
        groups = len(sample.blocks)
        if len(sample.rows) < (1 + groups + 2 if adjusted else 3):
            return float("nan")
        return float(self._effects(x, sample, np.arange(len(sample.rows))[None], adjusted)[0])

    def interval(self, x: Array, *, adjusted: bool) -> tuple[float, float]:
        """Return the percentile bootstrap interval; NaN with fewer than three participants."""
        from mien.statistics import FEWEST, interval

        sample = self._sample(x)
        if len(sample.rows) < FEWEST or not self.resamples:
            return float("nan"), float("nan")
        return interval(self._effects(x, sample, sample.drawn, adjusted))

    def _sample(self, x: Array) -> _Sample:
        import numpy as np

        known = np.isfinite(x) & np.isfinite(self.label) & np.isfinite(self.prediction)
        key = known.tobytes()
        if key not in self._samples:
            self._samples[key] = self._made(known)
        return self._samples[key]

    def _made(self, known: npt.NDArray[np.bool_]) -> _Sample:
        import numpy as np

        rows = np.flatnonzero(known)
        groups = np.zeros(len(rows)) if self.strata is None else self.strata[rows]
        _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        alone = sizes[place] < 2
        rows, groups = rows[~alone], groups[~alone]
        order = np.argsort(groups, kind="stable")
        rows, groups = rows[order], groups[order]
        _, starts, sizes = np.unique(groups, return_index=True, return_counts=True)
        blocks = tuple(slice(int(a), int(a + b)) for a, b in zip(starts, sizes, strict=True))
        rng = np.random.default_rng(self.seed)
        drawn = [rng.integers(one.start, one.stop, size=(self.resamples, one.stop - one.start)) for one in blocks]
        every = np.concatenate(drawn, axis=1) if drawn else np.empty((self.resamples, 0), np.intp)
        label, prediction = (standard(v[rows][every], blocks) for v in (self.label, self.prediction))
        return _Sample(rows, blocks, every, label, prediction)

    def _effects(self, x: Array, sample: _Sample, drawn: Rows, adjusted: bool) -> Array:
        """Return the effect in each resample, ``drawn (R, n)``."""
        import numpy as np

        measure = standard(x[sample.rows][drawn], sample.blocks)
        label, prediction = sample.label, sample.prediction
        if drawn is not sample.drawn:
            label, prediction = (standard(v[sample.rows][drawn], sample.blocks) for v in (self.label, self.prediction))
        plain: Array = (measure * label).sum(axis=1)
        if not adjusted:
            return plain
        given = np.nan_to_num(prediction)  # a constant prediction adjusts for nothing
        own, others = (measure * given).sum(axis=1), (label * given).sum(axis=1)
        left = (1 - own**2) * (1 - others**2)
        usable = ((1 - own**2) > _LEAST_LEFT) & ((1 - others**2) > _LEAST_LEFT)
        found: Array = np.divide(
            plain - own * others, np.sqrt(np.abs(left)), out=np.full(plain.shape, np.nan), where=usable
        )
        return found


def standard(values: Array, blocks: tuple[slice, ...]) -> Array:
    """Return ranks within blocks of columns, relative to their size and centred there, each row of length 1.

    A row that is constant in every block is NaN.
    """
    import numpy as np

    from mien.statistics import ranks

    parts = []
    for block in blocks:
        own = ranks(values[:, block], axis=1) / (block.stop - block.start + 1)
        parts.append(own - own.mean(axis=1, keepdims=True))
    centred = np.concatenate(parts, axis=1) if parts else np.empty((len(values), 0))
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return np.divide(centred, length, out=np.full(centred.shape, np.nan), where=length > 1e-9)

"""How good classifiers are, with intervals over participants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien import ranks

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

SCORES = ("balanced_accuracy", "auc", "six_way_accuracy")


@dataclass(frozen=True)
class Judged:
    """The logits of one network for held-out clips.

    Attributes
    ----------
    logits : ndarray, shape (B, K)
    labels : ndarray of int, shape (B,)
    participants : sequence of str
    """

    logits: FloatArray
    labels: IntArray
    participants: Sequence[str]


def scores(logits: FloatArray, labels: IntArray) -> dict[str, float]:
    """Return what the classifiers reach.

    Returns
    -------
    dict
        ``balanced_accuracy``: of each class against all others, at a logit of 0, mean over classes; ``auc``: the area
        under each class's ROC curve, mean over classes; ``six_way_accuracy``: how often the largest logit is that of
        the clip's class.  Classes that do not occur, or alone, are left out of the means.
    """
    balanced, areas = [], []
    for place in range(logits.shape[1]):
        own = labels == place
        if own.any() and not own.all():
            balanced.append(((logits[own, place] > 0).mean() + (logits[~own, place] <= 0).mean()) / 2)
            areas.append(area_under_roc(logits[:, place], own))
    right = float((logits.argmax(1) == labels).mean())
    return dict(zip(SCORES, (_mean(balanced), _mean(areas), right), strict=True))


def area_under_roc(values: FloatArray, own: npt.NDArray[np.bool_]) -> float:
    """Return the probability that a value of its own is larger than another's, ties counted half; NaN without both."""
    positives, negatives = int(own.sum()), int((~own).sum())
    if not positives or not negatives:
        return float("nan")
    return float((ranks(values)[own].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def rank_correlation(one: FloatArray, other: FloatArray) -> float:
    """Return Spearman's correlation; NaN where one does not vary."""
    a, b = ranks(one), ranks(other)
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def bootstrap(judged: Sequence[Sequence[Judged]], resamples: int, seed: int) -> list[list[dict[str, float]]]:
    """Return the scores of networks on resampled participants, mean over seeds.

    Parameters
    ----------
    judged : sequence of sequence of Judged
        Of each network (what is compared), for each seed; all networks of a seed judge the same clips.

    Returns
    -------
    list of list of dict
        Of each network, for each resample.  Resamples are the same for all networks, so that differences are paired.
    """
    random = np.random.default_rng([seed, 31])
    found: list[list[dict[str, float]]] = [[] for _ in judged]
    for _ in range(resamples):
        rows = [_resampled(one.participants, random) for one in judged[0]]
        for place, network in enumerate(judged):
            drawn = [scores(one.logits[own], one.labels[own]) for one, own in zip(network, rows, strict=True)]
            found[place].append({name: _mean([score[name] for score in drawn]) for name in SCORES})
    return found


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the middle 95 % of resampled values."""
    low, high = np.nanquantile(np.asarray(values, float), [0.025, 0.975])
    return float(low), float(high)


def mean_scores(judged: Sequence[Judged]) -> Mapping[str, float]:
    """Return the mean of the scores over seeds."""
    each = [scores(one.logits, one.labels) for one in judged]
    return {name: _mean([score[name] for score in each]) for name in SCORES}


def _resampled(participants: Sequence[str], random: np.random.Generator) -> IntArray:
    people = np.asarray(participants)
    names = np.unique(people)
    drawn = random.choice(names, len(names))
    return np.concatenate([np.flatnonzero(people == name) for name in drawn])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")

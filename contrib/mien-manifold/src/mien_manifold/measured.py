"""From embeddings to the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mien import benjamini_hochberg, mean_interval
from mien_manifold.association import averaged, correlation, prediction
from mien_manifold.quality import chance, most_neighbours, neighbour_ranks, quality, same_owner

if TYPE_CHECKING:
    from mien import FloatArray, IntArray
    from mien_manifold.embedding import Embedded, Embedding
    from mien_manifold.features import Features

MEASURES = ("trustworthiness", "continuity")


@dataclass(frozen=True)
class Study:
    """What was embedded, and how.

    Attributes
    ----------
    about : DataFrame
        One row a window: recording, participant, window, and what is known of it.
    features : Features
        One row a window.
    methods : mapping of str to Embedding
        Those that could be made, by the user's names.
    embedded : mapping of str to Embedded
        Of the same keys.
    neighbours : int
        The neighbourhood that single figures are of; no more than `most`.
    most : int
        The largest neighbourhood.
    resamples, permutations, seed : int
    """

    about: pd.DataFrame
    features: Features
    methods: Mapping[str, Embedding]
    embedded: Mapping[str, Embedded]
    neighbours: int
    most: int
    resamples: int
    permutations: int
    seed: int

    @property
    def owners(self) -> IntArray:
        """The number of each window's participant, in the order of their names."""
        return np.asarray(np.unique(self.about["participant"].to_numpy(str), return_inverse=True)[1])

    @property
    def people(self) -> int:
        """Participants."""
        return int(self.about["participant"].nunique())


def neighbourhoods(windows: int, wanted: int, most: int) -> tuple[int, int]:
    """Return the neighbourhood of single figures and the largest one, as far as so many windows define them."""
    largest = min(most, most_neighbours(windows))
    return min(wanted, largest), largest


def points_table(study: Study) -> pd.DataFrame:
    """Return the table ``manifold_points``."""
    ids = study.about[["recording", "participant", "window"]]
    parts = [
        ids.assign(method=name, axis=axis, value=values)
        for name, embedded in study.embedded.items()
        for axis, values in enumerate(embedded.points.T, 1)
    ]
    return pd.concat(parts, ignore_index=True)


def quality_tables(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables ``manifold`` and ``manifold_quality``."""
    before = neighbour_ranks(study.features.values)
    methods, rows = [], []
    for name, embedded in study.embedded.items():
        after = neighbour_ranks(embedded.points)
        methods.append(_method(study, name, after))
        found = quality(before, after, study.most)
        for measure, values in zip(MEASURES, (found.trustworthiness, found.continuity), strict=True):
            rows += _curve(study, name, measure, values)
    columns = ["method", "neighbours", "measure", "value", "low", "high", "chance"]
    return pd.DataFrame(methods), pd.DataFrame(rows, columns=columns)


def _method(study: Study, name: str, ranks: IntArray) -> dict[str, Any]:
    own, expected = same_owner(ranks, study.owners, study.neighbours) if study.neighbours else (np.nan, np.nan)
    method = study.methods[name]
    return {
        "method": name,
        "use": method.model_dump()["use"],
        "parameters": method.model_dump_json(exclude={"use"}),
        "network": study.features.network,
        "stage": study.features.stage,
        "features": study.features.values.shape[1],
        "windows": len(study.about),
        "participants": study.people,
        "neighbours": study.neighbours or None,
        "same_participant": own,
        "same_participant_chance": expected,
    }


def _curve(study: Study, method: str, measure: str, values: FloatArray) -> list[dict[str, Any]]:
    """Return a row a neighbourhood: the mean over windows, with its interval over participants."""
    _, low, high = _weighted_interval(values, study)
    return [
        {
            "method": method,
            "neighbours": k,
            "measure": measure,
            "value": float(values[:, k - 1].mean()),
            "low": low[k - 1],
            "high": high[k - 1],
            "chance": chance(len(values), k),
        }
        for k in range(1, study.most + 1)
    ]


def _weighted_interval(values: FloatArray, study: Study) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean over windows and its interval, participants drawn with all their windows.

    The ratio of two means over participants: that of the sums of their windows, and that of their numbers.
    """
    from mien import function_interval

    owners = study.owners
    counts = np.bincount(owners).astype(np.float64)
    sums = np.stack([np.bincount(owners, column) for column in values.T], axis=1)
    if not values.shape[1]:
        return mean_interval(sums, study.resamples, study.seed)
    return function_interval(
        lambda means: means[:, 1:] / means[:, :1], np.column_stack([counts, sums]), study.resamples, study.seed
    )


def axes_table(study: Study, ratings: Sequence[str]) -> pd.DataFrame:
    """Return the table ``manifold_axes``."""
    rated = _rated(study, ratings)
    rows = []
    for name, embedded in study.embedded.items():
        axes = averaged(embedded.points, study.about["participant"])
        for number, axis in enumerate(axes.T, 1):
            for rating, values in rated.items():
                found = correlation(axis, values, study.resamples, study.permutations, study.seed)
                rows.append({"method": name, "axis": number, "rating": rating, **vars(found)})
    return _with_q(rows, ["method", "axis", "rating", "effect", "low", "high", "p", "participants"])


def ratings_table(study: Study, ratings: Sequence[str]) -> pd.DataFrame:
    """Return the table ``manifold_ratings``."""
    rated = _rated(study, ratings)
    rows = []
    for name, embedded in study.embedded.items():
        axes = averaged(embedded.points, study.about["participant"])
        for rating, values in rated.items():
            found = prediction(axes, values, study.resamples, study.permutations, study.seed)
            rows.append({"method": name, "rating": rating, "axes": axes.shape[1], **vars(found)})
    return _with_q(rows, ["method", "rating", "axes", "r2", "low", "high", "p", "participants"])


def _rated(study: Study, ratings: Sequence[str]) -> dict[str, FloatArray]:
    means = averaged(study.about[list(ratings)], study.about["participant"])
    return dict(zip(ratings, means.T, strict=True))


def _with_q(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(q=benjamini_hochberg(table["p"].to_numpy(np.float64)))

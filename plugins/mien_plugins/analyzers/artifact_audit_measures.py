"""The figures of the audit for artefacts: per participant, over participants, and per cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from mien.types import FloatArray
    from mien_plugins.analyzers.artifact_audit_clusters import Clusters
    from mien_plugins.analyzers.artifact_audit_maps import ClipMap, Sums

_NONE = float("nan")


class Bounds(NamedTuple):
    """What the ratio outside over inside, and that of the strongest places, has to exceed for an alarm."""

    background: float
    place: float


def shares(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the shares of relevance and of pixels outside the face of each participant.

    Parameters
    ----------
    rows : DataFrame
        Rows of relevance, counted (`mien.regions.measures.counted`).
    by : list of str
        What else to keep apart.

    Returns
    -------
    DataFrame
        Columns ``by``, participant, share, area_share, ratio.
    """
    from mien.regions.measures import per_participant
    from mien.regions.names import BACKGROUND, TOTAL

    if rows.empty:
        return rows[[*by, "participant"]].assign(share=[], area_share=[], ratio=[])
    keys = [*by, "participant"]
    sums = per_participant(rows, by)
    outside, whole = (sums[sums["region"] == name].set_index(keys) for name in (BACKGROUND, TOTAL))
    found = outside[["share"]].assign(area_share=outside["area"] / whole["area"].reindex(outside.index))
    found["ratio"] = ratio(found["share"].to_numpy(float), found["area_share"].to_numpy(float))
    return found.reset_index()


def ratio(share: FloatArray, area: FloatArray) -> FloatArray:
    """Return the relevance a pixel outside over that inside.

    Infinite where the face holds none; NaN where either side has no pixels, or all is 0.
    """
    import numpy as np

    share, area = np.asarray(share, np.float64), np.asarray(area, np.float64)
    seen = (area > 0) & (area < 1) & np.isfinite(share)
    outside = np.divide(share, area, out=np.full(share.shape, np.nan), where=seen)
    inside = np.divide(1 - share, 1 - area, out=np.full(share.shape, np.nan), where=seen)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(seen, outside / np.where(seen, inside, 1.0), np.nan))


def participants(rows: pd.DataFrame, control: pd.DataFrame, clips: Sequence[ClipMap], bounds: Bounds) -> pd.DataFrame:
    """Return the table ``artifact_audit_participants``."""
    import numpy as np
    import pandas as pd

    highest = _untrained(control, ["participant"])
    sums = _summed(clips)
    found = []
    for known in shares(rows, ["method"]).to_dict("records"):
        row: dict[str, Any] = {str(name): value for name, value in known.items()}
        person = str(row["method"]), str(row["participant"])
        own, counted = sums.get(person), Counter((one.method, one.key.participant) for one in clips)
        row |= {"clips": counted[person], "untrained_ratio_highest": highest.get(person, (_NONE, 0))[0]}
        row |= _place(own)
        above = row["ratio"] > np.nanmax([bounds.background, row["untrained_ratio_highest"]])
        found.append(row | {"flagged": bool(above or row["place_ratio"] > bounds.place)})
    return pd.DataFrame(found)


def methods(
    people: pd.DataFrame,
    control: pd.DataFrame,
    clips: Sequence[ClipMap],
    bounds: Bounds,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Return the table ``artifact_audit``."""
    import numpy as np
    import pandas as pd

    highest, sums, found = _untrained(control, []), _summed(clips), []
    for method, own in people.groupby("method", sort=False):
        everyone = [one for (name, _), one in sums.items() if name == method]
        values = own[["share", "area_share", "place_density", "face_density"]].to_numpy(np.float64)
        reached, networks = highest.get((str(method),), (_NONE, 0))
        row: dict[str, Any] = {
            "method": method,
            "participants": len(own),
            "clips": int(own["clips"].sum()),
            "area_share": _mean(values[:, 1]),
            "untrained_ratio_highest": reached,
            "untrained_networks": networks,
            "flagged": int(own["flagged"].sum()),
            **_over_people(values, resamples, seed),
            **_commonest_place(own, everyone),
        }
        background = bool(row["ratio_low"] > np.nanmax([bounds.background, reached]))
        place = bool(row["place_ratio_low"] > bounds.place)
        found.append(row | {"background_alarm": background, "place_alarm": place, "alarm": background or place})
    return pd.DataFrame(found)


def _over_people(values: FloatArray, resamples: int, seed: int) -> dict[str, float]:
    """Return share, ratio and place_ratio with their intervals, from share, area and the two places' densities."""
    import numpy as np

    from mien.statistics import function_interval

    def figures(means: FloatArray) -> FloatArray:
        share, area, place, face = means.T
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([share, ratio(share, area), place / face], 1)

    row: dict[str, float] = {}
    for name, value, low, high in zip(
        ("share", "ratio", "place_ratio"), *function_interval(figures, values, resamples, seed), strict=True
    ):
        row |= {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
    return row


def _untrained(control: pd.DataFrame, by: list[str]) -> dict[tuple[str, ...], tuple[float, int]]:
    """Return the highest ratio of an untrained network, and how many there are, by method and ``by``."""
    from mien.regions.measures import counted

    rows = counted(control[control["kind"] == "untrained"])
    if rows.empty:
        return {}
    people = shares(rows, ["method", "network"])
    means = people.groupby(["method", *by, "network"], sort=False)[["share", "area_share"]].mean()
    means["ratio"] = ratio(means["share"].to_numpy(float), means["area_share"].to_numpy(float))
    found: dict[tuple[str, ...], tuple[float, int]] = {}
    for name, own in means["ratio"].groupby(level=list(range(1 + len(by))), sort=False):
        found[name if isinstance(name, tuple) else (str(name),)] = float(own.max()), len(own)
    return found


def _summed(clips: Sequence[ClipMap]) -> dict[tuple[str, str], Sums]:
    """Return the sums of each method and participant."""
    found: dict[tuple[str, str], Sums] = {}
    for one in clips:
        person = one.method, one.key.participant
        found[person] = found[person] + one.sums if person in found else one.sums
    return found


def _place(sums: Sums | None) -> dict[str, Any]:
    """Return the columns of the strongest place and of what it stays with."""
    from mien_plugins.analyzers.artifact_audit_places import constancy, stays_with, strongest_place

    found = None if sums is None else strongest_place(sums)
    if sums is None or found is None:
        row: dict[str, Any] = dict.fromkeys(("place_x", "place_y", "place_density", "face_density"), _NONE)
        constant = dict.fromkeys(("image_constancy", "crop_constancy"), _NONE)
        return row | {"place": "", "place_ratio": _NONE, **constant, "stays_with": ""}
    image, crop = constancy(sums)
    return {
        "place": found.name,
        "place_x": found.x,
        "place_y": found.y,
        "place_density": found.density,
        "face_density": found.inside,
        "place_ratio": found.ratio,
        "image_constancy": image,
        "crop_constancy": crop,
        "stays_with": stays_with(image, crop),
    }


def _commonest_place(own: pd.DataFrame, everyone: Sequence[Sums]) -> dict[str, Any]:
    """Return the place that is named in most participants, its means over them, and what it stays with over all."""
    from mien_plugins.analyzers.artifact_audit_places import pooled

    row = _place(pooled(everyone) if everyone else None)
    row.pop("place_ratio")
    named = own.loc[own["place"] != "", "place"]
    if named.empty:
        return row
    name = named.mode().iloc[0]
    there = own[own["place"] == name]
    means = {column: _mean(there[column].to_numpy(float)) for column in ("place_x", "place_y")}
    densities = {column: _mean(own[column].to_numpy(float)) for column in ("place_density", "face_density")}
    return row | {"place": str(name), **means, **densities}


def clusters(
    predictions: pd.DataFrame,
    clips: Sequence[ClipMap],
    found: Mapping[str, Clusters | None],
    resamples: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables ``artifact_audit_clusters`` and ``artifact_audit_clips``."""
    import numpy as np
    import pandas as pd

    from mien_plugins.analyzers.artifact_audit_clusters import clustered_clips

    known = predictions[["recording", "window", "label", "prediction"]]
    rows: list[dict[str, Any]] = []
    parts: list[pd.DataFrame] = []
    for method, own in found.items():
        used = clustered_clips(clips, method)
        members = pd.DataFrame([_member(one) for one in used], columns=list(_MEMBER)).assign(method=method)
        members["cluster"] = pd.array([None] * len(used) if own is None else own.labels, "Int64")
        members["distance"] = np.full(len(used), np.nan) if own is None else own.distances
        members = members.merge(known, on=["recording", "window"], how="left", validate="one_to_one")
        members["error"] = (members["prediction"] - members["label"]).abs()
        parts.append(members)
        rows += [] if own is None else [
            _cluster(members, number, [used[i].sums for i in np.flatnonzero(own.labels == number)], resamples, seed)
            for number in range(own.count)
        ]  # fmt: skip
    from mien_plugins.analyzers.artifact_audit_tables import CLUSTERS

    table = pd.DataFrame(rows, columns=[column.name for column in CLUSTERS.columns])
    return table, pd.concat(parts, ignore_index=True).drop(columns=["label", "prediction", "error"])


_MEMBER = ("recording", "participant", "window", "share")


def _member(one: ClipMap) -> tuple[str, str, int, float]:
    from mien_plugins.analyzers.artifact_audit_maps import OUTSIDE

    return (
        one.key.recording,
        one.key.participant,
        one.key.window,
        float(one.sums.relevance[OUTSIDE].sum()) / one.sums.total,
    )


def _cluster(members: pd.DataFrame, number: int, sums: Sequence[Sums], resamples: int, seed: int) -> dict[str, Any]:
    import numpy as np

    from mien.statistics import FEWEST, participant_bootstrap
    from mien_plugins.analyzers.artifact_audit_places import pooled

    within = (members["cluster"] == number).to_numpy(bool)
    own, others = members[within], members[~within]
    # What differs between few people says nothing of the clusters that they happen to make.
    certain = min(own["participant"].nunique(), others["participant"].nunique()) >= FEWEST
    row = {
        "method": own["method"].iloc[0],
        "cluster": number,
        "clips": len(own),
        "participants": own["participant"].nunique(),
        "share": _mean(own["share"].to_numpy(float)),
        **{key: value for key, value in _place(pooled(sums)).items() if key.startswith(("place", "face"))},
    }
    for name in ("label", "prediction", "error"):
        values = members[name].to_numpy(float)
        row[name] = _mean(values[within])

        def difference(rows: npt.NDArray[np.intp], values: FloatArray = values) -> float:
            inside = within[rows]
            return _mean(values[rows][inside]) - _mean(values[rows][~inside])

        estimate = participant_bootstrap(
            difference, members["participant"], np.random.default_rng(seed), min(resamples, 1000)
        )
        row |= {
            f"{name}_difference": estimate.value,
            f"{name}_difference_low": estimate.low if certain else _NONE,
            f"{name}_difference_high": estimate.high if certain else _NONE,
        }
    return row


def _mean(values: Any) -> float:
    import numpy as np

    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else _NONE

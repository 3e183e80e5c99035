"""What the audit for artefacts says: warnings and all-clears with their numbers, clusters, gaps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

    from mien.interfaces import Remark, RunView
    from mien_plugins.analyzers.artifact_audit_measures import Bounds

_MOST_NAMED = 5


class Measured(NamedTuple):
    """Runs that alarmed, of how many: with a badge as the only cue, and where only the face told the label.

    The latter are counted apart where the network had not learnt it: held-out r of .5 at most.
    """

    alarms: int
    planted: int
    false_alarms: int
    clean: int
    unlearnt_alarms: int
    unlearnt: int


MEASURED: Measured | None = Measured(20, 20, 0, 49, 0, 1)
"""How often the rule errs with the bounds that it has by default: ``benchmarks/results/artifact_audit.json``."""


def notes(run: RunView, tables: Mapping[str, pd.DataFrame], bounds: Bounds, most_clusters: int) -> list[str]:
    """Return the sentences: alarms first."""
    methods, people = tables["artifact_audit"], tables["artifact_audit_participants"]
    order = methods.sort_values("alarm", ascending=False, kind="stable")
    found = [_verdict(row, people[people["method"] == row["method"]]) for row in order.to_dict("records")]
    said = [*found, _rule(bounds), *_clusters(tables, most_clusters), *_gaps(run, tables)]
    return [note for note in said if note]


def remarks(methods: pd.DataFrame) -> dict[str, Remark]:
    """Return what stands beside the heat maps of each method that gave an alarm."""
    from mien.interfaces import Remark

    return {
        str(row["method"]): Remark(
            "May not be about the face",
            f"{_outside(row)}. The strongest place outside is {row['place']}.",
            "bad",
        )
        for row in methods[methods["alarm"].astype(bool)].to_dict("records")
    }


def _rule(bounds: Bounds) -> str:
    text = (
        f"An alarm is given where, over participants, a pixel outside the face holds more than {bounds.background:g} "
        "times the relevance of one inside and more than in any untrained network, or where the strongest place "
        f"outside holds more than {bounds.place:g} times the relevance of the strongest place in the face; the lower "
        "end of the 95 % interval counts."
    )
    if MEASURED is None:
        return text
    return (
        f"{text} With the default bounds, on planted videos of one animated face, it alarmed in {MEASURED.alarms} of "
        f"{MEASURED.planted} runs in which a badge was the only cue, and in {MEASURED.false_alarms} of "
        f"{MEASURED.clean} in which the network had learnt it from the face; of networks that had learnt nothing, in "
        f"{MEASURED.unlearnt_alarms} of {MEASURED.unlearnt}."
    )


def _verdict(row: Mapping[Any, Any], people: pd.DataFrame) -> str:
    if not row["ratio"] >= 0:
        return ""
    head = {
        True: f"Warning, {row['method']}: the network may look at something other than the face. ",
        False: f"{row['method']}: no alarm. ",
    }[bool(row["alarm"])]
    text = f"{_outside(row)}: {_ratio(row)}{_untrained(row)}. "
    return (head + text + _place(row, people) + _flagged(row, people)).strip()


def _outside(row: Mapping[Any, Any]) -> str:
    part = "All absolute relevance" if math.isinf(row["ratio"]) else f"{100 * row['share']:.0f} % of absolute relevance"
    return f"{part} lies outside the face, on {100 * row['area_share']:.0f} % of the pixels"


def _ratio(row: Mapping[Any, Any]) -> str:
    from mien.report.words import interval, number

    if math.isinf(row["ratio"]):  # over participants that is so of each of them, and needs no interval
        return "no pixel in the face holds any"
    return (
        f"a pixel there holds {number(row['ratio'])} times the relevance of one in the face "
        f"({interval(row['ratio_low'], row['ratio_high'])})"
    )


def _untrained(row: Mapping[Any, Any]) -> str:
    from mien.report.words import count, number

    if not row["untrained_networks"]:
        return "; there is no untrained network to compare it with"
    networks = count(int(row["untrained_networks"]), "untrained network")
    if math.isinf(row["untrained_ratio_highest"]):
        return f"; in at least one of {networks} no pixel in the face holds any"
    return f", at most {number(row['untrained_ratio_highest'])} in {networks}"


def _place(row: Mapping[Any, Any], people: pd.DataFrame) -> str:
    from mien_plugins.analyzers.artifact_audit_places import hint

    if not row["place"]:
        return ""
    there = int((people["place"] == row["place"]).sum())
    text = f"The strongest place outside is {row['place']} (in {there} of {len(people)}){_place_ratio(row)}"
    if not row["alarm"]:
        return text + ". "
    stays = {
        "image": "It stays with the image, not with the face, as a caption or a backdrop would. ",
        "face": "It stays with the face, as what is worn would. ",
        "undecided": "Whether it stays with the image or with the face cannot be told: the head hardly moves. ",
    }
    return f"{text}: {hint(row['place'])}, but nothing has looked at the picture. {stays.get(row['stays_with'], '')}"


def _place_ratio(row: Mapping[Any, Any]) -> str:
    from mien.report.words import interval, number

    if math.isinf(row["place_ratio"]):
        return ", with no relevance in any place of the face"
    if math.isnan(row["place_ratio"]):  # the crop shows no place in the face
        return ""
    return (
        f", with {number(row['place_ratio'])} times the relevance of the strongest in the face "
        f"({interval(row['place_ratio_low'], row['place_ratio_high'])})"
    )


def _flagged(row: Mapping[Any, Any], people: pd.DataFrame) -> str:
    from mien.report.words import listed

    own = people[people["flagged"]].sort_values("ratio", ascending=False, kind="stable")
    if own.empty:
        return ""
    names = [f"participant {name}" for name in own["participant"].head(_MOST_NAMED)]
    more = [f"{len(own) - _MOST_NAMED} more"] if len(own) > _MOST_NAMED else []
    said = f"By themselves {len(own)} of {len(people)} are flagged: {listed([*names, *more])}."
    return said if len(people) > 1 else f"Flagged: {names[0]}."


def _clusters(tables: Mapping[str, pd.DataFrame], most: int) -> list[str]:
    from mien.report.words import count

    said = []
    for method, own in tables["artifact_audit_clusters"].groupby("method", sort=False):
        clips = int(own["clips"].sum())
        if len(own) == 1:
            said.append(f"{method}: the maps of {count(clips, 'clip')} make one cluster.")
            continue
        parts = [
            f"{row['cluster']} ({count(int(row['clips']), 'clip')} of "
            f"{count(int(row['participants']), 'participant')}, {100 * row['share']:.0f} % outside the "
            f"face{_differs(row)})"
            for row in own.to_dict("records")
        ]
        limit = ", the most that were allowed" if len(own) == most else ""
        limit += ", each of one participant" if (own["participants"] == 1).all() else ""
        said.append(
            f"{method}: the maps of {count(clips, 'clip')} make {len(own)} clusters{limit}: {'; '.join(parts)}."
        )
    return said


def _differs(row: Mapping[Any, Any]) -> str:
    """Return where the clips of a cluster differ from the others, with an interval that leaves 0 out."""
    from mien.report.words import interval, number

    text = ""
    for name, title in (("label", "label"), ("prediction", "prediction"), ("error", "absolute error")):
        low, high = row[f"{name}_difference_low"], row[f"{name}_difference_high"]
        if low > 0 or high < 0:
            text += f"; {title} {number(row[f'{name}_difference'], 2)} from the others, {interval(low, high)}"
    return text


def _gaps(run: RunView, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    from mien.report.words import count, listed
    from mien.statistics import FEWEST
    from mien_plugins.analyzers.artifact_audit_clusters import FEWEST as FEWEST_CLIPS

    methods, people, members = (
        tables[name] for name in ("artifact_audit", "artifact_audit_participants", "artifact_audit_clips")
    )
    gaps = [
        f"{name}: the audit has no recording that it explained."
        for name in run.methods
        if name not in set(methods["method"])
    ]
    if not people["area_share"].gt(0).any():
        gaps.append(
            "Whether the network looks outside the face cannot be told: the crop shows nothing outside it, as "
            "region_mosaic's."
        )
    elif not people["area_share"].lt(1).any():
        gaps.append("Whether the network looks outside the face cannot be told: no pixel of the crop is in the face.")
    elif int(methods["participants"].max()) < FEWEST:
        gaps.append(f"With fewer than {FEWEST} participants there is no interval, and so no alarm over participants.")
    without = {
        str(name): int(own["clips"].sum()) - int((members["method"] == name).sum())
        for name, own in people.groupby("method", sort=False)
    }
    gaps += [
        f"{name}: {count(number, 'clip')} without any relevance; shares are undefined there."
        for name, number in without.items()
        if number
    ]
    few = [str(name) for name in methods["method"] if members.loc[members["method"] == name, "cluster"].isna().all()]
    if few:
        gaps.append(f"The maps of {listed(few)} are not clustered: that takes {FEWEST_CLIPS} clips with relevance.")
    return gaps

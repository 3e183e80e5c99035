"""What the benchmark measures of an attribution method.  This is the only list of it; nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Group = Literal["planted", "faithfulness", "completeness", "cost"]

GROUPS: dict[Group, str] = {
    "planted": "Planted truth",
    "faithfulness": "Faithfulness",
    "completeness": "Completeness",
    "cost": "Cost",
}


@dataclass(frozen=True)
class Measure:
    """One figure of a method on one participant's clips.

    Attributes
    ----------
    name : str
        As in the tables.
    title, short : str
        For readers, and for the heads of columns.
    group : str
        A key of `GROUPS`.
    higher : bool
        Whether more is better.
    what : str
        What it is, in one sentence.
    ranked : bool
        Whether it decides a method's rank.
    tasks : tuple of str
        The planted tasks on which it is summed up; empty: those whose label is an Action Unit.
    share : bool
        Whether it is a share of 1, written in percent.
    unit : str
    chance : float or None
        What chance gives.
    """

    name: str
    title: str
    short: str
    group: Group
    higher: bool
    what: str
    ranked: bool = True
    tasks: tuple[str, ...] = ()
    share: bool = False
    unit: str = ""
    chance: float | None = None


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(
            "densest_planted",
            "planted region first",
            "region first",
            "planted",
            True,
            "Share of participants in whom the region of the planted Action Unit has the highest density.",
            share=True,
        ),
        Measure(
            "density",
            "density of the planted region",
            "density",
            "planted",
            True,
            "Share of the face's absolute relevance on the planted region, over the region's share of the face's area.",
            unit="times chance",
            chance=1.0,
        ),
        Measure(
            "mass_accuracy",
            "mass accuracy",
            "mass",
            "planted",
            True,
            "Share of absolute relevance inside the truth map |render(AU=1) − render(AU=0)| (Arras et al. 2022).",
            share=True,
        ),
        Measure(
            "rank_accuracy",
            "rank accuracy",
            "rank",
            "planted",
            True,
            "Share of the K most relevant pixels that lie in the truth map of K pixels (Arras et al. 2022).",
            share=True,
        ),
        Measure(
            "unit_named",
            "planted AU named among ten",
            "AU named",
            "planted",
            True,
            "Share of participants in whom the planted Action Unit's truth map, of ten, is most like the relevance.",
            share=True,
            chance=0.1,
        ),
        Measure(
            "temporal_r",
            "follows the AU over time",
            "over time",
            "planted",
            True,
            "Correlation of the planted region's signed relevance with the Action Unit over a clip's frames.",
            unit="r",
            chance=0.0,
        ),
        Measure(
            "background_share",
            "badge found",
            "badge",
            "planted",
            True,
            "Share of absolute relevance on the background, where the only cue, a badge, is.",
            tasks=("badge_cue",),
            share=True,
        ),
        Measure(
            "deletion_blur",
            "deletion, blurred",
            "deletion blur",
            "faithfulness",
            True,
            "Area under the output's way to that of a blurred clip, saved against random orders of blurring.",
            chance=0.0,
        ),
        Measure(
            "deletion_neutral",
            "deletion, resting face",
            "deletion rest",
            "faithfulness",
            True,
            "The same with the resting face in place of blur: rendered at rest; for own videos the clip's median.",
            chance=0.0,
        ),
        Measure(
            "insertion_blur",
            "insertion, blurred",
            "insertion blur",
            "faithfulness",
            True,
            "Area under the output's way back from a blurred clip, saved against random orders of showing.",
            chance=0.0,
        ),
        Measure(
            "insertion_neutral",
            "insertion, resting face",
            "insertion rest",
            "faithfulness",
            True,
            "The same, from the resting face.",
            chance=0.0,
        ),
        Measure(
            "randomisation",
            "parameter randomisation",
            "random weights",
            "faithfulness",
            False,
            "Similarity left to the map when the parameters are drawn anew from the head down (Adebayo et al. 2018).",
            chance=0.0,
        ),
        Measure(
            "label_randomisation",
            "label randomisation",
            "random labels",
            "faithfulness",
            False,
            "Similarity of the map to that of the network trained with shuffled labels (Adebayo et al. 2018).",
            chance=0.0,
        ),
        Measure(
            "stability_noise",
            "stability under noise",
            "noise",
            "faithfulness",
            True,
            "Similarity of the map to that of the clip with slight noise.",
        ),
        Measure(
            "stability_shift",
            "stability under a shift",
            "shift",
            "faithfulness",
            True,
            "Similarity of the map to that of the clip shifted by one pixel, shifted back.",
        ),
        Measure(
            "gap",
            "completeness gap",
            "gap",
            "completeness",
            False,
            "Largest relative gap |sum of relevance − (f(x) − f(baseline))| of the participant's clips.",
            ranked=False,
            share=True,
        ),
        Measure("seconds", "seconds a clip", "s/clip", "cost", False, "Time of one clip.", ranked=False, unit="s"),
        Measure(
            "memory_mb",
            "peak memory a clip",
            "MB/clip",
            "cost",
            False,
            "Peak of the memory that explaining one clip takes beyond the network itself.",
            ranked=False,
            unit="MB",
        ),
    )
}


def measures_of(*groups: Group) -> Sequence[Measure]:
    """Return the measures of some groups, in order."""
    return [measure for measure in MEASURES.values() if measure.group in groups]

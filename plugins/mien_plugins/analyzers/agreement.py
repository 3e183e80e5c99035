"""Whether attribution methods agree with each other."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mien.interfaces import Analysis, Analyzer, RunView
from mien.tables import METHOD, PARTICIPANT, Column, Table
from mien_plugins.analyzers.time_bins import independent_bins

if TYPE_CHECKING:
    import pandas as pd

    from mien.report.charts import HeatMap

ASPECTS = ("regions", "time")

_OTHER = Column("other_method", "string", "The user's name of the method that it is compared with.")
_ASPECT = Column(
    "aspect",
    "string",
    "What is ranked. regions: absolute relevance per element of each region, elsewhere_face and background; time: "
    "relevance of the face by frame, within a window.",
    allowed=ASPECTS,
)
_UNTRAINED = "over the untrained networks of the same pair's correlation on regions; absent without any, and for time."

_PAIRS = Table(
    "agreement",
    "Two methods, compared on regions or on time.",
    (
        METHOD,
        _OTHER,
        _ASPECT,
        Column(
            "relevance",
            "string",
            "What of the relevance: signed when both methods are and time is ranked, else absolute.",
            allowed=("signed", "absolute"),
        ),
        Column(
            "correlation",
            "number",
            "Spearman's, -1 to 1: mean over participants by Fisher's z, clipped at 0.999; absent where it is undefined "
            "for every participant.",
            nullable=True,
        ),
        Column(
            "low",
            "number",
            "Lower end of the 95 % interval (bootstrap over participants); absent with fewer than three.",
            nullable=True,
        ),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("participants", "integer", "Participants with a defined correlation."),
        Column("undefined", "integer", "Participants without: the relevance of one of the two does not vary."),
        Column("untrained_mean", "number", f"Mean {_UNTRAINED}", nullable=True),
        Column("untrained_lowest", "number", f"Lowest value {_UNTRAINED}", nullable=True),
        Column("untrained_highest", "number", f"Highest value {_UNTRAINED}", nullable=True),
        Column("untrained_networks", "integer", "Untrained networks that both methods explained."),
    ),
)

_PEOPLE = Table(
    "agreement_participants",
    "Two methods, compared on regions or on time, for one participant.",
    (
        METHOD,
        _OTHER,
        _ASPECT,
        PARTICIPANT,
        Column(
            "correlation",
            "number",
            "Spearman's, -1 to 1; for time the mean over windows by Fisher's z, clipped at 0.999; absent where it is "
            "undefined.",
            nullable=True,
        ),
        Column("windows", "integer", "Windows that both methods explained."),
        Column("undefined_windows", "integer", "Windows without a correlation over time; 0 for regions."),
    ),
)


class Agreement(Analyzer):
    """Rank correlation of each two methods' relevance, over regions and over time.

    *Regions*: Spearman's correlation over the face's regions, the rest of the face and the background of the absolute
    relevance per element, which does not favour large regions, summed first over those of a participant's windows that
    both methods explained.  *Time*: within each window Spearman's correlation over its frames of the relevance summed
    over the face, averaged over a participant's windows by Fisher's z.  It is of signed relevance where both methods
    are signed, else of absolute relevance.  Figures are means over participants by Fisher's z with a percentile
    bootstrap interval over participants.  Frames without a face are left out; one that a window of a higher rate holds
    several times counts once, with the mean of its occurrences.

    Beside the regions stand untrained networks: methods also agree on what the face's texture gives without any
    learning.  Methods that agree may share an error, and methods of one family (say, of gradients) agree by how they
    are made: agreement is no proof of truth.

    A method whose relevance has fewer than ``least_bins`` independent values over a window (Grad-CAM has two of 16
    frames) is not compared over time, and the notes say so.
    """

    version: ClassVar[int] = 2  # windows that both methods explained; frames that are held several times count once
    citation: ClassVar[str] = (
        "Krishna et al.: The Disagreement Problem in Explainable Machine Learning: A Practitioner's Perspective, "
        "TMLR 2024"
    )

    tables: ClassVar[tuple[Table, ...]] = (_PAIRS, _PEOPLE)

    least_bins: int = Field(4, ge=3, description="Fewest independent time bins of a window, to be compared over time.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")

    def analyze(self, run: RunView) -> Analysis:
        """Return the table ``agreement``, the participants behind it, and heat maps of method x method."""
        import pandas as pd

        from mien.regions.measures import counted
        from mien_plugins.analyzers.method_pairs import over_regions, over_time

        inside = counted(run.relevance)
        methods = [str(method) for method in inside["method"].unique()]
        if len(methods) < 2:
            return Analysis(notes=[_too_few(methods)])
        bins = {str(method): independent_bins(own) for method, own in inside.groupby("method", observed=True)}
        fine = [method for method in methods if bins[method] >= self.least_bins]
        unsigned = [name for name, method in run.methods.items() if not method.signed]
        people = pd.concat(
            [
                over_regions(inside, methods).assign(aspect="regions"),
                over_time(inside[inside["method"].isin(fine)], fine, unsigned).assign(aspect="time"),
            ],
            ignore_index=True,
        )[[column.name for column in _PEOPLE.columns]]
        table = self._table(people, _untrained(run.control_relevance, methods), unsigned, run.seed)
        coarse = [
            f"{method} is not compared over time: its relevance has {bins[method]} independent values over a window, "
            f"fewer than {self.least_bins}."
            for method in methods
            if method not in fine
        ]
        absent = [f"{name} is not compared: no recording was explained by it." for name in {*run.methods} - {*methods}]
        notes = [*_notes(table), *coarse, *_without_common_windows(table, methods), *sorted(absent)]
        return Analysis({"agreement": table, "agreement_participants": people}, [_chart(table, methods)], notes)

    def _table(self, people: pd.DataFrame, untrained: pd.DataFrame, unsigned: list[str], seed: int) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        from mien.statistics import fisher_z, mean_interval

        rows: list[dict[str, Any]] = []
        for (method, other, aspect), own in people.groupby(["method", "other_method", "aspect"], sort=False):
            found = mean_interval(fisher_z(own[["correlation"]]), self.resamples, seed)
            mean, low, high = (float(np.tanh(values)[0]) for values in found)
            defined = int(own["correlation"].notna().sum())
            absolute = aspect == "regions" or method in unsigned or other in unsigned
            beside = untrained[(untrained["method"] == method) & (untrained["other_method"] == other)]["correlation"]
            known = beside.dropna() if aspect == "regions" else beside.iloc[:0]
            rows.append(
                {
                    "method": method,
                    "other_method": other,
                    "aspect": aspect,
                    "relevance": "absolute" if absolute else "signed",
                    "correlation": mean,
                    "low": low,
                    "high": high,
                    "participants": defined,
                    "undefined": len(own) - defined,
                    "untrained_mean": known.mean(),
                    "untrained_lowest": known.min(),
                    "untrained_highest": known.max(),
                    "untrained_networks": len(known),
                }
            )
        return pd.DataFrame(rows, columns=[column.name for column in _PAIRS.columns])


def _untrained(control: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """Return each untrained network's mean over participants of a pair's correlation on regions."""
    import pandas as pd

    from mien.regions.measures import counted
    from mien.statistics import fisher_mean
    from mien_plugins.analyzers.method_pairs import over_regions

    own = counted(control[control["kind"] == "untrained"])
    rows = [
        (method, other, network, float(fisher_mean(pair["correlation"])))
        for network, table in own.groupby("network", sort=False)
        for (method, other), pair in over_regions(table, methods).groupby(["method", "other_method"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["method", "other_method", "network", "correlation"])


def _too_few(methods: list[str]) -> str:
    if not methods:
        return "Whether methods agree is not computed: no labelled recording was explained."
    return f"Whether methods agree is not computed: {methods[0]} is the only method. Add another to 'explain.methods'."


def _without_common_windows(table: pd.DataFrame, methods: list[str]) -> list[str]:
    compared = {*zip(table["method"], table["other_method"], strict=True)}
    return [
        f"{one} and {other} are not compared: no window was explained by both."
        for one, other in combinations(methods, 2)
        if (one, other) not in compared
    ]


def _chart(table: pd.DataFrame, methods: list[str]) -> HeatMap:
    import numpy as np

    from mien.report.charts import HeatMap, HeatPanel
    from mien.report.words import count

    panels = []
    for aspect in ASPECTS:
        own = table[table["aspect"] == aspect]
        if own.empty:
            continue
        values = np.full((len(methods), len(methods)), np.nan)
        for method, other, correlation in zip(own["method"], own["other_method"], own["correlation"], strict=True):
            one, two = methods.index(method), methods.index(other)
            values[one, two] = values[two, one] = correlation
        panels.append(HeatPanel(name=aspect, values=values.tolist()))
    return HeatMap(
        name="agreement",
        title="Agreement of methods on regions and on time",
        caption="Spearman correlation of two methods' relevance, mean over "
        f"{count(int(table['participants'].max()), 'participant')}: over regions of absolute relevance per element, "
        "over time of the face's relevance by frame; empty where it is not defined. Intervals and untrained networks "
        "are in the table agreement. Methods that agree may share an error.",
        rows=methods,
        x=list(range(len(methods))),
        x_names=methods,
        panels=panels,
        unit="Spearman r",
        annotate=True,
        limit=1.0,
    )


def _notes(table: pd.DataFrame) -> list[str]:
    from mien.report.words import count, listed, number

    notes = []
    for aspect, over in zip(ASPECTS, ("regions", "time"), strict=True):
        own = table[table["aspect"] == aspect]
        known = own[own["correlation"].notna()].sort_values("correlation", kind="stable")
        if len(known) == 1:
            notes.append(f"Over {over}, {_pair(known.iloc[0])}.")
        elif len(known):
            mean = number(known["correlation"].mean(), 2)
            notes.append(
                f"Over {over}, {count(len(known), 'pair')} of methods agree by r = {mean} on average: most "
                f"{_pair(known.iloc[-1])}; least {_pair(known.iloc[0])}."
            )
        beside = known["untrained_mean"].dropna()
        if len(beside):
            notes.append(
                f"Explaining untrained networks, they agree over {over} by r = {number(beside.mean(), 2)} on average."
            )
        lost = own[own["undefined"] > 0]
        if len(lost):
            which = [f"{row.method} and {row.other_method} ({row.undefined})" for row in lost.itertuples()]
            notes.append(
                f"Over {over}, undefined for some participants and left out, not counted as 0: {listed(which)}."
            )
    return notes


def _pair(row: Any) -> str:
    from mien.report.words import count, interval, number

    return (
        f"{row['method']} and {row['other_method']}, r = {number(row['correlation'], 2)} "
        f"({interval(row['low'], row['high'])}, {count(int(row['participants']), 'participant')})"
    )

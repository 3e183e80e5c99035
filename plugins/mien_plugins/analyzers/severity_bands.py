"""Where relevance falls in each severity band, for each type of decision."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator, model_validator

from mien.interfaces import Analysis, Analyzer, RunView
from mien.tables import METHOD, REGION, Column, Table
from mien_plugins.analyzers.decisions import DECISIONS, TITLES, bands_for, cells, decided, of_decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mien.report.charts import Chart

MEASURES = ("raw", "signed_share", "share", "density")
_DECISION = Column(
    "decision",
    "string",
    "Whose: overall (everyone); correct, over_estimated or under_estimated by the error of the unit's mean prediction.",
    allowed=DECISIONS,
)
_BAND = Column("band", "string", "The severity band of the label.")
_PEOPLE = Column("participants", "integer", "Participants in the cell; 0 for an empty one.")


def _measure(name: str, meaning: str, unit: str = "") -> tuple[Column, ...]:
    return (
        Column(name, "number", f"{meaning}. Mean over participants; absent where it is undefined.", unit, True),
        Column(f"{name}_low", "number", f"Lower end of the 95 % interval of {name}; absent below three.", unit, True),
        Column(f"{name}_high", "number", f"Upper end of the 95 % interval of {name}.", unit, True),
    )


_REGIONS = Table(
    "severity_bands",
    "A region in one severity band and decision type, explained by one method; figures over held-out participants.",
    (
        METHOD,
        _DECISION,
        _BAND,
        REGION,
        _PEOPLE,
        *_measure("raw", "Sum of signed relevance of a window, mean over the participant's windows", "output"),
        *_measure("signed_share", "Signed relevance over the total's; undefined where that nearly cancels"),
        Column("signed_participants", "integer", "Participants whose signed share is defined."),
        *_measure("share", "Absolute relevance over the total's, 0 to 1; regions overlap"),
        *_measure(
            "density",
            "Share of the face's absolute relevance over the share of the face's area (background and total: of the "
            "whole crop's); 1 is an even spread",
        ),
    ),
)

_UNITS = Table(
    "severity_bands_action_units",
    "A region and an Action Unit, correlated over time in one severity band and decision type.",
    (
        METHOD,
        Column("source", "string", "The user's name of the source, a key of action_units."),
        _DECISION,
        _BAND,
        Column("region", "string", "A face region; elsewhere_face; face (the whole face); background; or total."),
        Column("au", "string", "The Action Unit, e.g. AU12."),
        Column("kind", "string", "What of the Action Unit.", allowed=("intensity", "presence")),
        Column(
            "correlation",
            "number",
            "Spearman's correlation within windows, mean over windows, then over participants, by Fisher's z clipped "
            "at 0.999; absent where it is undefined.",
            nullable=True,
        ),
        Column("low", "number", "Lower end of the 95 % interval; absent below three participants.", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("participants", "integer", "Participants with a defined correlation; 0 for an empty cell."),
        Column("windows", "integer", "Windows in which the correlation is defined."),
        Column("undefined_windows", "integer", "Windows in which one of the two series does not change."),
    ),
)


class SeverityBands(Analyzer):
    """Relevance by region, and against Action Units, in each severity band for each decision type.

    The reference pipeline's aggregation (Moreno et al. 2023).  *Decision types*: overall (everyone), correct (absolute
    error of at most ``correct_within``), over- and under-estimated (error beyond ``wrong_beyond``); who is in between
    is in ``overall`` alone.  The error is that of a unit's mean prediction: of the participant; of the session (or
    recording) where a participant has several labels.  Only held-out recordings count (side ``test``).

    Figures are means over participants with bootstrap intervals.  A participant whose sessions are in several bands
    (or decision types) counts once in each: the unit is participant x band, and relevance is summed over the
    participant's windows there before any ratio is taken.  An empty cell is shown with n = 0.

    The correlation with Action Units is the effect that ``au_correlation`` tests, of the face's relevance, of the
    total's and of each region's.  Nothing here is tested, and windows of a cell are not compared with those of
    another: the bands are described.
    """

    citation: ClassVar[str] = "Moreno, Alghowinem, Park, Breazeal: Expresso-AI, ACII 2023"

    tables: ClassVar[tuple[Table, ...]] = (_REGIONS, _UNITS)

    bands: dict[str, float] | None = Field(
        None,
        description="Severity bands by name: the lowest label of each, ascending; none: those of the objective, else "
        "the BDI-II's where labels fit its scale.",
    )
    correct_within: float = Field(5.0, ge=0, description="Largest absolute error of a correct decision, label units.")
    wrong_beyond: float = Field(15.5, ge=0, description="Beyond this error a label is over- or under-estimated.")
    signed_floor: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="A participant's signed share is undefined where |total signed relevance| is below this part of "
        "the total absolute relevance.",
    )
    least_bins: int = Field(8, ge=3, description="Fewest independent time bins of a window to correlate a method.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")
    figures: int = Field(3, ge=0, description="Methods that are drawn, in the order of the configuration.")

    @field_validator("bands")
    @classmethod
    def _ascending(cls, bands: dict[str, float] | None) -> dict[str, float] | None:
        lowest = list((bands or {}).values())
        if bands is not None and not bands:
            raise ValueError("there is no band; leave the key out for those of the objective")
        if not all(math.isfinite(label) for label in lowest):
            raise ValueError("the lowest label of each band must be a finite number")
        if any(b <= a for a, b in pairwise(lowest)):
            raise ValueError("the lowest labels of the bands must ascend")
        return bands

    @model_validator(mode="after")
    def _apart(self) -> SeverityBands:
        if self.wrong_beyond < self.correct_within:
            raise ValueError(
                f"a decision would be both correct (within {self.correct_within:g}) and wrong (beyond "
                f"{self.wrong_beyond:g})"
            )
        return self

    def analyze(self, run: RunView) -> Analysis:
        """Return the tables ``severity_bands`` and ``severity_bands_action_units``, and the paper's figures."""
        from mien_plugins.analyzers.severity_charts import charts

        bands, gap = self._bands(run)
        if gap:
            return Analysis(notes=[gap])
        found = decided(run, bands, self.correct_within, self.wrong_beyond)
        held_out = run.relevance[run.relevance["recording"].isin(found["recording"])]
        if held_out.empty:
            return Analysis(notes=["Severity bands are not compared: no held-out, labelled recording was explained."])
        explained = found[found["recording"].isin(held_out["recording"])]
        tables = {"severity_bands": self._regions(held_out, explained, bands, run.seed)}
        units, skipped = self._units(held_out, run, explained, bands)
        if units is not None:
            tables["severity_bands_action_units"] = units
        drawn: list[Chart] = charts(run, tables, held_out, explained, bands, self.figures) if self.figures else []
        return Analysis(tables, drawn, [*self._notes(run, bands, explained, found), *skipped])

    def _bands(self, run: RunView) -> tuple[Mapping[str, float], str]:
        """Return the bands, or why there is nothing to compare."""
        if not run.objective.continuous:
            return {}, "Severity bands are not compared: the objective has no score whose error could be told."
        bands = bands_for(run, self.bands)
        own = run.predictions
        if not len(own) or not ((own["split"] == "test") & own["label"].notna()).any():
            return bands, "Severity bands are not compared: there is no held-out recording with a label."
        if not bands:
            return bands, (
                "Severity bands are not compared: the objective has none, and the labels are not on the BDI-II's "
                "scale; give the analyzer's bands."
            )
        return bands, ""

    def _regions(
        self, relevance: pd.DataFrame, found: pd.DataFrame, bands: Mapping[str, float], seed: int
    ) -> pd.DataFrame:
        """Return method x decision x band x region."""
        import pandas as pd

        seen = relevance[relevance["valid"]]
        rows: list[dict[str, Any]] = []
        for method, whole in relevance.groupby("method", sort=False):
            own = seen[seen["method"] == method]
            for decision, band, members in cells(found, bands):
                inside = own[own["recording"].isin(members["recording"])]
                people = participant_measures(inside, self.signed_floor)
                place = {"method": method, "decision": decision, "band": band}
                rows += [place | row for row in self._means(people, list(whole["region"].unique()), seed)]
        return pd.DataFrame(rows)

    def _means(self, people: pd.DataFrame, regions: list[str], seed: int) -> list[dict[str, Any]]:
        import numpy as np

        from mien.statistics import mean_interval

        count = people["participant"].nunique()
        rows: list[dict[str, Any]] = [{"region": region, "participants": count} for region in regions]
        for name in MEASURES:
            values = people.pivot(index="participant", columns="region", values=name).reindex(columns=regions)
            table = values.to_numpy(np.float64)
            mean, low, high = mean_interval(table, self.resamples, seed)
            for i, row in enumerate(rows):
                row |= {name: mean[i], f"{name}_low": low[i], f"{name}_high": high[i]}
                if name == "signed_share":
                    row["signed_participants"] = int(np.isfinite(table[:, i]).sum())
        return rows

    def _units(
        self, relevance: pd.DataFrame, run: RunView, found: pd.DataFrame, bands: Mapping[str, float]
    ) -> tuple[pd.DataFrame | None, list[str]]:
        """Return the correlations with Action Units by band (None without any), and what was not correlated."""
        from mien_plugins.analyzers.time_bins import independent_bins
        from mien_plugins.analyzers.window_correlation import window_correlations

        if run.action_units.empty:
            return None, ["There are no Action Units to compare relevance with."]
        notes = [
            f"{method} is not correlated with Action Units: its relevance has {bins} independent values over a "
            f"window, fewer than {self.least_bins}."
            for method, own in relevance.groupby("method", sort=False)
            if (bins := independent_bins(own)) < self.least_bins
        ]
        windows = window_correlations(with_face(relevance), run.action_units, least_bins=self.least_bins)
        if windows.empty:
            return None, notes or ["No explained frame has Action Units."]
        return self._by_band(windows, found, bands, run.seed), notes

    def _by_band(
        self, windows: pd.DataFrame, found: pd.DataFrame, bands: Mapping[str, float], seed: int
    ) -> pd.DataFrame:
        import pandas as pd

        parts = []
        for key, own in windows.groupby(["method", "source", "kind"], sort=False, observed=True):
            pairs = pd.MultiIndex.from_frame(own[["region", "au"]].drop_duplicates())
            for decision, band, members in cells(found, bands):
                inside = own[own["recording"].isin(members["recording"])]
                place: dict[str, Any] = dict(zip(("method", "source", "kind"), key, strict=True))
                parts.append(self._correlations(inside, pairs, seed).assign(**place, decision=decision, band=band))
        return pd.concat(parts, ignore_index=True)

    def _correlations(self, inside: pd.DataFrame, pairs: pd.MultiIndex, seed: int) -> pd.DataFrame:
        """Return one row a region and Action Unit, of the windows of one cell."""
        import numpy as np

        from mien.statistics import fisher_z, mean_interval

        pair = ["region", "au"]
        z = inside.assign(z=fisher_z(inside["correlation"].to_numpy(np.float64)))
        people = z.groupby([*pair, "participant"], sort=False, observed=True)["z"].mean().unstack("participant")
        means = people.reindex(pairs).to_numpy(np.float64).T
        mean, low, high = (np.tanh(values) for values in mean_interval(means, self.resamples, seed))
        counts = z.groupby(pair, sort=False, observed=True)["z"].agg(["count", "size"]).reindex(pairs, fill_value=0)
        return pairs.to_frame(index=False).assign(
            correlation=mean,
            low=low,
            high=high,
            participants=np.isfinite(means).sum(0),
            windows=counts["count"].to_numpy(),
            undefined_windows=(counts["size"] - counts["count"]).to_numpy(),
        )

    def _notes(
        self, run: RunView, bands: Mapping[str, float], explained: pd.DataFrame, found: pd.DataFrame
    ) -> list[str]:
        from mien.report.words import count, listed

        units = explained.drop_duplicates("unit")
        level, people = str(units["level"].iloc[0]), units["participant"].nunique()
        which = ", ".join(f"{band} from {lowest:g}" for band, lowest in bands.items())
        told = [
            f"{TITLES[name]} {len(of_decision(units, name))} ("
            + ", ".join(f"{band} {int((of_decision(units, name)['band'] == band).sum())}" for band in bands)
            + ")"
            for name in DECISIONS
        ]
        notes = [
            f"Severity bands: {which}. A decision is correct within an error of {self.correct_within:g}, and over- or "
            f"under-estimated beyond {self.wrong_beyond:g}. Of {count(people, 'held-out participant')} that were "
            f"explained, by {level}: {'; '.join(told)}. The bands are described, not tested.",
        ]
        neither = int((units["decision"] == "").sum())
        if neither:
            notes.append(f"Neither correct nor that far off, and in “all” alone: {count(neither, str(level))}.")
        bands_each = units.groupby("participant")["band"].nunique()
        if (bands_each > 1).any():
            several = count(int((bands_each > 1).sum()), "participant has", "participants have")
            notes.append(f"{several} sessions in several bands and count once in each: the unit is participant × band.")
        if missing := found["unit"].nunique() - len(units):
            notes.append(f"Held out and labelled, but not explained, and not part of this: {count(missing, level)}.")
        empty = [band for band in bands if not (units["band"] == band).any()]
        if empty:
            notes.append(f"No held-out participant is in the band {listed(empty)} (n = 0).")
        return [*notes, *_familiar(run, explained)]


def _familiar(run: RunView, explained: pd.DataFrame) -> list[str]:
    from mien.report.words import count

    own = run.recordings[run.recordings["recording"].isin(explained["recording"])]
    seen = own.loc[~own["unseen"].astype(bool), "participant"].nunique()
    if not seen:
        return []
    return [
        f"The network had seen other recordings of {count(seen, 'participant')} of these; the column unseen of the "
        "table recordings says whose."
    ]


def participant_measures(rows: pd.DataFrame, floor: float) -> pd.DataFrame:
    """Return share, density, signed share and the raw sum of each region of each participant.

    Parameters
    ----------
    rows : DataFrame
        Relevance of one method, of frames with a face.
    floor : float
        The signed share is NaN where |total signed| is below this part of the total absolute relevance.

    Returns
    -------
    DataFrame
        participant, region, raw (signed relevance of a window, mean over windows), signed_share, share, density.
    """
    import numpy as np
    import pandas as pd

    from mien.regions.measures import per_participant

    columns = ["participant", "region", *MEASURES]
    if rows.empty:
        return pd.DataFrame({name: pd.Series(dtype="float64") for name in columns})
    people = per_participant(rows)
    windows = rows[["participant", "recording", "window"]].drop_duplicates().groupby("participant").size()
    total = people[people["region"] == "total"].set_index("participant")
    steady = (total["signed"].abs() >= floor * total["absolute"]) & (total["absolute"] > 0)
    of = people["participant"]
    return people.assign(
        raw=people["signed"] / of.map(windows),
        signed_share=people["signed_share"].where(of.map(steady).astype(bool), np.nan),
    )[columns]


def with_face(relevance: pd.DataFrame) -> pd.DataFrame:
    """Return the relevance with a region more, ``face``: the total without the background."""
    import pandas as pd

    keys = ["method", "recording", "window", "frame"]
    sums = ["signed", "positive", "negative", "absolute", "area"]
    total = relevance[relevance["region"] == "total"].set_index(keys)
    background = relevance[relevance["region"] == "background"].set_index(keys)
    face = total.assign(region="face")
    face[sums] = total[sums].sub(background[sums].reindex(total.index).fillna(0))
    return pd.concat([relevance, face.reset_index()[list(relevance.columns)]], ignore_index=True)

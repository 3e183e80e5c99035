"""Where in the face relevance falls, beside untrained networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mien.interfaces import Analysis, Analyzer, RunView
from mien.tables import ABSOLUTE, AREA, METHOD, PARTICIPANT, REGION, SIGNED, Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from mien.report.charts import BarChart

MEASURES = ("share", "density")

_SHARE = "Its absolute relevance over that of all cells, 0 to 1; regions overlap, so that shares may add up to over 1"
_DENSITY = (
    "Its share of the face's absolute relevance over its share of the face's area, for the background (and total) of "
    "the whole crop's: 1 is an even spread"
)


def _measure(name: str, meaning: str) -> tuple[Column, ...]:
    """Return the columns of a measure: mean, interval, untrained networks."""
    own = f"untrained_{name}"
    over = "over the untrained networks; absent without any."
    return (
        Column(name, "number", f"{meaning}. Mean over participants; absent where it is undefined.", nullable=True),
        Column(
            f"{name}_low",
            "number",
            f"Lower end of the 95 % interval of {name} (bootstrap over participants); absent with fewer than three.",
            nullable=True,
        ),
        Column(f"{name}_high", "number", f"Upper end of the 95 % interval of {name}.", nullable=True),
        Column(f"{own}_mean", "number", f"Mean of {name} {over}", nullable=True),
        Column(f"{own}_lowest", "number", f"Lowest {name} {over}", nullable=True),
        Column(f"{own}_highest", "number", f"Highest {name} {over}", nullable=True),
    )


_REGIONS = Table(
    "region_relevance",
    "A region, explained by one method; figures over participants, beside those of untrained networks.",
    (
        METHOD,
        Column("region", "string", "A face region, elsewhere_face (the face outside all regions) or background."),
        *_measure("share", _SHARE),
        *_measure("density", _DENSITY),
        Column("untrained_networks", "integer", "Untrained networks explained by the method."),
        Column("participants", "integer", "Participants explained by the method."),
    ),
)

_PEOPLE = Table(
    "region_relevance_participants",
    "A region of one participant, explained by one method; summed over all frames with a face.",
    (
        METHOD,
        PARTICIPANT,
        REGION,
        SIGNED,
        ABSOLUTE,
        AREA,
        Column("share", "number", f"{_SHARE}. Absent without relevance.", nullable=True),
        Column("density", "number", f"{_DENSITY}. Absent without relevance or pixels.", nullable=True),
    ),
)


class RegionRelevance(Analyzer):
    """Share and density of absolute relevance by region, for each method.

    *Share*: a region's absolute relevance over the total's.  *Density*: its share of the face's relevance over its
    share of the face's area; 1 is an even spread.  Both are taken per participant (sums over all windows
    first, as windows of one person are not independent) and averaged over participants, with a percentile
    bootstrap interval over participants.  Frames without a face are left out.

    Beside them stand the same figures of each untrained network: what the face's texture and the network's
    architecture give without any learning.  Recordings that are out of distribution are left out.
    """

    citation: ClassVar[str] = "Moreno, Alghowinem, Park, Breazeal: Expresso-AI, ACII 2023"

    tables: ClassVar[tuple[Table, ...]] = (_REGIONS, _PEOPLE)

    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")

    def analyze(self, run: RunView) -> Analysis:
        """Return the table ``region_relevance``, the participants behind it, and bars."""
        people = participant_measures(run.relevance, ["method"])
        if people.empty:
            return Analysis(notes=["Region relevance is not computed: no labelled recording was explained."])
        controls = control_measures(run.control_relevance)
        table = self._table(people, controls, run.seed)
        charts = [_chart(table, controls, measure) for measure in MEASURES]
        tables = {"region_relevance": table, "region_relevance_participants": people}
        return Analysis(tables, charts, [*_notes(table), *_gaps(run, table)])

    def _table(self, people: pd.DataFrame, controls: pd.DataFrame, seed: int) -> pd.DataFrame:
        import pandas as pd

        from mien.statistics import mean_interval

        rows: list[dict[str, Any]] = []
        for method, own in people.groupby("method", sort=False):
            regions = [region for region in own["region"].unique() if region != "total"]
            found = {
                name: mean_interval(
                    own.pivot(index="participant", columns="region", values=name)[regions], self.resamples, seed
                )
                for name in MEASURES
            }
            for i, region in enumerate(regions):
                row: dict[str, Any] = {"method": method, "region": region}
                for name, (mean, low, high) in found.items():
                    row |= {name: mean[i], f"{name}_low": low[i], f"{name}_high": high[i]}
                rows.append(
                    row | _untrained(controls, str(method), region) | {"participants": own["participant"].nunique()}
                )
        return pd.DataFrame(rows)


def participant_measures(relevance: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return share and density of each region of each participant."""
    from mien.regions.measures import counted, per_participant

    inside = counted(relevance)
    if inside.empty:
        return inside.assign(share=[], density=[])
    wanted = [*by, "participant", "region", "signed", "absolute", "area", *MEASURES]
    return per_participant(inside, by)[wanted]


def control_measures(control: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over participants of each untrained network: method, network, region, share, density."""
    people = participant_measures(control[control["kind"] == "untrained"], ["method", "network"])
    if people.empty:
        return people
    return people.groupby(["method", "network", "region"], sort=False)[list(MEASURES)].mean().reset_index()


def _untrained(controls: pd.DataFrame, method: str, region: str) -> dict[str, Any]:
    import numpy as np

    row: dict[str, Any] = {}
    own = controls[(controls["method"] == method) & (controls["region"] == region)] if len(controls) else controls
    for name in MEASURES:
        values = own[name].dropna().to_numpy(np.float64) if len(own) else np.array([])
        known = values.size > 0
        row[f"untrained_{name}_mean"] = float(values.mean()) if known else np.nan
        row[f"untrained_{name}_lowest"] = float(values.min()) if known else np.nan
        row[f"untrained_{name}_highest"] = float(values.max()) if known else np.nan
    return row | {"untrained_networks": int(own["network"].nunique()) if len(own) else 0}


def _chart(table: pd.DataFrame, controls: pd.DataFrame, measure: str) -> BarChart:
    from mien.report.charts import BarChart, BarSeries
    from mien.report.words import count, region_title

    certain = bool(table[f"{measure}_low"].notna().any())  # an interval that is not known is not one of no width
    regions = [r for r in table["region"].unique() if measure == "share" or r != "background"]
    series = []
    for method, own in table.groupby("method", sort=False):
        rows = own.set_index("region").reindex(regions)
        marks = controls[controls["method"] == method] if len(controls) else controls
        references = [marks.loc[marks["region"] == r, measure].tolist() if len(marks) else [] for r in regions]
        series.append(
            BarSeries(
                name=str(method),
                values=rows[measure].tolist(),
                low=rows[f"{measure}_low"].tolist() if certain else (),
                high=rows[f"{measure}_high"].tolist() if certain else (),
                references=references if any(references) else (),
            )
        )
    people = count(int(table["participants"].max()), "participant")
    how = {
        "share": ("Share of relevance by region", "share of all absolute relevance", None),
        "density": ("Density of relevance by region", "times chance", 1.0),
    }
    title, label, chance = how[measure]
    return BarChart(
        name=f"region_{measure}",
        title=title,
        caption=f"Mean over {people}{' with 95 % bootstrap interval' if certain else ''}; each diamond is an untrained "
        "network. Regions overlap, so shares may add up to more than 1.",
        x_label=label,
        groups=[region_title(region) for region in regions],
        series=series,
        value_name="trained, with 95 % interval" if certain else "trained",
        chance=chance,
        chance_name="chance",
    )


def _notes(table: pd.DataFrame) -> list[str]:
    from mien.report.words import interval, number, region_title

    notes = []
    for method, own in table.groupby("method", sort=False):
        regions = own[~own["region"].isin(["elsewhere_face", "background"]) & own["density"].notna()]
        if regions.empty:
            notes.append(f"{method}: no region has a density, because there is no relevance in the face.")
            continue
        first: Any = regions.sort_values("density").iloc[-1]
        text = (
            f"{method}: the {region_title(first['region'])} has the highest density, {number(first['density'])} times "
            f"chance ({interval(first['density_low'], first['density_high'])}), and holds {100 * first['share']:.0f} % "
            "of all relevance"
        )
        notes.append(text + _beside(first, own))
    return notes


def _beside(first: Any, own: pd.DataFrame) -> str:
    from mien.report.words import count, number, with_article

    highest = first["untrained_density_highest"]
    if not highest > 0:
        return ". There is no untrained network to compare it with."
    networks = count(int(first["untrained_networks"]), "untrained network")
    text = f"; {number(first['density'] / highest)} times the highest of {networks} ({number(highest)})."
    inside = own[own["region"] != "background"].sort_values("untrained_density_highest", na_position="first")
    top = inside.iloc[-1]
    if top["untrained_density_highest"] > first["density"]:
        reached = number(top["untrained_density_highest"])
        text += f" An untrained network reaches {reached} in {with_article(str(top['region']))}."
    return text


def _gaps(run: RunView, table: pd.DataFrame) -> list[str]:
    missing = [name for name in run.methods if name not in set(table["method"])]
    gaps = [f"{name}: no recording was explained by it." for name in missing]
    undefined = sorted(set(table.loc[table["density"].isna(), "region"]))
    if undefined:
        from mien.report.words import listed, region_title

        gaps.append(
            f"Density is not defined for {listed([region_title(r) for r in undefined])}: no part of a clip was theirs."
        )
    outside = run.relevance.loc[run.relevance["split"] == "out_of_distribution", "recording"].nunique()
    if outside and outside == run.relevance["recording"].nunique():
        gaps.append(
            "All explained recordings are out of distribution: these means say what the network does with them."
        )
    elif outside:
        from mien.report.words import count

        gaps.append(f"Not part of these means: {count(outside, 'out-of-distribution recording')}.")
    return gaps

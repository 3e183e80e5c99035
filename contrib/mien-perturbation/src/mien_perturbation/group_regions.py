"""Whether a network looks at other parts of the face in one cohort of people than in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from mien import Analysis, Analyzer, Column, ConfigError, RunView, Table, nearest
from mien_perturbation.cohorts import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from mien import Objective, Recording
    from mien_perturbation.cohorts import Cohorts

Measure = Literal["density", "share", "signed"]


def _text(value: Any) -> Any:
    return named(value) if isinstance(value, bool | int | float) else value


Value = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
"""A covariate's value: text, or what YAML makes a number or a truth value of."""

_METHOD = Column("method", "string", "The user's name of the attribution method, a key of explain.methods.")
_REGION = Column("region", "string", "A face region, elsewhere_face (the face outside all regions) or background.")
_MEASURE = Column("measure", "string", "What importance is, as configured.", allowed=("density", "share", "signed"))
_COVARIATE = Column("covariate", "string", "What tells the cohorts apart.")


def _interval(name: str, meaning: str) -> tuple[Column, ...]:
    return (
        Column(name, "number", f"{meaning}; absent where it is undefined.", nullable=True),
        Column(f"{name}_low", "number", f"Lower end of the 95 % interval of {name}.", nullable=True),
        Column(f"{name}_high", "number", f"Upper end of the 95 % interval of {name}.", nullable=True),
    )


_REGIONS = Table(
    "group_regions",
    "A region, explained by one method: its importance in two cohorts of participants, compared.",
    (
        _METHOD,
        _REGION,
        _MEASURE,
        _COVARIATE,
        Column("first", "string", "The first cohort."),
        Column("second", "string", "The second cohort."),
        Column("first_participants", "integer", "Participants of the first cohort with a defined importance."),
        Column("second_participants", "integer", "Participants of the second cohort with a defined importance."),
        *_interval("first_mean", "Mean importance over the first cohort"),
        *_interval("second_mean", "Mean importance over the second cohort"),
        *_interval("difference", "Mean of the first cohort less that of the second"),
        *_interval("effect", "Hedges' g of the difference: in standard deviations within cohorts"),
        Column("p", "number", "Two-sided p-value: participants divided anew. Absent without a test.", nullable=True),
        Column("adjusted_p", "number", "The same, adjusted for all tests of the table.", nullable=True),
        Column("divisions", "integer", "Divisions of the participants that p rests on; 0 without a test."),
        Column("exact", "boolean", "Whether they are all that there are."),
    ),
)

_PEOPLE = Table(
    "group_regions_participants",
    "A region of one participant, explained by one method: what the comparison of cohorts rests on.",
    (
        _METHOD,
        Column("participant", "string", "The person; the unit of statistics."),
        Column("cohort", "string", "The person's cohort."),
        _REGION,
        _MEASURE,
        Column("importance", "number", "Over all of the person's windows; absent where undefined.", nullable=True),
    ),
)


class GroupRegions(Analyzer):
    """Importance of each face region in two cohorts of people, compared by a permutation test over participants.

    *Importance* is taken per participant, from the sums over all frames with a face: ``density`` is the region's share
    of the face's absolute relevance over its share of the face's area (of the whole crop's for the background), so
    that larger mouths do not count as more important; ``share`` is its absolute relevance over the total's; ``signed``
    its signed relevance over the total absolute relevance, -1 to 1, for methods with a sign.  Held-out participants
    alone are compared where there are any.

    Cohorts are two values of a covariate of the data set, or a number split in two.  Participants are divided anew
    (all divisions where they are few); intervals are bootstrapped over participants within their cohort; p-values are
    adjusted for all methods and regions together.  With fewer than three people in a cohort nothing is compared, and
    the report says so.

    A difference has many possible reasons: the cohorts' labels, how well the network knows either, light, cameras, the
    shape of faces.  Nothing here says that a network treats people unlike, nor, without a difference, that it does not.
    """

    citation: ClassVar[str] = (
        "Ramis Guarinos, Manresa Yee, Buades Rubio, Gaya-Morey: Explainable Facial Expression Recognition for People "
        "with Intellectual Disabilities, arXiv 2405.11482, 2024; permutation of a studentised statistic: Janssen, "
        "Statistics & Probability Letters 36, 1997; adjustment: Benjamini, Hochberg, Journal of the Royal Statistical "
        "Society B 57, 1995, or Holm, Scandinavian Journal of Statistics 6, 1979"
    )

    tables: ClassVar[tuple[Table, ...]] = (_REGIONS, _PEOPLE)

    by: str | None = Field(
        None, description="The covariate that tells cohorts apart; none: the only one that has exactly two values."
    )
    between: tuple[Value, Value] | None = Field(
        None, description="Its two values to compare, where it has more; the difference is the first less the second."
    )
    cut_point: float | None = Field(
        None, description="Where to split a number: below it, and from it on. None: at its median."
    )
    measure: Measure = Field("density", description="What importance is; see above.")
    correction: Literal["benjamini_hochberg", "holm"] = Field(
        "benjamini_hochberg",
        description="Adjusts p-values for many tests: bounds the share of false ones among those called, or (holm) the "
        "chance of any.",
    )
    permutations: int = Field(9999, ge=99, description="Random divisions of a test; all where they are no more.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")
    level: float = Field(0.05, gt=0, lt=1, description="Adjusted p-values at it or below are told as differences.")

    @field_validator("between")
    @classmethod
    def _two(cls, between: tuple[str, str] | None) -> tuple[str, str] | None:
        if between is not None and between[0] == between[1]:
            raise ValueError(f"it names '{between[0]}' twice: a cohort is compared with another one")
        return between

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.between is not None and self.cut_point is not None:
            raise ValueError("give 'between' or 'cut_point': two values are compared, or a number is split")
        return self

    def check_recordings(self, recordings: Sequence[Recording], objective: Objective) -> None:
        """Raise `ConfigError` for a covariate that the data set has not."""
        known = {name for recording in recordings for name in recording.covariates}
        if self.by is not None and self.by not in known:
            hint = nearest(self.by, known) or "It has none."
            raise ConfigError(f"There is no covariate '{self.by}' in the data set.", where="by", hint=hint)

    def analyze(self, run: RunView) -> Analysis:
        """Return the tables ``group_regions`` and ``group_regions_participants``, bars of both, and what they say."""
        from mien_perturbation.cohorts import Asked, cohorts
        from mien_perturbation.group_charts import effect_chart, importance_charts
        from mien_perturbation.group_notes import findings, labels_note

        people = self._importance(run.relevance)
        if people.empty:
            return Analysis(notes=["Regions are not compared between cohorts: no recording was explained."])
        found = cohorts(
            run.covariates, sorted(people["participant"].unique()), Asked(self.by, self.between, self.cut_point)
        )
        if isinstance(found, str):
            return Analysis(notes=[f"Regions are not compared between cohorts: {found}"])
        people = people.assign(cohort=people["participant"].map(found.of), measure=self.measure)
        people = people[people["cohort"].notna()]
        table = self._compared(people, found, run.seed)
        notes = [
            *findings(table, found, self.measure, self.correction, self.level),
            *labels_note(run.predictions, found, self.resamples, run.seed),
        ]
        columns = [column.name for column in _PEOPLE.columns]
        return Analysis(
            {"group_regions": table, "group_regions_participants": people[columns].reset_index(drop=True)},
            [*importance_charts(table, found, self.measure), effect_chart(table, found)],
            notes,
        )

    def _importance(self, relevance: pd.DataFrame) -> pd.DataFrame:
        """Return one row a method, participant and region, with the importance; of held-out people where there are."""
        import numpy as np

        from mien import per_participant

        own = relevance[relevance["valid"].astype(bool) & (relevance["split"] != "out_of_distribution")]
        held_out = own["split"] == "test"
        own = own[held_out] if held_out.any() else own
        if own.empty:
            return own
        people = per_participant(own)
        if self.measure == "signed":
            keys = ["method", "participant"]
            whole = people[people["region"] == "total"].set_index(keys)["absolute"]
            total = whole.reindex(people.set_index(keys).index).to_numpy(np.float64)
            signed = people["signed"].to_numpy(np.float64)
            importance = np.divide(signed, total, out=np.full(len(people), np.nan), where=total > 0)
        else:
            importance = people[self.measure].to_numpy(np.float64)
        return people.assign(importance=importance)[people["region"] != "total"]

    def _compared(self, people: pd.DataFrame, found: Cohorts, seed: int) -> pd.DataFrame:
        import pandas as pd

        from mien import benjamini_hochberg
        from mien_perturbation.cohort_tests import holm

        rows = [
            {
                "method": str(method),
                "region": str(region),
                "measure": self.measure,
                "covariate": found.covariate,
                **self._row(own, found, seed),
            }
            for (method, region), own in people.groupby(["method", "region"], sort=False, observed=True)
        ]
        table = pd.DataFrame(rows)
        adjust = holm if self.correction == "holm" else benjamini_hochberg
        table["adjusted_p"] = adjust(table["p"])
        return table[[column.name for column in _REGIONS.columns]]

    def _row(self, own: pd.DataFrame, found: Cohorts, seed: int) -> dict[str, Any]:
        """Return the comparison of one region; without a test where a cohort has too few with a defined importance."""
        import numpy as np

        from mien import mean_interval
        from mien_perturbation.cohort_tests import compared
        from mien_perturbation.cohorts import FEWEST

        row: dict[str, Any] = {}
        sides = []
        for place, name in zip(("first", "second"), found.names, strict=True):
            values = own.loc[own["cohort"] == name, "importance"].to_numpy(np.float64)
            known = values[np.isfinite(values)]
            mean, low, high = mean_interval(known[:, None], self.resamples, seed)
            row |= {place: name, f"{place}_participants": len(known)}
            row |= {f"{place}_mean": mean[0], f"{place}_mean_low": low[0], f"{place}_mean_high": high[0]}
            sides.append(known)
        names = ("difference", "effect")
        if min(map(len, sides)) < FEWEST:
            nothing = {f"{name}{end}": float("nan") for name in names for end in ("", "_low", "_high")}
            return row | nothing | {"p": float("nan"), "divisions": 0, "exact": False}
        one = compared(sides[0], sides[1], self.permutations, self.resamples, seed)
        return row | {
            "difference": one.value,
            "difference_low": one.low,
            "difference_high": one.high,
            "effect": one.effect,
            "effect_low": one.effect_low,
            "effect_high": one.effect_high,
            "p": one.p,
            "divisions": one.cases,
            "exact": one.exact,
        }

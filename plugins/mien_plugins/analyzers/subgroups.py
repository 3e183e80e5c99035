"""Errors and relevance of groups of people."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from mien.errors import ConfigError, nearest
from mien.interfaces import Analysis, Analyzer, RunView
from mien.tables import METHOD, REGION, Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd

    from mien.interfaces import Objective
    from mien.report.charts import Chart
    from mien.types import Recording
    from mien_plugins.analyzers.groups import Grouping

IDENTIFYING = 3
"""A group with fewer participants may say who they are."""

_FLOOR = 1e-3  # shares below it are set to it before their log-ratio is taken
_FAMILIES = {
    "subgroup_errors": (("mae", "bias"), ["covariate"]),
    "subgroup_relevance": (("share",), ["method", "covariate", "region"]),
}
"""Of each table: what is tested, and the columns that tell tests apart but for the group."""

_COVARIATE = Column("covariate", "string", "The covariate that tells groups apart.")
_GROUP = Column("group", "string", "The group: a value of the covariate, or a range of it.")
_PEOPLE = Column("participants", "integer", "Held-out participants in the group; 0 for an empty one.")


def _interval(name: str, meaning: str, unit: str = "") -> tuple[Column, ...]:
    return (
        Column(name, "number", f"{meaning}; absent where it is undefined.", unit, True),
        Column(f"{name}_low", "number", f"Lower end of the 95 % interval of {name}; absent below three.", unit, True),
        Column(f"{name}_high", "number", f"Upper end of the 95 % interval of {name}.", unit, True),
    )


def _test(name: str, what: str, unit: str = "") -> tuple[Column, ...]:
    return (
        *_interval(f"{name}_difference", f"Mean {what} in the group less that of the covariate's other groups", unit),
        Column(f"{name}_p", "number", "Two-sided p-value: participants permuted among groups.", nullable=True),
        Column(
            f"{name}_q",
            "number",
            "Benjamini-Hochberg q-value over all p-values of this table; two groups of one covariate are one test.",
            nullable=True,
        ),
    )


_ERRORS = Table(
    "subgroup_errors",
    "A group of held-out participants, and how well it is predicted.",
    (
        _COVARIATE,
        _GROUP,
        _PEOPLE,
        *_interval("mae", "Mean absolute error over participants", "label"),
        *_interval("rmse", "Root mean squared error over participants", "label"),
        *_interval("bias", "Mean error (prediction less label) over participants", "label"),
        *_interval("pearson", "Pearson's r of predictions with labels; undefined below three participants"),
        *_test("mae", "absolute error", "label"),
        *_test("bias", "error", "label"),
    ),
)

_RELEVANCE = Table(
    "subgroup_relevance",
    "A region in a group of held-out participants, explained by one method.",
    (
        METHOD,
        _COVARIATE,
        _GROUP,
        REGION,
        _PEOPLE,
        *_interval("share", "Absolute relevance over the total's, 0 to 1, mean over participants"),
        *_interval("density", "Share of the face's relevance over the share of its area, mean over participants"),
        *_test("share", "share (tested as log-ratio)"),
    ),
)


class Subgroups(Analyzer):
    """Errors and relevance by covariate, over held-out participants.

    Each participant counts once, with the mean over its labelled units (participant, session or recording, as for
    the metrics).  Intervals are bootstrapped over participants.  A group is held against the others of its
    covariate: participants are permuted among groups, and q-values are given over the family of each table.  Shares of
    relevance are tested as log-ratios (shares below 0.001 count as 0.001).

    A difference between groups has many possible reasons, labels and numbers of participants among them; a group
    without a difference may just be small.  Nothing here says that a network is fair.
    """

    tables: ClassVar[tuple[Table, ...]] = (_ERRORS, _RELEVANCE)

    by: list[str] | None = Field(
        None, description="Covariates; none: all that give two to six groups. Numbers are split at their median."
    )
    cut_points: dict[str, list[float]] = Field(
        {},
        description="Where to split numbers, by covariate: a group reaches up to, and does not hold, the next point.",
    )
    permutations: int = Field(1999, ge=99, description="Random permutations of a test; all where they are fewer.")
    resamples: int = Field(1000, ge=100, description="Bootstrap resamples.")
    figures: int = Field(2, ge=0, description="Methods that are drawn, in the order of the configuration.")

    @field_validator("cut_points")
    @classmethod
    def _ascending(cls, points: dict[str, list[float]]) -> dict[str, list[float]]:
        for name, own in points.items():
            if not own or any(b <= a for a, b in pairwise(own)):
                raise ValueError(f"the cut points of '{name}' must ascend, and there must be one")
        return points

    def check_recordings(self, recordings: Sequence[Recording], objective: Objective) -> None:
        """Raise `ConfigError` for a covariate that the data set has not."""
        known = {name for recording in recordings for name in recording.covariates}
        for field, names in (("by", self.by or ()), ("cut_points", self.cut_points)):
            for name in names:
                if name not in known:
                    hint = nearest(name, known) or "It has none."
                    raise ConfigError(f"There is no covariate '{name}' in the data set.", where=field, hint=hint)

    def analyze(self, run: RunView) -> Analysis:
        """Return the tables ``subgroup_errors`` and ``subgroup_relevance`` and their bars."""
        from mien_plugins.analyzers.groups import groupings

        own = run.predictions
        people = sorted(own.loc[(own["split"] == "test") & own["label"].notna(), "participant"].unique())
        if not people:
            return Analysis(notes=["Subgroups are not compared: there is no held-out recording with a label."])
        found, notes = groupings(run.covariates, people, self.by, self.cut_points)
        if not found:
            return Analysis(notes=["Subgroups are not compared: no covariate tells groups apart.", *notes])
        tables: dict[str, pd.DataFrame] = {}
        if run.objective.continuous:
            tables["subgroup_errors"] = self._errors(run, found)
        else:
            notes.append("Errors of subgroups are not compared: the objective has no score whose error could be told.")
        relevance = self._relevance(run, found)
        if relevance is None:
            notes.append("Relevance of subgroups is not compared: no held-out, labelled recording was explained.")
        else:
            tables["subgroup_relevance"] = relevance
        return Analysis(tables, self._charts(tables), [*_notes(tables, found), *notes])

    def _errors(self, run: RunView, found: list[Grouping]) -> pd.DataFrame:
        import pandas as pd

        units = labelled_units(run)
        people = units.groupby("participant")[["absolute", "squared", "error"]].mean()
        rows = []
        for grouping in found:
            for group in grouping.names:
                members = grouping.members(group)
                place = {"covariate": grouping.covariate, "group": group, "participants": len(members)}
                rows.append(place | self._accuracy(people, units, members, run.seed))
                for name, column in (("mae", "absolute"), ("bias", "error")):
                    rows[-1] |= self._difference(people[column], grouping, group, name, run.seed)
        return with_q(pd.DataFrame(rows), ["mae_p", "bias_p"], found, _FAMILIES["subgroup_errors"][1])

    def _accuracy(self, people: pd.DataFrame, units: pd.DataFrame, members: list[str], seed: int) -> dict[str, float]:
        import numpy as np

        from mien.statistics import function_interval, participant_bootstrap

        values = people.reindex(members).to_numpy(np.float64)
        value, low, high = function_interval(_rooted, values, self.resamples, seed)
        row: dict[str, float] = {}
        for i, name in enumerate(("mae", "rmse", "bias")):
            row |= {name: value[i], f"{name}_low": low[i], f"{name}_high": high[i]}
        own = units[units["participant"].isin(members)]
        said, truth = own["prediction"].to_numpy(np.float64), own["label"].to_numpy(np.float64)
        r = participant_bootstrap(
            lambda rows: _pearson(said[rows], truth[rows]),
            own["participant"].to_numpy(),
            np.random.default_rng(seed),
            self.resamples,
        )
        enough = len(members) >= IDENTIFYING
        nothing = float("nan")
        return row | {
            "pearson": r.value if enough else nothing,
            "pearson_low": r.low if enough else nothing,
            "pearson_high": r.high if enough else nothing,
        }

    def _relevance(self, run: RunView, found: list[Grouping]) -> pd.DataFrame | None:
        import pandas as pd

        from mien.regions.measures import per_participant

        held_out = run.relevance[(run.relevance["split"] == "test") & run.relevance["valid"]]
        known = set(run.predictions.loc[run.predictions["label"].notna(), "recording"])
        held_out = held_out[held_out["recording"].isin(known)]
        if held_out.empty:
            return None
        people = per_participant(held_out[held_out["participant"].isin(found[0].of.index)])
        rows = []
        for method, own in people[people["region"] != "total"].groupby("method", sort=False):
            tables = {
                name: own.pivot(index="participant", columns="region", values=name)[list(own["region"].unique())]
                for name in ("share", "density")
            }
            for grouping in found:
                for group in grouping.names:
                    place = {"method": method, "covariate": grouping.covariate, "group": group}
                    rows += [place | row for row in self._regions(tables, grouping, group, run.seed)]
        return with_q(pd.DataFrame(rows), ["share_p"], found, _FAMILIES["subgroup_relevance"][1])

    def _regions(
        self, tables: Mapping[str, pd.DataFrame], grouping: Grouping, group: str, seed: int
    ) -> list[dict[str, Any]]:
        import numpy as np

        from mien.statistics import mean_interval

        share = tables["share"]
        members = [name for name in grouping.members(group) if name in share.index]
        rows: list[dict[str, Any]] = [{"region": region, "participants": len(members)} for region in share.columns]
        for name, table in tables.items():
            mean, low, high = mean_interval(table.reindex(members).to_numpy(np.float64), self.resamples, seed)
            for i, row in enumerate(rows):
                row |= {name: mean[i], f"{name}_low": low[i], f"{name}_high": high[i]}
        for row in rows:
            row |= self._difference(share[row["region"]], grouping, group, "share", seed, ratio=True)
        return rows

    def _difference(
        self, values: pd.Series[float], grouping: Grouping, group: str, name: str, seed: int, *, ratio: bool = False
    ) -> dict[str, float]:
        """Return the difference between a group and the others, its interval, and the p-value of no difference."""
        import numpy as np

        from mien.statistics import function_interval, log_ratio, permutation_association

        inside = grouping.inside(group).reindex(values.index)
        values, inside = values[inside.notna()], inside[inside.notna()].astype(bool)
        numbers, mine = values.to_numpy(np.float64), inside.to_numpy()
        columns = np.column_stack([np.where(mine, numbers, np.nan), np.where(mine, np.nan, numbers)])
        value, low, high = function_interval(_less, columns, self.resamples, seed)
        tested = log_ratio(np.clip(numbers, 0, 1), _FLOOR) if ratio else numbers
        evidence = permutation_association(
            tested, mine.astype(float), np.random.default_rng(seed), self.permutations, statistic="pearson"
        )
        return {
            f"{name}_difference": float(value[0]),
            f"{name}_difference_low": float(low[0]),
            f"{name}_difference_high": float(high[0]),
            f"{name}_p": evidence.p,
        }

    def _charts(self, tables: Mapping[str, pd.DataFrame]) -> list[Chart]:
        from mien_plugins.analyzers.groups import error_chart, relevance_chart

        drawn: list[Chart] = []
        if "subgroup_errors" in tables:
            drawn.append(error_chart(tables["subgroup_errors"]))
        if "subgroup_relevance" in tables:
            table = tables["subgroup_relevance"]
            drawn += [relevance_chart(table, str(name)) for name in list(table["method"].unique())[: self.figures]]
        return drawn


def labelled_units(run: RunView) -> pd.DataFrame:
    """Return the held-out labelled units: participant, label, prediction, error, absolute, squared.

    A unit is a participant; where one has several labels, the session or recording that a label belongs to.
    """
    from mien.evaluation import at_levels
    from mien.run.summary import headline_level

    own = run.predictions[(run.predictions["split"] == "test") & run.predictions["label"].notna()]
    levels = at_levels(own)
    units = levels.get(headline_level(run.recordings[run.recordings["status"] == "used"]), levels["participant"])
    error = units["prediction"] - units["label"]
    return units[["participant", "label", "prediction"]].assign(error=error, absolute=error.abs(), squared=error**2)


def with_q(table: pd.DataFrame, columns: list[str], found: list[Grouping], keys: list[str]) -> pd.DataFrame:
    """Return the table with q-values over the family of all p-values in ``columns``.

    Two groups of a covariate are held against each other twice, once from either side: that is one test.
    """
    import numpy as np

    from mien.statistics import benjamini_hochberg

    mirrored = seen_twice(table, found, keys)
    counted = table[columns].where(~mirrored)
    q = table[[]].assign(**dict(zip(columns, benjamini_hochberg(counted.to_numpy(np.float64)).T, strict=True)))
    for column in columns:
        place = [table[key] for key in keys]
        whole = q[column].groupby(place).transform("first").where(mirrored, q[column])
        table = table.assign(**{f"{column[:-1]}q": whole})
    return table


def seen_twice(table: pd.DataFrame, found: list[Grouping], keys: list[str]) -> pd.Series[bool]:
    """Return which rows are the other side of a test of two groups that has a row already."""
    pairs = {one.covariate for one in found if len(one.names) == 2}
    return table["covariate"].isin(pairs) & table.duplicated(keys)


def _rooted(means: np.typing.NDArray[np.float64]) -> np.typing.NDArray[np.float64]:
    """Return mean absolute error, root mean squared error, mean error from the means of their parts."""
    import numpy as np

    return np.column_stack([means[:, 0], np.sqrt(means[:, 1]), means[:, 2]])


def _less(means: np.typing.NDArray[np.float64]) -> np.typing.NDArray[np.float64]:
    return means[:, :1] - means[:, 1:]


def _pearson(a: np.typing.NDArray[np.float64], b: np.typing.NDArray[np.float64]) -> float:
    from mien.statistics import unit

    return float(unit(a) @ unit(b)) if len(a) > 2 else float("nan")


def _notes(tables: Mapping[str, pd.DataFrame], found: list[Grouping]) -> list[str]:
    from mien.report.words import count, interval, listed, number

    sizes = {f"{one.covariate}: {group}": len(one.members(group)) for one in found for group in one.names}
    notes = [
        "Groups of held-out participants are described; small groups say nothing, and a difference has many possible "
        f"reasons. Numbers of participants: {', '.join(f'{name} {size}' for name, size in sizes.items())}."
    ]
    small = [name for name, size in sizes.items() if 0 < size < IDENTIFYING]
    if small:
        notes.append(
            f"Fewer than {IDENTIFYING} participants are in {listed(small)}: no interval, and their figures may say who "
            "they are."
        )
    for name, (measures, keys) in _FAMILIES.items():
        if name not in tables:
            continue
        table = tables[name][~seen_twice(tables[name], found, keys)]
        tests = [(row[f"{one}_q"], one, row) for row in table.to_dict("records") for one in measures]
        called = [test for test in tests if test[0] < 0.05]
        made = sum(table[f"{one}_p"].notna().sum() for one in measures)
        if not called:
            notes.append(f"Table {name}: none of {count(int(made), 'test')} has q below 0.05.")
            continue
        q, one, row = min(called, key=lambda test: test[0])
        of = f", {row['method']}, {row['region'].replace('_', ' ')}" if "method" in row else ""
        notes.append(
            f"Table {name}: {len(called)} of {count(int(made), 'test')} have q below 0.05; the smallest: {one} of "
            f"{row['covariate']} {row['group']}{of}, {number(row[f'{one}_difference'], 2)} from the others "
            f"({interval(row[f'{one}_difference_low'], row[f'{one}_difference_high'])}, q = {number(q, 2)})."
        )
    return notes

"""Whether the network relies on regions and Action Units more in severe participants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mien.interfaces import Analysis, Analyzer, RunView
from mien.tables import HYPOTHESES, STATISTICS, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from mien.interfaces.analyzer import Mention
    from mien_plugins.analyzers.statistics_effects import Effect, Severity

    Array = npt.NDArray[np.float64]

_GAP = "Statistics are not computed: "


class Named(BaseModel):
    """A test that was named before the data were seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: str = Field(description="A face region, elsewhere_face or background.")
    au: str | None = Field(
        None,
        pattern=r"^AU\d\d$",
        description="An Action Unit, e.g. AU12 or AU04; none: the region's share of relevance.",
    )
    method: str | None = Field(None, description="A key of explain.methods; none: each method.")
    source: str | None = Field(None, description="A key of action_units; none: each source.")

    def matches(self, row: dict[str, Any]) -> bool:
        """Return whether a row of the table ``statistics`` is meant."""
        return (
            row["measure"] == ("au_correlation" if self.au else "share")
            and row["region"] == self.region
            and row["au"] == (self.au or "")
            and self.method in (None, row["method"])
            and (not self.au or self.source in (None, row["source"]))
        )

    def __str__(self) -> str:
        parts = (self.method, self.region, self.au, self.source)
        return " × ".join(part for part in parts if part)


@dataclass(frozen=True)
class _Group:
    """The participants whom one method explained in one network, and their measures by name and region.

    The share is a log-ratio.
    """

    kind: str
    severity: Severity
    people: pd.Index[Any]
    values: Mapping[tuple[str, str], Array]

    def measure(self, name: str, region: str) -> Array:
        """Return a measure of each participant, NaN where it is undefined."""
        import numpy as np

        found = self.values.get((name, region))
        return np.full(len(self.people), np.nan) if found is None else found

    def effect(self, name: str, region: str, *, adjusted: bool) -> float:
        """Return the effect of severity on a measure, not tested."""
        return self.severity.value(self.measure(name, region), adjusted=adjusted)


class Statistics(Analyzer):
    """The effect of true severity on what the network relies on, over held-out participants that it never saw.

    The unit is the participant, with the mean over its labelled units.  The primary measure is a region's share of
    absolute relevance, as log-ratio ln(share / (1 - share)), since shares are compositional; shares below ``floor``
    are set to it.  The effect is Spearman's correlation with the label, with a bootstrap interval over participants
    and a permutation p; beside it the same adjusted for the prediction (Freedman & Lane), and the same effect in each
    control: untrained networks, and networks trained with permuted labels.

    Raw signed relevance is no measure of reliance: the relevance of complete methods adds up to the output less that
    of a baseline, so that in any region it correlates with the score when nothing else is going on.  It and the signed
    share (undefined where |total| is under ``total_floor``) are described, not tested.

    With folds of three or more participants everything is ranked, permuted and resampled within folds.

    The family of Benjamini-Hochberg's q is what ``confirmatory`` names; else all regions of all methods.  What was
    not named is tested too, in exploratory families of its own.  A *hypothesis* is a share in that first family with
    q below ``q``, an |effect| larger than in every control of both kinds, also on the windows alone that these
    explained, and an adjusted effect that does not contradict it: its interval does not lie wholly on the other side
    of 0.  (A smaller adjusted effect is no contradiction: what severity does to relevance may act through the
    prediction alone.)

    For each region and Action Unit the measure is the participant's mean Fisher z (see ``au_correlation``).  Controls
    have no relevance over time, so that these effects cannot be held against them and are never called hypotheses.
    """

    citation: ClassVar[str] = (
        "Aitchison: The Statistical Analysis of Compositional Data, Chapman & Hall 1986; "
        "Freedman, Lane: A Nonstochastic Interpretation of Reported Significance Levels, JBES 1983; "
        "Benjamini, Hochberg: Controlling the False Discovery Rate, JRSS B 1995"
    )

    tables: ClassVar[tuple[Table, ...]] = (STATISTICS, HYPOTHESES)

    confirmatory: tuple[Named, ...] = Field(
        (), description="The tests named beforehand: the family of q; none: every region x method, as an exploration."
    )
    permutations: int = Field(9999, ge=99, description="Random permutations of a test.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")
    floor: float = Field(1e-3, gt=0, lt=0.5, description="Smallest share; smaller ones (and 1 less it) are set to it.")
    total_floor: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="A window's signed share is undefined where |total signed relevance| is below this part of the "
        "total absolute relevance.",
    )
    q: float = Field(0.05, gt=0, lt=1, description="A hypothesis has a smaller q.")
    least_bins: int = Field(8, ge=3, description="Fewest independent time bins of a window for Action Units.")

    def mentions(self) -> Iterator[tuple[str, Mention, str]]:
        """Yield the methods, sources and regions that ``confirmatory`` names."""
        for place, one in enumerate(self.confirmatory):
            field = f"confirmatory.{place}"
            yield f"{field}.region", "region", one.region
            if one.method is not None:
                yield f"{field}.method", "method", one.method
            if one.source is not None:
                yield f"{field}.source", "source", one.source

    def analyze(self, run: RunView) -> Analysis:
        """Return the tables ``statistics`` and ``hypotheses``, forest plots, and what was tested."""
        import pandas as pd

        from mien_plugins.analyzers.statistics_people import held_out
        from mien_plugins.analyzers.statistics_report import charts, hypotheses, notes

        if not run.objective.continuous:
            return Analysis(notes=[f"{_GAP}the objective has no score that could be more or less severe."])
        predictions = held_out(run)
        if predictions.empty:
            return Analysis(notes=[f"{_GAP}no labelled recording is of a participant that the network never saw."])
        relevance = run.relevance
        relevance = relevance[(relevance["split"] == "test") & relevance["recording"].isin(predictions["recording"])]
        if relevance.empty:
            return Analysis(notes=[f"{_GAP}no held-out, labelled recording was explained."])
        rows, references, told = self._rows(run, predictions, relevance)
        table = self._with_q(pd.DataFrame(rows))
        found = hypotheses(table, self, run.objective.higher_is)
        said = notes(table, found, self, relevance["participant"].nunique())
        tables = {"statistics": table, "hypotheses": found}
        return Analysis(tables, charts(table, references), [*said, *told, *_familiar(run)])

    def _rows(
        self, run: RunView, predictions: pd.DataFrame, relevance: pd.DataFrame
    ) -> tuple[list[dict[str, Any]], dict[tuple[str, str, bool], list[float]], list[str]]:
        """Return the rows, the effects of controls by method, region and adjustment, and notes."""
        regions = self._regions(run, relevance)
        unsigned = {name for name, method in run.methods.items() if not method.signed}
        rows: list[dict[str, Any]] = []
        references: dict[tuple[str, str, bool], list[float]] = {}
        notes: list[str] = []
        groups: dict[str, _Group] = {}
        sessions = run.recordings.set_index("recording")["session"].to_dict()
        control = run.control_relevance
        for name, own in relevance.groupby("method", sort=False, observed=True):
            method = str(name)
            groups[method], note = self._group("", own, predictions, sessions, run.seed)
            if note and note not in notes:
                notes.append(note)
            beside = [
                self._group(str(kind), part, predictions, sessions, run.seed)[0]
                for (kind, _), part in control[control["method"] == method].groupby(
                    ["kind", "network"], sort=False, observed=True
                )
                if part["recording"].isin(predictions["recording"]).any()
            ]
            there = own.merge(control.loc[control["method"] == method, ["recording", "window"]].drop_duplicates())
            same = self._group("trained", there, predictions, sessions, run.seed)[0] if beside else None
            for row, values in self._shares(groups[method], same, beside, regions, method not in unsigned):
                rows.append({"method": method, "au": "", "source": ""} | row)
                if row["measure"] == "share":
                    references[method, row["region"], row["adjusted"]] = values
        rows += self._units(run, relevance, groups, regions)
        if not run.action_units.empty and not any(row["au"] for row in rows):
            notes.append("No method could be held against Action Units; the notes of au_correlation say why.")
        for row in rows:
            named = any(one.matches(row) for one in self.confirmatory)
            described = row["measure"] in ("signed", "signed_share")
            family = "action_units" if row["au"] else "regions"
            row["family"] = "confirmatory" if named else "descriptive" if described else family
        missing = [str(one) for one in self.confirmatory if not any(one.matches(row) for row in rows)]
        if missing:
            notes.append(f"Named, but not there to be tested: {'; '.join(missing)}.")
        return rows, references, notes

    def _regions(self, run: RunView, relevance: pd.DataFrame) -> list[str]:
        from mien.regions.names import FACE

        there = set(relevance["region"])
        named = [one.region for one in self.confirmatory]
        wanted = dict.fromkeys([*(name for name in run.region_names if name != FACE), *named])
        return [name for name in wanted if name in there and name != "total"]

    def _group(
        self, kind: str, rows: pd.DataFrame, predictions: pd.DataFrame, sessions: dict[Any, str], seed: int
    ) -> tuple[_Group, str]:
        """Return the participants whom a network's relevance is of, and a note on their folds."""
        import numpy as np

        from mien_plugins.analyzers.statistics_effects import Severity
        from mien_plugins.analyzers.statistics_people import (
            participant_means,
            severity_of,
            strata_of,
            window_measures,
        )

        rows = rows[rows["recording"].isin(predictions["recording"])]
        people = severity_of(predictions, rows["recording"].unique())
        strata = strata_of(people)
        label, prediction = (people[name].to_numpy(np.float64) for name in ("label", "prediction"))
        resamples = 0 if kind else self.resamples  # the effect alone is wanted of a control
        severity = Severity(label, prediction, strata.of, seed, self.permutations, resamples)
        means = participant_means(window_measures(rows, self.total_floor), sessions).reindex(people.index)
        names = [means.columns.get_level_values(level).astype(str) for level in ("measure", "region")]
        columns = zip(*names, means.to_numpy(np.float64).T, strict=True)
        values = {(name, region): self._measure(name, own) for name, region, own in columns}
        return _Group(kind, severity, people.index, values), strata.note

    def _measure(self, name: str, values: Array) -> Array:
        """Return the values; of a share its log-ratio, so rounded that shares alike but for rounding are ties."""
        from mien.statistics import log_ratio

        return log_ratio(values.round(12), self.floor) if name == "share" else values

    def _shares(
        self, group: _Group, same: _Group | None, controls: Sequence[_Group], regions: Sequence[str], signed: bool
    ) -> Iterator[tuple[dict[str, Any], list[float]]]:
        """Yield a row a region, measure and adjustment, and the effects in the controls.

        ``same`` is the group as its network explains the windows of the controls.
        """
        kinds = (("share", False), ("share", True), *((("signed_share", False), ("signed", False)) if signed else ()))
        for region in regions:
            for measure, adjusted in kinds:
                x = group.measure(measure, region)
                tested = measure == "share"
                found = group.severity.tested(x, adjusted=adjusted) if tested else group.severity.described(x)
                beside = [(one.kind, one.effect(measure, region, adjusted=adjusted)) for one in controls]
                there = same.effect(measure, region, adjusted=adjusted) if same else float("nan")
                place = {"measure": measure, "region": region, "adjusted": adjusted}
                values = {kind: _known(beside, kind) for kind in ("untrained", "permuted")}
                yield (
                    place | _row(found, x) | _beside(found.effect, there, values),
                    [*values["untrained"], *values["permuted"]],
                )

    def _units(
        self, run: RunView, relevance: pd.DataFrame, groups: dict[str, _Group], regions: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """Yield a row a region, Action Unit and adjustment."""
        import numpy as np
        import pandas as pd

        from mien_plugins.analyzers.statistics_people import participant_z
        from mien_plugins.analyzers.window_correlation import window_correlations

        if run.action_units.empty:
            return
        used = relevance[relevance["region"].isin([*regions, "total"])]
        windows = window_correlations(used, run.action_units, least_bins=self.least_bins)
        windows = windows[(windows["kind"] == "intensity") & windows["region"].isin(regions)]
        if windows.empty:
            return
        found_z = participant_z(windows)
        keys = found_z.index.to_frame(index=False).astype(str)
        for method, source, region, au, z in zip(
            *(keys[name] for name in ("method", "source", "region", "au")), found_z.to_numpy(np.float64), strict=True
        ):
            group = groups[method]
            x = pd.Series(z, index=found_z.columns).reindex(group.people).to_numpy(np.float64)
            place = {"method": method, "measure": "au_correlation", "region": region, "au": au, "source": source}
            for adjusted in (False, True):
                found = group.severity.tested(x, adjusted=adjusted)
                yield place | {"adjusted": adjusted} | _row(found, x) | _beside(found.effect, np.nan, {})

    def _with_q(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table with q, in the order of its description."""
        from mien.statistics import benjamini_hochberg

        families = table.groupby(["family", "adjusted"], sort=False)["p"]
        table = table.assign(q=families.transform(lambda p: benjamini_hochberg(p.to_numpy(float))))
        return table[[column.name for column in STATISTICS.columns]]


def _row(found: Effect, x: Array) -> dict[str, Any]:
    import numpy as np

    numbers = {"effect": found.effect, "low": found.low, "high": found.high, "p": found.p, "n": found.n}
    return numbers | {"undefined": int((~np.isfinite(x)).sum())}


def _known(beside: Sequence[tuple[str, float]], kind: str) -> list[float]:
    import math

    return [value for own, value in beside if own == kind and math.isfinite(value)]


def _beside(effect: float, there: float, controls: dict[str, list[float]]) -> dict[str, Any]:
    """Return what the controls of both kinds have, and whether the effect exceeds them all.

    ``there`` is the effect on their windows: with fewer of them a measure is noisier, and its effect smaller.
    """
    import math

    row: dict[str, Any] = {"effect_beside": there}
    for kind in ("untrained", "permuted"):
        values = [abs(value) for value in controls.get(kind, [])]
        row |= {f"controls_{kind}": len(values), f"control_{kind}_max": max(values, default=math.nan)}
    largest = [row["control_untrained_max"], row["control_permuted_max"]]
    comparable = all(math.isfinite(value) for value in (effect, there, *largest))
    weaker = min(abs(effect), abs(there)) if effect * there > 0 else 0.0
    return row | {"exceeds": weaker > max(largest) if comparable else None}


def _familiar(run: RunView) -> list[str]:
    from mien.report.words import count

    own = run.recordings[(run.recordings["split"] == "test") & (run.recordings["status"] == "used")]
    seen = own.loc[~own["unseen"].astype(bool), "participant"].nunique()
    return [f"Left out of the statistics, since the network has seen them: {count(seen, 'participant')}."] * bool(seen)

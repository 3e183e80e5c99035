"""Whether relevance comes and goes with facial Action Units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mien.interfaces import Analysis, Analyzer, RunView
from mien.tables import METHOD, Column, Table
from mien_plugins.analyzers.bootstrap import mean_interval
from mien_plugins.analyzers.time_bins import independent_bins

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from mien.report.charts import HeatMap

    Array = npt.NDArray[np.float64]

LARGEST = 0.999  # a perfect rank correlation of few frames would have an infinite Fisher z
_WINDOW = ["recording", "participant", "window"]

_CORRELATIONS = Table(
    "au_correlation",
    "A region and an Action Unit, correlated over time, for one method and one source of Action Units.",
    (
        METHOD,
        Column("source", "string", "The user's name of the source, a key of action_units."),
        Column("region", "string", "A face region, or elsewhere_face (the face outside all regions)."),
        Column("au", "string", "The Action Unit, e.g. AU12."),
        Column(
            "correlation",
            "number",
            "Spearman's correlation of the region's signed relevance with the intensity, -1 to 1: mean over "
            "participants by Fisher's z; absent where it is undefined in every window.",
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
        Column("windows", "integer", "Windows in which the correlation is defined."),
        Column("undefined_windows", "integer", "Windows in which one of the two series does not change."),
    ),
)


class AuCorrelation(Analyzer):
    """Rank correlation over time of each region's signed relevance with each Action Unit's intensity.

    Within each window Spearman's correlation of the two series is taken over frames with a face, clipped to +-0.999
    and transformed by Fisher's z; a participant's value is the mean over windows, and the figure is the mean over
    participants, transformed back, with a percentile bootstrap interval over participants.  A pair of which one
    series is constant in a window is undefined there: it is counted, not taken for 0.

    A method whose relevance has fewer than ``least_bins`` independent values over a window (Grad-CAM has a value
    for every eighth frame) is not correlated, and the notes say so.

    There are no p-values here: smooth series of one window correlate by chance far more often than a test on
    frames believes.  Testing against circularly shifted series comes with the statistics analyzer.
    """

    tables: ClassVar[tuple[Table, ...]] = (_CORRELATIONS,)

    least_bins: int = Field(8, ge=3, description="Fewest independent time bins of a window.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")

    def analyze(self, run: RunView) -> Analysis:
        """Return the table ``au_correlation`` and a heat map of region x Action Unit for each method."""
        import pandas as pd

        if run.relevance.empty:
            return Analysis(notes=["Relevance and Action Units are not compared: nothing was explained."])
        if run.action_units.empty:
            return Analysis(notes=["Relevance and Action Units are not compared: there are no Action Units."])
        relevance = run.relevance[run.relevance["split"] != "out_of_distribution"]
        tables: list[pd.DataFrame] = []
        notes: list[str] = []
        for method, own in relevance.groupby("method", sort=False):
            bins = independent_bins(own)
            if bins < self.least_bins:
                notes.append(
                    f"{method} is not correlated with Action Units: its relevance has {bins} independent values over "
                    f"a window, fewer than {self.least_bins}."
                )
                continue
            for source, units in run.action_units.groupby("source", sort=False):
                table = self._correlate(own, units, run.seed)
                if len(table):
                    tables.append(table.assign(method=method, source=source))
        if not tables:
            return Analysis(notes=notes or ["No explained frame has Action Units."])
        table = pd.concat(tables, ignore_index=True)
        table = table[["method", "source", *(name for name in table if name not in ("method", "source"))]]
        charts = [_chart(own, str(source)) for source, own in table.groupby("source", sort=False)]
        return Analysis({"au_correlation": table}, charts, [*_notes(table), *notes])

    def _correlate(self, relevance: pd.DataFrame, units: pd.DataFrame, seed: int) -> pd.DataFrame:
        """Return one row a region and Action Unit."""
        import numpy as np
        import pandas as pd

        intensity = units.pivot_table(index=["recording", "frame"], columns="au", values="intensity", dropna=False)
        regions = [r for r in relevance["region"].unique() if r not in ("total", "background")]
        windows = [
            (participant, found)
            for (_, participant, _), own in relevance[relevance["valid"]].groupby(_WINDOW, sort=False)
            if (found := _window(own, intensity, regions)) is not None
        ]
        if not windows:
            return pd.DataFrame()
        people = list(dict.fromkeys(person for person, _ in windows))
        z = np.stack([np.arctanh(np.clip(found, -LARGEST, LARGEST)) for _, found in windows])
        of = np.array([people.index(person) for person, _ in windows])
        means = np.stack([_mean(z[of == i]) for i in range(len(people))]).reshape(len(people), -1)
        mean, low, high = (np.tanh(v) for v in mean_interval(means, self.resamples, seed))
        undefined = np.isnan(z).sum(0).ravel()
        pairs = [(region, str(au)) for region in regions for au in intensity.columns]
        columns = {"correlation": mean, "low": low, "high": high}
        return pd.DataFrame(pairs, columns=["region", "au"]).assign(
            **columns,
            participants=np.isfinite(means).sum(0),
            windows=len(windows) - undefined,
            undefined_windows=undefined,
        )


def _window(own: pd.DataFrame, intensity: pd.DataFrame, regions: list[str]) -> Array | None:
    """Return the correlations of one window, regions x Action Units; None without Action Units in it."""
    import numpy as np

    signed = own.pivot(index="frame", columns="region", values="signed").reindex(columns=regions)
    recording = own["recording"].iloc[0]
    wanted = intensity.reindex([(recording, frame) for frame in signed.index])
    seen = wanted.notna().any(axis=1).to_numpy()
    if seen.sum() < 3:
        return None
    left, right = signed.to_numpy(np.float64)[seen], wanted.to_numpy(np.float64)[seen]
    return spearman(left, right)


def spearman(left: Array, right: Array) -> Array:
    """Return Spearman's correlation of each pair of columns: ``(T, A)`` and ``(T, B)`` to ``(A, B)``.

    NaN where one of the two is constant or has a gap.
    """
    return _standard_ranks(left).T @ _standard_ranks(right)


def _standard_ranks(series: Array) -> Array:
    """Return ranks, centred and of length 1, so that their product is their correlation; NaN for constant series."""
    import numpy as np
    import pandas as pd

    ranks = pd.DataFrame(series).rank().where(np.isfinite(series)).to_numpy(np.float64)
    centred = ranks - ranks.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    return np.divide(centred, length, out=np.full(centred.shape, np.nan), where=length > 0)


def _mean(z: Array) -> Array:
    """Return the mean over windows without the undefined ones; NaN where all are."""
    import numpy as np

    known = np.isfinite(z).sum(0)
    return np.divide(np.nansum(z, axis=0), known, out=np.full(z.shape[1:], np.nan), where=known > 0)


def _chart(table: pd.DataFrame, source: str) -> HeatMap:
    from mien.report.charts import HeatMap, HeatPanel, chart_name
    from mien.report.words import region_title

    regions, units = list(table["region"].unique()), sorted(table["au"].unique())
    panels = []
    for method, own in table.groupby("method", sort=False):
        values = own.pivot(index="region", columns="au", values="correlation").reindex(index=regions, columns=units)
        panels.append(HeatPanel(name=str(method), values=values.to_numpy().tolist()))
    return HeatMap(
        name=chart_name("au_correlation", source),
        title=f"Relevance against Action Units ({source})",
        caption="Spearman correlation over the frames of a window of a region's signed relevance with an Action Unit's "
        "intensity, mean over participants; empty where it is not defined. Intervals are in the table au_correlation.",
        rows=[region_title(str(region)) for region in regions],
        x=list(range(len(units))),
        x_names=[str(unit) for unit in units],
        panels=panels,
        unit="Spearman r",
        annotate=True,
        limit=1.0,
    )


def _notes(table: pd.DataFrame) -> list[str]:
    from mien.report.words import count, interval, number, with_article

    notes = []
    for (method, source), own in table.groupby(["method", "source"], sort=False):
        known: Any = own[own["correlation"].notna()]
        undefined = int(own["undefined_windows"].sum())
        total = undefined + int(own["windows"].sum())
        if len(known):
            top = known.loc[known["correlation"].abs().idxmax()]
            notes.append(
                f"{method}: the relevance of {with_article(top['region'])} goes most closely with {top['au']} "
                f"({source}), r = {number(top['correlation'], 2)} ({interval(top['low'], top['high'])}, "
                f"{count(int(top['participants']), 'participant')})."
            )
        if undefined:
            notes.append(
                f"{method}, {source}: {undefined:,} of {total:,} correlations of a window are undefined, because a "
                "series does not change in it; they are left out, not counted as 0."
            )
    return notes

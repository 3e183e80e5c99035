"""Whether relevance comes and goes with facial Action Units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mien.interfaces import Analysis, Analyzer, RunView
from mien.tables import METHOD, Column, Table
from mien_plugins.analyzers.time_bins import independent_bins
from mien_plugins.analyzers.window_correlation import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from mien.report.charts import HeatMap
    from mien.statistics import WindowedSeries
    from mien_plugins.analyzers.window_correlation import Window

_CORRELATIONS = Table(
    "au_correlation",
    "A region and an Action Unit, correlated over time, for one method and one source of Action Units.",
    (
        METHOD,
        Column("source", "string", "The user's name of the source, a key of action_units."),
        Column("region", "string", "A face region, or elsewhere_face (the face outside all regions)."),
        Column("au", "string", "The Action Unit, e.g. AU12."),
        Column("kind", "string", "What of the Action Unit.", allowed=KINDS),
        Column(
            "correlation",
            "number",
            "Spearman's correlation of the region's signed relevance with it inside a window, -1 to 1: mean over "
            "participants by Fisher's z, clipped at 0.999; absent where it is undefined in every window.",
            nullable=True,
        ),
        Column(
            "low",
            "number",
            "Lower end of the 95 % interval (bootstrap over participants); absent with fewer than three.",
            nullable=True,
        ),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column(
            "p",
            "number",
            "Two-sided, against circular shifts of the Action Unit over the whole recording; absent where the "
            "correlation is.",
            nullable=True,
        ),
        Column("q", "number", "Benjamini-Hochberg q-value over all rows of the table.", nullable=True),
        Column("participants", "integer", "Participants with a defined correlation."),
        Column("windows", "integer", "Windows in which the correlation is defined."),
        Column("undefined_windows", "integer", "Windows in which one of the two series does not change."),
    ),
)

_OUTSIDE = ("total", "background")
_UNEVEN = 0.25  # of the median step: beyond it, frames are not equally spaced


class AuCorrelation(Analyzer):
    """Rank correlation over time of each region's signed relevance with each Action Unit, inside windows.

    The effect: within each window Spearman's correlation of the two series over frames with a face, clipped to +-0.999
    and transformed by Fisher's z; a participant's value is the mean over windows, and the figure is the mean over
    participants, transformed back, with a percentile bootstrap interval over participants.  A pair of which one
    series is constant in a window is undefined there: it is counted, not taken for 0.

    The test: smooth series of one window correlate by chance far more often than a test on frames believes, and windows
    of a person are not independent.  So the Action Units of each recording are shifted by a random number of frames,
    wrapping around, over the whole recording, and the effect is taken again.  This assumes frames of equal steps in
    time and series that are stationary over the recording.  Windows that were sampled sparsely do no harm: only Action
    Units have to be known in between.

    A method whose relevance has fewer than ``least_bins`` independent values over a window (Grad-CAM has a value
    for every eighth frame) is not correlated, and the notes say so.  Held-out recordings count; where none was
    explained, the other labelled ones.
    """

    citation: ClassVar[str] = (
        "Moreno, Alghowinem, Park, Breazeal: Expresso-AI, ACII 2023; "
        "Harris: A Shift Test for Independence in Generic Time Series, arXiv 2012.06862, 2020; "
        "Benjamini, Hochberg: Controlling the False Discovery Rate, JRSS B 1995"
    )

    version: ClassVar[int] = 2

    tables: ClassVar[tuple[Table, ...]] = (_CORRELATIONS,)

    least_bins: int = Field(8, ge=3, description="Fewest independent time bins of a window.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")
    shifts: int = Field(999, ge=99, description="Random shifts of each recording.")

    def analyze(self, run: RunView) -> Analysis:
        """Return the table ``au_correlation`` and a heat map of region x Action Unit for each method."""
        import pandas as pd

        from mien_plugins.analyzers.window_correlation import series_of, windows_of

        if run.relevance.empty:
            return Analysis(notes=["Relevance and Action Units are not compared: nothing was explained."])
        if run.action_units.empty:
            return Analysis(notes=["Relevance and Action Units are not compared: there are no Action Units."])
        relevance, notes = _counted(run.relevance)
        tables: list[pd.DataFrame] = []
        for method, own in relevance.groupby("method", sort=False, observed=True):
            bins = independent_bins(own)
            if bins < self.least_bins:
                notes.append(
                    f"{method} is not correlated with Action Units: its relevance has {bins} independent values over "
                    f"a window, fewer than {self.least_bins}."
                )
                continue
            regions = [str(region) for region in own["region"].unique() if region not in _OUTSIDE]
            windows = windows_of(own, regions)
            for source, units in run.action_units.groupby("source", sort=False, observed=True):
                for kind in KINDS:
                    table = self._tested(windows, series_of(units, kind), regions, run.seed)
                    tables.append(table.assign(method=method, source=source, kind=kind))
        table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
        if table.empty:
            return Analysis(notes=notes or ["No explained frame has Action Units."])
        table = _with_q(table)
        charts = [
            _chart(own, str(source), str(kind)) for (source, kind), own in table.groupby(["source", "kind"], sort=False)
        ]
        notes += _uneven(run.action_units, relevance)
        return Analysis({"au_correlation": table}, charts, [*_notes(table), *notes])

    def _tested(
        self, windows: Sequence[Window], table: pd.DataFrame, regions: Sequence[str], seed: int
    ) -> pd.DataFrame:
        """Return one row a region and Action Unit; none where no window has Action Units."""
        import numpy as np
        import pandas as pd

        from mien.statistics import circular_shift_test, mean_interval

        recordings = series_by_recording(windows, table)
        if not recordings:
            return pd.DataFrame()
        found = circular_shift_test(recordings, np.random.default_rng(seed), self.shifts)
        means = found.z.reshape(len(found.people), -1)
        mean, low, high = (np.tanh(values) for values in mean_interval(means, self.resamples, seed))
        pairs = [(region, str(au)) for region in regions for au in table.columns]
        return pd.DataFrame(pairs, columns=["region", "au"]).assign(
            correlation=mean,
            low=low,
            high=high,
            p=found.p.ravel(),
            participants=found.participants.ravel(),
            windows=found.windows.ravel(),
            undefined_windows=found.undefined.ravel(),
        )


def series_by_recording(windows: Sequence[Window], table: pd.DataFrame) -> list[WindowedSeries]:
    """Return Action Units over whole recordings, by frame number, with the windows of relevance in them.

    Parameters
    ----------
    windows : sequence of Window
    table : DataFrame
        What `series_of` gives: Action Units over recording and frame.  Frames that it lacks are unknown.

    Returns
    -------
    list of WindowedSeries
        Recordings with Action Units in some window; windows beyond the last known frame have unknown ones there.
    """
    import numpy as np

    from mien.statistics import WindowedSeries

    own: dict[str, list[Window]] = {}
    for window in windows:
        own.setdefault(window.recording, []).append(window)
    found = []
    for name, units in table.groupby(level="recording", observed=True):
        mine = own.get(str(name), [])
        frames = units.index.get_level_values("frame").to_numpy(np.intp)
        last = max([int(frames.max()), *(int(window.frames[-1]) for window in mine)])
        whole = np.full((last + 1, units.shape[1]), np.nan)
        whole[frames] = units.to_numpy(np.float64)
        if any(np.isfinite(whole[window.frames]).any() for window in mine):
            placed = [(window.frames, window.signed) for window in mine]
            found.append(WindowedSeries(mine[0].participant, whole, placed))
    return found


def _counted(relevance: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return held-out relevance; without any, that of other labelled recordings, and a note."""
    tested = relevance[relevance["split"] == "test"]
    if len(tested):
        return tested, []
    others = relevance[relevance["split"] != "out_of_distribution"]
    if others.empty:
        return others, ["Relevance and Action Units are not compared: no labelled recording was explained."]
    return others, ["No held-out recording was explained: Action Units are compared on recordings of the training."]


def _with_q(table: pd.DataFrame) -> pd.DataFrame:
    import numpy as np

    from mien.statistics import benjamini_hochberg

    table = table.assign(q=benjamini_hochberg(table["p"].to_numpy(np.float64)))
    return table[[column.name for column in _CORRELATIONS.columns]]


def _uneven(units: pd.DataFrame, relevance: pd.DataFrame) -> list[str]:
    """Return a note on recordings whose frames are not equally spaced in time."""
    from mien.report.words import count

    own = units[units["recording"].isin(relevance["recording"].unique())]
    times = own.drop_duplicates(["recording", "frame"]).sort_values(["recording", "frame"])
    following = times["frame"].diff() == 1
    step = times["time_s"].diff().where(following & (times["recording"] == times["recording"].shift()))
    median = step.groupby(times["recording"], observed=True).transform("median")
    uneven = times.loc[(step - median).abs() > _UNEVEN * median, "recording"].nunique()
    if not uneven:
        return []
    return [
        f"The frames of {count(int(uneven), 'recording')} are not equally spaced in time. The circular shifts go by "
        "frames as if they were; where the rate changes much, their p-values are approximate."
    ]


def _chart(table: pd.DataFrame, source: str, kind: str) -> HeatMap:
    from mien.report.charts import chart_name
    from mien_plugins.analyzers.unit_maps import unit_map

    return unit_map(
        table,
        "correlation",
        name=chart_name("au_correlation", source, *([] if kind == KINDS[0] else [kind])),
        title=f"Relevance against Action Units ({source}, {kind})",
        caption="Spearman correlation over the frames of a window of a region's signed relevance with an Action Unit's "
        f"{kind}, mean over participants; empty where it is not defined. Intervals, p "
        "and q are in the table au_correlation.",
    )


def _notes(table: pd.DataFrame) -> list[str]:
    from mien.report.words import count, interval, listed, number, with_article

    notes = []
    for (method, source, kind), own in table.groupby(["method", "source", "kind"], sort=False):
        known: Any = own[own["correlation"].notna()]
        if len(known):
            top = known.loc[known["correlation"].abs().idxmax()]
            notes.append(
                f"{method}: the relevance of {with_article(top['region'])} goes most closely with {top['au']} "
                f"({source}, {kind}), r = {number(top['correlation'], 2)} ({interval(top['low'], top['high'])}, "
                f"{count(int(top['participants']), 'participant')}; q = {number(top['q'], 2)})."
            )
    missing = []
    for (source, kind), own in table.groupby(["source", "kind"], sort=False):
        if undefined := int(own["undefined_windows"].sum()):
            missing.append(f"{undefined:,} of {undefined + int(own['windows'].sum()):,} ({source}, {kind})")
    if missing:
        notes.append(
            f"Correlations of a window that are undefined, because a series does not change in it: {listed(missing)}; "
            "they are left out, not counted as 0."
        )
    made = table[table["p"].notna()]
    notes.append(
        f"Tested against circular shifts over whole recordings, as one family of {count(len(made), 'test')}: "
        f"{_sizes(made)}. {int((made['q'] < 0.05).sum())} have q below 0.05."
    )
    return notes


def _sizes(made: pd.DataFrame) -> str:
    """Return what a family is made of: regions x Action Units of each source and kind, for methods that are alike."""
    from mien.report.words import count, listed

    alike: dict[tuple[str, str, str], list[str]] = {}
    for (source, kind, method), own in made.groupby(["source", "kind", "method"], sort=False):
        regions, units = count(own["region"].nunique(), "region"), count(own["au"].nunique(), "Action Unit")
        alike.setdefault((str(source), str(kind), f"{regions} × {units}, {len(own)} defined"), []).append(str(method))
    parts = [
        f"{listed(methods)}, {source}, {kind}: {size}{' each' if len(methods) > 1 else ''}"
        for (source, kind, size), methods in alike.items()
    ]
    return "; ".join(parts) or "none could be made"

"""When relevance falls: by frame, by region, and over the length of recordings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mien.interfaces import Analysis, Analyzer, RunView
from mien.tables import ABSOLUTE, FRAME, METHOD, PARTICIPANT, RECORDING, REGION, SIGNED, TIME, Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from mien.report.charts import HeatMap, LineChart, LineSeries

_KEYS = ["method", "recording", "participant", "frame", "region"]

_PROFILE = Table(
    "temporal_profile",
    "A region in one frame with a face, explained by one method; mean over the windows that hold the frame.",
    (
        METHOD,
        RECORDING,
        PARTICIPANT,
        FRAME,
        REGION,
        TIME,
        SIGNED,
        ABSOLUTE,
    ),
)

_EXTREMES = Table(
    "frames_of_interest",
    "A frame of high or low total relevance in one recording, explained by one method.",
    (
        METHOD,
        RECORDING,
        PARTICIPANT,
        Column("kind", "string", "Whether it is among the highest or the lowest.", allowed=("top", "bottom")),
        Column("rank", "integer", "Place among them, from 1."),
        FRAME,
        TIME,
        Column("value", "number", "Total relevance; the absolute one for methods without sign.", "output"),
    ),
)

_COURSE = Table(
    "relevance_course",
    "A part of the length of recordings, explained by one method; figures over participants.",
    (
        METHOD,
        Column("position", "number", "Middle of the part as a fraction of the recording, 0 to 1."),
        Column(
            "density",
            "number",
            "Share of absolute relevance in the part over its share of the explained frames, mean over participants: "
            "1 is an even spread; absent where nothing was explained.",
            nullable=True,
        ),
        Column(
            "low",
            "number",
            "Lower end of the 95 % interval (bootstrap over participants); absent with fewer than three.",
            nullable=True,
        ),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("participants", "integer", "Participants explained by the method."),
    ),
)


class TemporalProfile(Analyzer):
    """Relevance over time.

    Where windows overlap, a frame's relevance is the mean over them.  Selected recordings (worst, median
    and best predicted participant, and what is out of distribution) get a heat map of region x time above their
    Action Units, and the frames of highest and lowest total relevance.  Over all recordings, the share of absolute
    relevance in each tenth of the recording says whether the network looks at its beginning or end.
    """

    citation: ClassVar[str] = "Moreno, Alghowinem, Park, Breazeal: Expresso-AI, ACII 2023"

    tables: ClassVar[tuple[Table, ...]] = (_PROFILE, _EXTREMES, _COURSE)

    frames: int = Field(4, ge=1, description="Top and bottom frames of each recording.")
    apart: float = Field(0.2, ge=0, description="Least time between two top (or bottom) frames, seconds.")
    bins: int = Field(10, ge=2, le=100, description="Parts of a recording for the course over its length.")
    traces: int = Field(8, ge=1, description="Largest number of Action Units drawn: those that vary most.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")

    def analyze(self, run: RunView) -> Analysis:
        """Return profiles, the frames of interest, and the course over recordings."""
        if run.relevance.empty:
            return Analysis(notes=["The course over time is not computed: nothing was explained."])
        profile = profiles(run.relevance)
        course = self._course(profile, run)
        tables = {"temporal_profile": profile, "frames_of_interest": self._frames(run), "relevance_course": course}
        charts = [self._heat_map(profile, run, name, role) for name, role in self._selected(run).items()]
        whole = [_course_chart(course)] if len(course) else []
        return Analysis(tables, [*whole, *charts], _course_notes(course))

    def _selected(self, run: RunView) -> dict[str, str]:
        from mien.report.selection import choose_recordings, outside_recordings

        explained = set(run.relevance["recording"])
        continuous = run.objective.continuous
        selected = choose_recordings(run.predictions, explained, continuous=continuous)
        chosen = {one.recording: one.role for one in selected}
        outside = outside_recordings(run.recordings, explained)
        return chosen | {name: f"out of distribution {i}" for i, name in enumerate(outside, 1)}

    def _frames(self, run: RunView) -> pd.DataFrame:
        import pandas as pd

        from mien.report.selection import extreme_frames

        found = []
        pairs = run.relevance[["method", "recording", "participant"]].drop_duplicates()
        totals = run.relevance[run.relevance["region"] == "total"]
        for method, recording, participant in pairs.itertuples(index=False):
            signed = getattr(run.methods.get(method), "signed", True)
            frames = extreme_frames(totals, method, recording, count=self.frames, signed=signed, apart_s=self.apart)
            place = {"method": method, "recording": recording, "participant": participant}
            found.append(frames.assign(**place)[[*place, *frames.columns]])
        return pd.concat([frames for frames in found if len(frames)] or found, ignore_index=True)

    def _course(self, profile: pd.DataFrame, run: RunView) -> pd.DataFrame:
        """Return the density of absolute relevance in each part of a recording, mean over participants."""
        import numpy as np
        import pandas as pd

        from mien.statistics import mean_interval

        lengths = run.recordings.set_index("recording")["duration_s"].astype("float64")
        outside = run.relevance.loc[run.relevance["split"] == "out_of_distribution", "recording"].unique()
        rows = profile[(profile["region"] == "total") & ~profile["recording"].isin(outside)]
        place = rows["time_s"] / rows["recording"].map(lengths).replace(0, np.nan)
        part = np.minimum((place * self.bins).fillna(0).clip(0), self.bins - 1).astype(int)
        found = []
        for method, own in rows.assign(part=part).groupby("method", sort=False):
            sums = own.groupby(["participant", "part"])["absolute"].agg(["sum", "size"])
            whole = sums.groupby("participant").sum()
            ratio = (sums["sum"] / whole["sum"].where(whole["sum"] > 0)) / (sums["size"] / whole["size"])
            people = ratio.unstack("part").reindex(columns=range(self.bins))
            mean, low, high = mean_interval(people, self.resamples, run.seed)
            middles = (np.arange(self.bins) + 0.5) / self.bins
            columns = {"position": middles, "density": mean, "low": low, "high": high, "participants": len(people)}
            found.append(pd.DataFrame({"method": method, **columns}))
        columns_of = ["method", "position", "density", "low", "high", "participants"]
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns_of)

    def _heat_map(self, profile: pd.DataFrame, run: RunView, recording: str, role: str) -> HeatMap:
        from mien.report.charts import HeatMap, HeatPanel, chart_name
        from mien.report.words import region_title

        own = profile[(profile["recording"] == recording) & ~profile["region"].isin(["total", "background"])]
        regions = [str(region) for region in own["region"].unique()]
        times = own.drop_duplicates("frame").sort_values("frame")
        x, columns = with_gaps(times["time_s"].tolist())
        panels = []
        for method, rows in own.groupby("method", sort=False):
            table = rows.pivot(index="region", columns="frame", values="signed")
            values = table.reindex(index=regions, columns=times["frame"]).to_numpy().tolist()
            spaced = [[math.nan if i is None else row[i] for i in columns] for row in values]
            panels.append(HeatPanel(name=str(method), values=spaced))
        return HeatMap(
            name=chart_name("time", role),
            title=f"Relevance by region over time: recording {recording} ({role})",
            caption="Signed relevance of each region in each frame, in the unit of the explained output; colours are "
            "symmetric about 0 and saturate at the 99th percentile of each panel. Gaps were not explained.",
            x_label="time, seconds",
            rows=[region_title(region) for region in regions],
            x=x,
            panels=panels,
            unit="relevance",
            traces=self._traces(run, recording, x),
            about=recording,
        )

    def _traces(self, run: RunView, recording: str, x: list[float]) -> list[LineSeries]:
        from mien.report.charts import LineSeries

        table = run.action_units
        own = table[table["recording"] == recording]
        own = own[(own["time_s"] >= x[0] - 0.5) & (own["time_s"] <= x[-1] + 0.5)]
        several = own["source"].nunique() > 1
        spreads = own.groupby(["source", "au"], sort=False)["intensity"].std().fillna(0)
        wanted = spreads.sort_values(ascending=False, kind="stable").index[: self.traces]
        series = []
        for source, au in sorted(wanted, key=lambda pair: (pair[0], pair[1])):
            rows = own[(own["source"] == source) & (own["au"] == au)].sort_values("frame")
            name = f"{au} ({source})" if several else str(au)
            series.append(LineSeries(name=name, x=rows["time_s"].tolist(), y=rows["intensity"].tolist()))
        return series


def profiles(relevance: pd.DataFrame) -> pd.DataFrame:
    """Return signed and absolute relevance of each region in each frame with a face, mean over windows."""
    seen = relevance[relevance["valid"]]
    columns = ["time_s", "signed", "absolute"]
    return seen.groupby(_KEYS, sort=False, observed=True)[columns].mean().reset_index()


def with_gaps(times: list[float]) -> tuple[list[float], list[int | None]]:
    """Return times with empty columns wherever frames are missing, and what stands in each column.

    Frames are missing where the step to the next is over 2.5 times the median step: resampling to a lower rate
    skips single frames, which is no gap.  The columns beside a gap keep the usual width.

    Returns
    -------
    times : list of float
    columns : list of int or None
        The index of the given time; None in a gap.
    """
    import numpy as np

    usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    filled: list[float] = []
    columns: list[int | None] = []
    for i, time in enumerate(times):
        gap = time - times[i - 1] if i else 0.0
        if gap > 2.5 * usual > 0:
            filled += [times[i - 1] + usual, time - usual]
            columns += [None, None]
        filled.append(time)
        columns.append(i)
    return filled, columns


def _course_chart(course: pd.DataFrame) -> LineChart:
    from mien.report.charts import LineChart, LineSeries

    series = [
        LineSeries(
            name=str(method),
            x=(100 * own["position"]).tolist(),
            y=own["density"].tolist(),
            low=own["low"].tolist(),
            high=own["high"].tolist(),
        )
        for method, own in course.groupby("method", sort=False)
    ]
    return LineChart(
        name="relevance_course",
        title="Relevance over the length of recordings",
        caption="Share of absolute relevance in each part of the recording over its share of the explained frames; "
        "mean over participants, with 95 % bootstrap band.",
        x_label="position in the recording, %",
        y_label="times chance",
        series=series,
        chance=1.0,
        chance_name="an even spread over time",
    )


_EVEN = 1e-3
"""Densities that differ less from 1 are told as an even spread: so is attention that each frame has as much of."""


def _course_notes(course: pd.DataFrame) -> list[str]:
    from mien.report.words import interval, number

    notes = []
    for method, own in course.groupby("method", sort=False):
        known = own[own["density"].notna()]
        if known.empty:
            notes.append(f"{method}: there is no relevance whose course could be told.")
            continue
        if (known["density"] - 1).abs().max() < _EVEN:
            notes.append(f"{method}: relevance is spread evenly over the recording.")
            continue
        top: Any = known.sort_values("density").iloc[-1]
        notes.append(
            f"{method}: relevance is highest around {100 * top['position']:.0f} % of the recording, "
            f"{number(top['density'])} times chance ({interval(top['low'], top['high'])})."
        )
    return notes

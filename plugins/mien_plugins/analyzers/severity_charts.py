"""The reference pipeline's figures: region relevance and Action Units by severity band, and top frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mien_plugins.analyzers.decisions import DECISIONS, TITLES, of_decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mien.interfaces import RunView
    from mien.report.charts import Chart, GroupedBars, GroupedPanel
    from mien.report.frame_charts import FrameBlock, FrameGrid, FramePicture

_ACROSS = 6  # frames in a row of the figure of frames
_APART_S = 0.5


def charts(
    run: RunView,
    tables: Mapping[str, pd.DataFrame],
    relevance: pd.DataFrame,
    explained: pd.DataFrame,
    bands: Mapping[str, float],
    figures: int,
) -> list[Chart]:
    """Return the figures of the first ``figures`` methods."""
    methods = [str(name) for name in relevance["method"].unique()][:figures]
    drawn: list[Chart] = [_regions(tables["severity_bands"], method, bands) for method in methods]
    units = tables.get("severity_bands_action_units")
    if units is not None:
        own = units[(units["kind"] == "intensity") & (units["region"] == "face") & units["method"].isin(methods)]
        pairs = own[["method", "source"]].drop_duplicates()
        drawn += [_units(own, str(method), str(source), bands) for method, source in pairs.itertuples(index=False)]
    return [*drawn, *(_frames(run, relevance, explained, bands, method) for method in methods)]


def _regions(table: pd.DataFrame, method: str, bands: Mapping[str, float]) -> GroupedBars:
    from mien.report.charts import GroupedBars, chart_name
    from mien.report.words import region_title

    own = table[(table["method"] == method) & (table["region"] != "total")]
    regions = [str(region) for region in own["region"].unique()]
    panels, missing = _panels(own, "region", regions, "share", ("share_low", "share_high"), bands)
    return GroupedBars(
        name=chart_name("severity_regions", method),
        title=f"Relevance by region and severity band ({method})",
        caption="Share of all absolute relevance: mean over held-out participants with 95 % bootstrap interval, where "
        "there are at least three. n is the number of participants. Regions overlap, so shares may add up to more "
        "than 1." + missing,
        y_label="share of absolute relevance",
        groups=[region_title(region) for region in regions],
        panels=panels,
    )


def _units(table: pd.DataFrame, method: str, source: str, bands: Mapping[str, float]) -> GroupedBars:
    from mien.report.charts import GroupedBars, chart_name

    own = table[(table["method"] == method) & (table["source"] == source)]
    units = sorted(str(au) for au in own["au"].unique())
    panels, missing = _panels(own, "au", units, "correlation", ("low", "high"), bands)
    return GroupedBars(
        name=chart_name("severity_action_units", method, source),
        title=f"The face's relevance against Action Units, by severity band ({method}, {source})",
        caption="Spearman correlation within windows of the whole face's signed relevance with an Action Unit's "
        "intensity: mean over windows, then over held-out participants, with 95 % bootstrap interval where there are "
        "at least three. n is the largest number of participants of a bar; no bar: undefined, because a series does "
        "not change." + missing,
        y_label="Spearman r",
        groups=units,
        panels=panels,
    )


def _panels(
    own: pd.DataFrame,
    by: str,
    groups: list[str],
    value: str,
    ends: tuple[str, str],
    bands: Mapping[str, float],
) -> tuple[list[GroupedPanel], str]:
    """Return a panel for each decision type with members, and a sentence about those without."""
    from mien.report.charts import GroupedPanel, GroupedSeries
    from mien.report.words import listed

    panels, missing = [], []
    for decision in DECISIONS:
        series = []
        for band in bands:
            rows = own[(own["decision"] == decision) & (own["band"] == band)].set_index(by).reindex(groups)
            low, high = (rows[end].tolist() for end in ends)
            certain = bool(rows[ends[0]].notna().any())
            series.append(
                GroupedSeries(
                    name=band,
                    values=rows[value].tolist(),
                    low=low if certain else (),
                    high=high if certain else (),
                    n=int(rows["participants"].max()),
                )
            )
        if any(one.n for one in series):
            panels.append(GroupedPanel(name=TITLES[decision].capitalize(), series=series))
        else:
            missing.append(TITLES[decision])
    return panels, f" Nobody is {listed(missing)} (n = 0)." if missing else ""


def _frames(
    run: RunView, relevance: pd.DataFrame, explained: pd.DataFrame, bands: Mapping[str, float], method: str
) -> FrameGrid:
    """Return the frames of highest relevance of one participant in each band and decision type."""
    from mien.report.charts import chart_name
    from mien.report.facts import drawn_face
    from mien.report.frame_charts import FrameGrid

    own = relevance[relevance["method"] == method]
    members = explained[explained["recording"].isin(own["recording"])]
    decisions = [name for name in DECISIONS[1:] if len(of_decision(members, name))] or [DECISIONS[0]]
    wide = max(1, _ACROSS // len(decisions)) if len(decisions) > 1 else _ACROSS - 1
    signed = bool(getattr(run.methods.get(method), "signed", True))
    rows = []
    for band in bands:
        of_band = members[members["band"] == band]
        blocks = [_block(own, _shown(of_decision(of_band, name), name), method, signed, wide) for name in decisions]
        rows.append((band, blocks))
    told = "red speaks for a higher output, blue against it" if signed else "orange is relevant"
    return FrameGrid(
        name=chart_name("severity_frames", method),
        title=f"Frames of highest relevance by severity band ({method})",
        caption="In each band and decision type the participant with the smallest error among correct (or all) "
        "decisions, with the largest among wrong ones, and the frames of highest total relevance in their videos, "
        f"half a second apart at least; nobody picked them. Colours: {told}. A drawn face shows each region's "
        "relevance as a part of the frame's absolute relevance, in colours that saturate at the largest (without sign: "
        "the darker, the more).",
        method=method,
        signed=signed,
        columns=[TITLES[name].capitalize() for name in decisions],
        rows=rows,
        wide=wide,
        face=drawn_face(run.scheme),
    )


def _shown(members: pd.DataFrame, decision: str) -> pd.DataFrame:
    """Return the recordings of the unit that is shown of a cell; empty for an empty cell."""
    if members.empty:
        return members
    errors = members["error"].abs()
    wanted = errors.min() if decision in ("overall", "correct") else errors.max()
    chosen = members.loc[errors == wanted, "unit"].min()
    shown: pd.DataFrame = members[members["unit"] == chosen]
    return shown


def _block(relevance: pd.DataFrame, unit: pd.DataFrame, method: str, signed: bool, wide: int) -> FrameBlock:
    import pandas as pd

    from mien.report.frame_charts import FrameBlock
    from mien.report.selection import even_frames, extreme_frames
    from mien.report.words import number

    if unit.empty:
        return FrameBlock(text="n = 0")
    found = []
    for recording in unit["recording"]:
        ranked = extreme_frames(relevance, method, recording, count=wide, signed=signed, apart_s=_APART_S)
        top = ranked[ranked["kind"] == "top"]
        # Attention that each frame has as much of ranks none.
        shown = top if len(top) else even_frames(relevance, method, recording, wide)
        if len(shown):
            found.append(shown.assign(recording=recording))
    if not found:
        return FrameBlock(text="no frame with a face")
    chosen = pd.concat(found).sort_values("value", ascending=False, kind="stable").head(wide)
    one: Any = unit.iloc[0]
    said = f"participant {one['participant']}: label {one['label']:.3g}, predicted {number(one['prediction'])}"
    pictures = [
        _picture(relevance, str(row["recording"]), int(row["frame"]), float(row["time_s"]), signed)
        for row in chosen.to_dict("records")
    ]
    return FrameBlock(text=said, frames=pictures)


def _picture(relevance: pd.DataFrame, recording: str, frame: int, time: float, signed: bool) -> FramePicture:
    from mien.report.frame_charts import FramePicture
    from mien.report.words import region_title

    rows = relevance[(relevance["recording"] == recording) & (relevance["frame"] == frame) & relevance["valid"]]
    means = rows.groupby("region", observed=True)[["signed", "absolute"]].mean()
    whole: Any = means["absolute"]["total"]
    parts = means["signed" if signed else "absolute"] / (whole if whole > 0 else float("nan"))
    values = {region_title(str(name)): float(value) for name, value in parts.items()}
    return FramePicture(recording=recording, frame=frame, text=f"{time:.2f} s", values=values)

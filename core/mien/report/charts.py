"""What a figure shows, without saying how it is drawn.

Analyzers give these; `mien.report.draw_plotly` draws them for the screen and `mien.report.draw_matplotlib`
for print.  Nothing heavy is imported here.  A value that could not be computed is NaN and leaves a gap.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

_NAME = re.compile(r"[^a-z0-9]+")


def chart_name(*parts: str) -> str:
    """Return a file name without extension, made of a-z, 0-9 and ``_``."""
    return _NAME.sub("_", "_".join(parts).lower()).strip("_") or "chart"


def free_name(name: str, taken: Collection[str], other: str = "") -> str:
    """Return a name that is not ``taken``: the name itself, else ``other``, else ``other_2``, ``other_3``, ..."""
    other = other or name
    names = itertools.chain([name, other], (f"{other}_{number}" for number in itertools.count(2)))
    return next(one for one in names if one not in taken)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Base of all charts.

    Attributes
    ----------
    name : str
        Unique in a report; the file name in ``figures/`` (see `chart_name`).
    title : str
        One line: what is shown.
    caption : str
        How to read it: intervals, units, number of participants.
    x_label, y_label : str
        With the unit.
    about : str
        The recording that the chart is of; it then stands beside that recording's pictures.  Empty: of all.
    """

    name: str
    title: str
    caption: str = ""
    x_label: str = ""
    y_label: str = ""
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class BarSeries:
    """The bars of one panel, one value a group.

    Attributes
    ----------
    low, high : sequence of float
        Ends of the interval of each value; empty for none.
    references : sequence of sequences of float
        For each group, values to compare with, e.g. one for each untrained network; empty for none.
    """

    name: str
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    references: Sequence[Sequence[float]] = ()


@dataclass(frozen=True, kw_only=True)
class BarChart(Chart):
    """Horizontal bars with intervals; each series is a small panel of its own over the same groups.

    Attributes
    ----------
    value_name, reference_name : str
        What the bars and the references are, for the legend.
    chance : float or None
        A line at the value that chance gives.
    """

    groups: Sequence[str]
    series: Sequence[BarSeries]
    value_name: str = "trained, with 95 % interval"
    reference_name: str = "untrained networks"
    chance: float | None = None
    chance_name: str = "chance"


@dataclass(frozen=True, kw_only=True)
class LineSeries:
    """One line; ``low`` and ``high`` are its band, empty for none."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class LineChart(Chart):
    """Lines over one pair of axes; ``chance`` draws a horizontal line."""

    series: Sequence[LineSeries]
    chance: float | None = None
    chance_name: str = "chance"


@dataclass(frozen=True, kw_only=True)
class PointGroup:
    """Points of one colour.

    Attributes
    ----------
    low, high : sequence of float
        Ends of the vertical interval of each point; empty for none.
    labels : sequence of str
        What a point is, shown when it is pointed at.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    labels: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class ScatterChart(Chart):
    """Points; ``identity`` draws the line y = x and gives both axes the same range; ``lines`` lie over them.

    Attributes
    ----------
    ordered : bool
        Whether the groups have an order, as bands do: their colours then go from light to dark.  Otherwise each has a
        colour of its own, and where there are more groups than colours, another mark too.
    """

    groups: Sequence[PointGroup]
    identity: bool = False
    ordered: bool = False
    lines: Sequence[LineSeries] = ()


@dataclass(frozen=True, kw_only=True)
class HeatPanel:
    """One map over the rows and the x axis of its chart: ``values[row][column]``."""

    name: str
    values: Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class HeatMap(Chart):
    """Rows by x, e.g. region by time; several panels share both axes, each with its own colour scale.

    Attributes
    ----------
    x : sequence of float
        Centres of the columns, increasing.  A gap is a column of NaN.
    signed : bool
        Colours symmetric about 0; otherwise from 0 upwards.
    unit : str
        Of the values, beside the colour scale.
    annotate : bool
        Write each value into its cell, with ``decimals`` digits after the point.
    x_names : sequence of str
        Names of the columns, where they are categories and not numbers.
    traces : sequence of LineSeries
        Drawn below on the same x axis, each in a lane of its own from 0 to ``trace_range``.
    limit : float or None
        One end of the colour scale for all panels; none: each panel's own robust maximum.
    """

    rows: Sequence[str]
    x: Sequence[float]
    panels: Sequence[HeatPanel]
    signed: bool = True
    unit: str = ""
    annotate: bool = False
    decimals: int = 2
    x_names: Sequence[str] = ()
    traces: Sequence[LineSeries] = ()
    trace_range: float = 5.0
    trace_unit: str = "AU intensity (each lane 0-5)"
    limit: float | None = None


@dataclass(frozen=True, kw_only=True)
class FacePanel:
    """Values of one drawn face, by the name of a patch."""

    name: str
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class FaceMap(Chart):
    """Values of regions on a drawn mean face: no picture of anyone.

    Attributes
    ----------
    points : sequence of (x, y)
        Mean landmarks, y downwards.
    edges : sequence of (int, int)
        Lines between points.
    patches : mapping of str to sequence of (x, y)
        The polygon of each region.
    outline : sequence of (x, y)
        The polygon of the whole face.
    signed : bool
        Colours symmetric about ``centre``.
    """

    points: Sequence[tuple[float, float]]
    edges: Sequence[tuple[int, int]]
    patches: Mapping[str, Sequence[tuple[float, float]]]
    panels: Sequence[FacePanel]
    outline: Sequence[tuple[float, float]] = field(default_factory=tuple)
    signed: bool = False
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class LandmarkPanel:
    """One value a landmark, in the order of the points; ``kept`` of them have a ring around, empty for none."""

    name: str
    values: Sequence[float]
    kept: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class LandmarkMap(Chart):
    """Values of landmarks on a drawn mean face: no picture of anyone.

    Attributes
    ----------
    points : sequence of (x, y)
        Mean landmarks, y downwards.
    edges : sequence of (int, int)
        Lines between points.
    signed : bool
        Colours symmetric about 0; otherwise from 0 upwards.
    unit : str
        Of the values, beside the colour scale, which all panels share.
    """

    points: Sequence[tuple[float, float]]
    edges: Sequence[tuple[int, int]]
    panels: Sequence[LandmarkPanel]
    signed: bool = False
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class MapPanel:
    """A map over the crop.

    Attributes
    ----------
    values : sequence of sequences of float
        ``values[row][column]``, from the top left.
    inside : sequence of sequences of float
        Of the same shape: how far a cell is filled by the face, 0 to 1; its outline is drawn at a half.
    """

    name: str
    values: Sequence[Sequence[float]]
    inside: Sequence[Sequence[float]] = ()


@dataclass(frozen=True, kw_only=True)
class MapGrid(Chart):
    """Rows of small square maps over the crop, without sign; each row has a name, and each map its own colour scale.

    Nobody's picture is in it: only the face's outline.
    """

    rows: Sequence[tuple[str, Sequence[MapPanel]]]


@dataclass(frozen=True, kw_only=True)
class GroupedSeries:
    """The bars of one colour in one panel, one value a group.

    Attributes
    ----------
    low, high : sequence of float
        Ends of the interval of each value (NaN for none); empty where no value has one.
    n : int or None
        Whom the bars stand for, e.g. participants, for the legend; 0 keeps its place in the legend without bars.
    """

    name: str
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    n: int | None = None


@dataclass(frozen=True, kw_only=True)
class GroupedPanel:
    """One panel of grouped bars; panels of a chart have the same series, with numbers of their own."""

    name: str
    series: Sequence[GroupedSeries]


def broken(name: str, letters: int) -> list[str]:
    """Return a name in lines of about so many letters; words stay whole."""
    return textwrap.wrap(name, max(4, letters), break_long_words=False) or [name]


@dataclass(frozen=True, kw_only=True)
class GroupedBars(Chart):
    """Upright bars side by side in groups, e.g. a group a region and a bar a severity band; panels below each other.

    Attributes
    ----------
    ordered : bool
        Whether the series have an order, as bands do: their colours then go from light to dark.
    """

    groups: Sequence[str]
    panels: Sequence[GroupedPanel]
    ordered: bool = True

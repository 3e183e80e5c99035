"""Charts are given once and drawn twice: valid Plotly figures, and vector files without a raster in them."""

from __future__ import annotations

import json
import math
import re

import plotly.graph_objects as go
import pytest

from mien.report import palette
from mien.report.charts import (
    BarChart,
    BarSeries,
    Chart,
    FaceMap,
    FacePanel,
    HeatMap,
    HeatPanel,
    LandmarkMap,
    LandmarkPanel,
    LineChart,
    LineSeries,
    PointGroup,
    ScatterChart,
    chart_name,
)
from mien.report.draw_matplotlib import figure as print_figure
from mien.report.draw_matplotlib import save
from mien.report.draw_plotly import div, figure, to_json
from mien.report.geometry import grid, heat_rows, value_limits
from mien.report.privacy import find_images

NAN = math.nan

BARS = BarChart(
    name="bars",
    title="Bars",
    groups=["mouth", "nose"],
    series=[
        BarSeries(name="a", values=[2.0, NAN], low=[1.5, NAN], high=[3.0, NAN], references=[[0.5, 1.2], []]),
        BarSeries(name="b", values=[-1.0, 0.5]),
    ],
    chance=1.0,
)
LINES = LineChart(
    name="lines",
    title="Lines",
    series=[LineSeries(name="a", x=[0, 1, 2], y=[1, NAN, 3], low=[0, 1, 2], high=[2, 3, 4])],
    chance=1.0,
)
POINTS = ScatterChart(
    name="points",
    title="Points",
    groups=[PointGroup(name="test", x=[0, 1], y=[0.5, 1], low=[0, 0.5], high=[1, 2], labels=["p0", "p1"])],
    identity=True,
)
HEAT = HeatMap(
    name="heat",
    title="Heat",
    rows=["mouth", "nose"],
    x=[0.0, 0.5, 1.0],
    panels=[HeatPanel(name="ig", values=[[1, -2, NAN], [0, 0.5, 1]]), HeatPanel(name="lrp", values=[[0] * 3] * 2)],
    traces=[LineSeries(name="AU12", x=[0.0, 0.5, 1.0], y=[0, 5, NAN])],
)
TABLE = HeatMap(
    name="table",
    title="Table",
    rows=["mouth"],
    x=[0, 1],
    x_names=["AU01", "AU12"],
    panels=[HeatPanel(name="ig", values=[[0.1, 0.9]])],
    annotate=True,
    limit=1.0,
)
FACE = FaceMap(
    name="face",
    title="Face",
    points=[(0, 0), (1, 0), (0.5, 1)],
    edges=[(0, 1), (1, 2)],
    patches={"mouth": [(0.4, 0.6), (0.6, 0.6), (0.5, 0.8)], "nose": [(0.4, 0.2), (0.6, 0.2), (0.5, 0.4)]},
    panels=[FacePanel(name="ig", values={"mouth": 3.0, "nose": NAN})],
)
LANDMARKS = LandmarkMap(
    name="landmarks",
    title="Landmarks",
    points=[(0, 0), (1, 0), (0.5, 1)],
    edges=[(0, 1), (1, 2)],
    panels=[LandmarkPanel(name="joy", values=[3.0, NAN, 1.0], kept=[0]), LandmarkPanel(name="fear", values=[0, 0, 0])],
    unit="share",
)
ALL = [BARS, LINES, POINTS, HEAT, TABLE, FACE, LANDMARKS]


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.name)
def test_plotly_accepts_the_figure(chart):
    drawn = json.loads(to_json(figure(chart)))
    assert go.Figure(drawn).data  # Plotly's own validation knows every property


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.name)
def test_print_files_are_vectors_and_repeat(chart, tmp_path):
    files = save(chart, tmp_path / "a", raster=False)
    assert [path.suffix for path in files] == [".pdf", ".svg"]
    assert find_images(tmp_path) == []
    again = save(chart, tmp_path / "b", raster=False)
    assert [path.read_bytes() for path in files] == [path.read_bytes() for path in again]


def test_a_raster_is_written_only_when_allowed(tmp_path):
    assert (save(LINES, tmp_path)[-1]).read_bytes().startswith(b"\x89PNG")
    assert find_images(tmp_path) == ["lines.png: PNG"]


def test_bars_carry_intervals_references_and_chance():
    drawn = figure(BARS)
    bar = drawn["data"][0]
    assert bar["error_x"]["array"][0] == pytest.approx(1.0)
    assert bar["error_x"]["arrayminus"][0] == pytest.approx(0.5)
    marks = drawn["data"][1]
    assert (marks["x"], marks["y"]) == ([0.5, 1.2], ["mouth", "mouth"])
    assert [shape["x0"] for shape in drawn["layout"]["shapes"]] == [1.0, 1.0]


def test_every_printed_panel_of_bars_says_its_scale():
    """Also one that has an empty place below it."""
    four = [BarSeries(name=name, values=[1, 2]) for name in "abcd"]
    drawn = print_figure(BarChart(name="b", title="", groups=["eye", "mouth"], series=four))
    drawn.draw_without_rendering()
    labelled = [any(tick.label1.get_visible() for tick in panel.xaxis.get_major_ticks()) for panel in drawn.axes[:4]]
    assert labelled == [True] * 4


def test_a_band_has_a_polygon_for_each_stretch_without_gaps():
    series = LineSeries(name="a", x=[0, 1, 2, 3], y=[1, 1, 1, 1], low=[0, 0.5, NAN, 0], high=[2, 1.5, NAN, 3])
    band = figure(LineChart(name="l", title="", series=[series]))["data"][0]
    assert band["x"] == [0, 1, 1, 0, None, 3, 3]
    assert band["y"] == [2, 1.5, 0.5, 0, None, 3, 0]


def test_signed_maps_are_symmetric_about_zero():
    heat, flat, *_ = figure(HEAT)["data"]
    assert heat["zmin"] == -heat["zmax"] == -2
    assert heat["colorscale"][3] == [0.5, "#f7f7f7"]
    assert (flat["zmin"], flat["zmax"]) == (-1.0, 1.0)  # nothing but zeros


def test_gaps_become_null_and_nothing_breaks_out_of_the_script():
    text = to_json({"a": [NAN, math.inf, 1], "b": "</script><b>&"})
    assert json.loads(text) == {"a": [None, None, 1], "b": "</script><b>&"}
    assert not re.search("[<>&]", text)


def test_names_are_shown_as_they_are():
    hostile = "<img src=x onerror=alert(1)>"
    chart = ScatterChart(name="s", title=hostile, groups=[PointGroup(name=hostile, x=[1], y=[1], labels=[hostile])])
    html = div(chart)
    assert "<img" not in html
    assert figure(chart)["data"][0]["text"] == ["&lt;img src=x onerror=alert(1)&gt;"]  # Plotly reads a little HTML


def test_math_in_a_name_is_text(tmp_path):
    series = [LineSeries(name="$broken_{math", x=[0, 1], y=[0, 1])]
    path = save(LineChart(name="m", title="$x^", series=series), tmp_path, raster=False)[1]
    assert "$broken_{math" in path.read_text()


def test_an_unknown_chart_is_refused():
    with pytest.raises(TypeError, match="no drawing for Chart"):
        figure(Chart(name="x", title="x"))


def test_panels_tile_the_figure():
    cells = grid(5, 3, gap_x=0.04, row_px=100, gap_px=20)
    assert cells.height == 220
    assert cells.domains[0] == ([0.0, pytest.approx(0.92 / 3)], [pytest.approx(120 / 220), 1])
    assert cells.domains[4][1] == [pytest.approx(0), pytest.approx(100 / 220)]
    stack = heat_rows(HEAT)
    assert stack.panels[0][1] == 1
    assert stack.traces[0] == pytest.approx(0)
    assert value_limits(BARS)[0] < -1
    assert value_limits(BARS)[1] > 3


def test_file_names_are_tame():
    assert chart_name("Time", "../p 01/ä.mp4") == "time_p_01_mp4"
    assert chart_name("***") == "chart"


def test_colours():
    assert palette.interpolate(("#000000", "#ffffff"), 0.5) == "#808080"
    assert palette.interpolate(palette.DIVERGING, 0.5) == "#f7f7f7"
    assert palette.robust_limit([[0.0, -1.0] + [0.5] * 98 + [100.0]]) == 1.0
    assert palette.robust_limit([[NAN]]) == 1.0
    assert palette.is_dark("#08306b")
    assert not palette.is_dark("#fddbc7")


def test_points_of_ordered_groups_go_from_light_to_dark():
    groups = [PointGroup(name=name, x=[0.0], y=[0.0]) for name in "abc"]
    chart = ScatterChart(name="bands", title="Bands", groups=groups, ordered=True)
    assert [trace["marker"]["color"] for trace in figure(chart)["data"]] == palette.ordered_colours(3)
    assert [line.get_color() for line in print_figure(chart).axes[0].lines] == palette.ordered_colours(3)


def test_more_groups_than_colours_are_told_apart_by_marks():
    groups = [PointGroup(name=str(i), x=[0.0], y=[0.0]) for i in range(20)]
    chart = ScatterChart(name="people", title="People", groups=groups)
    assert len({(trace["marker"]["color"], trace["marker"]["symbol"]) for trace in figure(chart)["data"]}) == 20
    lines = print_figure(chart).axes[0].lines
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 20

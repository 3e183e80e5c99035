"""Grouped bars and figures of frames: drawn on screen and in print, and nobody's face where it may not be shown."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from mien.errors import DataError
from mien.interfaces import Analysis
from mien.progress import QuietProgress
from mien.report import palette
from mien.report.charts import GroupedBars, GroupedPanel, GroupedSeries, broken
from mien.report.draw_matplotlib import save
from mien.report.draw_plotly import div, figure, to_json
from mien.report.frame_charts import DrawnFace, FrameBlock, FrameGrid, FramePicture
from mien.report.geometry import grouped_limits
from mien.report.html import permitted
from mien.report.material import ReportMaterial
from mien.report.privacy import Pseudonyms, find_images
from mien.steps import frame_pictures
from mien.steps.frame_pictures import with_frame_pictures
from mien.steps.publish import _rename

NAN = math.nan
BARS = GroupedBars(
    name="bands",
    title="Bands",
    y_label="share",
    groups=["mouth", "elsewhere in the face"],
    panels=[
        GroupedPanel(
            name=name,
            series=[
                GroupedSeries(name="minimal", values=[0.4, 0.1], low=[0.3, NAN], high=[0.5, NAN], n=3),
                GroupedSeries(name="mild", values=[NAN, NAN], n=0),
            ],
        )
        for name in ("All", "Correct")
    ],
)
FACE = DrawnFace(
    points=[(0, 0), (1, 0), (0.5, 1)], edges=[(0, 1), (1, 2)], patches={"mouth": [(0.4, 0.6), (0.6, 0.6), (0.5, 0.8)]}
)


def a_grid(**images):
    blocks = [
        FrameBlock(
            text=f"participant {name}: label 3, predicted 4",
            frames=[
                FramePicture(
                    recording=f"{name}_r",
                    frame=number,
                    text="0.10 s",
                    values={"mouth": 0.5 * number},
                    image=images.get(name, b""),
                )
                for number in (1, 2)
            ],
        )
        for name in ("anna", "berta")
    ]
    return FrameGrid(
        name="frames",
        title="Frames",
        method="ig",
        signed=True,
        columns=["Correct", "Over-estimated"],
        rows=[("minimal", blocks), ("mild", [FrameBlock(text="n = 0"), FrameBlock(text="n = 0")])],
        wide=2,
        face=FACE,
    )


def a_jpeg():
    return cv2.imencode(".jpg", np.full((40, 30, 3), 90, np.uint8))[1].tobytes()


@pytest.mark.parametrize("chart", [BARS, a_grid(), a_grid(anna=a_jpeg())], ids=["bars", "faces", "pictures"])
def test_both_renderers_draw_it(chart, tmp_path):
    assert go.Figure(json.loads(to_json(figure(chart)))).data
    paths = save(chart, tmp_path / "a")
    assert [path.suffix for path in paths] == [".pdf", ".svg", ".png"]
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in save(chart, tmp_path / "b")]


@pytest.mark.parametrize("chart", [BARS, a_grid()], ids=["bars", "faces"])
def test_without_pictures_print_files_are_vectors(chart, tmp_path):
    save(chart, tmp_path, raster=False)
    (tmp_path / "div.html").write_text(div(chart))
    assert find_images(tmp_path) == []


def test_a_picture_is_in_both():
    drawn = figure(a_grid(anna=a_jpeg()))
    assert len(drawn["layout"]["images"]) == 2
    assert drawn["layout"]["images"][0]["source"].startswith("data:image/jpeg;base64,")
    assert len(drawn["data"]) == 1 + 2 * 2  # the other two are drawn: a mesh and a mouth each


def test_grouped_bars_carry_their_numbers_and_intervals():
    drawn = figure(BARS)
    assert [bar["name"] for bar in drawn["data"][:2]] == ["minimal (n = 3)", "mild (n = 0)"]
    assert {bar["legend"] for bar in drawn["data"]} == {"legend", "legend2"}
    assert drawn["data"][0]["error_y"]["array"][0] == pytest.approx(0.1)
    assert "error_y" not in drawn["data"][1]
    assert grouped_limits(BARS)[0] == 0
    assert grouped_limits(BARS)[1] > 0.5
    empty = GroupedBars(name="e", title="e", groups=[], panels=[])
    assert grouped_limits(empty) == (0.0, 0.06)
    assert figure(empty)["layout"]


def test_ordered_colours_grow_darker():
    def luminance(colour):
        return sum(w * int(colour[i : i + 2], 16) for w, i in ((0.2126, 1), (0.7152, 3), (0.0722, 5)))

    colours = palette.ordered_colours(6)
    assert [luminance(c) for c in colours] == sorted((luminance(c) for c in colours), reverse=True)
    assert palette.ordered_colours(1) == [palette.ORDERED[0]]
    assert palette.value_colour(NAN, signed=True) == "#ffffff"
    assert palette.value_colour(-1.0, signed=True) == palette.DIVERGING[0]
    assert palette.value_colour(2.0, signed=False) == palette.SEQUENTIAL[-1]


def test_long_names_are_broken_between_words():
    assert broken("elsewhere in the face", 12) == ["elsewhere in", "the face"]
    assert broken("", 12) == [""]


def test_colours_of_drawn_faces_saturate_at_the_largest_region():
    assert a_grid().limit == 1.0
    assert a_grid().recordings() == {"anna_r": [1, 2], "berta_r": [1, 2]}


# Privacy


def images_of(chart):
    return {one.recording for _, blocks in chart.rows for block in blocks for one in block.frames if one.image}


@pytest.mark.parametrize(
    ("faces", "left"), [("full", {"anna_r", "berta_r"}), ("consented", {"berta_r"}), ("none", set())]
)
def test_the_report_shows_only_who_may_be_shown(faces, left):
    grid = a_grid(anna=a_jpeg(), berta=a_jpeg())
    recordings = pd.DataFrame({"recording": ["anna_r", "berta_r"], "consent": [False, True]})
    material = ReportMaterial(
        {}, {}, {}, {"recordings": recordings}, analyses={"bands": Analysis(charts=[grid])}, faces=faces
    )
    (chart,) = permitted(material).analyses["bands"].charts
    assert images_of(chart) == left


def test_a_report_with_pseudonyms_has_neither_names_nor_pictures():
    names = Pseudonyms({"anna": "P001", "berta": "P002"}, {"anna_r": "P001-1", "berta_r": "P002-1"})
    renamed = _rename(a_grid(anna=a_jpeg()), names)
    assert not images_of(renamed)
    assert "anna" not in to_json(figure(renamed))
    assert renamed.recordings() == {"P001-1": [1, 2], "P002-1": [1, 2]}


def a_run(layout="video"):
    recordings = [SimpleNamespace(id=f"{name}_r", consent=name == "berta") for name in ("anna", "berta")]
    return SimpleNamespace(source=SimpleNamespace(spec=SimpleNamespace(layout=layout), recordings=recordings))


@pytest.mark.parametrize(
    ("faces", "layout", "drawn"),
    [
        ("full", "video", {"anna_r", "berta_r"}),
        ("consented", "video", {"berta_r"}),
        ("none", "video", set()),
        ("full", "landmarks", set()),
    ],
)
def test_only_recordings_that_may_be_shown_are_read(monkeypatch, faces, layout, drawn):
    read = []

    def images(chart, view, recording, numbers, pooling):
        read.append(recording)
        return {(recording, number): b"jpeg" for number in numbers}

    monkeypatch.setattr(frame_pictures, "_images", images)
    analyses = {"bands": Analysis(charts=[BARS, a_grid()])}
    found, notes = with_frame_pictures(analyses, a_run(layout), SimpleNamespace(faces=faces), None, QuietProgress())
    assert set(read) == drawn
    assert images_of(found["bands"].charts[1]) == drawn
    assert found["bands"].charts[0] is BARS
    assert notes == []


def test_a_video_that_cannot_be_read_costs_its_pictures_and_a_note(monkeypatch):
    def images(chart, view, recording, numbers, pooling):
        if recording == "anna_r":
            raise DataError("The video is damaged.")
        return {(recording, number): b"jpeg" for number in numbers}

    monkeypatch.setattr(frame_pictures, "_images", images)
    analyses = {"bands": Analysis(charts=[a_grid()])}
    found, notes = with_frame_pictures(analyses, a_run(), SimpleNamespace(faces="full"), None, QuietProgress())
    assert images_of(found["bands"].charts[0]) == {"berta_r"}
    assert notes == ["No frames of recording anna_r: The video is damaged."]

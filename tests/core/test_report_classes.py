"""A report of classes: names and counts in place of means and errors; and one of landmarks, which are no pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mien.report import words
from mien.report.charts import HeatMap, MapGrid, MapPanel
from mien.report.classes import class_chart, class_grid, class_line, class_name
from mien.report.draw_plotly import figure
from mien.report.facts import metrics_grid
from mien.report.html import render
from mien.report.sections import content
from mien.report.selection import choose_recordings, even_frames, extreme_frames, participant_errors
from mien.testing.material import report_material

CLASSES = ("anger", "fear", "joy")


def table(rows, split="test"):
    """Return predictions: of each (participant, recording, label), the classes that its windows were given."""
    return pd.DataFrame(
        [
            {
                "recording": f"{person}_{recording}", "participant": person, "session": f"{person}_{recording}",
                "split": split, "fold": 0, "window": window, "label": label, "prediction": float(given),
            }
            for person, recording, label, classes in rows
            for window, given in enumerate(classes)
        ]
    )  # fmt: skip


ROWS = [
    ("a", "r0", 0.0, (0, 0, 2)),  # anger by most windows
    ("a", "r1", 2.0, (2, 2, 2)),
    ("b", "r0", 0.0, (1, 1, 2)),  # never right
    ("b", "r1", 1.0, (1, 1, 1)),
]


def test_recordings_are_counted_by_the_class_of_most_of_their_windows():
    chart = class_chart(pd.concat([table(ROWS), table([("c", "r0", 2.0, (1,))], "train")]), CLASSES, "emotion")
    assert isinstance(chart, HeatMap)
    assert (list(chart.rows), list(chart.x_names)) == (list(CLASSES), list(CLASSES))
    test, train = chart.panels
    assert (test.name, train.name) == ("held out (test), 4 recordings", "training, 1 recording")
    assert test.values == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert train.values == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert "emotion" in chart.x_label


def test_of_people_with_one_label_each_people_are_counted():
    chart = class_chart(table([("a", "r0", 0.0, (0,)), ("a", "r1", 0.0, (0,)), ("b", "r0", 1.0, (0,))]), CLASSES, "x")
    assert [(panel.name, panel.values) for panel in chart.panels] == [
        ("held out (test), 2 participants", [[1, 0, 0], [1, 0, 0], [0, 0, 0]])
    ]


def test_classes_without_a_name_are_told_by_their_labels():
    chart = class_chart(table([("a", "r0", 3.0, (7,))]), (), "grade")
    assert list(chart.rows) == ["3", "7"]
    assert [class_name(CLASSES, label) for label in (1.0, 5.0, 0.5)] == ["fear", "5", "0.5"]


def test_without_labels_there_is_neither_chart_nor_table():
    nothing = table(ROWS).assign(label=np.nan)
    assert class_chart(nothing, CLASSES, "emotion") is None
    assert class_grid(nothing, CLASSES) is None


def test_the_table_names_both():
    found = class_grid(table(ROWS), CLASSES)
    assert list(found.headers) == ["participant", "recording", "side", "label", "prediction"]
    assert list(found.rows[2]) == ["b", "b_r0", "held out (test)", "anger", "fear"]


def test_a_recording_is_told_in_words():
    own = table([ROWS[0]])
    assert class_line(own, CLASSES, "emotion") == "Predicted emotion: anger, in 2 of 3 windows; the label is anger."
    assert class_line(own[:1], CLASSES, "emotion").startswith("Predicted emotion: anger, in its one window; ")
    assert class_line(own.assign(label=np.nan), CLASSES, "emotion").endswith(
        "in 2 of 3 windows; the label is not known."
    )


def test_worst_are_those_most_often_wrong_and_not_those_whose_classes_are_far_apart():
    rows = [("far", "r0", 0.0, (2, 0, 0)), ("near", "r0", 1.0, (2, 2, 1)), ("right", "r0", 2.0, (2, 2, 2))]
    chosen = {one.role: (one.participant, one.error) for one in choose_recordings(table(rows), continuous=False)}
    assert chosen == {
        "worst": ("near", pytest.approx(2 / 3)), "median": ("far", pytest.approx(1 / 3)), "best": ("right", 0.0)
    }  # fmt: skip
    assert choose_recordings(table(rows).assign(label=np.nan), continuous=False) == []


def test_errors_for_several_labels_of_one_person_do_not_cancel():
    scores = table([("a", "r0", 10.0, (20,)), ("a", "r1", 30.0, (20,)), ("b", "r0", 10.0, (13,))])
    assert participant_errors(scores).to_dict() == {"a": 10.0, "b": 3.0}


def _material(**changes):
    material = report_material()
    predictions = pd.concat([table(ROWS), table([("c", "r0", 2.0, (1,))], "train")])
    tables = {**material.tables, "predictions": predictions}
    return replace(material, tables=tables, selected={"b_r0": "worst"}, classes=CLASSES, **changes)


def test_the_report_of_classes_has_no_mean_of_them():
    material = _material()
    shown = content(material)
    assert isinstance(shown.predictions, HeatMap)
    assert "the label is anger" in shown.examples[0].lines[0]
    html = render(material, shown)
    assert "wrong class" in html
    assert "standardised labels" not in html
    assert "absolute error among" not in html
    assert "perfect prediction" not in html


def test_a_report_of_landmarks_speaks_of_no_pixels():
    html = render(material := _material(layout="landmarks"), content(material))
    assert "how much each landmark contributed" in html
    assert "red speaks for" not in html
    asked = " ".join(words.asked({"cropper": {"use": "points", "width": 9, "height": 9}}, "landmarks"))
    assert "without pixels, with “points”" in asked
    assert "9 ×" not in asked


@pytest.mark.parametrize(("share", "said"), [(0, "one after the other"), (0.5, "overlapping by 50 %")])
def test_windows_that_do_not_overlap_are_said_to_follow_each_other(share, said):
    assert said in " ".join(words.asked({"windows": {"frames": 16, "overlap": share}}))


def test_the_headline_of_classes_is_how_often_they_are_right():
    metric = {
        "metric": "accuracy",
        "split": "test",
        "level": "recording",
        "value": 0.28,
        "low": 0.17,
        "high": 0.33,
        "n": 18,
    }
    (said,) = words.headlines({"metrics": [metric], "level": "recording", "held_out": 3, "recordings": 1})[:1]
    assert said == (
        "On 18 recordings of 3 held-out participants, the predicted class is right in 28 % (95 % interval 17 % to "
        "33 %). So few participants show nothing about others."
    )
    bare = words.headlines({"metrics": [{**metric, "low": None, "high": None, "n": 9}], "level": "recording"})[0]
    assert "(no interval: too few participants)" in bare
    assert "So few" not in bare
    undefined = words.headlines({"metrics": [{**metric, "value": None}], "level": "recording", "recordings": 2})
    assert undefined == ["All 2 recordings could be used."]


def test_metrics_of_other_objectives_are_told_in_words():
    row = {"split": "test", "subset": "all", "level": "recording", "metric": "balanced_accuracy"}
    grid = metrics_grid(pd.DataFrame([{**row, "value": 0.5, "low": 0.4, "high": 0.6, "n": 9}]), ["recording"])
    assert "balanced accuracy" in grid.rows[0]


def test_names_of_rows_of_maps_are_broken_rather_than_cut_off():
    panels = [MapPanel(name="gaze", values=[[0.0, 1.0]])]
    chart = MapGrid(name="maps", title="Maps", rows=[("mean over 12 <participants>", panels)])
    texts = [one["text"] for one in figure(chart)["layout"]["annotations"]]
    assert "<b>mean over 12<br>&lt;participants&gt;</b>" in texts


def test_rounded_numbers_have_the_digits_that_were_asked_for():
    assert [words.number(value, 2) for value in (0.9996, 1.0003, 0.994, 0.0999, 9.96)] == [
        "1.0", "1.0", "0.99", "0.10", "10",
    ]  # fmt: skip
    assert words.number(0.0) == "0.00"


def test_frames_that_all_have_as_much_are_not_ranked():
    rows = pd.DataFrame({"method": "attention", "recording": "r", "region": "total", "valid": True, "frame": range(10)})
    rows = rows.assign(time_s=rows["frame"] / 25, signed=0.125, absolute=0.125 + 1e-8 * (rows["frame"] % 2))
    assert extreme_frames(rows, "attention", "r", signed=False, apart_s=0).empty
    shown = even_frames(rows, "attention", "r")
    assert shown["frame"].tolist() == [1, 3, 6, 8]
    assert set(shown["kind"]) == {""}
    assert even_frames(rows[:2], "attention", "r")["frame"].tolist() == [0, 1]
    assert even_frames(rows[:0], "attention", "r").empty

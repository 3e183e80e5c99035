"""The report says what adds up, to what, and what it is compared with."""

from __future__ import annotations

import pandas as pd

from mien.report.completeness import baseline_grid, bias_grid, completeness_grid, without_relevance
from mien.report.methods import methods_text
from mien.tables import conform


def explanations() -> pd.DataFrame:
    """Two methods on two clips; one promises no sum, and gave one clip nothing."""
    rows = [
        {"method": "ig", "window": 0, "output": 2.0, "gap": 0.1, "relative_gap": 0.05, "flagged": True, "absolute": 3},
        {"method": "ig", "window": 1, "output": -1.0, "gap": 0.0, "relative_gap": 0.0, "flagged": False, "absolute": 2},
        {"method": "cam", "window": 0, "output": 2.0, "flagged": False, "absolute": 0.0},
        {"method": "cam", "window": 1, "output": -1.0, "flagged": False, "absolute": 1.0},
    ]
    table = pd.DataFrame(rows).assign(recording="r", baseline_output=0.0, seconds=0.5, steps=float("nan"))
    promises = {"ig": "approximate", "cam": "not applicable"}
    return conform("explanations", table.assign(completeness=table["method"].map(promises)))


def test_what_promises_no_sum_is_not_applicable() -> None:
    grid = completeness_grid(explanations())
    cells = {row[0]: dict(zip(grid.headers, row, strict=True)) for row in grid.rows}
    assert cells["ig"]["promise"] == "approximate"
    assert cells["ig"]["flagged"] == "1"
    for column in ("promise", "flagged", "median gap", "largest gap"):
        assert cells["cam"][column] == "not applicable"


def test_a_table_of_an_older_version_is_read_too() -> None:
    older = explanations().drop(columns=["completeness", "absolute"])
    grid = completeness_grid(older)
    assert [row[2] for row in grid.rows] == ["", "not applicable"]
    assert without_relevance(older) == []


def test_clips_without_relevance_are_counted() -> None:
    (sentence,) = without_relevance(explanations())
    assert sentence.startswith("cam: 1 clip of 2 got no relevance")


def test_what_biases_took_is_a_row_for_each_layer() -> None:
    taken = pd.DataFrame(
        {
            "method": "ig",
            "recording": "r",
            "window": [0, 1, 0, 1, 0],
            "name": ["bias", "bias", "bias of head", "bias of head", "steps"],
            "value": [1.0, -0.5, 0.5, -1.0, 16],
        }
    )
    grid = bias_grid(explanations(), conform("diagnostics", taken))
    assert [row[:2] for row in grid.rows] == [["ig", "all"], ["ig", "head"]]
    assert [float(cell) for cell in grid.rows[0][2:]] == [0.25, 0.5]  # mean of 1 and -0.5; 0.75 over 1.5
    assert bias_grid(explanations(), conform("diagnostics", taken[taken["name"] == "steps"])) is None
    assert bias_grid(explanations(), pd.DataFrame()) is None


def test_what_clips_are_compared_with_is_said_in_the_report_and_in_the_methods() -> None:
    record = {"compared_with": {"explain.methods.ig": "the mean of its own frames: it is blind to what is still"}}
    assert baseline_grid(record, ["ig", "saliency"]).rows == [
        ["ig", "the mean of its own frames: it is blind to what is still"],
        ["saliency", "nothing: it has no baseline, and says where, not how much"],
    ]
    assert baseline_grid(record, ["saliency"]) is None
    assert baseline_grid({}, ["ig"]) is None
    whole = {
        **record,
        "plugins": {}, "versions": {}, "python": "3", "device": "cpu", "seed": 0, "notice": "",
        "config": {
            "windows": {"frames": 8, "dilation": 1, "overlap": 0, "max_invalid": 0},
            "explain": {"methods": {"ig": {}, "cam": {}}, "controls": {"networks": 0}},
            "pooling": {"shape": "hull", "padding": 0},
        },
    }  # fmt: skip
    text = " ".join(methods_text(whole).sentences)
    assert "ig compares a clip with the mean of its own frames" in text
    assert "cam compares" not in text

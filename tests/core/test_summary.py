"""The summary of a synthetic run with planted shares: mouth .75 of the relevance on 20 of 100 pixels."""

import math

import pandas as pd

from mien.run.summary import headline_level, region_findings, summarise
from mien.tables import empty
from mien.testing import tables as made

PEOPLE = ["p0", "p1", "p2", "p3"]


def _tables():
    return {
        "recordings": made.recordings(PEOPLE),
        "predictions": made.predictions(PEOPLE),
        "relevance": made.relevance(PEOPLE),
        "control_relevance": made.control_relevance(PEOPLE),
        "explanations": empty("explanations"),
        "metrics": empty("metrics"),
        "evaluation": empty("evaluation"),
    }


def test_the_densest_region_is_the_planted_one():
    first = region_findings(made.relevance(PEOPLE), made.control_relevance(PEOPLE), seed=0)[0]
    # Of the face's relevance (.98) the mouth has .75, on 20 of the face's 80 pixels.
    assert first.region == "mouth"
    assert math.isclose(first.density, (0.75 / 0.98) / (20 / 80))
    assert math.isclose(first.untrained_highest, 1.0)
    assert math.isclose(first.low, first.density)
    assert math.isclose(first.high, first.density)
    assert first.participants == 4


def test_regions_without_pixels_have_no_density():
    found = {f.region: f for f in region_findings(made.relevance(PEOPLE), made.control_relevance(PEOPLE), seed=0)}
    assert found["right_eye"].density is None


def test_frames_without_a_face_do_not_count():
    relevance = made.relevance(PEOPLE)
    spoilt = relevance.assign(
        absolute=relevance["absolute"].where(relevance["region"] != "nose", 1e6), valid=False, frame=99
    )
    found = region_findings(pd.concat([relevance, spoilt]), made.control_relevance(PEOPLE), seed=0)
    assert found == region_findings(relevance, made.control_relevance(PEOPLE), seed=0)


def test_two_participants_have_no_interval():
    found = region_findings(made.relevance(PEOPLE[:2]), made.control_relevance(PEOPLE[:2]), seed=0)
    assert found[0].low is None


def test_the_skill_is_that_of_all_held_out_participants():
    row = {"split": "test", "level": "participant", "test": "bootstrap", "p": math.nan, "n": 4, "note": ""}
    skills = [
        {**row, "subset": "unseen_persons", "statistic": "rmse_skill", "value": 0.1, "low": 0.0, "high": 0.2},
        {**row, "subset": "all", "statistic": "rmse", "value": 9.0, "low": 8.0, "high": 10.0},
        {**row, "subset": "all", "statistic": "rmse_skill", "value": 0.5, "low": 0.25, "high": math.nan},
    ]
    summary = summarise(_tables() | {"evaluation": pd.DataFrame(skills)}, title="t", seed=0, notes=[])
    assert summary.skill is not None
    assert (summary.skill.value, summary.skill.low, summary.skill.high) == (0.5, 0.25, None)
    assert summarise(_tables(), title="t", seed=0, notes=[]).skill is None


def test_counts_and_exit_code():
    tables = _tables()
    assert summarise(tables, title="t", seed=0, notes=[]).exit_code == 0
    tables["recordings"].loc[0, "status"] = "excluded"
    summary = summarise(tables, title="t", seed=0, notes=["a gap"])
    assert (summary.exit_code, summary.recordings, summary.set_aside, summary.participants) == (1, 3, 1, 3)
    assert summary.notes == ["a gap"]
    assert summary.held_out == 3


def test_what_failed_is_told_by_the_exit_code():
    assert summarise(_tables(), title="t", seed=0, notes=[], incomplete=True).exit_code == 1


def test_predictions_are_judged_where_the_labels_are():
    one_each = made.recordings(PEOPLE)
    assert headline_level(one_each) == "participant"
    several = pd.concat([one_each, one_each.assign(label=one_each["label"] + 10)])
    assert headline_level(several) == "recording"


def test_videos_out_of_distribution_are_counted_only_where_there_is_nothing_else():
    tables = _tables()
    tables["recordings"].loc[0, "split"] = "out_of_distribution"
    assert summarise(tables, title="t", seed=0, notes=[]).participants == 3
    tables["recordings"]["split"] = "out_of_distribution"
    assert summarise(tables, title="t", seed=0, notes=[]).participants == 4


def test_nothing_explained_gives_no_findings():
    assert region_findings(empty("relevance"), empty("control_relevance"), seed=0) == []

"""The audit for artefacts on planted maps: a badge, a headset, a caption, and clean faces.

The face is a disc in the middle of the crop.  Heads move by whole pixels from frame to frame, so that what stays with
the image and what stays with the face are different places.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from mien.regions.bits import bit, region_names
from mien.regions.pooling import pool_cells, region_rows
from mien.registry import load_registry
from mien.report.charts import MapGrid
from mien.report.draw_matplotlib import save
from mien.report.draw_plotly import div
from mien.report.frame_charts import FrameGrid
from mien.report.privacy import find_images
from mien.steps.analyze import as_described
from mien.tables import conform, empty
from mien.types import ClipBatch, ClipKey
from mien_plugins.analyzers import artifact_audit_words as words
from mien_plugins.analyzers.artifact_audit import ArtifactAudit
from mien_plugins.analyzers.artifact_audit_clusters import cluster
from mien_plugins.analyzers.artifact_audit_places import hint, hottest_share, stays_with

SIZE, FRAMES, IMAGE = 64, 4, 128
DOWN, ACROSS = np.mgrid[:SIZE, :SIZE]
FACE = ((DOWN - 32) / 26) ** 2 + ((ACROSS - 32) / 20) ** 2 < 1
MOUTH = FACE & (abs(DOWN - 45) < 5) & (abs(ACROSS - 32) < 8)


def block(x, y, half=4):
    """A square in the crop."""
    return (abs(DOWN - y) <= half) & (abs(ACROSS - x) <= half)


def worn(mask):
    """What stays with the face, in every frame."""
    return lambda moves: np.stack([mask for _ in moves])


def in_image(mask):
    """What stays with the image: it moves through the crop as the head moves through the image."""
    return lambda moves: np.stack([np.roll(mask, (y, x), (0, 1)) for x, y in moves])


BADGE, HEADSET = in_image(block(54, 8)), worn(block(8, 33))
CAPTION = in_image((abs(DOWN - 56) < 3) & (abs(ACROSS - 32) < 24) & ~FACE)


def a_run(cue, part, *, people=5, clips=2, face=FACE, untrained=(), silent=0, groups=None, move=4):
    """A run in which ``part`` of the relevance lies on the cue, evenly, half of the rest on the mouth."""
    rng = np.random.default_rng(1)
    batches, maps, rows = {}, {}, []
    for person in range(people):
        for window in range(clips):
            key = ClipKey(f"p{person}_r", f"p{person}", window)
            moves = rng.integers(-move, move + 1, (FRAMES, 2))
            here = cue if groups is None else groups[(person * clips + window) % len(groups)]
            painted = _painted(here(moves), part, rng) * (0 if len(maps) < silent else 1 + person)
            batches[key], maps[key] = _batch(key, moves, face), painted
            cells = pool_cells(torch.from_numpy(painted)[None, None], batches[key])
            rows.append(cells.assign(participant=key.participant))
    relevance = region_rows(pd.concat(rows, ignore_index=True).assign(method="ig", split="test"), region_names)
    return _view(batches, maps, conform("relevance", relevance), untrained)


def _painted(cue, part, rng):
    noise = rng.uniform(0.9, 1.1, cue.shape) * rng.choice([-1, 1], cue.shape)
    spread = [cue / cue.sum(), np.where(MOUTH, 1.0, 0.0) / MOUTH.sum() / FRAMES, np.full(cue.shape, 1 / cue.size)]
    return noise * (part * spread[0] + (1 - part) * (spread[1] + spread[2]) / 2)


def _batch(key, moves, face):
    bits = np.where(face, bit("face"), 0) | np.where(MOUTH, bit("mouth") | bit("face"), 0)
    transforms = np.tile(np.eye(2, 3), (FRAMES, 1, 1, 1))
    transforms[:, 0, :, 2] = moves - 32  # the crop shows the middle of the image, moved with the head
    numbers = torch.arange(FRAMES)[None]
    return ClipBatch(
        inputs=torch.zeros(1, 3, FRAMES, SIZE, SIZE),
        regions=torch.from_numpy(np.tile(bits, (1, FRAMES, 1, 1))).int(),
        region_names=region_names,
        times=numbers / 25,
        frames=numbers,
        valid=torch.ones(1, FRAMES, dtype=torch.bool),
        keys=[key],
        labels=torch.zeros(1),
        transforms=torch.from_numpy(transforms)[None],
    )


def _view(batches, maps, relevance, untrained):
    keys = pd.DataFrame(
        [(k.recording, k.participant, k.window) for k in maps], columns=["recording", "participant", "window"]
    )
    recordings = keys[["recording", "participant"]].drop_duplicates().assign(width_px=IMAGE, height_px=IMAGE)
    people = keys["participant"].str[1:].astype(float)
    return SimpleNamespace(
        recordings=recordings,
        relevance=relevance,
        control_relevance=_controls(relevance, untrained),
        predictions=keys.assign(label=people, prediction=people + keys["window"], split="test"),
        methods={"ig": SimpleNamespace(signed=True)},
        scheme=load_registry().scheme("mediapipe_478"),
        clips=lambda wanted=None: [batches[key] for key in (wanted or batches)],
        maps=lambda method, key: maps[key],
        seed=0,
    )


def _controls(relevance, shares):
    """Untrained networks with these shares of relevance outside the face."""
    if not shares:
        return empty("control_relevance")
    keys = ["method", "recording", "participant", "split", "window", "region"]
    sums = relevance.groupby(keys, sort=False, observed=True)[
        ["signed", "positive", "negative", "absolute", "area"]
    ].sum()
    parts = []
    for number, share in enumerate(shares):
        own = sums.reset_index().assign(kind="untrained", network=number)
        held = {"background": share, "elsewhere_face": 1 - share, "total": 1.0}
        own["absolute"] = own["region"].astype(str).map(held).fillna(0.0)
        parts.append(own)
    return conform("control_relevance", pd.concat(parts, ignore_index=True))


def batch_keys(run):
    return [key for batch in run.clips() for key in batch.keys]


def audit(run, **fields):
    analyzer = ArtifactAudit(**fields)
    return as_described(analyzer, analyzer.analyze(run), run.recordings)


def first(analysis, table="artifact_audit"):
    return analysis.tables[table].iloc[0]


@pytest.mark.parametrize(
    ("cue", "place", "stays", "said"),
    [
        (BADGE, "the upper right corner", "image", "a badge, a logo or the backdrop"),
        (HEADSET, "beside the ear on the left", "face", "a headset would be there"),
        (CAPTION, "a strip along the bottom", "image", "a caption would be there"),
    ],
    ids=["badge", "headset", "caption"],
)
def test_planted_artefacts_alarm_and_are_placed(cue, place, stays, said):
    analysis = audit(a_run(cue, 0.6))
    row = first(analysis)
    assert row["alarm"]
    assert row["place"] == place
    assert row["stays_with"] == stays
    assert row["flagged"] >= 4
    assert analysis.notes[0].startswith("Warning, ig:")
    assert said in analysis.notes[0]
    assert "nothing has looked at the picture" in analysis.notes[0]
    remark = analysis.method_remarks["ig"]
    assert remark.level == "bad"
    assert place in remark.text


def test_a_clean_face_gives_no_alarm():
    analysis = audit(a_run(BADGE, 0.0, untrained=(0.3, 0.4)))
    row = first(analysis)
    assert not row["alarm"]
    assert row["flagged"] == 0
    assert row["place_ratio_high"] < 0.5
    assert analysis.notes[0].startswith("ig: no alarm.")
    assert not analysis.method_remarks


def test_shares_and_ratios_are_those_of_the_planted_map():
    row = first(audit(a_run(HEADSET, 0.6)))
    area = 1 - FACE.mean()
    on_cue, even = (block(8, 33) & ~FACE).sum() / block(8, 33).sum(), area
    share = 0.6 * on_cue + 0.2 * even
    assert row["area_share"] == pytest.approx(area)
    assert row["share"] == pytest.approx(share, rel=0.01)
    assert row["ratio"] == pytest.approx((share / area) / ((1 - share) / (1 - area)), rel=0.01)
    assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    assert row["participants"] == 5
    assert row["clips"] == 10


def test_a_participant_with_more_relevance_counts_once():
    """Relevance grows fivefold over the participants; each has the same share."""
    people = audit(a_run(BADGE, 0.6)).tables["artifact_audit_participants"]
    assert people["share"].std() < 0.02
    assert first(audit(a_run(BADGE, 0.6)))["share"] == pytest.approx(people["share"].mean())


def test_what_untrained_networks_show_too_is_no_alarm_of_the_background():
    everywhere = worn(~FACE)
    alone, beside = (first(audit(a_run(everywhere, 0.9, untrained=shares))) for shares in ((0.3,), (0.3, 0.99)))
    assert alone["background_alarm"]
    assert not beside["background_alarm"]
    area = 1 - FACE.mean()
    assert beside["untrained_ratio_highest"] == pytest.approx((0.99 / area) / (0.01 / (1 - area)))
    assert beside["untrained_networks"] == 2


CORNER = worn(block(54, 8) & ~FACE)


def sayings(analysis):
    """All that the audit says to a reader."""
    return " ".join([*analysis.notes, *(remark.text for remark in analysis.method_remarks.values())])


def assert_readable(analysis):
    for never in (r"\binf\b", r"\bnan\b", "not defined", "too few participants"):
        assert not re.search(never, sayings(analysis)), never
    for chart in analysis.charts:
        assert "NaN" not in div(chart)


@pytest.mark.parametrize("part", [0.999, 1.0])
def test_a_network_that_sees_nothing_of_the_face_alarms_whatever_the_last_thousandth(part):
    analysis = audit(a_run(CORNER, part, untrained=(0.3,)))
    row = first(analysis)
    assert row["alarm"]
    assert row["background_alarm"]
    assert row["place_alarm"]
    assert row["flagged"] == 5
    assert analysis.notes[0].startswith("Warning, ig:")
    assert analysis.method_remarks["ig"].level == "bad"
    assert_readable(analysis)


def test_all_relevance_outside_the_face_is_an_infinite_ratio_in_words():
    analysis = audit(a_run(CORNER, 1.0, untrained=(0.3,)))
    row, people = first(analysis), analysis.tables["artifact_audit_participants"]
    figures = [f"{name}{end}" for name in ("ratio", "place_ratio") for end in ("", "_low", "_high")]
    assert np.isinf(row[figures].to_numpy(float)).all()
    assert np.isinf(people[["ratio", "place_ratio"]].to_numpy()).all()
    assert row["share"] == 1
    assert "All absolute relevance lies outside the face" in analysis.notes[0]
    assert "no pixel in the face holds any" in analysis.notes[0]
    assert "All absolute relevance lies outside the face" in analysis.method_remarks["ig"].text


def test_one_participant_who_sees_the_face_leaves_the_interval_open_above():
    whole, part = a_run(CORNER, 1.0), a_run(CORNER, 0.5)
    one = part.relevance["participant"] == "p0"
    relevance = pd.concat([part.relevance[one], whole.relevance[whole.relevance["participant"] != "p0"]])
    maps = {key: (part if key.participant == "p0" else whole).maps("ig", key) for key in batch_keys(whole)}
    whole.relevance, whole.maps = relevance, lambda method, key: maps[key]
    analysis = audit(whole)
    row = first(analysis)
    assert row["alarm"]
    for name in ("ratio", "place_ratio"):
        assert np.isfinite([row[name], row[f"{name}_low"]]).all()
        assert np.isinf(row[f"{name}_high"])
    assert "to ∞)" in analysis.notes[0]
    assert_readable(analysis)


def test_a_place_by_itself_flags_a_participant_whose_face_holds_nothing():
    people = audit(a_run(CORNER, 1.0), background_bound=1e300).tables["artifact_audit_participants"]
    assert people["flagged"].all()


def test_an_untrained_network_that_sees_nothing_of_the_face_either_is_no_alarm_of_the_background():
    analysis = audit(a_run(CORNER, 1.0, untrained=(0.3, 1.0)))
    row = first(analysis)
    assert np.isinf(row["untrained_ratio_highest"])
    assert not row["background_alarm"]
    assert row["place_alarm"]
    assert "at least one of 2 untrained networks" in analysis.notes[0]
    assert_readable(analysis)


def test_bounds_are_the_users():
    row = first(audit(a_run(BADGE, 0.6), background_bound=1e6, place_bound=1e6))
    assert not row["alarm"]


def test_two_participants_are_flagged_but_there_is_no_alarm():
    analysis = audit(a_run(BADGE, 0.6, people=2, clips=4))
    assert not first(analysis)["alarm"]
    assert first(analysis)["flagged"] == 2
    assert any("no alarm over participants" in note for note in analysis.notes)
    clusters = analysis.tables["artifact_audit_clusters"]
    assert clusters["label_difference_low"].isna().all()  # too few people to say how clusters differ
    assert "participant p0" in analysis.notes[0]


def test_a_head_that_does_not_move_leaves_it_undecided():
    assert first(audit(a_run(BADGE, 0.6, move=0)))["stays_with"] == "undecided"


def test_clusters_tell_two_strategies_apart_and_that_errors_differ():
    """Clips of even windows look at the badge, those of odd ones at the headset, and are further off."""
    analysis = audit(a_run(None, 0.7, people=6, clips=4, groups=[worn(block(54, 8)), HEADSET]))
    clips, clusters = (analysis.tables[f"artifact_audit_{name}"] for name in ("clips", "clusters"))
    assert len(clusters) == 2
    assert (clips.assign(odd=clips["window"] % 2).groupby("cluster")["odd"].nunique() == 1).all()
    error = clusters.set_index("place")["error"]
    assert error["the upper right corner"] == pytest.approx(1.0)  # windows 0 and 2; the error is their number
    assert error["beside the ear on the left"] == pytest.approx(2.0)
    assert abs(clusters["error_difference"]).tolist() == pytest.approx([1.0, 1.0])
    assert clusters["label_difference"].tolist() == pytest.approx([0.0, 0.0])
    assert any("2 clusters" in note and "absolute error" in note for note in analysis.notes)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_the_eigengap_finds_the_planted_number(groups):
    rng = np.random.default_rng(groups)
    truth = np.sort(np.arange(48) % groups)
    found = cluster(10 * np.eye(64)[truth] + rng.normal(0, 0.5, (48, 64)), 6)
    assert found.count == groups
    assert len(set(zip(truth, found.labels, strict=True))) == groups
    assert (np.bincount(found.labels) == 48 // groups).all()
    near = found.nearest(0, 3)
    own = found.distances[found.labels == 0]
    assert found.distances[near].tolist() == np.sort(own)[:3].tolist()


def test_clips_that_are_all_alike_are_one_cluster():
    assert cluster(np.ones((20, 4)), 6).count == 1


def test_the_hottest_twentieth():
    even = np.ones(100)
    assert hottest_share(even, even) == pytest.approx(0.05)
    assert hottest_share(np.eye(1, 100)[0], even) == pytest.approx(1.0)
    assert hottest_share(np.eye(1, 10)[0], np.ones(10)) == pytest.approx(0.5)  # half of one position
    assert np.isnan(hottest_share(np.zeros(10), np.ones(10)))
    assert [stays_with(0.3, 0.2), stays_with(0.2, 0.3), stays_with(0.2, 0.2)] == ["image", "face", "undecided"]


def test_every_place_has_a_hint():
    places = ("a strip along the bottom", "above the face", "below the face", "the lower left corner")
    assert all(hint(place) for place in (*places, "beside the mouth on the left", "beside the ear on the right"))


def test_a_crop_without_background_is_a_stated_gap():
    analysis = audit(a_run(worn(MOUTH), 0.5, face=np.ones_like(FACE)))
    assert not first(analysis)["alarm"]
    assert np.isnan(first(analysis)["ratio"])
    assert any("the crop shows nothing outside it" in note for note in analysis.notes)
    assert len(analysis.tables["artifact_audit_clusters"])  # where in the crop they look can still be clustered


def test_landmarks_are_a_stated_gap():
    run = a_run(BADGE, 0.5)
    run.clips = lambda keys=None: [SimpleNamespace(layout="landmarks")]
    analysis = ArtifactAudit().analyze(run)
    assert not analysis.tables
    assert analysis.notes == ["The audit for artefacts is not made: landmarks show nothing outside the face."]


def test_clips_without_relevance_are_counted():
    analysis = audit(a_run(BADGE, 0.6, silent=3))
    assert any("3 clips without any relevance" in note for note in analysis.notes)
    assert len(analysis.tables["artifact_audit_clips"]) == 7
    assert any("not clustered" in note for note in analysis.notes)  # seven are too few


def test_pictures_hold_no_image_and_are_drawn_for_screen_and_print(tmp_path):
    analysis = audit(a_run(BADGE, 0.6), examples=2)
    kinds = {type(chart) for chart in analysis.charts}
    assert {MapGrid, FrameGrid} <= kinds
    for chart in analysis.charts:
        assert chart.name in div(chart)
        save(chart, tmp_path, raster=False)
    assert find_images(tmp_path) == []
    maps = next(chart for chart in analysis.charts if isinstance(chart, MapGrid))
    values = np.array(maps.rows[0][1][0].values)
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert (row, column) == pytest.approx((2, 13), abs=1.1)  # the badge's cell
    assert values.mean() == pytest.approx(1.0)  # times the crop's mean


def test_the_measured_rates_are_those_of_the_benchmark():
    result = Path(__file__).parents[2] / "benchmarks" / "results" / "artifact_audit.json"
    if not result.is_file():
        assert words.MEASURED is None
        return
    found = json.loads(result.read_text(encoding="utf-8"))
    rates = [found[name] for name in ("alarm", "false_alarm_learnt", "false_alarm_unlearnt")]
    assert tuple(rate[name] for rate in rates for name in ("alarms", "runs")) == words.MEASURED
    assert found["bounds"] == {"background": ArtifactAudit().background_bound, "place": ArtifactAudit().place_bound}


def test_the_measured_rates_are_said(monkeypatch):
    monkeypatch.setattr(words, "MEASURED", words.Measured(19, 20, 1, 60, 2, 3))
    said = ("in 19 of 20 runs", "in 1 of 60", "learnt nothing, in 2 of 3")
    assert any(all(part in note for part in said) for note in audit(a_run(BADGE, 0.0)).notes)

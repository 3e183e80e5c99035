"""The report: one file that opens offline, holds what it says, and no image of anyone where none may be."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from mien.errors import DataError
from mien.interfaces import Analysis
from mien.registry import load_registry
from mien.report import words
from mien.report.html import permitted, render, write_report
from mien.report.privacy import Pseudonyms, find_images, pseudonyms
from mien.report.sections import content
from mien.report.selection import choose_recordings, extreme_frames, outside_recordings, participant_errors
from mien.testing.material import report_material
from mien.video.writer import VideoWriter

HOSTILE = "<img src=x onerror=alert(1)>\"'</script><b>&"


class Page(HTMLParser):
    """Collects elements, ids, links and the text outside scripts."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.ids, self.loads, self.links, self.texts = [], [], [], [], []
        self.script = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.tags.append((tag, about))
        self.script = tag in ("script", "style")
        if "id" in about:
            self.ids.append(about["id"])
        target = about.get("href") if tag in ("a", "link") else about.get("src")
        if target is not None:
            (self.links if tag == "a" else self.loads).append(target)

    def handle_endtag(self, tag):
        self.script = False

    def handle_data(self, data):
        if not self.script:
            self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


def page_of(material, **options):
    material = permitted(material)
    return render(material, content(material), **options)


@pytest.fixture(scope="module")
def scheme():
    return load_registry().scheme("mediapipe_478")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with VideoWriter(path, 25, 120, 240) as writer:
        for i in range(25):
            writer.write(np.random.default_rng(i).integers(0, 255, (120, 240, 3)).astype(np.uint8))
    return path.read_bytes()


@pytest.fixture(scope="module")
def html(scheme, clip):
    return page_of(report_material(scheme=scheme, video=clip))


def test_it_loads_nothing(html):
    page = Page(html)
    assert page.loads
    assert all(target.startswith("data:") for target in page.loads)
    assert not any(re.match(r"(https?:)?//", link) for link in page.links)
    styles = "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(about["content"] for tag, about in page.tags if tag == "meta" and "http-equiv" in about)
    assert "default-src 'none'" in policy


def test_plotly_is_there_once(html):
    assert html.count("plotly.js v") == 1


def test_every_entry_of_the_contents_leads_somewhere(html):
    page = Page(html)
    inner = [link[1:] for link in page.links if link.startswith("#")]
    assert len(inner) > 8
    assert set(inner) <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)


def test_it_can_be_read_without_seeing_it(html):
    page = Page(html)
    assert ("html", {"lang": "en"}) in page.tags
    pictures = [about for tag, about in page.tags if tag == "img"]
    assert pictures
    assert all(about.get("alt") for about in pictures)
    assert all(about["aria-label"] for _, about in page.tags if "plot" in about.get("class", "").split())
    assert all(about["aria-label"] for tag, about in page.tags if tag == "video")


def test_it_says_what_it_has_to(html):
    text = Page(html).text
    for sentence in (
        "Research use, not a diagnosis. Participants are made up",
        "r = 0.95 (95 % interval 0.90 to 0.98)",
        "ig_blur: relevance is densest in the mouth, 4.6 times",
        "2.9 times the highest of the untrained networks",
        "an untrained network reaches 1.6 there: this finding does not show what was learnt",
        "No face was found in any of its 250 frames.",
        "other faces were seen in 31 of 250 frames",
        "no face in 17 of 250 frames",
        "1 explained clip is flagged",
        "Learn to predict “AU12”",
        "Worst predicted participant",
        "out of distribution",
        "evidence of nothing",
        "0123456789abcdef",
        "What was asked",
    ):
        assert sentence in text, sentence


def test_figures_of_other_methods_are_folded_up(scheme):
    material = report_material(scheme=scheme)
    first = material.analyses["au_correlation"].charts[0]
    other = replace(first, name="au_correlation_other", title="Relevance against Action Units (other)")
    both = replace(material.analyses["au_correlation"], charts=[first, other])
    shown = content(replace(material, analyses={"units": both}))
    assert [[chart.name for chart in part] for part in (shown.found[0].charts, shown.found[0].more)] == [
        [first.name],
        [other.name],
    ]
    assert {first.name, other.name} <= {chart.name for chart in shown.charts}  # both are written to figures/


def test_the_verdict_of_the_tests_stands_at_the_top(scheme):
    material = report_material(scheme=scheme)
    row = {"id": "H1", "statement": "It relies less on the nose.", "effect": -0.7, "low": -0.9, "high": -0.4, "q": 0.01}
    found = pd.DataFrame([{**row, "n": 16}])
    said = [
        content(replace(material, analyses={"statistics": Analysis({"hypotheses": table})})).headlines[1]
        for table in (found, found.head(0))
    ]
    assert said[0] == (
        "Hypothesis H1: It relies less on the nose. Effect -0.70 (95 % interval -0.90 to -0.40), q = 0.010, "
        "16 participants."
    )
    assert said[1].startswith("No hypothesis")
    assert not any("ypothesis" in line for line in content(material).headlines)  # nothing was tested


def test_hostile_names_stay_text(scheme):
    material = report_material(names=[HOSTILE], scheme=scheme)
    material = replace(material, notes=[HOSTILE], config={**material.config, "report": {"title": HOSTILE}})
    html = page_of(material)
    page = Page(html)
    assert not any(about.get("src") == "x" or "onerror" in about for _, about in page.tags)
    assert not any(tag == "b" and not about for tag, about in page.tags if tag == "b" and "</script>" in str(about))
    assert html.count("<script") == html.count("</script>")
    assert HOSTILE in page.text


def test_200_participants_stay_below_25_mb(scheme, clip):
    big = clip * math.ceil(4_000_000 / len(clip))
    material = report_material(200, scheme=scheme, video=big)
    html = page_of(material)
    assert len(html.encode()) < 25_000_000
    page = Page(html)
    assert sum(tag == "video" for tag, _ in page.tags) == 3  # the fourth does not fit any more
    assert "1 pictures or videos are not embedded" in page.text
    excluded = material.tables["recordings"].query("status == 'excluded'")["recording"]
    assert len(excluded) > 20
    assert all(name in page.text for name in excluded)
    assert any(link.startswith("videos/") for link in page.links)


def test_a_small_limit_leaves_pictures_out(scheme):
    html = page_of(report_material(scheme=scheme), limit=1000)
    assert not any(tag == "img" for tag, _ in Page(html).tags)
    assert "not embedded" in Page(html).text


def test_without_faces_there_is_no_image_data_anywhere(scheme, clip, tmp_path):
    path = write_report(report_material(6, faces="none", scheme=scheme, video=clip), tmp_path)
    assert find_images(tmp_path) == []
    assert {p.suffix for p in (tmp_path / "figures").iterdir()} == {".pdf", ".svg"}
    page = Page(path.read_text())
    assert not [tag for tag, _ in page.tags if tag in ("img", "video", "picture", "image")]
    assert page.loads == ["data:,"]
    assert "No image of anyone is in this report" in page.text
    assert "Where relevance is dense" in page.text  # on the drawn face


def test_the_search_for_images_finds_them(scheme, clip, tmp_path):
    write_report(report_material(3, scheme=scheme, video=clip), tmp_path)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.bin").write_bytes(clip)
    found = find_images(tmp_path)
    assert "report.html: JPEG" in found
    assert "report.html: MP4" in found
    assert "report.html: data address of an image" in found
    assert "figures/face_map.png: PNG" in found
    assert "videos/a.bin: MP4" in found


def test_only_those_who_agreed_are_shown(scheme, clip):
    material = report_material(scheme=scheme, faces="consented", video=clip)
    consent = material.tables["recordings"].set_index("recording")["consent"]
    shown = permitted(material)
    assert {consent[p.recording] for p in material.pictures} == {True, False}
    assert {consent[p.recording] for p in shown.pictures} == {True}
    assert {consent[v.recording] for v in shown.videos} == {True}
    hidden = [r for r in material.selected if not consent[r]]
    assert not any(f"videos/{r}.mp4" in page_of(material) for r in hidden)


def test_explaining_without_labels_has_a_report_too(scheme):
    material = report_material(scheme=scheme)
    outside = material.tables["predictions"].query("recording == 'carphone'")
    config = {name: part for name, part in material.config.items() if name not in ("dataset", "training", "split")}
    material = replace(
        material,
        config=config,
        summary={**material.summary, "metrics": [], "regions": []},
        tables={"recordings": material.tables["recordings"].tail(1), "predictions": outside},
        selected={"carphone": "out of distribution"},
    )
    text = Page(page_of(material)).text
    assert "Explain new videos with a trained network" in text
    assert "the label is not known" in text


def test_an_empty_run_has_a_report(tmp_path):
    material = replace(
        report_material(3),
        config={},
        summary={},
        record={},
        tables={},
        analyses={},
        pictures=(),
        videos=(),
        notes=(),
        selected={},
    )
    assert "Nothing was explained" in Page(write_report(material, tmp_path).read_text()).text


def test_a_folder_that_cannot_be_written_is_an_error(scheme, tmp_path):
    (tmp_path / "figures").write_text("in the way")
    with pytest.raises(DataError, match="report cannot be written"):
        write_report(report_material(3, scheme=scheme), tmp_path)


def test_the_templates_are_part_of_the_package():
    folder = files("mien.report") / "templates"
    assert {"report.html.j2", "report.css", "report.js"} <= {path.name for path in folder.iterdir()}


# Words


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0.00"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (-0.01234, "-0.0123"), (math.nan, "not defined"),
     (1e-7, "1.00e-07"), (None, "not defined")],
)  # fmt: skip
def test_numbers(value, said):
    assert words.number(value) == said


@pytest.mark.parametrize(
    ("ends", "said"),
    [((1.26, 3.0), "95 % interval 1.3 to 3.0"), ((1.26, math.inf), "95 % interval 1.3 to ∞"),
     ((-math.inf, 3.0), "95 % interval -∞ to 3.0"), ((math.nan, math.inf), "no interval: too few participants"),
     ((1.0, None), "no interval: too few participants")],
)  # fmt: skip
def test_intervals(ends, said):
    assert words.interval(*ends) == said


def test_a_correlation_that_is_not_defined_is_said_so():
    metric = {
        "split": "test",
        "level": "participant",
        "metric": "pearson",
        "value": None,
        "low": None,
        "high": None,
        "n": 1,
    }
    assert "is not defined" in words.headlines({"metrics": [metric]})[0]


def test_over_folds_the_error_is_the_headline_and_not_a_biased_correlation():
    figures = {"split": "test", "level": "participant", "n": 6}
    metrics = [
        figures | {"metric": "pearson", "value": -0.12, "low": -0.97, "high": 0.99},
        figures | {"metric": "mae", "value": 12.0, "low": 9.0, "high": 15.0},
    ]
    (said,) = words.headlines({"metrics": metrics, "folds": 3, "held_out": 6})[:1]
    assert "On 6 held-out participants in 3 folds, the mean absolute error is 12" in said
    assert "skill over the training mean" in said
    assert "correlat" not in said


# Privacy


def test_pseudonyms_do_not_follow_the_names():
    names = [f"name{i:02d}" for i in range(50)]
    given = pseudonyms(names, 1)
    assert sorted(given.values()) == [f"P{i:03d}" for i in range(1, 51)]
    assert given == pseudonyms(reversed(names), 1)
    assert list(given.values()) != sorted(given.values())
    assert given != pseudonyms(names, 2)


def test_ids_are_replaced_everywhere():
    table = pd.DataFrame(
        {
            "recording": ["anna_1", "anna_2", "16"],
            "participant": ["anna", "anna", "16"],
            "video": ["/data/Anna Smith/anna_1.mp4", "", ""],
            "reason": ["/data/Anna Smith/anna_1.mp4: It is empty.", None, "16 frames are too few for recording 16."],
        }
    )
    names = Pseudonyms.of(table, 3)
    hidden = names.apply(table)
    assert not hidden.astype(str).apply(lambda column: column.str.contains("anna|Anna|Smith")).to_numpy().any()
    assert hidden["recording"].tolist()[0] == f"{names.participants['anna']}-1"
    assert hidden["reason"].tolist()[2] == f"16 frames are too few for recording {names.recordings['16']}."
    assert hidden["reason"].isna().tolist() == [False, True, False]
    assert names.text("1/s and signed/absolute") == "1/s and signed/absolute"
    assert names.text("hannah") == "hannah"
    with pytest.raises(KeyError):
        names.apply(pd.DataFrame({"participant": ["nobody knows"]}))


# Selection


def predictions(errors, split="test"):
    return pd.DataFrame(
        [
            {
                "participant": person,
                "recording": f"{person}_{i}",
                "split": split,
                "label": 1.0,
                "prediction": 1.0 + error,
            }
            for person, values in errors.items()
            for i, error in enumerate(values)
        ]
    )


def test_worst_median_and_best_are_by_participant():
    table = predictions({"a": [0.5], "b": [-3.0, 3.2], "c": [-2.0, -1.0], "d": [0.2], "e": [0.9]})
    assert participant_errors(table).round(6).to_dict() == {"c": 1.5, "e": 0.9, "a": 0.5, "d": 0.2, "b": 0.1}
    chosen = {one.role: (one.participant, one.error) for one in choose_recordings(table)}
    assert chosen == {
        "worst": ("c", pytest.approx(1.5)),
        "median": ("a", pytest.approx(0.5)),
        "best": ("b", pytest.approx(0.1)),
    }


def test_few_participants_are_shown_once():
    assert [one.role for one in choose_recordings(predictions({"a": [1.0]}))] == ["worst"]
    assert [one.role for one in choose_recordings(predictions({"a": [1.0], "b": [2.0]}))] == ["worst", "best"]
    assert choose_recordings(predictions({"a": [1.0]}).assign(label=np.nan)) == []
    only = choose_recordings(predictions({"a": [1.0], "b": [2.0]}), explained={"a_0"})
    assert [one.recording for one in only] == ["a_0"]


def test_the_test_side_comes_first():
    table = pd.concat([predictions({"a": [1.0]}), predictions({"z": [9.0]}, split="train")])
    assert [one.participant for one in choose_recordings(table)] == ["a"]
    assert [one.participant for one in choose_recordings(table.query("split == 'train'"))] == ["z"]


def test_outside_recordings_are_in_order_and_few():
    table = pd.DataFrame({"recording": list("abcdef"), "split": ["test", *["out_of_distribution"] * 5]})
    assert outside_recordings(table, set("acdef"), limit=3) == ["c", "d", "e"]


def test_no_frame_of_highest_relevance_lies_below_one_of_lowest():
    # Frames of high relevance side by side: apart in time, the next best ones would be among the lowest.
    values = [9, 8, 7, 6, 3, 2, 1, 0]
    table = pd.DataFrame(
        {
            "method": "ig",
            "recording": "a",
            "region": "total",
            "valid": True,
            "frame": range(8),
            "time_s": np.arange(8) * 0.08,
            "signed": values,
            "absolute": values,
        }
    )
    found = extreme_frames(table, "ig", "a", apart_s=0.2)
    top, bottom = (found.loc[found["kind"] == kind, "value"].tolist() for kind in ("top", "bottom"))
    assert (top, bottom) == ([9, 6], [0, 3])


def test_extreme_frames_are_apart_and_of_one_kind():
    values = np.array([5, 6, 1, 0, -1, -9, -8, 2], float)
    table = pd.DataFrame(
        {
            "method": "ig",
            "recording": "a",
            "region": "total",
            "valid": True,
            "frame": np.arange(8) * 2,
            "time_s": np.arange(8) * 0.1,
            "signed": values,
            "absolute": np.abs(values),
        }
    )
    found = extreme_frames(table, "ig", "a", count=2, apart_s=0.15)
    assert found[["kind", "frame"]].to_numpy().tolist() == [["top", 2], ["top", 14], ["bottom", 10], ["bottom", 6]]
    unsigned = extreme_frames(table, "ig", "a", count=1, signed=False)
    assert unsigned["frame"].tolist() == [10, 6]
    assert extreme_frames(table.iloc[:1], "ig", "a").empty


def test_few_participants_are_warned_of():
    metric = {
        "split": "test",
        "level": "participant",
        "metric": "pearson",
        "value": 1.0,
        "low": None,
        "high": None,
        "n": 2,
    }
    assert "So few participants show nothing" in words.headlines({"metrics": [metric]})[0]
    assert "So few" not in words.headlines({"metrics": [{**metric, "n": 9}]})[0]


def test_regions_and_counts_read_as_sentences():
    assert words.with_article("right_eye") == "the right eye"
    assert words.with_article("elsewhere_face") == "the rest of the face"
    config = {"dataset": {"use": "manifest"}, "training": {"epochs": 1}}
    assert any("at most 1 epoch (" in sentence for sentence in words.asked(config))


def trained_in_folds(folds, permuted=0):
    """A table of training: the loss of fold f in epoch e is 10 f + e, that of permuted network p adds 100 (p + 1)."""
    names = ["trained", *(f"permuted {number}" for number in range(permuted))]
    rows = [
        {
            "network": name,
            "fold": fold,
            "epoch": epoch,
            "train_loss": 100.0 * place + 10 * fold + epoch,
            "validation_loss": math.nan,
        }
        for place, name in enumerate(names)
        for fold in range(folds)
        for epoch in range(3)
    ]
    return pd.DataFrame(rows)


def test_training_curves_are_of_one_network_each_and_of_no_control():
    from mien.report.facts import control_training_chart, training_chart

    (alone,) = training_chart(trained_in_folds(1, permuted=2)).series
    assert (alone.name, list(alone.y)) == ("training", [0.0, 1.0, 2.0])
    two = training_chart(trained_in_folds(2, permuted=2)).series
    assert {line.name: list(line.y) for line in two} == {
        "training, fold 0": [0.0, 1.0, 2.0],
        "training, fold 1": [10.0, 11.0, 12.0],
    }
    (many,) = training_chart(trained_in_folds(11)).series  # too many lines to tell apart
    assert (list(many.y), list(many.low), list(many.high)) == ([50, 51, 52], [0, 1, 2], [100, 101, 102])
    controls = control_training_chart(trained_in_folds(2, permuted=2)).series
    assert {line.name: list(line.y) for line in controls} == {
        "training, permuted 0": [105.0, 106.0, 107.0],
        "training, permuted 1": [205.0, 206.0, 207.0],
    }
    assert control_training_chart(trained_in_folds(2)) is None


def test_folds_and_shared_persons_are_told():
    config = {"split": {"scheme": "leave_one_out"}}
    (said,) = words.division({"folds": 12, "shared_persons": 0}, config)
    assert "in one of 12 folds" in said
    (said,) = words.division({"folds": 1, "shared_persons": 2}, {"split": {"scheme": "holdout"}})
    assert "2 participants have" in said
    assert words.division({"folds": 1}, {}) == []
    summary = {"held_out": 12, "level": "session", "folds": 3}
    assert words.held_out_people(summary, 20) == "20 sessions of 12 held-out participants in 3 folds"


@pytest.mark.parametrize(
    ("untrained", "permuted", "said"),
    [
        (None, None, "there is no untrained network"),
        (1.0, None, "2.0 times the highest of the untrained networks"),
        (1.0, 0.5, "2.0 times the highest of the untrained networks and networks trained with permuted labels"),
        (1.0, 4.0, "but a network trained with permuted labels reaches 4.0 there"),
        (2.0, 1.0, "but an untrained network reaches 2.0 there"),
    ],
)
def test_a_region_is_held_against_the_highest_of_all_controls(untrained, permuted, said):
    finding = {"method": "ig", "region": "mouth", "density": 2.0, "low": 1.0, "high": 3.0}
    finding |= {"untrained_highest": untrained, "permuted_highest": permuted}
    assert said in words.region_sentence(finding)


def test_sessions_get_pseudonyms_within_their_participant():
    table = pd.DataFrame(
        {
            "recording": ["anna_1", "anna_2", "berta_1", "berta_2"],
            "participant": ["anna", "anna", "berta", "berta"],
            "session": ["anna-may", "anna-may", "first", "berta_2"],
        }
    )
    names = Pseudonyms.of(table, 0)
    found = names.apply(table)
    assert found.groupby("session").size().sort_values().tolist() == [1, 1, 2]
    assert not found["session"].str.contains("anna|berta|first").any()
    alone = found[found["session"].str.match(r"P\d+-\d+$")]
    assert (alone["session"] == alone["recording"]).all()
    assert len(alone) == 1
    assert "anna" not in names.text("Session 'anna-may' of participant anna was short.")

"""A model card says what the tables say, escapes what users wrote, and names nobody."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt

from mien.config.run_config import RunConfig
from mien.evaluation import evaluation_table, metrics_table
from mien.registry import load_registry
from mien.report import card_found
from mien.report.card_material import CardMaterial
from mien.report.facts import Grid
from mien.report.markdown import code, escaped, table
from mien.report.model_card import FILE, model_card, write_model_card
from mien.run.record import begin_record
from mien.run.summary import summarise
from mien.tables import STATISTICS, conform, empty
from mien.testing import tables as made
from mien.training.checkpoint import ABOUT_FILE, WEIGHTS_FILE

HOSTILE = "# A|b`c` <img src=x onerror=alert(1)> [l](http://evil.example) ![i](x.png) *z* _w_ &amp; @you \\ $a$ ~~s~~"
DOCUMENT = {
    "seed": 7,
    "dataset": {"use": "animated_face", "participants": 12},
    "detector": "mediapipe",
    "cropper": {"use": "face", "height": 24, "width": 32},
    "windows": {"frames": 4, "dilation": 2},
    "backbone": {"use": "compact_r3d", "widths": [4, 8]},
    "objective": {"use": "regression", "name": "planted score", "minimum": 0, "maximum": 63},
    "training": {"epochs": 3, "batch": 4},
    "explain": {"methods": {"gradient": "input_x_gradient"}, "controls": {"networks": 2, "permuted": 2}},
}
ABOUT = {
    "sha256": "ab" * 32,
    "scale": {"mean": 5.0, "std": 2.5},
    "training": {"best_epoch": 1, "notes": ["These stages stayed frozen: body."]},
    "provenance": {"weights": {}},
}


@lru_cache
def _tables(people, held_out, noise, labels, folds):
    names = [f"secret{n:02d}" for n in range(people)]
    sides = ["train"] * (people - held_out) + ["test"] * held_out
    recordings, predictions = made.recordings(names), made.predictions(names)
    for own in (recordings, predictions):
        own["split"] = "test" if folds else sides
        own["fold"] = [n % 2 if folds else 0 for n in range(people)]
        own["label"] = own["label"] if labels else np.nan
    recordings["fold"] = recordings["fold"].where(recordings["split"] == "test")
    recordings["video"] = "/home/anna/" + recordings["recording"] + ".mp4"
    aside = recordings.iloc[:2].assign(
        recording=["gone1", "gone2"], status="excluded", stage="track", reason="/home/anna: no face", windows=None
    )
    recordings = conform("recordings", pd.concat([recordings, aside], ignore_index=True))
    predictions["prediction"] += np.random.default_rng(0).normal(0, noise, people)
    training = pd.DataFrame({
        "network": "trained", "fold": [0, 0, 0, 1, 1, 1], "epoch": [0, 1, 2] * 2, "step": 1, "train_loss": 1.0,
        "validation_loss": [3.0, 1.0, 2.0] * 2, "learning_rate": 0.1,
    })  # fmt: skip
    return {
        "recordings": recordings,
        "predictions": conform("predictions", predictions),
        "relevance": made.relevance(names),
        "control_relevance": made.control_relevance(names),
        "explanations": empty("explanations"),
        "training": conform("training", training),
        **_measured(predictions, recordings),
    }


def _measured(predictions, recordings):
    """Return metrics and tests of few resamples."""
    objective = load_registry().create("objective", "regression")
    unseen = dict(zip(recordings["recording"], recordings["unseen"], strict=True))
    tests = evaluation_table(
        predictions, unseen, objective, {0: 3.0, 1: 4.0}, "participant", 7, permutations=99, resamples=100
    )
    return {
        "metrics": conform("metrics", metrics_table(predictions, unseen, objective, 7, resamples=100)),
        "evaluation": conform("evaluation", tests),
    }


def material(document=None, *, people=12, held_out=6, noise=1.5, about=None, labels=True, **fields):
    """Return what a card is made of: a small run whose first participants trained the network."""
    config = RunConfig.model_validate(DOCUMENT | (document or {}), context={"registry": load_registry()})
    tables = _tables(people, held_out, noise, labels, config.split.scheme != "holdout")
    record = begin_record(
        "run", config.model_dump(mode="json"), _plugins(config), citations={"cropper": "A: One, 2017"},
        compared_with={}, seed=7, device="cpu", workers=1,
    )  # fmt: skip
    summary = summarise(tables, title="secret00's study", seed=7, notes=["secret01 was late"])
    return CardMaterial(
        config=config,
        record=record.model_dump(mode="json") | {"started": "2026-03-04T05:06:07Z"},
        summary=summary.model_dump(mode="json"),
        tables=tables,
        about=about or ABOUT,
        parameters=1234567,
        **fields,
    )


def _plugins(config):
    parts = {name: getattr(config, name) for name in ("dataset", "detector", "cropper", "backbone", "objective")}
    parts |= {f"explain.methods.{name}": method for name, method in config.explain.methods.items()}
    return {name: part.provenance() for name, part in parts.items()}


def read(text):
    """Return the tokens of a page, as GitHub and Hugging Face read it, without its metadata."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text.split("---\n", 2)[2])


def shown(text):
    """Return the text that a reader sees, a line a block."""
    lines = [t for t in read(text) if t.type in {"inline", "fence"}]
    return [line.content if line.type == "fence" else _plain(line.children) for line in lines]


def _plain(tokens):
    return "".join(" " if token.type == "softbreak" else token.content for token in tokens)


def grids(text):
    """Return every table of a page: its headers, and its rows."""
    found, cell = [], False
    for token in read(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in {"th_open", "td_open"}:
            cell = True
        elif token.type == "inline" and cell:
            found[-1][-1].append(_plain(token.children))
            cell = False
    return [(rows[0], rows[1:]) for rows in found]


def grid_of(text, header):
    headers, rows = next(grid for grid in grids(text) if header in grid[0])
    return [dict(zip(headers, row, strict=True)) for row in rows]


def test_metrics_are_those_of_the_table():
    given = material()
    metrics = given.tables["metrics"].query("split == 'test' and level == 'participant'").set_index("metric")
    rows = {row["metric"]: row for row in grid_of(model_card(given), "metric")}
    names = {"pearson": "Pearson r", "spearman": "Spearman r", "ccc": "concordance", "mae": "MAE", "rmse": "RMSE"}
    assert set(rows) == set(names.values())
    for name, title in names.items():
        own, row = metrics.loc[name], rows[title]
        assert float(row["value"]) == pytest.approx(own["value"], rel=5e-3)
        low, high = map(float, row["95 % interval"].split(" to "))
        assert (low, high) == pytest.approx((own["low"], own["high"]), rel=5e-3, abs=1e-4)
        assert int(row["n"]) == own["n"] == 6


def test_the_error_of_the_training_mean_stands_beside():
    given = material()
    evaluation = given.tables["evaluation"].set_index("statistic")["value"]
    row = next(r for r in grid_of(model_card(given), "training mean") if r["measure"] == "mean absolute error")
    assert float(row["training mean"]) == pytest.approx(evaluation["mae_of_training_mean"], rel=5e-3)
    assert float(row["network (95 % interval)"].split()[0]) == pytest.approx(evaluation["mae"], rel=5e-3)
    line = next(line for line in shown(model_card(given)) if line.startswith("Skill over the training mean"))
    assert float(line.partition("): ")[2].split()[0]) == pytest.approx(evaluation["rmse_skill"], rel=5e-3)


def test_a_network_that_is_no_better_than_the_mean_is_not_praised():
    assert "not shown to predict better" in model_card(material(noise=12.0))
    assert "not shown to predict better" not in model_card(material(noise=0.1))


def test_who_took_part():
    text = model_card(material())
    rows = {row["side"]: row for row in grid_of(text, "side")}
    assert (rows["training"]["participants"], rows["held out (test)"]["recordings"]) == ("6", "6")
    lines = " ".join(shown(text))
    assert "2 recordings were set aside: 2 at the step “track”." in lines
    assert "training 0 to 5 (mean over participants 2.50)" in lines
    assert "held out (test) 6 to 11 (mean over participants 8.50)" in lines
    assert "may lie from 0 to 63" in lines
    assert f"Participants are {material().config.dataset.participants_are}." in lines
    assert "No training participant is in these severity bands: mild, moderate and severe." in lines


def test_labels_of_a_few_people_are_not_told():
    lines = " ".join(shown(model_card(material(people=8, held_out=4))))
    assert "Labels: " not in lines
    assert "fewer than 5 participants are not told" in lines


def test_the_network_and_its_training_are_as_recorded():
    text = model_card(material())
    lines = " ".join(shown(text))
    rows = dict(row for headers, rows in grids(text) if headers == ["", ""] for row in rows)
    assert rows["Parameters"] == "1,234,567"
    assert rows["SHA-256 of the weights"] == "ab" * 32
    assert rows["Began with"] == "random weights, drawn with the seed 7"
    assert rows["Input"].startswith(
        "clips of 4 frames (every 2nd) of 24 × 32 pixels; each channel of each clip has mean 0"
    )
    assert rows["Made"].startswith("2026-03-04, mien ")
    assert "times 2.50 plus 5.00 it is the prediction of “planted score”" in lines
    assert "Of 3 epochs that were made, epoch 2 was kept (the lowest validation loss)." in lines
    assert "These stages stayed frozen: body." in lines
    settings = {row["setting"]: row["value"] for row in grid_of(text, "setting")}
    assert settings.items() >= {"epochs": "3", "augment.flip": "yes", "seed": "7", "patience": "none"}.items()
    assert "A: One, 2017" in lines


@pytest.mark.parametrize(
    ("training", "backbone", "weights", "said"),
    [
        (
            {},
            "r3d_18",
            {"backbone.kinetics400": "cd" * 32},
            "pretrained weights: r3d_18-b3b3357e.pth, torchvision r3d_18",
        ),
        (
            {"start_from": "/home/anna/x"},
            "compact_r3d",
            {"network.start": "cd" * 32},
            "another network, with a new head",
        ),
    ],
)
def test_it_says_what_the_network_began_with(training, backbone, weights, said):
    given = material({"training": training, "backbone": backbone}, about=ABOUT | {"provenance": {"weights": weights}})
    line = next(line for line in shown(model_card(given)) if said in line)
    assert f"SHA-256 {'cd' * 32}" in line


def test_no_ids_and_no_paths(tmp_path):
    (tmp_path / "list.csv").touch()
    given = material({"dataset": {"use": "manifest", "file": str(tmp_path / "list.csv")}})
    text = model_card(given)
    for word in ("secret", "gone1", "anna", "list.csv", str(tmp_path), "(file)"):
        assert word not in text, word


def test_metadata_is_what_hugging_face_reads():
    text = model_card(material())
    assert text.startswith("---\n")
    front = yaml.safe_load(text.split("---\n", 2)[1])
    assert front["library_name"] == "mien"
    assert {"mien", "compact_r3d", "regression"} <= set(front["tags"])
    assert "license" not in front


def test_explanations_stand_beside_their_controls():
    given = material()
    finding = next(f for f in given.summary["regions"] if f["region"] == "mouth")
    line = next(line for line in shown(model_card(given)) if line.startswith("gradient: "))
    assert f"densest in the mouth, {finding['density']:.1f} times" in line
    assert "times the highest of the untrained networks and networks trained with permuted labels" in line
    assert "Method “input_x_gradient”" in line
    assert "Spearman" not in line


EFFECT = {
    "method": "gradient", "measure": "share", "region": "left_eye", "au": "", "source": "", "adjusted": False,
    "family": "regions", "effect": -0.62, "low": -0.81, "high": -0.33, "p": 0.001, "q": 0.004, "n": 6, "undefined": 0,
    "effect_beside": -0.6, "controls_untrained": 2, "control_untrained_max": 0.21, "controls_permuted": 2,
    "control_permuted_max": 0.33, "exceeds": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            "largest |r| 0.21 in 2 untrained networks and 0.33 in 2 networks trained with permuted labels: it exceeds",
        ),
        ({"exceeds": False}, "it does not exceed them all"),
        ({"controls_permuted": 0, "exceeds": None}, "largest |r| 0.21 in 2 untrained networks: one kind of control is"),
        ({"controls_untrained": 0, "controls_permuted": 0, "exceeds": None}, "there is no control to compare with"),
    ],
)
def test_effects_stand_beside_their_controls(changes, said):
    given = material()
    smaller = EFFECT | {"region": "nose", "effect": 0.2}
    statistics = conform(STATISTICS, pd.DataFrame([smaller, EFFECT | changes]))
    line = next(
        line
        for line in shown(model_card(replace(given, tables={**given.tables, "statistics": statistics})))
        if line.startswith("gradient: ")
    )
    assert (
        "that of the left eye goes most closely with the label: Spearman's r -0.62 (95 % interval -0.81 to -0.33)"
        in line
    )
    assert "q = 0.0040, 6 participants" in line
    assert said in line


def test_a_verdict_stands_with_its_figures():
    figures = pd.DataFrame([
        {"method": "gradient", "measure": measure, "stage": stage, "value": value, "low": low, "high": high,
         "participants": 6, "clips": 6, "undefined": 0}
        for measure, stage, value, low, high in (
            ("deletion", "", 0.25, 0.125, 0.5), ("insertion", "", -0.1, np.nan, np.nan),
            ("randomisation", "head", 0.9, 0.8, 0.95), ("randomisation", "body", 0.2, 0.1, 0.3),
            ("stability_noise", "", np.nan, np.nan, np.nan),
        )
    ])  # fmt: skip
    verdicts = pd.DataFrame([{"method": "gradient", "verdict": "with care", "why": "Insertion is no better."}])
    given = material()
    added = {"faithfulness": figures, "faithfulness_verdicts": verdicts}
    text = model_card(replace(given, tables={**given.tables, **added}))
    (row,) = grid_of(text, "verdict")
    values = [*row.values()]
    assert values == ["gradient", "with care", "0.250 (0.125 to 0.500)", "-0.100", "0.200 (0.100 to 0.300)", "–", "–"]
    assert "gradient: Insertion is no better." in shown(text)
    assert "Whether the explanations are faithful to the network." not in shown(text)


def test_what_was_not_measured_is_said():
    given = material()
    lines = shown(model_card(given))
    assert "How it does on another data set." in lines
    assert "Whether the explanations are faithful to the network." in lines
    assert "Whether relevance goes with the label beyond chance." in lines
    assert "Where untrained networks have their relevance." not in lines
    statistics = conform(STATISTICS, pd.DataFrame([EFFECT]))
    more = shown(model_card(replace(given, tables={**given.tables, "statistics": statistics})))
    assert "Whether relevance goes with the label beyond chance." not in more


def test_without_a_test_side_no_metric_is_claimed():
    text = model_card(material(people=6, held_out=0))
    assert "No participant was held out: there is no held-out metric of this network." in shown(text)
    assert not [headers for headers, _ in grids(text) if "metric" in headers or "training mean" in headers]


def test_held_out_recordings_without_labels_are_no_metric():
    text = model_card(material(labels=False))
    assert "The held-out recordings have no label: there is no held-out metric of this network." in shown(text)


FOLDS = {"split": {"scheme": "k_fold", "folds": 2}}


def test_in_folds_the_card_tells_its_own_network_from_the_others():
    given = material(FOLDS, fold=1)
    own = given.tables["predictions"].query("fold == 1")
    metrics = _measured(own, given.tables["recordings"])["metrics"]
    text = model_card(replace(given, own_metrics=metrics))
    lines = " ".join(shown(text))
    assert "This network is that of fold 1: it held out 6 participants and learnt from 6 participants." in lines
    assert "Of 12 held-out participants in 2 folds." in lines
    assert "Correlations over all folds together are biased" in lines
    both = [rows for headers, rows in grids(text) if "metric" in headers]
    assert len(both) == 2
    mae = (own["prediction"] - own["label"]).abs().mean()
    shown_mae = next(row for row in both[1] if "MAE" in row)
    assert float(shown_mae[3]) == pytest.approx(mae, rel=5e-3)
    assert "--checkpoint checkpoint/fold_1 " in lines


def test_a_fold_of_few_people_has_no_figures_of_its_own():
    text = model_card(material(FOLDS, people=8, fold=0))
    assert "Fold 0 held out 4 participants: too few for figures of this network alone." in shown(text)
    assert len([1 for headers, _ in grids(text) if "metric" in headers]) == 1


def test_groups_that_may_say_who_is_in_them_are_left_out():
    columns = {"covariate": "site", "mae_low": 1.0, "mae_high": 3.0, "bias": 0.1, "bias_low": -1.0, "bias_high": 1.0,
               "mae_difference_q": 0.4, "bias_difference_q": np.nan}  # fmt: skip
    groups = pd.DataFrame([
        {**columns, "group": HOSTILE, "participants": 5, "mae": 2.125},
        {**columns, "group": "south", "participants": 4, "mae": 9.9},
    ])  # fmt: skip
    given = material()
    text = model_card(replace(given, tables={**given.tables, "subgroup_errors": groups}))
    (row,) = grid_of(text, "covariate")
    assert row["group"] == HOSTILE
    assert row["mean absolute error (95 % interval)"] == "2.12 (1.00 to 3.00)"
    assert row["q of the mean error"] == "–"
    assert "Left out, because it may say who is in it: 1 group of fewer than 5 participants." in shown(text)


def test_names_of_users_stay_text():
    given = material({
        "objective": {"use": "regression", "name": HOSTILE, "bands": {HOSTILE: 0.0, "<b>": 5.0}},
        "explain": {"methods": {HOSTILE: "input_x_gradient"}},
    })  # fmt: skip
    notes = ABOUT["training"] | {"notes": [HOSTILE, "- x\n\n# heading", "1. first", "---"]}
    text = model_card(replace(given, about=ABOUT | {"training": notes}))
    tokens = [child for token in read(text) for child in [token, *(token.children or [])]]
    assert not {"html_block", "html_inline", "link_open", "image", "em_open", "s_open"} & {
        token.type for token in tokens
    }
    lines = shown(text)
    assert HOSTILE in lines
    assert lines[0] == f"compact_r3d for “{HOSTILE}”"
    assert {"- x # heading", "1. first", "---"} <= set(lines)
    assert "http://" not in text
    assert "@you" not in text
    assert len([token for token in tokens if token.type == "heading_open" and token.tag == "h1"]) == 1


@pytest.mark.parametrize(
    "text", [HOSTILE, "a", "", "-0.3", "- a", "+ a", "1) a", "===", "---", "www.a.example", "`", "a|b", "\u202eabc\x07"]
)
def test_escaped_text_is_shown_as_it_is(text):
    read_back = MarkdownIt("commonmark").enable("table")
    wanted = text.replace("\u202e", "").replace("\x07", "")
    tokens = read_back.parse(f"- {escaped(text)}")
    assert "".join(_plain(t.children) for t in tokens if t.type == "inline") == wanted
    assert sum(t.type in {"list_item_open", "heading_open", "hr"} for t in tokens) == 1
    for cell in (escaped(text), code(text)):
        rows = table(Grid(["a", "b"], [[cell, "c"]], [False, True]))
        cells = [_plain(t.children) for t in read_back.parse(rows) if t.type == "inline"]
        assert cells == ["a", "b", wanted, "c"]


def test_a_plain_number_is_not_disfigured():
    assert escaped("-0.3 to 1e-5") == "-0.3 to 1e-5"


def test_the_same_run_has_the_same_card_and_another_takes_its_place(tmp_path):
    first, second = material(), material()
    for name in (WEIGHTS_FILE, ABOUT_FILE):
        (tmp_path / name).write_text("the network's own")
    write_model_card(first, tmp_path)
    before = (tmp_path / FILE).read_bytes()
    write_model_card(second, tmp_path)
    assert (tmp_path / FILE).read_bytes() == before
    write_model_card(material(noise=3.0), tmp_path)
    assert (tmp_path / FILE).read_bytes() != before
    assert {path.name for path in tmp_path.iterdir()} == {FILE, WEIGHTS_FILE, ABOUT_FILE}
    assert b"\r" not in before


def test_every_limit_that_the_run_shows_is_said():
    given = material()
    recordings = given.tables["recordings"].assign(unseen=lambda t: t["recording"] != "secret11_r0")
    said = card_found.limits(replace(given, tables={**given.tables, "recordings": recordings}))
    assert any("1 held-out recording is of people whom the network" in line for line in said)
    assert any("No clinical validation" in line for line in said)

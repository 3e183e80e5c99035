"""The benchmark's board: what is planted in the scores comes out, whatever else takes part."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from mien.benchmark.board import as_json, make_board
from mien.benchmark.gates import Bounds, gates
from mien.benchmark.leaderboard import cell_ranks, mean_ranks
from mien.benchmark.markdown import as_markdown
from mien.benchmark.measures import MEASURES
from mien.benchmark.page import render
from mien.benchmark.result import BenchmarkResult, about_run
from mien.benchmark.schema import leaderboard_schema
from mien.benchmark.summary import RESAMPLES, summarise
from mien.benchmark.tables import BENCHMARK_TABLES, GATES, LEADERBOARD, SUMMARY
from mien.benchmark.tasks import TASKS
from mien.benchmark.written import write_results
from mien.errors import DataError
from mien.tables import conform, table_schema

PEOPLE = [f"person {i}" for i in range(8)]
SEEDS = (11, 12)
UNITS = ("AU12", "AU09", "AU01+02", "AU04")
CONTROLS = 10
HOSTILE = "<script>alert('x')</script> & | co"

# What a perfect method and a blind one get; the others lie between them.
PERFECT = {"densest_planted": 1.0, "density": 12.0, "mass_accuracy": 0.9, "rank_accuracy": 0.9, "unit_named": 1.0,
           "temporal_r": 0.95, "deletion_blur": 0.7, "deletion_neutral": 0.7, "insertion_blur": 0.7,
           "insertion_neutral": 0.7, "randomisation": 0.05, "label_randomisation": 0.1, "stability_noise": 0.98,
           "stability_shift": 0.95, "gap": 0.001, "seconds": 2.0, "memory_mb": 60.0}  # fmt: skip
BLIND = {"densest_planted": 0.1, "density": 1.0, "mass_accuracy": 0.1, "rank_accuracy": 0.1, "unit_named": 0.1,
         "temporal_r": 0.0, "deletion_blur": 0.0, "deletion_neutral": 0.0, "insertion_blur": 0.0,
         "insertion_neutral": 0.0, "randomisation": 0.8, "label_randomisation": 0.8, "stability_noise": 0.3,
         "stability_shift": 0.3, "gap": 0.5, "seconds": 0.1, "memory_mb": 10.0}  # fmt: skip
GOODNESS = {"saliency": 0.9, "input_x_gradient": 0.9, "integrated_gradients_blur": 1.0, "smoothgrad": 0.9,
            "occlusion": 0.95, "grad_cam": 0.2, "random": 0.0}  # fmt: skip
USES = {"integrated_gradients_blur": "integrated_gradients"}


def scores_of(goodness=GOODNESS, *, tasks=(*UNITS, "badge_cue", "shuffled"), people=PEOPLE, seeds=SEEDS, spread=0.02):
    """Return scores in which each method lies a share of the way from blind to perfect."""
    rows = []
    for number, task in enumerate(tasks):
        networks = [("trained", seed, 0) for seed in seeds] + [("untrained", seeds[0], i) for i in range(CONTROLS)]
        for method, share in goodness.items():
            rng = np.random.default_rng([number, len(method), int(100 * share)])
            for network, seed, index in networks:
                for person in people:
                    values = values_of(task, share if network == "trained" else 0.1 * share, rng, spread)
                    values |= dict.fromkeys({"gap"} & set(values), np.nan) if method == "grad_cam" else {}
                    rows += [
                        {"task": task, "seed": seed, "network": network, "index": index, "method": method,
                         "measure": name, "participant": person, "value": value, "n": 4}
                        for name, value in values.items()
                    ]  # fmt: skip
    return pd.DataFrame(rows)


def values_of(task, share, rng, spread):
    moved = 1 + spread * rng.standard_normal()
    if task == "badge_cue":
        return {"background_share": (0.2 + 0.7 * share) * moved}
    if task == "shuffled":
        return {"stability_noise": 0.5}
    found = {name: BLIND[name] + share * (PERFECT[name] - BLIND[name]) for name in PERFECT}
    found = {name: value * moved for name, value in found.items()}
    return found | {name: float(share > 0.5) for name in ("densest_planted", "unit_named")}


def models_of(tasks=(*UNITS, "badge_cue", "shuffled"), seeds=SEEDS, r=0.97):
    return pd.DataFrame(
        [
            {"task": task, "seed": seed, "network": "trained", "r": 0.05 if task == "shuffled" else r - 0.01 * i,
             "r_low": -0.3 if task == "shuffled" else r - 0.1, "r_high": 0.4 if task == "shuffled" else r + 0.02,
             "mae": 0.2, "n": len(PEOPLE)}
            for task in tasks for i, seed in enumerate(seeds)
        ]
    )  # fmt: skip


def about_of(goodness=GOODNESS, **further):
    methods = {
        name: {"use": USES.get(name, name), "distribution": "mien==0", "completeness": "none", "signed": True,
               "citation": "", "version": 1, "fields": {}}
        for name in goodness
    }  # fmt: skip
    return about_run({}, {"lrp_gamma": "it needs zennit"}, seed=3) | {"methods": methods} | further


def result_of(goodness=GOODNESS, **options):
    scores = scores_of(goodness, **options)
    tasks = list(dict.fromkeys(scores["task"]))
    return BenchmarkResult(scores, models_of([t for t in tasks if t]), about_of(goodness))


@pytest.fixture(scope="module")
def board():
    return make_board(result_of())


def chosen(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1, where
    return table.iloc[0]


# Summary


def slow_summary(scores, task, method, measure, seed):
    """Return mean and interval, participant by participant, with the same draws."""
    own = scores[(scores["task"] == task) & (scores["network"] == "trained")]
    people = list(dict.fromkeys(own["participant"]))
    means = []
    for person in people:
        rows = own[(own["participant"] == person) & (own["method"] == method) & (own["measure"] == measure)]
        values = [value for value in rows["value"] if not math.isnan(value)]
        means.append(sum(values) / len(values) if values else math.nan)
    draws = np.random.default_rng(seed).multinomial(len(people), [1 / len(people)] * len(people), RESAMPLES)
    resampled = []
    for draw in draws:
        drawn = [m for m, times in zip(means, draw, strict=True) for _ in range(times) if not math.isnan(m)]
        resampled.append(sum(drawn) / len(drawn) if drawn else math.nan)
    known = [mean for mean in means if not math.isnan(mean)]
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return sum(known) / len(known), low, high


@pytest.mark.parametrize(("method", "measure"), [("saliency", "density"), ("occlusion", "temporal_r")])
def test_a_summary_is_the_mean_over_participants_of_their_means_over_seeds(method, measure):
    scores = scores_of(tasks=("AU12",), spread=0.3)
    gone = (scores["participant"] == PEOPLE[2]) & (scores["measure"] == measure) & (scores["seed"] == SEEDS[0])
    gone |= (scores["participant"] == PEOPLE[3]) & (scores["measure"] == measure)
    scores.loc[gone, "value"] = np.nan  # one lacks a seed, another the whole measure
    result = BenchmarkResult(scores, models_of(("AU12",)))
    row = chosen(summarise(result.scores, result.models, 5), seed="all", method=method, measure=measure)
    assert row[["mean", "low", "high"]].tolist() == pytest.approx(slow_summary(scores, "AU12", method, measure, 5))
    assert row["n"] == len(PEOPLE) - 1
    assert row["undefined"] == 1


def test_each_seed_and_the_range_of_the_untrained_networks_are_told():
    scores = scores_of({"saliency": 1.0}, tasks=("AU12",), spread=0)
    own = scores["measure"] == "density"
    scores.loc[own & (scores["network"] == "untrained"), "value"] = 1.0 + scores["index"] / 10
    scores.loc[own & (scores["network"] == "trained") & (scores["seed"] == 12), "value"] = 6.0
    result = BenchmarkResult(scores, models_of(("AU12",)))
    table = summarise(result.scores, result.models)
    rows = table[table["measure"] == "density"].set_index("seed")
    assert rows["mean"].to_dict() == pytest.approx({"11": 12.0, "12": 6.0, "all": 9.0})
    # They stand under the first seed alone, and beside all of them.
    assert rows["control_mean"].tolist() == pytest.approx([1.45] * 3)
    assert rows["control_low"].tolist() == pytest.approx([1.0] * 3)
    assert rows["control_high"].tolist() == pytest.approx([1.9] * 3)
    assert set(rows["controls"]) == {CONTROLS}


def test_untrained_and_shuffled_networks_do_not_count_as_trained(board):
    row = chosen(board.summary, task="AU12", seed="all", method="integrated_gradients_blur", measure="density")
    assert row["mean"] == pytest.approx(PERFECT["density"], rel=0.05)
    scores = scores_of({"saliency": 0.0}, tasks=("shuffled",))
    scores["network"] = scores["network"].replace("trained", "shuffled")
    summary = summarise(BenchmarkResult(scores).scores, models_of(("shuffled",)))
    assert set(summary["seed"]) == {"11", "12", "all"}


# Leaderboard


def test_the_perfect_method_is_first_and_the_blind_one_last(board):
    table = board.leaderboard.set_index("method")
    assert table.index[0] == "integrated_gradients_blur"
    assert table.index[-1] == "random"
    assert table["place"].is_monotonic_increasing
    assert table.loc["integrated_gradients_blur", "density"] == pytest.approx(PERFECT["density"], rel=0.05)
    assert table.loc["integrated_gradients_blur", "density_control"] < 3
    assert (table["mean_rank_low"] <= table["mean_rank"] + 1e-9).all()
    assert (table["mean_rank"] <= table["mean_rank_high"] + 1e-9).all()


def test_ranks_are_those_of_a_hand_reckoned_case():
    """Three methods; the first two tie in density, the last is undefined in r; less of randomisation is better."""
    measures = [MEASURES["density"], MEASURES["density"], MEASURES["temporal_r"], MEASURES["randomisation"]]
    means = np.array([[[2.0, 2.0, 1.0], [3.0, 1.0, 2.0], [0.5, 0.6, np.nan], [0.9, 0.2, 0.1]]])
    ranks = [[1.5, 1.5, 3], [1, 3, 2], [2, 1, 3], [3, 2, 1]]
    assert cell_ranks(means, measures)[0].tolist() == ranks
    found = mean_ranks(means, measures)
    density, r = np.mean(ranks[:2], axis=0), np.array(ranks[2])
    planted = (density + r) / 2  # tasks first, then measures
    assert found["planted"][0] == pytest.approx(planted)
    assert found["faithfulness"][0] == pytest.approx(ranks[3])
    assert found["mean"][0] == pytest.approx((planted + ranks[3]) / 2)


def test_equal_methods_share_a_place_whatever_they_are_called():
    scores = scores_of({"b": 0.7, "a": 0.7}, tasks=("AU12",), spread=0)
    table = make_board(BenchmarkResult(scores, models_of(("AU12",)), about_of({"a": 0, "b": 0}))).leaderboard
    assert table["place"].tolist() == [1, 1]
    assert table["method"].tolist() == ["a", "b"]
    assert table["mean_rank"].tolist() == [1.5, 1.5]


def test_means_that_are_equal_in_three_digits_share_their_ranks():
    measures = [MEASURES["density"], MEASURES["temporal_r"]]
    means = np.array([[[3.3712, 3.3698, 3.36, 0.0], [0.0004, -0.0003, 0.002, 0.2814]]])
    assert cell_ranks(means, measures)[0].tolist() == [[1.5, 1.5, 3, 4], [3.5, 3.5, 2, 1]]


def test_a_measure_that_no_method_has_is_left_out_and_one_that_is_undefined_ranks_last():
    scores = scores_of({"saliency": 1.0, "grad_cam": 0.5}, tasks=("AU12",), spread=0)
    scores.loc[scores["measure"] == "label_randomisation", "value"] = np.nan
    scores.loc[(scores["measure"] == "density") & (scores["method"] == "saliency"), "value"] = np.nan
    table = make_board(BenchmarkResult(scores, models_of(("AU12",)))).leaderboard.set_index("method")
    assert table.loc["saliency", "faithfulness_rank"] == 1.0
    assert table.loc["saliency", "planted_rank"] == pytest.approx((2 + 5 * 1) / 6)
    assert table["label_randomisation"].isna().all()


def test_intervals_of_ranks_need_three_participants():
    scores = scores_of({"a": 1.0, "b": 0.2}, tasks=("AU12",), people=PEOPLE[:2])
    table = make_board(BenchmarkResult(scores, models_of(("AU12",)))).leaderboard
    assert table["mean_rank"].notna().all()
    assert table["mean_rank_low"].isna().all()


def test_a_strangers_method_takes_part_like_any_other(board):
    goodness = GOODNESS | {"my_package.method": 0.97}
    found = make_board(result_of(goodness))
    assert found.methods.index("my_package.method") == 1
    assert set(found.methods) == set(board.methods) | {"my_package.method"}
    columns = ["task", "seed", "method", "measure", "mean", "low", "high"]
    own = found.summary[found.summary["method"] != "my_package.method"][columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, board.summary[columns])  # the others' figures are as they were


# Gates


def gate(table, beginning, task=None):
    rows = table[table["gate"].str.startswith(beginning)]
    rows = rows if task is None else rows[rows["task"] == task]
    assert len(rows) == 1
    return rows.iloc[0]


def test_good_networks_and_methods_pass_every_gate_that_has_a_bound(board):
    table = board.gates
    assert table["passed"].all(), table[["gate", "value", "passed"]]
    result = board.result
    table = gates(board.summary, result.scores, result.models, result.uses, pilot={})
    assert set(table.loc[table["bound"].isna(), "task"]) == {"AU01+02", "AU04"}
    assert table.loc[table["bound"].isna(), "passed"].isna().all()
    assert table.loc[table["bound"].isna(), "note"].str.startswith("No bound was set").all()


def test_a_method_counts_once_however_many_variants_pass():
    names = {f"lrp_{number}": 1.0 for number in range(6)} | {"saliency": 1.0}
    uses = {name: name.partition("_")[0] for name in names}
    scores = scores_of(names, tasks=("AU12",))
    summary = summarise(scores, models_of(("AU12",)))
    table = gates(summary, scores, models_of(("AU12",)), uses)
    row = gate(table, "methods that put the planted region first")
    assert row["value"] == 2
    assert not row["passed"]
    assert "lrp and saliency" in row["note"]


def test_the_same_map_by_two_methods_counts_once():
    scores = scores_of({"lrp_epsilon": 1.0, "input_x_gradient": 1.0}, tasks=("AU12",))
    models, uses = models_of(("AU12",)), {"lrp_epsilon": "lrp", "input_x_gradient": "input_x_gradient"}
    row = gate(gates(summarise(scores, models), scores, models, uses), "methods that put the planted region first")
    assert row["value"] == 1


def test_nine_of_ten_participants_are_nine_of_ten_in_whatever_order_they_are_summed():
    people = [f"person {i}" for i in range(12)]
    scores = scores_of({"saliency": 1.0}, tasks=("AU12",), people=people, seeds=range(5))
    scores = scores[(scores["measure"] == "densest_planted") & (scores["network"] == "trained")]
    models, rng = models_of(("AU12",), range(5)), np.random.default_rng(0)
    for _ in range(40):
        scores = scores.assign(value=rng.permutation([1.0] * 54 + [0.0] * 6))
        table = gates(summarise(scores, models), scores, models, {})
        assert gate(table, "methods that put the planted region first")["value"] == 1


@pytest.mark.parametrize(("measure", "seeds", "share"), [
    ("densest_planted", SEEDS, 12), ("unit_named", SEEDS, 12), ("unit_named", SEEDS[:1], 56),
])  # fmt: skip
def test_a_participant_without_a_map_counts_against_the_method(measure, seeds, share):
    """In all seeds 1 of 8 is left, in one seed of two 1 of 8 and then all of 8."""
    scores = scores_of({"saliency": 1.0}, tasks=("AU12",))
    own = (scores["measure"] == measure) & (scores["participant"] != PEOPLE[0]) & scores["seed"].isin(seeds)
    scores.loc[own, "value"] = np.nan
    words = {"densest_planted": "put the planted region first", "unit_named": "name the planted AU"}
    row = gate(make_board(BenchmarkResult(scores, models_of(("AU12",)))).gates, f"methods that {words[measure]}")
    assert row["value"] == 0
    assert f"saliency with {share} %" in row["note"]


def test_a_participant_without_a_map_counts_against_the_label_swap():
    scores = scores_of({"saliency": 1.0}, tasks=("AU12", "AU09"))
    own = (scores["measure"] == "densest_planted") & (scores["participant"] != PEOPLE[0]) & (scores["task"] == "AU09")
    scores.loc[own, "value"] = np.nan
    table = make_board(BenchmarkResult(scores, models_of(("AU12", "AU09")))).gates
    assert "saliency with 12 %" in gate(table, "methods whose densest region goes")["note"]


def test_a_network_that_says_the_same_of_everybody_passes_no_gate():
    models = models_of()
    models.loc[models["seed"] == SEEDS[1], ["r", "r_low", "r_high"]] = np.nan
    table = make_board(BenchmarkResult(scores_of(), models)).gates
    row = gate(table, "r of predictions", "AU12")
    assert row["passed"] == False  # noqa: E712
    assert row["note"] == "Undefined for seed 12. r: 0.970 (seed 11)."
    assert pd.isna(gate(table, "|r| of predictions")["passed"])


def test_untrained_networks_are_held_against_the_same_people():
    """The trained networks have 12 on the half whom the untrained ones saw, and 36 on the others."""
    scores = scores_of({"saliency": 1.0}, tasks=("AU12",), spread=0)
    seen = scores["participant"].isin(PEOPLE[:4])
    scores = scores[seen | (scores["network"] == "trained")]
    density = scores["measure"] == "density"
    scores.loc[density & (scores["network"] == "untrained"), "value"] = 3.0
    scores.loc[density & (scores["network"] == "trained") & ~seen, "value"] = 36.0
    row = gate(make_board(BenchmarkResult(scores, models_of(("AU12",)))).gates, "density of the untrained")
    assert row["value"] == pytest.approx(0.25)
    assert "trained 12, of the same 4 participants" in row["note"]


def test_what_fails_is_told_with_its_figure():
    scores = scores_of({"saliency": 0.3, "random": 0.0})
    table = make_board(BenchmarkResult(scores, models_of(r=0.85))).gates
    assert not gate(table, "r of predictions", "AU12")["passed"]
    assert gate(table, "r of predictions", "AU12")["value"] == pytest.approx(0.84)  # of the worst seed
    first = gate(table, "methods that put the planted region first", "AU12")
    assert first["value"] == 0
    assert "the best is saliency with 0 %" in first["note"]
    best = gate(table, "density of the planted region", "AU12")
    assert best["value"] == pytest.approx(1 + 0.3 * 11, rel=0.05)
    assert not best["passed"]
    assert not gate(table, "methods with more than 80 %")["passed"]


def test_the_label_swap_counts_people_in_whom_both_networks_are_right():
    """Right for one label in half of the people, for the other in the other half: right for both in nobody."""
    scores = scores_of({"saliency": 1.0}, tasks=("AU12", "AU09"), seeds=(11,))
    densest = (scores["measure"] == "densest_planted") & (scores["network"] == "trained")
    half = scores["participant"].isin(PEOPLE[:4])
    scores.loc[densest & (scores["task"] == "AU12"), "value"] = half.astype(float)
    scores.loc[densest & (scores["task"] == "AU09"), "value"] = (~half).astype(float)
    table = make_board(BenchmarkResult(scores, models_of(("AU12", "AU09"), (11,)))).gates
    row = gate(table, "methods whose densest region goes from the mouth to the nose")
    assert row["value"] == 0
    assert "saliency with 0 %" in row["note"]


def test_the_gate_of_the_gap_is_of_the_worst_clip_of_integrated_gradients():
    scores = scores_of(tasks=("AU12",), spread=0)
    own = (scores["measure"] == "gap") & (scores["network"] == "trained")
    ig = scores["method"] == "integrated_gradients_blur"
    scores.loc[own & ~ig, "value"] = 0.9
    scores.loc[scores.index[own & ig][3], "value"] = 0.02
    scores.loc[(scores["measure"] == "gap") & (scores["network"] == "untrained"), "value"] = 0.5
    row = gate(make_board(BenchmarkResult(scores, models_of(("AU12",)), about_of())).gates, "completeness gap")
    assert row["value"] == pytest.approx(0.02)
    assert not row["passed"]


def test_shuffled_labels_are_judged_by_the_size_of_r_of_the_worst_seed():
    models = models_of()
    models.loc[(models["task"] == "shuffled") & (models["seed"] == 12), ["r", "r_low", "r_high"]] = [-0.4, -0.6, -0.1]
    row = gate(make_board(BenchmarkResult(scores_of(), models)).gates, "|r| of predictions")
    assert row[["value", "low", "high"]].tolist() == pytest.approx([0.4, 0.1, 0.6])
    assert not row["passed"]


def test_bounds_of_the_pilot_decide_where_they_are_given(board):
    result = board.result
    bounds = {"AU04": Bounds(r=0.8, density=3.0, temporal_r=0.99, methods=4)}
    table = gates(board.summary, result.scores, result.models, result.uses, pilot=bounds)
    assert gate(table, "r of predictions", "AU04")["passed"]
    assert gate(table, "density of the planted region", "AU04")["passed"]
    assert not gate(table, "correlation of signed relevance", "AU04")["passed"]


# What is written


def test_everything_is_written_and_fits_its_schema(tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    result = result_of(GOODNESS | {HOSTILE: 0.5})
    written = write_results(result, tmp_path)
    document = json.loads((tmp_path / "leaderboard.json").read_text())
    jsonschema.Draft202012Validator(leaderboard_schema()).validate(document)
    assert [row["method"] for row in document["leaderboard"]] == written.board.methods
    for name, table in BENCHMARK_TABLES.items():
        stored = pd.read_parquet(tmp_path / "tables" / f"{name}.parquet")
        pd.testing.assert_frame_equal(conform(table, stored), written.board.tables[name], check_dtype=False)
        jsonschema.Draft202012Validator.check_schema(table_schema(table))
    for kind in ("pdf", "svg", "png"):
        assert (tmp_path / "figures" / f"leaderboard.{kind}").stat().st_size > 1000
    page = written.page.read_text()
    assert HOSTILE not in page
    assert "&lt;script&gt;alert" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_figures_of_an_earlier_run_in_the_folder_go(tmp_path):
    old = tmp_path / "figures" / "benchmark_background_share.png"
    old.parent.mkdir()
    old.touch()
    write_results(result_of({"saliency": 1.0}, tasks=("AU12",), people=PEOPLE[:3]), tmp_path)
    assert not old.exists()
    assert (tmp_path / "figures" / "benchmark_density.png").exists()


def test_the_page_shows_methods_gates_tasks_and_limits(board):
    page = render(board)
    for text in (*board.methods, "Research use, not a diagnosis", "warps of one person", "lrp_gamma", "it needs zennit",
                 "AU9, nose wrinkler", "a badge as the only cue", "shuffled labels"):  # fmt: skip
        assert text in page
    assert page.count("<svg") > 100
    assert "10 untrained networks" in page


def test_the_markdown_table_has_a_row_a_method_and_its_date(board):
    lines = as_markdown(board).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == len(GOODNESS) + 2
    assert len({line.count(" | ") for line in rows}) == 1
    assert board.result.about["date"] in lines[-3]
    hostile = as_markdown(make_board(result_of({HOSTILE: 1.0}, tasks=("AU12",))))
    assert "\\<script\\>" in hostile
    assert "\\|" in hostile


def test_an_own_network_has_no_gates_and_ranks_by_faithfulness_alone(tmp_path):
    scores = scores_of({"saliency": 1.0, "grad_cam": 0.1}, tasks=("",), seeds=(0,))
    planted = [name for name, measure in MEASURES.items() if measure.group == "planted"]
    scores = scores[(scores["network"] == "trained") & ~scores["measure"].isin(planted)]
    found = write_results(BenchmarkResult(scores, about=about_of()), tmp_path).board
    assert found.methods == ["saliency", "grad_cam"]
    assert found.gates.empty
    assert found.leaderboard["mean_rank"].tolist() == [1.0, 2.0]
    assert found.leaderboard["planted_rank"].isna().all()
    page = (tmp_path / "leaderboard.html").read_text()
    assert "no planted truth here" in page
    assert "untrained networks" not in page
    assert "badge" not in json.loads((tmp_path / "leaderboard.json").read_text())["rule"]


def test_a_result_with_a_figure_twice_or_an_unknown_measure_is_refused():
    scores = scores_of({"saliency": 1.0}, tasks=("AU12",))
    with pytest.raises(DataError, match="twice"):
        BenchmarkResult(pd.concat([scores, scores.head(1)]))
    with pytest.raises(DataError, match="beauty"):
        BenchmarkResult(scores.assign(measure="beauty"))


def test_no_figure_that_is_not_a_number_reaches_the_json(board):
    json.dumps(as_json(board), allow_nan=False)
    odd = BenchmarkResult(board.result.scores, board.result.models, about_of(odd=[float("nan"), {"a": float("inf")}]))
    assert as_json(make_board(odd))["about"]["odd"] == [None, {"a": None}]


def test_every_planted_task_has_a_place():
    """A task whose label shows in the face has bounds, or is one of the controls."""
    assert {task.name for task in TASKS} == {*UNITS, "badge_cue", "badge_confounded", "shuffled"}
    assert {table.name for table in (SUMMARY, LEADERBOARD, GATES)} < set(BENCHMARK_TABLES)

"""The benchmark of explanations, whole, on a planted set as small as it can be."""

import numpy as np
import pandas as pd
import pytest

from mien.benchmark import run as benchmark
from mien.benchmark.measuring import Depth
from mien.benchmark.networks import recipe
from mien.benchmark.run import Plan, benchmark_explanations
from mien.benchmark.tasks import TASKS, chosen_tasks
from mien.errors import ConfigError, ModelError
from mien.registry import load_registry
from mien.store.store import Store

SMALL = Plan(
    tasks=("AU12", "AU09", "badge_cue", "shuffled"),
    overrides=(
        "dataset.participants=4",
        "dataset.test_participants=2",
        "dataset.recordings_per_participant=2",
        "dataset.frames=16",
        "dataset.size=128",
        "backbone.widths=[4, 8]",
        "training.batch=2",
    ),
    seeds=(11, 12),
    clips=2,
    control_people=2,
    thorough=("AU12",),
    thorough_seeds=1,
    depth=Depth(True, stages=2, draws=1, steps=4, orders=2),
    epochs=1,
)
METHODS = ["saliency", "input_x_gradient", "ablation"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def result(store, mediapipe_usable):
    return benchmark_explanations(store=store, workers=2, device="cpu", methods=METHODS, plan=SMALL)


def test_every_network_is_measured_beside_ten_untrained_ones(result):
    scores = result.scores
    trained = scores[scores["network"] == "trained"]
    assert set(trained["task"]) == {"AU12", "AU09", "badge_cue", "shuffled"}
    assert set(trained["seed"]) == {11, 12}
    assert set(trained["method"]) == set(METHODS)
    untrained = scores[scores["network"] == "untrained"]
    assert set(untrained["index"]) == set(range(benchmark.UNTRAINED))
    assert set(untrained["task"]) == {"AU12", "AU09", "badge_cue", "shuffled"}
    often = scores[scores["measure"] != "memory_mb"]  # once is enough for it
    for _, group in often.groupby(["task", "seed", "network", "index", "method", "measure"]):
        assert len(group) == group["participant"].nunique() == 2
    assert list(result.models["task"]) == [
        "AU12",
        "AU12",
        "AU09",
        "AU09",
        "badge_cue",
        "badge_cue",
        "shuffled",
        "shuffled",
    ]
    assert (result.models["n"] == 2).all()
    assert result.about["notes"] == []


def test_which_measures_there_are(result):
    scores = result.scores[result.scores["network"] == "trained"]
    found = {task: set(own["measure"]) for task, own in scores.groupby("task")}
    planted = {"densest_planted", "density", "mass_accuracy", "rank_accuracy", "unit_named", "temporal_r"}
    faithful = {f"{what}_{fill}" for what in ("deletion", "insertion") for fill in ("blur", "neutral")}
    faithful |= {"randomisation", "stability_noise", "stability_shift", "memory_mb"}
    assert planted | faithful | {"background_share", "label_randomisation", "gap", "seconds"} <= found["AU12"]
    assert planted <= found["AU09"]
    assert not faithful & found["AU09"]
    assert not planted & (found["badge_cue"] | found["shuffled"])
    assert "background_share" in found["badge_cue"]
    assert "label_randomisation" not in found["badge_cue"]
    unsigned = scores[(scores["method"] == "saliency") & (scores["measure"] == "temporal_r")]
    assert unsigned.empty


def test_values_are_possible(result):
    wide = result.scores.dropna().groupby("measure")["value"].agg(["min", "max"])
    for share in ("background_share", "mass_accuracy", "rank_accuracy", "densest_planted", "unit_named"):
        assert 0 <= wide.loc[share, "min"] <= wide.loc[share, "max"] <= 1
    for r in ("temporal_r", "randomisation", "label_randomisation", "stability_noise"):
        assert -1 <= wide.loc[r, "min"] <= wide.loc[r, "max"] <= 1
    assert wide.loc["seconds", "min"] > 0
    assert wide.loc["memory_mb", "min"] > 0


def test_one_more_method_costs_its_own_explanations_alone(result, store, monkeypatch):
    asked = []
    monkeypatch.setattr(
        benchmark,
        "_measured",
        lambda measured, tasks, context: (
            asked.extend(task for task in tasks if store.find("benchmark", task.key) is None) or []
        ),
    )
    again = benchmark_explanations(
        store=store, workers=2, device="cpu", tasks=["AU12"], methods=[*METHODS, "grad_cam"], plan=SMALL
    )
    assert {task.method for task in asked} == {"grad_cam"}
    pd.testing.assert_frame_equal(
        again.scores.query("measure == 'density'").reset_index(drop=True),
        result.scores.query("measure == 'density' and task == 'AU12'").reset_index(drop=True),
    )


def test_a_method_that_fails_is_noted_and_the_others_go_on(tmp_path, monkeypatch, mediapipe_usable):
    registry, store = load_registry(), Store(tmp_path)  # of its own: nothing was explained before it broke
    saliency = registry.load("attribution", "saliency")

    def broken(self, model, batch, target):
        raise ConfigError("It broke.")

    monkeypatch.setattr(saliency, "attribute", broken)
    plan = Plan(**{**vars(SMALL), "seeds": (13,), "thorough": ()})
    found = benchmark_explanations(
        store=store, workers=1, device="cpu", tasks=["AU12"], methods=["saliency", "input_x_gradient"], plan=plan
    )
    assert set(found.scores.query("seed == 13")["method"]) == {"input_x_gradient"}
    assert any("saliency" in note and "It broke" in note for note in found.about["notes"])
    with pytest.raises(ModelError, match=r"No clip could be explained.*saliency.*It broke"):
        benchmark_explanations(store=store, device="cpu", tasks=["AU12"], methods=["saliency"], plan=plan)


@pytest.mark.parametrize(
    ("names", "thorough", "unsaid"),
    [
        (("AU12", "AU09", "shuffled"), ("AU12",), ()),
        (("AU04", "shuffled"), ("AU04",), ()),
        (("badge_cue", "badge_confounded", "shuffled"), (), ("Deletion",)),
        (("AU09", "badge_cue"), ("AU09",), ("Label randomisation",)),
    ],
)
def test_what_some_tasks_do_not_allow_to_be_measured_is_told(names, thorough, unsaid):
    plan, chosen = benchmark._planned(SMALL, names)
    assert plan.thorough == thorough
    notes = list(benchmark._untested(plan, chosen))
    assert len(notes) == len(unsaid)
    assert all(note.startswith(start) for note, start in zip(notes, unsaid, strict=True))


def test_a_task_that_does_not_exist():
    with pytest.raises(ConfigError, match="AU13"):
        chosen_tasks(["AU13"])


def test_the_recipe_fits_every_task():
    config = recipe(load_registry())
    for task in TASKS:
        made = type(config.dataset)(**{**config.dataset.model_dump(), "label": dict(task.label), "badge": task.badge})
        assert np.isclose(sum(made.label.values()), len(task.label))

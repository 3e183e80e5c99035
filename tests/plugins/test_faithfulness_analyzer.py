"""The analyzer `faithfulness`: its verdicts on methods of which it is known whether they are to be believed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from mien.errors import ModelError
from mien.interfaces import AttributionMethod, ExplainedModel, Remark
from mien.steps.analyze import as_described
from mien.testing import clip_batch
from mien.testing.attribution import first_output
from mien.types import ClipBatch, ClipKey, Explanation
from mien_plugins.analyzers.faithfulness import Faithfulness

FRAMES, SIZE = 4, 16


class MouthReader(nn.Module):
    """Reads the left half, which is the mouth, with weights that differ from place to place."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(3, FRAMES, SIZE, SIZE))
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            self.weights[..., : SIZE // 2] = 1 + torch.rand((3, FRAMES, SIZE, SIZE // 2), generator=generator)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return (clips * self.weights).flatten(1).mean(1, keepdim=True)


class Gradient(AttributionMethod):
    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Any) -> Explanation:
        point = batch.inputs.detach().clone().requires_grad_()
        slope = torch.autograd.grad(target(model.module(point)).sum(), point)[0]
        return Explanation(slope, torch.zeros(len(batch)))


class Edges(AttributionMethod):
    """The clip itself: the same for every network."""

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Any) -> Explanation:
        return Explanation(batch.inputs.abs(), torch.zeros(len(batch)))


class Reversed(Gradient):
    """Dense where the network does not look."""

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Any) -> Explanation:
        found = super().attribute(model, batch, target)
        return replace(found, relevance=found.relevance.flip(-1))


class Broken(Gradient):
    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Any) -> Explanation:
        raise ModelError("This network cannot be explained.")


class Faulty(Gradient):
    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Any) -> Explanation:
        raise ZeroDivisionError("planted")


class Empty(Gradient):
    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Any) -> Explanation:
        return Explanation(torch.zeros_like(batch.inputs), torch.zeros(len(batch)))


class Run:
    """A run of a network that reads the mouth."""

    seed = 0
    objective = SimpleNamespace(target=first_output)

    def __init__(self, methods: dict[str, AttributionMethod], people: int = 5, windows: int = 1) -> None:
        module = MouthReader()
        self.network = ExplainedModel(module, {"all": module})
        self.methods = methods
        self.asked: list[str] = []
        keys = [ClipKey(f"p{p}_r", f"p{p}", window) for p in range(people) for window in range(windows)]
        batch = clip_batch(len(keys), FRAMES, SIZE)
        smooth = nn.functional.avg_pool3d(batch.inputs, (1, 5, 5), 1, (0, 2, 2)) + 1.5
        batch = replace(batch, inputs=smooth, keys=keys)
        self._clips = {key: batch[row : row + 1] for row, key in enumerate(keys)}
        rows = [(method, key.recording, key.participant, key.window, "test") for method in methods for key in keys]
        self.relevance = pd.DataFrame(rows, columns=["method", "recording", "participant", "window", "split"])
        self.recordings = self.relevance[["recording", "participant"]].drop_duplicates()

    def model_of(self, recording: str) -> ExplainedModel:
        self.asked.append(recording)
        return self.network

    def clips(self, keys: Any) -> Any:
        for key in keys:
            yield self._clips[key]

    def maps(self, method: str, key: ClipKey) -> Any:
        made = self.methods[method]
        made = Gradient() if isinstance(made, Broken | Faulty) else made  # what was stored before it broke
        return made.attribute(self.network, self._clips[key], first_output).relevance.sum(1)[0].numpy()


def analysis_of(run: Run, **fields: Any) -> Any:
    analyzer = Faithfulness(**fields)
    return as_described(analyzer, analyzer.analyze(run), run.recordings)


def test_who_is_to_be_believed_is() -> None:
    found = analysis_of(Run({"gradient": Gradient(), "edges": Edges(), "reversed": Reversed()}))
    verdicts = found.tables["faithfulness_verdicts"].set_index("method")
    assert verdicts["verdict"].to_dict() == {
        "gradient": "believe",
        "edges": "do not believe",
        "reversed": "do not believe",
    }
    assert verdicts.loc["gradient", "why"] == ""
    assert "random parameters gives much the same map (1.00)" in verdicts.loc["edges", "why"]
    assert "Deletion and insertion are no better than in random order." in verdicts.loc["reversed", "why"]
    assert {name: one.level for name, one in found.method_remarks.items()} == {
        "gradient": "good",
        "edges": "bad",
        "reversed": "bad",
    }
    assert "5 participants" in found.method_remarks["gradient"].text
    assert any(note == "Do not believe: edges and reversed." for note in found.notes)


def test_figures_are_means_over_participants() -> None:
    found = analysis_of(Run({"gradient": Gradient()}, windows=3), clips=2)
    people, table = found.tables["faithfulness_participants"], found.tables["faithfulness"]
    deletion = table.set_index("measure").loc["deletion"]
    own = people[people["measure"] == "deletion"]
    assert deletion["value"] == pytest.approx(own["value"].mean())
    assert deletion["low"] <= deletion["value"] <= deletion["high"]
    assert (deletion["participants"], deletion["clips"]) == (5, 10)
    assert set(own["clips"]) == {2}
    fills = people.pivot(index="participant", columns="measure", values="value")
    assert fills["insertion"].tolist() == pytest.approx(
        ((fills["insertion_blur"] + fills["insertion_median"]) / 2).tolist()
    )


def test_with_two_participants_it_is_with_care() -> None:
    found = analysis_of(Run({"gradient": Gradient()}, people=2))
    row = found.tables["faithfulness_verdicts"].iloc[0]
    assert row["verdict"] == "with care"
    assert "for want of participants" in row["why"]
    assert "2 participants; too few for intervals" in found.method_remarks["gradient"].text
    bars = next(chart for chart in found.charts if chart.name == "faithfulness")
    assert not any(series.low for panel in bars.panels for series in panel.series)


@pytest.mark.parametrize("broken", [Broken(), Faulty()])
def test_a_method_that_fails_is_a_stated_gap(broken: AttributionMethod) -> None:
    found = analysis_of(Run({"broken": broken, "gradient": Gradient()}))
    assert found.tables["faithfulness_verdicts"]["method"].tolist() == ["gradient"]
    gaps = [note for note in found.notes if note.startswith("broken: its faithfulness is not tested")]
    assert len(gaps) == 1
    nothing = analysis_of(Run({"broken": broken}))
    assert not nothing.tables
    assert nothing.notes[0] == "Faithfulness is not tested."


def test_maps_without_relevance_are_undefined_and_counted() -> None:
    found = analysis_of(Run({"empty": Empty()}))
    table = found.tables["faithfulness"].set_index("measure")
    assert table["value"].isna().all()
    assert set(table["undefined"]) == {5}
    assert found.tables["faithfulness_verdicts"]["verdict"].tolist() == ["with care"]
    assert "empty: undefined in 5 clips, e.g. for want of relevance." in found.notes


def test_few_are_tested_and_each_in_its_own_network() -> None:
    run = Run({"gradient": Gradient()}, people=9)
    found = analysis_of(run, participants=3, stages="last")
    assert found.tables["faithfulness_participants"]["participant"].unique().tolist() == ["p1", "p4", "p7"]
    assert run.asked == ["p1_r", "p4_r", "p7_r"]


def test_whoever_is_out_of_distribution_is_not_tested_beside_others() -> None:
    run = Run({"gradient": Gradient()})
    run.relevance.loc[run.relevance["participant"] == "p2", "split"] = "out_of_distribution"
    found = analysis_of(run)
    assert "p2" not in set(found.tables["faithfulness_participants"]["participant"])


def test_every_stage_or_the_last_one_is_shown() -> None:
    methods = {"gradient": Gradient()}
    run = Run(methods)
    whole = nn.Sequential(run.network.module, nn.Linear(1, 1))
    run.network = ExplainedModel(whole, {"reader": whole[0], "head": whole[1]})
    every, last = analysis_of(run), analysis_of(run, stages="last")
    own = every.tables["faithfulness"]
    assert own.loc[own["measure"] == "randomisation", "stage"].tolist() == ["head", "reader"]
    assert any(chart.name == "faithfulness_randomisation" for chart in every.charts)
    own = last.tables["faithfulness"]
    assert own.loc[own["measure"] == "randomisation", "stage"].tolist() == ["reader"]
    assert not any(chart.name == "faithfulness_randomisation" for chart in last.charts)
    # A head of one weight turns the sign at most, which absolute maps do not see.
    first = every.tables["faithfulness"].set_index(["measure", "stage"]).loc[("randomisation", "head"), "value"]
    assert first == pytest.approx(1.0)


def test_curves_begin_alike_and_end_at_nothing() -> None:
    found = analysis_of(Run({"gradient": Gradient()}))
    lines = {chart.name: chart for chart in found.charts if chart.name.startswith("faithfulness_")}
    for name in ("deletion_blur", "deletion_median", "insertion_blur", "insertion_median"):
        random, own = lines[f"faithfulness_{name}"].series
        assert random.name == "random order"
        assert own.y[0] == pytest.approx(random.y[0])
        assert np.array([own.y[-1], random.y[-1]]) == pytest.approx(np.zeros(2), abs=1e-9)
        assert sum(own.y) < sum(random.y)


def test_no_two_curves_have_one_colour() -> None:
    found = analysis_of(Run({f"method_{number}": Gradient() for number in range(9)}, people=1), stages="last", draws=1)
    chart = next(chart for chart in found.charts if chart.name == "faithfulness_deletion_blur")
    assert [line.name for line in chart.series] == ["random order", *(f"method_{number}" for number in range(7))]
    assert "Drawn are the first 7 methods." in chart.caption


def test_landmarks_are_tested_with_the_median_alone() -> None:
    run = Run({"gradient": Gradient()})
    weights = torch.rand(FRAMES, SIZE, 2, generator=torch.Generator().manual_seed(0))

    class Points(MouthReader):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.weights = nn.Parameter(weights)

    module = Points()
    run.network = ExplainedModel(module, {"all": module})
    run._clips = {
        key: replace(batch, inputs=batch.inputs[:, :2, :, 0].permute(0, 2, 3, 1), regions=batch.regions[:, :, 0],
                     layout="landmarks")
        for key, batch in run._clips.items()
    }  # fmt: skip
    run.maps = lambda method, key: (
        Gradient().attribute(run.network, run._clips[key], first_output).relevance.sum(-1)[0].numpy()
    )
    found = analysis_of(run)
    assert "deletion_median" in set(found.tables["faithfulness"]["measure"])
    assert not {"deletion_blur", "stability_shift"} & set(found.tables["faithfulness"]["measure"])
    assert any("Landmarks cannot be blurred" in note for note in found.notes)


def test_the_remark_is_one_line() -> None:
    remark = analysis_of(Run({"gradient": Gradient()})).method_remarks["gradient"]
    assert isinstance(remark, Remark)
    assert remark.verdict == "Believe"
    assert "\n" not in remark.text
    assert remark.text.startswith("Deletion 0.")

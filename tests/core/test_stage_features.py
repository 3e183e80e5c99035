"""Reading a stage's output, and clips as another network wants them.

1. The output is the stage's own: what a later layer writes over it in place does not show.
2. The network is left as it was found, also after a failure.
3. A stage that there is not, that is not run or that gives no tensor is told.
4. The synthetic run of plugin authors gives the same.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

import mien
from mien import ExplainedModel, ModelError
from mien.registry import load_registry
from mien.testing import clip_batch, run_view, tiny_network
from mien.testing.attribution import assert_same_state, network_state


class Overwriting(nn.Module):
    """Two layers; the second one writes over the first one's output."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.over, self.pair, self.idle = nn.Linear(4, 3), nn.ReLU(inplace=True), Pair(), nn.Linear(2, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.pair(self.over(self.body(inputs)))[0]


class Pair(nn.Module):
    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return inputs, inputs


def overwriting() -> ExplainedModel:
    torch.manual_seed(0)
    module = Overwriting()
    return ExplainedModel(module, {name: getattr(module, name) for name in ("body", "pair", "idle")}, name="it")


def test_the_output_is_the_stages_own():
    model = overwriting()
    inputs = torch.randn(5, 4)
    expected = model.module.body(inputs)
    assert (expected < 0).any()
    found = mien.stage_features(model, inputs, "body")
    torch.testing.assert_close(found, expected.detach())
    assert not found.requires_grad


@pytest.mark.parametrize("fails", [False, True])
def test_the_network_is_left_as_it_was(fails):
    module = tiny_network()
    model = ExplainedModel(module, {"body": module.body, "head": module.head})
    module.train()
    module(clip_batch().inputs).sum().backward()
    before = network_state(module)
    if fails:
        with pytest.raises(RuntimeError):
            mien.stage_features(model, torch.zeros(1, 7, 2, 4, 4), "body")
    else:
        assert mien.stage_features(model, clip_batch().inputs, "body").shape == (2, 6, 2, 6, 6)
    assert_same_state(before, network_state(module))


@pytest.mark.parametrize(
    ("stage", "said", "hint"),
    [
        ("bodi", "it has no stage 'bodi'", "Did you mean 'body'?"),
        ("idle", "takes no part in the forward pass", "Name another"),
        ("pair", "gives tuple, not one tensor", "Name another"),
    ],
)
def test_a_stage_without_output_is_told(stage, said, hint):
    with pytest.raises(ModelError, match=said) as caught:
        mien.stage_features(overwriting(), torch.zeros(1, 4), stage)
    assert hint in str(caught.value)


def test_the_synthetic_run_gives_what_a_network_gives():
    registry = load_registry()
    view = run_view(registry.scheme("mediapipe_478"), registry.create("objective", "regression"))
    ((batch, head),) = view.features("head")
    assert head.shape == (len(batch), 1)
    torch.testing.assert_close(head, view.model.module(batch.inputs).detach())
    with pytest.raises(ModelError, match="no stage"):
        list(view.features("nose"))

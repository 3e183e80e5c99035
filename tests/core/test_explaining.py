"""`mien.explain` on any network, without configuration or store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mien
from mien.errors import ConfigError, DataError, ModelError
from mien.interfaces import ExplainedModel
from mien.registry import load_registry
from mien.steps.explain import check_methods

WEIGHTS = torch.arange(1.0, 1 + 3 * 2 * 4 * 4).reshape(3, 2, 4, 4)


class Head(nn.Module):
    """A linear network whose output has a shape of choice."""

    def __init__(self, outputs: int | None) -> None:
        super().__init__()
        self.outputs = outputs
        self.weights = nn.Parameter(WEIGHTS.clone())

    def forward(self, clips: Tensor) -> Tensor:
        score = (clips * self.weights).flatten(1).sum(1)
        return score if self.outputs is None else torch.stack([score * (1 + k) for k in range(self.outputs)], 1)


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))


def test_the_first_page_of_the_readme(clips: Tensor) -> None:
    mouth = np.zeros((4, 4), bool)
    mouth[2:] = True
    found = mien.explain(Head(1), clips, regions={"mouth": mouth}, method="integrated_gradients", baseline="zero")
    assert torch.allclose(found.relevance, WEIGHTS * clips, rtol=1e-4, atol=1e-4)
    rows = found.regions.set_index(["clip", "frame", "region"])["signed"]
    expected = (WEIGHTS * clips).sum(1)
    assert rows[1, 0, "mouth"] == pytest.approx(float(expected[1, 0, 2:].sum()), rel=1e-4)
    assert rows[0, 1, "total"] == pytest.approx(float(expected[0, 1].sum()), rel=1e-4)
    assert list(found.regions.region.unique()) == ["mouth", "background", "total"]


@pytest.mark.parametrize(("outputs", "target", "factor"), [(None, None, 1), (1, None, 1), (3, 2, 3), (3, -1, 3)])
def test_outputs_of_every_shape(outputs: int | None, target: int | None, factor: int, clips: Tensor) -> None:
    found = mien.explain(Head(outputs), clips, method="input_x_gradient", target=target)
    assert torch.allclose(found.relevance, factor * WEIGHTS * clips)
    assert found.explanation.output.shape == (2,)


def test_a_target_may_be_a_function(clips: Tensor) -> None:
    found = mien.explain(Head(3), clips, method="input_x_gradient", target=lambda output: output[:, 2] - output[:, 0])
    assert torch.allclose(found.relevance, 2 * WEIGHTS * clips, rtol=1e-4)


@pytest.mark.parametrize("form", ["(B,T,H,W)", "(T,H,W)", "(H,W)", "named"])
def test_regions_in_every_form(form: str, clips: Tensor) -> None:
    upper, left = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    upper[:2], left[:, :3] = True, True
    bits = upper * 1 + left * 2
    regions: Any = {
        "(B,T,H,W)": np.broadcast_to(bits, (2, 2, 4, 4)),
        "(T,H,W)": torch.from_numpy(bits).expand(2, 4, 4),
        "(H,W)": bits,
        "named": {"upper": upper, "left": torch.from_numpy(left)},
    }[form]
    names = None if form == "named" else ("upper", "left")
    found = mien.explain(Head(1), clips, regions=regions, region_names=names, method="input_x_gradient")
    rows = found.regions.set_index(["clip", "frame", "region"])
    pixels = (WEIGHTS * clips).sum(1).double()
    for name, mask in (("upper", upper), ("left", left), ("background", ~upper & ~left), ("total", upper | True)):
        inside = pixels[1, 1][torch.from_numpy(mask)]
        row = rows.loc[(1, 1, name)]
        assert row["signed"] == pytest.approx(float(inside.sum()), rel=1e-4)
        assert row["absolute"] == pytest.approx(float(inside.abs().sum()), rel=1e-4)
        assert row["area"] == mask.sum()


def test_landmarks_and_arrays() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(24, 1))
    sequence = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype(np.float32)
    found = mien.explain(net, sequence, method="input_x_gradient", regions={"first": [True, False, False, False]})
    expected = net[1].weight.detach().numpy().reshape(3, 4, 2) * sequence
    assert np.allclose(found.relevance.numpy(), expected, atol=1e-6)
    rows = found.regions.set_index(["clip", "frame", "region"])["signed"]
    assert rows[1, 2, "first"] == pytest.approx(expected[1, 2, 0].sum(), rel=1e-4)


def test_without_regions_all_is_background(clips: Tensor) -> None:
    found = mien.explain(Head(1), clips, method="input_x_gradient").regions
    assert sorted(found.region.unique()) == ["background", "total"]
    assert len(found) == 2 * 2 * 2


def test_a_method_may_be_given_ready_made(clips: Tensor) -> None:
    from mien.registry import load_registry

    method = load_registry().create("attribution", "input_x_gradient")
    assert torch.allclose(mien.explain(Head(1), clips, method=method).relevance, WEIGHTS * clips)
    with pytest.raises(ConfigError, match="already made"):
        mien.explain(Head(1), clips, method=method, steps=3)


@pytest.mark.parametrize(
    ("outputs", "arguments", "kind", "message"),
    [
        (1, {"method": "saliencey"}, ConfigError, "Did you mean 'saliency'"),
        (1, {"stepps": 3}, ConfigError, "Did you mean 'steps'"),
        (1, {"steps": "many"}, ConfigError, "steps: "),
        (3, {}, ModelError, "has 3 outputs"),
        (3, {"target": 3}, ModelError, "no output 3"),
        (1, {"regions": np.zeros((3, 3))}, DataError, r"\(3, 3\) does not fit"),
        (1, {"regions": {"mouth": np.zeros((9, 4, 4))}}, DataError, "regions: mouth"),
        (1, {"regions": np.full((4, 4), 4), "region_names": ["a"]}, DataError, "Bit 2"),
        (1, {"regions": np.full((4, 4), -1)}, DataError, "not negative"),
        (1, {"regions": {"a": np.zeros((4, 4))}, "region_names": ["b"]}, DataError, "names already"),
        (1, {"regions": {"total": np.ones((4, 4))}}, DataError, "'total' is taken"),
        (1, {"regions": np.ones((4, 4), int), "region_names": ["background"]}, DataError, "'background' is taken"),
        (1, {"region_names": ["elsewhere_face"]}, DataError, "'elsewhere_face' is taken"),
        (1, {"regions": np.ones((4, 4), int), "region_names": ["a", "a"]}, DataError, "'a' is taken"),
        (1, {"method": "lrp", "backbone": "compact_r3d"}, ModelError, "does not describe"),
        (1, {"backbone": "module"}, ConfigError, "'module' has to be told more: factory"),
        (1, {"method": None}, ConfigError, "None is no attribution method"),
    ],
)
def test_mistakes_are_explained(
    outputs: int, arguments: dict[str, Any], kind: type[Exception], message: str, clips: Tensor
) -> None:
    with pytest.raises(kind, match=message):
        mien.explain(Head(outputs), clips, **arguments)


def test_a_method_that_a_run_cannot_use_is_told_by_its_place_in_the_configuration() -> None:
    registry = load_registry()
    method = registry.create("attribution", "grad_cam", {"layer": "stag3"})
    with pytest.raises(ModelError) as caught:
        check_methods({"cam": method}, ExplainedModel(nn.Identity(), {"stage3": nn.Identity()}), registry)
    assert caught.value.where == "explain.methods.cam.layer"


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda clips: clips.sum((1, 2, 3, 4)), "is function, not an nn.Module"),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(1)), "no '1.weight' yet"),
    ],
)
def test_what_is_no_network_that_could_run_is_refused(network: Any, message: str, clips: Tensor) -> None:
    with pytest.raises(ModelError, match=message):
        mien.explain(network, clips)


@pytest.mark.parametrize("clips", ["clips", [[1, 2], [3]]])
def test_clips_that_are_no_numbers_are_refused(clips: Any) -> None:
    with pytest.raises(DataError, match="no array of numbers"):
        mien.explain(Head(1), clips)


def test_clips_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match="Expected"):
        mien.explain(Head(1), torch.zeros(3, 4, 4))

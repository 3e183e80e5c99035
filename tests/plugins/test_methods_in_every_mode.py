"""Every method says the same under torch's modes and compilers as without, or refuses in words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn

import mien
from mien.errors import DataError, ModelError
from mien.interfaces import ExplainedModel
from mien.registry import load_registry
from mien.testing import clip_batch, tiny_network

METHODS = [entry.id for entry in load_registry().entries("attribution") if entry.distribution.startswith("mien==")]
LAYER = {"grad_cam": {"layer": "body.2"}}
MODES: list[Callable[[], AbstractContextManager[object]]] = [
    torch.no_grad,
    torch.inference_mode,
    lambda: torch.autocast("cpu", dtype=torch.bfloat16),
]


@pytest.fixture(scope="module")
def clips() -> Tensor:
    return clip_batch(1).inputs


def explained(network: nn.Module, clips: Tensor, method: str) -> Tensor:
    return mien.explain(network, clips, method=method, **LAYER.get(method, {})).relevance


@pytest.fixture(scope="module")
def expected(clips: Tensor) -> dict[str, Tensor]:
    return {method: explained(tiny_network(), clips, method) for method in METHODS}


@pytest.mark.parametrize("mode", MODES, ids=["no_grad", "inference_mode", "autocast"])
@pytest.mark.parametrize("method", METHODS)
def test_a_mode_that_is_set_around_changes_nothing(
    method: str, mode: Callable[[], AbstractContextManager[object]], clips: Tensor, expected: dict[str, Tensor]
) -> None:
    network = tiny_network()
    with mode():
        found = explained(network, clips + 0, method)
    assert torch.equal(found, expected[method])


@pytest.mark.parametrize("method", ["saliency", "guided_backprop", "gradient_shap"])
def test_a_gradient_method_needs_no_gradient_mode_of_its_caller(method: str) -> None:
    made = load_registry().create("attribution", method)
    model, batch = ExplainedModel(tiny_network()), clip_batch(1)
    with torch.no_grad():
        found = made.attribute(model, batch, lambda output: output[:, 0]).relevance
    assert torch.equal(found, explained(tiny_network(), batch.inputs, method))


def test_a_network_made_in_inference_mode_is_refused(clips: Tensor) -> None:
    with torch.inference_mode():
        network = tiny_network()
        with pytest.raises(ModelError, match="inference_mode"):
            mien.explain(network, clips, method="saliency")


@pytest.mark.parametrize("part", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_a_compiled_network_is_explained_as_it_was_written(
    method: str, part: bool, clips: Tensor, expected: dict[str, Tensor]
) -> None:
    network = tiny_network()
    if part:
        network.body = torch.compile(network.get_submodule("body"), backend="eager")
    before = dict(network.named_modules())
    found = explained(network if part else torch.compile(network, backend="eager"), clips, method)
    assert torch.equal(found, expected[method])
    assert dict(network.named_modules()) == before


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.half])
@pytest.mark.parametrize("method", METHODS)
def test_sixteen_bits_are_refused(method: str, kind: torch.dtype, clips: Tensor) -> None:
    with pytest.raises(ModelError, match=rf"{kind}.*network\.float\(\)"):
        explained(tiny_network().to(kind), clips.to(kind), method)
    with pytest.raises(DataError, match=rf"{kind}.*clips\.float\(\)"):
        explained(tiny_network(), clips.to(kind), method)


class Autocasting(nn.Module):
    """A network that computes in 16 bits itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_network()

    def forward(self, clips: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found: Tensor = self.inner(clips)
        return found


@pytest.mark.parametrize("method", ["occlusion", "saliency"])
def test_a_network_that_casts_itself_is_refused(method: str, clips: Tensor) -> None:
    with pytest.raises(ModelError, match="bfloat16"):
        mien.explain(Autocasting(), clips, method=method)


class Parted(nn.Module):
    """A network of two branches; one may pass no gradient."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.cut = nn.Sequential(nn.Conv3d(3, 2, 1), nn.ReLU())
        self.open = nn.Sequential(nn.Conv3d(3, 2, 1), nn.ReLU())
        self.gate, self.gated = nn.Parameter(torch.ones(2)), nn.ReLU()
        self.head = nn.Linear(4, 1)

    def forward(self, clips: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.how != "no_grad" and torch.is_grad_enabled()):
            cut = self.cut(clips.detach() if self.how == "detach" else clips).mean((2, 3, 4))
        if self.how == "gate":
            cut = cut * self.gated(self.gate)
        found: Tensor = self.head(torch.cat([cut, self.open(clips).mean((2, 3, 4))], 1))
        return found


@pytest.mark.parametrize(
    ("method", "how", "module"),
    [
        ("deeplift", "no_grad", "cut.1"),
        ("deeplift", "detach", "cut.1"),
        ("deeplift", "gate", "gated"),
        ("lrp", "no_grad", "cut.0"),
    ],
)
def test_a_part_that_passes_no_gradient_is_named(method: str, how: str, module: str, clips: Tensor) -> None:
    network = Parted(how)
    with pytest.raises(ModelError, match=f"passes no gradient: what enters its module '{module}'"):
        mien.explain(network, clips, method=method)
    assert not any(part._forward_pre_hooks for part in network.modules())


@pytest.mark.parametrize("how", ["", "detach", "gate"])
def test_lrp_passes_by_what_has_no_gradient(how: str, clips: Tensor) -> None:
    assert bool(mien.explain(Parted(how), clips, method="lrp").relevance.any())

"""What cannot be explained is refused in words; what explains nothing is a stated gap."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import mien
from mien.errors import ConfigError, ModelError
from mien.registry import load_registry

METHODS = [entry.id for entry in load_registry().entries("attribution") if entry.distribution.startswith("mien==")]
BY_GRADIENT = [name for name in METHODS if "gradient" in load_registry().load("attribution", name).needs]
LAYER = {"grad_cam": {"layer": "0"}}


class Fixed(nn.Module):
    """A network with layers that always gives the same number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv3d(3, 2, 1), nn.ReLU())
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, clips: Tensor) -> Tensor:
        self.layers(clips)
        return self.value.expand(len(clips), 1)


def flat_net(weight: float) -> nn.Sequential:
    """A network whose output hangs on its input by a factor."""
    net = nn.Sequential(nn.Conv3d(3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 4 * 25, 1))
    with torch.no_grad():
        net[3].weight.mul_(0).add_(weight)
    return net


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("method", METHODS)
def test_an_output_that_is_not_finite_is_refused(method: str, value: float, clips: Tensor) -> None:
    with pytest.raises(ModelError, match="not finite"):
        mien.explain(flat_net(value), clips, method=method, **LAYER.get(method, {}))


@pytest.mark.parametrize("method", BY_GRADIENT)
def test_an_output_that_no_gradient_reaches_is_refused(method: str, clips: Tensor) -> None:
    fields = {"layer": "layers.0"} if method == "grad_cam" else {}
    with pytest.raises(ModelError, match="does not depend on its input"):
        mien.explain(Fixed(2.0), clips, method=method, **fields)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_network_has_no_relevance_and_no_gap(method: str, clips: Tensor) -> None:
    found = mien.explain(flat_net(0.0), clips, method=method, **LAYER.get(method, {}))
    bias = float(flat_net(0.0)[3].bias.detach()) if method == "lrp" else 0.0
    assert bool(found.relevance.isfinite().all())
    if method == "lrp":  # it explains the output itself, which then is all bias, shared evenly
        assert float(found.relevance.std()) < abs(bias) + 1
    else:
        assert float(found.relevance.abs().max()) < 1e-7
    if found.explanation.gap is not None:
        assert float(found.explanation.gap.abs().max()) < 1e-5


@pytest.mark.parametrize("method", METHODS)
def test_a_clip_that_is_too_small_is_refused_with_its_shape(method: str) -> None:
    net = nn.Sequential(nn.Conv3d(3, 2, 5), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 1))
    with pytest.raises(ModelError, match=r"shape \(3, 4, 5, 5\).*receptive field"):
        mien.explain(net, torch.zeros(1, 3, 4, 5, 5), method=method, **LAYER.get(method, {}))


@pytest.mark.parametrize(
    ("layer", "nearest"), [("stage44", "stage4"), ("stages.stage3x", "stages.stage3"), ("hed", "head")]
)
def test_a_layer_that_does_not_exist_names_the_nearest_stage_or_module(layer: str, nearest: str) -> None:
    net = load_registry().create("backbone", "compact_r3d").build(1)
    with pytest.raises(ModelError, match=f"no layer '{layer}'.*'{nearest}'"):
        mien.explain(net, torch.zeros(1, 3, 4, 16, 16), method="grad_cam", layer=layer, backbone="compact_r3d")


def test_a_layer_that_the_output_does_not_depend_on_is_refused() -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.aside = nn.Conv3d(3, 2, 1)
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(48, 1))

        def forward(self, clips: Tensor) -> Tensor:
            self.aside(clips)
            found: Tensor = self.head(clips)
            return found

    with pytest.raises(ModelError, match="does not depend on the chosen layer"):
        mien.explain(Aside(), torch.zeros(1, 3, 4, 2, 2), method="grad_cam", layer="aside")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"base": "deeplfit"}, "Did you mean 'deeplift'"),
        ({"base": "occlusion"}, "no gradient method"),
        ({"base": "smoothgrad"}, "no gradient method"),
        ({"base": "deeplift", "base_fields": {"baselin": "zero"}}, "base_fields.baselin"),
        ({"base": "saliency", "base_fields": {"a": 1}}, "takes no base_fields"),
    ],
)
def test_smoothgrad_says_what_is_wrong_with_its_base(fields: dict[str, object], words: str, clips: Tensor) -> None:
    with pytest.raises(ConfigError, match=words):
        mien.explain(flat_net(1.0), clips, method="smoothgrad", **fields)


def test_smoothgrad_refuses_what_its_base_refuses_before_computing(clips: Tensor) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(300, 1))
    with pytest.raises(ModelError, match="no ReLU modules"):
        mien.explain(net, clips, method="smoothgrad", base="guided_backprop")

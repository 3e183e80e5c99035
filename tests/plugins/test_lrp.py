"""LRP: conservation on real networks, and a slow twin in matrix form on a small one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

import mien
from mien.compat import prepare_torchvision
from mien.errors import ModelError
from mien.interfaces import Backbone, ExplainedModel
from mien_plugins.attribution.lrp import Lrp
from mien_plugins.backbones.compact_r3d import CompactR3D
from mien_plugins.backbones.torchvision_video import MC318, R3D18, R2Plus1D18

prepare_torchvision()
pytest.importorskip("zennit")

Array = npt.NDArray[np.float64]
COMPOSITES = ("gamma", "epsilon", "epsilon_plus", "epsilon_plus_flat", "alpha_beta", "epsilon_gamma_box")
GAMMA = 0.25
TINY = 1e-6  # zennit's stabiliser


def calibrated(network: nn.Module, clips: Tensor) -> nn.Module:
    """Give batch norms the statistics of random clips, and every bias a value."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
            module.momentum = None
        if isinstance(module, nn.Linear):
            nn.init.constant_(module.bias, 0.2)
    with torch.no_grad():
        network.train()(clips)
    return network.eval()


# The slow twin: each layer as a dense matrix, each rule element by element.


def dense(layer: nn.Module, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return matrix (outputs, inputs) and bias of a linear layer for inputs of a shape."""
    with torch.no_grad():
        bias = layer(torch.zeros(1, *shape).double()).flatten()
        units = torch.eye(int(np.prod(shape))).double().reshape(-1, *shape)
        matrix = (layer(units).flatten(1) - bias).T
    return matrix.numpy(), bias.numpy()


def epsilon_rule(weights: Array, bias: Array, values: Array, relevance: Array) -> Array:
    output = weights @ values + bias
    return values * (weights.T @ (relevance / (output + TINY * np.where(output < 0, -1, 1))))


def gamma_rule(weights: Array, bias: Array, values: Array, relevance: Array) -> Array:
    result = np.zeros_like(values)
    for j, handed in enumerate(relevance):
        parts = weights[j] * values
        if parts.sum() == 0:
            seen = weights[j] != 0
            result += handed * seen / seen.sum()
            continue
        favoured = parts > 0 if parts.sum() > 0 else parts < 0
        parts = parts * (1 + GAMMA * favoured)
        result += handed * parts / parts.sum()
    return result


def plus_rule(weights: Array, bias: Array, values: Array, relevance: Array) -> Array:
    parts = np.maximum(weights * values, 0)
    return (parts / (parts.sum(1, keepdims=True) + TINY) * relevance[:, None]).sum(0)


def alpha_beta_rule(weights: Array, bias: Array, values: Array, relevance: Array) -> Array:
    parts = weights * values
    up, down = np.maximum(parts, 0), np.minimum(parts, 0)
    down_sum = down.sum(1, keepdims=True)
    shares = 2 * up / (up.sum(1, keepdims=True) + TINY) - down / (down_sum + np.where(down_sum < 0, -TINY, TINY))
    return (shares * relevance[:, None]).sum(0)


def flat_rule(weights: Array, bias: Array, values: Array, relevance: Array) -> Array:
    seen = (weights != 0).astype(float)
    return (seen / (seen.sum(1, keepdims=True) + TINY) * relevance[:, None]).sum(0)


def box_rule(channels: int) -> Rule:
    def rule(weights: Array, bias: Array, values: Array, relevance: Array) -> Array:
        by_channel = values.reshape(channels, -1)
        low = np.repeat(by_channel.min(1), by_channel.shape[1])
        high = np.repeat(by_channel.max(1), by_channel.shape[1])
        parts = weights * values - np.maximum(weights, 0) * low - np.minimum(weights, 0) * high
        return (parts / (parts.sum(1, keepdims=True) + TINY) * relevance[:, None]).sum(0)

    return rule


Rule = Callable[[Array, Array, Array, Array], Array]


def slow_lrp(net: nn.Sequential, clip: Tensor, convolution: Rule, head: Rule, first: Rule | None = None) -> Array:
    values, layers = clip[None], []
    for layer in net:
        if not isinstance(layer, nn.ReLU | nn.Flatten):
            layers.append((layer, tuple(values.shape[1:]), values.detach().numpy().ravel()))
        values = layer(values)
    relevance = values.detach().numpy().ravel()
    for layer, shape, seen in reversed(layers):
        rule = convolution if isinstance(layer, nn.Conv3d) else head
        if isinstance(layer, nn.AdaptiveAvgPool3d) and head is not gamma_rule:
            rule = epsilon_rule
        if layer is net[0] and first is not None:
            rule = first
        relevance = rule(*dense(layer, shape), seen, relevance)
    return relevance.reshape(clip.shape)


def without_bias(rule: Rule) -> Rule:
    return lambda weights, bias, values, relevance: rule(weights, 0 * bias, values, relevance)


def small_net() -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv3d(2, 3, (2, 3, 3)), nn.ReLU(), nn.Conv3d(3, 4, (1, 2, 2)), nn.ReLU(), nn.AdaptiveAvgPool3d(1),
        nn.Flatten(), nn.Linear(4, 1),
    ).double()  # fmt: skip


@pytest.mark.parametrize(
    ("composite", "convolution", "head", "first"),
    [
        ("gamma", gamma_rule, gamma_rule, None),
        ("epsilon", epsilon_rule, epsilon_rule, None),
        ("epsilon_plus", plus_rule, without_bias(epsilon_rule), None),
        ("epsilon_plus_flat", plus_rule, without_bias(epsilon_rule), flat_rule),
        ("alpha_beta", alpha_beta_rule, without_bias(epsilon_rule), None),
        ("epsilon_gamma_box", gamma_rule, without_bias(epsilon_rule), box_rule(2)),
    ],
)
def test_the_slow_twin_agrees(composite: str, convolution: Rule, head: Rule, first: Rule | None) -> None:
    net, clips = small_net(), torch.randn(2, 2, 3, 5, 5).double()
    found = mien.explain(net, clips, method="lrp", composite=composite).relevance
    for clip, relevance in zip(clips, found, strict=True):
        expected = slow_lrp(net, clip, convolution, head, first)
        assert np.allclose(relevance.numpy(), expected, rtol=1e-6, atol=1e-9)


def shares(rule: str, layer: nn.Module, values: Array, handed: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return what a layer's inputs get and what each output's bias takes, a bias being the weight of an input of 1."""
    weights, bias = dense(layer, shape)
    parts, own = weights * values, bias.copy()
    if rule == "gamma":
        total = parts.sum(1) + own
        favour = np.where(total > 0, 1, -1)
        parts = parts * (1 + GAMMA * (parts * favour[:, None] > 0))
        own = own * (1 + GAMMA * (own * favour > 0))
    if rule == "plus":
        parts, own = np.maximum(parts, 0), np.maximum(own, 0)
    divided = parts.sum(1) + own
    divided = divided + TINY * np.where(divided < 0, -1, 1) * (rule != "gamma")
    divided = np.where(divided == 0, 1, divided)  # nothing is handed to what no activation reaches
    return (parts / divided[:, None] * handed[:, None]).sum(0), own / divided * handed


@pytest.mark.parametrize(
    ("composite", "rules"),
    [
        ("gamma", ("gamma", "gamma", "gamma", "gamma")),
        ("epsilon", ("epsilon", "epsilon", "epsilon", "epsilon")),
        ("epsilon_plus", ("plus", "plus", "epsilon", "epsilon")),
    ],
)
def test_what_kept_biases_take_is_told_layer_by_layer(composite: str, rules: tuple[str, ...]) -> None:
    net, clip = small_net(), torch.randn(1, 2, 3, 5, 5).double()
    values, seen = clip, []
    for layer in net:
        if not isinstance(layer, nn.ReLU | nn.Flatten):
            seen.append((layer, tuple(values.shape[1:]), values.detach().numpy().ravel()))
        values = layer(values)
    handed, taken = values.detach().numpy().ravel(), {}
    for (layer, shape, before), rule in zip(reversed(seen), reversed(rules), strict=True):
        handed, own = shares(rule, layer, before, handed, shape)
        taken[next(name for name, module in net.named_modules() if module is layer)] = own.sum()
    found = mien.explain(net, clip, method="lrp", composite=composite, biases="keep")
    np.testing.assert_allclose(found.relevance.numpy().ravel(), handed, rtol=1e-6, atol=1e-9)
    told = found.explanation.diagnostics
    for name in ("0", "2", "6"):
        assert float(told[f"bias of {name}"]) == pytest.approx(taken[name], rel=1e-6)
    assert float(told["bias"]) == pytest.approx(sum(taken.values()), rel=1e-6)
    assert list(told) == ["bias", "bias of 0", "bias of 2", "bias of 6"]


@pytest.mark.parametrize("composite", [name for name in COMPOSITES if name != "alpha_beta"])
def test_with_what_kept_biases_take_relevance_adds_up(composite: str) -> None:
    net, clips = small_net(), torch.randn(3, 2, 3, 5, 5).double()
    found = mien.explain(net, clips, method="lrp", composite=composite, biases="keep").explanation
    total = found.relevance.flatten(1).sum(1) + found.diagnostics["bias"]
    assert torch.allclose(found.gap, total - found.output, atol=1e-12)
    assert float((found.gap / found.output).abs().max()) < 1e-3
    assert float(found.diagnostics["bias"].abs().min()) > 0


def test_alpha_beta_loses_what_has_no_contribution_of_one_sign_and_the_gap_tells() -> None:
    conv = nn.Sequential(nn.Conv3d(1, 1, 1, bias=False), nn.Flatten(), nn.Linear(4, 1, bias=False)).double()
    with torch.no_grad():
        conv[0].weight.fill_(1)
        conv[2].weight.fill_(1)
    found = mien.explain(conv, torch.ones(1, 1, 1, 2, 2).double(), method="lrp", composite="alpha_beta").explanation
    assert float(found.gap) == pytest.approx(4, rel=1e-4)  # 2 for the positive part, of a negative part nothing


def test_the_flat_and_the_box_rule_give_the_first_bias_nothing() -> None:
    net, clips = small_net(), torch.randn(1, 2, 3, 5, 5).double()
    for composite in ("epsilon_plus_flat", "epsilon_gamma_box"):
        told = mien.explain(net, clips, method="lrp", composite=composite, biases="keep").explanation.diagnostics
        assert abs(float(told["bias of 0"])) < 1e-12
        assert abs(float(told["bias of 2"])) > 1e-6


def test_only_epsilon_keeps_biases_unless_it_is_asked_otherwise() -> None:
    assert [name for name in COMPOSITES if Lrp(composite=name).keeps_biases] == ["epsilon"]
    assert Lrp(biases="keep").keeps_biases
    assert not Lrp(composite="epsilon", biases="zero").keeps_biases


@pytest.fixture(scope="module", params=[R3D18, MC318, R2Plus1D18])
def large(request: pytest.FixtureRequest) -> tuple[Backbone, nn.Module, Tensor]:
    torch.manual_seed(0)
    backbone, clips = request.param(weights="none"), torch.randn(2, 3, 4, 32, 32)
    return backbone, calibrated(backbone.build(1), clips), clips[:1]


@pytest.mark.parametrize("biases", ["zero", "keep"])
@pytest.mark.parametrize("composite", COMPOSITES)
def test_every_composite_conserves_on_the_torchvision_networks(
    composite: str, biases: str, large: tuple[Backbone, nn.Module, Tensor]
) -> None:
    if composite == "epsilon" and biases == "zero":
        pytest.skip("it divides by what is almost 0")
    backbone, net, clip = large
    found = mien.explain(net, clip, method="lrp", backbone=backbone, composite=composite, biases=biases).explanation
    with torch.no_grad():
        output = net(clip)[:, 0]
    total = found.relevance.sum((1, 2, 3, 4)) + found.diagnostics.get("bias", torch.zeros(1)).float()
    assert torch.allclose(total, output, rtol=1e-3, atol=0)
    assert float(found.gap.abs()) < 1e-3 * float(output.abs())


def test_the_default_composite_conserves_on_the_compact_network() -> None:
    torch.manual_seed(0)
    clips = torch.randn(4, 3, 8, 32, 32)
    net = calibrated(CompactR3D().build(1), clips)
    found = mien.explain(net, clips, method="lrp", backbone="compact_r3d").explanation
    assert float((found.gap / found.output).abs().max()) < 1e-4


def test_plain_epsilon_is_gradient_times_input() -> None:
    # Fails by powers of two when a residual add is not seen, and by BN's eps when that is left in.
    torch.manual_seed(1)
    clips = torch.randn(4, 3, 8, 32, 32).double()
    net = calibrated(CompactR3D().build(1).double(), clips)
    relevance = mien.explain(net, clips, method="lrp", composite="epsilon", backbone="compact_r3d").relevance
    product = mien.explain(net, clips, method="input_x_gradient").relevance
    # zennit's stabiliser of 1e-6 takes its part where an activation is hardly more than that.
    assert float((relevance - product).norm()) < 0.01 * float(product.norm())


def test_without_the_residual_canonizer_the_gap_tells() -> None:
    torch.manual_seed(0)
    clips = torch.randn(4, 3, 8, 32, 32)
    net = calibrated(CompactR3D().build(1), clips)
    found = mien.explain(net, clips[:1], method="lrp").explanation
    assert float((found.gap / found.output).abs()) > 0.1


def test_a_difference_of_outputs_is_conserved_too() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 3))
    found = mien.explain(
        net, torch.randn(2, 3, 4, 5, 5), method="lrp", target=lambda output: output[:, 0] - output[:, 2]
    )
    assert torch.allclose(found.relevance.sum((1, 2, 3, 4)), found.explanation.output, atol=1e-6)


def test_relevance_stays_bounded_where_a_bias_makes_the_output() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0, -1.0, 0, 0]]))
        net[1].bias.fill_(5)
    clips = torch.tensor([1.0, 1 - 1e-6, 0, 0]).reshape(1, 1, 1, 2, 2)
    found = mien.explain(net, clips, method="lrp").relevance
    assert float(found.abs().sum()) < 5 * (2 + GAMMA) / GAMMA
    assert float(found.sum()) == pytest.approx(5, rel=1e-3)


def test_an_output_that_nothing_reaches_shares_evenly() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 1))
    with torch.no_grad():
        net[1].bias.fill_(2)
    found = mien.explain(net, torch.zeros(1, 1, 1, 2, 2), method="lrp").relevance
    assert torch.allclose(found, torch.full_like(found, 0.5))


def test_a_clip_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(2)
    net, clips = CompactR3D().build(1), torch.randn(3, 3, 4, 16, 16)
    together = mien.explain(net, clips, method="lrp", backbone="compact_r3d").relevance
    alone = [mien.explain(net, clip[None], method="lrp", backbone="compact_r3d").relevance for clip in clips]
    assert torch.equal(together, torch.cat(alone))


def window_attention() -> nn.Module:
    from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

    class Own(ShiftedWindowAttention3d):
        """A class of somebody's own."""

    made: nn.Module = Own(8, [1, 2, 2], [0, 0, 0], 2)
    return made


def multiscale_attention() -> nn.Module:
    from torchvision.models.video.mvit import MultiscaleAttention

    made: nn.Module = MultiscaleAttention([2, 4, 4], 8, 8, 2, *[[3, 3, 3]] * 2, *[[1, 1, 1]] * 2, True, False, False)
    return made


@pytest.mark.parametrize(
    "attention",
    [
        lambda: nn.MultiheadAttention(8, 2),
        lambda: nn.TransformerEncoderLayer(8, 2, 16),
        window_attention,
        multiscale_attention,
    ],
)
def test_attention_is_refused_before_anything_is_computed(attention: Callable[[], nn.Module]) -> None:
    network = nn.Sequential(nn.Conv3d(3, 8, 1), nn.Sequential(attention()))
    with pytest.raises(ModelError, match=r"its attention \('1\.0.*multiplies"):
        Lrp().check(ExplainedModel(network))
    Lrp().check(ExplainedModel(network[0]))

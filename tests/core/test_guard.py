"""A network is left as it was found, bit by bit, after success and after an exception."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mien
from mien.attribution import forward, one_by_one, untouched
from mien.errors import ModelError, PluginError
from mien.interfaces import ExplainedModel
from mien.registry import load_registry

# Those of other distributions have tests of their own.
METHODS = [entry.id for entry in load_registry().entries("attribution") if entry.distribution.startswith("mien==")]


def network() -> nn.Sequential:
    """A network in a mixed state: part in training, part frozen, with gradients and a hook."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv3d(3, 4, 3, bias=False), nn.BatchNorm3d(4), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
        nn.Linear(4, 1),
    )  # fmt: skip
    net(torch.randn(4, 3, 4, 6, 6)).sum().backward()
    net[0].weight.requires_grad_(False)
    net[1].eval()
    net[2].register_forward_hook(lambda module, inputs, output: None)
    return net


def state(net: nn.Module) -> list[Any]:
    """Everything observable, as values."""
    tables = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    found: list[Any] = []
    for name, module in net.named_modules():
        found.append((name, module.training, sorted(vars(module)), [dict(vars(module)[table]) for table in tables]))
    for name, parameter in net.named_parameters():
        found.append((name, id(parameter), parameter.data_ptr(), parameter.requires_grad, id(parameter.grad)))
        found.append((parameter.detach().numpy().tobytes(), parameter._backward_hooks))
        found.append(None if parameter.grad is None else parameter.grad.numpy().tobytes())
    found += [(name, id(buffer), buffer.numpy().tobytes()) for name, buffer in net.named_buffers()]
    return found


def vandalise(net: nn.Sequential) -> None:
    net.train()
    net(torch.randn(2, 3, 4, 6, 6))  # moves the running statistics
    net[1].running_mean.add_(1)
    net[0].weight.data = net[0].weight.data * 2
    net[0].bias = nn.Parameter(torch.zeros(4))
    net[2].register_forward_hook(lambda module, inputs, output: output * 2)
    net[2].register_full_backward_hook(lambda module, before, after: None)
    net[3].forward = lambda clips: clips  # type: ignore[method-assign]
    net[4].extra = nn.ReLU()
    net[1].eps = 0.0
    net[5].weight.requires_grad_(True)
    net[5].weight.grad = torch.ones_like(net[5].weight)


def test_evaluation_mode_without_gradients_inside() -> None:
    net = network()
    with untouched(net):
        assert not any(module.training for module in net.modules())
        assert not any(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_put_back(fails: bool) -> None:
    net, clips = network(), torch.randn(2, 3, 4, 6, 6)
    before = state(net)
    output = copy.deepcopy(net).eval()(clips)
    try:
        with untouched(net):
            vandalise(net)
            if fails:
                raise KeyError("failure of a method")
    except KeyError:
        assert fails
    assert state(net) == before
    assert torch.equal(copy.deepcopy(net).eval()(clips), output)


def test_a_handle_of_a_hook_still_works_after() -> None:
    net, calls = network(), []
    handle = net[5].register_forward_hook(lambda *_: calls.append(1))
    with untouched(net):
        net(torch.randn(1, 3, 4, 6, 6))
    handle.remove()
    net(torch.randn(2, 3, 4, 6, 6))
    assert calls == [1]


class Stumbling(nn.Module):
    """Fails in the n-th forward pass, or, with ``backwards``, in the pass back of the n-th that may have one."""

    def __init__(self, inner: nn.Module, calls: int, backwards: bool) -> None:
        super().__init__()
        self.inner = inner
        self.counter = {"left": calls}  # its content is put back too
        self.backwards = backwards

    def forward(self, clips: Tensor) -> Tensor:
        output = self.inner(clips)
        if self.backwards and not output.requires_grad:
            return output
        self.counter["left"] -= 1
        if self.counter["left"] == 0:
            if not self.backwards:
                raise KeyError("stumbled")
            output.register_hook(_stumble)
        return output


def _stumble(gradient: Tensor) -> None:
    raise KeyError("stumbled")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("failure", [None, "first forward", "second forward", "backward"])
def test_every_method_leaves_the_network_as_it_was(method: str, failure: str | None) -> None:
    fields = {"layer": "inner.0"} if method == "grad_cam" else {}
    clips = torch.randn(1, 3, 4, 6, 6)
    if failure == "backward" and "gradient" not in load_registry().load("attribution", method).needs:
        pytest.skip("it passes forward only")
    calls = {None: 10**6, "second forward": 2}.get(failure, 1)
    net = Stumbling(network(), calls, failure == "backward")
    before, copied = state(net), clips.clone()
    caught: ModelError | PluginError | None = None
    try:
        mien.explain(net, clips, method=method, **fields)
    except (ModelError, PluginError) as error:
        caught = error
    if caught is None:  # some pass forward once only
        assert failure in (None, "second forward")
    else:
        assert failure
        assert isinstance(caught.__cause__, KeyError)
    assert state(net) == before
    assert net.counter == {"left": calls}
    assert torch.equal(clips, copied)
    assert not clips.requires_grad


def test_forward_checks_shape_and_values() -> None:
    model = ExplainedModel(nn.Flatten(), name="the network")
    clips = torch.ones(2, 1, 1, 1, 3)
    assert forward(model, clips, lambda output: output.sum(1)).tolist() == [3, 3]
    with pytest.raises(ModelError, match=r"shape \(2, 3\) for 2 clips"):
        forward(model, clips, lambda output: output)
    with pytest.raises(ModelError, match="The output of the network is not finite"):
        forward(model, clips, lambda output: output.sum(1) / 0)


def test_one_by_one() -> None:
    clips = torch.arange(3.0, requires_grad=True)
    assert [clip.tolist() for clip in one_by_one(clips)] == [[0], [1], [2]]
    assert not one_by_one(clips)[0].requires_grad

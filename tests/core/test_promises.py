"""Whoever breaks a promise is named: the distribution, what it did, what was promised."""

import pickle
import sys
from types import ModuleType

import pytest
import torch

import mien
from mien import AttributionMethod, Explanation, PluginError
from mien.attribution.attributing import attributed, differences, network_print, unchanged
from mien.errors import DataError, ModelError
from mien.promises import Leaving, at_work, broken, name_of, watch
from mien.registry import load_registry
from mien.registry.culprit import culprit
from mien.registry.registry import Entry
from mien.testing import clip_batch, tiny_network
from mien.testing.attribution import first_output


class Odd(AttributionMethod):
    """Does what its field says."""

    does: str = "well"

    def attribute(self, model, batch, target):
        inputs = batch.inputs.detach()
        output = target(model.module(inputs)).detach()
        wrong = {
            "type": lambda: inputs,
            "shape": lambda: Explanation(inputs[:, :1], output),
            "list": lambda: Explanation(inputs.tolist(), output),
            "nan": lambda: Explanation(inputs * float("nan"), output),
            "output": lambda: Explanation(inputs, output[:1]),
            "gap": lambda: Explanation(inputs, output, gap=output * float("inf")),
            "diagnostics": lambda: Explanation(inputs, output, diagnostics={"steps": torch.zeros(7)}),
            "no output": lambda: Explanation(inputs, None),
            "whole numbers": lambda: Explanation(inputs.long(), output),
            "complex": lambda: Explanation(inputs * 1j, output),
            "no values": lambda: Explanation(inputs.to("meta"), output),
            "sparse": lambda: Explanation(inputs.to_sparse(), output),
            "names": lambda: Explanation(inputs, output, diagnostics={5: output}),
            "no mapping": lambda: Explanation(inputs, output, diagnostics=[output]),
        }
        if self.does in wrong:
            return wrong[self.does]()
        if self.does == "raise":
            raise KeyError("stage")
        if self.does == "leave":
            sys.exit(4)
        change(model.module, self.does)
        return Explanation(inputs, output)


def change(module, what):
    """Change a network in one way."""
    first = next(module.parameters())
    with torch.no_grad():
        if what == "weights":
            first[(0,) * first.ndim] += 1
        elif what == "weights, hidden":
            first.data.mul_(1.5)
    if what == "mode":
        module.train()
    elif what == "hook":
        module.register_forward_hook(lambda *_: None)
    elif what == "gradient":
        first.grad = torch.zeros_like(first)
    elif what == "requires_grad":
        first.requires_grad_(not first.requires_grad)
    elif what == "attribute":
        module.left_behind = 1


def odd(does="well"):
    return Odd(does=does).named("odd", "mien-odd==2.1")


@pytest.mark.parametrize(
    ("does", "did", "promised"),
    [
        ("type", "returned Tensor", "returns an Explanation"),
        ("shape", "relevance has the shape (2, 1, 4, 12, 12), not (2, 3, 4, 12, 12)", "shape of the clips"),
        ("list", "relevance is list, not a tensor", "shape of the clips"),
        ("nan", "relevance holds NaN", "are finite"),
        ("output", "output has the shape (1,), not (2,)", "one number a clip"),
        ("gap", "gap holds NaN or infinite", "are finite"),
        ("diagnostics", "diagnostic 'steps' has the shape (7,)", "one number a clip"),
        ("no output", "output is NoneType, not a tensor", "one number a clip"),
        ("whole numbers", "relevance is of torch.int64", "floating-point numbers"),
        ("complex", "relevance is of torch.complex64", "floating-point numbers"),
        ("no values", "relevance has no values of its own: device meta", "dense tensors"),
        ("sparse", "relevance has no values of its own: device cpu, torch.sparse_coo", "dense tensors"),
        ("names", "diagnostics are no mapping from names", "one number a clip"),
        ("no mapping", "diagnostics are no mapping from names", "one number a clip"),
        ("raise", "raised KeyError: 'stage', in 'attribute'", "errors of mien alone"),
        ("leave", "raised SystemExit: 4", "errors of mien alone"),
        ("weights", "changed the network: weights", "left as it was found"),
        ("weights, hidden", "changed the network: weights", "left as it was found"),
        ("mode", "changed the network: mode of", "left as it was found"),
        ("hook", "changed the network: hooks of the network", "left as it was found"),
        ("gradient", "changed the network: gradient of", "left as it was found"),
        ("requires_grad", "changed the network: gradient of", "left as it was found"),
        ("attribute", "changed the network: attributes of the network", "left as it was found"),
    ],
)
def test_a_method_is_told_with_distribution_deed_and_promise(does, did, promised):
    with pytest.raises(PluginError) as caught:
        mien.explain(tiny_network(), clip_batch(2).inputs, method=odd(does), target=0)
    error = caught.value
    assert error.where == "attribution 'odd' of mien-odd==2.1"
    assert did in error.message
    assert promised in error.hint
    assert "Tell the authors of mien-odd." in error.hint


def test_a_method_that_keeps_its_promises_is_left_alone():
    network = tiny_network()
    before = network_print(network)
    found = mien.explain(network, clip_batch(2).inputs, method=odd(), target=0)
    assert found.relevance.shape == clip_batch(2).inputs.shape
    assert differences(before, network_print(network)) == ""


@pytest.mark.parametrize("does", ["mode", "hook", "gradient", "requires_grad", "attribute"])
def test_the_users_network_is_put_back_after_a_method_that_changed_it(does):
    network = tiny_network()
    before = network_print(network)
    with pytest.raises(PluginError, match="changed the network"):
        mien.explain(network, clip_batch(2).inputs, method=odd(does), target=0)
    assert differences(before, network_print(network)) == ""


def test_buffers_and_any_type_of_number_are_seen():
    network = torch.nn.Sequential(torch.nn.BatchNorm3d(2), torch.nn.Conv3d(2, 1, 1).double()).eval()
    for part in ("0.running_mean", "0.num_batches_tracked", "1.weight"):
        values = dict([*network.named_buffers(), *network.named_parameters()])[part]
        with pytest.raises(PluginError, match=rf"(buffer|weights) {part}"), unchanged(odd(), network):
            values.data += 1


def test_weights_in_another_order_are_seen():
    network = torch.nn.Conv3d(1, 1, 3)
    with pytest.raises(PluginError, match="weights weight"), unchanged(odd(), network):
        network.weight.data = network.weight.data.flip(2)


def test_a_device_without_memory_is_nobodys_defect():
    with pytest.raises(ModelError, match="memory ran out"), at_work(odd(), "attribute"):
        raise torch.OutOfMemoryError("tried to allocate")


class Own(torch.nn.Module):
    def forward(self, clips):
        raise AssertionError("the user's own check")


def test_the_users_network_and_target_are_not_blamed_on_the_method():
    clips = torch.randn(1, 3, 4, 6, 6)
    with pytest.raises(ModelError, match=r"(?i)raised AssertionError: the user's own check"):
        mien.explain(Own(), clips, method="saliency")
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(432, 2))
    with pytest.raises(ModelError, match="TypeError") as caught:
        mien.explain(network, clips, method="saliency", target=lambda output: output + "one")
    assert caught.value.where == "target"


def test_miens_own_errors_pass_as_they_are():
    with pytest.raises(DataError, match="mine"), at_work(odd(), "attribute"):
        raise DataError("mine")


@pytest.mark.parametrize("passes", [KeyboardInterrupt, Leaving])
def test_what_ends_a_process_passes(passes):
    with pytest.raises(passes), at_work(odd(), "attribute"):
        raise passes


def test_a_component_that_is_not_registered_has_no_distribution_to_name():
    error = broken(Odd(), "It did.", "It must not")
    assert (error.where, error.hint) == ("attribution 'Odd'", "It must not.")


def test_the_name_travels_to_worker_processes():
    sys.modules[__name__] = sys.modules.get(__name__) or ModuleType(__name__)
    made = load_registry().create("attribution", "saliency")
    assert name_of(pickle.loads(pickle.dumps(made))) == name_of(made)
    assert name_of(made).startswith("attribution 'saliency' of mien==")


def test_a_watcher_hears_who_is_at_work_and_when_nobody_is_any_more():
    heard = []
    watch(heard.append)
    try:
        with pytest.raises(PluginError), at_work(odd(), "open"):
            raise OSError
    finally:
        watch(None)
    assert heard == ["attribution 'odd' of mien-odd==2.1, in 'open'", ""]


def test_attributed_wants_what_mien_explain_wants():
    class Model:
        module = tiny_network()

    with pytest.raises(PluginError, match="NaN"):
        attributed(odd("nan"), Model, clip_batch(2), first_output)


def test_an_exception_is_traced_to_the_last_plugin_on_its_way(tmp_path, monkeypatch):
    (tmp_path / "blamed_package.py").write_text("def call(function):\n    return function()\n")
    monkeypatch.syspath_prepend(tmp_path)
    import blamed_package

    registry = load_registry.__wrapped__()
    registry.add(Entry("attribution", "blamed", "blamed_package:Method", "blamed", "mien-blamed==1.0"))

    def stumble():
        return [][0]

    with pytest.raises(IndexError) as caught:
        blamed_package.call(stumble)
    assert culprit(caught.value, registry) == "mien-blamed==1.0 (blamed_package.py, line 2, in call)"
    with pytest.raises(IndexError) as caught:
        stumble()
    assert culprit(caught.value, registry) == ""

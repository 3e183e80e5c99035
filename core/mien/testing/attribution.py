"""What every attribution method promises, and how a network is seen to be left as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from mien.errors import MienError, ModelError
from mien.interfaces import AttributionMethod, ExplainedModel
from mien.registry import load_registry
from mien.testing.checks import attempted, pins
from mien.testing.component import ComponentSuite
from mien.testing.fixtures import clip_batch, explained_network
from mien.testing.surroundings import leaves_as_found, other_seeds
from mien.types import Explanation

if TYPE_CHECKING:
    from torch import Tensor, nn

_HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
    *("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"),
)


def first_output(output: Tensor) -> Tensor:
    """Explain the first output."""
    return output[:, 0]


def network_state(module: nn.Module) -> dict[str, Any]:
    """Return everything of a network that a method must not change."""
    parts: dict[str, Any] = {name: value.detach().clone() for name, value in module.state_dict().items()}
    parts |= {f"{name} (buffer)": value.detach().clone() for name, value in module.named_buffers()}
    for name, parameter in module.named_parameters():
        parts[f"{name} object"] = id(parameter)
        parts[f"{name} device"] = parameter.device
        parts[f"{name} requires_grad"] = parameter.requires_grad
        parts[f"{name} grad"] = None if parameter.grad is None else parameter.grad.clone()
    for name, child in module.named_modules():
        parts[f"{name} training"] = child.training
        parts[f"{name} type"] = type(child)
        parts[f"{name} attributes"] = sorted(vars(child))
        for hooks in _HOOKS:
            parts[f"{name} {hooks}"] = list(getattr(child, hooks).values())
    return parts


def assert_same_state(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Fail with the names of what changed."""
    import torch

    def same(name: str) -> bool:
        left, right = before.get(name), after.get(name)
        if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
            return torch.equal(left.nan_to_num(), right.nan_to_num()) and torch.equal(left.isnan(), right.isnan())
        return not isinstance(left, torch.Tensor) and not isinstance(right, torch.Tensor) and left == right

    changed = [name for name in before.keys() | after.keys() if not same(name)]
    assert not changed, f"the network was changed: {sorted(changed)}"


def network_for(method: AttributionMethod) -> ExplainedModel:
    """Return a seeded, untrained network that a method explains: a tiny one, or one of the backbone it is made for."""
    import torch

    from mien.training.checkpoint import explained_model

    if not method.backbones:
        return explained_network()
    backbone = load_registry().create("backbone", method.backbones[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return explained_model(backbone, backbone.architecture(1).eval())


class AttributionMethodSuite(ComponentSuite):
    """Checks of an attribution method, on a tiny network with two stages."""

    guarantees: ClassVar[Mapping[str, str]] = {
        "relevance": "Relevance has the input's shape and type, is finite, and holds on to no graph.",
        "output": "`output` is the explained quantity of each clip, as the network gives it.",
        "target": "It explains the target that it is handed, whichever that is, or declares that it does not.",
        "gap": "`gap` is the sum of relevance less the change of the output, as measured; none without completeness.",
        "exact": "A method that declares completeness `exact` has a gap within rounding.",
        "sign": "An unsigned method gives no negative relevance.",
        "deterministic": "The same clips give the same relevance, bit by bit, whatever the global seeds.",
        "batch": "A clip's relevance does not depend on the others in its batch.",
        "network": "The network is left bit by bit as it was: weights, gradients, hooks, modes, buffers.",
        "network after failure": "The network is left as it was also when the method fails.",
        "clips": "The clips are left as they were.",
        "process": "What the process shares is left as it was: global seeds, gradient mode, threads.",
        "one frame": "A clip of one frame is explained.",
        "no face": "A clip without a face, and so without regions, is explained, or refused with a hint.",
        "silent network": "A network that gives the same for every clip has finite relevance.",
        "refusal": "A network that lacks what it needs is refused by `check`: a ModelError with the reason and a hint.",
    }

    atol: float = 1e-5

    @pytest.fixture
    def model(self, made: AttributionMethod) -> ExplainedModel:
        """Return the network that is explained: a tiny one, or one of the backbone that the method is made for."""
        return network_for(made)

    @pytest.fixture
    def explanation(self, made: AttributionMethod, model: ExplainedModel) -> Callable[[], Explanation]:
        """Return what explains two clips."""

        def explain() -> Explanation:
            made.check(model)
            return made.attribute(model, clip_batch(2), first_output)

        return explain

    def use(self, made: AttributionMethod, folder: Path) -> object:
        """Explain a clip."""
        return made.attribute(network_for(made), clip_batch(1), first_output)

    def run_parts(self, made: AttributionMethod) -> Mapping[str, Any]:
        """Return it as the only method, with a backbone that it is made for."""
        own = {"backbone": load_registry().create("backbone", made.backbones[0])} if made.backbones else {}
        return {"methods": {"method": made}, **own}

    def check_run(self, run: Any, made: AttributionMethod) -> None:
        """Find the relevance of the held-out person."""
        table = run.table("relevance")
        assert set(table["method"]) == {"method"}
        assert table["signed"].notna().all()

    @pins("relevance")
    def test_relevance_has_the_inputs_shape_and_is_finite(self, explanation: Callable[[], Explanation]) -> None:
        """Every input element has its relevance."""
        found, inputs = explanation(), clip_batch(2).inputs
        assert found.relevance.shape == inputs.shape, f"{tuple(found.relevance.shape)} for {tuple(inputs.shape)}"
        assert found.relevance.dtype == inputs.dtype
        assert bool(found.relevance.isfinite().all()), "it is not finite"
        assert not found.relevance.requires_grad

    @pins("output")
    def test_output_is_the_networks(self, explanation: Callable[[], Explanation], model: ExplainedModel) -> None:
        """The explained quantity is the target of the network's output."""
        import torch

        found = explanation()
        with torch.no_grad():
            expected = first_output(model.module(clip_batch(2).inputs))
        torch.testing.assert_close(found.output.cpu(), expected, atol=self.atol, rtol=1e-4)
        assert not found.output.requires_grad
        for name, value in found.diagnostics.items():
            assert value.shape == (2,), f"the diagnostic '{name}' is not one number a clip"

    @pins("target")
    def test_it_explains_the_target_it_is_given(self, made: AttributionMethod, model: ExplainedModel) -> None:
        """Half the first output, and then the first output itself: relevance and output follow."""
        import torch

        halved = made.attribute(model, clip_batch(2), lambda output: first_output(output) / 2)
        found = made.attribute(model, clip_batch(2), first_output)
        torch.testing.assert_close(2 * halved.output, found.output, atol=self.atol, rtol=1e-4)
        constant = made.attribute(model, clip_batch(2), lambda output: first_output(output) * 0)
        assert bool(constant.relevance.isfinite().all())
        followed = not torch.allclose(constant.relevance, found.relevance)
        assert followed == made.follows_target, "whether a target of 0 is explained the same is not what it declares"

    @pins("gap")
    def test_the_gap_is_what_completeness_lacks(
        self, made: AttributionMethod, explanation: Callable[[], Explanation]
    ) -> None:
        """The gap is measured."""
        import torch

        found = explanation()
        if made.completeness == "none":
            assert found.gap is None
            return
        assert found.gap is not None
        total = found.relevance.flatten(1).sum(1)
        baseline = 0 if found.baseline_output is None else found.baseline_output
        biases = found.diagnostics.get("bias", torch.zeros(1)).float()
        torch.testing.assert_close(found.gap, total + biases - (found.output - baseline), atol=1e-4, rtol=1e-3)

    @pins("exact")
    def test_an_exact_method_has_no_gap(self, made: AttributionMethod, explanation: Callable[[], Explanation]) -> None:
        """Within rounding."""
        if made.completeness == "exact":
            gap = explanation().gap
            assert gap is not None
            assert float(gap.abs().max()) < 1e-3

    @pins("deterministic")
    def test_it_is_deterministic(self, made: AttributionMethod, model: ExplainedModel) -> None:
        """The same clips give the same relevance, bit by bit, under two global seeds."""
        import torch

        found = []
        for seed in (1, 2):
            with other_seeds(seed):
                found.append(made.attribute(model, clip_batch(2), first_output).relevance)
        assert torch.equal(*found), "the second time it is different"

    @pins("batch")
    def test_a_clip_does_not_depend_on_its_batch(
        self, made: AttributionMethod, explanation: Callable[[], Explanation], model: ExplainedModel
    ) -> None:
        """Batched equals single."""
        import torch

        together = explanation()
        for row in range(2):
            single = made.attribute(model, clip_batch(2)[row : row + 1], first_output)
            torch.testing.assert_close(single.relevance, together.relevance[row : row + 1], atol=self.atol, rtol=1e-3)

    @pins("sign")
    def test_an_unsigned_method_is_not_negative(
        self, made: AttributionMethod, explanation: Callable[[], Explanation]
    ) -> None:
        """``signed`` says whether relevance tells for from against."""
        lowest = float(explanation().relevance.min())
        assert made.signed or lowest >= 0, f"it is not signed, and gives {lowest:g}"

    @pins("network")
    def test_the_network_is_left_as_it_was(self, made: AttributionMethod, model: ExplainedModel) -> None:
        """Weights, gradients, hooks and modes, of a network that was training with a gradient of its own."""
        import torch

        model.module.train()
        model.module(clip_batch(2).inputs).sum().backward()
        before = network_state(model.module)
        with torch.enable_grad():
            made.attribute(model, clip_batch(2), first_output)
        assert_same_state(before, network_state(model.module))

    @pins("network after failure")
    def test_the_network_is_left_as_it_was_after_a_failure(
        self, made: AttributionMethod, model: ExplainedModel
    ) -> None:
        """The same when the target raises."""
        before = network_state(model.module)

        def broken(output: Tensor) -> Tensor:
            raise RuntimeError("planted failure")

        # As it is, or told by mien: the method may ask the network through `mien.forward`.
        with pytest.raises((RuntimeError, MienError), match="planted failure"):
            made.attribute(model, clip_batch(2), broken)
        assert_same_state(before, network_state(model.module))

    @pins("clips")
    def test_the_clips_are_left_as_they_were(self, made: AttributionMethod, model: ExplainedModel) -> None:
        """Values, and whether they want a gradient."""
        import torch

        batch, own = clip_batch(2), clip_batch(2)
        made.attribute(model, batch, first_output)
        assert torch.equal(batch.inputs, own.inputs), "their values were changed"
        assert torch.equal(batch.regions, own.regions), "their regions were changed"
        assert not batch.inputs.requires_grad, "they want a gradient"
        assert batch.inputs.grad is None, "they were left a gradient"

    @pins("process")
    def test_the_process_is_left_as_it_was(self, made: AttributionMethod, model: ExplainedModel) -> None:
        """Global seeds and modes."""
        with other_seeds(7919):
            leaves_as_found("the method", lambda: made.attribute(model, clip_batch(2), first_output))

    @pins("one frame")
    def test_one_frame_is_explained(self, made: AttributionMethod, model: ExplainedModel) -> None:
        """The shortest clip."""
        batch = clip_batch(2, frames=1)
        found = made.attribute(model, batch, first_output)
        assert found.relevance.shape == batch.inputs.shape
        assert bool(found.relevance.isfinite().all())

    @pins("no face")
    def test_clips_without_a_face(self, made: AttributionMethod, model: ExplainedModel) -> None:
        """No frame is valid, no element is in a region."""
        import torch

        batch = clip_batch(2)
        bare = replace(batch, valid=torch.zeros_like(batch.valid), regions=torch.zeros_like(batch.regions))
        found = attempted(lambda: made.attribute(model, bare, first_output))
        if isinstance(found, MienError):
            assert found.hint, "the refusal has no hint"
        else:
            assert found.relevance.shape == batch.inputs.shape
            assert bool(found.relevance.isfinite().all())

    @pins("silent network")
    def test_a_silent_network_is_explained(self, made: AttributionMethod) -> None:
        """Its last layer gives its bias alone."""
        import torch

        model = network_for(made)
        with torch.no_grad():
            list(model.module.parameters())[-2].zero_()
        found = made.attribute(model, clip_batch(2), first_output)
        assert bool(found.relevance.isfinite().all())

    @pins("refusal")
    def test_what_it_needs_is_asked_for(self, made: AttributionMethod, model: ExplainedModel) -> None:
        """Each capability that it needs is taken away in turn."""
        made.check(model)
        for need in made.needs:
            with pytest.raises(ModelError) as caught:
                made.check(replace(model, lacks={need: "this network has been robbed of it."}))
            assert "robbed" in str(caught.value), "the refusal does not give the network's reason"
            assert caught.value.hint, "the refusal has no hint"

"""What every attribution method promises.

- Relevance has the input's shape, is finite, and lies on the CPU or the input's device.
- ``output`` is f(x); ``gap`` is the sum of relevance less the change of output, as measured, and small for a
  method that declares completeness ``exact``.
- The same clip gives the same relevance: again, and in a batch of others.
- An unsigned method gives no negative relevance.
- The network is left bit by bit as it was, also when the method fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mien.interfaces import AttributionMethod, ExplainedModel
from mien.testing.component import ComponentSuite
from mien.testing.fixtures import clip_batch, explained_network
from mien.types import Explanation

if TYPE_CHECKING:
    from torch import Tensor, nn


def first_output(output: Tensor) -> Tensor:
    """Explain the first output."""
    return output[:, 0]


def network_state(module: nn.Module) -> dict[str, Any]:
    """Return everything of a network that a method must not change."""
    parts: dict[str, Any] = {name: value.detach().clone() for name, value in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        parts[f"{name} requires_grad"] = parameter.requires_grad
        parts[f"{name} grad"] = None if parameter.grad is None else parameter.grad.clone()
    for name, child in module.named_modules():
        parts[f"{name} training"] = child.training
        parts[f"{name} type"] = type(child)
        parts[f"{name} attributes"] = sorted(vars(child))
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            parts[f"{name} {hooks}"] = len(getattr(child, hooks))
    return parts


def assert_same_state(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Fail with the names of what changed."""
    import torch

    def same(name: str) -> bool:
        left, right = before.get(name), after.get(name)
        return torch.equal(left, right) if isinstance(left, torch.Tensor) and right is not None else left == right

    changed = [name for name in before.keys() | after.keys() if not same(name)]
    assert not changed, f"the network was changed: {sorted(changed)}"


class AttributionMethodSuite(ComponentSuite):
    """Checks of an attribution method, on a tiny network with two stages."""

    atol: float = 1e-5

    @pytest.fixture
    def model(self) -> ExplainedModel:
        """Return the network that is explained."""
        return explained_network()

    @pytest.fixture
    def explanation(self, made: AttributionMethod, model: ExplainedModel) -> Explanation:
        """Return the explanation of two clips."""
        made.check(model)
        return made.attribute(model, clip_batch(2), first_output)

    def test_relevance_has_the_inputs_shape_and_is_finite(self, explanation: Explanation) -> None:
        """Every input element has its relevance."""
        assert explanation.relevance.shape == clip_batch(2).inputs.shape
        assert bool(explanation.relevance.isfinite().all())
        assert not explanation.relevance.requires_grad

    def test_output_is_the_networks(self, explanation: Explanation, model: ExplainedModel) -> None:
        """The explained quantity is the target of the network's output."""
        import torch

        with torch.no_grad():
            expected = first_output(model.module(clip_batch(2).inputs))
        torch.testing.assert_close(explanation.output.cpu(), expected, atol=self.atol, rtol=1e-4)

    def test_the_gap_is_what_completeness_lacks(self, made: AttributionMethod, explanation: Explanation) -> None:
        """The gap is measured, and within rounding for ``exact``."""
        import torch

        if made.completeness == "none":
            assert explanation.gap is None
            return
        assert explanation.gap is not None
        total = explanation.relevance.flatten(1).sum(1)
        baseline = 0 if explanation.baseline_output is None else explanation.baseline_output
        biases = explanation.diagnostics.get("bias", torch.zeros(1)).float()
        torch.testing.assert_close(
            explanation.gap, total + biases - (explanation.output - baseline), atol=1e-4, rtol=1e-3
        )
        if made.completeness == "exact":
            assert explanation.gap.abs().max() < 1e-3

    def test_it_is_deterministic(
        self, made: AttributionMethod, explanation: Explanation, model: ExplainedModel
    ) -> None:
        """The same clips give the same relevance, bit by bit."""
        import torch

        again = made.attribute(model, clip_batch(2), first_output)
        assert torch.equal(again.relevance, explanation.relevance)

    def test_a_clip_does_not_depend_on_its_batch(
        self, made: AttributionMethod, explanation: Explanation, model: ExplainedModel
    ) -> None:
        """Batched equals single."""
        import torch

        for row in range(2):
            single = made.attribute(model, clip_batch(2)[row : row + 1], first_output)
            torch.testing.assert_close(
                single.relevance, explanation.relevance[row : row + 1], atol=self.atol, rtol=1e-3
            )

    def test_an_unsigned_method_is_not_negative(self, made: AttributionMethod, explanation: Explanation) -> None:
        """``signed`` says whether relevance tells for from against."""
        assert made.signed or float(explanation.relevance.min()) >= 0

    def test_the_network_is_left_as_it_was(self, made: AttributionMethod, model: ExplainedModel) -> None:
        """Weights, gradients, hooks and modes, of a network that was training with a gradient of its own."""
        import torch

        model.module.train()
        model.module(clip_batch(2).inputs).sum().backward()
        before = network_state(model.module)
        with torch.enable_grad():
            made.attribute(model, clip_batch(2), first_output)
        assert_same_state(before, network_state(model.module))

    def test_the_network_is_left_as_it_was_after_a_failure(
        self, made: AttributionMethod, model: ExplainedModel
    ) -> None:
        """The same when the target raises."""
        before = network_state(model.module)

        def broken(output: Tensor) -> Tensor:
            raise RuntimeError("planted failure")

        with pytest.raises(RuntimeError, match="planted failure"):
            made.attribute(model, clip_batch(2), broken)
        assert_same_state(before, network_state(model.module))

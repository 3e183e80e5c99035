"""What every objective promises."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mien.interfaces import LabelScale, Objective
from mien.testing.checks import pins
from mien.testing.component import ComponentSuite

if TYPE_CHECKING:
    from torch import Tensor


class ObjectiveSuite(ComponentSuite):
    """Checks of an objective.

    Attributes
    ----------
    labels : tuple of float
        Legal labels, not all the same.
    """

    guarantees: ClassVar[Mapping[str, str]] = {
        "loss": "The loss is a finite scalar, and a gradient of it reaches the output.",
        "truth": "Lowering the loss brings predictions to the labels, in the labels' unit.",
        "values": "Predictions and explained quantities are one finite number a clip, (B,).",
        "batch": "Predictions and explained quantities of a clip do not depend on its batch.",
        "target": "The explained quantity is differentiable: a gradient reaches the output.",
        "deterministic": "The same outputs give the same loss, and the process's random generators are left alone.",
        "one label": "A data set of one label is fitted, without a division by zero.",
        "metrics": "Metrics of the truth are finite, and of anything the same names: undefined ones are NaN.",
        "one prediction": "Metrics of a single prediction are numbers or NaN, without an error or a warning.",
        "bad label": "NaN is no label: the reason is a sentence; a legal label has none.",
        "bands": "Severity bands ascend.",
    }

    labels: tuple[float, ...] = (0.0, 1.0, 1.0, 0.0)

    def use(self, made: Objective, folder: Path) -> object:
        """Compute a loss."""
        return made.loss(self.outputs(made), self.truth(), self.scale(made))

    def run_parts(self, made: Objective) -> Mapping[str, Any]:
        """Return it, with people of these labels."""
        from mien.testing.parts import SmallStudy

        return {"objective": made, "dataset": SmallStudy(labels=self.labels[:4])}

    def check_run(self, run: Any, made: Objective) -> None:
        """Find the predictions."""
        assert run.table("predictions")["prediction"].notna().all()

    def outputs(self, made: Objective) -> Tensor:
        """Return made-up outputs of a network, one row a label."""
        import torch

        return torch.randn((len(self.labels), made.outputs), generator=torch.Generator().manual_seed(0))

    def truth(self) -> Tensor:
        """Return the labels."""
        import torch

        return torch.tensor(self.labels)

    def scale(self, made: Objective) -> LabelScale:
        """Return the labels' scale."""
        return made.fit(np.array(self.labels))

    @pins("loss")
    def test_the_loss_is_a_differentiable_scalar(self, made: Objective) -> None:
        """A gradient reaches the output."""
        import torch

        output = torch.zeros((len(self.labels), made.outputs), requires_grad=True)
        loss = made.loss(output, self.truth(), self.scale(made))
        assert loss.shape == ()
        assert bool(loss.isfinite())
        loss.backward()  # type: ignore[no-untyped-call]
        assert output.grad is not None, "no gradient reaches the output"
        assert float(output.grad.abs().sum()) > 0, "the gradient is zero"

    @pins("truth")
    def test_a_lower_loss_is_nearer_to_the_truth(self, made: Objective) -> None:
        """Outputs are made better by gradient descent, as training would."""
        import torch

        with torch.enable_grad():
            output, scale, truth = self.outputs(made).requires_grad_(), self.scale(made), self.truth()
            before = float((made.predict(output, scale) - truth).abs().mean().detach())
            descent = torch.optim.Adam([output], lr=0.1)
            losses = []
            for _ in range(200):
                descent.zero_grad()
                loss = made.loss(output, truth, scale)
                loss.backward()  # type: ignore[no-untyped-call]
                descent.step()
                losses.append(float(loss.detach()))
            after = float((made.predict(output, scale) - truth).abs().mean().detach())
        assert losses[-1] < losses[0], "gradient descent does not lower the loss"
        assert after < 0.5 * before, (
            f"with the loss at {losses[-1]:.3g}, predictions are {after:.3g} away from the labels; "
            f"they were {before:.3g} away at a loss of {losses[0]:.3g}"
        )

    @pins("values")
    def test_one_value_a_clip(self, made: Objective) -> None:
        """Predictions and explained quantities are ``(B,)``."""
        output = self.outputs(made)
        for value in (made.predict(output, self.scale(made)), made.target(output)):
            assert value.shape == (len(self.labels),), f"{tuple(value.shape)} for {len(self.labels)} clips"
            assert bool(value.isfinite().all())

    @pins("batch")
    def test_a_clip_does_not_depend_on_its_batch(self, made: Objective) -> None:
        """Batched equals single."""
        import torch

        output, scale = self.outputs(made), self.scale(made)
        torch.testing.assert_close(made.predict(output, scale)[:1], made.predict(output[:1], scale))
        torch.testing.assert_close(made.target(output)[:1], made.target(output[:1]))

    @pins("target")
    def test_the_explained_quantity_is_differentiable(self, made: Objective) -> None:
        """What attribution methods take the gradient of."""
        import torch

        with torch.enable_grad():
            output = self.outputs(made).requires_grad_()
            (slope,) = torch.autograd.grad(made.target(output).sum(), output)
        assert bool(slope.any()), "the gradient is zero"

    @pins("deterministic")
    def test_it_repeats_itself(self, made: Objective) -> None:
        """Twice the same loss; seeds and modes as before."""
        import torch

        from mien.testing.surroundings import left_as_found, other_seeds

        found = []
        for seed in (1, 2):
            with other_seeds(seed), left_as_found("the objective"):
                found.append(made.loss(self.outputs(made), self.truth(), self.scale(made)))
        assert torch.equal(*found), "the second loss differs"

    @pins("one label")
    def test_equal_labels_can_be_fitted(self, made: Objective) -> None:
        """A data set of one label does not divide by zero."""
        scale = made.fit(np.full(3, self.labels[0]))
        assert np.isfinite([scale.mean, scale.std]).all()
        assert scale.std > 0

    @pins("metrics")
    def test_metrics_are_numbers_or_nan(self, made: Objective) -> None:
        """The truth has metrics; a constant prediction leaves correlations undefined, without a warning."""
        truth = np.array(self.labels)
        perfect = made.metrics(truth, truth)
        assert all(np.isfinite(value) for value in perfect.values()), perfect
        constant = made.metrics(np.full_like(truth, truth[0]), truth)
        assert constant.keys() == perfect.keys()

    @pins("one prediction")
    def test_one_prediction_has_metrics(self, made: Objective) -> None:
        """A test of one participant."""
        one = np.array(self.labels[:1])
        found = made.metrics(one, one)
        assert found.keys() == made.metrics(np.array(self.labels), np.array(self.labels)).keys()
        assert all(isinstance(float(value), float) for value in found.values())

    @pins("bad label")
    def test_a_label_that_is_no_number_is_refused(self, made: Objective) -> None:
        """NaN is no label, and the reason is a sentence."""
        reason = made.check_label(float("nan"))
        assert isinstance(reason, str), "NaN is taken for a label"
        assert reason.strip()
        for label in self.labels:
            assert made.check_label(label) is None

    @pins("bands")
    def test_severity_bands_ascend(self, made: Objective) -> None:
        """Each begins above the one before."""
        assert all(low < high for low, high in pairwise(made.severity_bands.values()))

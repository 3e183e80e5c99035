"""What every backbone and every objective promises.

Backbone: clips of ``input_spec`` become ``(B, outputs)``; the same seed gives the same network; in evaluation mode a
clip's output does not depend on its batch; the last stage holds the head; `architecture` has `build`'s weights.

Objective: the loss is a differentiable scalar, lower for the truth than for an error; predictions are in label units;
metrics of the truth are perfect, and undefined ones are NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mien.interfaces import Backbone, Objective
from mien.testing.component import ComponentSuite
from mien.types import InputSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


def clips(spec: InputSpec, count: int = 2) -> Tensor:
    """Return random clips that fit ``spec``."""
    import torch

    generator = torch.Generator().manual_seed(0)
    if spec.layout == "landmarks":
        return torch.randn((count, spec.frames, 478, 2), generator=generator)
    return torch.randn((count, 3, spec.frames, spec.height, spec.width), generator=generator)


def seeded(backbone: Backbone, outputs: int = 1) -> nn.Module:
    """Return the network built under a fixed seed."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return backbone.build(outputs).eval()


class BackboneSuite(ComponentSuite):
    """Checks of a backbone at its default input size."""

    def test_clips_become_outputs(self, made: Backbone) -> None:
        """``(B, C, T, H, W)`` to ``(B, outputs)``, and batched equals single."""
        import torch

        network, inputs = seeded(made, 2), clips(made.input_spec)
        with torch.no_grad():
            output = network(inputs)
            single = network(inputs[:1])
        assert output.shape == (2, 2)
        assert bool(output.isfinite().all())
        torch.testing.assert_close(single, output[:1], atol=1e-4, rtol=1e-3)

    def test_the_seed_decides_the_weights(self, made: Backbone) -> None:
        """Twice the same seed, twice the same network."""
        import torch

        first, second = seeded(made).state_dict(), seeded(made).state_dict()
        assert all(torch.equal(first[name], second[name]) for name in first)

    def test_its_stages_are_its_own(self, made: Backbone) -> None:
        """Stages are modules of the network; the last one holds the head."""
        network = seeded(made)
        stages = made.stages(network)
        modules = set(network.modules())
        assert stages
        assert all(stage in modules for stage in stages.values())
        assert list(list(stages.values())[-1].parameters())

    def test_architecture_has_the_same_weights_by_name(self, made: Backbone) -> None:
        """A checkpoint is loaded into `architecture`, without pretrained weights."""
        built, bare = made.build(1).state_dict(), made.architecture(1).state_dict()
        assert {name: value.shape for name, value in built.items()} == {
            name: value.shape for name, value in bare.items()
        }

    def test_it_takes_its_own_size(self, made: Backbone) -> None:
        """The default size is legal."""
        spec = made.input_spec
        made.check(spec.frames, spec.height, spec.width)
        assert spec.layout in {"video", "landmarks"}


class ObjectiveSuite(ComponentSuite):
    """Checks of an objective; its labels are 0 and 1 unless the fields say otherwise."""

    labels: tuple[float, ...] = (0.0, 1.0, 1.0, 0.0)

    def test_the_loss_is_a_differentiable_scalar(self, made: Objective) -> None:
        """A gradient reaches the output."""
        import torch

        output = torch.zeros((4, made.outputs), requires_grad=True)
        loss = made.loss(output, torch.tensor(self.labels), made.fit(np.array(self.labels)))
        loss.backward()  # type: ignore[no-untyped-call]
        assert loss.shape == ()
        assert output.grad is not None
        assert float(output.grad.abs().sum()) > 0

    def test_one_value_a_clip(self, made: Objective) -> None:
        """Predictions and explained quantities are ``(B,)``."""
        import torch

        output = torch.randn((4, made.outputs), generator=torch.Generator().manual_seed(0))
        assert made.predict(output, made.fit(np.array(self.labels))).shape == (4,)
        assert made.target(output).shape == (4,)

    def test_equal_labels_can_be_fitted(self, made: Objective) -> None:
        """A data set of one label does not divide by zero."""
        assert made.fit(np.zeros(3)).std > 0

    def test_metrics_are_numbers_or_nan(self, made: Objective) -> None:
        """The truth has metrics; a constant prediction leaves correlations undefined, without a warning."""
        truth = np.array(self.labels)
        assert all(np.isfinite(value) for value in made.metrics(truth, truth).values())
        constant = made.metrics(np.zeros_like(truth), truth)
        assert constant.keys() == made.metrics(truth, truth).keys()

    def test_a_label_that_is_no_number_is_refused(self, made: Objective) -> None:
        """NaN is no label, and the reason is a sentence."""
        reason = made.check_label(float("nan"))
        assert isinstance(reason, str)
        assert made.check_label(self.labels[0]) is None

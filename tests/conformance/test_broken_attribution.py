"""Each guarantee of attribution methods has a method that breaks it, and is seen to."""

from typing import ClassVar

import torch

from mien.interfaces import AttributionMethod
from mien.testing import AttributionMethodSuite, guarantees
from mien.testing.attribution import first_output
from mien.testing.broken import all_must_fail
from mien.types import Explanation


def explain(model, inputs, target):
    """Return the gradient times the input, and the output."""
    point = inputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        output = target(model.module(point))
        slope = torch.autograd.grad(output.sum(), point)[0]
    return slope * inputs, output.detach()


class Method(AttributionMethod):
    """The gradient times the input, but for one thing."""

    def attribute(self, model, batch, target):
        return Explanation(*explain(model, batch.inputs, target))


class Summed(Method):
    """Sums over channels."""

    def attribute(self, model, batch, target):
        relevance, output = explain(model, batch.inputs, target)
        return Explanation(relevance.sum(1), output)


class OtherOutput(Method):
    """Tells another output than the network's."""

    def attribute(self, model, batch, target):
        relevance, output = explain(model, batch.inputs, target)
        return Explanation(relevance, output + 1)


class OwnTarget(Method):
    """Explains the first output, whatever it is handed."""

    def attribute(self, model, batch, target):
        return super().attribute(model, batch, first_output)


class Boasts(Method):
    """Says that nothing is missing."""

    completeness: ClassVar = "approximate"

    def attribute(self, model, batch, target):
        relevance, output = explain(model, batch.inputs, target)
        return Explanation(relevance, output, gap=torch.zeros(len(batch)))


class NotExact(Method):
    """Is not as exact as it declares."""

    completeness: ClassVar = "exact"

    def attribute(self, model, batch, target):
        relevance, output = explain(model, batch.inputs, target)
        return Explanation(relevance + 1, output, gap=(relevance + 1).flatten(1).sum(1) - output)


class Negative(Method):
    """Is not signed, and negative."""

    @property
    def signed(self):
        return False


class Noisy(Method):
    """Draws from the global generator."""

    def attribute(self, model, batch, target):
        relevance, output = explain(model, batch.inputs, target)
        return Explanation(relevance * torch.randn(relevance.shape), output)


class Scaled(Method):
    """Divides by the largest of the batch."""

    def attribute(self, model, batch, target):
        relevance, output = explain(model, batch.inputs, target)
        return Explanation(relevance / relevance.abs().max(), output)


class Evaluates(Method):
    """Leaves the network in evaluation mode."""

    def attribute(self, model, batch, target):
        model.module.eval()
        return super().attribute(model, batch, target)


class LeavesHook(Method):
    """Takes its hook away only where all goes well."""

    def attribute(self, model, batch, target):
        hook = model.module.register_forward_hook(lambda module, given, made: None)
        found = super().attribute(model, batch, target)
        hook.remove()
        return found


class WritesOnClips(Method):
    """Asks the clips themselves for their gradient."""

    def attribute(self, model, batch, target):
        batch.inputs.requires_grad_()
        return super().attribute(model, batch, target)


class Seeds(Method):
    """Seeds the whole process."""

    def attribute(self, model, batch, target):
        torch.manual_seed(0)
        return super().attribute(model, batch, target)


class Motion(Method):
    """Needs a second frame."""

    def attribute(self, model, batch, target):
        assert (batch.times[:, 1] > batch.times[:, 0]).all()
        return super().attribute(model, batch, target)


class MeanOfValid(Method):
    """Divides by the number of frames with a face."""

    def attribute(self, model, batch, target):
        relevance, output = explain(model, batch.inputs, target)
        return Explanation(relevance / batch.valid.sum(1).view(-1, 1, 1, 1, 1), output)


class Normalised(Method):
    """Divides by the largest of each clip, which may be 0."""

    def attribute(self, model, batch, target):
        relevance, output = explain(model, batch.inputs, target)
        return Explanation(relevance / relevance.abs().amax((1, 2, 3, 4), keepdim=True), output)


class Unasked(Method):
    """Does not look whether the network has what it needs."""

    needs: ClassVar = ("gradient",)

    def check(self, model):
        pass


BROKEN = {
    "relevance": Summed,
    "output": OtherOutput,
    "target": OwnTarget,
    "gap": Boasts,
    "exact": NotExact,
    "sign": Negative,
    "deterministic": Noisy,
    "batch": Scaled,
    "network": Evaluates,
    "network after failure": LeavesHook,
    "clips": WritesOnClips,
    "process": Seeds,
    "one frame": Motion,
    "no face": MeanOfValid,
    "silent network": Normalised,
    "refusal": Unasked,
}

globals().update(all_must_fail(AttributionMethodSuite, BROKEN))


def test_every_guarantee_is_broken():
    own = {guarantee.name for guarantee in guarantees(AttributionMethodSuite) if guarantee.suite != "ComponentSuite"}
    assert set(BROKEN) == own

"""Each guarantee of backbones has a backbone that breaks it, and is seen to."""

from itertools import count
from typing import ClassVar

import torch
from torch import nn

from mien.errors import ModelError
from mien.testing import BackboneSuite, guarantees
from mien.testing.broken import all_must_fail
from mien.testing.parts import SmallNetwork


class Wrapped(nn.Module):
    """A network whose output goes through a function."""

    def __init__(self, inner, change):
        super().__init__()
        self.inner, self.change = inner, change

    def forward(self, clips):
        return self.change(self.inner(clips))


class Changed(SmallNetwork):
    """Does something to the output."""

    def build(self, outputs):
        return Wrapped(super().build(outputs), self.change)

    def stages(self, model):
        return super().stages(model.inner)

    def change(self, output):
        return output


class OneOutput(Changed):
    """Gives one number, however many are asked for."""

    def change(self, output):
        return output[:, :1]


class LessTheMean(Changed):
    """Takes the mean of the batch away."""

    def change(self, output):
        return output - output.mean(0)


class Unseeded(SmallNetwork):
    """Draws its weights as it likes."""

    def build(self, outputs):
        network = super().build(outputs)
        generator = torch.Generator()
        generator.seed()
        with torch.no_grad():
            network.head[2].weight.normal_(generator=generator)
        return network


class Counting(Changed):
    """Counts how often it was asked."""

    def build(self, outputs):
        calls = count()
        return Wrapped(SmallNetwork.build(self, outputs), lambda output: output + next(calls))


class OtherArchitecture(SmallNetwork):
    """Its architecture is of another network."""

    def architecture(self, outputs):
        return super().build(outputs + 1)


class ForeignStages(SmallNetwork):
    """Its stages are no part of the network."""

    def stages(self, model):
        return super().stages(self.build(1))


class Picky(SmallNetwork):
    """Refuses its own size."""

    def check(self, frames, height, width):
        if frames == self.frames:
            raise ModelError("Too many frames.", hint="Take fewer.")


class Unchecked(Changed):
    """Cannot take a single frame, and does not say so."""

    def build(self, outputs):
        network = super().build(outputs)
        network.inner.body[0] = nn.Conv3d(3, 4, (2, 3, 3))
        return network


class NoGradient(Changed):
    """Rounds, so that no gradient comes through, and does not say so."""

    def change(self, output):
        return output.round()


class VectorLoss(SmallNetwork):
    """Adds a loss for each clip."""

    def extra_loss(self, model):
        return torch.zeros(2, requires_grad=True)


class Silent(SmallNetwork):
    """Lacks something without a reason."""

    @property
    def lacks(self):
        return {"lrp": " "}


class TestGood(BackboneSuite):
    component = SmallNetwork


class TestGoodLandmarks(BackboneSuite):
    component = SmallNetwork
    fields: ClassVar = {"layout": "landmarks"}


BROKEN = {
    "outputs": OneOutput,
    "batch": LessTheMean,
    "seed": Unseeded,
    "deterministic": Counting,
    "architecture": OtherArchitecture,
    "stages": ForeignStages,
    "input": Picky,
    "sizes": Unchecked,
    "capabilities": NoGradient,
    "extra loss": VectorLoss,
    "reasons": Silent,
}

globals().update(all_must_fail(BackboneSuite, BROKEN))


def test_every_guarantee_is_broken():
    own = {guarantee.name for guarantee in guarantees(BackboneSuite) if guarantee.suite != "ComponentSuite"}
    assert set(BROKEN) == own

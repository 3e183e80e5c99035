"""Each guarantee of objectives has an objective that breaks it, and is seen to."""

import torch

from mien.interfaces import LabelScale
from mien.registry import load_registry
from mien.testing import ObjectiveSuite, guarantees
from mien.testing.broken import all_must_fail

Regression = load_registry().load("objective", "regression")


class Unreduced(Regression):
    """Gives a loss for each clip."""

    def loss(self, output, labels, scale):
        return (output[:, 0] - labels) ** 2


class Backwards(Regression):
    """Predicts the other way round."""

    def predict(self, output, scale):
        return -super().predict(output, scale)


class Column(Regression):
    """Predicts a column."""

    def predict(self, output, scale):
        return super().predict(output, scale)[:, None]


class LessTheMean(Regression):
    """Explains what is above the mean of the batch."""

    def target(self, output):
        return output[:, 0] - output[:, 0].mean()


class Rounds(Regression):
    """Explains a step."""

    def target(self, output):
        return output[:, 0].round()


class Noisy(Regression):
    """Adds noise to the labels."""

    def loss(self, output, labels, scale):
        return super().loss(output, labels + torch.randn(labels.shape), scale)


class Divides(Regression):
    """Divides by the spread of one label."""

    def fit(self, labels):
        return LabelScale(mean=float(labels.mean()), std=float(labels.std()))


class Drops(Regression):
    """Leaves out what is not defined."""

    def metrics(self, predictions, labels):
        found = super().metrics(predictions, labels)
        return {name: value for name, value in found.items() if value == value}


class NeedsTwo(Regression):
    """Cannot tell of one."""

    def metrics(self, predictions, labels):
        assert predictions[1] is not None
        return super().metrics(predictions, labels)


class TakesAll(Regression):
    """Takes anything for a label."""

    def check_label(self, label):
        return None


class Descending(Regression):
    """Its bands go down."""

    @property
    def severity_bands(self):
        return {"high": 10.0, "low": 0.0}


class TestGood(ObjectiveSuite):
    component = Regression


BROKEN = {
    "loss": Unreduced,
    "truth": Backwards,
    "values": Column,
    "batch": LessTheMean,
    "target": Rounds,
    "deterministic": Noisy,
    "one label": Divides,
    "metrics": Drops,
    "one prediction": NeedsTwo,
    "bad label": TakesAll,
    "bands": Descending,
}

globals().update(all_must_fail(ObjectiveSuite, BROKEN))


def test_every_guarantee_is_broken():
    own = {guarantee.name for guarantee in guarantees(ObjectiveSuite) if guarantee.suite != "ComponentSuite"}
    assert set(BROKEN) == own

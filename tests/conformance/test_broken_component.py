"""Each general guarantee has a component that breaks it, and is seen to."""

from pathlib import Path

from pydantic import ConfigDict, Field, PrivateAttr, field_validator

from mien.interfaces import AttributionMethod
from mien.steps import pipeline
from mien.testing import AttributionMethodSuite, ComponentSuite, guarantees
from mien.testing.broken import all_must_fail
from mien.types import Explanation


class Good(AttributionMethod):
    """The gradient times the input."""

    def attribute(self, model, batch, target):
        import torch

        point = batch.inputs.detach().clone().requires_grad_()
        with torch.enable_grad():
            output = target(model.module(point))
            slope = torch.autograd.grad(output.sum(), point)[0]
        return Explanation(slope * batch.inputs, output.detach())


class TestGood(AttributionMethodSuite):
    component = Good


class AddsOne(Good):
    """Its field is another one each time it is read."""

    steps: int = 0

    @field_validator("steps")
    @classmethod
    def _more(cls, steps):
        return steps + 1


class Ignores(Good):
    """Takes any field."""

    model_config = ConfigDict(extra="ignore")


class Crashes(Good):
    """Its validator takes what it likes for granted."""

    layers: list = Field(default_factory=list)

    @field_validator("layers", mode="before")
    @classmethod
    def _first(cls, layers):
        return [len(layer) for layer in layers]


class Changes(Good):
    """Can be changed."""

    model_config = ConfigDict(frozen=False)
    steps: int = 0

    @field_validator("steps", mode="before")
    @classmethod
    def _default(cls, steps):
        return steps or 0


class Misleads(Good):
    """Its schema says that a number is a text."""

    steps: int = Field(3, json_schema_extra={"type": "string"})


class Clings(Good):
    """Holds what no other process can have."""

    _function: object = PrivateAttr(default_factory=lambda: lambda: None)


class Undocumented(Good):
    pass


class Heavy(Good):
    """Its module imports torch and pandas."""


Heavy.__module__ = pipeline.__name__


class Careless(Good):
    """Reads its file without a thought of its not being there."""

    file: Path | None = None

    def attribute(self, model, batch, target):
        if self.file is not None:
            self.file.read_text()
        return super().attribute(model, batch, target)


class OnlyAlone(Good):
    """Works on made-up clips, and not on those of a run, which know the way back to their source."""

    def attribute(self, model, batch, target):
        return super().attribute(model, batch, target) if batch.transforms is None else {}["no such thing"]


BROKEN = {
    "round trip": AddsOne,
    "unknown keys": Ignores,
    "wrong values": Crashes,
    "frozen": Changes,
    "schema": Misleads,
    "picklable": Clings,
    "documented": Undocumented,
    "light": Heavy,
    "missing files": Careless,
    "whole run": OnlyAlone,
}

globals().update(all_must_fail(AttributionMethodSuite, BROKEN))


def test_every_guarantee_is_broken():
    assert set(BROKEN) == {guarantee.name for guarantee in guarantees(ComponentSuite)}

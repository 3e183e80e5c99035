"""Interface of attribution methods."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mien.errors import ModelError
from mien.interfaces.component import Component
from mien.types import ClipBatch, Explanation

if TYPE_CHECKING:
    from torch import Tensor, nn

Completeness = Literal["exact", "approximate", "none"]


@dataclass(frozen=True)
class ExplainedModel:
    """A network in evaluation mode, and what its backbone says of it.

    Attributes
    ----------
    module : nn.Module
    stages : mapping of str to nn.Module
        From the input to the head; empty when unknown.
    lrp_canonizers : callable
        Gives fresh zennit canonizers.
    lacks : mapping of str to str
        Capability to the reason why the network has it not.
    name : str
        For messages.
    backbone : str
        Id of the backbone; empty when unknown.
    """

    module: nn.Module
    stages: Mapping[str, nn.Module] = field(default_factory=dict)
    lrp_canonizers: Callable[[], Sequence[Any]] = list
    lacks: Mapping[str, str] = field(default_factory=dict)
    name: str = "the network"
    backbone: str = ""


class AttributionMethod(Component):
    """Says how much each input element contributed to the output.

    A method leaves the network as it found it, bit by bit: weights, hooks, modes and gradients, also when it
    fails.
    """

    completeness: ClassVar[Completeness] = "none"
    """Whether relevance sums to f(x) - f(baseline): by construction, up to a measured gap, or not at all."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Capabilities that the network must have; see `Backbone.lacks`."""

    backbones: ClassVar[tuple[str, ...]] = ()
    """Ids of the backbones whose networks it can explain, for a method that reads what only they have; empty: any."""

    follows_target: ClassVar[bool] = True
    """Whether another explained quantity has another relevance; a network's own attention is the same for all."""

    tolerance: float = Field(
        0.01,
        gt=0,
        description="Largest completeness gap, relative to the change of the output, before a clip is flagged.",
    )

    @property
    def signed(self) -> bool:
        """Whether relevance tells for from against; where not, it is nowhere negative."""
        return True

    @property
    def compared_with(self) -> str:
        """What a clip is compared with, its baseline, and what that cannot show, in a sentence; empty for none."""
        return ""

    def check(self, model: ExplainedModel) -> None:
        """Raise `ModelError` when the method cannot explain this network; before any computing."""
        if self.backbones and model.backbone not in self.backbones:
            raise ModelError(
                f"The attribution method '{self.use}' cannot explain {model.name}: it reads what only networks of "
                f"{_listed(self.backbones)} have.",
                hint="Choose another method in 'explain.methods', or another backbone; 'mien.explain' has to be told "
                f"which it is: backbone='{self.backbones[0]}'.",
            )
        for need in self.needs:
            if need in model.lacks:
                raise ModelError(
                    f"The attribution method '{self.use}' cannot explain {model.name}: {model.lacks[need]}",
                    hint="Choose another method in 'explain.methods'.",
                )

    @abstractmethod
    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return the relevance of each element of ``batch.inputs`` for ``target(model.module(inputs))``.

        The result for a clip does not depend on the others in the batch.
        """


def _listed(backbones: Sequence[str]) -> str:
    return " or ".join(f"the backbone '{name}'" for name in backbones)

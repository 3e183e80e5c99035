"""Interface of objectives: what the network's output means."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from mien.interfaces.component import Component
from mien.types import FloatArray

if TYPE_CHECKING:
    from torch import Tensor


class LabelScale(BaseModel):
    """How labels are standardised for training: ``z = (label - mean) / std``; kept in the checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float = 0.0
    std: float = 1.0


class Objective(Component):
    """Ties the network's output to the label: loss, prediction, metrics, and what is explained."""

    higher_is: ClassVar[str] = "higher"
    """What positive relevance speaks for, e.g. "a higher score"."""

    continuous: ClassVar[bool] = False
    """Whether labels and predictions are numbers on one scale, so that their difference is an error."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers the network gives for a clip."""

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes, in the order of their labels from 0; empty where labels are numbers on a scale."""
        return ()

    @property
    def severity_bands(self) -> Mapping[str, float]:
        """Severity bands by name: the lowest label of each, ascending; empty where the objective has none."""
        return {}

    @abstractmethod
    def check_label(self, label: float) -> str | None:
        """Return why a label cannot be used (outside the range, no such class), or None."""

    @abstractmethod
    def fit(self, labels: FloatArray) -> LabelScale:
        """Return the scale of the training labels, shape (n,), one for each recording."""

    @abstractmethod
    def loss(self, output: Tensor, labels: Tensor, scale: LabelScale) -> Tensor:
        """Return the scalar loss of outputs ``(B, outputs)`` for labels ``(B,)`` in label units."""

    @abstractmethod
    def predict(self, output: Tensor, scale: LabelScale) -> Tensor:
        """Return predictions ``(B,)`` in label units."""

    @abstractmethod
    def target(self, output: Tensor) -> Tensor:
        """Return the explained quantity of each clip: ``(B, outputs)`` to ``(B,)``, differentiable."""

    @abstractmethod
    def metrics(self, predictions: FloatArray, labels: FloatArray) -> Mapping[str, float]:
        """Return metrics of n predictions against n labels; NaN where one is undefined."""

"""Classes, each held against all others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from mien import LabelScale, Objective, nearest
from mien_landmark_emotion.emotions import EMOTIONS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

LARGEST = "largest"


class OneVsRest(Objective):
    """One binary decision a class: the label is the place of its class, counted from 0.

    Each output is the logit of its class against all others, trained with binary cross-entropy; the prediction is the
    class of the largest.  What is explained is one class's logit, or the largest.
    """

    higher_is: ClassVar[str] = "the explained class"

    name: str = Field("emotion", min_length=1, description="What the classes are of; used in tables and the report.")
    classes: tuple[str, ...] = Field(EMOTIONS, min_length=2, description="Names, in the order of the labels.")
    balanced: bool = Field(
        True, description="Weigh a class's own clips as much as all the others' together, as if it were half of them."
    )
    explained: str = Field(LARGEST, description="The class whose logit is explained; largest: the one predicted.")

    @model_validator(mode="after")
    def _known(self) -> OneVsRest:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a name is there twice")
        if self.explained not in (*self.classes, LARGEST):
            known = nearest(self.explained, (*self.classes, LARGEST))
            raise ValueError(f"explained: there is no class '{self.explained}'. {known}")
        return self

    @property
    def class_names(self) -> Sequence[str]:
        """The classes."""
        return self.classes

    @property
    def outputs(self) -> int:
        """One a class."""
        return len(self.classes)

    def check_label(self, label: float) -> str | None:
        """Return why a label cannot be used, or None."""
        if not math.isfinite(label) or label != round(label):
            return f"the label {label} is not a whole number, and classes are counted from 0"
        if not 0 <= label < len(self.classes):
            return f"the label {label:g} is no class: there are {len(self.classes)}, from 0"
        return None

    def fit(self, labels: npt.NDArray[np.floating[Any]]) -> LabelScale:
        """Return the scale that leaves labels as they are."""
        return LabelScale()

    def loss(self, output: Tensor, labels: Tensor, scale: LabelScale) -> Tensor:
        """Return the mean binary cross-entropy over classes and clips."""
        import torch
        from torch.nn import functional

        wanted = functional.one_hot(labels.long(), len(self.classes)).to(output)
        weight = torch.full_like(output[0], len(self.classes) - 1.0) if self.balanced else None
        return functional.binary_cross_entropy_with_logits(output, wanted, pos_weight=weight)

    def predict(self, output: Tensor, scale: LabelScale) -> Tensor:
        """Return the class of the largest logit."""
        return output.argmax(1).to(output.dtype)

    def target(self, output: Tensor) -> Tensor:
        """Return the logit of the explained class, or the largest."""
        if self.explained == LARGEST:
            return output.max(1).values
        return output[:, self.classes.index(self.explained)]

    def metrics(
        self, predictions: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.floating[Any]]
    ) -> Mapping[str, float]:
        """Return the share of right predictions, and its mean over the classes that occur."""
        right = predictions == labels
        present = sorted(set(labels.tolist()))
        shares = [float(right[labels == label].mean()) for label in present]
        balanced = sum(shares) / len(shares) if shares else math.nan
        return {"accuracy": float(right.mean()) if len(right) else math.nan, "balanced_accuracy": balanced}

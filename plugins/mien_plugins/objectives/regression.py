"""Regression of one continuous score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mien.interfaces import LabelScale, Objective
from mien.types import FloatArray

if TYPE_CHECKING:
    from torch import Tensor


BDI_II = {"minimal": 0.0, "mild": 14.0, "moderate": 20.0, "severe": 29.0}
"""Severity bands of the BDI-II, by their lowest score (Beck, Steer & Brown 1996)."""


class Regression(Objective):
    """One score, e.g. BDI-II; labels are standardised over the training recordings.

    Labels are z-scored because the head's bias would otherwise swallow the output, and with it the relevance.
    The explained quantity is the standardised score.
    """

    higher_is: ClassVar[str] = "a higher score"
    continuous: ClassVar[bool] = True

    name: str = Field("score", description="What the score is called in tables and figures.")
    minimum: float | None = Field(None, description="Labels below it are errors.")
    maximum: float | None = Field(None, description="Labels above it are errors.")
    loss_function: Literal["mse", "mae", "huber"] = "mse"
    bands: dict[str, float] = Field(
        BDI_II,
        description="Severity bands by name: the lowest score of each, ascending; {} for none. Those of the BDI-II "
        "where they fit between minimum and maximum, else none.",
    )

    @model_validator(mode="before")
    @classmethod
    def _bands_of_its_scale(cls, fields: Any) -> Any:
        """The default is of one scale: a score that is not on it has no bands, instead of wrong ones."""
        if not isinstance(fields, dict) or "bands" in fields:
            return fields
        minimum, maximum = fields.get("minimum"), fields.get("maximum")
        below = isinstance(minimum, int | float) and minimum < min(BDI_II.values())
        above = isinstance(maximum, int | float) and maximum < max(BDI_II.values())
        return {**fields, "bands": {}} if below or above else fields

    @field_validator("maximum")
    @classmethod
    def _above_minimum(cls, maximum: float | None, info: ValidationInfo) -> float | None:
        minimum = info.data.get("minimum")
        if maximum is not None and minimum is not None and maximum <= minimum:
            raise ValueError(f"the maximum {maximum:g} is not above the minimum {minimum:g}")
        return maximum

    @field_validator("bands")
    @classmethod
    def _bands_in_order(cls, bands: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        lowest = list(bands.values())
        if not all(math.isfinite(label) for label in lowest):
            raise ValueError("the lowest score of each band must be a finite number")
        for (one, a), (other, b) in zip(list(bands.items())[:-1], list(bands.items())[1:], strict=True):
            if b <= a:
                raise ValueError(f"the band '{other}' begins at {b:g}, which is not above '{one}' at {a:g}")
        minimum, maximum = info.data.get("minimum"), info.data.get("maximum")
        if lowest and minimum is not None and lowest[0] > minimum:
            raise ValueError(f"labels from {minimum:g} to {lowest[0]:g} are in no band: begin the first at {minimum:g}")
        if lowest and maximum is not None and lowest[-1] > maximum:
            raise ValueError(f"the band '{list(bands)[-1]}' begins at {lowest[-1]:g}, above the maximum {maximum:g}")
        return bands

    @property
    def severity_bands(self) -> Mapping[str, float]:
        """The lowest score of each band, ascending."""
        return self.bands

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    def check_label(self, label: float) -> str | None:
        """Return why a label cannot be used, or None."""
        if not math.isfinite(label):
            return f"the label {label} is not a finite number"
        if self.minimum is not None and label < self.minimum:
            return f"the label {label:g} is below the minimum {self.minimum:g}"
        if self.maximum is not None and label > self.maximum:
            return f"the label {label:g} is above the maximum {self.maximum:g}"
        return None

    def fit(self, labels: FloatArray) -> LabelScale:
        """Return mean and standard deviation; the latter is 1 when all labels are the same."""
        deviation = float(labels.std())
        return LabelScale(mean=float(labels.mean()), std=deviation if deviation > 0 else 1.0)

    def loss(self, output: Tensor, labels: Tensor, scale: LabelScale) -> Tensor:
        """Return the mean loss on standardised labels."""
        from torch.nn import functional

        predicted, wanted = output[:, 0], (labels - scale.mean) / scale.std
        if self.loss_function == "mae":
            return functional.l1_loss(predicted, wanted)
        if self.loss_function == "huber":
            return functional.huber_loss(predicted, wanted)
        return functional.mse_loss(predicted, wanted)

    def predict(self, output: Tensor, scale: LabelScale) -> Tensor:
        """Return the score in the labels' unit."""
        return output[:, 0] * scale.std + scale.mean

    def target(self, output: Tensor) -> Tensor:
        """Return the standardised score."""
        return output[:, 0]

    def metrics(self, predictions: FloatArray, labels: FloatArray) -> Mapping[str, float]:
        """Return MAE, RMSE, Pearson's and Spearman's r, and Lin's concordance.

        The last three are NaN without variation or with fewer than three labels: any two points correlate perfectly.
        """
        from mien.statistics import ranks

        error = predictions - labels
        varied = len(labels) > 2 and bool(labels.max() > labels.min() and predictions.max() > predictions.min())
        return {
            "mae": float(abs(error).mean()),
            "rmse": float((error**2).mean() ** 0.5),
            "pearson": correlation(predictions, labels) if varied else float("nan"),
            "spearman": correlation(ranks(predictions), ranks(labels)) if varied else float("nan"),
            "ccc": concordance(predictions, labels) if varied else float("nan"),
        }


def correlation(a: FloatArray, b: FloatArray) -> float:
    """Return Pearson's r of two series that vary.

    A bootstrap calls it thousands of times; scipy's function takes ten times as long for its p-value.
    """
    a, b = a - a.mean(), b - b.mean()
    product = float((a * b).mean()) / math.sqrt(float((a * a).mean() * (b * b).mean()))
    return max(-1.0, min(1.0, product))


def concordance(predictions: FloatArray, labels: FloatArray) -> float:
    """Return Lin's concordance correlation coefficient (Lin, Biometrics 1989)."""
    covariance = float(((predictions - predictions.mean()) * (labels - labels.mean())).mean())
    spread = float(predictions.var() + labels.var() + (predictions.mean() - labels.mean()) ** 2)
    return 2 * covariance / spread

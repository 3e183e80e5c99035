"""Integrated Gradients from a neutral face."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from mien import AttributionMethod, ClipBatch, ExplainedModel, Explanation, ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from mien_landmark_emotion.path import GradientPaths

Neutral = Literal["first_frame", "mean_face"]

_MEANINGS: dict[Neutral, str] = {
    "first_frame": "its own first frame, held still: it shows what the face did since then, is blind to what never "
    "moves, and is a neutral face only where clips begin with one",
    "mean_face": "the scheme's neutral mean face: it shows expression and identity together",
}


class NeutralFaceGradients(AttributionMethod):
    """Integrated Gradients from the neutral face to the clip: what of the expression speaks for the output.

    The gradient, averaged on the straight path from the neutral face to the clip, times their difference.  The average
    is the trapezoidal rule; a clip's intervals are halved until its completeness gap is within ``tolerance`` of the
    change of the output (no less than a tenth of the larger of both outputs), or there are ``max_steps``.

    The paper speaks of an improved version of Integrated Gradients; what is improved is not reproduced here.  The
    neutral baseline is: a sequence that begins with a neutral face brings its own (``first_frame``); landmarks relative
    to the mean face have it at 0 (``mean_face``).

    Diagnostics: ``steps`` (gradients taken), ``complete`` (1 where the tolerance was reached, else 0).
    """

    completeness: ClassVar[Literal["exact", "approximate", "none"]] = "approximate"
    needs: ClassVar[tuple[str, ...]] = ("gradient",)
    citation: ClassVar[str] = (
        "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, ICML 2017; Di Luzio, Rosato, Panella: An "
        "Explainable Fast Deep Neural Network for Emotion Recognition, arXiv 2024"
    )

    neutral: Neutral = Field(
        "first_frame",
        description="first_frame: the clip's own first frame, held still; mean_face: 0, for landmarks relative to it.",
    )
    steps: int = Field(16, ge=1, description="Intervals at first.")
    max_steps: int = Field(256, ge=1, description="Intervals at most.")

    @model_validator(mode="after")
    def _ordered(self) -> NeutralFaceGradients:
        if self.max_steps < self.steps:
            raise ValueError(f"max_steps ({self.max_steps}) is less than steps ({self.steps})")
        return self

    @property
    def compared_with(self) -> str:
        """What the neutral face is, and what it cannot show."""
        return _MEANINGS[self.neutral]

    def baseline_of(self, batch: ClipBatch) -> Tensor:
        """Return the neutral clip of every clip, in the shape of ``batch.inputs``.

        Raises
        ------
        ModelError
            When videos shall be held against the mean face.
        """
        import torch

        inputs = batch.inputs.detach()
        if self.neutral == "first_frame":
            return inputs.narrow(batch.time_axis, 0, 1).expand_as(inputs).contiguous()
        if batch.layout != "landmarks":
            raise ModelError(
                "Pixels have no neutral mean face.",
                where="neutral: mean_face",
                hint="Choose 'first_frame', or explain a network of landmarks.",
            )
        return torch.zeros_like(inputs)

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return relevance, its gap, and how many gradients each clip took."""
        import torch

        from mien import untouched
        from mien_landmark_emotion.path import GradientPaths

        paths = GradientPaths(model, target, batch.inputs.detach(), self.baseline_of(batch))
        with untouched(model.module):
            gradients = paths.first(self.steps)
            intervals = torch.full((len(batch),), self.steps)
            while True:
                relevance = paths.relevance(gradients, intervals)
                open_ = ~self._complete(paths, relevance) & (2 * intervals <= self.max_steps).to(relevance.device)
                if not bool(open_.any()):
                    break
                rows = open_.nonzero()[:, 0]
                intervals[rows.cpu()] *= 2
                gradients[rows] += paths.between(rows, int(intervals[rows.cpu()][0]))
        return Explanation(
            relevance=relevance,
            output=paths.end,
            baseline_output=paths.start,
            gap=paths.gap(relevance).to(paths.end.dtype),
            diagnostics={"steps": intervals + 1, "complete": self._complete(paths, relevance).float().cpu()},
        )

    def _complete(self, paths: GradientPaths, relevance: Tensor) -> Tensor:
        change = (paths.end - paths.start).abs()
        floor = 0.1 * paths.end.abs().maximum(paths.start.abs())
        return paths.gap(relevance).abs() <= self.tolerance * change.maximum(floor)

"""The backbone: one small binary classifier a class, over landmark sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from mien import Backbone, InputSpec, ModelError

if TYPE_CHECKING:
    from torch import nn

Landmarks = tuple[int, ...]


class LandmarkClassifiers(Backbone):
    """Binary classifiers of landmark sequences, one for each output, which share no weight.

    In each frame a linear layer makes ``width`` numbers of the landmarks; a convolution mixes those of neighbouring
    frames; their mean over time gives the logit.  Every classifier may see landmarks of its own (``keep``): what it
    does not see costs it nothing.

    The paper says "small binary classifiers" over landmark sequences; layers and widths are ours.  It speaks of the
    movements of landmarks: with ``movement``, a network sees how far each landmark has come from the first frame.
    """

    citation: ClassVar[str] = (
        "Di Luzio, Rosato, Panella: An Explainable Fast Deep Neural Network for Emotion Recognition, arXiv 2024"
    )

    points: int = Field(478, ge=1, description="Landmarks of a clip, as the cropper gives them.")
    frames: int = Field(16, ge=1, description="Default number of frames of a clip.")
    width: int = Field(16, ge=1, description="Features of a frame, for each classifier.")
    kernel: int = Field(5, ge=1, description="Frames that are mixed; odd.")
    movement: bool = Field(
        True, description="Take landmarks relative to the clip's first frame, which should be neutral."
    )
    keep: tuple[Landmarks, ...] = Field(
        (),
        description="Landmarks that the classifiers see: one list for all, or one for each output; an empty list, or "
        "none, is all of them.",
    )

    @model_validator(mode="after")
    def _sensible(self) -> LandmarkClassifiers:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, and {self.kernel} is not")
        for kept in self.keep:
            outside = [point for point in kept if not 0 <= point < self.points]
            if outside:
                raise ValueError(f"keep: there is no landmark {outside[0]}; there are {self.points}, from 0")
            if len(set(kept)) < len(kept):
                raise ValueError("keep: a landmark is named twice")
        return self

    def build(self, outputs: int) -> nn.Module:
        """Return the classifiers with random weights.

        Raises
        ------
        ModelError
            When ``keep`` has lists for another number of outputs.
        """
        from mien_landmark_emotion.network import OneVsRestNetwork, Shape

        return OneVsRestNetwork(Shape(self.points, self.width, self.kernel, self.movement), self.keeps(outputs))

    def keeps(self, outputs: int) -> Sequence[Landmarks]:
        """Return the landmarks of each classifier; an empty list is all of them.

        Raises
        ------
        ModelError
            When ``keep`` has lists for another number of outputs.
        """
        if len(self.keep) <= 1:
            return [self.keep[0] if self.keep else ()] * outputs
        if len(self.keep) != outputs:
            raise ModelError(
                f"'keep' has {len(self.keep)} lists of landmarks for {outputs} outputs.",
                where="backbone.keep",
                hint="Give one list for all, or one for each class of the objective.",
            )
        return self.keep

    @property
    def input_spec(self) -> InputSpec:
        """Landmark clips, tenths of an inter-ocular distance: about what an Action Unit moves a landmark."""
        return InputSpec(
            layout="landmarks",
            frames=self.frames,
            height=0,
            width=0,
            standardise="fixed",
            mean=(0.0, 0.0),
            std=(0.1, 0.1),
        )

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return ``features`` and ``heads``."""
        return {name: model.get_submodule(name) for name in ("features", "heads")}

    @property
    def lacks(self) -> Mapping[str, str]:
        """Landmarks have no picture's rows and columns, and no rules for LRP are declared."""
        return {
            "convolutional_stages": "its stages are of landmarks, without height and width.",
            "lrp": "no LRP rules are declared for networks of landmarks.",
        }

"""Interface of video backbones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mien.interfaces.component import Component
from mien.types import InputSpec, Layout

if TYPE_CHECKING:
    from torch import Tensor, nn

_LANDMARKS_LACK = {"pictures": "its landmarks lie on no grid."}


def lacking(lacks: Mapping[str, str], layout: Layout) -> Mapping[str, str]:
    """Return what a network lacks by its backbone, and by the layout of its clips, which no backbone has to say."""
    return {**_LANDMARKS_LACK, **lacks} if layout == "landmarks" else lacks


class Backbone(Component):
    """A network from clips to ``outputs`` numbers, and what a method needs to know of it.

    Attribution methods ask the backbone; of the network itself they know no more than the classes of its modules.
    """

    @abstractmethod
    def build(self, outputs: int) -> nn.Module:
        """Return a fresh network: clips ``(B, C, T, H, W)`` (or ``(B, T, N, 2)``) to ``(B, outputs)``.

        Random weights are drawn from torch's global generator, which the caller seeds; pretrained weights
        are loaded here.

        Raises
        ------
        ModelError
            When weights are absent or do not fit.
        """

    def architecture(self, outputs: int) -> nn.Module:
        """Return the network of `build` with random weights, without loading or fetching pretrained ones.

        It is what a checkpoint's weights are loaded into, and what an untrained network is.  A backbone whose
        `build` loads weights overrides it.
        """
        return self.build(outputs)

    @property
    @abstractmethod
    def input_spec(self) -> InputSpec:
        """The clips that the network takes, and how they are standardised beforehand."""

    @abstractmethod
    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return the named stages of a network made by `build`, from the input to the head.

        The last one holds the head.  They serve gradual unfreezing, Grad-CAM, features and randomisation.
        """

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        """Return what a network made by `build` adds to the objective's loss in training, or None; the default.

        It is asked once after each pass of a training batch, for a term that the objective cannot know: of layers
        within the network, or of single frames.  Validation and metrics do not hold it.
        """
        return None

    def lrp_canonizers(self) -> Sequence[Any]:
        """Return zennit canonizers that make the network fit for LRP; the default needs none."""
        return []

    @property
    def lacks(self) -> Mapping[str, str]:
        """What attribution methods may need and this network cannot give: capability to reason.

        Capabilities that built-in methods ask for: ``gradient``, ``relu_modules`` (each activation a module
        of its own, used once), ``lrp``, ``convolutional_stages`` (stages whose output is ``(B, C, T, H, W)``),
        ``pictures`` (clips of video; that landmarks are none need not be said).
        """
        return {}

    def check(self, frames: int, height: int, width: int) -> None:
        """Raise `ModelError` when the network cannot take clips of this size; the default takes all."""

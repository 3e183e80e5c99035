"""Grad-CAM on video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mien.errors import ModelError, nearest
from mien.interfaces import AttributionMethod
from mien.interfaces.attribution import ExplainedModel
from mien.types import ClipBatch, Explanation

if TYPE_CHECKING:
    from torch import Tensor, nn


class GradCam(AttributionMethod):
    """The channels of a convolutional layer, weighed by their mean gradient over space and time.

    The map is upsampled trilinearly to the clip and shared evenly among its channels.  It is as coarse as the
    layer: a network that halves time three times leaves two bins of 16 frames.  The paper cuts negative values
    (``relu``), since it asks for evidence for a class; a score has evidence against, so they are kept by default.
    """

    version: ClassVar[int] = 2  # the default layer is one with a map in space
    needs: ClassVar[tuple[str, ...]] = ("gradient", "convolutional_stages", "pictures")
    citation: ClassVar[str] = "Selvaraju et al.: Grad-CAM, ICCV 2017"

    layer: str | None = Field(
        None,
        description="A stage of the backbone, or a path to a submodule; none: the last convolutional stage of more "
        "than one cell in space.",
    )
    relu: bool = Field(False, description="Cut negative values, as the paper does.")

    def check(self, model: ExplainedModel) -> None:
        """Raise `ModelError` when there is no layer to look at."""
        super().check(model)
        self._candidates(model)

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return the upsampled map."""
        import torch

        from mien.attribution import over_clips, untouched

        if batch.layout != "video":
            raise ModelError("Grad-CAM explains video clips only, not landmarks.", hint="Choose another method.")
        candidates = self._candidates(model)
        with untouched(model.module), torch.enable_grad():
            maps = over_clips(lambda clips: self._map(model, candidates, clips, target), batch.inputs)
        relevance = torch.cat([found for found, _ in maps])
        shared = relevance / batch.inputs.shape[1]
        return Explanation(shared.expand_as(batch.inputs).contiguous(), torch.cat([output for _, output in maps]))

    def _candidates(self, model: ExplainedModel) -> Mapping[str, nn.Module]:
        if self.layer is None:
            if not model.stages:
                raise ModelError(
                    f"No stages are known of {model.name}.",
                    where="layer",
                    hint=f"Name a submodule: {', '.join(name for name, _ in model.module.named_children())}.",
                )
            return model.stages
        if self.layer in model.stages:
            return {self.layer: model.stages[self.layer]}
        known = {name: part for name, part in model.module.named_modules() if name}  # not the network itself
        if self.layer not in known:
            raise ModelError(
                f"There is no layer '{self.layer}'.", where="layer", hint=nearest(self.layer, {*known, *model.stages})
            )
        return {self.layer: known[self.layer]}

    def _map(
        self,
        model: ExplainedModel,
        candidates: Mapping[str, nn.Module],
        clips: Tensor,
        target: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        import torch
        from torch.nn import functional

        from mien.attribution import differentiable, forward

        with _recorded(candidates) as features:
            output = differentiable(forward(model, clips.clone().requires_grad_(), target), model.name)
        volumes = [feature for feature in features.values() if feature.ndim == 5]
        if not volumes:
            raise ModelError(
                "No chosen layer has an output of shape (B, C, T, H, W).",
                where="layer",
                hint=f"Outputs: { {name: tuple(feature.shape) for name, feature in features.items()} }.",
            )
        # What is one cell in space has no map; it is taken only where there is nothing else, or by name.
        volume = next((each for each in reversed(volumes) if each[0, 0, 0].numel() > 1), volumes[-1])
        gradient = torch.autograd.grad(output.sum(), volume, allow_unused=True)[0]
        if gradient is None:
            raise ModelError(
                f"The output of {model.name} does not depend on the chosen layer.",
                where="layer",
                hint=f"Choose another: {', '.join(model.stages)}." if model.stages else None,
            )
        weights = gradient.mean((2, 3, 4), keepdim=True)
        found = (weights * volume.detach()).sum(1, keepdim=True)
        found = found.relu() if self.relu else found
        size = tuple(clips.shape[2:])
        return functional.interpolate(found, size, mode="trilinear", align_corners=False), output.detach()


@contextmanager
def _recorded(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Collect the outputs of the layers during the next forward pass, in the order in which they come."""
    features: dict[str, Tensor] = {}

    def record(name: str) -> Callable[[Any, Any, Any], Any]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
            if not hasattr(output, "clone"):
                return None
            features[name] = output
            return output.clone()  # the next module may work in place

        return hook

    handles = [layer.register_forward_hook(record(name)) for name, layer in layers.items()]
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()

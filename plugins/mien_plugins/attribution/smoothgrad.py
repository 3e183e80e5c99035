"""SmoothGrad: the mean of a gradient method's maps around a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from mien.errors import ConfigError, nearest
from mien.interfaces import AttributionMethod
from mien.interfaces.attribution import ExplainedModel
from mien.types import ClipBatch, Explanation
from mien_plugins.attribution.baselines import BaselineMethod
from mien_plugins.attribution.gradient import gradient
from mien_plugins.attribution.integrated_gradients import GradientPath
from mien_plugins.attribution.sampling import RunningMean, clip_generator, extent, gaussians

if TYPE_CHECKING:
    from torch import Tensor

    from mien.attribution import Batches


class SmoothGrad(BaselineMethod):
    """The mean of a gradient method's maps for the clip with ``samples`` different draws of Gaussian noise added.

    The standard deviation of the noise is ``noise`` times the range (largest minus smallest value) of each clip, as in
    the paper.  A clip's noise is drawn from ``seed`` and the clip's own content: the same clip gets the same map in any
    batch, any order and any process, other clips get other noise, and no global generator is touched.  (captum's
    ``NoiseTunnel`` draws from the global generator for the batch as a whole, with one absolute level for all; given
    the same noise, this is what it computes.)

    Any installed method that needs gradients may be the ``base``.  Of ``saliency`` the gradient keeps its sign until
    ``values`` says otherwise.  A base with a baseline gets that of the clip without noise.

    Diagnostics: ``noise`` (the standard deviation), ``standard_error`` (how much chance the draws leave in the map,
    relative to it: the norm of its elements' standard errors over the norm of the map).
    """

    needs: ClassVar[tuple[str, ...]] = ("gradient",)
    citation: ClassVar[str] = (
        "Smilkov et al.: SmoothGrad: removing noise by adding noise, arXiv 1706.03825, 2017; squared: Hooker et al.: "
        "A Benchmark for Interpretability Methods in Deep Neural Networks, NeurIPS 2019"
    )

    base: str = Field(
        "saliency",
        description="The map of one noisy clip: its gradient (saliency), gradient times noisy clip (input_x_gradient), "
        "or that of any other method that needs gradients (integrated_gradients, deeplift, guided_backprop, ...).",
    )
    base_fields: dict[str, Any] = Field(
        default_factory=dict,
        description="Parameters of the base; not for saliency, input_x_gradient and integrated_gradients, whose "
        "baseline, blur and steps stand here.",
    )
    values: Literal["signed", "absolute", "squared"] = Field(
        "signed", description="Mean of the maps as they are, of their absolute values, or of their squares."
    )
    samples: int = Field(25, ge=2, description="Draws of noise; the paper takes 50.")
    noise: float = Field(
        0.15, ge=0, le=1, description="Standard deviation of the noise, as a fraction of the clip's range."
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="Another seed draws other noise.")
    steps: int = Field(8, ge=1, description="Intervals of the path, for integrated_gradients.")

    @model_validator(mode="after")
    def _one_place_for_each_field(self) -> SmoothGrad:
        if self.base in _BASES and self.base_fields:
            raise ValueError(f"the base '{self.base}' takes no base_fields: its parameters are fields of smoothgrad")
        return self

    @property
    def signed(self) -> bool:
        """Whether the maps keep their sign."""
        return self.values == "signed" and (self.base in _BASES or self._method().signed)

    @property
    def compared_with(self) -> str:
        """What the base compares a clip with."""
        if self.base == "integrated_gradients":
            return super().compared_with
        return "" if self.base in _BASES else self._method().compared_with

    def check(self, model: ExplainedModel) -> None:
        """Raise `ConfigError` when there is no such base, `ModelError` when it cannot explain the network."""
        super().check(model)
        if self.base not in _BASES:
            self._method().check(model)

    def attribute_from(
        self, model: ExplainedModel, batch: ClipBatch, baselines: Tensor, target: Callable[[Tensor], Tensor]
    ) -> Explanation:
        """Return the mean map of each clip."""
        import torch

        from mien.attribution import Batches, forward, over_clips, rows_at_once, untouched

        clips = batch.inputs.detach()
        batches = Batches(rows_at_once(clips[0]))
        with untouched(model.module):
            output = torch.cat(over_clips(lambda rows: _output(forward, model, rows, target), clips))
            means = [
                self._mean(self._mapper(model, batch[row : row + 1], baselines[row], batches, target), clip, batches)
                for row, clip in enumerate(clips)
            ]
        return Explanation(
            relevance=torch.stack([mean.mean for mean in means]),
            output=output,
            diagnostics={
                "noise": torch.tensor([self.noise * extent(clip) for clip in clips]),
                "standard_error": torch.tensor([mean.relative_error for mean in means]),
            },
        )

    def baseline_of(self, batch: ClipBatch, kind: Any = None) -> Tensor:
        """Return the baseline of every clip; the clip itself where the base has none."""
        # A baseline may be refused for the layout of the clips: it is made only where it is used.
        if self.base == "integrated_gradients":
            return super().baseline_of(batch, kind)
        method = None if self.base in _BASES else self._method()
        return method.baseline_of(batch) if isinstance(method, BaselineMethod) else batch.inputs.detach()

    def _mapper(
        self,
        model: ExplainedModel,
        one: ClipBatch,
        baseline: Tensor,
        batches: Batches,
        target: Callable[[Tensor], Tensor],
    ) -> Callable[[Tensor], Tensor]:
        """Return what gives the maps of noisy variants of one clip."""
        if self.base in _BASES:
            explained = _Explained(model, target, baseline, self.steps, batches)
            return lambda noisy: _BASES[self.base](explained, noisy)
        method = self._method()

        def maps(noisy: Tensor) -> Tensor:
            variants = replace(_repeated(one, len(noisy)), inputs=noisy)
            if isinstance(method, BaselineMethod):
                return method.attribute_from(model, variants, baseline.expand_as(noisy), target).relevance
            return method.attribute(model, variants, target).relevance

        return maps

    def _mean(self, maps: Callable[[Tensor], Tensor], clip: Tensor, batches: Batches) -> RunningMean:
        mean = RunningMean(clip)
        for noisy in self._noisy(clip, batches):
            for several in batches.over(noisy, maps):
                for found in self._valued(several.detach()):
                    mean.add(found)
        return mean

    def _valued(self, maps: Tensor) -> Tensor:
        if self.values == "signed":
            return maps
        return maps.abs() if self.values == "absolute" else maps.square()

    def _noisy(self, clip: Tensor, batches: Batches) -> Iterator[Tensor]:
        """Yield the clip with noise, in batches."""
        generator, deviation = clip_generator(clip, self.seed), self.noise * extent(clip)
        done = 0
        while done < self.samples:
            count = min(batches.at_once, self.samples - done)
            yield clip + deviation * gaussians(clip, count, generator)
            done += count

    def _method(self) -> AttributionMethod:
        """Return the base as an installed method.

        Raises
        ------
        ConfigError
            When there is none, it needs no gradients, or its fields do not fit.
        PluginError
            When a library that it requires is not installed.
        """
        from mien.registry import load_registry

        registry = load_registry()
        if self.base not in registry.ids("attribution"):
            hint = nearest(self.base, registry.ids("attribution"))
            raise ConfigError(f"There is no attribution method '{self.base}'.", where="base", hint=hint)
        registry.require("attribution", self.base)
        try:
            method: AttributionMethod = registry.create("attribution", self.base, self.base_fields)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(["base_fields", *(str(part) for part in first["loc"])])
            raise ConfigError(f"{first['msg']}.", where=place) from error
        if "gradient" not in method.needs or isinstance(method, SmoothGrad):
            raise ConfigError(
                f"'{self.base}' is no gradient method that could be smoothed.",
                where="base",
                hint="Take 'saliency', 'input_x_gradient', 'integrated_gradients', 'deeplift' or 'guided_backprop'.",
            )
        return method


def _output(forward: Callable[..., Tensor], model: ExplainedModel, clips: Tensor, target: Any) -> Tensor:
    import torch

    with torch.no_grad():
        return forward(model, clips, target)


def _repeated(one: ClipBatch, times: int) -> ClipBatch:
    """Return a batch that holds one clip several times."""

    def again(values: Tensor) -> Tensor:
        return values.expand(times, *values.shape[1:])

    return replace(
        one,
        inputs=again(one.inputs),
        regions=again(one.regions),
        times=again(one.times),
        frames=again(one.frames),
        valid=again(one.valid),
        keys=list(one.keys) * times,
        labels=again(one.labels),
        transforms=None if one.transforms is None else again(one.transforms),
    )


@dataclass(frozen=True)
class _Explained:
    """What the base methods need beside a batch of noisy variants of one clip."""

    model: ExplainedModel
    target: Callable[[Tensor], Tensor]
    baseline: Tensor
    steps: int
    batches: Batches


def _gradients(explained: _Explained, noisy: Tensor) -> Tensor:
    return gradient(explained.model, noisy, explained.target)[0]


def _products(explained: _Explained, noisy: Tensor) -> Tensor:
    return _gradients(explained, noisy) * noisy


def _integrated(explained: _Explained, noisy: Tensor) -> Tensor:
    import torch

    paths = [
        GradientPath(explained.model, explained.target, each, explained.baseline, explained.batches) for each in noisy
    ]
    return torch.stack([path.first(explained.steps) for path in paths])


_BASES: Mapping[str, Callable[[_Explained, Tensor], Tensor]] = {
    "saliency": _gradients,
    "input_x_gradient": _products,
    "integrated_gradients": _integrated,
}
"""Bases whose maps of many variants are found in one pass, or without a gap to be measured."""

"""LIME: a linear function of regions in stretches of time that stands for the network near a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from mien import ClipBatch, ExplainedModel, Explanation
from mien_perturbation.fills import HidingMethod

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from mien import Batches
    from mien_perturbation.surrogate import Surrogate

_EACH, _FEWEST = 8, 64  # samples a superpixel, and at least, where the number is left open


class Lime(HidingMethod):
    """What each region adds in each stretch of time, by a linear surrogate fitted to variants with some of them hidden.

    Superpixels are regions of the face (with the rest of the face and the background) cut into stretches of time: they
    share no element.  Each sample switches every superpixel on with probability ``keep``; samples near the whole
    clip weigh more (an exponential kernel of width ``kernel_width`` on the cosine distance).  A coefficient says what
    the output gains when a superpixel is on, with its sign; it is spread evenly over the superpixel's elements, so that
    sums over regions and times are the coefficients, and within a superpixel a map tells nothing.

    The coefficients do not add up to the output's change, and are worth as much as the surrogate fits: read ``r2``
    beside them.  Kernel, distance, ridge penalty and the first sample, which is the whole clip, are those of the
    authors' library (the paper leaves them open, and fits a lasso).  Its features are selected by nothing here: all
    superpixels are shown.

    It works on any input layout.  A clip costs ``samples`` forward passes and one more.

    Diagnostics: ``features`` (superpixels that hold an element), ``samples``, ``r2`` (of the surrogate on its samples,
    weighted), ``effective_samples`` (as many as would tell as much if they weighed alike: Kish's), ``surrogate_error``
    (how far the surrogate is from the output at the clip itself, relative to the samples' range).
    """

    citation: ClassVar[str] = (
        "Ribeiro, Singh, Guestrin: “Why Should I Trust You?” Explaining the Predictions of Any Classifier, KDD 2016"
    )

    time_segments: int = Field(4, ge=1, description="Stretches of time, of even length, that a clip is cut into.")
    samples: Annotated[int, Field(ge=2)] | Literal["auto"] = Field(
        "auto", description=f"Variants of a clip; auto: {_EACH} a superpixel, at least {_FEWEST}."
    )
    keep: float = Field(0.5, gt=0, lt=1, description="Probability that a superpixel is seen.")
    kernel_width: float = Field(
        0.25, gt=0, description="Width of the kernel: the larger, the less local. Distances are 0 to 1."
    )
    surrogate: Literal["ridge", "lasso"] = Field(
        "ridge", description="ridge: every superpixel has its say; lasso: only those that matter have."
    )
    ridge: float = Field(
        1.0, ge=0, description="Penalty on squared coefficients, for the surrogate ridge; 0: weighted least squares."
    )
    lasso: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Penalty on absolute coefficients, for the surrogate lasso: a fraction of the smallest that leaves "
        "none.",
    )

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        """Return the coefficients, each spread evenly over its superpixel; clips are taken one by one."""
        import torch

        from mien import Batches, rows_at_once, segment_features, untouched

        hidden = self.filling(batch)
        labels, _ = segment_features(batch, self.time_segments)
        found = []
        with untouched(model.module), torch.no_grad():
            batches = Batches(rows_at_once(batch.inputs[0]))
            for clip, fill, features in zip(batch.inputs.detach(), hidden, labels, strict=True):
                # Channels come before time, coordinates after the landmarks.
                present, places = features.unsqueeze(0 if batch.layout == "video" else -1).unique(return_inverse=True)
                found.append(self._explain(_Switched(model, target, clip, fill, places, len(present), batches)))
        told = {name: torch.tensor([one[name] for _, _, one in found]) for name in found[0][2]}
        ends = torch.stack([ends for _, ends, _ in found]).to(batch.inputs)
        return Explanation(
            relevance=torch.stack([relevance for relevance, _, _ in found]),
            output=ends[:, 0],
            baseline_output=ends[:, 1],
            diagnostics={name: values.float() for name, values in told.items()},
        )

    def _explain(self, clip: _Switched) -> tuple[Tensor, Tensor, dict[str, float]]:
        """Return the relevance, the outputs with all and with no superpixel, and the diagnostics."""
        import numpy as np
        import torch

        from mien_perturbation.surrogate import proximity

        switches = self._drawn(clip)
        outputs = clip.outputs(torch.from_numpy(np.concatenate([switches, np.zeros_like(switches[:1])])))
        y = outputs[:-1].numpy()
        weights = proximity(switches, self.kernel_width)
        fitted = self._fitted(switches, y, weights)
        whole, spread = float(y[0]), float(np.ptp(y))
        error = abs(float(fitted.at(switches[0])) - whole) / spread if spread > 0 else float("nan")
        told = {
            "features": float(clip.count),
            "samples": float(len(switches)),
            "r2": fitted.r2,
            "effective_samples": float(weights.sum() ** 2 / (weights**2).sum()),
            "surrogate_error": error,
        }
        return clip.spread(torch.from_numpy(fitted.coefficients)), outputs[[0, -1]], told

    def _drawn(self, clip: _Switched) -> npt.NDArray[np.bool_]:
        """Return which superpixels each sample shows, ``(samples, K)``; the first shows all."""
        wanted = max(_EACH * clip.count, _FEWEST) if self.samples == "auto" else self.samples
        switches: npt.NDArray[np.bool_] = self.generator(clip.clip).random((wanted, clip.count)) < self.keep
        switches[0] = True
        return switches

    def _fitted(
        self, switches: npt.NDArray[np.bool_], outputs: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
    ) -> Surrogate:
        from mien_perturbation import surrogate

        if self.surrogate == "lasso":
            return surrogate.lasso(switches, outputs, weights, self.lasso)
        return surrogate.ridge(switches, outputs, weights, self.ridge)


@dataclass(frozen=True)
class _Switched:
    """One clip whose superpixels can be switched off.

    ``places`` is the superpixel of each element, 0 to ``count`` - 1 without gaps; it broadcasts against the clip.
    """

    model: ExplainedModel
    target: Callable[[Tensor], Tensor]
    clip: Tensor
    fill: Tensor
    places: Tensor
    count: int
    batches: Batches

    def outputs(self, switches: Tensor) -> Tensor:
        """Return the output for each row of switches, ``(n, K)`` bool: float64, ``(n,)``, on the CPU."""
        import torch

        from mien import forward

        places = self.places.to(self.clip.device)

        def passed(some: Tensor) -> Tensor:
            return forward(self.model, torch.where(some[:, places], self.clip, self.fill), self.target)

        return torch.cat(list(self.batches.over(switches.to(self.clip.device), passed))).cpu().double()

    def spread(self, values: Tensor) -> Tensor:
        """Return relevance of the clip's shape: each superpixel's value, ``(K,)``, evenly over its elements."""
        import torch

        channels = self.clip.numel() // self.places.numel()
        sizes = torch.bincount(self.places.flatten(), minlength=self.count) * channels
        return (values / sizes).to(self.clip)[self.places.to(self.clip.device)].expand_as(self.clip)

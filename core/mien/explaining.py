"""Explains any network on any clips, without configuration or store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from mien.attribution.attributing import attributed, unchanged, usual_modes
from mien.attribution.guard import untouched
from mien.creating import made_of
from mien.errors import ConfigError, DataError, ModelError
from mien.interfaces import AttributionMethod, Backbone, ExplainedModel
from mien.interfaces.backbone import lacking
from mien.promises import at_work
from mien.regions.names import BACKGROUND, ELSEWHERE, TOTAL
from mien.regions.pooling import pool_cells, region_rows
from mien.registry import load_registry
from mien.types import ClipBatch, ClipKey, Explanation, Layout

Regions = npt.ArrayLike | Tensor | Mapping[str, npt.ArrayLike | Tensor]
"""Bits, or a boolean mask for each name; ``(B, T, H, W)``, ``(T, H, W)`` or ``(H, W)``."""

Target = int | Callable[[Tensor], Tensor]

_MAX_REGIONS = 31


@dataclass(frozen=True)
class Explained:
    """What `explain` found.

    Attributes
    ----------
    relevance : Tensor
        Of the clips' shape, on the clips' device.
    regions : DataFrame
        One row for each clip, frame and region, with the columns clip, frame, region, signed, positive,
        negative (0 or less), absolute, area (elements).  Besides the named regions, which may overlap, there are
        ``background`` (in none) and ``total``.
    explanation : Explanation
        Output, baseline's output, completeness gap and diagnostics of each clip.
    """

    relevance: Tensor
    regions: pd.DataFrame
    explanation: Explanation


def explain(
    module: nn.Module,
    clips: Tensor | npt.ArrayLike,
    *,
    regions: Regions | None = None,
    method: str | AttributionMethod = "integrated_gradients",
    target: Target | None = None,
    region_names: Sequence[str] | None = None,
    backbone: str | Backbone | None = None,
    **fields: Any,
) -> Explained:
    """Return the relevance of each element of the clips, and its sums over regions and frames.

    Parameters
    ----------
    module : nn.Module
        From clips to ``(B,)``, ``(B, 1)`` or ``(B, K)``.  It is explained in evaluation mode, on its own device, and
        left exactly as it was.  Of a network, or a part, that ``torch.compile`` made, the network that it was made of
        is explained, which has the same weights: the compiled form hides its layers from methods that read them.
    clips : Tensor or array, shape (B, C, T, H, W) or (B, T, N, 2)
        Videos or landmark sequences, as the network takes them (already standardised); 32 bits, or 64 where the
        network has them too.
    regions : array of int, mapping of str to array of bool, optional
        Which region each element is in: bits, or one mask for each name, which may overlap.  Shape
        ``(B, T, H, W)`` (landmarks: ``(B, T, N)``), or without the leading axes that do not matter.  ``background``,
        ``total`` and ``elsewhere_face`` are names of mien's own.
    method : str or AttributionMethod
        The id of an installed method (``mien plugins list attribution``), or a method.
    target : int or callable, optional
        The column of the output to explain, or a function from the output to ``(B,)``.  Needed when there are
        several columns.
    region_names : sequence of str, optional
        Names of the bits, from bit 0.
    backbone : str or Backbone, optional
        The id of the backbone that describes the network (its stages, its canonizers for LRP), e.g. ``r3d_18``.
    **fields
        The method's parameters.

    Raises
    ------
    ConfigError
        When there is no such method or backbone, or a parameter does not fit.
    DataError
        When clips or regions have the wrong shape, clips fewer than 32 bits, or regions a name that is taken.
    ModelError
        When it is no network, one of fewer than 32 bits, or one that the method cannot explain.
    PluginError
        When the method breaks its promise: a wrong shape, NaN, a network that it changed, another library's exception.
        All but weights that were written into is put back first.
    """
    module = _network(module)
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    with usual_modes(device):
        batch = _batch(clips, regions, region_names)
        chosen = _method(method, fields)
        with untouched(module):
            _uncompile(module)
            model = _model(module, backbone, batch.layout)
            with at_work(chosen, "check"):
                chosen.check(model)
            with unchanged(chosen, module):
                explanation = attributed(chosen, model, batch.to(device), _target(target))
        relevance = explanation.relevance.to(batch.inputs.device)
        return Explained(relevance, _pooled(relevance, batch), explanation)


def _network(module: nn.Module) -> nn.Module:
    """Return the network that shall be explained; `ModelError` where there is none, or it is not ready."""
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"The network is {type(module).__name__}, not an nn.Module.",
            where="module",
            hint="Give an object of a class derived from torch.nn.Module, whose 'forward' calls it.",
        )
    weights = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    lazy = next((name for name, values in weights.items() if is_lazy(values)), None)
    if lazy is not None:
        raise ModelError(
            f"The network has no '{lazy}' yet: its layer takes its size from the first clips that it sees.",
            where="module",
            hint="Call the network with clips once, and train it.",
        )
    if any(values.is_inference() for values in weights.values()):
        raise ModelError(
            "The network was made under 'torch.inference_mode', which allows no gradients.",
            where="module",
            hint="Make it, and load its weights, outside of it; 'torch.no_grad' does no harm.",
        )
    return _plain(module)


def _plain(module: nn.Module) -> nn.Module:
    """Return the network that a compiled one was made of; any other as it is."""
    # By name: to import the class takes seconds.
    while type(module).__name__ == "OptimizedModule" and "_orig_mod" in module._modules:
        module = module.get_submodule("_orig_mod")
    return module


def _uncompile(module: nn.Module) -> None:
    """Put in the place of each compiled part what it was made of; `untouched` puts the parts back."""
    for part in list(module.modules()):
        for name, child in part._modules.items():
            part._modules[name] = child and _plain(child)


def _method(method: str | AttributionMethod, fields: Mapping[str, Any]) -> AttributionMethod:
    if not isinstance(method, str | AttributionMethod):
        raise ConfigError(
            f"{method!r} is no attribution method.",
            where="method",
            hint="Give the id of one ('mien plugins list attribution') or an object of one.",
        )
    if isinstance(method, AttributionMethod):
        if fields:
            raise ConfigError(f"The method is already made; {', '.join(fields)} cannot be set any more.")
        return method
    made: AttributionMethod = made_of("attribution", method, fields)
    return made


def _model(module: nn.Module, backbone: str | Backbone | None, layout: Layout) -> ExplainedModel:
    name = f"the network {type(module).__name__}"
    if backbone is None:
        return ExplainedModel(module, lacks=lacking({}, layout), name=name)
    described = backbone if isinstance(backbone, Backbone) else _described(backbone)
    try:
        stages = described.stages(module)
    except AttributeError as error:
        raise ModelError(
            f"The backbone '{described.use}' does not describe {name}: {error}.", where="backbone"
        ) from error
    lacks = lacking(described.lacks, layout)
    return ExplainedModel(module, stages, described.lrp_canonizers, lacks, name, described.use)


def _described(backbone: str) -> Backbone:
    """Return a backbone by its id."""
    try:
        made: Backbone = load_registry().create("backbone", backbone)
    except ValidationError as error:
        missing = ", ".join(str(part["loc"][0]) for part in error.errors())
        raise ConfigError(
            f"The backbone '{backbone}' has to be told more: {missing}.",
            where="backbone",
            hint=f"Give a backbone instead of its id: mien.create('backbone', '{backbone}', {missing}=...).",
        ) from error
    return made


def _target(target: Target | None) -> Callable[[Tensor], Tensor]:
    if target is not None and not isinstance(target, int):
        return target

    def column(output: Tensor) -> Tensor:
        if output.ndim == 1 and target in (None, 0):
            return output
        if output.ndim != 2:
            raise ModelError(
                f"The network's output has shape {tuple(output.shape)}; expected (B,) or (B, K).",
                where="target",
                hint="Give a function from the output to one number a clip.",
            )
        columns = output.shape[1]
        if target is None and columns != 1:
            raise ModelError(f"The network has {columns} outputs.", where="target", hint="Say which one is explained.")
        index = target or 0
        if not -columns <= index < columns:
            raise ModelError(f"There is no output {index}; the network has {columns}.", where="target")
        return output[:, index]

    return column


def _batch(clips: Tensor | npt.ArrayLike, regions: Regions | None, names: Sequence[str] | None) -> ClipBatch:
    inputs = _tensor(clips)
    layout = _layout(inputs)
    inputs = inputs if inputs.is_floating_point() else inputs.float()
    count, time = inputs.shape[0], inputs.shape[2 if layout == "video" else 1]
    shape = (count, time, *inputs.shape[3:]) if layout == "video" else tuple(inputs.shape[:3])
    bits, named = _bits(regions, names, shape)
    frames = torch.arange(time).expand(count, time)
    return ClipBatch(
        inputs=inputs,
        regions=bits,
        region_names=named,
        times=frames.double(),
        frames=frames,
        valid=torch.ones(count, time, dtype=torch.bool),
        keys=[ClipKey("", "", clip) for clip in range(count)],
        labels=torch.full((count,), float("nan")),
        layout=layout,
    )


def _tensor(clips: Tensor | npt.ArrayLike) -> Tensor:
    if isinstance(clips, Tensor):
        inputs = clips.detach()
        return inputs.clone() if inputs.is_inference() else inputs  # made so, it can have no gradient
    try:
        return torch.from_numpy(np.array(clips))
    except (TypeError, ValueError) as error:
        raise DataError(f"The clips are no array of numbers: {error}.", where="clips") from error


def _layout(inputs: Tensor) -> Layout:
    if inputs.ndim == 5 and inputs.numel():
        return "video"
    if inputs.ndim == 4 and inputs.shape[-1] == 2 and inputs.numel():
        return "landmarks"
    raise DataError(
        f"The clips have shape {tuple(inputs.shape)}.",
        where="clips",
        hint="Expected (B, C, T, H, W) for videos or (B, T, N, 2) for landmarks, none of them empty.",
    )


def _bits(
    regions: Regions | None, names: Sequence[str] | None, shape: tuple[int, ...]
) -> tuple[Tensor, tuple[str, ...]]:
    """Return the region bits in the full shape, and their names."""
    if regions is None:
        return torch.zeros(shape, dtype=torch.int32), _named(names or ())
    if isinstance(regions, Mapping):
        if names is not None:
            raise DataError("Masks by name have their names already.", where="region_names")
        bits = np.zeros(shape, np.int64)
        for place, (name, mask) in enumerate(regions.items()):
            bits |= _broadcast(mask, shape, f"regions: {name}").astype(bool).astype(np.int64) << place
        named = _named([str(name) for name in regions])
    else:
        bits = _broadcast(regions, shape, "regions").astype(np.int64)
        highest = int(bits.max(initial=0)).bit_length()
        named = _named(names) if names is not None else tuple(f"region_{place}" for place in range(highest))
        if highest > len(named):
            raise DataError(f"Bit {highest - 1} of the regions has no name.", where="region_names")
    if len(named) > _MAX_REGIONS or bits.min(initial=0) < 0:
        raise DataError(f"Regions are bits 0 to {_MAX_REGIONS - 1}, not negative.", where="regions")
    return torch.from_numpy(bits).int(), named


def _named(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names; `DataError` where two regions, or one and what mien adds, would share a name."""
    own = (BACKGROUND, TOTAL, ELSEWHERE)
    for place, name in enumerate(names):
        if name in own or name in names[:place]:
            raise DataError(
                f"The name '{name}' is taken.",
                where="regions",
                hint=f"Each region has a name of its own, other than {', '.join(own)}.",
            )
    return tuple(names)


def _broadcast(values: Any, shape: tuple[int, ...], where: str) -> npt.NDArray[Any]:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    try:
        return np.broadcast_to(array, shape)
    except ValueError as error:
        raise DataError(f"The shape {array.shape} does not fit clips with elements {shape}.", where=where) from error


def _pooled(relevance: Tensor, batch: ClipBatch) -> pd.DataFrame:
    rows = region_rows(pool_cells(relevance, batch), batch.region_names)
    rows = rows.rename(columns={"window": "clip"}).drop(columns=["recording", "time_s", "valid"])
    if "face" not in batch.region_names:  # without a bit for the face nothing is elsewhere in it
        rows = rows[rows["region"] != "elsewhere_face"].reset_index(drop=True)
    return rows[["clip", "frame", "region", "signed", "positive", "negative", "absolute", "area"]]

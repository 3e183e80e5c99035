"""Asks an attribution method for relevance, and holds it to what it promises."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mien.attribution.guard import computes_narrowly, narrow
from mien.errors import DataError
from mien.promises import at_work, broken
from mien.types import Explanation

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from mien.interfaces import AttributionMethod, Component, ExplainedModel
    from mien.types import ClipBatch

_SHAPE = "Relevance has the shape of the clips, and what is told of each clip is one number a clip"
_FLOATS = "Relevance, outputs and gaps are dense tensors of floating-point numbers"
_FINITE = "Relevance, outputs and gaps are finite"
_UNCHANGED = "A network is left as it was found: weights, hooks, modes and gradients"
_MOST_NAMED = 3


def attributed(
    method: AttributionMethod, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]
) -> Explanation:
    """Return what a method says of the clips, in 32 bits, or 64 where network and clips are, whatever is set around.

    Raises
    ------
    DataError, ModelError
        When the clips, or weights of the network, have fewer bits.
    PluginError
        When it raises what is no error of mien, or its answer has a wrong type or shape or is not finite.
    MienError
        When the method cannot explain the network, or these clips.
    """
    _check_precision(model, batch)
    with at_work(method, "attribute"), usual_modes(batch.inputs.device):
        explanation = method.attribute(model, batch, target)
    if not isinstance(explanation, Explanation):
        raise broken(method, f"It returned {type(explanation).__name__}.", "'attribute' returns an Explanation")
    _check_tensor(method, "relevance", explanation.relevance, tuple(batch.inputs.shape))
    _check_tensor(method, "output", explanation.output, (len(batch),))
    for name, values in {"baseline_output": explanation.baseline_output, "gap": explanation.gap}.items():
        if values is not None:
            _check_tensor(method, name, values, (len(batch),))
    further = explanation.diagnostics
    if not (isinstance(further, Mapping) and all(isinstance(name, str) for name in further)):
        raise broken(method, "Its diagnostics are no mapping from names.", _SHAPE)
    for name, values in further.items():
        _check_tensor(method, f"diagnostic '{name}'", values, (len(batch),), finite=False)
    return explanation


def _check_precision(model: ExplainedModel, batch: ClipBatch) -> None:
    few = next((weights for weights in model.module.parameters() if narrow(weights)), None)
    if few is not None:
        raise computes_narrowly(model.name, few)
    if narrow(batch.inputs):
        raise DataError(
            f"The clips are of {batch.inputs.dtype}; an explanation needs 32 bits.",
            where="clips",
            hint="Give clips.float().",
        )


@contextmanager
def usual_modes(device: torch.device) -> Iterator[None]:
    """Compute with gradients, and in the precision of the network: no ``no_grad``, ``inference_mode``, ``autocast``.

    Parameters
    ----------
    device : torch.device
        Where ``autocast`` is turned off.
    """
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        if not torch.amp.is_autocast_available(device.type):
            yield
            return
        with torch.autocast(device.type, enabled=False):
            yield


def _check_tensor(
    method: AttributionMethod, what: str, values: Any, shape: tuple[int, ...], *, finite: bool = True
) -> None:
    import torch

    if not isinstance(values, torch.Tensor):
        raise broken(method, f"The {what} is {type(values).__name__}, not a tensor.", _SHAPE)
    if tuple(values.shape) != shape:
        raise broken(method, f"The {what} has the shape {tuple(values.shape)}, not {shape}.", _SHAPE)
    if values.is_meta or values.layout != torch.strided:
        raise broken(method, f"The {what} has no values of its own: device {values.device}, {values.layout}.", _FLOATS)
    if values.is_complex() or (finite and not values.is_floating_point()):
        raise broken(method, f"The {what} is of {values.dtype}.", _FLOATS)
    if finite and not bool(torch.isfinite(values).all()):
        raise broken(method, f"The {what} holds NaN or infinite values.", _FINITE)


@contextmanager
def unchanged(component: Component, module: nn.Module) -> Iterator[None]:
    """Raise `PluginError` when the network is not afterwards what it was: weights, buffers, hooks, modes, gradients.

    Nothing is put back.
    """
    before = network_print(module)
    yield
    changed = differences(before, network_print(module))
    if changed:
        raise broken(component, f"It changed the network: {changed}.", _UNCHANGED)


def differences(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return in words where two prints of a network differ; empty where they do not."""
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
    return ", ".join(changed[:_MOST_NAMED]) + more


def network_print(module: nn.Module) -> dict[str, Any]:
    """Return what tells whether a network was changed, by what it is of; values of tensors enter as checksums (CRC-32).

    A copy would take as much memory as the network.
    """
    found: dict[str, Any] = {}
    for name, parameter in module.named_parameters():
        found[f"weights {name}"] = _bits(parameter)
        found[f"gradient of {name}"] = (parameter.requires_grad, parameter.grad is not None)
    for name, buffer in module.named_buffers():
        found[f"buffer {name}"] = _bits(buffer)
    for name, part in module.named_modules():
        place = name or "the network"
        found[f"mode of {place}"] = part.training
        found[f"attributes of {place}"] = (type(part), sorted(vars(part)))
        tables = {key: value for key, value in vars(part).items() if key.endswith("_hooks") and isinstance(value, dict)}
        found[f"hooks of {place}"] = {key: [id(hook) for hook in value.values()] for key, value in tables.items()}
    return found


def _bits(values: Tensor) -> int:
    import torch

    own = values.detach().contiguous()
    return zlib.crc32(own.reshape(-1).view(torch.uint8).cpu().numpy().data)

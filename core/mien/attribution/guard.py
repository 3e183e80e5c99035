"""Explains a network without changing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mien.errors import MienError, ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mien.interfaces.attribution import ExplainedModel

_BYTES = 4  # of a number of 32 bits


@contextmanager
def untouched(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the network in evaluation mode, its parameters without gradients; put everything back after.

    Modes, hooks, submodules, overridden methods, parameters (which tensors they are, ``requires_grad`` and
    ``.grad``) and the values of buffers are as before when the context ends, also by an exception.

    Weights are put back by reference: a method may swap them for others, but must not write into them.
    Copying them too would cost more than a gradient costs on a large network.
    """
    states = [_ModuleState.of(part) for part in module.modules()]
    parameters = [_ParameterState.of(parameter) for parameter in module.parameters()]
    try:
        module.eval()
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        yield module
    finally:
        for state in states:
            state.restore()
        for kept in parameters:
            kept.restore()


@dataclass(frozen=True)
class _ModuleState:
    """Everything that hangs on one module: its attributes, the content of its tables, its buffers' values."""

    module: nn.Module
    attributes: Mapping[str, Any]
    tables: Mapping[str, Mapping[Any, Any]]
    buffers: Mapping[str, tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, module: nn.Module) -> _ModuleState:
        attributes = dict(vars(module))
        # Hooks, parameters, buffers and submodules live in dictionaries that must stay the same objects.
        tables = {name: dict(value) for name, value in attributes.items() if isinstance(value, dict)}
        buffers = {name: (buffer, buffer.detach().clone()) for name, buffer in module.named_buffers(recurse=False)}
        return cls(module, attributes, tables, buffers)

    def restore(self) -> None:
        own = vars(self.module)
        for name in own.keys() - self.attributes.keys():
            del own[name]
        own.update(self.attributes)
        for name, content in self.tables.items():
            own[name].clear()
            own[name].update(content)
        for buffer, values in self.buffers.values():
            buffer.data = values


@dataclass(frozen=True)
class _ParameterState:
    parameter: nn.Parameter
    data: Tensor
    gradient: Tensor | None
    requires_gradient: bool

    @classmethod
    def of(cls, parameter: nn.Parameter) -> _ParameterState:
        return cls(parameter, parameter.data, parameter.grad, parameter.requires_grad)

    def restore(self) -> None:
        self.parameter.data = self.data
        self.parameter.requires_grad_(self.requires_gradient)
        self.parameter.grad = self.gradient


def forward(model: ExplainedModel, inputs: Tensor, target: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the explained quantity of each clip, shape ``(B,)``.

    Parameters
    ----------
    model : ExplainedModel
    inputs : Tensor
        In the network's input space, as in `ClipBatch.inputs`.
    target : callable
        From the network's output to ``(B,)``.

    Raises
    ------
    ModelError
        When the network cannot take clips of this size, it or the target fails, or the quantity has another shape or is
        not finite.
    """
    import torch

    try:
        output = model.module(inputs)
    except torch.cuda.OutOfMemoryError:  # a smaller batch may do; see `mien.attribution.batches`
        raise
    except RuntimeError as error:
        raise ModelError(
            f"{_sentence(model.name)} cannot take clips of shape {tuple(inputs.shape[1:])}: {_first_line(error)}",
            hint="Clips must be at least as long and as large as its receptive field.",
        ) from error
    except MienError:
        raise
    except Exception as error:  # somebody's network may raise anything; the method is not to blame
        raise ModelError(f"{_sentence(model.name)} raised {type(error).__name__}: {_first_line(error)}") from error
    try:
        quantity = target(output)
    except (MienError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:  # likewise
        raise ModelError(
            f"The explained quantity cannot be taken from the output: {type(error).__name__}: {_first_line(error)}",
            where="target",
        ) from error
    return checked(quantity, len(inputs), model.name)


def _sentence(name: str) -> str:
    return name[:1].upper() + name[1:]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{lines[0].rstrip('.')}." if lines else f"{type(error).__name__}."


def differentiable(values: Tensor, name: str) -> Tensor:
    """Return ``values`` when they depend on the input; `ModelError` where no gradient leads back to it."""
    if not values.requires_grad:
        raise ModelError(
            f"The output of {name} does not depend on its input, or not in a way that has a gradient.",
            hint="Look for a constant output, 'detach' or 'no_grad' in the network and in the target.",
        )
    return values


def unreached(part: str, name: str) -> ModelError:
    """Return the error for a network that computes a module without gradients.

    Parameters
    ----------
    part : str
        The module's name in the network.
    name : str
        Of the network.
    """
    return ModelError(
        f"A part of {name} passes no gradient: what enters its module '{part}' has none.",
        hint="Look for 'detach' or 'no_grad' before it; an activation of weights may be a function (torch.relu).",
    )


def narrow(values: Tensor) -> bool:
    """Return whether numbers are floating-point ones of fewer than 32 bits."""
    return values.is_floating_point() and values.element_size() < _BYTES


def computes_narrowly(name: str, values: Tensor) -> ModelError:
    """Return the error for a network that computes in fewer than 32 bits, as some of its values show."""
    return ModelError(
        f"{_sentence(name)} computes in {values.dtype}; an explanation needs 32 bits: fewer round away the small "
        "differences that it is made of.",
        hint="Explain network.float() on clips.float(), without 'autocast' in the network.",
    )


def checked(values: Tensor, clips: int, name: str) -> Tensor:
    """Return ``values`` when they are one finite number a clip, of 32 bits or more; `ModelError` otherwise."""
    if tuple(values.shape) != (clips,):
        raise ModelError(
            f"The explained quantity of {name} has shape {tuple(values.shape)} for {clips} clips; expected ({clips},).",
            hint="The objective's target (or 'target') must pick one number a clip.",
        )
    if narrow(values):
        raise computes_narrowly(name, values)
    if not bool(values.isfinite().all()):
        raise ModelError(
            f"The output of {name} is not finite.",
            hint="Check the clips for NaN, and the weights of the network.",
        )
    return values


def one_by_one(inputs: Tensor) -> list[Tensor]:
    """Return batches of one clip each, detached.

    A clip that passes the network alone does not depend, even in the last bit, on what else is in its batch; and
    on a CPU larger batches are no faster.
    """
    clips = inputs.detach()
    return [clips[place : place + 1] for place in range(len(clips))]

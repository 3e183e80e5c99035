"""Gradual unfreezing: a network's stages are trained one after the other, the last first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from mien.compat import prepare_torchvision
from mien.errors import ModelError

prepare_torchvision()
from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402  (it imports torchvision)

REST = "the rest"
"""What a network holds outside of its stages; it thaws last."""


@dataclass(frozen=True)
class ThawGroup:
    """What thaws at once.

    Attributes
    ----------
    name : str
        Of the stage, or `REST`.
    parameters : sequence of nn.Parameter
        Those to be trained; at least one.
    modules : sequence of (nn.Module, bool)
        Modules that are a fixed function while the group is frozen, and whether each was in training mode before.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    modules: Sequence[tuple[nn.Module, bool]]

    def set_frozen(self, frozen: bool) -> None:
        """Freeze or thaw: gradients, and the modules' training mode (batch norm statistics, dropout)."""
        for parameter in self.parameters:
            parameter.requires_grad_(not frozen)
        for module, training in self.modules:
            module.training = training and not frozen


def thaw_order(network: nn.Module, stages: Mapping[str, nn.Module]) -> list[ThawGroup]:
    """Return the groups in which a network thaws; each of its trainable parameters is in exactly one.

    The stages come in reverse order, those without a parameter to train passed over; a parameter that several
    stages hold thaws with the first of them.  What no stage covers thaws last, as a group of its own.

    Parameters
    ----------
    stages : mapping of str to nn.Module
        From the input to the head.

    Raises
    ------
    ModelError
        When there are no stages.
    """
    if not stages:
        raise ModelError(
            "The backbone names no stages, so they cannot be thawed one by one.",
            where="training.unfreeze_every",
            hint="Leave unfreeze_every out, or use a backbone with stages.",
        )
    parameters = {id(parameter): parameter for parameter in network.parameters() if parameter.requires_grad}
    modules = dict.fromkeys(network.modules())
    groups: list[ThawGroup] = []
    waiting: list[nn.Module] = []  # of stages without a parameter: frozen with the next one
    for name, stage in reversed(list(stages.items())):
        own = [module for module in stage.modules() if module in modules]
        for module in own:
            del modules[module]
        members = [parameters.pop(id(p)) for p in stage.parameters() if id(p) in parameters]
        if members:
            groups.append(_group(name, members, [*waiting, *own]))
            waiting = []
        else:
            waiting += filter(_has_tensors, own)
    # Containers stay as they are: their mode says nothing of the modules within.
    waiting += filter(_has_tensors, modules)
    if parameters:
        groups.append(_group(REST, list(parameters.values()), waiting))
    elif waiting and groups:
        last = groups.pop()
        groups.append(_group(last.name, last.parameters, [*(module for module, _ in last.modules), *waiting]))
    return groups


def _group(name: str, parameters: Sequence[nn.Parameter], modules: Sequence[nn.Module]) -> ThawGroup:
    return ThawGroup(name, parameters, [(module, module.training) for module in modules])


def _has_tensors(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False)) or any(True for _ in module.buffers(recurse=False))


class Thawing(Callback):
    """Trains the last group first, and one more after every ``every`` epochs (Howard & Ruder, ACL 2018).

    A frozen group has no gradients and is in evaluation mode, so that its batch norms keep their statistics.  The
    optimizer holds all parameters from the beginning, and passes over those without a gradient: no weight decay, no
    moments.  What is frozen follows from the epoch alone, which makes a resumed training equal to an
    uninterrupted one.
    """

    def __init__(self, groups: Sequence[ThawGroup], every: int) -> None:
        self.groups = groups
        self._every = every

    def frozen(self, epoch: int) -> list[str]:
        """Return the names of the groups that are frozen in an epoch."""
        return [group.name for group in self.groups[self._thawed(epoch) :]]

    def _thawed(self, epoch: int) -> int:
        return 1 + epoch // self._every

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Freeze what the epoch freezes."""
        # By step, as Lightning does not announce the first epoch after a resumption.
        thawed = self._thawed(trainer.current_epoch)
        for place, group in enumerate(self.groups):
            group.set_frozen(place >= thawed)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Leave the network as thawed as it was when the groups were made."""
        try:
            yield
        finally:
            for group in self.groups:
                group.set_frozen(False)

"""What Lightning trains: a network, its objective and the schedule of the learning rate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    LRScheduler,
    OneCycleLR,
)

from mien.compat import prepare_torchvision
from mien.config.settings import TrainingSettings
from mien.errors import ModelError
from mien.interfaces.objective import LabelScale, Objective
from mien.promises import at_work, broken

prepare_torchvision()
from lightning.pytorch import LightningModule  # noqa: E402  (it imports torchvision)
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig  # noqa: E402

ExtraLoss = Callable[[nn.Module], Tensor | None]


class TrainingModule(LightningModule):
    """A network with its objective.

    Parameters
    ----------
    network : nn.Module
        Clips to ``(B, objective.outputs)``.
    objective : Objective
    scale : LabelScale
    settings : TrainingSettings
    steps : int
        Optimizer steps of the whole training; the schedule spans them.
    shared : bool
        Whether other devices train on the other parts of each batch.
    extra : callable, optional
        From the network to what it adds to the loss of a training batch, or None; see `Backbone.extra_loss`.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        scale: LabelScale,
        settings: TrainingSettings,
        steps: int,
        shared: bool = False,
        extra: ExtraLoss | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self._objective = objective
        self._scale = scale
        self._settings = settings
        self._steps = steps
        self._shared = shared
        self._extra = extra

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch of clips and labels."""
        loss = self._loss(batch)
        extra = self._extra(self.network) if self._extra is not None else None
        loss = loss if extra is None else loss + extra
        if not bool(torch.isfinite(loss)):
            raise ModelError(
                f"The training loss became {loss.item()} in epoch {self.current_epoch}, step {self.global_step}.",
                where="training",
                hint="Lower 'training.learning_rate', or train with 'training.precision: 32-true'.",
            )
        # Devices hold equal parts of a batch, so that the mean over them is the mean over the batch.
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch[0]), sync_dist=self._shared)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the loss of a batch of clips and labels."""
        self.log("validation_loss", self._loss(batch), on_step=False, on_epoch=True, batch_size=len(batch[0]))

    def _loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        clips, labels = batch
        output = self.network(clips)
        if not isinstance(output, Tensor):
            raise ModelError(f"The network gives {type(output).__name__}, not a tensor.", where="backbone")
        wanted = (len(clips), self._objective.outputs)
        if tuple(output.shape) != wanted:
            raise ModelError(
                f"The network gives outputs of shape {tuple(output.shape)} for {len(clips)} clips; "
                f"the objective '{self._objective.use}' needs {wanted}.",
                where="backbone",
            )
        with at_work(self._objective, "loss"):
            loss = self._objective.loss(output, labels, self._scale)
        if not isinstance(loss, Tensor) or loss.ndim:
            kind = f"of the shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise broken(self._objective, f"Its loss is {kind}.", "'loss' returns a tensor without axes")
        return loss

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimizer and its schedule, which moves at each step."""
        optimizer = make_optimizer([p for p in self.network.parameters() if p.requires_grad], self._settings)
        schedule = make_schedule(optimizer, self._settings, self._steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def make_optimizer(parameters: list[nn.Parameter], settings: TrainingSettings) -> Optimizer:
    """Return the optimizer of the settings, over ``parameters``."""
    if not parameters:
        raise ModelError("The network has no weights to train.", where="backbone")
    if settings.optimizer == "sgd":
        return SGD(
            parameters, lr=settings.learning_rate, momentum=settings.momentum, weight_decay=settings.weight_decay
        )
    return AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def make_schedule(optimizer: Optimizer, settings: TrainingSettings, steps: int) -> LRScheduler:
    """Return the schedule of the settings over ``steps`` optimizer steps, the same number in each epoch."""
    if settings.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    if settings.schedule == "cosine_restarts":  # SGDR (Loshchilov & Hutter, ICLR 2017), by steps
        first = settings.restart_epochs * max(1, steps // settings.epochs)
        return CosineAnnealingWarmRestarts(optimizer, T_0=first, T_mult=settings.restart_factor)
    # torch's one-cycle divides by zero when the warm-up is a single step.
    if settings.schedule == "constant" or steps < 4:
        return ConstantLR(optimizer, factor=1.0, total_iters=0)
    return OneCycleLR(
        optimizer,
        max_lr=settings.learning_rate,
        total_steps=steps,
        pct_start=max(settings.warm_up, 2 / steps),
        cycle_momentum=settings.optimizer == "adamw",  # SGD keeps the momentum that was asked for
    )

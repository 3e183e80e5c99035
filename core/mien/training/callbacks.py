"""What happens beside Lightning's loop: history, checkpoints for resuming, early stopping, progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mien.compat import prepare_torchvision
from mien.progress import Task

prepare_torchvision()
from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402  (it imports torchvision)
from lightning.pytorch.callbacks import Checkpoint  # noqa: E402

HISTORY_COLUMNS = ("epoch", "step", "train_loss", "validation_loss", "learning_rate")


class Keeper(Checkpoint):
    """Keeps the history and the best weights, and writes them with the training's state after each epoch.

    Lightning calls it last of all callbacks, so what it writes is whole.  All it decides follows from the
    history, which makes a resumed training equal to an uninterrupted one.

    Parameters
    ----------
    path : Path
        The one file, replaced whole after each epoch.
    seed : int
        What torch draws in a step (dropout) depends on it and the step's number alone.
    patience : int or None
        Epochs without a lower validation loss after which training stops.
    """

    def __init__(self, path: Path, seed: int, patience: int | None) -> None:
        self.path = path
        self.history: list[dict[str, float]] = []
        self.best_weights: dict[str, Tensor] = {}
        self._seed = seed
        self._patience = patience
        self._learning_rate = float("nan")

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation loss; the last one when nothing was validated."""
        losses = {int(row["epoch"]): row["validation_loss"] for row in self.history}
        validated = {epoch: loss for epoch, loss in losses.items() if loss == loss}
        return min(validated, key=lambda epoch: validated[epoch]) if validated else max(losses)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs; plain data and tensors, so that no pickle is loaded."""
        return {"history": self.history, "best_weights": self.best_weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state of the interrupted training."""
        self.history = list(state_dict["history"])
        self.best_weights = dict(state_dict["best_weights"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once when the interrupted training had stopped early."""
        self._stop_when_patience_is_over(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed what torch draws in this step, and note its learning rate; later the schedule has moved on."""
        # By step, as Lightning does not announce the first epoch after a resumption.
        # Devices draw different numbers.
        torch.manual_seed(self._seed * 1_000_003 + trainer.global_step + (trainer.global_rank << 52))
        self._learning_rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a row to the history, keep the best weights, write the state, and maybe stop."""
        losses = trainer.callback_metrics
        self.history.append(
            {
                "epoch": trainer.current_epoch,
                "step": trainer.global_step,
                "train_loss": float(losses["train_loss"]),
                "validation_loss": float(losses.get("validation_loss", float("nan"))),
                "learning_rate": self._learning_rate,
            }
        )
        if "validation_loss" in losses and self.best_epoch == trainer.current_epoch:
            weights = pl_module.state_dict()
            self.best_weights = {name: value.detach().cpu().clone() for name, value in weights.items()}
        part = self.path.with_suffix(".part")
        trainer.save_checkpoint(part)  # all devices take part in it, one writes
        if trainer.is_global_zero:
            part.replace(self.path)
        self._stop_when_patience_is_over(trainer)

    def _stop_when_patience_is_over(self, trainer: Trainer) -> None:
        if self._patience is None or not self.history:
            return
        if self.history[-1]["epoch"] - self.best_epoch >= self._patience:
            trainer.should_stop = True


class Steps(Callback):
    """Counts optimizer steps on a bar of mien's, those of an interrupted training included."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count what was done before."""
        if trainer.global_step:
            self._task.advance(trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count one step."""
        self._task.advance()

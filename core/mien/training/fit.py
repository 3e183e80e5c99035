"""Fits a network with Lightning, going on where an interrupted fit stopped."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mien.compat import prepare_torchvision
from mien.config.settings import TrainingSettings
from mien.errors import ModelError
from mien.interfaces.objective import LabelScale, Objective
from mien.training.callbacks import HISTORY_COLUMNS, Keeper, Steps
from mien.training.devices import DeviceName
from mien.training.module import TrainingModule
from mien.training.quiet import interruptible, quiet_lightning

prepare_torchvision()
from lightning.fabric.plugins.environments.lightning import LightningEnvironment  # noqa: E402
from lightning.pytorch import Trainer  # noqa: E402  (it imports torchvision)

if TYPE_CHECKING:
    from lightning.pytorch import Callback

    from mien.progress import Progress

_log = logging.getLogger(__name__)
_FILE = "last.ckpt"

Batches = DataLoader[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class TrainingResult:
    """A trained network.

    Attributes
    ----------
    module : nn.Module
        On the CPU, in evaluation mode, with the weights of ``best_epoch``.
    scale : LabelScale
    history : DataFrame
        The table ``training``: epoch, step, train_loss, validation_loss, learning_rate; one row an epoch.
    best_epoch : int
        The epoch of the lowest validation loss; the last one without validation.
    """

    module: nn.Module
    scale: LabelScale
    history: pd.DataFrame
    best_epoch: int


def fit(
    network: nn.Module,
    objective: Objective,
    scale: LabelScale,
    settings: TrainingSettings,
    batches: tuple[Batches, Batches | None],
    *,
    seed: int,
    scratch: Path,
    device: DeviceName,
    progress: Progress,
    callbacks: Iterable[Callback] = (),
) -> TrainingResult:
    """Return the network, trained.

    Parameters
    ----------
    batches : tuple
        Of training, and of validation or None; clips in the network's input space with labels in label units.
    scratch : Path
        A lasting folder of this training's own: the state after each epoch lies there.
    callbacks : iterable of Callback
        Further ones, e.g. a logger's.

    Raises
    ------
    ModelError
        When the loss is not finite, or the network's output does not fit the objective.
    """
    steps = settings.epochs * len(batches[0])
    module = TrainingModule(network, objective, scale, settings, steps)
    scratch.mkdir(parents=True, exist_ok=True)
    keeper = Keeper(scratch / _FILE, seed, settings.patience if batches[1] is not None else None)
    with (
        progress.task("training", steps, "steps") as task,
        quiet_lightning(),
        interruptible(),
    ):
        trainer = _trainer(settings, device, scratch, [Steps(task), *callbacks, keeper])
        trainer.fit(module, *batches, ckpt_path=_resume_from(keeper.path), weights_only=True)
    if keeper.best_weights:
        module.load_state_dict(keeper.best_weights)
    return TrainingResult(
        module=network.cpu().eval(),
        scale=scale,
        history=pd.DataFrame(keeper.history, columns=list(HISTORY_COLUMNS)),
        best_epoch=keeper.best_epoch,
    )


def _trainer(settings: TrainingSettings, device: DeviceName, scratch: Path, callbacks: list[Callback]) -> Trainer:
    precision: Any = settings.precision
    if device == "cpu" and precision == "16-mixed":
        raise ModelError(
            "A CPU cannot train in 16-bit floats.",
            where="training.precision",
            hint="Use 32-true, or bf16-mixed.",
        )
    return Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        precision=precision,
        max_epochs=settings.epochs,
        gradient_clip_val=settings.gradient_clip,
        callbacks=callbacks,
        default_root_dir=scratch,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,
        plugins=[LightningEnvironment()],  # one process, also where a cluster's variables promise more
    )


def _resume_from(path: Path) -> Path | None:
    """Return the state to go on from; None when there is none that can be read."""
    if not path.is_file():
        return None
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        _log.warning("The state of the interrupted training cannot be read, training starts again: %s", error)
        path.unlink()
        return None
    _log.info("going on with the interrupted training in %s", path)
    return path

"""Fits a network with Lightning, going on where an interrupted fit stopped."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
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
from mien.training.logs import LiveBoard, StepLog
from mien.training.module import ExtraLoss, TrainingModule
from mien.training.quiet import interruptible, quiet_lightning
from mien.training.thaw import Thawing, thaw_order

prepare_torchvision()
from lightning.fabric.plugins.environments.lightning import LightningEnvironment  # noqa: E402
from lightning.pytorch import Trainer  # noqa: E402  (it imports torchvision)
from lightning.pytorch.strategies import DDPStrategy  # noqa: E402

if TYPE_CHECKING:
    from lightning.pytorch import Callback

    from mien.progress import Progress

_log = logging.getLogger(__name__)
STATE_FILE = "last.ckpt"
"""The state after the last whole epoch, in the scratch folder."""

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
    steps : DataFrame
        epoch, step, loss, learning_rate; one row a step.
    notes : tuple of str
        What a reader of the results has to know: stages that stayed frozen, bands without clips.
    """

    module: nn.Module
    scale: LabelScale
    history: pd.DataFrame
    best_epoch: int
    steps: pd.DataFrame
    notes: tuple[str, ...] = ()


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
    stages: Mapping[str, nn.Module] | None = None,
    devices: int = 1,
    extra: ExtraLoss | None = None,
) -> TrainingResult:
    """Return the network, trained.

    Parameters
    ----------
    batches : tuple
        Of training, and of validation or None; clips in the network's input space with labels in label units.
    scratch : Path
        A lasting folder of this training's own: the state after each epoch lies there.
    callbacks : iterable of Callback
        Further ones.
    stages : mapping of str to nn.Module, optional
        The network's stages, from the input to the head, for ``unfreeze_every``.
    devices : int
        How many train together.  This process is one of them; `mien.training.distributed` starts them all.
    extra : callable, optional
        What the network adds to the loss; see `Backbone.extra_loss`.

    Raises
    ------
    ModelError
        When the loss is not finite, the network's output does not fit the objective, or it has no stages to thaw.
    """
    steps = settings.epochs * len(batches[0])
    module = TrainingModule(network, objective, scale, settings, steps, shared=devices > 1, extra=extra)
    scratch.mkdir(parents=True, exist_ok=True)
    keeper = Keeper(scratch / STATE_FILE, seed, settings.patience if batches[1] is not None else None)
    log = StepLog()
    board = [LiveBoard(scratch / "tensorboard", log, keeper)] if settings.logger == "tensorboard" else []
    thawing = _thawing(network, settings, stages or {})
    with (
        progress.task("training", steps, "steps") as task,
        quiet_lightning(),
        interruptible(),
        thawing.restored() if thawing else nullcontext(),
    ):
        added: list[Callback] = [Steps(task), log, *board, *([thawing] if thawing else []), *callbacks]
        trainer = _trainer(settings, device, devices, scratch, [*added, keeper])
        trainer.fit(module, *batches, ckpt_path=resume_from(keeper.path), weights_only=True)
    if keeper.best_weights:
        module.load_state_dict(keeper.best_weights)
    return _result(network, scale, keeper, log, thawing)


def _thawing(network: nn.Module, settings: TrainingSettings, stages: Mapping[str, nn.Module]) -> Thawing | None:
    every = settings.unfreeze_every
    return None if every is None else Thawing(thaw_order(network, stages), every)


def _result(
    network: nn.Module, scale: LabelScale, keeper: Keeper, log: StepLog, thawing: Thawing | None
) -> TrainingResult:
    """Return the network as it is now, with what was written down while it was trained."""
    return TrainingResult(
        module=network.cpu().eval(),
        scale=scale,
        history=pd.DataFrame(keeper.history, columns=list(HISTORY_COLUMNS)),
        best_epoch=keeper.best_epoch,
        steps=log.table(),
        notes=_thawing_notes(thawing, len(keeper.history)),
    )


def _thawing_notes(thawing: Thawing | None, epochs: int) -> tuple[str, ...]:
    frozen = thawing.frozen(epochs - 1) if thawing else []
    if not frozen:
        return ()
    note = f"The training ended after {epochs} epochs, before these stages were thawed: {', '.join(frozen)}."
    _log.warning("%s", note)
    return (note,)


def _trainer(
    settings: TrainingSettings, device: DeviceName, devices: int, scratch: Path, callbacks: list[Callback]
) -> Trainer:
    precision: Any = settings.precision
    if device == "cpu" and precision == "16-mixed":
        raise ModelError(
            "A CPU cannot train in 16-bit floats.",
            where="training.precision",
            hint="Use 32-true, or bf16-mixed.",
        )
    strategy: Any = "auto"
    if devices > 1:
        # A frozen stage gives no gradient to wait for.
        strategy = DDPStrategy(
            process_group_backend="nccl" if device == "cuda" else "gloo",
            find_unused_parameters=settings.unfreeze_every is not None,
        )
    return Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=devices,
        strategy=strategy,
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
        plugins=[LightningEnvironment()],  # no other processes, also where a cluster's variables promise some
    )


def resume_from(path: Path) -> Path | None:
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

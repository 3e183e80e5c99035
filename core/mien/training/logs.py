"""The log of a training: each step's loss and learning rate, each epoch's losses; as CSV or for TensorBoard."""

from __future__ import annotations

import importlib.util
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from mien.compat import prepare_torchvision
from mien.errors import PluginError

prepare_torchvision()
from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402  (it imports torchvision)

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from mien.training.callbacks import Keeper

_log = logging.getLogger(__name__)

LogFormat = Literal["none", "csv", "tensorboard"]
STEPS_FILE = "steps.csv"
EPOCHS_FILE = "epochs.csv"
STEP_COLUMNS = ("epoch", "step", "loss", "learning_rate")


def require_logger(wanted: LogFormat) -> None:
    """Raise `PluginError` when the format needs a package that is not installed."""
    if wanted == "tensorboard" and importlib.util.find_spec("tensorboard") is None:
        raise PluginError(
            "'training.logger: tensorboard' needs the package tensorboard, which is not installed.",
            where="training.logger",
            hint="pip install 'mien[tensorboard]', or use 'csv'.",
        )


class StepLog(Callback):
    """Keeps loss and learning rate of each step; what a resumed training logs equals an uninterrupted one's.

    It is kept whatever the configuration asks for: a log that is asked for later is there, although the training came
    from the store.
    """

    def __init__(self) -> None:
        self.rows: list[list[float]] = []
        self._learning_rate = float("nan")

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, plain data."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows of the interrupted training's whole epochs."""
        self.rows = [list(row) for row in state_dict["rows"]]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note the learning rate; at the end of the step the schedule has moved on."""
        self._learning_rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add a row; the loss is the mean over the devices."""
        loss = trainer.strategy.reduce(outputs["loss"].detach(), reduce_op="mean")
        self.rows.append([trainer.current_epoch, trainer.global_step, float(loss), self._learning_rate])

    def table(self) -> pd.DataFrame:
        """Return epoch, step (from 1), loss and learning_rate: one row a step."""
        table = pd.DataFrame(self.rows, columns=list(STEP_COLUMNS))
        return table.astype({"epoch": "int64", "step": "int64"})


class LiveBoard(Callback):
    """Writes TensorBoard's files while the training goes on; those of an interrupted one are written anew."""

    def __init__(self, folder: Path, steps: StepLog, keeper: Keeper) -> None:
        self._folder = folder
        self._steps = steps
        self._keeper = keeper
        self._writer: SummaryWriter | None = None
        self._epochs = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what was logged before."""
        if not trainer.is_global_zero:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        self._writer = _open(self._folder)
        _write(self._writer, self._steps.table().to_dict("records"), [])
        self._epochs = 0
        self._write_epochs()
        _log.info("the training can be watched: tensorboard --logdir '%s'", self._folder)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the step."""
        if self._writer is not None and self._steps.rows:
            _write(self._writer, [dict(zip(STEP_COLUMNS, self._steps.rows[-1], strict=True))], [])

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch before: the history is made after all other callbacks."""
        self._write_epochs()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the file."""
        self._write_epochs()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write_epochs(self) -> None:
        if self._writer is not None:
            _write(self._writer, [], self._keeper.history[self._epochs :])
            self._epochs = len(self._keeper.history)


def save_logs(steps: pd.DataFrame, history: pd.DataFrame, folder: Path) -> None:
    """Write ``steps.csv`` and ``epochs.csv`` into ``folder``, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    steps.to_csv(folder / STEPS_FILE, index=False)
    history.to_csv(folder / EPOCHS_FILE, index=False)


def publish_logs(wanted: LogFormat, saved: Path, folder: Path) -> None:
    """Write what `save_logs` left in ``saved`` into ``folder`` in the format asked for; older logs there are removed.

    Parameters
    ----------
    wanted : {"none", "csv", "tensorboard"}
        ``csv`` copies both files; ``tensorboard`` makes an event file of them.
    """
    require_logger(wanted)
    shutil.rmtree(folder, ignore_errors=True)
    if wanted == "csv":
        shutil.copytree(saved, folder)
    elif wanted == "tensorboard":
        steps, history = (pd.read_csv(saved / name).to_dict("records") for name in (STEPS_FILE, EPOCHS_FILE))
        writer = _open(folder)
        _write(writer, steps, history)
        writer.close()


def _open(folder: Path) -> SummaryWriter:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def _write(writer: SummaryWriter, steps: Iterable[Mapping[Any, Any]], history: Iterable[Mapping[Any, Any]]) -> None:
    """Add steps by step, and epochs by the step that ended them; what was not measured is left out."""
    for place, rows in (("step", steps), ("epoch", history)):
        for row in rows:
            for name in row.keys() - {"epoch", "step"}:
                if row[name] == row[name]:
                    writer.add_scalar(f"{place}/{name}", row[name], int(row["step"]))

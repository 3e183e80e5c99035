"""Train and evaluate through the store: what was done once is taken from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mien.clips.source import ClipSource
from mien.config.run_config import RunConfig, dump
from mien.errors import DataError
from mien.interfaces import Backbone, LabelScale, Objective
from mien.steps.context import RunContext
from mien.steps.evaluate import predict
from mien.steps.explain import clips_identity
from mien.steps.identity import component_identity, step_key
from mien.steps.network import NetworkId
from mien.steps.train import train, training_identity, weights_before
from mien.tables import conform, empty
from mien.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mien.training.logs import save_logs
from mien.types import Recording

HISTORY = "training.parquet"
LOGS = "logs"
"""Beside the checkpoint of a training in the store: its epochs, and its log."""


@dataclass(frozen=True)
class Trained:
    """A trained network in the store.

    Attributes
    ----------
    id : NetworkId
        What it is in the run.
    folder : Path
        The checkpoint.
    digest : str
        SHA-256 of the weights.
    history : DataFrame
        Its epochs, as `mien.training.fit` gives them; empty for a checkpoint that came from elsewhere.
    began_with : mapping of str to str
        SHA-256 of the weights that the training began with, by name.
    scale : LabelScale
        From its output to the label.
    notes : sequence of str
        What a reader has to know of the training.
    """

    id: NetworkId
    folder: Path
    digest: str
    history: pd.DataFrame
    began_with: Mapping[str, str]
    scale: LabelScale
    notes: Sequence[str] = ()

    @classmethod
    def of(
        cls, checkpoint: Checkpoint, folder: Path, history: pd.DataFrame | None = None, id_: NetworkId | None = None
    ) -> Trained:
        """Return what a run needs to know of a checkpoint in ``folder``."""
        weights = checkpoint.about.get("provenance", {}).get("weights", {})
        began_with = {str(name): str(value) for name, value in weights.items()}
        notes = [str(note) for note in checkpoint.about.get("training", {}).get("notes", [])]
        known = pd.DataFrame() if history is None else history
        return cls(id_ or NetworkId(), folder, checkpoint.digest, known, began_with, checkpoint.scale, notes)

    @property
    def logs(self) -> Path:
        """The folder of the training's log in the store, as `mien.training.logs.save_logs` left it."""
        return self.folder.parent / LOGS


def train_once(
    config: RunConfig,
    source: ClipSource,
    recordings: Sequence[Recording],
    context: RunContext,
    id_: NetworkId | None = None,
    start: Path | None = None,
) -> Trained:
    """Return the network trained on the recordings of the splits ``train`` and ``validation``.

    Parameters
    ----------
    recordings : sequence of Recording
        With the splits and labels to train with, which are also the source's.
    id_ : NetworkId, optional
        What the network is in the run.
    start : Path, optional
        The checkpoint that it begins with; the content is part of the key.

    Raises
    ------
    DataError
        When no recording is left to train on.
    """
    used = [recording for recording in recordings if recording.split in {"train", "validation"}]
    if not any(recording.split == "train" for recording in used):
        raise DataError("No recording is left to train on.", hint="The report's exclusions say why.")
    key = step_key(
        "train",
        backbone=component_identity(config.backbone),
        objective=component_identity(config.objective),
        training=training_identity(config.training, start),
        windows=dump(config.windows),
        seed=config.seed,
        clips={r.id: [clips_identity(source, r.id), r.label, r.split] for r in used},
    )
    folder = context.store.find("train", key)
    if folder is None:
        folder = _train(config, source, used, context, key, start, id_ or NetworkId())
    else:
        context.reused["train"] += 1
    return _trained(folder, context, id_ or NetworkId())


def _train(
    config: RunConfig,
    source: ClipSource,
    used: Sequence[Recording],
    context: RunContext,
    key: str,
    start: Path | None,
    id_: NetworkId,
) -> Path:
    splits = {recording.id: recording.split for recording in used if recording.split is not None}
    scratch = context.store.scratch("train", key)
    result = train(config, source, splits, scratch, context.progress, context.device, start=start)
    with context.store.write("train", key, {"backbone": config.backbone.use}) as folder:
        save_checkpoint(
            folder / "checkpoint",
            config,
            result.module,
            result.scale,
            training={"best_epoch": result.best_epoch, "notes": list(result.notes)},
            provenance={"weights": weights_before(config, start)},
        )
        result.history.to_parquet(folder / HISTORY, index=False)
        save_logs(result.steps, result.history, folder / LOGS)
    context.store.clear_scratch("train", key)
    found = context.store.find("train", key)
    if found is None:
        raise DataError("The trained network disappeared from the store.", where=str(context.store.root))
    context.tell("mien_trained", network=id_.name, fold=id_.fold, checkpoint=found / "checkpoint")
    return found


def _trained(folder: Path, context: RunContext, id_: NetworkId) -> Trained:
    checkpoint = load_checkpoint(folder / "checkpoint", context.registry)
    return Trained.of(checkpoint, folder / "checkpoint", pd.read_parquet(folder / HISTORY), id_)


def training_table(networks: Iterable[Trained]) -> pd.DataFrame:
    """Return the table ``training``: the epochs of all networks that were trained."""
    parts = [one.history.assign(network=one.id.name, fold=one.id.fold) for one in networks if len(one.history)]
    return conform("training", pd.concat(parts, ignore_index=True)) if parts else empty("training")


def predict_once(
    trained: Trained,
    backbone: Backbone,
    objective: Objective,
    source: ClipSource,
    recordings: Mapping[str, Recording],
    context: RunContext,
) -> pd.DataFrame:
    """Return the table ``predictions`` of all windows of these recordings, as one network judges them."""
    key = step_key(
        "predict",
        network=trained.digest,
        scale=trained.scale.model_dump(),  # labels in another unit train the same weights
        fold=trained.id.fold,
        backbone=component_identity(backbone),
        objective=component_identity(objective),
        clips={
            id_: [clips_identity(source, id_), r.label, r.split, r.participant, r.session]
            for id_, r in recordings.items()
        },
    )
    folder = context.store.find("predict", key)
    if folder is not None:
        context.reused["predict"] += 1
        return conform("predictions", pd.read_parquet(folder / "predictions.parquet"))
    checkpoint = load_checkpoint(trained.folder, context.registry)
    table = predict(checkpoint, source, context.device, context.progress, recordings=recordings)
    table = conform("predictions", table.assign(fold=trained.id.fold))
    with context.store.write("predict", key, {"network": trained.digest}) as made:
        table.to_parquet(made / "predictions.parquet", index=False)
    return table

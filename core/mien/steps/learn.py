"""Train and evaluate through the store: what was done once is taken from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mien.clips.source import ClipSource
from mien.config.run_config import RunConfig, dump
from mien.errors import DataError
from mien.interfaces import Backbone, Objective
from mien.steps.context import RunContext
from mien.steps.evaluate import predict
from mien.steps.explain import clips_identity
from mien.steps.identity import component_identity, step_key, weights_used
from mien.steps.train import train
from mien.tables import conform, empty
from mien.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mien.training.metrics import metrics_table
from mien.types import Recording


@dataclass(frozen=True)
class Trained:
    """A trained network in the store.

    Attributes
    ----------
    folder : Path
        The checkpoint.
    digest : str
        SHA-256 of the weights.
    history : DataFrame
        The table ``training``; empty for a checkpoint that came from elsewhere.
    began_with : mapping of str to str
        SHA-256 of the pretrained weights that the training began with, by ``backbone.<name>``.
    """

    folder: Path
    digest: str
    history: pd.DataFrame
    began_with: Mapping[str, str]

    @classmethod
    def of(cls, checkpoint: Checkpoint, folder: Path, history: pd.DataFrame) -> Trained:
        """Return what a run needs to know of a checkpoint in ``folder``."""
        weights = checkpoint.about.get("provenance", {}).get("weights", {})
        return cls(folder, checkpoint.digest, history, {str(name): str(value) for name, value in weights.items()})


def train_once(config: RunConfig, source: ClipSource, recordings: Sequence[Recording], context: RunContext) -> Trained:
    """Return the network trained on the recordings of the splits ``train`` and ``validation``.

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
        training=dump(config.training),
        windows=dump(config.windows),
        seed=config.seed,
        clips={r.id: [clips_identity(source, r.id), r.label, r.split] for r in used},
    )
    folder = context.store.find("train", key)
    if folder is None:
        folder = _train(config, source, used, context, key)
    else:
        context.reused["train"] += 1
    return _trained(folder, context)


def _train(config: RunConfig, source: ClipSource, used: Sequence[Recording], context: RunContext, key: str) -> Path:
    splits = {recording.id: recording.split for recording in used if recording.split is not None}
    scratch = context.store.scratch("train", key)
    result = train(config, source, splits, scratch, context.progress, context.device)
    with context.store.write("train", key, {"backbone": config.backbone.use}) as folder:
        save_checkpoint(
            folder / "checkpoint",
            config,
            result.module,
            result.scale,
            training={"best_epoch": result.best_epoch},
            provenance={"weights": weights_used("backbone", config.backbone)},
        )
        conform("training", result.history).to_parquet(folder / "training.parquet", index=False)
    context.store.clear_scratch("train", key)
    found = context.store.find("train", key)
    if found is None:
        raise DataError("The trained network disappeared from the store.", where=str(context.store.root))
    return found


def _trained(folder: Path, context: RunContext) -> Trained:
    checkpoint = load_checkpoint(folder / "checkpoint", context.registry)
    history = pd.read_parquet(folder / "training.parquet")
    return Trained.of(checkpoint, folder / "checkpoint", history)


def predict_once(
    trained: Trained,
    backbone: Backbone,
    objective: Objective,
    source: ClipSource,
    recordings: Mapping[str, Recording],
    context: RunContext,
) -> pd.DataFrame:
    """Return the table ``predictions`` of all windows of all recordings."""
    key = step_key(
        "predict",
        network=trained.digest,
        backbone=component_identity(backbone),
        objective=component_identity(objective),
        clips={id_: [clips_identity(source, id_), r.label, r.split, r.participant] for id_, r in recordings.items()},
    )
    folder = context.store.find("predict", key)
    if folder is not None:
        context.reused["predict"] += 1
        return conform("predictions", pd.read_parquet(folder / "predictions.parquet"))
    checkpoint = load_checkpoint(trained.folder, context.registry)
    table = predict(checkpoint, source, context.device, context.progress)
    table = conform("predictions", table)
    with context.store.write("predict", key, {"network": trained.digest}) as made:
        table.to_parquet(made / "predictions.parquet", index=False)
    return table


def measure(predictions: pd.DataFrame, objective: Objective, seed: int) -> pd.DataFrame:
    """Return the table ``metrics`` of the predictions that have a label."""
    labelled = predictions[predictions["label"].notna() & (predictions["split"] != "out_of_distribution")]
    if not len(labelled):
        return empty("metrics")
    return conform("metrics", metrics_table(labelled, objective, seed))

"""Write a model card beside each network that a run publishes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from mien.config.run_config import RunConfig
from mien.evaluation import metrics_table
from mien.report.card_material import CardMaterial
from mien.report.model_card import write_model_card
from mien.report.words import FEW
from mien.run.record import RunRecord, Summary
from mien.run.view import RunResults
from mien.training.checkpoint import ABOUT_FILE


def write_model_cards(
    config: RunConfig,
    record: RunRecord,
    summary: Summary,
    tables: Mapping[str, pd.DataFrame],
    view: RunResults,
    folders: Mapping[int, Path],
) -> None:
    """Write a card into the folder of each published checkpoint.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Those of the run and of its analyzers.
    folders : mapping of int to Path
        The folder of the checkpoint of each fold.
    """
    parameters = sum(value.numel() for value in view.model.module.parameters())
    for fold, folder in folders.items():
        in_folds = config.split.scheme != "holdout"
        material = CardMaterial(
            config=config,
            record=record.model_dump(mode="json"),
            summary=summary.model_dump(mode="json"),
            tables=tables,
            about=json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8")),
            parameters=parameters,
            fold=fold if in_folds else None,
            own_metrics=own_metrics(config, view, fold) if in_folds else pd.DataFrame(),
        )
        write_model_card(material, folder)


def own_metrics(config: RunConfig, view: RunResults, fold: int) -> pd.DataFrame:
    """Return the table ``metrics`` of what one fold held out; empty where figures may say who the participants are."""
    predictions, recordings = view.predictions, view.recordings
    own = predictions[(predictions["split"] == "test") & (predictions["fold"] == fold) & predictions["label"].notna()]
    if own["participant"].nunique() < FEW:
        return pd.DataFrame()
    unseen = dict(zip(recordings["recording"], recordings["unseen"], strict=True))
    return metrics_table(own, unseen, config.objective, config.seed)

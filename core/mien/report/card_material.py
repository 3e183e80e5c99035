"""What a model card is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mien.config.run_config import RunConfig


@dataclass(frozen=True)
class CardMaterial:
    """Everything that a model card is made from; of the ids in it, the card shows none.

    Attributes
    ----------
    config : RunConfig
    record : mapping
        ``run.json``.
    summary : mapping
        ``summary.json``.
    tables : mapping of str to DataFrame
        Those of the run and of its analyzers.
    about : mapping
        The network's ``checkpoint.json``.
    parameters : int
        How many numbers were trained, or could have been.
    fold : int or None
        The fold that the network was trained for; None without folds.
    own_metrics : DataFrame
        The table ``metrics`` of what this fold held out; empty without folds, and for too few participants.
    """

    config: RunConfig
    record: Mapping[str, Any]
    summary: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    about: Mapping[str, Any]
    parameters: int
    fold: int | None = None
    own_metrics: pd.DataFrame = field(default_factory=pd.DataFrame)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table, or an empty one when the run has none of that name."""
        return self.tables.get(name, pd.DataFrame())

    @property
    def used(self) -> pd.DataFrame:
        """The recordings that took part, those out of distribution left out."""
        recordings = self.table("recordings")
        return recordings[(recordings["status"] == "used") & (recordings["split"] != "out_of_distribution")]

    @property
    def trained(self) -> pd.DataFrame:
        """The recordings that trained or validated this network."""
        used = self.used
        if self.fold is None:
            return used[used["split"].isin(["train", "validation"])]
        return used[used["fold"].notna() & (used["fold"] != self.fold)]

    @property
    def held_out(self) -> pd.DataFrame:
        """The recordings that were held out of this network."""
        used = self.used
        return used[used["split"] == "test"] if self.fold is None else used[used["fold"] == self.fold]

    @property
    def label(self) -> str:
        """What the label is called."""
        return str(getattr(self.config.objective, "name", "label"))

    @property
    def level(self) -> str:
        """Where predictions are held against labels first."""
        return str(self.summary.get("level", "participant"))

"""Interface of data sets."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from mien.interfaces.component import Component
from mien.progress import Progress
from mien.types import DatasetListing


class Dataset(Component):
    """Where recordings come from: participants, videos, labels, splits."""

    participants_are: ClassVar[str] = "the people of the data set"
    """Completes "participants are ..." in the report's limits."""

    @abstractmethod
    def recordings(self, folder: Path, progress: Progress) -> DatasetListing:
        """Return the recordings, and the rows that cannot be used with their reasons.

        Parameters
        ----------
        folder : Path
            A lasting folder of this configuration's own, for what the data set has to make or fetch.
            A data set that only reads leaves it alone.  What lies there from an earlier call is to be
            used again; a file must appear there whole or not at all.
        progress : Progress
            To be told of work that takes longer than a second.

        Raises
        ------
        DataError
            When the data set as a whole cannot be read.
        """

"""Action Units of a recording as a stored table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mien.errors import PluginError
from mien.types import ActionUnitTrace

_FILE = "action_units.parquet"


def write_action_units(trace: ActionUnitTrace, folder: Path) -> None:
    """Write a trace as a long table: frame, time_s, au, intensity (0-5), presence."""
    frames = len(trace.times)
    shape = (frames, len(trace.names))
    if trace.intensity.shape != shape:
        raise PluginError(
            f"The Action Unit source gave intensities of shape {trace.intensity.shape}, but promised {shape}."
        )
    presence = np.full(shape, np.nan) if trace.presence is None else trace.presence
    table = pd.DataFrame(
        {
            "frame": np.repeat(np.arange(frames), len(trace.names)),
            "time_s": np.repeat(np.asarray(trace.times, float), len(trace.names)),
            "au": np.tile(np.array(trace.names, dtype=object), frames),
            "intensity": np.asarray(trace.intensity, float).ravel(),
            "presence": np.asarray(presence, float).ravel(),
        }
    )
    table.to_parquet(folder / _FILE, index=False)


def read_action_units(folder: Path) -> pd.DataFrame:
    """Return the table that `write_action_units` wrote."""
    return pd.read_parquet(folder / _FILE)

"""Action Units of a recording as a stored table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from mien.interfaces import ActionUnitSource
from mien.promises import broken
from mien.types import ActionUnitTrace

_FILE = "action_units.parquet"
_MOST = 5 + 1e-6  # the largest intensity; float32 rounds


_PROMISE = "A trace has a value for each frame of the track and each Action Unit that it names, 0 to 5 or NaN"


def check_trace(source: ActionUnitSource, trace: object, frames: int) -> None:
    """Raise `PluginError` when what a source gave for so many frames is not what it promised."""
    if not isinstance(trace, ActionUnitTrace):
        raise broken(source, f"It returned {type(trace).__name__}, not an ActionUnitTrace.", _PROMISE)
    shape = (len(trace.times), len(trace.names))
    if shape[0] != frames:
        raise broken(source, f"It gave {shape[0]} times for {frames} frames.", _PROMISE)
    for what, values in (("intensity", trace.intensity), ("presence", trace.presence)):
        if values is not None and np.shape(values) != shape:
            raise broken(source, f"The {what} has the shape {np.shape(values)}, not {shape}.", _PROMISE)
    seen = np.asarray(trace.intensity, float)
    seen = seen[~np.isnan(seen)]
    if seen.size and (seen.min() < 0 or seen.max() > _MOST):
        raise broken(source, f"Intensities reach from {seen.min():.3g} to {seen.max():.3g}.", _PROMISE)


def write_action_units(trace: ActionUnitTrace, folder: Path) -> None:
    """Write a trace as a long table: frame, time_s, au, intensity (0-5), presence."""
    frames = len(trace.times)
    shape = (frames, len(trace.names))
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

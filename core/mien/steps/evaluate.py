"""What a trained network says of each window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from mien.clips.standardise import standardise
from mien.errors import ModelError
from mien.progress import Progress
from mien.promises import at_work, broken
from mien.training.checkpoint import Checkpoint
from mien.training.devices import resolve_device
from mien.types import ClipKey

if TYPE_CHECKING:
    import numpy.typing as npt

    from mien.clips.source import ClipSource

PREDICTION_COLUMNS = (
    "recording", "participant", "session", "split", "window", "start_s", "end_s", "label", "prediction",
    "valid_fraction",
)  # fmt: skip


def predict(
    checkpoint: Checkpoint,
    source: ClipSource,
    device: str,
    progress: Progress,
    *,
    recordings: Iterable[str] | None = None,
    batch: int = 8,
) -> pd.DataFrame:
    """Return the table ``predictions``, all but the fold: one row a window.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its network comes back to the CPU, in evaluation mode.
    source : ClipSource
        A recording's split is that of the source, or ``out_of_distribution`` without one.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    progress : Progress
    recordings : iterable of str, optional
        Ids; all of the source when left out.
    batch : int
        Clips at once.

    Raises
    ------
    DataError
        When a recording has no window.
    ModelError
        When the network gives a prediction that is not finite.
    """
    keys = source.select(recordings=recordings)
    chosen = resolve_device(device)
    module = checkpoint.module.to(chosen).eval()
    values: list[npt.NDArray[Any]] = []
    try:
        with progress.task("evaluating", len(keys), "clips") as task, torch.inference_mode():
            for start in range(0, len(keys), batch):
                part = keys[start : start + batch]
                output = module(_inputs(source, part).to(chosen))
                values.append(_predicted(checkpoint, output).float().cpu().numpy())
                task.advance(len(part))
    finally:
        module.to("cpu")
    predictions = np.concatenate(values) if values else np.zeros(0)
    rows = [_row(source, key, float(value)) for key, value in zip(keys, predictions, strict=True)]
    return pd.DataFrame(rows, columns=list(PREDICTION_COLUMNS))


def _predicted(checkpoint: Checkpoint, output: torch.Tensor) -> torch.Tensor:
    objective = checkpoint.objective
    with at_work(objective, "predict"):
        found = objective.predict(output, checkpoint.scale)
    if not isinstance(found, torch.Tensor) or found.shape != output.shape[:1]:
        kind = f"of the shape {tuple(found.shape)}" if isinstance(found, torch.Tensor) else type(found).__name__
        did = f"Its predictions for {len(output)} clips are {kind}."
        raise broken(objective, did, "'predict' returns a tensor with one number a clip")
    return found


def _inputs(source: ClipSource, keys: Sequence[ClipKey]) -> torch.Tensor:
    """Return clips as `ClipSource.batch` does, without drawing their regions."""
    pixels = [source.pixels(key.recording, source.windows(key.recording)[key.window].content) for key in keys]
    return standardise(torch.from_numpy(np.stack(pixels)), source.spec)


def _row(source: ClipSource, key: ClipKey, prediction: float) -> dict[str, Any]:
    recording = source.prepared(key.recording).recording
    window = source.windows(key.recording)[key.window]
    if not np.isfinite(prediction):
        raise ModelError(
            f"The network's prediction is {prediction}.",
            where=f"recording {key.recording}, window {key.window}",
            hint="Look for NaN or infinite values in its weights.",
        )
    return {
        "recording": key.recording,
        "participant": key.participant,
        "session": recording.session or key.recording,
        "split": recording.split or "out_of_distribution",
        "window": key.window,
        "start_s": window.start_s,
        "end_s": window.end_s,
        "label": float("nan") if recording.label is None else float(recording.label),
        "prediction": prediction,
        "valid_fraction": float(np.mean(window.valid)),
    }

"""Train the network of a configuration on prepared recordings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.config.run_config import RunConfig
from mien.errors import ConfigError, DataError
from mien.progress import Progress
from mien.training.data import TrainingClips, fixed_batches, training_batches
from mien.training.devices import resolve_device
from mien.training.fit import TrainingResult, fit
from mien.training.quiet import seeded
from mien.types import Split

if TYPE_CHECKING:
    from lightning.pytorch import Callback

    from mien.clips.source import ClipSource


def train(
    config: RunConfig,
    source: ClipSource,
    splits: Mapping[str, Split],
    scratch: Path,
    progress: Progress,
    device: str = "auto",
    callbacks: Iterable[Callback] = (),
) -> TrainingResult:
    """Return the network of a configuration, trained.

    The result depends on the configuration and the clips alone: a training that was interrupted goes on from the
    last whole epoch in ``scratch``, and on a CPU gives the same weights, bit by bit, as one that was not.

    Parameters
    ----------
    config : RunConfig
    source : ClipSource
    splits : mapping of str to str
        Recording id to split; those of ``train`` and ``validation`` are used.
    scratch : Path
        A lasting folder of this training's own.
    progress : Progress
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    callbacks : iterable of Callback
        Further Lightning callbacks.

    Raises
    ------
    DataError
        When no recording trains, or one has no label or no window.
    ConfigError
        When ``training.patience`` is set and no recording validates, or there is no such device.
    ModelError
        When the backbone does not fit the clips or the objective, or the loss is not finite.
    """
    settings, objective = config.training, config.objective
    chosen = resolve_device(device)
    trained, validated = (sorted(i for i, s in splits.items() if s == side) for side in ("train", "validation"))
    if not trained:
        raise DataError("No recording is left to train on.")
    if settings.patience is not None and not validated:
        raise ConfigError(
            "Early stopping needs a validation loss, but no participant validates.",
            where="training.patience",
            hint="Set 'split.validation' to a fraction, e.g. 0.2, or leave patience out.",
        )
    clips = TrainingClips(source, trained, config.seed, settings.augment)
    scale = objective.fit(np.array(clips.labels, dtype=float))
    validation = (
        fixed_batches(TrainingClips(source, validated, config.seed, None), settings.batch) if validated else None
    )
    with seeded(config.seed):
        return fit(
            config.backbone.build(objective.outputs),
            objective,
            scale,
            settings,
            (training_batches(clips, settings.batch, config.seed), validation),
            seed=config.seed,
            scratch=scratch,
            device=chosen,
            progress=progress,
            callbacks=callbacks,
        )

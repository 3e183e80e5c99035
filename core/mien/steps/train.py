"""Train the network of a configuration on prepared recordings."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.config.run_config import RunConfig, dump
from mien.config.settings import TrainingSettings
from mien.errors import ConfigError, DataError, ModelError
from mien.interfaces import Backbone, LabelScale
from mien.progress import Progress, QuietProgress
from mien.promises import at_work, broken, name_of
from mien.steps.identity import weights_used
from mien.training.balance import BandSampler, clip_bands
from mien.training.data import EpochSampler, TrainingClips, fixed_batches, training_batches
from mien.training.devices import DeviceName, require_devices, resolve_device
from mien.training.distributed import train_together
from mien.training.fit import STATE_FILE, TrainingResult, fit, resume_from
from mien.training.logs import require_logger
from mien.training.quiet import seeded
from mien.training.start import initial_network, start_digest
from mien.types import Split

if TYPE_CHECKING:
    from lightning.pytorch import Callback
    from torch import Tensor, nn

    from mien.clips.source import ClipSource

log = logging.getLogger(__name__)


def train(
    config: RunConfig,
    source: ClipSource,
    splits: Mapping[str, Split],
    scratch: Path,
    progress: Progress,
    device: str = "auto",
    callbacks: Iterable[Callback] = (),
    start: Path | None = None,
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
        Further Lightning callbacks; picklable where several devices train.
    start : Path, optional
        The checkpoint that ``training.start_from`` stands for, see `mien.steps.start.starting_checkpoint`.

    Raises
    ------
    DataError
        When no recording trains, or one has no label or no window, or no clips fill a batch that devices shall share.
    ConfigError
        When ``training.patience`` is set and no recording validates, there is no such device, the objective has no
        severity bands to balance, or its labels take no noise.
    PluginError
        When the logger's package is not installed.
    ModelError
        When the backbone does not fit the clips or the objective, the checkpoint to start from does not fit the
        backbone, or the loss is not finite.
    """
    settings = config.training
    chosen = resolve_device(device)
    _require_usable(config, splits, chosen, start)
    fit_share = partial(_fit, config, source, splits, scratch, chosen, start, tuple(callbacks))
    if settings.devices == 1:
        return fit_share(0, progress, 1)
    resume_from(scratch / STATE_FILE)  # a damaged state is removed by one process, before several look at it
    train_together(partial(fit_share, devices=settings.devices), settings.devices, chosen, progress)
    # What they left is a finished training, which is taken up as it is.
    return fit_share(0, QuietProgress(), 1)


def _require_usable(config: RunConfig, splits: Mapping[str, Split], device: DeviceName, start: Path | None) -> None:
    """Raise an error when it is known before anything is read that the training cannot be as configured."""
    settings, sides = config.training, set(splits.values())
    if settings.start_from is not None and start is None:
        raise ValueError("'training.start_from' is set: pass what mien.steps.start.starting_checkpoint returns")
    if "train" not in sides:
        raise DataError("No recording is left to train on.")
    require_trainable(settings, splits, device)


def require_trainable(settings: TrainingSettings, splits: Mapping[str, Split], device: DeviceName) -> None:
    """Raise an error when this machine, or a division of the recordings, does not allow the training.

    Raises
    ------
    ConfigError
        When ``patience`` is set and no recording validates, or there are too few devices.
    PluginError
        When the logger's package is not installed.
    """
    if settings.patience is not None and "validation" not in splits.values():
        raise ConfigError(
            "Early stopping needs a validation loss, but no participant validates.",
            where="training.patience",
            hint="Set 'split.validation' to a fraction, e.g. 0.2, or leave patience out.",
        )
    require_logger(settings.logger)
    require_devices(device, settings.devices)


def _fit(
    config: RunConfig,
    source: ClipSource,
    splits: Mapping[str, Split],
    scratch: Path,
    device: DeviceName,
    start: Path | None,
    callbacks: Iterable[Callback],
    rank: int,
    progress: Progress,
    devices: int,
) -> TrainingResult:
    """Fit as one of several devices, or as the only one."""
    settings, objective, seed = config.training, config.objective, config.seed
    trained, validated = (sorted(i for i, s in splits.items() if s == side) for side in ("train", "validation"))
    clips = TrainingClips(source, trained, seed, settings.augment, label_noise=settings.label_noise)
    with at_work(objective, "fit"):
        scale = objective.fit(np.array(clips.labels, dtype=float))
    if not isinstance(scale, LabelScale):
        raise broken(objective, f"Its scale is {type(scale).__name__}.", "'fit' returns a LabelScale")
    _require_a_scale(config, clips)
    sampler, notes = _sampler(config, clips)
    batches = training_batches(clips, settings.batch, seed, sampler=sampler, share=(rank, devices))
    validation = fixed_batches(TrainingClips(source, validated, seed, None), settings.batch) if validated else None
    with seeded(seed), _naming(config.backbone):
        network = initial_network(config, start)
        result = fit(
            network,
            objective,
            scale,
            settings,
            (batches, validation),
            seed=seed,
            scratch=scratch,
            device=device,
            progress=progress,
            callbacks=callbacks,
            stages=_stages(config.backbone, network) if settings.unfreeze_every is not None else None,
            devices=devices,
            extra=partial(_extra_loss, config.backbone),
        )
    return replace(result, notes=(*notes, *result.notes))


@contextmanager
def _naming(backbone: Backbone) -> Iterator[None]:
    """Say whose network it is in an error about the network."""
    try:
        yield
    except ModelError as error:
        if error.where != "backbone":
            raise
        raise ModelError(error.message, where=name_of(backbone), hint=error.hint) from error


def _stages(backbone: Backbone, network: nn.Module) -> Mapping[str, nn.Module]:
    with at_work(backbone, "stages"):
        return backbone.stages(network)


def _extra_loss(backbone: Backbone, network: nn.Module) -> Tensor | None:
    import torch

    with at_work(backbone, "extra_loss"):
        extra = backbone.extra_loss(network)
    if extra is not None and (not isinstance(extra, torch.Tensor) or extra.ndim):
        kind = f"of the shape {tuple(extra.shape)}" if isinstance(extra, torch.Tensor) else type(extra).__name__
        raise broken(backbone, f"Its loss is {kind}.", "'extra_loss' returns a tensor without axes, or None")
    return extra


def _require_a_scale(config: RunConfig, clips: TrainingClips) -> None:
    """Refuse noise on labels between which there is nothing, e.g. classes."""
    if not config.training.label_noise:
        return
    between = min(clips.labels) + 0.382 * (max(clips.labels) - min(clips.labels))
    reason = config.objective.check_label(between)
    if reason is not None:
        raise ConfigError(
            f"The labels of the objective '{config.objective.use}' take no noise: {reason}.",
            where="training.label_noise",
            hint="Set it to 0.",
        )


def _sampler(config: RunConfig, clips: TrainingClips) -> tuple[EpochSampler, tuple[str, ...]]:
    """Return which clips an epoch holds, and notes on the bands that it cannot hold."""
    if config.training.balance == "none":
        return EpochSampler(len(clips), config.seed), ()
    bands, without = clip_bands(clips.clip_labels, config.objective)
    notes = [
        f"Balanced training lacks the severity band '{name}': no training clip has such a label." for name in without
    ]
    for note in notes:
        log.warning("%s", note)
    return BandSampler(bands, config.seed), tuple(notes)


def training_identity(settings: TrainingSettings, start: Path | None = None) -> dict[str, Any]:
    """Return what decides a training besides clips, network and seed, for its key in the store.

    The content of ``start`` stands for its path; the logger changes nothing.
    """
    fields = dump(settings)
    for name in ("logger", "start_from"):
        del fields[name]
    return {**fields, "start": None if start is None else start_digest(start)}


def weights_before(config: RunConfig, start: Path | None = None) -> dict[str, str]:
    """Return the SHA-256 of the weights that a training begins with, by name, as ``run.json`` has them."""
    if start is None:
        return weights_used("backbone", config.backbone)
    return {"network.start": start_digest(start)}

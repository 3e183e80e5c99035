"""The checkpoint that a run's training begins with, trained first where the configuration names another run's."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

from mien.config.check import require_fit
from mien.config.loading import load_config
from mien.config.run_config import RunConfig, dump
from mien.errors import ConfigError
from mien.progress import NamedProgress
from mien.report.words import count
from mien.steps.context import RunContext
from mien.steps.learn import train_once
from mien.steps.prepare_clips import prepare_clips
from mien.steps.recordings import labelled_recordings, with_splits
from mien.training.checkpoint import read_checkpoint
from mien.training.splits import assign_splits
from mien.training.start import initial_network, refuse_another_input

_WHERE = "training.start_from"


def starting_checkpoint(config: RunConfig, context: RunContext, chain: tuple[Path, ...] = ()) -> Path | None:
    """Return the folder of the checkpoint that ``training.start_from`` stands for; None when there is none.

    A ``.yaml`` is the configuration of a run, of which the training is done: through the store, so that it is done
    once, on its own data set and its own division.  Nothing of it is evaluated or explained.  What it was trained on is
    noted in ``context.people_before`` and ``context.videos_before``; of a checkpoint's folder it is not known.

    Parameters
    ----------
    chain : tuple of Path
        The configurations on the way here, each of which starts from the next.

    Raises
    ------
    ConfigError
        When the other configuration does not fit, divides its recordings into folds, or leads back to itself.
    ModelError
        When the checkpoint is missing or damaged, or does not fit the configuration.
    """
    found = check_start(config, context, chain)
    if not isinstance(found, RunConfig):
        if found is not None:
            context.notes.append(
                "mien cannot know on whom the network to start from was trained: held-out participants count as unseen."
            )
        return found
    path = _resolved(config)
    return _train_first(found, path, context, (*chain, path))


def check_start(config: RunConfig, context: RunContext, chain: tuple[Path, ...] = ()) -> Path | RunConfig | None:
    """Return what ``training.start_from`` names: a checkpoint's folder or a configuration, that fit; None without.

    Nothing is trained: what cannot work is told before hours of tracking.  Parameters and errors are those of
    `starting_checkpoint`.
    """
    if config.training.start_from is None:
        return None
    path = _resolved(config)
    if path.suffix.lower() not in {".yaml", ".yml"}:
        folder = read_checkpoint(path)[0]
        with torch.random.fork_rng(devices=[]):
            initial_network(config, folder)
        return folder
    if path in chain:
        circle = " → ".join(file.name for file in (*chain[chain.index(path) :], path))
        raise ConfigError(f"The configurations start from each other: {circle}.", where=f"{_WHERE}, {path}")
    other = load_config(path, registry=context.registry)
    require_fit(other, context.registry, path)
    refuse_another_input(config, dump(other), path)
    if other.split.scheme != "holdout":
        raise ConfigError(
            f"It divides its recordings by '{other.split.scheme}', which gives no single network to start from.",
            where=f"{_WHERE}, {path}, split.scheme",
            hint="Set it to holdout there.",
        )
    check_start(other, context, (*chain, path))
    return other


def _resolved(config: RunConfig) -> Path:
    assert config.training.start_from is not None
    return config.training.start_from.resolve()


def _train_first(config: RunConfig, path: Path, context: RunContext, chain: tuple[Path, ...]) -> Path:
    """Train the network of a configuration, and nothing more."""
    config = config.model_copy(update={"action_units": {}})
    own = replace(
        context,
        notes=[],
        durations={},
        reused=Counter(),
        people_before=set(),
        videos_before=set(),
        progress=NamedProgress(context.progress, path.stem),
    )
    start = starting_checkpoint(config, own, chain)
    listed, exclusions = labelled_recordings(config, own)
    splits = assign_splits(listed, config.split, config.seed)
    used = [recording for recording in with_splits(listed, dict(splits)) if recording.split != "test"]
    prepared, source = prepare_clips(used, config, config.backbone, own)
    recordings = [item.recording for item in prepared.recordings]
    trained = train_once(config, source, recordings, own, start=start)
    own.notes.extend(trained.notes)
    aside = len(exclusions) + len(prepared.exclusions)
    if aside:
        own.notes.append(f"{count(aside, 'recording was', 'recordings were')} set aside.")
    context.notes.extend(f"The network to start from, {path.name}: {note}" for note in own.notes)
    context.people_before |= own.people_before | {recording.participant for recording in recordings}
    context.videos_before |= own.videos_before | {recording.video.resolve() for recording in recordings}
    return trained.folder

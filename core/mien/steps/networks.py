"""Train the networks of a run: one for each fold, and the controls that learn permuted labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from mien.clips.source import ClipSource
from mien.config.run_config import RunConfig
from mien.config.settings import SplitSettings
from mien.interfaces import Backbone, Objective
from mien.progress import NamedProgress
from mien.report.words import count, listed
from mien.steps.context import RunContext
from mien.steps.learn import Trained, predict_once, train_once
from mien.steps.network import NetworkId
from mien.steps.recordings import with_splits
from mien.steps.start import starting_checkpoint
from mien.training.permutation import permuted_labels
from mien.training.splits import Fold, judging_fold, shared_persons
from mien.types import Recording


@dataclass(frozen=True)
class Networks:
    """All networks of a run that were trained.

    Attributes
    ----------
    trained : tuple of Trained
        One for each fold; the first also judges what no fold holds out.
    permuted : tuple of Trained
        Controls: trained with labels permuted among participants.
    judging : mapping of str to int
        Recording to the number of the fold whose network judges it; those left out are judged by the first.
    """

    trained: tuple[Trained, ...]
    permuted: tuple[Trained, ...] = ()
    judging: Mapping[str, int] = field(default_factory=dict)

    @property
    def first(self) -> Trained:
        """The network of the first fold."""
        return self.trained[0]

    @property
    def weights(self) -> dict[str, str]:
        """SHA-256 of all weights, and of those that they began with, by names for ``run.json``."""
        found = {}
        for one in (*self.trained, *self.permuted):
            role = ["network"] if one.id.trained else [one.id.role, str(one.id.index)]
            fold = [f"fold_{one.id.fold}"] if len(self.trained) > 1 else []
            found[".".join([*role, *fold])] = one.digest
            found |= one.began_with
        return found

    def fold_of(self, recording: str) -> int:
        """Return the number of the fold whose network judges a recording, by its id."""
        return self.judging.get(recording, self.first.id.fold)


def train_networks(
    config: RunConfig, source: ClipSource, recordings: Sequence[Recording], folds: Sequence[Fold], context: RunContext
) -> Networks:
    """Return the networks of all folds, each taken from the store when it is there.

    A fold of which no recording is left to hold out is not trained, and a note says so.

    Parameters
    ----------
    recordings : sequence of Recording
        Those of the data set that were prepared.

    Raises
    ------
    DataError
        When a fold has no recording left to train on, or labels cannot be permuted.
    """
    used = _with_tests(folds, {recording.id for recording in recordings}, context)
    start = starting_checkpoint(config, context)
    context.notes.extend(_people_before(recordings, used, context))
    trained = []
    for fold in used:
        own, id_ = with_splits(recordings, fold.splits), NetworkId(fold=fold.number)
        trained.append(train_once(config, source, own, _named(context, id_, folds), id_, start))
    # What is to be known of the training of every fold is told once.
    context.notes.extend(dict.fromkeys(note for one in trained for note in one.notes))
    controls = tuple(_permuted(config, source, recordings, used, context, start))
    return Networks(tuple(trained), controls, judging_fold(used))


def _people_before(recordings: Sequence[Recording], folds: Sequence[Fold], context: RunContext) -> list[str]:
    held_out = {r.participant for r in recordings if any(r.id in fold.held_out for fold in folds)}
    certain = held_out & known_before(recordings, context)
    alike = (held_out & context.people_before) - certain
    notes = []
    if certain:
        people = count(len(certain), "held-out participant is", "held-out participants are")
        notes.append(
            f"{people} in videos on which the network to start from was trained, and not unseen: figures of all "
            "held-out recordings are too good for people whom the network has not seen."
        )
    if alike:
        people = count(len(alike), "held-out participant has", "held-out participants have")
        notes.append(
            f"{people} the name of someone on whom the network to start from was trained: if it is the same person, "
            "figures of held-out participants are too good."
        )
    return notes


def known_before(recordings: Sequence[Recording], context: RunContext) -> frozenset[str]:
    """Return the participants in a video on which the network to start from was trained."""
    return frozenset(r.participant for r in recordings if r.video.resolve() in context.videos_before)


def _with_tests(folds: Sequence[Fold], prepared: set[str], context: RunContext) -> list[Fold]:
    if len(folds) == 1:
        return list(folds)
    used = [fold for fold in folds if fold.held_out & prepared]
    context.notes.extend(
        f"Fold {fold.number} was not trained: every recording that it holds out was set aside."
        for fold in folds
        if fold not in used
    )
    return used


def _permuted(
    config: RunConfig,
    source: ClipSource,
    recordings: Sequence[Recording],
    folds: Sequence[Fold],
    context: RunContext,
    start: Path | None,
) -> Iterator[Trained]:
    wanted = config.explain.controls.permuted
    if wanted and not config.explain.methods:
        context.notes.append("No network was trained with permuted labels: there is no method to explain it with.")
        return
    for index in range(wanted):
        for fold in folds:
            labels = labels_of_control(recordings, fold, config.seed, index)
            own = [replace(r, label=labels.get(r.id, r.label)) for r in with_splits(recordings, fold.splits)]
            id_ = NetworkId("permuted", index, fold.number)
            yield train_once(config, relabelled(source, labels), own, _named(context, id_, folds), id_, start)


def labels_of_control(recordings: Sequence[Recording], fold: Fold, seed: int, index: int) -> dict[str, float]:
    """Return the permuted label of each recording that trains or validates in a fold, by id."""
    seen = [recording for recording in recordings if fold.splits[recording.id] != "test"]
    return permuted_labels(seen, seed, index, fold.number)


def relabelled(source: ClipSource, labels: Mapping[str, float]) -> ClipSource:
    """Return a source of the same clips under other labels."""
    items = [source.prepared(recording.id) for recording in source.recordings]
    changed = [
        replace(item, recording=replace(item.recording, label=labels.get(item.recording.id, item.recording.label)))
        for item in items
    ]
    return ClipSource(changed, source.cropper, source.scheme, source.windows_settings, source.spec, source.pooling)


def _named(context: RunContext, id_: NetworkId, folds: Sequence[Fold]) -> RunContext:
    """Return the context with progress that says which of several networks is being trained."""
    parts = [] if id_.trained else [f"{id_.role} labels {id_.index}"]
    parts += [f"fold {id_.fold}"] if len(folds) > 1 else []
    return replace(context, progress=NamedProgress(context.progress, ", ".join(parts))) if parts else context


def predict_all(
    networks: Networks,
    backbone: Backbone,
    objective: Objective,
    source: ClipSource,
    recordings: Mapping[str, Recording],
    context: RunContext,
) -> pd.DataFrame:
    """Return the table ``predictions``: every recording as the network of its own fold judges it."""
    parts = []
    for trained in networks.trained:
        own = {id_: r for id_, r in recordings.items() if networks.fold_of(id_) == trained.id.fold}
        if own:
            parts.append(predict_once(trained, backbone, objective, source, own, context))
    return pd.concat(parts, ignore_index=True)


def division_notes(
    listed_recordings: Sequence[Recording], used: Sequence[Recording], folds: Sequence[Fold], settings: SplitSettings
) -> list[str]:
    """Return what is to be said of how the recordings were divided.

    Parameters
    ----------
    listed_recordings : sequence of Recording
        With the splits that the data set gave.
    used : sequence of Recording
        Those that were prepared.
    """
    notes = []
    given = sum(recording.split is not None for recording in listed_recordings)
    if settings.scheme != "holdout" and given:
        notes.append(
            f"The data set's own splits of {count(given, 'recording')} were not used: {settings.scheme} divides all "
            "participants anew."
        )
    shared = shared_persons(used, folds[0].splits) if settings.scheme == "holdout" else {}
    if shared:
        pairs = Counter(" and ".join(sorted(sides)) for sides in shared.values())
        where = listed([f"{number} in {sides}" for sides, number in sorted(pairs.items())])
        notes.append(
            f"{count(len(shared), 'person has', 'persons have')} recordings in several of the data set's own parts "
            f"({where}): figures of all held-out recordings are too good for people whom the network has not seen. "
            "The column 'unseen' of the table 'recordings' tells the others apart."
        )
    return notes

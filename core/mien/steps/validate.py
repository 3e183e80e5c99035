"""Hold a trained network against another labelled data set; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mien.config.run_config import LabelledConfig
from mien.evaluation.replication import replication_table
from mien.evaluation.validation import validation_table
from mien.interfaces import Analysis
from mien.progress import Progress
from mien.registry import Registry
from mien.report.words import count
from mien.run.source import SourceRecord, read_source
from mien.run.summary import headline_level
from mien.run.view import RunResults
from mien.steps.context import RunContext, RunOutcome
from mien.steps.explain import check_parts
from mien.steps.face_size import MEASURES, face_sizes
from mien.steps.learn import Trained
from mien.steps.networks import Networks
from mien.steps.pipeline import begin, finish, make_context, make_untrained_folder
from mien.steps.prepare_clips import prepare_clips
from mien.steps.publish import analysis_tables
from mien.steps.recordings import labelled_recordings, with_splits
from mien.steps.source import STATISTICS
from mien.steps.validate_config import Validation
from mien.store.store import Store
from mien.tables import conform, empty
from mien.training.checkpoint import load_checkpoint
from mien.training.splits import Fold
from mien.types import Recording, Split

_TEST: Split = "test"


def validate(
    validation: Validation,
    checkpoint: Path,
    out: Path,
    *,
    store: Store,
    workers: int = 1,
    device: str = "auto",
    time_limit: float | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
    registry: Registry | None = None,
) -> RunOutcome:
    """Evaluate and explain a trained network on another labelled data set, beside what its own run found.

    All labelled recordings are held out, whatever splits the data set gives.  Beside the tables of a run there are
    ``validation`` and ``replication``.

    Parameters
    ----------
    validation : Validation
        Made by `mien.steps.validate_config.validate_config`.
    checkpoint : Path
        A checkpoint folder, or a file in it.
    out : Path
        The folder of the results; made when absent.

    Raises
    ------
    MienError
        When the checkpoint or the data set cannot be used, or the folder holds the results of a training run.
    """
    config = validation.config
    context = make_context(store, registry, workers, device, time_limit or config.task_time_limit, cluster, progress)
    loaded = load_checkpoint(checkpoint, context.registry)
    check_parts(config, loaded.explained_model(), context.registry)
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    source = read_source(folder)
    make_untrained_folder(out)
    record = begin("validate", config, context, out)
    with context.timed("dataset"):
        listed, exclusions = labelled_recordings(config, context)
        recordings, fold = _all_held_out(listed)
    prepared, clips = prepare_clips(recordings, config, loaded.backbone, context)
    context.notes.extend([*validation.notes, *_notes(listed, source)])
    return finish(
        config,
        out,
        record,
        context,
        recordings,
        prepared,
        clips,
        Networks((Trained.of(loaded, folder),), judging=dict.fromkeys(fold.splits, fold.number)),
        exclusions,
        loaded.backbone,
        [fold],
        _training_means(source, fold),
        _Beside(config, source, context),
    )


def _all_held_out(listed: Sequence[Recording]) -> tuple[list[Recording], Fold]:
    """Return the recordings in the split ``test``, whatever the data set gives, and the fold that holds them out."""
    splits = {recording.id: _TEST for recording in listed}
    return with_splits(listed, splits), Fold(0, splits)


def _training_means(source: SourceRecord | None, fold: Fold) -> dict[int, float]:
    """Return the mean label that the network was trained with, by fold; empty where it is not known."""
    mean = source.training_mean if source else None
    return {} if mean is None else {fold.number: mean}


@dataclass(frozen=True)
class _Beside:
    """Makes the tables ``validation`` and ``replication`` of a run."""

    config: LabelledConfig
    source: SourceRecord | None
    context: RunContext

    def __call__(self, view: RunResults, analyses: Mapping[str, Analysis]) -> Mapping[str, pd.DataFrame]:
        used = view.recordings[view.recordings["status"] == "used"]
        rows = validation_table(
            view.tables["metrics"],
            view.predictions,
            face_sizes(view.source, used["recording"]),
            MEASURES,
            headline_level(used),
            self.source,
            self.config.seed,
            continuous=self.config.objective.continuous,
        )
        return {"validation": conform("validation", rows), "replication": self._replication(analyses)}

    def _replication(self, analyses: Mapping[str, Analysis]) -> pd.DataFrame:
        hypotheses = self.source.hypotheses if self.source else None
        if not hypotheses:
            if self.source is not None:
                lacks = "made no table 'hypotheses'" if hypotheses is None else "has no hypothesis"
                self.context.notes.append(f"The network's own run {lacks}: there is nothing to replicate.")
            return empty("replication")
        tables = analysis_tables(analyses)
        if STATISTICS not in tables:
            self.context.notes.append(
                "No analyzer made the table 'statistics': no hypothesis of the network's own run was measured here."
            )
        return conform("replication", replication_table(hypotheses, tables.get(STATISTICS)))


def _notes(listed: Sequence[Recording], source: SourceRecord | None) -> list[str]:
    given = sum(recording.split is not None for recording in listed)
    notes = [
        "Nothing was trained: all labelled recordings are held out. mien cannot know whether the network was trained "
        "on some of these people; they count as unseen."
    ]
    if given:
        recordings = count(given, "recording")
        notes.append(f"The data set's own splits of {recordings} were not used: a validation holds everything out.")
    if source is None:
        notes.append(
            "Nothing beside the checkpoint (source.json) says what its own run found: metrics, calibration, labels and "
            "face size are given without it, errors are not held against the training mean, and no hypothesis is "
            "looked at."
        )
    return notes

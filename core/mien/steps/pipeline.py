"""The ways through mien: a whole run, and explaining new videos with a trained network; see also `validate`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from mien.clips.source import ClipSource
from mien.config.network import analyzer_parts, described, raise_all, refusals
from mien.config.run_config import ExplainConfig, RunConfig, dump
from mien.errors import DataError
from mien.evaluation import training_means
from mien.interfaces import Analysis, Analyzer, AttributionMethod, Backbone, Component
from mien.parallel import Cluster
from mien.progress import Progress, QuietProgress
from mien.promises import at_work, broken
from mien.registry import Registry, load_registry
from mien.run.record import RunRecord, begin_record
from mien.run.view import RunResults
from mien.steps.analyze import analyze
from mien.steps.context import RunContext, RunOutcome
from mien.steps.explain import check_methods, check_parts
from mien.steps.explain_run import explain_networks
from mien.steps.identity import component_identity, weights_used
from mien.steps.learn import Trained, training_table
from mien.steps.measure import measure
from mien.steps.networks import Networks, division_notes, known_before, labels_of_control, predict_all, train_networks
from mien.steps.prepare import Prepared
from mien.steps.prepare_clips import prepare_clips
from mien.steps.publish import Publication, make_folder, publish
from mien.steps.recordings import labelled_recordings, unlabelled_recordings, with_splits
from mien.steps.results import action_units_table, recordings_table, relevance_tables
from mien.steps.start import check_start
from mien.steps.train import require_trainable
from mien.store.store import Store
from mien.training.checkpoint import load_checkpoint
from mien.training.devices import resolve_device
from mien.training.splits import Fold, plan_folds, sides_held
from mien.training.thaw import thaw_order
from mien.types import Exclusion, Recording

log = logging.getLogger(__name__)


def run(
    config: RunConfig,
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
    """Track, crop, train, evaluate, explain, analyze and report; return how it ended.

    Every result is taken from ``store`` when it is there, so that a run that was stopped goes on where it stopped.

    Parameters
    ----------
    out : Path
        The folder of the results; made when absent.
    workers : int
        Processes that work on recordings; the results do not depend on it.
    time_limit : float, optional
        Seconds that a worker may spend on one task, a recording or explaining it with one method, before it is ended
        and set aside; else the configuration's ``task_time_limit``.
    cluster : str, optional
        Address of a dask scheduler whose workers do the steps of each recording, in place of ``workers``; they must
        see the store and the videos at the same paths.  The results do not depend on it.

    Raises
    ------
    MienError
        When the run as a whole cannot go on; what is computed stays in the store.
    """
    context = make_context(store, registry, workers, device, time_limit or config.task_time_limit, cluster, progress)
    make_folder(out)
    record = begin("run", config, context, out)
    with context.timed("check"):
        _check_network(config, context)
    with context.timed("dataset"):
        listed, exclusions = labelled_recordings(config, context)
        _check_recordings(config, listed)
        folds = plan_folds(listed, config.split, config.seed)
        _check_division(config, listed, folds, context)
        recordings = with_splits(listed, sides_held(folds))
        # A video outside the data set is of nobody in it, also where it is called like one of its participants.
        taken = {name for recording in recordings for name in (recording.id, recording.participant)}
        outside = unlabelled_recordings(config.out_of_distribution.videos, taken)
    prepared, source = prepare_clips([*recordings, *outside], config, config.backbone, context)
    used = [item.recording for item in prepared.recordings if item.recording.split is not None]
    context.notes.extend(division_notes(listed, used, folds, config.split))
    with context.timed("train"):
        networks = train_networks(config, source, used, folds, context)
    recordings = [*recordings, *outside]
    return finish(
        config, out, record, context, recordings, prepared, source, networks, exclusions, config.backbone, folds
    )


def explain_videos(
    videos: Sequence[Path],
    checkpoint: Path,
    out: Path,
    *,
    config: ExplainConfig,
    store: Store,
    workers: int = 1,
    device: str = "auto",
    time_limit: float | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
    registry: Registry | None = None,
) -> RunOutcome:
    """Explain a trained network on new videos, whose labels need not be known.

    Parameters
    ----------
    checkpoint : Path
        A checkpoint folder, or a file in it.
    config : ExplainConfig
        Made by `mien.steps.explain_config.explain_config`; says which methods and analyzers are used.
    """
    context = make_context(store, registry, workers, device, time_limit or config.task_time_limit, cluster, progress)
    loaded = load_checkpoint(checkpoint, context.registry)
    check_methods(config.explain.methods, loaded.explained_model(), context.registry)
    make_untrained_folder(out)
    record = begin("explain", config, context, out)
    trained = Trained.of(loaded, checkpoint if checkpoint.is_dir() else checkpoint.parent)
    recordings = unlabelled_recordings(videos)
    prepared, source = prepare_clips(recordings, config, loaded.backbone, context)
    networks = Networks((trained,))
    return finish(config, out, record, context, recordings, prepared, source, networks, [], loaded.backbone)


def _check_network(config: RunConfig, context: RunContext) -> None:
    """Build the network and ask methods and analyzers: what cannot work is told before hours of tracking, not after."""
    backbone = config.backbone
    with at_work(backbone, "check"):
        backbone.check(config.windows.frames, config.cropper.height, config.cropper.width)
    check_start(config, context)
    # A network that starts from a checkpoint does not need the backbone's own weights.
    build = backbone.build if config.training.start_from is None else backbone.architecture
    with torch.random.fork_rng(devices=[]), at_work(backbone, build.__name__):
        module = build(config.objective.outputs)
    if not isinstance(module, torch.nn.Module):
        raise broken(backbone, f"It built {type(module).__name__}.", "'build' returns an nn.Module")
    model = described(backbone, module.eval())
    if config.training.unfreeze_every is not None:
        thaw_order(module, model.stages)
    check_parts(config, model, context.registry)


def _check_recordings(config: RunConfig, recordings: Sequence[Recording]) -> None:
    """Ask the analyzers whether the data set has what they name."""

    def ask(analyzer: Analyzer) -> None:
        analyzer.check_recordings(recordings, config.objective)

    raise_all(list(refusals(analyzer_parts(config.analyzers), ask, "check_recordings")))


def _check_division(
    config: RunConfig, recordings: Sequence[Recording], folds: Sequence[Fold], context: RunContext
) -> None:
    """Permute labels as the controls will, and ask for validation: what lacks is told before hours of tracking."""
    for fold in folds:
        require_trainable(config.training, fold.splits, resolve_device(context.device))
        if config.explain.controls.permuted:
            labels_of_control(recordings, fold, config.seed, 0)


def make_untrained_folder(out: Path) -> None:
    """Make the folder of the results where nothing is trained.

    Raises
    ------
    DataError
        When it cannot be made, or holds a checkpoint that a run published.
    """
    make_folder(out)
    if (out / "checkpoint").exists():
        raise DataError(
            "The folder holds the results of a training run, which would be replaced.",
            where=str(out),
            hint="Choose another --out.",
        )


def make_context(
    store: Store,
    registry: Registry | None,
    workers: int,
    device: str,
    time_limit: float | None,
    cluster: str | None,
    progress: Progress | None,
) -> RunContext:
    """Return what all steps of a run share; a cluster that does not answer is told at once."""
    context = RunContext(
        store, registry or load_registry(), workers, resolve_device(device), time_limit, progress or QuietProgress()
    )
    if cluster is not None:
        context.cluster = Cluster(cluster, store.root)
        context.cluster.check()
    return context


def begin(command: str, config: ExplainConfig, context: RunContext, out: Path) -> RunRecord:
    """Return the record of a run that begins, and tell the plugins."""
    record = _record(command, config, context)
    context.tell("mien_run_started", config=record.config, out=out)
    return record


def _record(command: str, config: ExplainConfig, context: RunContext) -> RunRecord:
    parts: dict[str, Component] = {name: value for name, value in config if isinstance(value, Component)}
    for place, named in (
        ("explain.methods", config.explain.methods),
        ("action_units", config.action_units),
        ("analyzers", config.analyzers),
    ):
        parts |= {f"{place}.{name}": component for name, component in named.items()}
    return begin_record(
        command,
        dump(config),
        {place: component_identity(component) for place, component in parts.items()},
        citations={place: component.citation for place, component in parts.items() if component.citation},
        compared_with={
            place: component.compared_with
            for place, component in parts.items()
            if isinstance(component, AttributionMethod) and component.compared_with
        },
        seed=config.seed,
        device=context.device,
        workers=context.workers,
    )


def finish(
    config: ExplainConfig,
    out: Path,
    record: RunRecord,
    context: RunContext,
    recordings: Sequence[Recording],
    prepared: Prepared,
    source: ClipSource,
    networks: Networks,
    exclusions: Sequence[Exclusion],
    backbone: Backbone,
    folds: Sequence[Fold] = (),
    means: Mapping[int, float] | None = None,
    beside: Callable[[RunResults, Mapping[str, Analysis]], Mapping[str, pd.DataFrame]] | None = None,
) -> RunOutcome:
    """Evaluate, explain, analyze and publish.

    Parameters
    ----------
    means : mapping of int to float, optional
        The mean label that each fold's network was trained with, where it was not trained here.
    beside : callable, optional
        Gives further tables, from the run's view and its analyses.
    """
    people = {item.recording.id: item.recording for item in prepared.recordings}
    aside = [*exclusions, *prepared.exclusions]
    with context.timed("evaluate"):
        predictions = predict_all(networks, backbone, config.objective, source, people, context)
        known = known_before(recordings, context)
        described = recordings_table(prepared.recordings, aside, recordings, source, folds, known)
        means = training_means(people.values(), folds) if means is None else means
        measured = measure(predictions, described, config.objective, means, config.seed)
    with context.timed("explain"):
        explainer, found = explain_networks(config, context, source, networks, backbone)
    tables = {
        "recordings": described,
        "predictions": predictions,
        **measured,
        "training": training_table([*networks.trained, *networks.permuted]),
        "action_units": action_units_table(prepared.action_units, people),
        **relevance_tables(found, people, source.region_names, config.explain.methods),
    }
    view = RunResults(tables, source, explainer, found, config.seed, networks.judging)
    with context.timed("analyze"):
        analyses = analyze(view, config.analyzers, context)
        if beside is not None:
            view = replace(view, tables={**tables, **beside(view, analyses)})
    record.weights |= {**networks.weights, **weights_used("detector", config.detector)}
    publication = Publication(config, out, record, context, view, analyses, networks, means)
    return publish(publication)

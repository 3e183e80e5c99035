"""The two ways through mien: a whole run, and explaining new videos with a trained network."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mien.clips.source import ClipSource
from mien.config.run_config import ExplainConfig, RunConfig, dump
from mien.errors import DataError
from mien.interfaces import Backbone, Component
from mien.progress import Progress, QuietProgress
from mien.registry import Registry, load_registry
from mien.run.record import RunRecord, begin_record
from mien.run.view import RunResults
from mien.steps.analyze import analyze
from mien.steps.context import RunContext, RunOutcome
from mien.steps.explain import Explainer, Network, check_methods, explain, plan
from mien.steps.identity import component_identity, step_key, weights_used
from mien.steps.learn import Trained, measure, predict_once, train_once
from mien.steps.prepare import Prepared, PrepareParts, prepare
from mien.steps.publish import Publication, make_folder, publish
from mien.steps.recordings import labelled_recordings, unlabelled_recordings, with_splits
from mien.steps.results import action_units_table, recordings_table, relevance_tables
from mien.store.store import Store
from mien.tables import empty
from mien.training.checkpoint import explained_model, load_checkpoint
from mien.training.devices import resolve_device
from mien.training.splits import assign_splits
from mien.types import ClipKey, Exclusion, Recording

log = logging.getLogger(__name__)


def run(
    config: RunConfig,
    out: Path,
    *,
    store: Store,
    workers: int = 1,
    device: str = "auto",
    time_limit: float | None = None,
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
        Seconds that one recording may take in a worker before it is set aside.

    Raises
    ------
    MienError
        When the run as a whole cannot go on; what is computed stays in the store.
    """
    context = _context(store, registry, workers, device, time_limit, progress)
    make_folder(out)
    record = _begin("run", config, context, out)
    with context.timed("check"):
        _check_network(config, context)
    with context.timed("dataset"):
        recordings, exclusions = labelled_recordings(config, context)
        recordings = with_splits(recordings, dict(assign_splits(recordings, config.split, config.seed)))
        # A video outside the data set is of nobody in it, also where it is called like one of its participants.
        taken = {name for recording in recordings for name in (recording.id, recording.participant)}
        outside = unlabelled_recordings(config.out_of_distribution.videos, taken)
    prepared, source = _prepare([*recordings, *outside], config, config.backbone, context)
    with context.timed("train"):
        trained = train_once(config, source, [item.recording for item in prepared.recordings], context)
    recordings = [*recordings, *outside]
    return _finish(config, out, record, context, recordings, prepared, source, trained, exclusions, config.backbone)


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
    context = _context(store, registry, workers, device, time_limit, progress)
    loaded = load_checkpoint(checkpoint, context.registry)
    make_folder(out)
    if (out / "checkpoint").exists():
        raise DataError(
            "The folder holds the results of a training run, which would be replaced.",
            where=str(out),
            hint="Choose another --out.",
        )
    record = _begin("explain", config, context, out)
    trained = Trained.of(loaded, checkpoint if checkpoint.is_dir() else checkpoint.parent, empty("training"))
    recordings = unlabelled_recordings(videos)
    prepared, source = _prepare(recordings, config, loaded.backbone, context)
    return _finish(config, out, record, context, recordings, prepared, source, trained, [], loaded.backbone)


def _check_network(config: RunConfig, context: RunContext) -> None:
    """Build the network and ask the methods: what cannot work is told before hours of tracking, not after."""
    config.backbone.check(config.windows.frames, config.cropper.height, config.cropper.width)
    with torch.random.fork_rng(devices=[]):
        module = config.backbone.build(config.objective.outputs).eval()
    check_methods(config.explain.methods, explained_model(config.backbone, module), context.registry)


def _context(
    store: Store,
    registry: Registry | None,
    workers: int,
    device: str,
    time_limit: float | None,
    progress: Progress | None,
) -> RunContext:
    return RunContext(
        store, registry or load_registry(), workers, resolve_device(device), time_limit, progress or QuietProgress()
    )


def _begin(command: str, config: ExplainConfig, context: RunContext, out: Path) -> RunRecord:
    """Return the record of a run that begins, and tell the plugins."""
    record = _record(command, config, context)
    context.registry.tell("mien_run_started", config=record.config, out=out)
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
        seed=config.seed,
        device=context.device,
        workers=context.workers,
    )


def _prepare(
    recordings: Sequence[Recording], config: ExplainConfig, backbone: Backbone, context: RunContext
) -> tuple[Prepared, ClipSource]:
    parts = PrepareParts(config.detector, config.cropper, config.action_units, context.device)
    with context.timed("prepare"):
        prepared = prepare(
            recordings,
            parts,
            store=context.store,
            workers=context.workers,
            time_limit=context.time_limit,
            progress=context.progress,
            registry=context.registry,
            done=lambda recording: context.registry.tell("mien_recording_done", recording=recording),
        )
    context.reused.update(prepared.reused)
    context.notes.extend(prepared.notes)
    prepared = _with_windows(prepared, config, backbone, context)
    if not prepared.recordings:
        reasons = "; ".join(exclusion.reason for exclusion in prepared.exclusions[:3])
        raise DataError(f"No recording could be prepared: {reasons}")
    return prepared, _source(prepared, config, backbone, context)


def _source(prepared: Prepared, config: ExplainConfig, backbone: Backbone, context: RunContext) -> ClipSource:
    scheme = context.registry.scheme(config.detector.scheme)
    backbone.check(config.windows.frames, config.cropper.height, config.cropper.width)
    return ClipSource(prepared.recordings, config.cropper, scheme, config.windows, backbone.input_spec, config.pooling)


def _with_windows(prepared: Prepared, config: ExplainConfig, backbone: Backbone, context: RunContext) -> Prepared:
    """Set recordings aside that hold no window, e.g. because they are too short."""
    source = _source(prepared, config, backbone, context)
    kept, exclusions = [], list(prepared.exclusions)
    for item in prepared.recordings:
        recording = item.recording
        try:
            source.windows(recording.id)
        except DataError as error:
            log.warning("recording %s is set aside: %s", recording.id, error)
            exclusions.append(
                Exclusion(recording.id, recording.participant, "windows", str(error), str(recording.video))
            )
            continue
        kept.append(item)
    return replace(prepared, recordings=kept, exclusions=exclusions)


def _finish(
    config: ExplainConfig,
    out: Path,
    record: RunRecord,
    context: RunContext,
    recordings: Sequence[Recording],
    prepared: Prepared,
    source: ClipSource,
    trained: Trained,
    exclusions: Sequence[Exclusion],
    backbone: Backbone,
) -> RunOutcome:
    """Evaluate, explain, analyze and publish."""
    people = {item.recording.id: item.recording for item in prepared.recordings}
    aside = [*exclusions, *prepared.exclusions]
    with context.timed("evaluate"):
        predictions = predict_once(trained, backbone, config.objective, source, people, context)
        metrics = measure(predictions, config.objective, config.seed)
    with context.timed("explain"):
        explainer, found = _explain(config, context, source, trained, backbone)
    tolerances = {name: method.tolerance for name, method in config.explain.methods.items()}
    tables = {
        "recordings": recordings_table(prepared.recordings, aside, recordings, source),
        "predictions": predictions,
        "metrics": metrics,
        "training": trained.history,
        "action_units": action_units_table(prepared.action_units, people),
        **relevance_tables(found, people, source.region_names, tolerances),
    }
    view = RunResults(tables, source, explainer, found, config.seed)
    with context.timed("analyze"):
        analyses = analyze(view, config.analyzers, context)
    record.weights |= {"network": trained.digest, **trained.began_with, **weights_used("detector", config.detector)}
    publication = Publication(config, out, record, context, view, analyses, trained.folder)
    return publish(publication)


def _explain(
    config: ExplainConfig,
    context: RunContext,
    source: ClipSource,
    trained: Trained,
    backbone: Backbone,
) -> tuple[Explainer, dict[Any, Path]]:
    networks = _networks(config, trained, backbone)
    explainer = Explainer(
        source,
        backbone,
        config.objective,
        config.explain.methods,
        tuple(networks),
        context.store.root,
        context.device,
        batch=1 if context.device == "cpu" else 16,
    )
    check_methods(explainer.methods, explainer.model(explainer.networks[0]), context.registry)
    selected = _selected(config, source)
    if not any(source.prepared(recording).recording.split for recording in selected) and config.explain.split != "all":
        context.notes.append(f"No recording of the split '{config.explain.split}' could be explained: there is none.")
    tasks = plan(explainer, selected, networks[0])
    few = _control_windows(selected, source, config.explain.controls.windows_per_participant)
    for network in networks[1:]:
        tasks += plan(explainer, few, network)
    found, failed, reused = explain(
        explainer,
        tasks,
        store=context.store,
        workers=context.workers,
        time_limit=context.time_limit,
        progress=context.progress,
        done=lambda task: context.registry.tell("mien_explained", method=task.method, recording=task.recording),
    )
    context.reused["explain"] += reused
    context.incomplete |= bool(failed)
    context.notes.extend(
        f"Method '{task.method}' did not explain recording {task.recording}"
        f"{'' if task.network is None else f' with untrained network {task.network}'}: {error}"
        for task, error in failed
    )
    return explainer, found


def _networks(config: ExplainConfig, trained: Trained, backbone: Backbone) -> list[Network]:
    """Return the trained network and the untrained ones."""
    networks = [Network(None, trained.digest, trained.folder / "model.safetensors")]
    for index in range(config.explain.controls.networks):
        seed = int(np.random.SeedSequence([config.seed, 1 + index]).generate_state(1)[0])
        identity = step_key("untrained", backbone=component_identity(backbone), seed=seed)
        networks.append(Network(index, identity, seed=seed))
    return networks


def _selected(config: ExplainConfig, source: ClipSource) -> dict[str, list[ClipKey]]:
    wanted = config.explain.split
    ids = [
        recording.id
        for recording in source.recordings
        if wanted == "all" or recording.split in {wanted, None}  # None: out of distribution
    ]
    keys = source.select(config.explain.windows_per_recording, ids)
    return _by_recording(keys)


def _control_windows(
    selected: Mapping[str, Sequence[ClipKey]], source: ClipSource, per_participant: int
) -> dict[str, list[ClipKey]]:
    """Return a few windows of each participant, evenly spread over those selected; none out of distribution."""
    by_participant: dict[str, list[ClipKey]] = {}
    for recording, keys in selected.items():
        if source.prepared(recording).recording.split is not None:
            by_participant.setdefault(keys[0].participant, []).extend(keys)
    chosen: list[ClipKey] = []
    for keys in by_participant.values():
        positions = np.linspace(0, len(keys) - 1, min(per_participant, len(keys))).round().astype(int)
        chosen += [keys[position] for position in positions]
    return _by_recording(chosen)


def _by_recording(keys: Sequence[ClipKey]) -> dict[str, list[ClipKey]]:
    grouped: dict[str, list[ClipKey]] = {}
    for key in keys:
        grouped.setdefault(key.recording, []).append(key)
    return grouped

"""Which windows a run explains, with which of its networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mien.clips.source import ClipSource
from mien.config.run_config import ExplainConfig
from mien.interfaces import Backbone
from mien.steps.context import RunContext
from mien.steps.explain import Explainer, ExplainTask, check_methods, explain, plan
from mien.steps.identity import component_identity, step_key
from mien.steps.learn import Trained
from mien.steps.network import Network, NetworkId
from mien.steps.networks import Networks
from mien.training.checkpoint import WEIGHTS_FILE
from mien.types import ClipKey

Windows = dict[str, list[ClipKey]]
"""The windows to explain, by recording."""


def explain_networks(
    config: ExplainConfig, context: RunContext, source: ClipSource, networks: Networks, backbone: Backbone
) -> tuple[Explainer, dict[ExplainTask, Path]]:
    """Explain the windows that the configuration selects, and a few of each participant with the controls.

    A recording is explained with the network that judges it.  Permuted networks explain what their own fold holds
    out; untrained ones belong to no fold.

    Returns
    -------
    explainer : Explainer
        Its first network is that of the first fold.
    found : dict of ExplainTask to Path
        The stored result of each task that has one.
    """
    trained = [trained_network(one) for one in networks.trained]
    permuted = [trained_network(one) for one in networks.permuted]
    untrained = untrained_networks(backbone, config.explain.controls.networks, config.seed)
    explainer = Explainer(
        source,
        backbone,
        config.objective,
        config.explain.methods,
        (*trained, *untrained, *permuted),
        context.store.root,
        context.device,
        batch=1 if context.device == "cpu" else 16,
    )
    check_methods(explainer.methods, explainer.model(explainer.networks[0]), context.registry)
    selected = _selected(config, source)
    if not any(source.prepared(recording).recording.split for recording in selected) and config.explain.split != "all":
        context.notes.append(f"No recording of the split '{config.explain.split}' could be explained: there is none.")
    few = _few(selected, source, config.explain.controls.windows_per_participant)
    tasks = [task for one in trained for task in plan(explainer, _of_fold(selected, networks, one.id.fold), one)]
    tasks += [task for one in untrained for task in plan(explainer, few, one)]
    tasks += [task for one in permuted for task in plan(explainer, _of_fold(few, networks, one.id.fold), one)]
    return explainer, _explained(explainer, tasks, context)


def _explained(explainer: Explainer, tasks: Sequence[ExplainTask], context: RunContext) -> dict[ExplainTask, Path]:
    found, failed, reused = explain(
        explainer,
        tasks,
        store=context.store,
        workers=context.workers,
        time_limit=context.time_limit,
        cluster=context.cluster,
        progress=context.progress,
        done=lambda task: context.tell("mien_explained", method=task.method, recording=task.recording),
    )
    context.reused["explain"] += reused
    context.incomplete |= bool(failed)
    context.notes.extend(
        f"Method '{task.method}' did not explain recording {task.recording}"
        f"{'' if task.network.trained else f' with the {task.network.role} network {task.network.index}'}: {error}"
        for task, error in failed
    )
    return found


def trained_network(one: Trained) -> Network:
    """Return how a trained network is built again."""
    return Network(one.id, one.digest, one.folder / WEIGHTS_FILE)


def untrained_networks(backbone: Backbone, count: int, seed: int) -> list[Network]:
    """Return controls that have learnt nothing; a run's seed decides their weights."""
    networks = []
    for index in range(count):
        own = int(np.random.SeedSequence([seed, 1 + index]).generate_state(1)[0])
        identity = step_key("untrained", backbone=component_identity(backbone), seed=own)
        networks.append(Network(NetworkId("untrained", index), identity, seed=own))
    return networks


def _selected(config: ExplainConfig, source: ClipSource) -> Windows:
    wanted = config.explain.split
    ids = [
        recording.id
        for recording in source.recordings
        if wanted == "all" or recording.split in {wanted, None}  # None: out of distribution
    ]
    return _by_recording(source.select(config.explain.windows_per_recording, ids))


def _few(selected: Mapping[str, Sequence[ClipKey]], source: ClipSource, per_participant: int) -> Windows:
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


def _of_fold(windows: Mapping[str, list[ClipKey]], networks: Networks, fold: int) -> Windows:
    return {recording: keys for recording, keys in windows.items() if networks.fold_of(recording) == fold}


def _by_recording(keys: Iterable[ClipKey]) -> Windows:
    grouped: Windows = {}
    for key in keys:
        grouped.setdefault(key.recording, []).append(key)
    return grouped

"""From recordings to clips: prepared through the store, and those without a window set aside."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from mien.clips.source import ClipSource
from mien.config.run_config import ExplainConfig
from mien.errors import DataError
from mien.interfaces import Backbone
from mien.promises import at_work
from mien.steps.context import RunContext
from mien.steps.prepare import Prepared, PrepareParts, prepare
from mien.types import Exclusion, Recording

log = logging.getLogger(__name__)


def prepare_clips(
    recordings: Sequence[Recording], config: ExplainConfig, backbone: Backbone, context: RunContext
) -> tuple[Prepared, ClipSource]:
    """Return the prepared recordings that hold a window, and their clips.

    Raises
    ------
    DataError
        When no recording could be prepared.
    ModelError
        When the backbone does not take clips of the configured size.
    """
    parts = PrepareParts(config.detector, config.cropper, config.action_units, context.device)
    with context.timed("prepare"):
        prepared = prepare(
            recordings,
            parts,
            store=context.store,
            workers=context.workers,
            time_limit=context.time_limit,
            cluster=context.cluster,
            progress=context.progress,
            registry=context.registry,
            done=lambda recording: context.tell("mien_recording_done", recording=recording),
        )
    context.reused.update(prepared.reused)
    context.notes.extend(prepared.notes)
    prepared = _with_windows(prepared, config, backbone, context)
    if not prepared.recordings:
        reasons = "; ".join(list(dict.fromkeys(exclusion.reason for exclusion in prepared.exclusions))[:3])
        raise DataError(f"No recording could be prepared: {reasons}")
    return prepared, _source(prepared, config, backbone, context)


def _source(prepared: Prepared, config: ExplainConfig, backbone: Backbone, context: RunContext) -> ClipSource:
    scheme = context.registry.scheme(config.detector.scheme)
    with at_work(backbone, "check"):
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

"""Which videos the benchmark of a user's own network looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mien.config.document import Document, load_document
from mien.config.run_config import ExplainConfig
from mien.errors import ConfigError
from mien.steps.context import RunContext
from mien.steps.explain_config import explain_config
from mien.steps.recordings import labelled_recordings, unlabelled_recordings
from mien.steps.validate_config import validate_config
from mien.types import Exclusion, Recording

_CONFIGS = {".yaml", ".yml"}
_MANIFESTS = {".csv", ".tsv"}
_VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".wmv", ".mpg", ".mpeg"}


def own_videos(
    data: Path, checkpoint: Path, context: RunContext
) -> tuple[ExplainConfig, list[Recording], list[Exclusion]]:
    """Return how a checkpoint sees videos, the recordings, and those set aside.

    Parameters
    ----------
    data : Path
        A configuration (YAML) that names the data set, a manifest (CSV), a folder of videos, or a video.

    Raises
    ------
    MienError
        When there is nothing there, or it does not fit the checkpoint.
    """
    if not data.exists():
        raise ConfigError("It does not exist.", where=f"--data {data}", hint=_HINT)
    kind = data.suffix.lower()
    if data.is_file() and kind in _CONFIGS | _MANIFESTS:
        document = load_document(data) if kind in _CONFIGS else _manifest(data)
        validation = validate_config(document, checkpoint, context.registry)
        context.notes.extend(validation.notes)
        found, exclusions = labelled_recordings(validation.config, context)
        return _bare(validation.config), found, exclusions
    videos = [data] if data.is_file() else sorted(file for file in data.rglob("*") if file.suffix.lower() in _VIDEOS)
    if not videos:
        raise ConfigError("The folder holds no video.", where=f"--data {data}", hint=_HINT)
    # The methods are the benchmark's; those of the checkpoint's own run need not be installed.
    config = explain_config(checkpoint, context.registry, methods={"saliency": "saliency"})
    return _bare(config), unlabelled_recordings(videos), []


_HINT = "Name a configuration (YAML) with a data set, a manifest (CSV), a folder of videos, or a video."


def _manifest(file: Path) -> Document:
    data: dict[str, Any] = {"dataset": {"use": "manifest", "file": str(file.resolve())}}
    return Document(file, data)


def _bare(config: ExplainConfig) -> ExplainConfig:
    """Return the configuration without what the tests do not need."""
    return config.model_copy(update={"action_units": {}, "analyzers": {}})

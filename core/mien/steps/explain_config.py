"""How new videos are explained with a checkpoint: as its own run explained, unless asked otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mien.config.run_config import ExplainConfig, dump
from mien.errors import ModelError
from mien.registry import Registry
from mien.training.checkpoint import load_checkpoint

FILE = "explain.json"
_SECTIONS = ("explain", "action_units", "analyzers")


def write_explain_config(config: ExplainConfig, folder: Path) -> None:
    """Write beside a checkpoint how its network was explained."""
    sections = {name: dump(getattr(config, name)) for name in _SECTIONS}
    (folder / FILE).write_text(json.dumps(sections, indent=2) + "\n", encoding="utf-8")


def explain_config(
    checkpoint: Path,
    registry: Registry,
    *,
    methods: Mapping[str, Any] | None = None,
    faces: str = "full",
    title: str = "mien: explained videos",
) -> ExplainConfig:
    """Return the configuration with which a checkpoint explains new videos.

    Parameters
    ----------
    methods : mapping, optional
        Attribution methods by name, as under ``explain.methods``; those of the checkpoint's own run when None.

    Raises
    ------
    ModelError
        When the checkpoint cannot be used.
    """
    loaded = load_checkpoint(checkpoint, registry)
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    sections = read_explain_config(folder)
    explain = dict(sections.get("explain", {}))
    explain["methods"] = methods or explain.get("methods") or {"ig_blur": "integrated_gradients"}
    explain |= {"split": "all", "windows_per_recording": None}
    # Controls explain labelled people, and can be trained with permuted labels only where there are labels.
    explain["controls"] = {**explain.get("controls", {}), "networks": 0, "permuted": 0}
    parts = {name: getattr(loaded, name) for name in ("detector", "cropper", "backbone", "objective")}
    document = {
        **parts,
        "windows": loaded.windows,
        "pooling": loaded.pooling,
        "seed": loaded.seed,
        "explain": explain,
        "action_units": sections.get("action_units", {}),
        "analyzers": sections.get("analyzers", {"region_relevance": "region_relevance"}),
        "report": {"faces": faces, "title": title},
    }
    try:
        return ExplainConfig.model_validate(document, context={"registry": registry, "base": Path.cwd()})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{place}: {first['msg']}", where=str(folder / FILE), hint="Name methods yourself.") from error


def read_explain_config(folder: Path) -> dict[str, Any]:
    """Return what `write_explain_config` wrote beside a checkpoint; empty when there is nothing."""
    file = folder / FILE
    if not file.is_file():
        return {}
    try:
        sections = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"It cannot be read: {error}.", where=str(file)) from error
    if not isinstance(sections, dict) or not all(isinstance(sections.get(name, {}), dict) for name in _SECTIONS):
        raise ModelError("It does not say how a network was explained.", where=str(file), hint="Get it again.")
    return sections

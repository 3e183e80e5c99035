"""Reads a run's configuration from its YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from mien.config.document import Document, load_document
from mien.config.problems import as_error, find_problems
from mien.config.run_config import RunConfig
from mien.registry import Registry, load_registry

__all__ = ["load_config", "load_document", "parse_config"]


def load_config(path: str | Path, overrides: Sequence[str] = (), registry: Registry | None = None) -> RunConfig:
    """Return the configuration in a file.

    Parameters
    ----------
    path : path
        A YAML file; relative paths in it are relative to its folder.
    overrides : sequence of str
        ``key.key=value``, the value in YAML; a bare id replaces a whole component.
    registry : Registry, optional
        What is installed, by default.

    Raises
    ------
    ConfigError
        When the file cannot be read or does not fit; all problems are listed at once.
    """
    return parse_config(load_document(path, overrides), registry)


def parse_config(document: Document, registry: Registry | None = None) -> RunConfig:
    """Return the configuration that a document holds; see `load_config`."""
    registry = registry or load_registry()
    context = {"registry": registry, "base": document.path.resolve().parent}
    try:
        return RunConfig.model_validate(document.data, context=context)
    except ValidationError as error:
        raise as_error(find_problems(error, document, registry), document.path) from error

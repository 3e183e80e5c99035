"""Whether the parts of a configuration are installed and fit together; known before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mien.config.document import Document
from mien.config.problems import ConfigProblem, as_error
from mien.config.run_config import RunConfig
from mien.errors import ModelError, nearest
from mien.interfaces.component import Component
from mien.registry import Registry


def parts(config: RunConfig) -> Iterator[tuple[str, str, Component]]:
    """Yield every component of a configuration as (key, kind, component)."""
    yield "dataset", "dataset", config.dataset
    yield "detector", "detector", config.detector
    yield "cropper", "cropper", config.cropper
    yield "backbone", "backbone", config.backbone
    yield "objective", "objective", config.objective
    for name, method in config.explain.methods.items():
        yield f"explain.methods.{name}", "attribution", method
    for name, source in config.action_units.items():
        yield f"action_units.{name}", "action_units", source
    for name, analyzer in config.analyzers.items():
        yield f"analyzers.{name}", "analyzer", analyzer


def misfits(config: RunConfig, registry: Registry) -> list[ConfigProblem]:
    """Return what keeps a valid configuration from running on this machine; imports no heavy library."""
    return [*_not_installed(config, registry), *_files(config), *_shapes(config, registry), *_methods(config)]


def require_fit(config: RunConfig, registry: Registry, document: Document | Path) -> None:
    """Raise `ConfigError` with all of `misfits`, if there are any."""
    problems = misfits(config, registry)
    if not problems:
        return
    if isinstance(document, Document):
        located = [replace(problem, origin=document.origin(tuple(problem.key.split(".")))) for problem in problems]
        raise as_error(located, document.path)
    raise as_error(problems, document)


def _not_installed(config: RunConfig, registry: Registry) -> Iterator[ConfigProblem]:
    for key, kind, component in parts(config):
        if component.use not in registry.ids(kind):
            continue  # made in Python, not from the registry
        entry = registry.entry(kind, component.use)
        missing = entry.missing()
        if missing:
            message = f"'{component.use}' needs {', '.join(missing)}, which is not installed."
            yield ConfigProblem(key, message, entry.install_hint())


def _files(config: RunConfig) -> Iterator[ConfigProblem]:
    for key, _, component in parts(config):
        for field, value in component:
            if isinstance(value, Path) and not value.exists():
                near = nearest(value.name, _names(value.parent))
                hint = near if near.startswith("Did") else ""
                yield ConfigProblem(f"{key}.{field}", f"{value} does not exist.", hint)


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _shapes(config: RunConfig, registry: Registry) -> Iterator[ConfigProblem]:
    spec, cropper = config.backbone.input_spec, config.cropper
    if config.detector.scheme not in registry.ids("landmarks"):
        message = f"The landmark scheme '{config.detector.scheme}' of '{config.detector.use}' is not registered."
        yield ConfigProblem("detector", message)
    if spec.layout != cropper.layout:
        message = f"'{config.backbone.use}' takes {spec.layout}, '{cropper.use}' gives {cropper.layout}."
        yield ConfigProblem("backbone", message, "Choose a cropper and a backbone of the same layout.")
        return
    try:
        config.backbone.check(config.windows.frames, cropper.height, cropper.width)
    except ModelError as error:
        yield ConfigProblem("backbone", error.message, error.hint or "")


def _methods(config: RunConfig) -> Iterator[ConfigProblem]:
    lacks = config.backbone.lacks
    for name, method in config.explain.methods.items():
        for need in method.needs:
            if need in lacks:
                message = f"'{method.use}' cannot explain '{config.backbone.use}': {lacks[need]}"
                yield ConfigProblem(f"explain.methods.{name}", message, "Choose another method.")

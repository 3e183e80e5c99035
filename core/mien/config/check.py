"""Whether the parts of a configuration are installed and fit together; known before anything is computed."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mien.config.document import Document
from mien.config.loading import load_document, parse_config
from mien.config.network import network_misfits
from mien.config.problems import ConfigProblem, as_error
from mien.config.run_config import LabelledConfig, RunConfig
from mien.errors import ModelError, nearest
from mien.interfaces.backbone import lacking
from mien.interfaces.component import Component
from mien.promises import broken
from mien.regions.names import POOLED_REGIONS
from mien.registry import Registry, load_registry
from mien.types import InputSpec

log = logging.getLogger(__name__)


def check_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Return the configuration in a file when a run of it can begin here; ``mien config check`` does the same.

    Nothing heavy is imported, but where a method or an analyzer looks at the network (Grad-CAM's layer): it is then
    made with random weights.  Where that cannot be done here, a warning is logged that it was not checked.

    Parameters
    ----------
    path : path
        A YAML file.
    overrides : sequence of str
        ``key.key=value``, as for ``mien run --set``.

    Raises
    ------
    ConfigError
        When it is not valid, a part of it is not installed, or its parts do not fit together; with all problems.
    """
    config, unchecked = checked(path, overrides)
    if unchecked:
        log.warning("%s: %s", path, unchecked)
    return config


def checked(path: str | Path, overrides: Sequence[str] = ()) -> tuple[RunConfig, str]:
    """Return what `check_config` does, and what could not be checked here (empty when all was)."""
    registry = load_registry()
    document = load_document(path, overrides)
    config = parse_config(document, registry)
    problems = misfits(config, registry)
    further, unchecked = network_misfits(config, [problem.key for problem in problems])
    _refuse([*problems, *further], document)
    return config, unchecked


def parts(config: LabelledConfig) -> Iterator[tuple[str, str, Component]]:
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


def misfits(config: LabelledConfig, registry: Registry) -> list[ConfigProblem]:
    """Return what keeps a valid configuration from running on this machine; imports no heavy library."""
    return [
        *_not_installed(config, registry),
        *_unavailable(config),
        *_files(config),
        *(_training(config) if isinstance(config, RunConfig) else ()),
        *(_fractions(config) if isinstance(config, RunConfig) else ()),
        *_shapes(config, registry),
        *_methods(config),
        *_extras(config),
        *_mentions(config),
        *(_explained_split(config) if isinstance(config, RunConfig) else ()),
    ]


def require_fit(config: LabelledConfig, registry: Registry, document: Document | Path) -> None:
    """Raise `ConfigError` with all of `misfits`, if there are any."""
    _refuse(misfits(config, registry), document)


def _refuse(problems: Sequence[ConfigProblem], document: Document | Path) -> None:
    if not problems:
        return
    if isinstance(document, Document):
        located = [replace(problem, origin=document.origin(tuple(problem.key.split(".")))) for problem in problems]
        raise as_error(located, document.path)
    raise as_error(problems, document)


def _not_installed(config: LabelledConfig, registry: Registry) -> Iterator[ConfigProblem]:
    for key, kind, component in parts(config):
        if component.use not in registry.ids(kind):
            continue  # made in Python, not from the registry
        entry = registry.entry(kind, component.use)
        missing = entry.missing()
        if missing:
            message = f"'{component.use}' needs {', '.join(missing)}, which is not installed."
            yield ConfigProblem(key, message, entry.install_hint())


def _unavailable(config: LabelledConfig) -> Iterator[ConfigProblem]:
    for key, _, component in parts(config):
        for choice in component.lacking():
            message = f"'{choice.value}' cannot be used here: {choice.reason}"
            yield ConfigProblem(f"{key}.{choice.field}", message, choice.hint)


def _files(config: LabelledConfig) -> Iterator[ConfigProblem]:
    for key, _, component in parts(config):
        for field, value in component:
            if isinstance(value, Path) and not value.exists():
                yield ConfigProblem(f"{key}.{field}", f"{value} does not exist.", _near(value))


def _training(config: RunConfig) -> Iterator[ConfigProblem]:
    training, start = config.training, config.training.start_from
    if training.logger == "tensorboard" and importlib.util.find_spec("tensorboard") is None:
        message = "'tensorboard' needs the package tensorboard, which is not installed."
        yield ConfigProblem("training.logger", message, "pip install 'mien[tensorboard]', or use 'csv'.")
    if start is not None and not start.exists():
        yield ConfigProblem("training.start_from", f"{start} does not exist.", _near(start))
    if training.balance == "bands" and not config.objective.severity_bands:
        message = f"The objective '{config.objective.use}' has no severity bands to balance."
        yield ConfigProblem("training.balance", message, "Give the objective bands, or set it to none.")


def _near(path: Path) -> str:
    near = nearest(path.name, _names(path.parent))
    return near if near.startswith("Did") else ""


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _shapes(config: LabelledConfig, registry: Registry) -> Iterator[ConfigProblem]:
    spec, cropper = config.backbone.input_spec, config.cropper
    if config.detector.scheme not in registry.ids("landmarks"):
        message = f"The landmark scheme '{config.detector.scheme}' of '{config.detector.use}' is not registered."
        yield ConfigProblem("detector", message)
    if not isinstance(spec, InputSpec):
        raise broken(config.backbone, f"Its input_spec is {type(spec).__name__}.", "'input_spec' is an InputSpec")
    if spec.layout != cropper.layout:
        message = f"'{config.backbone.use}' takes {spec.layout}, '{cropper.use}' gives {cropper.layout}."
        yield ConfigProblem("backbone", message, "Choose a cropper and a backbone of the same layout.")
        return
    try:
        config.backbone.check(config.windows.frames, cropper.height, cropper.width)
    except ModelError as error:
        yield ConfigProblem("backbone", error.message, error.hint or "")


def _fractions(config: RunConfig) -> Iterator[ConfigProblem]:
    test, validation = config.split.test, config.split.validation
    if config.split.scheme == "holdout" and test + validation >= 1:
        message = f"The fractions for test ({test:g}) and validation ({validation:g}) leave no participant to train on."
        yield ConfigProblem("split", message, "Their sum must be less than 1.")


def _explained_split(config: RunConfig) -> Iterator[ConfigProblem]:
    if config.split.scheme != "holdout" and config.explain.split not in {"test", "all"}:
        message = f"With {config.split.scheme} every recording is held out once, and explained by that fold's network."
        yield ConfigProblem("explain.split", message, "Write test, or leave it out.")


def _methods(config: LabelledConfig) -> Iterator[ConfigProblem]:
    lacks = lacking(config.backbone.lacks, config.backbone.input_spec.layout)
    for name, method in config.explain.methods.items():
        if method.backbones and config.backbone.use not in method.backbones:
            message = f"'{method.use}' explains networks of {', '.join(method.backbones)} only, not of this backbone."
            yield ConfigProblem(f"explain.methods.{name}", message, "Choose another method, or another backbone.")
        for need in method.needs:
            if need in lacks:
                message = f"'{method.use}' cannot explain '{config.backbone.use}': {lacks[need]}"
                yield ConfigProblem(f"explain.methods.{name}", message, "Choose another method.")


def _extras(config: LabelledConfig) -> Iterator[ConfigProblem]:
    for name, source in config.action_units.items():
        for need, hint in source.needs.items():
            if need not in config.detector.extras:
                message = (
                    f"'{source.use}' needs {need}, which the detector '{config.detector.use}' does not give as set."
                )
                yield ConfigProblem(f"action_units.{name}", message, hint)


def _mentions(config: LabelledConfig) -> Iterator[ConfigProblem]:
    known = {"method": [*config.explain.methods], "source": [*config.action_units], "region": [*POOLED_REGIONS]}
    places = {"method": "explain.methods", "source": "action_units", "region": "the face"}
    for key, analyzer in config.analyzers.items():
        for field, what, name in analyzer.mentions():
            if name not in known[what]:
                message = f"It names the {what} '{name}', which is not one of {places[what]}."
                yield ConfigProblem(f"analyzers.{key}.{field}", message, nearest(name, known[what]))

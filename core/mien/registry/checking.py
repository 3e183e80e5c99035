"""Holds everything installed to what its manifests say; what can be told without data and within seconds."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from pydantic import ValidationError

from mien.api import API_VERSION, DECLARATION
from mien.errors import ConfigError, MienError, PluginError, nearest, told
from mien.registry.loader import GROUP
from mien.registry.registry import Entry, Problem, Registry
from mien.types import InputSpec

HEAVY = (
    *("torch", "torchvision", "lightning", "captum", "zennit", "cv2", "av", "mediapipe", "pandas", "scipy"),
    *("matplotlib", "plotly", "sklearn", "umap", "skimage", "statsmodels"),
)
"""Libraries that a component imports where it uses them, so that listing and checking a configuration stay fast."""

_PATIENCE = 120.0  # seconds for the modules of one distribution to be imported
_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Checked:
    """What came of checking one thing that a distribution brings.

    Attributes
    ----------
    distribution : str
        ``name==version``.
    what : str
        ``entry point x``, ``attribution x``, ``command x``, or empty for the distribution itself.
    faults : list of str
        What is wrong, in sentences.
    notes : list of str
        What could be better, or is missing on this machine alone.
    """

    distribution: str
    what: str
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_installed(
    registry: Registry,
    commands: Callable[[str], object],
    problems: Sequence[Problem] = (),
    only: str | None = None,
) -> list[Checked]:
    """Return what is wrong with each distribution that has, or seems to be meant to have, plugins of mien.

    Every component of those that are looked at is imported.

    Parameters
    ----------
    commands : callable
        Loads a sub-command by its name, or raises a `MienError`.
    problems : sequence of Problem
        Further ones than the registry's.
    only : str, optional
        The name of one distribution, of which alone is told.

    Raises
    ------
    ConfigError
        When there is none of this name.
    """
    found = [*_plugins(registry, [*registry.problems, *problems]), *_without_entry_point()]
    distributions = dict.fromkeys(one.distribution for one in found)
    if only is not None:
        distributions = dict.fromkeys(_named(only, list(distributions)))
        found = [one for one in found if one.distribution in distributions]
    for entry in registry.entries():
        if entry.distribution in distributions:
            found.append(Checked(entry.distribution, f"{entry.kind} {entry.id}", *_component(entry, registry)))
    for name, command in registry.commands.items():
        if command.distribution in distributions:
            found.append(Checked(command.distribution, f"command {name}", _failure(commands, name)))
    for distribution in distributions:
        heavy = [] if distribution.partition("==")[0] == "mien" else _weight(distribution, registry)
        if heavy:
            found.append(Checked(distribution, "imports", heavy))
    return sorted(found, key=lambda one: (not one.distribution.startswith("mien=="), one.distribution))


def _named(name: str, distributions: Sequence[str]) -> list[str]:
    """Return the distributions of a name, however its hyphens and capitals are written."""

    def plain(text: str) -> str:
        return text.partition("==")[0].lower().replace("_", "-")

    found = [distribution for distribution in distributions if plain(distribution) == plain(name)]
    if not found:
        known = {distribution.partition("==")[0] for distribution in distributions if distribution}
        raise ConfigError(f"No installed distribution '{name}' has plugins of mien.", hint=nearest(name, known))
    return found


def _plugins(registry: Registry, problems: Sequence[Problem]) -> Iterator[Checked]:
    left = list(problems)
    for plugin in registry.plugins:
        owner = f"{plugin.name} ({plugin.value})"
        own = [problem for problem in left if (problem.owner, problem.distribution) == (owner, plugin.distribution)]
        left = [problem for problem in left if problem not in own]
        declaration = f'{DECLARATION} = "{API_VERSION}"'
        undeclared = f"It does not say which API it was made for: write {declaration} in {plugin.value}."
        notes = [undeclared] if plugin.loaded and plugin.api is None else []
        yield Checked(plugin.distribution, f"entry point {plugin.name}", [problem.message for problem in own], notes)
    for problem in left:
        yield Checked(problem.distribution, problem.owner, [problem.message])


def _without_entry_point() -> Iterator[Checked]:
    for distribution in importlib.metadata.distributions():
        name = str(distribution.metadata["Name"] or "")
        if name == "mien" or any(point.group == GROUP for point in distribution.entry_points):
            continue
        told_so = f"It has no entry point in the group '{GROUP}', by which mien would find its plugins."
        section = f'[project.entry-points.{GROUP}] with name = "package.manifest"'
        what_to_do = f"Add {section} to its pyproject.toml, and install it again."
        owner = f"{name}=={distribution.version}"
        if name.lower().replace("_", "-").startswith("mien-"):
            yield Checked(owner, "", [f"{told_so} {what_to_do}"])
        elif any(_required(text) == "mien" for text in distribution.requires or ()):
            yield Checked(owner, "", [], [f"It requires mien. {told_so} If it is meant to: {what_to_do}"])


def _required(requirement: str) -> str:
    match = _NAME.match(requirement)
    return match[0].lower() if match else ""


def _component(entry: Entry, registry: Registry) -> tuple[list[str], list[str]]:
    """Return what is wrong with a component, and what is to be noted."""
    missing = entry.missing()
    if missing:
        said = f"It needs {', '.join(missing)}, which is not installed. {entry.install_hint()}"
        return ([], [said]) if entry.extra else ([said], [])
    try:
        loaded = registry.load(entry.kind, entry.id)
        if entry.kind == "landmarks":
            return _scheme(registry.scheme(entry.id)), []
    except MienError as error:
        return [f"{error.message} {error.hint or ''}".strip()], []
    faults = list(chain(_class(loaded), _declared(loaded, registry), _configuration(entry, loaded, registry)))
    return faults, []


def _class(loaded: Any) -> Iterator[str]:
    if not (vars(loaded).get("__doc__") or "").strip():
        yield "It has no docstring, which its listing and its page would show."
    if inspect.isabstract(loaded):
        yield f"It does not implement {', '.join(sorted(loaded.__abstractmethods__))}."
    if loaded.model_config.get("extra") != "forbid" or not loaded.model_config.get("frozen"):
        yield "Its model_config allows unknown keys, or fields to be changed; a component forbids both."
    if not (isinstance(loaded.version, int) and loaded.version >= 1):
        yield f"Its version is {loaded.version!r}; it must be a whole number from 1 on."
    yield from _failure(loaded.model_json_schema, says="Its fields have no JSON Schema")
    yield from _failure(loaded.unavailable, says="'unavailable' failed")
    yield from _failure(loaded.known_weights, says="'known_weights' failed")


def _declared(loaded: Any, registry: Registry) -> Iterator[str]:
    from mien.tables import TABLES

    completeness = getattr(loaded, "completeness", "none")
    if completeness not in ("exact", "approximate", "none"):
        yield f"Its completeness is {completeness!r}; it must be exact, approximate or none."
    tables = getattr(loaded, "tables", ())
    for table in tables if isinstance(tables, tuple) else ():
        if table.name in TABLES:
            yield f"It describes a table '{table.name}', which is one of the run itself."


def _configuration(entry: Entry, loaded: Any, registry: Registry) -> Iterator[str]:
    """Make it with its defaults, where they are allowed: it must come back from its dump, and travel to workers."""
    if inspect.isabstract(loaded):
        return
    try:
        made = registry.create(entry.kind, entry.id)
    except ValidationError:  # it needs fields to be set
        return
    except Exception as error:  # noqa: BLE001  a stranger's validator may raise anything
        yield f"It cannot be made with its defaults: {told(error)}."
        return
    again = _failure(lambda: _same(made, loaded.model_validate(json.loads(made.model_dump_json()))))
    yield from [f"Its dump does not give it back: {fault}" for fault in again]
    travelled = _failure(lambda: _same(made, pickle.loads(pickle.dumps(made))))
    yield from [f"It does not travel to worker processes: {fault}" for fault in travelled]
    yield from _failure(_require_fit, made, entry.kind, registry)


def _require_fit(made: Any, kind: str, registry: Registry) -> None:
    """Raise `PluginError` when what a component gives to others is not what they take."""
    if kind == "backbone" and not isinstance(made.input_spec, InputSpec):
        raise PluginError(f"Its input_spec is {type(made.input_spec).__name__}; it must be an InputSpec.")
    if kind == "detector" and made.scheme not in registry.ids("landmarks"):
        raise PluginError(f"Its landmark scheme '{made.scheme}' is not registered.")


def _same(made: Any, other: Any) -> None:
    if made.model_dump() != other.model_dump():
        raise ValueError("its fields differ")


def _scheme(scheme: Any) -> list[str]:
    import numpy as np

    points = range(scheme.points)
    used = {"outline": scheme.outline, "stable": scheme.stable, **scheme.regions, **scheme.named_points}
    faults = [f"'{name}' names a point that it has not." for name, own in used.items() if not set(own) <= set(points)]
    if np.shape(scheme.mean_face) != (scheme.points, 2):
        faults.append(f"The mean face has the shape {np.shape(scheme.mean_face)}, not {(scheme.points, 2)}.")
    elif not np.isfinite(scheme.mean_face).all():
        faults.append("The mean face holds NaN or infinite values.")
    return faults


def _failure(call: Callable[..., object], *args: Any, says: str = "") -> list[str]:
    """Return what a call raises as a sentence; empty when it raises nothing."""
    try:
        call(*args)
    except KeyboardInterrupt:  # the user's
        raise
    except MienError as error:
        said = f"{error.message} {error.hint or ''}".strip()
    except BaseException as error:  # noqa: BLE001  a stranger's code may raise anything, SystemExit too
        said = f"{told(error)}."
    else:
        return []
    return [f"{says}: {said}" if says else said]


_LIGHT = """
import importlib, json, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
print(json.dumps([name for name in json.loads(sys.argv[1]) if name in sys.modules]))
"""


def _weight(distribution: str, registry: Registry) -> list[str]:
    """Return the heavy libraries that a distribution's modules import, in a sentence; tried in a process of its own."""
    modules = [plugin.value for plugin in registry.plugins if plugin.distribution == distribution]
    modules += [entry.target for entry in registry.entries() if entry.distribution == distribution]
    if not modules:
        return []
    names = list(dict.fromkeys(module.partition(":")[0] for module in modules))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", _LIGHT, json.dumps(HEAVY), *names]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return [f"Its modules are not imported after {_PATIENCE:g} seconds."]
    if done.returncode != 0:
        return []  # what cannot be imported is told with the component
    lines = done.stdout.splitlines()
    if not lines:
        return []  # a module that ends the process, which is told with the plugin
    try:
        heavy = json.loads(lines[-1]) if len(lines) == 1 else None
    except ValueError:
        heavy = None
    if not isinstance(heavy, list):
        return ["Its modules print when they are imported: a plugin writes nothing to standard output."]
    said = f"Its modules import {', '.join(heavy)} at once: import heavy libraries where they are used."
    return [said] if heavy else []

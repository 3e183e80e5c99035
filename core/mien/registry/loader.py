"""Finds installed plugins through the entry-point group ``mien``."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

import pluggy

from mien.registry import hooks
from mien.registry.registry import Problem, Registrar, Registry

GROUP = "mien"
LIMIT = "MIEN_PLUGINS"


@lru_cache(maxsize=1)
def load_registry() -> Registry:
    """Return the registry of everything installed; loaded once a process.

    The environment variable ``MIEN_PLUGINS`` limits what loads to a comma-separated list of entry-point
    names.  A broken plugin becomes a problem of the registry and hurts nobody else.
    """
    manager = pluggy.PluginManager("mien")
    manager.add_hookspecs(hooks)
    registry = Registry(manager)
    for point in _wanted(sorted(entry_points(group=GROUP), key=_built_in_first), registry):
        _load(point, manager, registry)
    return registry


def _built_in_first(point: EntryPoint) -> tuple[bool, str, str]:
    # The built-in plugins keep their ids when a stranger registers the same one.
    distribution = point.dist.name if point.dist else ""
    return distribution != "mien", point.name, distribution


def _wanted(points: list[EntryPoint], registry: Registry) -> list[EntryPoint]:
    limit = os.environ.get(LIMIT)
    if limit is None:
        return points
    names = {name.strip() for name in limit.split(",") if name.strip()}
    for name in sorted(names - {point.name for point in points}):
        registry.problems.append(Problem(LIMIT, f"No installed plugin has the entry point '{name}'."))
    return [point for point in points if point.name in names]


def _load(point: EntryPoint, manager: pluggy.PluginManager, registry: Registry) -> None:
    distribution = f"{point.dist.name}=={point.dist.version}" if point.dist else "unknown"
    owner = f"{point.name} ({point.value})"
    name = f"{distribution}:{point.name}"
    if manager.has_plugin(name):
        registry.problems.append(Problem(owner, f"{distribution} declares the entry point twice."))
        return
    try:
        manager.register(point.load(), name=name)
        others = [plugin for plugin_name, plugin in manager.list_name_plugin() if plugin_name != name]
        call = manager.subset_hook_caller("mien_register", remove_plugins=others)
        call(registry=Registrar(registry, owner, distribution))
    except Exception as error:  # noqa: BLE001  a stranger's code may raise anything, and must not take mien down
        message = f"{distribution} cannot be loaded: {type(error).__name__}: {error}"
        registry.problems.append(Problem(owner, message))

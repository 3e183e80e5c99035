"""Finds installed plugins through the entry-point group ``mien``."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

import pluggy

from mien.api import DECLARATION, declared_in_source, mismatch
from mien.errors import nearest, told
from mien.registry import hooks
from mien.registry.commands import CommandEntry, Commands
from mien.registry.registry import Plugin, Problem, Registrar, Registry

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
        message = f"{distribution} declares the entry point twice."
        registry.problems.append(Problem(owner, message, distribution))
        return
    plugin = Plugin(point.name, point.value, distribution)
    try:
        plugin = _admit(point, plugin, manager, registry)
    except KeyboardInterrupt:  # the user's
        raise
    except BaseException as error:  # noqa: BLE001  a stranger's code may raise anything, SystemExit too
        if manager.has_plugin(name):
            manager.unregister(name=name)
        registry.forget(owner)
        refused = _refused(point, error)
        if refused is None:
            message = f"{distribution} cannot be loaded: {told(error)}."
        else:
            plugin = replace(plugin, api=str(refused.declared))
            message = f"{distribution} is not loaded: {refused}."
        registry.problems.append(Problem(owner, message, distribution))
        plugin = replace(plugin, loaded=False)
    registry.plugins.append(plugin)


class _MismatchError(Exception):
    """A plugin was made for another interface; the text says which, and what to do."""

    def __init__(self, declared: object, reason: str) -> None:
        super().__init__(reason)
        self.declared = declared


def _refused(point: EntryPoint, error: BaseException) -> _MismatchError | None:
    """Return the mismatch that an error is, or that lies behind it: names of another interface cannot be imported."""
    if isinstance(error, _MismatchError):
        return error
    declared = declared_in_source(point.value.partition(":")[0]) if isinstance(error, ImportError) else None
    reason = None if declared is None else mismatch(declared)
    return None if reason is None else _MismatchError(declared, reason)


def _admit(point: EntryPoint, plugin: Plugin, manager: pluggy.PluginManager, registry: Registry) -> Plugin:
    """Register a plugin's hooks and components, if it was made for this interface; return what is known of it."""
    manifest = point.load()
    declared = getattr(manifest, DECLARATION, None)
    reason = None if declared is None else mismatch(declared)
    if reason is not None:
        raise _MismatchError(declared, reason)
    owner, distribution = f"{point.name} ({point.value})", plugin.distribution
    name = f"{distribution}:{point.name}"
    manager.register(manifest, name=name)
    for hook in _unknown_hooks(manager, manifest):
        hint = nearest(hook, _known_hooks(manager))
        message = f"{distribution} implements the hook '{hook}', which mien does not have. {hint}"
        registry.problems.append(Problem(owner, message, distribution))
    others = [plugin for plugin_name, plugin in manager.list_name_plugin() if plugin_name != name]
    register = manager.subset_hook_caller("mien_register", remove_plugins=others)
    register(registry=Registrar(registry, owner, distribution))
    add_commands = manager.subset_hook_caller("mien_commands", remove_plugins=others)
    add_commands(
        commands=Commands(
            lambda name, target, help: registry.add_command(CommandEntry(name, target, owner, distribution, help))
        )
    )
    return replace(plugin, api=declared)


def _known_hooks(manager: pluggy.PluginManager) -> list[str]:
    return [name for name, caller in vars(manager.hook).items() if caller.has_spec()]


def _unknown_hooks(manager: pluggy.PluginManager, manifest: object) -> list[str]:
    callers = manager.get_hookcallers(manifest) or []
    return sorted(caller.name for caller in callers if not caller.has_spec())

"""The door: which plugins are installed, what they bring, and how their components are made."""

from mien.registry.commands import CommandEntry, Commands
from mien.registry.hooks import hookimpl, hookspec
from mien.registry.kinds import KINDS, Kind
from mien.registry.loader import load_registry
from mien.registry.registry import Entry, Plugin, Problem, Registrar, Registry

__all__ = [
    "KINDS",
    "CommandEntry",
    "Commands",
    "Entry",
    "Kind",
    "Plugin",
    "Problem",
    "Registrar",
    "Registry",
    "hookimpl",
    "hookspec",
    "load_registry",
]

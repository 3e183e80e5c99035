"""The door: which plugins are installed, what they bring, and how their components are made."""

from mien.registry.hooks import hookimpl, hookspec
from mien.registry.kinds import KINDS, Kind
from mien.registry.loader import load_registry
from mien.registry.registry import Entry, Problem, Registrar, Registry

__all__ = [
    "KINDS",
    "Entry",
    "Kind",
    "Problem",
    "Registrar",
    "Registry",
    "hookimpl",
    "hookspec",
    "load_registry",
]

"""Which ids exist, who owns them, and how their components are made on first use."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pluggy

from mien.errors import ConfigError, PluginError, nearest
from mien.registry.kinds import KINDS
from mien.types import LandmarkScheme

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A registered component that may not have been imported yet."""

    kind: str
    id: str
    target: str
    owner: str
    distribution: str
    requires: tuple[str, ...] = ()
    extra: str = ""
    help: str = ""

    def missing(self) -> list[str]:
        """Return the declared requirements that are not installed, without importing any."""
        return [name for name in self.requires if not _installed(name)]

    def install_hint(self) -> str:
        """Return the sentence that says how to get what is missing."""
        what = f"mien[{self.extra}]" if self.extra else " ".join(self.missing())
        return f"Install it: pip install '{what}'."


@dataclass(frozen=True)
class Problem:
    """Something wrong with an installed plugin, found while loading."""

    owner: str
    message: str


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


class Registry:
    """``kind -> id -> entry``; filled once by the loader."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self._classes: dict[tuple[str, str], Any] = {}
        self.problems: list[Problem] = []
        self.hooks = manager.hook

    def entries(self, kind: str | None = None) -> Sequence[Entry]:
        """Return the entries of a kind, or all, ordered by kind and id."""
        kinds = [kind] if kind else list(KINDS)
        return [self._entries[k][id_] for k in kinds for id_ in sorted(self._entries[k])]

    def ids(self, kind: str) -> list[str]:
        """Return the registered ids of a kind, sorted."""
        return sorted(self._entries[kind])

    def add(self, entry: Entry) -> None:
        """Add an entry; the first owner of an id keeps it, and both are named as a problem."""
        known = self._entries[entry.kind]
        if entry.id in known:
            first = known[entry.id]
            self.problems.append(
                Problem(
                    entry.owner,
                    f"{entry.kind} '{entry.id}' is registered by both {first.owner} ({first.distribution}) and "
                    f"{entry.owner} ({entry.distribution}); the first is used.",
                )
            )
            return
        known[entry.id] = entry

    def entry(self, kind: str, id_: str) -> Entry:
        """Return the entry, or raise `ConfigError` with the nearest known id."""
        found = self._entries[kind].get(id_)
        if found is None:
            raise ConfigError(
                f"There is no {kind} '{id_}'.", hint=nearest(id_, self._entries[kind]), where=f"use: {id_}"
            )
        return found

    def load(self, kind: str, id_: str) -> Any:
        """Import and return what is registered: a component class, or the function of a landmark scheme."""
        if (kind, id_) not in self._classes:
            self._classes[kind, id_] = self._import(self.entry(kind, id_))
        return self._classes[kind, id_]

    def _import(self, entry: Entry) -> Any:
        where = f"{entry.kind} '{entry.id}' of {entry.distribution}"
        module, _, name = entry.target.partition(":")
        try:
            loaded = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            missing = entry.missing()
            hint = entry.install_hint() if missing else f"{entry.target} was promised by its manifest."
            raise PluginError(f"It cannot be imported: {error}.", where=where, hint=hint) from error
        if entry.kind != "landmarks":
            interface = KINDS[entry.kind].load_interface()
            if not (isinstance(loaded, type) and issubclass(loaded, interface)):
                raise PluginError(f"{entry.target} is not a subclass of {KINDS[entry.kind].interface}.", where=where)
        return loaded

    def create(
        self,
        kind: str,
        use: str,
        fields: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Make the component ``use`` of a kind.

        Parameters
        ----------
        context : mapping, optional
            ``base``: the folder that relative paths are relative to.

        Raises
        ------
        ConfigError
            When the id is unknown.
        PluginError
            When it cannot be imported.
        pydantic.ValidationError
            When the fields do not fit.
        """
        entry = self.entry(kind, use)
        component = self.load(kind, use).model_validate(dict(fields or {}), context=dict(context or {}))
        return component.named(use, entry.distribution)

    def require(self, kind: str, use: str) -> None:
        """Raise `PluginError` when a declared requirement of the component is not installed."""
        entry = self.entry(kind, use)
        if entry.missing():
            raise PluginError(
                f"It needs {', '.join(entry.missing())}, which is not installed.",
                where=f"{kind} '{use}' of {entry.distribution}",
                hint=entry.install_hint(),
            )

    def tell(self, hook: str, **news: Any) -> None:
        """Call a hook of every plugin that has it; one that fails is logged, and hurts nobody else."""
        for implementation in getattr(self.hooks, hook).get_hookimpls():
            wanted = {name: news[name] for name in implementation.argnames}
            try:
                implementation.function(*wanted.values())
            except Exception as error:  # noqa: BLE001  a stranger's code may raise anything; the run goes on
                log.warning("The plugin %s failed in %s: %r", implementation.plugin_name, hook, error)

    def scheme(self, id_: str) -> LandmarkScheme:
        """Return a landmark scheme, made once."""
        if ("scheme", id_) not in self._classes:
            self._classes["scheme", id_] = self.load("landmarks", id_)()
        scheme: LandmarkScheme = self._classes["scheme", id_]
        return scheme


class Registrar:
    """What the hook ``mien_register`` is handed: one method a kind."""

    def __init__(self, registry: Registry, owner: str, distribution: str) -> None:
        self._registry = registry
        self._owner = owner
        self._distribution = distribution

    def _add(self, kind: str, id_: str, target: str, requires: Sequence[str], extra: str, help_: str) -> None:
        if ":" not in target:
            message = f"{kind} '{id_}': '{target}' is not of the form 'package.module:Name'."
            self._registry.problems.append(Problem(self._owner, message))
            return
        self._registry.add(Entry(kind, id_, target, self._owner, self._distribution, tuple(requires), extra, help_))

    def dataset(self, id: str, target: str, *, requires: Sequence[str] = (), extra: str = "", help: str = "") -> None:
        """Register a data set.  ``requires`` names the modules it imports on use; ``extra`` mien's extra for them."""
        self._add("dataset", id, target, requires, extra, help)

    def detector(self, id: str, target: str, *, requires: Sequence[str] = (), extra: str = "", help: str = "") -> None:
        """Register a face detector."""
        self._add("detector", id, target, requires, extra, help)

    def landmarks(self, id: str, target: str, *, requires: Sequence[str] = (), extra: str = "", help: str = "") -> None:
        """Register a landmark scheme: ``target`` is a function without arguments that returns it."""
        self._add("landmarks", id, target, requires, extra, help)

    def cropper(self, id: str, target: str, *, requires: Sequence[str] = (), extra: str = "", help: str = "") -> None:
        """Register a cropper."""
        self._add("cropper", id, target, requires, extra, help)

    def backbone(self, id: str, target: str, *, requires: Sequence[str] = (), extra: str = "", help: str = "") -> None:
        """Register a backbone."""
        self._add("backbone", id, target, requires, extra, help)

    def objective(self, id: str, target: str, *, requires: Sequence[str] = (), extra: str = "", help: str = "") -> None:
        """Register an objective."""
        self._add("objective", id, target, requires, extra, help)

    def attribution(
        self, id: str, target: str, *, requires: Sequence[str] = (), extra: str = "", help: str = ""
    ) -> None:
        """Register an attribution method."""
        self._add("attribution", id, target, requires, extra, help)

    def action_units(
        self, id: str, target: str, *, requires: Sequence[str] = (), extra: str = "", help: str = ""
    ) -> None:
        """Register a source of Action Units."""
        self._add("action_units", id, target, requires, extra, help)

    def analyzer(self, id: str, target: str, *, requires: Sequence[str] = (), extra: str = "", help: str = "") -> None:
        """Register an analyzer."""
        self._add("analyzer", id, target, requires, extra, help)

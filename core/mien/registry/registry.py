"""Which ids exist, who owns them, and how their components are made on first use."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pluggy

from mien.errors import ConfigError, MienError, PluginError, nearest, told
from mien.registry.commands import COMMAND_NAME, CommandEntry
from mien.registry.kinds import KINDS
from mien.types import LandmarkScheme

log = logging.getLogger(__name__)

_TARGET = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")
_ID = re.compile(r"\w[\w.-]*", re.ASCII)


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
        # A module is not called like its distribution (sklearn is scikit-learn's); the plugin's own declares its needs.
        what = f"mien[{self.extra}]" if self.extra else self.distribution.partition("==")[0] or " ".join(self.missing())
        return f"Install it: pip install '{what}'."


@dataclass(frozen=True)
class Problem:
    """Something wrong with an installed plugin, found while loading.

    ``distribution`` is ``name==version``; empty where the problem is of none.
    """

    owner: str
    message: str
    distribution: str = ""


@dataclass(frozen=True)
class Plugin:
    """An entry point of the group ``mien``.

    Attributes
    ----------
    name, value : str
        As the distribution declares them.
    distribution : str
        ``name==version``.
    api : str or None
        The version of mien's interface that it says it was made for; None where it says nothing.
    loaded : bool
        Whether its components and hooks are in use; else a problem says why not.
    """

    name: str
    value: str
    distribution: str
    api: str | None = None
    loaded: bool = True


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except KeyboardInterrupt:  # the user's
        raise
    except BaseException:  # noqa: BLE001  to find a module of a package runs the package, which may raise anything
        return False


class Registry:
    """``kind -> id -> entry``; filled once by the loader."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self._classes: dict[tuple[str, str], Any] = {}
        self.commands: dict[str, CommandEntry] = {}
        self.plugins: list[Plugin] = []
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
                    entry.distribution,
                )
            )
            return
        known[entry.id] = entry

    def add_command(self, entry: CommandEntry) -> None:
        """Add a sub-command of ``mien``; the first owner of a name keeps it."""
        first = self.commands.get(entry.name)
        texts = all(isinstance(text, str) for text in (entry.name, entry.target, entry.help))
        if not (texts and COMMAND_NAME.fullmatch(entry.name) and _TARGET.fullmatch(entry.target)):
            message = (
                f"The command '{entry.name}' of {entry.distribution} cannot be added: the name is made of a-z, 0-9 and "
                f"hyphens, '{entry.target}' must be of the form 'package.module:name', and its help a text."
            )
        elif first is not None:
            message = (
                f"The command '{entry.name}' is brought by both {first.distribution} and {entry.distribution}; the "
                "first is used."
            )
        else:
            self.commands[entry.name] = entry
            return
        self.problems.append(Problem(entry.owner, message, entry.distribution))

    def forget(self, owner: str) -> None:
        """Remove all that an owner registered: a plugin that fails on the way is not in use by half."""
        for entries in self._entries.values():
            for id_ in [id_ for id_, entry in entries.items() if entry.owner == owner]:
                del entries[id_]
        self.commands = {name: entry for name, entry in self.commands.items() if entry.owner != owner}

    def entry(self, kind: str, id_: str) -> Entry:
        """Return the entry, or raise `ConfigError` with the nearest known id."""
        found = self._entries[kind].get(id_)
        if found is None:
            raise ConfigError(f"There is no {kind} '{id_}'.", hint=self.instead(kind, id_), where=f"use: {id_}")
        return found

    def instead(self, kind: str, id_: str, known: Iterable[str] = ()) -> str:
        """Return a hint for an id that is not known: the nearest one, and which plugins could not be loaded.

        Parameters
        ----------
        known : iterable of str
            Further names that would do.
        """
        lost = {plugin.distribution for plugin in self.plugins if not plugin.loaded}
        own = f"{kind} '{id_}' of "  # how a registration that was refused is told
        reasons = [one.message for one in self.problems if one.distribution in lost or one.message.startswith(own)]
        return " ".join([nearest(id_, {*self._entries[kind], *known}), *reasons]).strip()

    def load(self, kind: str, id_: str) -> Any:
        """Import and return what is registered: a component class, or the function of a landmark scheme."""
        if (kind, id_) not in self._classes:
            self._classes[kind, id_] = self._import(self.entry(kind, id_))
        return self._classes[kind, id_]

    def _import(self, entry: Entry) -> Any:
        where = f"{entry.kind} '{entry.id}' of {entry.distribution}"
        try:
            loaded = import_target(entry.target)
        except KeyboardInterrupt:  # the user's
            raise
        except BaseException as error:  # a stranger's module may raise anything, SystemExit too
            missing = entry.missing()
            hint = entry.install_hint() if missing else f"{entry.target} was promised by its manifest."
            raise PluginError(f"It cannot be imported: {told(error)}.", where=where, hint=hint) from error
        if entry.kind != "landmarks":
            interface = KINDS[entry.kind].load_interface()
            if not (isinstance(loaded, type) and issubclass(loaded, interface)):
                raise PluginError(f"{entry.target} is not a subclass of {KINDS[entry.kind].interface}.", where=where)
        elif not callable(loaded):
            raise PluginError(f"{entry.target} is not a function that returns a landmark scheme.", where=where)
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

    def tell(self, hook: str, **news: Any) -> list[str]:
        """Call a hook of every plugin that has it; return what failed, in sentences. It hurts nobody else."""
        return [str(answer) for _, answer in self.ask(hook, **news) if isinstance(answer, MienError)]

    def ask(self, hook: str, **news: Any) -> Iterator[tuple[str, Any]]:
        """Call a hook of every plugin that has it.

        Yields
        ------
        distribution : str
            ``name==version``.
        answer : object
            What the plugin returned; a `PluginError` when it raised.
        """
        for implementation in getattr(self.hooks, hook).get_hookimpls():
            distribution = implementation.plugin_name.rpartition(":")[0]
            # A plugin that writes into what it is told must not change the run.
            wanted = [_own(news[name]) for name in implementation.argnames]
            try:
                answer = implementation.function(*wanted)
            except KeyboardInterrupt:  # the user's
                raise
            except BaseException as error:  # a stranger's code may raise anything; the run goes on
                log.debug("%s failed in %s", distribution, hook, exc_info=error)
                answer = PluginError(
                    f"The hook '{hook}' of {distribution} failed: {told(error)}.",
                    hint="A hook must not fail; tell the plugin's authors.",
                )
                log.warning("%s", answer)
            yield distribution, answer

    def scheme(self, id_: str) -> LandmarkScheme:
        """Return a landmark scheme, made once.

        Raises
        ------
        ConfigError
            When there is none of this id.
        PluginError
            When what is registered gives none.
        """
        if ("scheme", id_) not in self._classes:
            self._classes["scheme", id_] = self._scheme(self.entry("landmarks", id_))
        scheme: LandmarkScheme = self._classes["scheme", id_]
        return scheme

    def _scheme(self, entry: Entry) -> LandmarkScheme:
        where = f"landmarks '{entry.id}' of {entry.distribution}"
        try:
            made = self.load("landmarks", entry.id)()
        except MienError:
            raise
        except Exception as error:  # a stranger's function may raise anything
            raise PluginError(f"{entry.target} raised {told(error)}.", where=where) from error
        if not isinstance(made, LandmarkScheme):
            raise PluginError(
                f"{entry.target} returned {type(made).__name__}; it must return a LandmarkScheme.", where=where
            )
        if made.id != entry.id:
            raise PluginError(
                f"The scheme calls itself '{made.id}'.", where=where, hint="Its id must be the one it is registered by."
            )
        return made


def import_target(target: str) -> Any:
    """Return what ``module:attribute`` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _own(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, dict) else value


def _fault(id_: Any, target: Any, requires: Any, texts: Sequence[Any]) -> str:
    """Return what is wrong with the arguments of a registration; empty for nothing."""
    if not isinstance(id_, str) or not _ID.fullmatch(id_):
        return "an id is a text of letters, digits, '_', '-' and '.'"
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        return f"'{target}' is not of the form 'package.module:Name'"
    if isinstance(requires, str):
        return f"'requires' is the text '{requires}', not a list of modules"
    if not isinstance(requires, Sequence) or not all(isinstance(name, str) for name in requires):
        return f"'requires' is {requires!r}, not a list of modules"
    if not all(isinstance(text, str) for text in texts):
        return "'extra' and 'help' are texts"
    return ""


class Registrar:
    """What the hook ``mien_register`` is handed: one method a kind."""

    def __init__(self, registry: Registry, owner: str, distribution: str) -> None:
        self._registry = registry
        self._owner = owner
        self._distribution = distribution

    def _add(self, kind: str, id_: str, target: str, requires: Sequence[str], extra: str, help_: str) -> None:
        fault = _fault(id_, target, requires, (extra, help_))
        if fault:
            message = f"{kind} '{id_}' of {self._distribution} is not registered: {fault}."
            self._registry.problems.append(Problem(self._owner, message, self._distribution))
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

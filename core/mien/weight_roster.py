"""All the weight files that installed components may fetch, and what is known of those that are here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import ConfigError, ModelError, PluginError, nearest
from mien.weights import WeightFile, weights_folder

if TYPE_CHECKING:
    from mien.interfaces import Component
    from mien.progress import Progress
    from mien.registry import Registry

_BESIDE = (".part", ".sha256")


@dataclass(frozen=True)
class KnownWeights:
    """A weight file and the components that may use it, as ``<kind> <id>``."""

    file: WeightFile
    users: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return what can be said without reading the file, ready for JSON."""
        path = self.file.path
        return {
            "name": self.file.name,
            "note": self.file.note,
            "users": list(self.users),
            "present": path.is_file(),
            "bytes": path.stat().st_size if path.is_file() else None,
            "verified_by": self.file.verified_by,
            "url": self.file.url,
            "path": str(path),
        }


@dataclass(frozen=True)
class Roster:
    """The weight files of all components, by name; ``problems`` names the components that cannot be asked."""

    known: Sequence[KnownWeights]
    problems: Sequence[str] = ()

    def select(self, names: Iterable[str]) -> list[WeightFile]:
        """Return the files of these names; all without one.

        Raises
        ------
        ConfigError
            When there is no such file; the nearest name is told.
        """
        by_name = {each.file.name: each.file for each in self.known}
        wanted = list(names) or list(by_name)
        for name in wanted:
            if name not in by_name:
                raise ConfigError(f"No installed component knows the weights '{name}'.", hint=nearest(name, by_name))
        return [by_name[name] for name in wanted]


@dataclass(frozen=True)
class Verified:
    """What reading a weight file found: ``damaged`` is the reason, or None."""

    name: str
    present: bool
    verified_by: str
    sha256: str | None = None
    damaged: str | None = None


def roster(registry: Registry) -> Roster:
    """Return the weight files of every installed component; imports the components' modules."""
    files: dict[str, WeightFile] = {}
    users: dict[str, list[str]] = {}
    problems = []
    for entry in registry.entries():
        if entry.kind == "landmarks":
            continue
        try:
            known: Sequence[WeightFile] = registry.load(entry.kind, entry.id).known_weights()
        except PluginError as error:
            problems.append(str(error))
            continue
        for file in known:
            files.setdefault(file.name, file)
            users.setdefault(file.name, []).append(f"{entry.kind} {entry.id}")
    known_files = [KnownWeights(files[name], tuple(users[name])) for name in sorted(files, key=str.lower)]
    return Roster(known_files, tuple(problems))


def needed(components: Iterable[Component]) -> list[WeightFile]:
    """Return the weight files that components fetch, each once."""
    return list({file.name: file for component in components for file in component.needed_weights()}.values())


def others(known: Roster) -> list[Path]:
    """Return the files in the folder of weights that no component knows."""
    names = {each.file.name for each in known.known}
    folder = weights_folder()
    found = sorted(folder.rglob("*")) if folder.is_dir() else []
    return [path for path in found if path.is_file() and path.name not in names and path.suffix not in _BESIDE]


def verify(files: Iterable[WeightFile]) -> Iterator[Verified]:
    """Yield what reading each file finds; files that are not here are told so."""
    for file in files:
        if not file.path.is_file():
            yield Verified(file.name, False, file.verified_by)
            continue
        try:
            yield Verified(file.name, True, file.verified_by, sha256=file.verify())
        except ModelError as error:
            yield Verified(file.name, True, file.verified_by, damaged=error.message)


def fetch_all(files: Sequence[WeightFile], progress: Progress) -> Iterator[tuple[WeightFile, ModelError | None]]:
    """Fetch the files that are not here, verify all, and yield each with the error that it gave, or None."""
    for file in files:
        try:
            file.fetch(progress)
        except ModelError as error:
            yield file, error
        else:
            yield file, None

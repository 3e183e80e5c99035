"""What a new plugin is called; names that cannot be used are told before anything is written."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mien.errors import ConfigError, nearest
from mien.registry import KINDS, Registry, load_registry

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)  # PEP 508
_LONGEST = 40
_IMPORTED = ("Any", "Callable", "ClassVar", "Field", "Iterable", "Iterator", "Literal", "Mapping", "Path", "Sequence")
"""What the templates import besides mien's own names: a class of such a name would hide it."""


@dataclass(frozen=True)
class Design:
    """The names of a new plugin.

    Attributes
    ----------
    kind : str
    name : str
        The id under which it is registered.
    distribution : str
        What pip calls it; also the folder's name.
    module : str
        What Python calls it.
    class_name : str
    author : str
    """

    kind: str
    name: str
    distribution: str
    module: str
    class_name: str
    author: str


def design(
    kind: str, name: str, distribution: str | None = None, author: str | None = None, registry: Registry | None = None
) -> Design:
    """Return the names of a new plugin.

    Parameters
    ----------
    kind : str
    name : str
        Lower case, a Python name.
    distribution : str, optional
        ``mien-`` and the name by default.
    author : str, optional
    registry : Registry, optional
        What is installed, by default.

    Raises
    ------
    ConfigError
        When there is no such kind, a name cannot be used, or one is taken.
    """
    if kind not in KINDS:
        raise ConfigError(f"There is no kind of plugin '{kind}'.", hint=nearest(kind, KINDS))
    _check_name(name)
    _check_free(kind, name, registry or load_registry())
    distribution = distribution or f"mien-{name.replace('_', '-')}"
    module = _module(distribution)
    author = " ".join((author or "").split()) or f"The authors of {distribution}"
    return Design(kind, name, distribution, module, _class_name(name), author)


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) and not keyword.iskeyword(name) and len(name) <= _LONGEST:
        return
    usable = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    usable = re.sub(r"[^a-z0-9]+", "_", usable.lower()).strip("_")[:_LONGEST]
    fits = bool(_NAME.fullmatch(usable)) and not keyword.iskeyword(usable)
    raise ConfigError(
        f"'{name}' cannot be the id of a plugin: it must be a Python name of a-z, 0-9 and _, of at most {_LONGEST} "
        "letters, and no word of the language.",
        hint=f"For example '{usable}'." if fits else "For example 'my_method'.",
    )


def _check_free(kind: str, name: str, registry: Registry) -> None:
    for taken in _registered(kind):
        if name in registry.ids(taken):
            owner = registry.entry(taken, name).distribution
            raise ConfigError(
                f"The id '{name}' is taken: it is that of the {_words(taken)} of {owner}.", hint="Choose another name."
            )


def _words(kind: str) -> str:
    return {"attribution": "attribution method", "landmarks": "landmark scheme"}.get(kind, kind.replace("_", " "))


def _registered(kind: str) -> Sequence[str]:
    """Return the kinds that the example registers the name for."""
    return ("landmarks", "detector") if kind == "landmarks" else (kind,)


def _module(distribution: str) -> str:
    if not _DISTRIBUTION.fullmatch(distribution):
        raise ConfigError(
            f"'{distribution}' cannot be the name of a distribution.",
            where="--distribution",
            hint="Use letters, digits and '-' between them, e.g. mien-my-method.",
        )
    module = re.sub(r"[-.]+", "_", distribution).lower()
    if not module.isidentifier() or keyword.iskeyword(module):
        raise ConfigError(
            f"Its module would be called '{module}', which is no Python name.",
            where=f"--distribution {distribution}",
            hint=f"For example 'mien-{distribution.lower()}'.",
        )
    if importlib.util.find_spec(module) is not None:
        raise ConfigError(
            f"A Python module '{module}' is installed already.",
            where=f"distribution {distribution}",
            hint="Choose another name with '--distribution'.",
        )
    return module


def _class_name(name: str) -> str:
    import mien

    class_name = "".join(part.capitalize() for part in name.split("_"))
    return f"{class_name}Component" if class_name in (*mien.__all__, *_IMPORTED) else class_name

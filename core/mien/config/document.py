"""A configuration file as plain data, with the place that each of its keys came from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mien.config.run_config import NAMED_PART_KINDS, PART_KINDS
from mien.errors import ConfigError

KeyPath = tuple[str | int, ...]


@dataclass
class Document:
    """The content of a configuration file.

    Attributes
    ----------
    path : Path
    data : dict
        As read, with overrides applied.
    origins : mapping of key path to str
        ``line 12`` or ``--set a.b=c``.
    """

    path: Path
    data: dict[str, Any]
    origins: dict[KeyPath, str] = field(default_factory=dict)

    def origin(self, key: KeyPath) -> str:
        """Return where a key, or the nearest section around it, was written; empty when nowhere."""
        while key not in self.origins and key:
            key = key[:-1]
        return self.origins.get(key, "")

    def get(self, key: KeyPath) -> Any:
        """Return the value at a key path; None when there is none."""
        value: Any = self.data
        for part in key:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value


class _Loader(yaml.SafeLoader):
    """YAML's safe loader; numbers such as 1e-3 are numbers, as in YAML 1.2 and in editors."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_document(path: str | Path, overrides: Sequence[str] = ()) -> Document:
    """Return the content of a configuration file, changed by ``a.b.c=value`` overrides.

    Raises
    ------
    ConfigError
        When the file cannot be read, is not YAML, repeats a key, or an override is malformed.
    """
    path = Path(path)
    document = _parse(path, _read(path))
    for override in overrides:
        _override(document, override)
    return document


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError("The configuration file does not exist.", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError("The configuration is not UTF-8 text.", where=str(path)) from error
    except OSError as error:
        raise ConfigError(f"The configuration cannot be read: {error.strerror}.", where=str(path)) from error


def _parse(path: Path, text: str) -> Document:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise ConfigError("The configuration is empty.", where=str(path))
        faults = list(_faults(root, ()))
        if faults:
            raise ConfigError(" ".join(faults), where=str(path))
        data = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"Not valid YAML: {error.problem}.", where=f"{path}{line}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"Not valid YAML: {error}.", where=str(path)) from error
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise ConfigError("A configuration is a mapping of keys to values.", where=str(path))
    return Document(path, data, dict(_lines(root, ())))


def _faults(node: yaml.Node, parents: tuple[int, ...]) -> Iterator[str]:
    """Yield what YAML allows and a configuration does not: repeated keys, keys that are not text, cycles."""
    line = node.start_mark.line + 1
    if id(node) in parents:
        yield f"Line {line} refers to itself."
        return
    parents = (*parents, id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _faults(item, parents)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if not key.tag.endswith((":str", ":merge")):
            yield f"Line {line}: the key {name} is not text; put it in quotes."
        elif name in seen and not key.tag.endswith(":merge"):
            yield f"Line {line}: the key '{name}' is already given on line {seen[name]}."
        seen.setdefault(name, line)
        yield from _faults(value, parents)


def _lines(node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, key.value)
            yield here, f"line {key.start_mark.line + 1}"
            yield from _lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), f"line {item.start_mark.line + 1}"
            yield from _lines(item, (*path, index))


def is_part(path: KeyPath) -> bool:
    """Whether a key path holds a component, so that a bare id may stand for ``use: id``."""
    return (len(path) == 1 and path[0] in PART_KINDS) or ".".join(map(str, path[:-1])) in NAMED_PART_KINDS


def _override(document: Document, override: str) -> None:
    name, equals, text = override.partition("=")
    where = f"--set {override}"
    keys = [key.strip() for key in name.split(".")]
    if not equals or not all(keys):
        raise ConfigError("An override has the form key.key=value.", where=where)
    try:
        value = yaml.load(text, Loader=_Loader)  # a subclass of the safe loader
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"The value '{text}' is not valid YAML.", where=where) from error
    path: KeyPath = ()
    node: Any = document.data
    for key in keys[:-1]:
        path = (*path, _index(node, key, where))
        if path not in document.origins:
            document.origins[path] = where
        node = _descend(node, path, where)
    last = _index(node, keys[-1], where)
    node[last] = value
    path = (*path, last)
    document.origins = {known: place for known, place in document.origins.items() if known[: len(path)] != path}
    document.origins[path] = where


def _index(node: Any, key: str, where: str) -> str | int:
    """Return a key as the container takes it."""
    if isinstance(node, dict):
        return key
    if isinstance(node, list):
        if key.isdigit() and int(key) < len(node):
            return int(key)
        raise ConfigError(f"'{key}' is not an entry of a list of {len(node)} (counted from 0).", where=where)
    raise ConfigError(f"'{key}' cannot be set inside the value {node!r}.", where=where)


def _descend(node: Any, path: KeyPath, where: str) -> Any:
    """Return the section at the end of ``path``, making it where the file leaves it out."""
    child = node.get(path[-1]) if isinstance(node, dict) else node[path[-1]]
    if child is None:
        child = {}
    elif isinstance(child, str) and is_part(path):
        child = {"use": child}
    if not isinstance(child, dict | list):
        raise ConfigError(f"'{'.'.join(map(str, path))}' is {child!r}, not a section.", where=where)
    node[path[-1]] = child
    return child

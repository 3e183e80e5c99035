"""Turns pydantic's errors into what a user can mend: where, what is allowed, the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from mien.config.document import Document, KeyPath
from mien.config.run_config import NAMED_PART_KINDS, PART_KINDS, RunConfig
from mien.errors import ConfigError, MienError, nearest
from mien.registry import Registry


@dataclass(frozen=True)
class ConfigProblem:
    """One thing wrong with a configuration.

    Attributes
    ----------
    key : str
        Dotted path, e.g. ``detector.min_confidence``.
    message : str
    hint : str
        What to do; may be empty.
    origin : str
        ``line 12``, ``--set ...``, or empty when the key is written nowhere.
    """

    key: str
    message: str
    hint: str = ""
    origin: str = ""

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.origin, self.key) if part)
        return f"{place}: {self.message}" + (f" {self.hint}" if self.hint else "")

    def as_dict(self) -> dict[str, str]:
        """Return the problem ready for JSON."""
        return asdict(self)


def as_error(problems: Sequence[ConfigProblem], path: object) -> ConfigError:
    """Return one error that lists all problems of a file."""
    if len(problems) == 1:
        only = problems[0]
        where = ", ".join(part for part in (str(path), only.origin, only.key) if part)
        return ConfigError(only.message, where=where, hint=only.hint or None)
    lines = "".join(f"\n  {problem}" for problem in problems)
    return ConfigError(f"{len(problems)} problems:{lines}", where=str(path))


def find_problems(error: ValidationError, document: Document, registry: Registry) -> list[ConfigProblem]:
    """Return one problem for each key that pydantic refused, in the order of its errors."""
    found: dict[KeyPath, ConfigProblem] = {}
    for item in error.errors(include_url=False):
        path = _path(item["loc"], document, missing=item["type"] == "missing")
        message, hint = _explain(dict(item), _model(path[:-1], document, registry), path)
        if path in found:  # a field that allows several types has an error for each
            message = f"{found[path].message.rstrip('.')}; or: {message}"
        found[path] = ConfigProblem(_dotted(path), message, hint, document.origin(path))
    return list(found.values())


def _dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))


def _path(loc: tuple[int | str, ...], document: Document, *, missing: bool) -> KeyPath:
    """Return the part of pydantic's location that exists in the document; it also names types of a union."""
    path: KeyPath = ()
    value: Any = document.data
    for index, key in enumerate(loc):
        known = (isinstance(value, dict) and key in value) or (
            isinstance(value, list) and isinstance(key, int) and key < len(value)
        )
        if not known:
            return (*path, key) if missing and index == len(loc) - 1 else path
        value = value[key]
        path = (*path, key)
    return path


def _model(path: KeyPath, document: Document, registry: Registry) -> type[BaseModel] | None:
    """Return the model whose fields are the keys at ``path``; None when there is none."""
    model: type[BaseModel] | None = RunConfig
    for depth in range(len(path)):
        kind = part_kind(path[: depth + 1])
        if kind is not None:
            model = _component(document.get(path[: depth + 1]), kind, registry)
        elif isinstance(path[depth], str):
            field = model.model_fields.get(str(path[depth])) if model else None
            model = _first_model([field.annotation]) if field else None
    return model


def part_kind(path: KeyPath) -> str | None:
    """Return the kind of component that a key path holds; None for any other key."""
    if len(path) == 1:
        return PART_KINDS.get(str(path[0]))
    return NAMED_PART_KINDS.get(_dotted(path[:-1]))


def _component(value: Any, kind: str, registry: Registry) -> type[BaseModel] | None:
    use = value.get("use") if isinstance(value, dict) else value
    if not isinstance(use, str) or use not in registry.ids(kind):
        return None
    try:
        loaded: type[BaseModel] = registry.load(kind, use)
    except MienError:
        return None
    return loaded


def _first_model(annotations: Iterable[Any]) -> type[BaseModel] | None:
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        found = _first_model(get_args(annotation))
        if found:
            return found
    return None


def _explain(item: dict[str, Any], model: type[BaseModel] | None, path: KeyPath) -> tuple[str, str]:
    context = item.get("ctx", {})
    name = str(path[-1]) if path else ""
    if item["type"] == "extra_forbidden":
        known = [*(model.model_fields if model else ()), *(["use"] if part_kind(path[:-1]) else [])]
        return f"'{name}' is not a known key.", nearest(name, known)
    if item["type"] == "missing":
        field = model.model_fields.get(name) if model else None
        return f"'{name}' is missing.", (field.description or "") if field else ""
    allowed = _allowed(context)
    if allowed:
        hint = nearest(str(item["input"]), allowed)
        hint = hint if hint.startswith("Did") else ""
        return f"{item['input']!r} is not allowed; allowed: {', '.join(allowed)}.", hint
    if "error" in context:
        return _sentence(str(context["error"])), ""
    return _sentence(f"{_plain(item['msg'])}, not {item['input']!r}"), ""


def _allowed(context: dict[str, Any]) -> list[str]:
    """Return the values that a literal or a pattern of alternatives allows; empty for anything else."""
    if "expected" in context:
        return re.findall(r"'([^']*)'", str(context["expected"]))
    alternatives = re.fullmatch(r"\^\(([\w|]+)\)\$", str(context.get("pattern", "")))
    return alternatives.group(1).split("|") if alternatives else []


def _plain(message: str) -> str:
    message = re.sub(r"^(Input|Value|String) should", "must", message).partition(", unable to parse")[0]
    return re.sub(r"valid dictionary( or instance of \w+)?", "mapping of keys to values", message)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else text + "."

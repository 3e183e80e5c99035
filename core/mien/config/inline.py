"""Components written on the command line: ``id``, or ``id:field=value,field=value``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mien.errors import ConfigError, nearest
from mien.registry import Registry


def component_from_text(kind: str, text: str, registry: Registry) -> Any:
    """Return the component that a text such as ``face_alignment:face_detector=yunet,min_confidence=0.6`` means.

    Values are read as YAML; relative paths are relative to the current folder.

    Raises
    ------
    ConfigError
        When the id or a field is unknown, or a value does not fit.
    PluginError
        When what the component needs is not installed.
    """
    use, _, listed = text.partition(":")
    fields = _fields(listed, text)
    registry.require(kind, use)
    try:
        component = registry.create(kind, use, fields, {"base": Path.cwd()})
    except ValidationError as error:
        raise _problem(error, text, registry.load(kind, use).model_fields) from error
    component.require_available()
    return component


def _fields(listed: str, text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for pair in filter(None, listed.split(",")):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip() or name.strip() in fields:
            raise ConfigError(f"'{pair}' is not a field and its value.", where=text, hint="Write id:field=value,...")
        try:
            fields[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"The value of '{name}' is not YAML.", where=text) from error
    return fields


def _problem(error: ValidationError, text: str, known: dict[str, Any]) -> ConfigError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return ConfigError(f"'{name}' is not a known field.", where=text, hint=nearest(name, known))
    message = str(first["msg"])
    return ConfigError(f"{name}: {message[:1].lower()}{message[1:]}, not {first['input']!r}.", where=text)

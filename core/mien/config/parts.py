"""Fields of the configuration that hold a component: ``use: <id>`` and the component's fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BeforeValidator, ValidationInfo

from mien.errors import PluginError
from mien.interfaces.component import Component
from mien.registry import Registry


class PartError(ValueError):
    """A part of the configuration names a component that cannot be made."""


def part(kind: str) -> BeforeValidator:
    """Return the validator that makes a component of ``kind`` from ``{"use": id, ...}`` or the bare id.

    The validation context carries ``registry`` and ``base``, the folder of relative paths.
    """
    return BeforeValidator(_maker(kind))


def _maker(kind: str) -> Callable[[Any, ValidationInfo], Any]:
    def make(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, Component):
            return value
        if isinstance(value, str):
            value = {"use": value}
        if not isinstance(value, Mapping):
            raise PartError(f"expected 'use: <{kind}>' and its fields, or the bare id; got {value!r}")
        context = info.context or {}
        registry: Registry = context["registry"]
        fields = {str(key): item for key, item in value.items() if key != "use"}
        if "use" not in value:
            raise PartError(f"'use' is missing; installed: {', '.join(registry.ids(kind))}")
        return create(registry, kind, str(value["use"]), fields, context)

    return make


def create(registry: Registry, kind: str, use: str, fields: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    """Make a component, turning an unknown id into an error that pydantic places at the right key."""
    if use not in registry.ids(kind):
        raise PartError(f"there is no {kind} '{use}'. {registry.instead(kind, use)}")
    try:
        return registry.create(kind, use, fields, {"base": context.get("base")})
    except PluginError as error:
        raise PartError(str(error)) from error

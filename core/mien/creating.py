"""Makes installed components from Python, as a configuration does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mien.errors import ConfigError, nearest
from mien.interfaces import Component
from mien.registry import KINDS, load_registry
from mien.types import LandmarkScheme


def create(kind: str, use: str, **fields: Any) -> Component:
    """Return an installed component by its kind and id, e.g. ``create("dataset", "animated_face", frames=16)``.

    One plugin may so build on another without importing it.

    Parameters
    ----------
    kind : str
        ``dataset``, ``detector``, ``cropper``, ``backbone``, ``objective``, ``attribution``, ``action_units`` or
        ``analyzer``.
    use : str
        The id, as in ``mien plugins list``.
    **fields
        The component's parameters.

    Raises
    ------
    ConfigError
        When there is no such kind, component or parameter, or a value does not fit.
    PluginError
        When it cannot be imported, or what it needs is not installed.
    """
    kinds = [name for name in KINDS if name != "landmarks"]
    if kind not in kinds:
        raise ConfigError(f"There is no kind of component '{kind}'.", hint=nearest(kind, kinds))
    made: Component = made_of(kind, use, fields)
    return made


def made_of(kind: str, use: str, fields: Mapping[str, Any]) -> Any:
    """Return an installed component of a kind that there is; see `create` for its errors."""
    registry = load_registry()
    registry.require(kind, use)
    try:
        return registry.create(kind, use, fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        unknown = first["type"] == "extra_forbidden"
        raise ConfigError(
            f"'{use}' has no parameter '{place}'." if unknown else f"{first['msg']}.",
            where=place or use,
            hint=nearest(place, registry.load(kind, use).model_fields) if unknown else None,
        ) from error


def landmark_scheme(use: str) -> LandmarkScheme:
    """Return an installed landmark scheme by its id, e.g. ``mediapipe_478``.

    Raises
    ------
    ConfigError
        When there is no such scheme.
    """
    return load_registry().scheme(use)

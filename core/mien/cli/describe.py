"""What a registered component is, for listings and the generated catalogue."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from typing import Any

from mien.registry import Entry, Registry

_FACTS = (
    "version", "citation", "completeness", "signed", "needs", "layout", "participants_are", "higher_is",
)  # fmt: skip


def listing(entry: Entry) -> dict[str, Any]:
    """Return what the manifest says of a component; imports nothing."""
    missing = entry.missing()
    return {
        "kind": entry.kind,
        "id": entry.id,
        "help": entry.help,
        "usable": not missing,
        "missing": missing,
        "install": entry.install_hint() if missing else "",
        "requires": list(entry.requires),
        "extra": entry.extra,
        "distribution": entry.distribution,
        "target": entry.target,
    }


def describe(entry: Entry, registry: Registry) -> dict[str, Any]:
    """Return all there is to know of a component: its listing, documentation, facts and fields.

    Raises
    ------
    PluginError
        When it cannot be imported.
    """
    loaded = registry.load(entry.kind, entry.id)
    described = {**listing(entry), "documentation": inspect.cleandoc(loaded.__doc__ or "")}
    if entry.kind == "landmarks":
        scheme = registry.scheme(entry.id)
        facts = {
            "points": scheme.points,
            "regions": {name: len(points) for name, points in scheme.regions.items()},
        }
        return {**described, "facts": facts, "fields": [], "unavailable": []}
    facts = {name: value for name in _FACTS if (value := _fact(loaded, name)) not in ("", ())}
    weights = [file.name for file in loaded.known_weights()]
    if weights:
        facts["weights"] = weights
    listed = fields(loaded.model_json_schema())
    for field in listed:  # a schema leaves out defaults that a function makes
        if not field["required"]:
            field["default"] = loaded.model_fields[field["name"]].get_default(call_default_factory=True)
    unavailable = [asdict(choice) for choice in loaded.unavailable()]
    return {**described, "facts": facts, "fields": listed, "unavailable": unavailable}


def _fact(loaded: Any, name: str) -> Any:
    """Return what a class says of itself; what depends on the fields, as it is with their defaults."""
    value = getattr(loaded, name, "")
    return getattr(loaded.model_construct(), name) if isinstance(value, property) else value


def fields(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the fields of an object's JSON Schema: name, type in words, default, description."""
    definitions = schema.get("$defs", {})
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "type": type_text(value, definitions),
            "required": name in required,
            "default": value.get("default"),
            "description": value.get("description", ""),
        }
        for name, value in schema.get("properties", {}).items()
    ]


def type_text(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return a JSON Schema's type in words, e.g. ``integer >= 1 or null``."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return type_text(definitions[name], definitions) if name in definitions else name
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(type_text(option, definitions) for option in schema[key])
    if "const" in schema:
        return repr(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return _array(schema, definitions)
    if schema.get("format") in ("path", "file-path", "directory-path"):
        return "path"
    kind = schema.get("type", "any")
    return "mapping" if kind == "object" else f"{kind}{_bounds(schema)}"


def _array(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "prefixItems" in schema:
        return "[" + ", ".join(type_text(item, definitions) for item in schema["prefixItems"]) + "]"
    items = schema.get("items")
    return f"list of {type_text(items, definitions)}" if items else "list"


def _bounds(schema: dict[str, Any]) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    found = [f"{sign} {schema[key]}" for key, sign in signs.items() if key in schema]
    if "pattern" in schema:
        found.append(f"matching {schema['pattern']}")
    return " " + ", ".join(found) if found else ""

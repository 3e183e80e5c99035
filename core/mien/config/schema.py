"""The JSON Schema of a configuration over everything that is installed; editors complete from it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from mien.config.run_config import NAMED_PART_KINDS, PART_KINDS, RunConfig
from mien.errors import MienError
from mien.registry import KINDS, Entry, Registry

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def run_schema(registry: Registry) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a configuration file."""
    schema = RunConfig.model_json_schema()
    definitions: Schema = schema.setdefault("$defs", {})
    for key, kind in PART_KINDS.items():
        schema["properties"][key] = {
            "$ref": f"#/$defs/{kind}",
            "description": f"The {kind}: `use: id` and its fields.",
        }
    for key, kind in NAMED_PART_KINDS.items():
        _property(schema, key)["additionalProperties"] = {"$ref": f"#/$defs/{kind}"}
    for kind in {**dict.fromkeys(PART_KINDS.values()), **dict.fromkeys(NAMED_PART_KINDS.values())}:
        definitions.update(_kind(kind, registry))
    schema["$defs"] = {name: definitions[name] for name in sorted(_reachable(schema, definitions))}
    return {"$schema": DIALECT, **schema, "title": "mien configuration"}


def component_schema(entry: Entry, registry: Registry) -> Schema:
    """Return the JSON Schema of one component's fields, with ``use``."""
    prefix = f"{entry.kind}.{entry.id}"
    loaded = registry.load(entry.kind, entry.id)
    schema: Schema = loaded.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    nested = {f"{prefix}.{name}": value for name, value in schema.pop("$defs", {}).items()}
    use = {"const": entry.id, "title": "Use", "description": entry.help}
    schema["properties"] = {"use": use, **schema.get("properties", {})}
    schema["required"] = ["use", *schema.get("required", [])]
    schema["title"] = entry.id
    schema["description"] = inspect.cleandoc(loaded.__doc__ or entry.help)
    return {prefix: schema, **nested}


def _kind(kind: str, registry: Registry) -> Schema:
    """Return the definitions of a kind: any of its components, as a mapping or as a bare id."""
    definitions: Schema = {}
    options: list[Schema] = []
    bare: list[str] = []
    for entry in registry.entries(kind):
        name = f"{kind}.{entry.id}"
        try:
            found = component_schema(entry, registry)
        except MienError as error:  # a broken plugin is not checked, and hides no other
            found = {
                name: {
                    "properties": {"use": {"const": entry.id}},
                    "required": ["use"],
                    "description": str(error),
                }
            }
        definitions |= found
        options.append({"$ref": f"#/$defs/{name}"})
        if found[name]["required"] == ["use"]:
            bare.append(entry.id)
    if bare:
        options.insert(0, {"type": "string", "enum": bare})
    definitions[kind] = {"title": kind, "description": KINDS[kind].takes, "oneOf": options}
    return definitions


def _property(schema: Schema, key: str) -> Schema:
    """Return the schema of a dotted key, through references."""
    node = schema
    for part in key.split("."):
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        node = node["properties"][part]
    return node


def _reachable(schema: Schema, definitions: Schema) -> set[str]:
    found: set[str] = set()
    waiting = list(_references({key: value for key, value in schema.items() if key != "$defs"}))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(definitions[name])
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)

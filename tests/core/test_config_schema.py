"""The JSON Schema accepts what mien accepts, and refuses typing errors; the files in schemas/ are up to date."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pluggy
import pytest

from mien.benchmark.tables import BENCHMARK_TABLES
from mien.config.schema import run_schema
from mien.registry import Entry, Registry, load_registry
from mien.schemas import VERSION, all_schemas, outdated_schemas, write_schemas
from mien.tables import TABLES

ROOT = Path(__file__).parents[2]
VALID: dict[str, Any] = {
    "seed": 1,
    "dataset": {"use": "animated_face", "participants": 8},
    "detector": "mediapipe",
    "cropper": {"use": "face", "mode": "aligned"},
    "backbone": "compact_r3d",
    "objective": {"use": "regression", "minimum": 0, "maximum": None},
    "windows": {"frames": 16},
    "training": {"epochs": 3, "augment": {"flip": False}},
    "explain": {"methods": {"ig": {"use": "integrated_gradients", "steps": 8}, "s": "saliency"}, "split": "all"},
}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = run_schema(load_registry())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def with_change(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(VALID)
    *parents, last = path.split(".")
    node = document
    for key in parents:
        node = node[key]
    node[last] = value
    return document


def test_accepts_a_valid_configuration(validator: jsonschema.Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(VALID)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sed", 1),
        ("seed", "one"),
        ("detector", "mediapip"),
        ("detector", {"min_confidence": 0.5}),
        ("cropper.mdoe", "box"),
        ("cropper.mode", "bocks"),
        ("cropper.use", "fase"),
        ("training.epoch", 3),
        ("training.epochs", 0),
        ("training.augment.flipp", True),
        ("explain.methods.ig.stpes", 4),
        ("explain.methods.new", "mediapipe"),  # another kind's component
        ("explain.methods", ["saliency"]),
        ("backbone", "module"),  # has a field without a default
    ],
)
def test_refuses(validator: jsonschema.Draft202012Validator, path: str, value: Any) -> None:
    assert not validator.is_valid(with_change(path, value))


@pytest.mark.parametrize("kind", ["dataset", "detector", "cropper", "backbone", "objective"])
def test_offers_every_installed_component(kind: str) -> None:
    registry = load_registry()
    options = run_schema(registry)["$defs"][kind]["oneOf"]
    offered = {option["$ref"].rpartition(".")[2] for option in options if "$ref" in option}
    assert offered == set(registry.ids(kind))


def test_documents_the_fields() -> None:
    definitions = run_schema(load_registry())["$defs"]
    field = definitions["cropper.face"]["properties"]["height"]
    assert field["default"] == 112
    assert field["minimum"] == 8
    assert "pixels" in field["description"]
    assert definitions["cropper.face"]["additionalProperties"] is False
    assert definitions["cropper.face"]["description"].startswith("The whole face.")


def test_every_reference_leads_somewhere() -> None:
    schema = run_schema(load_registry())
    text = json.dumps(schema)
    references = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert references == set(schema["$defs"])


def test_a_broken_plugin_hides_no_other() -> None:
    registry = Registry(pluggy.PluginManager("mien"))
    registry.add(Entry("cropper", "broken", "mien_absent.module:Name", "owner", "absent==1"))
    schema = run_schema(registry)
    assert schema["$defs"]["cropper.broken"]["properties"]["use"] == {"const": "broken"}
    assert "cannot be imported" in schema["$defs"]["cropper.broken"]["description"]


def test_all_schemas_are_valid_and_cover_every_table() -> None:
    schemas = all_schemas(load_registry())
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    registry = load_registry()
    analyzers = {table.name for id_ in registry.ids("analyzer") for table in registry.load("analyzer", id_).tables}
    assert analyzers
    names = {*TABLES, *analyzers, *BENCHMARK_TABLES}
    assert {name for name in schemas if name.startswith("tables/")} == {f"tables/{name}.json" for name in names}
    assert {"config.json", "run.json", "summary.json"} <= set(schemas)


def test_notices_and_mends_drift(tmp_path: Path) -> None:
    registry = load_registry()
    assert "config.json" in outdated_schemas(tmp_path, registry)
    write_schemas(tmp_path, registry)
    assert outdated_schemas(tmp_path, registry) == []
    (tmp_path / "tables" / "old.json").write_text("{}")
    (tmp_path / "run.json").write_text("{")
    assert outdated_schemas(tmp_path, registry) == ["run.json"]
    write_schemas(tmp_path, registry)
    assert outdated_schemas(tmp_path, registry) == []
    assert not (tmp_path / "tables" / "old.json").exists()


def test_every_schema_says_which_version_it_is() -> None:
    found = all_schemas(load_registry())
    assert {schema["$id"] for schema in found.values()} == {f"urn:mien:schemas:{VERSION}:{name}" for name in found}

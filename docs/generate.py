"""Writes the generated pages of ``docs/reference`` from the program itself; ``--check`` only compares.

Run by ``make docs`` and, with ``--check``, by ``make check``.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from typer.main import get_command

import mien
import mien.testing
from mien.benchmark.tables import BENCHMARK_TABLES
from mien.cli.app import app
from mien.cli.describe import describe, fields, listing
from mien.config.run_config import NAMED_PART_KINDS, PART_KINDS
from mien.config.schema import run_schema
from mien.errors import PluginError
from mien.registry import KINDS, Entry, Registry, load_registry
from mien.schemas import analyzer_tables
from mien.tables import TABLES, Table
from mien.testing import SUITES, ComponentSuite, guarantees

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py; do not edit. -->\n"

PUBLIC: dict[str, dict[str, tuple[str, str]]] = {
    "mien": {
        "Versions": (
            "mien's own, and that of its interface; see [What is promised to plugins](../concepts/api-policy.md).",
            "API_VERSION __version__",
        ),
        "Registration": (
            "What a plugin's manifest uses; [Hooks](../howto/hooks.md) shows all of them.",
            "hookimpl Registrar Commands",
        ),
        "Components": (
            "What the components of all kinds have in common, and how an installed one is made from Python.",
            "Component ConfigPath Unavailable Progress create landmark_scheme",
        ),
        "Data sets": (
            "Where recordings come from, and what is known of rendered ones.",
            "Dataset DatasetListing Recording Exclusion PlantedTruth PlantedLandmarks VideoWriter",
        ),
        "Detectors and landmark schemes": (
            "Finding faces and their landmarks, and what the landmarks mean.",
            "Detector DetectorSession FrameFaces FaceTrack LandmarkScheme",
        ),
        "Croppers": (
            "From frames to the network's view, and the regions of its pixels and landmarks.",
            "Cropper Crops Tile warp point_bits rasterise",
        ),
        "Backbones": (
            "Networks, what they take, and their weights.",
            "Backbone InputSpec Layout ClipBatch ClipKey stage_features WeightFile read_weights prepare_torchvision",
        ),
        "Objectives": ("What the network's outputs mean.", "Objective LabelScale"),
        "Attribution methods": (
            "Relevance of the input, and what methods share.",
            "AttributionMethod ExplainedModel Explanation Batches rows_at_once forward untouched blurred"
            " segment_features",
        ),
        "Action Unit sources": ("Facial Action Units over time.", "ActionUnitSource ActionUnitTrace"),
        "Analyzers": (
            "What an analyzer sees of a run, and what it gives back.",
            "Analyzer RunView Analysis Table Column Remark per_participant",
        ),
        "Statistics": (
            "The participant is the unit; see [Statistics](../concepts/statistics.md).",
            "mean_interval function_interval participant_bootstrap association permutation_association"
            " benjamini_hochberg ranks",
        ),
        "Sections of a report": ("What the hook `mien_report_section` gives back.", "ReportSection SectionTable"),
        "Charts": (
            "Charts are data; the report draws them. Analyzers and sections of a report give them back.",
            "Chart BarChart BarSeries GroupedBars GroupedPanel GroupedSeries LineChart LineSeries ScatterChart"
            " PointGroup HeatMap HeatPanel LandmarkMap LandmarkPanel MapGrid MapPanel",
        ),
        "Use from Python": (
            "Explaining a network without a configuration, and reading a configuration.",
            "explain Explained check_config",
        ),
        "Errors": (
            "Bad input raises one of these: what is wrong, where, and what to do.",
            "MienError ConfigError DataError ModelError PluginError nearest",
        ),
        "Arrays": (
            "Types for annotations; [The tensor convention](../concepts/tensors.md) has the shapes and units.",
            "FloatArray IntArray BoolArray ByteArray BitArray",
        ),
    },
    "mien.testing": {
        "Conformance suites": (
            "One a kind; [Guarantees](guarantees.md) lists what each checks. From `mien.testing`, as all that follows.",
            "SUITES ComponentSuite DatasetSuite DetectorSuite LandmarkSchemeSuite CropperSuite BackboneSuite"
            " ObjectiveSuite AttributionMethodSuite ActionUnitSourceSuite AnalyzerSuite",
        ),
        "Guarantees": ("How a suite states what it pins.", "Guarantee guarantees pins BrokenPromise"),
        "Networks, clips and runs for tests": (
            "Small, seeded, and with known answers.",
            "tiny_network trained_network clip_batch planted_clips relevance_with_sums run_view",
        ),
        "Faces and videos for tests": (
            "Written or drawn on the spot; nothing is downloaded.",
            "face_frames face_video video_without_face mean_face_track avec_tree",
        ),
    },
}
"""The public names of each package by topic: an introduction, and the names in reading order."""


def pages(registry: Registry) -> dict[str, str]:
    """Return the generated pages by file name."""
    return {
        "cli.md": page("Command line", cli()),
        "plugins.md": page("Built-in components", catalogue(registry)),
        "config.md": page("Configuration", configuration(registry)),
        "tables.md": page("Tables", tables(registry)),
        "guarantees.md": page("Guarantees", promised()),
        "api.md": page("Python", public()),
    }


def page(title: str, lines: Iterator[str]) -> str:
    """Return a page of Markdown."""
    return f"{NOTE}\n# {title}\n\n" + "\n".join(lines).rstrip() + "\n"


def row(*cells: Any) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def head(*cells: str) -> str:
    """Return the first two rows of a Markdown table."""
    return row(*cells) + "\n" + row(*("---" for _ in cells))


def cli() -> Iterator[str]:
    """Yield the reference of every command."""
    yield "Exit codes: 0 all well; 1 recordings were set aside, or an explanation or an analyzer failed;"
    yield "2 wrong usage or configuration; 130 interrupted.\n"
    yield from command("mien", get_command(app))


def command(path: str, node: Any) -> Iterator[str]:
    """Yield the reference of a command and of those below it."""
    children = getattr(node, "commands", {})
    if not children:
        yield from leaf(path, node)
    for name, child in children.items():
        if getattr(child, "hidden", False):
            continue
        yield from command(f"{path} {name}", child)


def leaf(path: str, node: Any) -> Iterator[str]:
    """Yield the reference of one command."""
    shown = [parameter for parameter in node.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in shown if parameter.param_type_name == "argument"]
    usage = " ".join([path, *(argument_text(argument) for argument in arguments), "[OPTIONS]"])
    yield f"## {path}\n"
    yield f"```\n{usage}\n```\n"
    yield f"{node.help}\n"
    yield head("Argument or option", "Default", "Meaning")
    for parameter in shown:
        yield parameter_row(parameter, arguments)
    yield ""


def argument_text(argument: Any) -> str:
    """Return an argument as a usage line shows it."""
    name = argument.metavar or argument.name.upper().rstrip("_")
    name += "..." if argument.nargs == -1 else ""
    return name if argument.required else f"[{name}]"


def parameter_row(parameter: Any, arguments: list[Any]) -> str:
    """Return the row of an argument or an option."""
    if parameter in arguments:
        name = argument_text(parameter)
    else:
        value = f" {parameter.metavar}" if parameter.metavar else ""
        name = ", ".join(parameter.opts) + value
    default = "required" if parameter.required else parameter.default
    shown = "" if default in (None, False, 0, ()) else getattr(default, "value", default)
    return row(f"`{name}`", shown, parameter.help or "")


def catalogue(registry: Registry) -> Iterator[str]:
    """Yield every registered component, by kind."""
    for kind in KINDS.values():
        yield f"## {kind.id}\n"
        yield f"{kind.takes.replace('->', '→')}\n"
        for entry in registry.entries(kind.id):
            yield from component(entry, registry)


def component(entry: Entry, registry: Registry) -> Iterator[str]:
    """Yield one component."""
    yield f"### `{entry.id}` {{ #{entry.kind}-{entry.id} }}\n"
    try:
        described = describe(entry, registry)
    except PluginError as error:
        yield f"{listing(entry)['help']}: not importable here ({error.message}).\n"
        return
    yield documentation(described["documentation"] or entry.help) + "\n"
    if entry.extra:
        yield f"Needs {', '.join(entry.requires)}: `pip install 'mien[{entry.extra}]'`.\n"
    for name, value in described["facts"].items():
        yield f"- {name.replace('_', ' ')}: {value_text(value)}"
    yield ""
    if described["fields"]:
        yield from field_table(described["fields"])


def documentation(text: str) -> str:
    """Return a docstring up to its first section, as Markdown."""
    paragraphs: list[str] = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        if len(lines) > 1 and set(lines[1].strip()) == {"-"}:
            break
        paragraphs.append(paragraph.replace("``", "`"))
    return "\n\n".join(paragraphs)


def value_text(value: Any) -> str:
    """Return a fact or a default in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return {"None": "none", "True": "true", "False": "false"}.get(str(value), str(value))


def field_table(described: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of a component's fields."""
    yield head("Field", "Type", "Default", "Meaning")
    for field in described:
        default = "required" if field["required"] else value_text(field["default"])
        yield row(f"`{field['name']}`", field["type"], default, field["description"])
    yield ""


def configuration(registry: Registry) -> Iterator[str]:
    """Yield the sections of a configuration."""
    schema = run_schema(registry)
    yield "One YAML file configures a run. `mien config check FILE` checks it; `mien config schema` prints its"
    yield "JSON Schema."
    yield "Relative paths are relative to the file.\n"
    yield head("Key", "Holds")
    for key, kind in {**PART_KINDS, **NAMED_PART_KINDS}.items():
        one = "components by names of yours; each" if key in NAMED_PART_KINDS else "a component:"
        yield row(f"`{key}`", f"{one} `use: <id>` of [{kind}](plugins.md#{kind}) and its fields")
    for key, value in schema["properties"].items():
        if key not in PART_KINDS and key not in NAMED_PART_KINDS:
            section = f"the section [`{key}`](#{key})" if "$ref" in value else value.get("description", "")
            yield row(f"`{key}`", section)
    yield ""
    yield from sections(schema)


def sections(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the sections that are not components, those inside others included."""
    waiting = [(key, value["$ref"]) for key, value in schema["properties"].items() if "$ref" in value]
    while waiting:
        key, reference = waiting.pop(0)
        definition = schema["$defs"][reference.rpartition("/")[2]]
        if "properties" not in definition:
            continue
        yield f"## `{key}`\n"
        yield f"{definition.get('description', '')}\n"
        nested = {name: value["$ref"] for name, value in definition["properties"].items() if "$ref" in value}
        plain = [field for field in fields({**schema, **definition}) if field["name"] not in nested]
        yield from field_table([field for field in plain if f"{key}.{field['name']}" not in NAMED_PART_KINDS])
        waiting += [(f"{key}.{name}", value) for name, value in nested.items()]


def tables(registry: Registry) -> Iterator[str]:
    """Yield the run's own tables, then those of the benchmark and of the analyzers."""
    yield "A run writes `tables/<name>.parquet`. JSON Schemas of their rows are in `schemas/tables/`."
    yield "Analyzers add tables of their own; those of the built-in ones come [last](#tables-of-analyzers)."
    yield "Two analyzers may give a table of the same name: the second is then `<name in the configuration>_<table>`.\n"
    for table in TABLES.values():
        yield from one_table(table)
    yield "## Tables of the benchmark\n"
    for table in BENCHMARK_TABLES.values():
        yield from one_table(table, "###", "From `mien benchmark explanations`. ")
    yield "## Tables of analyzers\n"
    for analyzer, described in analyzer_tables(registry).items():
        for table in described:
            yield from one_table(table, "###", f"From [`{analyzer}`](plugins.md#analyzer-{analyzer}). ")


def one_table(table: Table, level: str = "##", origin: str = "") -> Iterator[str]:
    """Yield the columns of a table."""
    yield f"{level} {table.name}\n"
    yield f"{origin}One row: {table.row[0].lower()}{table.row[1:]}\n"
    yield head("Column", "Type", "Unit", "Meaning")
    for column in table.columns:
        kind = column.type + (", may be absent" if column.nullable else "")
        allowed = f" One of {', '.join(column.allowed)}." if column.allowed else ""
        yield row(f"`{column.name}`", kind, column.unit, column.description + allowed)
    yield ""


def promised() -> Iterator[str]:
    """Yield what the conformance suites pin: what all components promise, then each kind."""
    yield "What a component promises, and the checks of `mien.testing` that pin it;"
    yield "[Test a plugin](../howto/test-a-plugin.md) says how they are run."
    yield "A landmark scheme is no component; it has guarantees of its own.\n"
    yield "## All components\n"
    yield from promises_of(ComponentSuite, "")
    for kind, suite in SUITES.items():
        yield f"## {kind}: `{suite.__name__}` {{ #{kind} }}\n"
        yield from promises_of(suite, ComponentSuite.__name__)


def promises_of(suite: type, but: str) -> Iterator[str]:
    """Yield the table of a suite's guarantees, but those that one class states."""
    yield head("Guarantee", "What is promised", "Checks")
    for one in guarantees(suite):
        if one.suite != but:
            yield row(one.name, one.text, ", ".join(f"`{check}`" for check in one.checks))
    yield ""


def public() -> Iterator[str]:
    """Yield the public names by topic, under the path by which they are imported."""
    yield "The names in `mien.__all__` and `mien.testing.__all__` are the stable interface;"
    yield "[What is promised to plugins](../concepts/api-policy.md) says what that means. All of them are here."
    yield "Import them from `mien` or from `mien.testing`: the modules below these may change.\n"
    for package, topics in PUBLIC.items():
        for title, (introduction, names) in topics.items():
            yield f"## {title}\n"
            yield f"{introduction}\n"
            for name in names.split():
                yield f"::: {package}.{name}\n    options:\n      heading_level: 3"
                if package == "mien.testing":  # the checks are on the page of guarantees
                    yield '      filters: ["!^_", "!^test_"]'
                yield ""


def misplaced(module: ModuleType, topics: Mapping[str, tuple[str, str]]) -> Sequence[str]:
    """Return what is wrong with the topics of a package: each public name has exactly one."""
    placed = Counter(name for _, names in topics.values() for name in names.split())
    package = module.__name__
    return [
        *(f"{package}.{name} has no topic" for name in module.__all__ if name not in placed),
        *(f"{package}.{name} has {count} topics" for name, count in placed.items() if count > 1),
        *(f"{package}.{name} is not public" for name in placed if name not in module.__all__),
    ]


def main() -> int:
    """Write or compare the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    check = parser.parse_args().check
    if wrong := [text for module in (mien, mien.testing) for text in misplaced(module, PUBLIC[module.__name__])]:
        sys.stderr.write(f"PUBLIC in docs/generate.py: {'; '.join(wrong)}\n")
        return 1
    outdated = []
    for name, text in pages(load_registry()).items():
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        outdated.append(name)
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check and outdated:
        sys.stderr.write(f"docs/reference: not up to date: {', '.join(outdated)}; run 'make docs'\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Fills the templates, and writes the files of a new plugin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mien.errors import ConfigError
from mien.scaffold.design import Design
from mien.scaffold.examples import EXAMPLES

_TEMPLATES = Path(__file__).parent / "templates"

_COMMON = {
    "pyproject.toml": "common/pyproject.toml.j2",
    "README.md": "common/README.md.j2",
    "LICENSE": "common/LICENSE",
    ".gitignore": "common/gitignore.j2",
    ".github/workflows/test.yml": "common/workflow.yml.j2",
    "examples/{name}.yaml": "common/example.yaml.j2",
    "src/{module}/__init__.py": "common/init.py.j2",
    "src/{module}/manifest.py": "common/manifest.py.j2",
    "src/{module}/{file}.py": "{kind}/{file}.py.j2",
    "src/{module}/py.typed": "",
    "tests/test_{name}.py": "{kind}/test.py.j2",
}
_FURTHER = {
    "dataset": {"examples/videos/README.md": "dataset/videos_README.md.j2"},
    "landmarks": {"src/{module}/detector.py": "landmarks/detector.py.j2"},
}


@dataclass(frozen=True)
class Written:
    """Where a plugin lies, and what of it was there before.

    Attributes
    ----------
    folder : Path
    files : tuple of str
        All of its files, within the folder.
    replaced : tuple of str
        Those that had another content before.
    """

    folder: Path
    files: tuple[str, ...]
    replaced: tuple[str, ...]


def config_line(plan: Design) -> str:
    """Return the part of a configuration that names the plugin."""
    return EXAMPLES[plan.kind].line.format(name=plan.name)


def render(plan: Design) -> dict[str, str]:
    """Return the content of each file of a plugin, by its path within the plugin's folder."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Python, YAML and GitHub's workflows use Jinja's own marks for other things.
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        autoescape=False,  # no HTML is written
    )
    values = _values(plan)
    templates = {**_COMMON, **_FURTHER.get(plan.kind, {})}
    return {
        path.format_map(values): environment.get_template(template.format_map(values)).render(values)
        if template
        else ""
        for path, template in templates.items()
    }


def _values(plan: Design) -> Mapping[str, Any]:
    example = EXAMPLES[plan.kind]
    return {
        **asdict(plan),
        "file": example.file,
        "help": example.help,
        "about": example.about,
        "kind_words": example.words,
        "requires": example.requires,
        "line": config_line(plan),
        "title": plan.name.replace("_", " ").capitalize(),
        "author_toml": json.dumps(plan.author, ensure_ascii=False),  # a basic string of TOML is one of JSON
    }


def write(plan: Design, into: Path, *, force: bool = False) -> Written:
    """Write a plugin to a folder named as its distribution.

    Parameters
    ----------
    into : Path
        The folder in which that folder is made.
    force : bool
        Write into a folder that holds something already.  Files that are not the plugin's are left alone.

    Raises
    ------
    ConfigError
        When the folder is not empty and ``force`` is not set, or cannot be written to.
    """
    contents = render(plan)
    folder = into / plan.distribution
    try:
        if not force and folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(
                "The folder is not empty.",
                where=str(folder),
                hint="Name another with '--into' or '--distribution', or replace what is there with '--force'.",
            )
        replaced = [path for path, text in contents.items() if _differs(folder / path, text)]
        for path, text in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"The plugin cannot be written: {error.strerror or error}.", where=str(folder)) from error
    return Written(folder, tuple(contents), tuple(replaced))


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() != text.encode()

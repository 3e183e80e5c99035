"""The model card of a published network (Mitchell et al.: Model Cards for Model Reporting, FAT* 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mien.report import card_found, card_made
from mien.report.card_material import CardMaterial
from mien.report.facts import Grid, split_grid
from mien.report.markdown import Markdown, code, escaped, table
from mien.report.methods import MethodsText, methods_text

FILE = "MODEL_CARD.md"
_LIBRARY = "mien"
_TEMPLATE = "model_card.md.j2"


@dataclass(frozen=True)
class ModelCard:
    """Everything that the template lays out; what is plain text is escaped there."""

    front: Markdown
    backbone: str
    label: str
    notice: str
    network: Grid
    meaning: Sequence[str]
    sides: Grid
    data: Sequence[str]
    methods: MethodsText
    training: Sequence[str]
    settings: Grid
    metrics: Grid | None
    metrics_notes: Sequence[str]
    evaluation: Grid | None
    own: Grid | None
    own_notes: Sequence[str]
    subgroups: Grid | None
    subgroups_notes: Sequence[str]
    explanations: Sequence[str]
    hypotheses: Sequence[str]
    faithfulness: Grid | None
    faithfulness_notes: Sequence[str]
    limits: Sequence[str]
    not_measured: Sequence[str]
    folder: Markdown
    shape: Markdown
    mien: str


def model_card(material: CardMaterial) -> str:
    """Return the card as Markdown, with the metadata that Hugging Face reads in front.

    The same material gives the same bytes: the only date is that on which the run began.
    """
    return _environment().get_template(_TEMPLATE).render(card=_content(material))


def write_model_card(material: CardMaterial, checkpoint: Path) -> None:
    """Write the card into a checkpoint's folder, in place of an earlier one."""
    (checkpoint / FILE).write_text(model_card(material), encoding="utf-8", newline="\n")


def _content(material: CardMaterial) -> ModelCard:
    own_notes, own = card_found.own_fold(material)
    subgroups_notes, subgroups = card_found.subgroup_grid(material)
    faithfulness_notes, faithfulness = card_found.faithfulness(material)
    return ModelCard(
        front=_front(material),
        backbone=material.config.backbone.use,
        label=material.label,
        notice=str(material.record["notice"]),
        network=card_made.network_grid(material),
        meaning=card_made.meaning(material),
        sides=split_grid(material.table("recordings")),
        data=card_made.data_notes(material),
        methods=methods_text(material.record, material.summary),
        training=card_made.training_notes(material),
        settings=card_made.settings_grid(material),
        metrics=card_found.held_out_grid(material),
        metrics_notes=card_found.held_out_notes(material),
        evaluation=card_found.evaluation_grid(material),
        own=own,
        own_notes=own_notes,
        subgroups=subgroups,
        subgroups_notes=subgroups_notes,
        explanations=card_found.explanation_lines(material),
        hypotheses=card_found.hypotheses(material),
        faithfulness=faithfulness,
        faithfulness_notes=faithfulness_notes,
        limits=card_found.limits(material),
        not_measured=card_found.not_measured(material),
        folder=Markdown("checkpoint" if material.fold is None else f"checkpoint/fold_{material.fold}"),
        shape=_shape(material),
        mien=str(material.record["versions"].get("mien", "")),
    )


def _front(material: CardMaterial) -> Markdown:
    """Return the metadata: of the licence mien knows nothing, and only names of components are in it."""
    config = material.config
    tags = ["video", "face", "explainable-ai", config.backbone.use, config.objective.use]
    content = {"library_name": _LIBRARY, "tags": [_LIBRARY, *dict.fromkeys(tags)]}
    return Markdown(yaml.safe_dump(content, sort_keys=False, allow_unicode=True).strip())


def _shape(material: CardMaterial) -> Markdown:
    """Return the shape of one clip as Python writes it; empty for landmarks, of which a scheme says how many."""
    config = material.config
    if config.backbone.input_spec.layout != "video":
        return Markdown()
    return Markdown(f"1, 3, {config.windows.frames}, {config.cropper.height}, {config.cropper.width}")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"code": code, "table": table}
    return environment


def _finalized(value: Any) -> Markdown:
    """Return what stands for a value in the page: nothing gets in unescaped."""
    return escaped(value)

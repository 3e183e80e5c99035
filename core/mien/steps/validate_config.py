"""How a checkpoint is held against another data set: seen and explained as by its own run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mien.config.check import require_fit
from mien.config.document import Document
from mien.config.problems import as_error, find_problems
from mien.config.run_config import LabelledConfig, RunConfig, dump
from mien.errors import ModelError
from mien.registry import Registry
from mien.report.words import listed
from mien.steps.explain_config import FILE, read_explain_config
from mien.training.checkpoint import Checkpoint, load_checkpoint

FIXED = ("detector", "cropper", "windows", "backbone", "objective", "pooling")
"""Parts that the checkpoint decides."""

_UNUSED = tuple(name for name in RunConfig.model_fields if name not in LabelledConfig.model_fields)
_ANALYZERS = {"region_relevance": "region_relevance"}


@dataclass(frozen=True)
class Validation:
    """What is validated, and how.

    Attributes
    ----------
    config : LabelledConfig
    notes : tuple of str
        What of the configuration was not used.
    """

    config: LabelledConfig
    notes: tuple[str, ...] = ()


def validate_config(document: Document, checkpoint: Path, registry: Registry) -> Validation:
    """Return the configuration with which a checkpoint is validated.

    Parameters
    ----------
    document : Document
        ``dataset``, and optionally ``seed``, ``explain``, ``action_units``, ``analyzers`` and ``report``; the rest
        comes from the checkpoint.  A run's whole configuration does as well, if the network saw its input as it says.
    checkpoint : Path
        A checkpoint folder, or a file in it.

    Raises
    ------
    ConfigError
        When the document does not fit.
    ModelError
        When the checkpoint cannot be used, or is of another network, or of other input, than the document says.
    """
    loaded = load_checkpoint(checkpoint, registry)
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    notes = _unused(document)
    whole = _completed(document, loaded, read_explain_config(folder))
    context = {"registry": registry, "base": document.path.resolve().parent}
    try:
        config = LabelledConfig.model_validate(whole.data, context=context)
    except ValidationError as error:
        problems = find_problems(error, whole, registry)
        if any(not problem.origin and problem.message != "'dataset' is missing." for problem in problems):
            raise as_error(problems, f"{document.path}, completed from {folder / FILE}") from error
        raise as_error(problems, document.path) from error
    _refuse_another_network(config, loaded, document, folder)
    require_fit(config, registry, document)
    if config.explain.controls.permuted:
        notes.append("No network is trained with permuted labels: a validation trains nothing.")
        config = _with_explain(config, controls=config.explain.controls.model_copy(update={"permuted": 0}))
    return Validation(_with_explain(config, split="test"), tuple(notes))


def _with_explain(config: LabelledConfig, **changes: Any) -> LabelledConfig:
    return config.model_copy(update={"explain": config.explain.model_copy(update=changes)})


def _unused(document: Document) -> list[str]:
    given = [f"'{name}'" for name in _UNUSED if name in document.data]
    if not given:
        return []
    was = "was" if len(given) == 1 else "were"
    return [f"Of the configuration {listed(given)} {was} not used: nothing is trained."]


def _completed(document: Document, loaded: Checkpoint, own: Mapping[str, Any]) -> Document:
    """Return the document with all that it leaves out, as the checkpoint and its own run have it."""
    given = {name: value for name, value in document.data.items() if name not in _UNUSED}
    # Networks can be trained with permuted labels only by a run; what it explained is here the whole data set.
    controls = {**own.get("explain", {}).get("controls", {}), "permuted": 0}
    explained = {"methods": {"ig_blur": "integrated_gradients"}, **own.get("explain", {}), "controls": controls}
    data = {
        **{name: getattr(loaded, name) for name in FIXED},
        "seed": loaded.seed,
        "action_units": own.get("action_units", {}),
        "analyzers": own.get("analyzers", _ANALYZERS),
        "report": {"title": "mien: validation"},
        **given,
        "explain": _over(given.get("explain"), {**explained, "split": "test"}),
    }
    return replace(document, data=data)


def _over(given: Any, default: Mapping[str, Any]) -> Any:
    """Return a section with what it leaves out; one that is no mapping is left for its error."""
    if given is None:
        return dict(default)
    return {**default, **given} if isinstance(given, Mapping) else given


def _refuse_another_network(config: LabelledConfig, loaded: Checkpoint, document: Document, folder: Path) -> None:
    differing = [
        difference
        for name in FIXED
        if name in document.data
        for difference in _differences(name, dump(getattr(config, name)), dump(getattr(loaded, name)))
    ]
    if differing:
        raise ModelError(
            f"The checkpoint is of another network or of other input than the configuration says: "
            f"{'; '.join(differing)}.",
            where=f"{folder} and {document.path}",
            hint=f"Leave {listed(FIXED)} out, which come from the checkpoint, or choose the checkpoint that was meant.",
        )


def _differences(name: str, here: Any, there: Any) -> Iterator[str]:
    if isinstance(here, dict) and isinstance(there, dict) and here.get("use") == there.get("use"):
        for key in {**there, **here}:
            yield from _differences(f"{name}.{key}", here.get(key), there.get(key))
    elif here != there:
        yield f"{name} is {_said(here)}, the checkpoint's {_said(there)}"


def _said(value: Any) -> str:
    return repr(value["use"]) if isinstance(value, dict) and "use" in value else repr(value)

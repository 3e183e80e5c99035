"""Write what a run found into its folder: tables, checkpoint, figures, videos, record, summary and report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mien.config.run_config import ExplainConfig, RunConfig
from mien.errors import DataError
from mien.interfaces import Analysis
from mien.report.html import write_report
from mien.report.material import ReportMaterial
from mien.report.privacy import Pseudonyms
from mien.run.record import NOTICE, RunRecord, Summary
from mien.run.summary import summarise
from mien.run.view import RunResults
from mien.steps.context import RunContext, RunOutcome
from mien.steps.explain_config import write_explain_config
from mien.steps.pictures import Pictures, draw_pictures
from mien.store.faults import explained
from mien.training.checkpoint import ABOUT_FILE, WEIGHTS_FILE


@dataclass(frozen=True)
class Publication:
    """Everything that is published."""

    config: ExplainConfig
    out: Path
    record: RunRecord
    context: RunContext
    view: RunResults
    analyses: Mapping[str, Analysis]
    checkpoint: Path


_RECORD, _SUMMARY, _REPORT = "run.json", "summary.json", "report.html"
_REMADE = ("tables", "figures", "videos")
_OWN = (*_REMADE, "checkpoint", _SUMMARY, _REPORT)


def make_folder(out: Path) -> None:
    """Make the folder of the results; one that an earlier run wrote is used again.

    Raises
    ------
    DataError
        When it cannot be made, or holds files of someone else's under names that the results would take.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".mien"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"The folder cannot be written: {error.strerror}.", where=str(out), hint="Choose another --out."
        ) from error
    foreign = [name for name in _OWN if (out / name).exists()]
    if foreign and not (out / _RECORD).is_file():
        raise DataError(
            f"The folder holds '{foreign[0]}', but no {_RECORD} of mien's: a run would replace what may be yours.",
            where=str(out),
            hint="Choose another --out, or move it away.",
        )


def publish(publication: Publication) -> RunOutcome:
    """Write the folder and return how the run ended.

    Until all is written, ``run.json`` says that the run is not finished and there is no report: a folder that was
    left half-written is not taken for a whole one, and the next run writes it again.
    """
    config, context, out = publication.config, publication.context, publication.out
    with explained(out):
        _begin(publication)
        with context.timed("publish"):
            pictures = draw_pictures(publication.view, config.report, config.pooling, out, context.progress)
            outcome = _write(publication, pictures)
    context.registry.tell("mien_run_finished", out=out, summary=outcome.summary)
    return outcome


def _begin(publication: Publication) -> None:
    """Mark the folder as that of an unfinished run, and remove what an earlier run left."""
    out = publication.out
    _write_json(out / _RECORD, _record(publication))
    for name in (_SUMMARY, _REPORT):
        (out / name).unlink(missing_ok=True)
    for name in _REMADE:
        if (out / name).is_dir():
            shutil.rmtree(out / name)
        (out / name).mkdir()


def _write(publication: Publication, pictures: Pictures) -> RunOutcome:
    config, context, out = publication.config, publication.context, publication.out
    tables = {**publication.view.tables, **_analysis_tables(publication.analyses)}
    notes = [*context.notes, *pictures.notes]
    hidden = config.report.faces == "none"
    names = Pseudonyms.of(tables["recordings"], config.seed) if hidden else None
    analyses, selected = publication.analyses, pictures.selected
    if names is not None:
        tables = {name: names.apply(table) for name, table in tables.items()}
        notes = [names.text(note) for note in notes]
        analyses = {name: _renamed(analysis, names) for name, analysis in analyses.items()}
        selected = {names.recordings[recording]: role for recording, role in selected.items()}
    for name, table in tables.items():
        table.to_parquet(out / "tables" / f"{name}.parquet", index=False)
    _copy_checkpoint(publication)
    summary = summarise(tables, title=config.report.title, seed=config.seed, notes=notes, incomplete=context.incomplete)
    record = _record(publication, finished=datetime.now(UTC))
    material = ReportMaterial(
        config=record.config,
        summary=summary.model_dump(mode="json"),
        record=record.model_dump(mode="json"),
        tables=tables,
        analyses=analyses,
        pictures=pictures.pictures,
        videos=pictures.videos,
        limits=_limits(config),
        scheme=publication.view.scheme,
        selected=selected,
        faces=config.report.faces,
    )
    write_report(material, out)
    _write_json(out / _SUMMARY, summary)
    _write_json(out / _RECORD, record)  # last: it says that the run is finished
    return RunOutcome(summary.exit_code, out, summary.model_dump(mode="json"))


def _analysis_tables(analyses: Mapping[str, Analysis]) -> dict[str, pd.DataFrame]:
    """Return the tables of all analyzers, which `analyze` has made fit their descriptions."""
    tables: dict[str, pd.DataFrame] = {}
    for analyzer, analysis in analyses.items():
        for name, table in analysis.tables.items():
            # Two analyzers may call a table the same; neither is lost.
            tables[name if name not in tables else f"{analyzer}_{name}"] = table
    return tables


def _renamed(analysis: Analysis, names: Pseudonyms) -> Analysis:
    return replace(
        analysis,
        charts=[_rename(chart, names) for chart in analysis.charts],
        notes=[names.text(note) for note in analysis.notes],
    )


def _rename(value: Any, names: Pseudonyms) -> Any:
    """Return a chart, or any part of it, with the ids in its texts replaced."""
    if isinstance(value, str):
        return names.text(value)
    if hasattr(value, "__dataclass_fields__"):
        return replace(value, **{name: _rename(getattr(value, name), names) for name in value.__dataclass_fields__})
    if isinstance(value, Mapping):
        return {_rename(key, names): _rename(item, names) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_rename(item, names) for item in value]
    return value


def _copy_checkpoint(publication: Publication) -> None:
    if not isinstance(publication.config, RunConfig):
        return  # the videos were explained with a network that its own run published
    folder = publication.out / "checkpoint"
    folder.mkdir(exist_ok=True)
    for name in (WEIGHTS_FILE, ABOUT_FILE):
        shutil.copyfile(publication.checkpoint / name, folder / name)
    write_explain_config(publication.config, folder)


def _record(publication: Publication, finished: datetime | None = None) -> RunRecord:
    """Return the run's record as it may be published."""
    record, context = publication.record, publication.context
    changes: dict[str, Any] = {
        "finished": finished,
        "durations_s": dict(context.durations),
        "reused": dict(context.reused),
    }
    if publication.config.report.faces == "none":
        changes["config"] = _without_paths(record.config)
        changes["plugins"] = _without_paths(record.plugins)
    return record.model_copy(update=changes)


def _without_paths(value: Any) -> Any:
    """Return plain data in which a text that looks like a path is left out; a path may name a person."""
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    return "(file)" if isinstance(value, str) and ("/" in value or "\\" in value) else value


def _write_json(path: Path, content: RunRecord | Summary) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def _limits(config: ExplainConfig) -> list[str]:
    people = config.dataset.participants_are if isinstance(config, RunConfig) else "the people in the videos given"
    return [
        f"{NOTICE} Participants are {people}.",
        "An explanation says what this network used, not what causes the score.",
        "Windows of one person are not independent: intervals are over participants.",
    ]

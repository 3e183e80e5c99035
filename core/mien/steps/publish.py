"""Write what a run found into its folder: tables, checkpoint, figures, videos, record, summary and report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mien.config.run_config import ExplainConfig, LabelledConfig, RunConfig
from mien.errors import DataError
from mien.interfaces import Analysis
from mien.report.html import write_report
from mien.report.material import ReportMaterial
from mien.report.model_card import FILE as CARD_FILE
from mien.report.plugin_sections import PluginSection, plugin_sections
from mien.report.privacy import Pseudonyms
from mien.run.record import NOTICE, RunRecord, Summary
from mien.run.source import FILE as SOURCE_FILE
from mien.run.source import write_source
from mien.run.summary import summarise
from mien.run.view import RunResults
from mien.steps.context import RunContext, RunOutcome
from mien.steps.explain_config import FILE as EXPLAIN_FILE
from mien.steps.explain_config import write_explain_config
from mien.steps.frame_pictures import with_frame_pictures
from mien.steps.model_cards import write_model_cards
from mien.steps.networks import Networks
from mien.steps.pictures import Pictures, draw_pictures
from mien.steps.source import source_record
from mien.store.faults import explained
from mien.training.checkpoint import ABOUT_FILE, FOLD_FOLDER, WEIGHTS_FILE
from mien.training.logs import publish_logs


@dataclass(frozen=True)
class Publication:
    """Everything that is published.

    ``training_means`` are the mean labels that each fold's network was trained with.
    """

    config: ExplainConfig
    out: Path
    record: RunRecord
    context: RunContext
    view: RunResults
    analyses: Mapping[str, Analysis]
    networks: Networks
    training_means: Mapping[int, float] = field(default_factory=dict)


_RECORD, _SUMMARY, _REPORT = "run.json", "summary.json", "report.html"
_REMADE = ("tables", "figures", "videos")
_LOGS = "logs"
_OWN = (*_REMADE, "checkpoint", _LOGS, _SUMMARY, _REPORT)


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
            analyses, gaps = with_frame_pictures(
                publication.analyses, publication.view, config.report, config.pooling, context.progress
            )
            pictures = replace(pictures, notes=[*pictures.notes, *gaps])
            outcome = _write(replace(publication, analyses=analyses), pictures)
    context.tell("mien_run_finished", out=out, summary=outcome.summary)
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
    if (out / _LOGS).is_dir():
        shutil.rmtree(out / _LOGS)


def _write(publication: Publication, pictures: Pictures) -> RunOutcome:
    config, context, out = publication.config, publication.context, publication.out
    tables = {**publication.view.tables, **analysis_tables(publication.analyses)}
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
    _copy_checkpoints(publication)
    _publish_logs(publication)
    summary = summarise(tables, title=config.report.title, seed=config.seed, notes=notes, incomplete=context.incomplete)
    record = _record(publication, finished=datetime.now(UTC))
    sections, faults = _plugin_sections(publication, record, summary, tables, analyses)
    faults = faults if names is None else [names.text(fault) for fault in faults]
    failed = {"exit_code": 1} if faults else {}  # something that was asked for failed
    summary = summary.model_copy(update={"notes": [*summary.notes, *faults], **failed})
    _write_cards(publication, record, summary, tables)
    material = ReportMaterial(
        config=record.config,
        summary=summary.model_dump(mode="json"),
        record=record.model_dump(mode="json"),
        tables=tables,
        analyses=analyses,
        sections=sections,
        pictures=pictures.pictures,
        videos=pictures.videos,
        limits=_limits(config),
        scheme=publication.view.scheme,
        selected=selected,
        faces=config.report.faces,
        classes=None if config.objective.continuous else tuple(config.objective.class_names),
        layout=publication.view.source.spec.layout,
    )
    write_report(material, out)
    _write_json(out / _SUMMARY, summary)
    _write_json(out / _RECORD, record)  # last: it says that the run is finished
    return RunOutcome(summary.exit_code, out, summary.model_dump(mode="json"))


def _plugin_sections(
    publication: Publication,
    record: RunRecord,
    summary: Summary,
    tables: Mapping[str, pd.DataFrame],
    analyses: Mapping[str, Analysis],
) -> tuple[list[PluginSection], list[str]]:
    """Return what plugins add to the report; they are told what may be published, and no more."""
    taken = {chart.name for analysis in analyses.values() for chart in analysis.charts}
    return plugin_sections(
        publication.context.registry,
        record.model_dump(mode="json")["config"],
        summary.model_dump(mode="json"),
        tables,
        taken,
    )


def analysis_tables(analyses: Mapping[str, Analysis]) -> dict[str, pd.DataFrame]:
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
        method_remarks={method: _rename(remark, names) for method, remark in analysis.method_remarks.items()},
    )


def _rename(value: Any, names: Pseudonyms) -> Any:
    """Return a chart, or any part of it, with the ids in its texts replaced."""
    if isinstance(value, str):
        return names.text(value)
    if isinstance(value, bytes):
        return b""  # a picture, which no report with pseudonyms holds
    if hasattr(value, "__dataclass_fields__"):
        return replace(value, **{name: _rename(getattr(value, name), names) for name in value.__dataclass_fields__})
    if isinstance(value, Mapping):
        return {_rename(key, names): _rename(item, names) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_rename(item, names) for item in value]
    return value


def _copy_checkpoints(publication: Publication) -> None:
    """Publish the trained network, or that of each fold; those of an earlier run do not stay beside them."""
    config, trained = publication.config, publication.networks.trained
    if not isinstance(config, RunConfig):
        return  # the videos were explained with a network that its own run published
    folder = publication.out / "checkpoint"
    _remove_checkpoints(folder)
    view, analyses = publication.view, analysis_tables(publication.analyses)
    source = source_record(config, publication.record, view, analyses, None)
    folders = _checkpoint_folders(publication)
    for one in trained:
        own = folders[one.id.fold]
        own.mkdir(parents=True, exist_ok=True)
        for name in (WEIGHTS_FILE, ABOUT_FILE):
            shutil.copyfile(one.folder / name, own / name)
        write_explain_config(config, own)
        mean = publication.training_means.get(one.id.fold)
        write_source(source.model_copy(update={"training_mean": mean}), own)


def _checkpoint_folders(publication: Publication) -> dict[int, Path]:
    """Return where the trained network of each fold is published; nowhere, where none was trained."""
    config, folder = publication.config, publication.out / "checkpoint"
    if not isinstance(config, RunConfig):
        return {}
    folds = [one.id.fold for one in publication.networks.trained]
    return {fold: folder if config.split.scheme == "holdout" else folder / f"{FOLD_FOLDER}{fold}" for fold in folds}


def _write_cards(
    publication: Publication, record: RunRecord, summary: Summary, tables: Mapping[str, pd.DataFrame]
) -> None:
    """Describe each network beside its checkpoint, from what the run published."""
    config, folders = publication.config, _checkpoint_folders(publication)
    if isinstance(config, RunConfig):
        write_model_cards(config, record, summary, tables, publication.view, folders)


def _remove_checkpoints(folder: Path) -> None:
    """Remove what an earlier run published, and no file of another name."""
    for own in (folder, *folder.glob(f"{FOLD_FOLDER}*")):
        for name in (WEIGHTS_FILE, ABOUT_FILE, EXPLAIN_FILE, SOURCE_FILE, CARD_FILE):
            (own / name).unlink(missing_ok=True)
        if own != folder and not any(own.iterdir()):
            own.rmdir()


def _publish_logs(publication: Publication) -> None:
    """Write the logs of the trainings in the format that was asked for; with several networks, into a folder each."""
    config, networks = publication.config, (*publication.networks.trained, *publication.networks.permuted)
    if not isinstance(config, RunConfig) or config.training.logger == "none":
        return
    for one in networks:
        name = f"{one.id.name.replace(' ', '_')}_{FOLD_FOLDER}{one.id.fold}" if len(networks) > 1 else ""
        publish_logs(config.training.logger, one.logs, publication.out / _LOGS / name)


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
    people = config.dataset.participants_are if isinstance(config, LabelledConfig) else "the people in the videos given"
    return [
        f"{NOTICE} Participants are {people}.",
        "An explanation says what this network used, not what causes the score.",
        "Windows of one person are not independent: intervals are over participants.",
    ]

"""What stands in the report, section by section; the template only lays it out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mien.interfaces.analyzer import Analysis, Remark
from mien.report import classes, completeness, facts, words
from mien.report import evaluation as tested
from mien.report.charts import Chart
from mien.report.facts import Grid
from mien.report.material import ReportMaterial
from mien.report.plugin_sections import PluginSection
from mien.report.privacy import without_files
from mien.report.validation import Validated, validated

_ROLE_TITLES = {
    "worst": "Worst predicted participant",
    "median": "Median participant",
    "best": "Best predicted participant",
    "out of distribution": "Out of distribution",
}

_PICKED = {
    "scores": "the largest, the median and the smallest absolute error",
    "classes": "the most, the median and the fewest windows that were given a wrong class,",
}
_LEVELS = ("participant", "session", "recording", "window")
_FACES = {
    "full": "Pictures of all participants may be shown.",
    "consented": "Pictures are shown only of recordings whose participants agreed.",
    "none": "No image of anyone is in this report or beside it; participants and recordings have pseudonyms.",
}


@dataclass(frozen=True)
class Card:
    """A figure at the top of the report."""

    value: str
    label: str


@dataclass(frozen=True)
class Found:
    """What one analyzer found, without what is about a single recording."""

    name: str
    title: str
    charts: Sequence[Chart]
    notes: Sequence[str]
    more: Sequence[Chart] = ()  # the same for other methods and sources, folded up


@dataclass(frozen=True)
class Example:
    """A recording that is shown in detail."""

    recording: str
    participant: str
    role: str
    title: str
    outside: bool
    lines: Sequence[str]
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Content:
    """Everything that the template lays out."""

    title: str
    notice: str
    limits: Sequence[str]
    cards: Sequence[Card]
    headlines: Sequence[str]
    asked: Sequence[str]
    faces: str
    splits: Grid
    exclusions: Grid | None
    remarks: Grid | None
    division: Sequence[str]
    training: Chart | None
    control_training: Chart | None
    predictions: Chart | None
    metrics: Grid | None
    finer_metrics: Grid | None
    evaluation: Grid | None
    evaluation_notes: Sequence[str]
    confusion: Chart | None
    validation: Validated | None
    participants: Grid | None
    face_map: Chart | None
    found: Sequence[Found]
    sections: Sequence[PluginSection]
    examples: Sequence[Example]
    picked: str
    method_remarks: Mapping[str, Sequence[Remark]]
    baselines: Grid | None
    completeness: Grid | None
    biases: Grid | None
    flagged: int
    notes: Sequence[str]
    provenance: Sequence[tuple[str, str]]
    versions: Grid
    plugins: Grid
    weights: Grid
    durations: Grid
    config: str

    @property
    def lead(self) -> str:
        """The sentences under the title."""
        first = self.limits[0] if self.limits else ""
        return first if first.startswith(self.notice) else f"{self.notice} {first}".strip()

    @property
    def charts(self) -> list[Chart]:
        """All charts, each once."""
        return list({chart.name: chart for chart in self._charts()}.values())

    def _charts(self) -> Iterator[Chart]:
        own = (self.training, self.control_training, self.predictions, self.confusion, self.face_map)
        yield from (chart for chart in own if chart is not None)
        for one in self.found:
            yield from (*one.charts, *one.more)
        for section in self.sections:
            yield from section.charts
        if self.validation is not None:
            yield from self.validation.charts
        for example in self.examples:
            yield from example.charts


def content(material: ReportMaterial) -> Content:
    """Return the report's content; a part for which the run has no data is None or empty."""
    recordings, predictions = material.table("recordings"), material.table("predictions")
    explanations = material.table("explanations")
    config, record = material.config, material.record
    label = str(config.get("objective", {}).get("name", "score"))
    learnt = "standardised labels" if material.classes is None else "classes"
    has = len(predictions) > 0
    level = str(material.summary.get("level", "participant"))
    return Content(
        title=str(config.get("report", {}).get("title") or material.summary.get("title") or "mien report"),
        notice=str(material.summary.get("notice", "Research use, not a diagnosis.")),
        limits=material.limits,
        cards=_cards(material),
        headlines=[
            *words.headlines(material.summary, _hypotheses(material)),
            *words.remark_headline(_remarks(material)),
        ],
        asked=words.asked(config, material.layout),
        faces=_FACES[material.faces],
        splits=facts.split_grid(recordings) if len(recordings) else facts.grid([], []),
        exclusions=facts.exclusion_grid(recordings) if len(recordings) else None,
        remarks=facts.remarks(recordings) if len(recordings) else None,
        division=words.division(material.summary, config),
        training=facts.training_chart(material.table("training"), learnt),
        control_training=facts.control_training_chart(material.table("training"), learnt),
        predictions=_prediction_chart(material, predictions, label) if has else None,
        metrics=facts.metrics_grid(material.table("metrics"), [level]),
        finer_metrics=facts.metrics_grid(material.table("metrics"), [name for name in _LEVELS if name != level]),
        evaluation=tested.evaluation_grid(material.table("evaluation")),
        evaluation_notes=tested.evaluation_notes(material.table("evaluation")),
        confusion=tested.confusion_chart(material.table("confusion")),
        validation=validated(material.table("validation"), material.table("replication"), predictions, label, level),
        participants=_participants(material, predictions) if has else None,
        face_map=_face_map(material),
        found=[_found(name, analysis) for name, analysis in material.analyses.items()],
        sections=material.sections,
        examples=_examples(material, label),
        picked=_PICKED["scores" if material.classes is None else "classes"],
        method_remarks=_remarks(material),
        baselines=completeness.baseline_grid(record, list(config.get("explain", {}).get("methods", {}))),
        completeness=completeness.completeness_grid(explanations),
        biases=completeness.bias_grid(explanations, material.table("diagnostics")),
        flagged=int(explanations["flagged"].sum()) if len(explanations) else 0,
        notes=[*material.summary.get("notes", []), *material.notes, *completeness.without_relevance(explanations)],
        provenance=_provenance(record),
        versions=facts.grid(["library", "version"], [[k, v] for k, v in record.get("versions", {}).items()]),
        plugins=_plugins(record.get("plugins", {})),
        weights=facts.grid(["weights", "SHA-256"], [[k, v] for k, v in record.get("weights", {}).items()]),
        durations=_durations(record),
        config=json.dumps(
            without_files(config) if material.faces == "none" else config, indent=2, ensure_ascii=False, default=str
        ),
    )


def _cards(material: ReportMaterial) -> list[Card]:
    summary = material.summary
    cards = [
        Card(f"{int(summary.get('participants', 0)):,}", "participants"),
        Card(f"{int(summary.get('recordings', 0)):,}", "recordings used"),
        Card(f"{int(summary.get('set_aside', 0)):,}", "recordings set aside"),
        Card(f"{int(summary.get('windows', 0)):,}", "windows"),
    ]
    r = words.held_out_metrics(summary).get("pearson")
    if r is not None and r["value"] is not None and summary.get("held_out", r["n"]) >= words.FEW:
        cards.insert(0, Card(words.number(r["value"], 2), "r on held-out participants"))
    return cards


def _prediction_chart(material: ReportMaterial, predictions: pd.DataFrame, label: str) -> Chart | None:
    if material.classes is not None:
        return classes.class_chart(predictions, material.classes, label)
    return facts.prediction_chart(predictions, label)


def _participants(material: ReportMaterial, predictions: pd.DataFrame) -> Grid | None:
    if material.classes is not None:
        return classes.class_grid(predictions, material.classes)
    people = facts.participant_predictions(predictions)
    if people.empty:
        return None
    rows = [
        [r.participant, facts.SPLIT_TITLES.get(str(r.split), r.split), r.label, r.prediction, r.sd, r.windows]
        for r in people.pipe(facts.rows_of)
    ]
    headers = ["participant", "side", "label", "prediction", "SD over windows", "windows"]
    return facts.grid(headers, rows)


def _table_of(material: ReportMaterial, name: str) -> pd.DataFrame:
    for analysis in material.analyses.values():
        if name in analysis.tables:
            return analysis.tables[name]
    return material.table(name)


def _hypotheses(material: ReportMaterial) -> list[str]:
    """Return the verdict of the tests over people; nothing where none was asked for."""
    own = [analysis.tables["hypotheses"] for analysis in material.analyses.values() if "hypotheses" in analysis.tables]
    return words.hypothesis_headlines(own[0].to_dict("records")) if own else []


def _face_map(material: ReportMaterial) -> Chart | None:
    if material.scheme is None:
        return None
    pooling = material.config.get("pooling", {})
    shape, padding = str(pooling.get("shape", "hull")), float(pooling.get("padding", 0.25))
    return facts.face_map(_table_of(material, "region_relevance"), material.scheme, shape, padding)


def _title(name: str) -> str:
    parts = name.replace("_", " ").split()
    first = parts[0].upper() if parts[0] == "au" else parts[0].capitalize()
    return " ".join([first, *parts[1:]])


def _found(name: str, analysis: Analysis) -> Found:
    general = [chart for chart in analysis.charts if not chart.about]
    first: dict[str, Chart] = {}
    for chart in general:
        first.setdefault(_family(chart), chart)
    more = [chart for chart in general if first[_family(chart)] is not chart]
    return Found(name, _title(name), list(first.values()), analysis.notes, more)


def _family(chart: Chart) -> str:
    """Return a title without what it is of: charts that differ in method or source alone have one family."""
    return re.sub(r" \([^()]*\)$", "", chart.title)


def _remarks(material: ReportMaterial) -> dict[str, list[Remark]]:
    """Return what analyzers remark on each method."""
    remarks: dict[str, list[Remark]] = {}
    for analysis in material.analyses.values():
        for method, remark in analysis.method_remarks.items():
            remarks.setdefault(method, []).append(remark)
    return remarks


def _examples(material: ReportMaterial, label: str) -> list[Example]:
    people: dict[Any, Any] = {}
    if len(recordings := material.table("recordings")):
        people = dict(zip(recordings["recording"], recordings["participant"], strict=True))
    examples = []
    for recording, role in material.selected.items():
        about = [
            chart for analysis in material.analyses.values() for chart in analysis.charts if chart.about == recording
        ]
        outside = role == "out of distribution"
        title = _ROLE_TITLES.get(role, role.capitalize() or "Recording")
        lines = _example_lines(material, recording, label)
        person = str(people.get(recording, ""))
        examples.append(Example(recording, person, role, title, outside, lines, about))
    return examples


def _example_lines(material: ReportMaterial, recording: str, label: str) -> list[str]:
    predictions = material.table("predictions")
    own = predictions[predictions["recording"] == recording] if len(predictions) else predictions
    if own.empty:
        return []
    if material.classes is not None:
        return [classes.class_line(own, material.classes, label)]
    mean, known = float(own["prediction"].mean()), own["label"].notna().any()
    said = f"Predicted {label}: {words.number(mean)}, the mean over {words.count(len(own), 'window')}"
    if not known:
        return [said + "; the label is not known."]
    truth = float(own["label"].mean())
    return [said + f"; the label is {words.number(truth)} (error {words.number(abs(mean - truth))})."]


def _provenance(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    wanted = {
        "command": "Command",
        "started": "Started",
        "finished": "Finished",
        "seed": "Seed",
        "device": "Device",
        "workers": "Worker processes",
        "python": "Python",
        "platform": "Platform",
    }
    return [(title, str(record[key])) for key, title in wanted.items() if record.get(key) is not None]


def _plugins(plugins: Mapping[str, Mapping[str, Any]]) -> Grid:
    rows = [
        [place, str(about.get("use", "")), str(about.get("version", "")), str(about.get("distribution", ""))]
        for place, about in plugins.items()
    ]
    return facts.grid(["place", "plugin", "version", "distribution"], rows)


def _durations(record: Mapping[str, Any]) -> Grid:
    reused = record.get("reused", {})
    rows = [
        [step, words.duration(float(seconds)), int(reused.get(step, 0))]
        for step, seconds in record.get("durations_s", {}).items()
    ]
    return facts.grid(["step", "time", "results taken from the store"], rows)

"""What a model card says of how well the network does, what its explanations show, and what is not known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from mien.report import evaluation as tested
from mien.report.card_made import bands_without_training
from mien.report.card_material import CardMaterial
from mien.report.facts import Grid, grid, metrics_grid, rows_of
from mien.report.words import (
    FEW,
    count,
    densest,
    held_out_people,
    hypothesis_headlines,
    interval,
    listed,
    number,
    region_sentence,
    region_title,
)

NO_HELD_OUT = "No participant was held out: there is no held-out metric of this network."
_NO_LABEL = "The held-out recordings have no label: there is no held-out metric of this network."
_FOLDS = (
    "Correlations over all folds together are biased, since whoever is held out pulls the mean of the others the other "
    "way; what a prediction is worth, its gain over the training mean says."
)

_FAITHFULNESS = {
    "deletion": "deletion (above 0: better than random order)",
    "insertion": "insertion (above 0: better than random order)",
    "randomisation": "similarity left with random parameters",
    "stability_noise": "stability under noise",
    "stability_shift": "stability under a shift",
}


def held_out_grid(material: CardMaterial) -> Grid | None:
    """Return the metrics on held-out participants at the level of the headline; None without any."""
    metrics = material.table("metrics")
    return metrics_grid(metrics[metrics["split"] == "test"], [material.level]) if len(metrics) else None


def evaluation_grid(material: CardMaterial) -> Grid | None:
    """Return the errors beside those of the training mean; None without any."""
    return tested.evaluation_grid(material.table("evaluation"))


def held_out_notes(material: CardMaterial) -> list[str]:
    """Return of whom the metrics are, and how they are to be read."""
    shown = held_out_grid(material)
    if shown is None:
        return [_NO_LABEL if len(material.used.query("split == 'test'")) else NO_HELD_OUT]
    metrics = material.table("metrics")
    own = metrics[(metrics["split"] == "test") & (metrics["subset"] == "all") & (metrics["level"] == material.level)]
    said = [
        f"Of {held_out_people(material.summary, int(own['n'].max()))}. Intervals are 95 % bootstrap intervals over "
        "participants."
    ]
    if int(material.summary["held_out"]) < FEW:
        said.append("So few participants show nothing about others.")
    if int(material.summary.get("folds", 1)) > 1:
        said.append(_FOLDS)
    return [*said, *_skill(material), *tested.evaluation_notes(material.table("evaluation"))]


def _skill(material: CardMaterial) -> Iterator[str]:
    skill = material.summary.get("skill")
    if not skill or skill["value"] is None:
        return
    said = f"Skill over the training mean (1 − RMSE / RMSE of that mean): {number(skill['value'])}"
    if skill["low"] is None:
        yield f"{said}, without an interval: too few participants."
    else:
        better = "" if skill["low"] > 0 else " It is not shown to predict better than always saying the training mean."
        yield f"{said} ({interval(skill['low'], skill['high'])}).{better}"


def own_fold(material: CardMaterial) -> tuple[list[str], Grid | None]:
    """Return the figures of what this fold alone held out, and what is to be known of them; nothing without folds."""
    if material.fold is None:
        return [], None
    people = count(material.held_out["participant"].nunique(), "participant")
    metrics = material.own_metrics
    if metrics.empty:
        return [f"Fold {material.fold} held out {people}: too few for figures of this network alone."], None
    level = material.level if (metrics["level"] == material.level).any() else "participant"
    said = f"This network alone, on the {people} of fold {material.fold}, whom it has not seen:"
    return [said], metrics_grid(metrics[metrics["split"] == "test"], [level])


def subgroup_grid(material: CardMaterial) -> tuple[list[str], Grid | None]:
    """Return errors by group of participants, without groups that are so small that they may say who is in them."""
    groups = material.table("subgroup_errors")
    if groups.empty:
        return [], None
    shown = groups[groups["participants"] >= FEW]
    rows = [
        [
            row.covariate,
            row.group,
            int(row.participants),
            _with_interval(row.mae, row.mae_low, row.mae_high),
            _with_interval(row.bias, row.bias_low, row.bias_high),
            float(row.mae_difference_q),
            float(row.bias_difference_q),
        ]
        for row in shown.pipe(rows_of)
    ]
    headers = ["covariate", "group", "participants", "mean absolute error (95 % interval)",
               "mean error (95 % interval)", "q of the error", "q of the mean error"]  # fmt: skip
    said = ["A q-value is of the group against the others of its covariate. A group without a difference may be small."]
    if len(shown) < len(groups):
        many = count(len(groups) - len(shown), "group")
        said.append(f"Left out, because it may say who is in it: {many} of fewer than {FEW} participants.")
    return said, grid(headers, rows) if rows else None


def _with_interval(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return "–"
    return number(value) + (f" ({number(low)} to {number(high)})" if math.isfinite(low) else "")


def explanation_lines(material: CardMaterial) -> list[str]:
    """Return a line for each attribution method: where its relevance is, and how it goes with the label."""
    places = {finding["method"]: region_sentence(finding) for finding in densest(material.summary.get("regions", []))}
    lines = []
    for name, method in material.config.explain.methods.items():
        place = places.get(name, f"{name}: nothing was explained with it, or its relevance is zero.")
        lines.append(" ".join([place, *_effect(material, name)]) + f" (Method “{method.use}”.)")
    flagged = int(material.summary.get("flagged_explanations", 0))
    if flagged:
        clips = count(flagged, "clip was", "clips were")
        lines.append(f"{clips} explained with a completeness gap beyond the method's tolerance.")
    return lines


def _effect(material: CardMaterial, method: str) -> Iterator[str]:
    table = material.table("statistics")
    if table.empty:
        return
    own = table[(table["method"] == method) & (table["measure"] == "share") & ~table["adjusted"]]
    own = own[own["effect"].notna()]
    if own.empty:
        yield "How its shares go with the label is not defined."
        return
    top = own.iloc[int(own["effect"].abs().to_numpy().argmax())]
    yield (
        f"Of its shares that of the {region_title(str(top['region']))} goes most closely with the label: Spearman's r "
        f"{number(top['effect'], 2)} ({interval(top['low'], top['high'])}), q = {number(top['q'], 2)}, "
        f"{count(int(top['n']), 'participant')}; {_controls(top)}."
    )


def _controls(effect: pd.Series[Any]) -> str:
    kinds = {"untrained": "untrained networks", "permuted": "networks trained with permuted labels"}
    largest = [
        f"{number(effect[f'control_{kind}_max'], 2)} in {effect[f'controls_{kind}']} {title}"
        for kind, title in kinds.items()
        if int(effect[f"controls_{kind}"]) > 0
    ]
    if not largest:
        return "there is no control to compare with"
    if pd.isna(effect["exceeds"]):
        verdict = "one kind of control is missing"
    else:
        verdict = "it exceeds them all" if effect["exceeds"] else "it does not exceed them all"
    return f"largest |r| {listed(largest)}: {verdict}"


def hypotheses(material: CardMaterial) -> list[str]:
    """Return each hypothesis with its numbers, or that there is none; nothing where nothing was tested."""
    if "hypotheses" not in material.tables:
        return []
    return hypothesis_headlines(material.table("hypotheses").to_dict("records"))


def faithfulness(material: CardMaterial) -> tuple[list[str], Grid | None]:
    """Return whether to believe each method's maps, with the figures behind it; nothing where it was not tested."""
    verdicts, figures = material.table("faithfulness_verdicts"), material.table("faithfulness")
    if verdicts.empty or figures.empty:
        return [], None
    rows, said = [], []
    for verdict in verdicts.pipe(rows_of):
        own = figures[figures["method"] == verdict.method]
        rows.append([verdict.method, verdict.verdict, *(_last(own, measure) for measure in _FAITHFULNESS)])
        if verdict.why:
            said.append(f"{verdict.method}: {verdict.why}")
    people = count(int(figures["participants"].max()), "participant")
    how = f"Tested on {people}. To believe a map is to take it for what this network uses, not the network for right."
    return [how, *said], grid(["method", "verdict", *_FAITHFULNESS.values()], rows)


def _last(figures: pd.DataFrame, measure: str) -> str:
    """Return a figure with its interval; of several stages, after the last."""
    own = figures[figures["measure"] == measure]
    return "–" if own.empty else _with_interval(*(float(own[name].iloc[-1]) for name in ("value", "low", "high")))


def limits(material: CardMaterial) -> list[str]:
    """Return what the network must not be trusted with, as far as the run shows."""
    used = material.used
    said = [
        "No clinical validation. Nothing here is fit to decide about a person.",
        f"One data set, of {count(used['participant'].nunique(), 'participant')}: people, cameras, light and "
        "situations that it does not hold are not represented.",
    ]
    if lacking := bands_without_training(material):
        said.append(f"No training participant is in these severity bands: {listed(lacking)}.")
    tested_on = material.table("recordings").query("split == 'test' and status == 'used'")
    known = tested_on[~tested_on["unseen"].astype(bool)]
    if len(known):
        many = count(len(known), "held-out recording is", "held-out recordings are")
        said.append(f"{many} of people whom the network, or one that it began with, has seen.")
    if material.config.training.start_from is not None:
        said.append("On whom the network that it began with was trained may not be known.")
    elif material.about.get("provenance", {}).get("weights"):
        said.append("It inherits what the data of its pretrained weights lack.")
    said += [
        "Faces are not found equally well in everyone: who was set aside is missing here.",
        "An explanation says what this network used, not what causes the label.",
    ]
    return said


def not_measured(material: CardMaterial) -> list[str]:
    """Return what was not measured in the run that made the network."""
    controls = material.config.explain.controls
    tables, explained = material.tables, bool(material.config.explain.methods)
    audited = any(name.startswith("artifact_audit") for name in tables)
    lacking = {
        "How it does on another data set.": True,
        "Whether errors differ between groups of people.": material.table("subgroup_errors").empty,
        "Where untrained networks have their relevance.": explained and not controls.networks,
        "Where networks trained with permuted labels have their relevance.": explained and not controls.permuted,
        "Whether relevance goes with the label beyond chance.": explained and "statistics" not in tables,
        "Whether the explanations are faithful to the network.": explained and "faithfulness" not in tables,
        "Whether it looks at things beside the face, e.g. a microphone.": explained and not audited,
        "What it looks at: nothing was explained.": not explained,
    }
    return [what for what, lacks in lacking.items() if lacks]

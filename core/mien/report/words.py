"""The report's sentences: what was asked and what was found, with the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

FEW = 5
"""Below so many participants a correlation is not worth a headline without a warning."""

_REGIONS = {"elsewhere_face": "elsewhere in the face", "background": "background", "total": "total"}


def region_title(region: str) -> str:
    """Return a region's name as it is written in figures: ``right_eye`` becomes ``right eye``."""
    return _REGIONS.get(region, region.replace("_", " "))


def with_article(region: str) -> str:
    """Return a region as it stands in a sentence: ``the mouth``, ``the rest of the face``."""
    return "the rest of the face" if region == "elsewhere_face" else f"the {region_title(region)}"


def number(value: Any, digits: int = 3) -> str:
    """Return a number with ``digits`` significant digits, without an exponent where it is of common size."""
    if value is None or not math.isfinite(float(value)):
        return "not defined"
    value = float(value)
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    places = max(0, digits - 1 - (math.floor(math.log10(abs(value))) if value else 0))
    return f"{value:.{places}f}"


def interval(low: Any, high: Any) -> str:
    """Return ``95 % interval a to b``, or that there is none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "no interval: too few participants"
    return f"95 % interval {number(low, 2)} to {number(high, 2)}"


def count(many: int, noun: str, plural: str = "") -> str:
    """Return ``1 window``, ``2 windows``."""
    return f"{many:,} {noun if many == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def asked(config: Mapping[str, Any]) -> list[str]:
    """Return what a run was asked to do, in sentences, from the dump of its configuration."""
    sentences = []
    if "dataset" in config:
        name = config.get("objective", {}).get("name", "label")
        sentences.append(
            f"Learn to predict “{name}” from the videos of the data set “{_use(config['dataset'])}” "
            f"with the network “{_use(config.get('backbone'))}”."
        )
    else:
        sentences.append(f"Explain new videos with a trained network (“{_use(config.get('backbone'))}”).")
    sentences.append(_faces(config))
    sentences.append(_windows(config.get("windows", {})))
    if "training" in config:
        sentences.append(_training(config["training"], config.get("split", {})))
    sentences += _explaining(config.get("explain", {}), config.get("pooling", {}))
    sources = [f"{name} ({_use(part)})" for name, part in config.get("action_units", {}).items()]
    if sources:
        sentences.append(f"Compare with facial Action Units from {listed(sources)}.")
    return sentences


def _use(part: Any) -> str:
    return str(part.get("use", "?")) if isinstance(part, Mapping) else "?"


def _faces(config: Mapping[str, Any]) -> str:
    cropper = config.get("cropper", {})
    size = f"{cropper.get('width', '?')} × {cropper.get('height', '?')} pixels"
    return (
        f"Find faces and landmarks with “{_use(config.get('detector'))}” and cut them out with "
        f"“{_use(cropper)}” at {size}."
    )


def _windows(windows: Mapping[str, Any]) -> str:
    step = int(windows.get("dilation", 1))
    every = "" if step == 1 else f", every {step}{ {2: 'nd', 3: 'rd'}.get(step, 'th') } frame"
    overlap = f"{100 * float(windows.get('overlap', 0)):.0f} %"
    rate = f", resampled to {windows['rate']:g} frames a second" if windows.get("rate") else ""
    return f"Cut clips of {windows.get('frames', '?')} frames{every}, overlapping by {overlap}{rate}."


def _training(training: Mapping[str, Any], split: Mapping[str, Any]) -> str:
    held_out = 100 * float(split.get("test", 0))
    epochs = count(int(training.get("epochs", 0)), "epoch")
    return (
        f"Train for at most {epochs} ({training.get('optimizer', '?')}, learning "
        f"rate {training.get('learning_rate', '?')}, batches of {training.get('batch', '?')}); hold out "
        f"{held_out:.0f} % of the participants where the data set does not say whom."
    )


def _explaining(explain: Mapping[str, Any], pooling: Mapping[str, Any]) -> list[str]:
    methods = [f"{name} ({_use(part)})" for name, part in explain.get("methods", {}).items()]
    if not methods:
        return []
    networks = int(explain.get("controls", {}).get("networks", 0))
    beside = f", and beside it {count(networks, 'untrained network')}" if networks else ""
    shape = {"hull": "the grown hull of its landmarks", "box": "the grown box of its landmarks"}
    return [
        f"Explain the trained network{beside} with {listed(methods)}, on the {explain.get('split', '?')} recordings.",
        f"Sum relevance over face regions; a region is {shape.get(str(pooling.get('shape')), 'as configured')}, "
        f"by {100 * float(pooling.get('padding', 0)):.0f} % of its side on each side.",
    ]


def headlines(summary: Mapping[str, Any]) -> list[str]:
    """Return the main findings in plain sentences, from ``summary.json``."""
    return [
        *_prediction_headline(summary),
        *(_region_sentence(finding) for finding in densest(summary.get("regions", []))),
        *_data_headline(summary),
    ]


def held_out_metrics(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the metrics of the held-out participants at the level of the headline, by name."""
    level = summary.get("level", "participant")
    return {m["metric"]: m for m in summary.get("metrics", []) if m["split"] == "test" and m["level"] == level}


def _prediction_headline(summary: Mapping[str, Any]) -> list[str]:
    held_out = held_out_metrics(summary)
    r, error = held_out.get("pearson"), held_out.get("mae")
    if r is None:
        return []
    people = count(int(summary.get("held_out", r["n"])), "held-out participant")
    if summary.get("level") == "recording":
        people = f"{count(int(r['n']), 'recording')} of {people}"
    if r["value"] is None or not math.isfinite(r["value"]):
        return [f"With {people} the correlation of predictions with labels is not defined."]
    mae = f" The mean absolute error is {number(error['value'], 2)}." if error and error["value"] is not None else ""
    few = " So few participants show nothing about others." if summary.get("held_out", r["n"]) < FEW else ""
    return [
        f"On {people}, predictions correlate with the labels at r = {number(r['value'], 2)} "
        f"({interval(r['low'], r['high'])}).{mae}{few}"
    ]


def densest(regions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the finding of the densest region of the face for each method, from ``summary.json``."""
    first: dict[str, Mapping[str, Any]] = {}
    for finding in regions:
        known = finding["density"] is not None and math.isfinite(finding["density"])
        if known and finding["region"] not in _REGIONS:
            best = first.get(finding["method"])
            if best is None or finding["density"] > best["density"]:
                first[finding["method"]] = finding
    return list(first.values())


def _region_sentence(finding: Mapping[str, Any]) -> str:
    density = float(finding["density"])
    text = (
        f"{finding['method']}: relevance is densest in the {region_title(finding['region'])}, "
        f"{number(density, 2)} times what an even spread over the face would give "
        f"({interval(finding.get('low'), finding.get('high'))})"
    )
    highest = finding.get("untrained_highest")
    if highest is None or not math.isfinite(highest) or highest <= 0:
        return text + "; there is no untrained network to compare with."
    ratio = density / highest
    if ratio <= 1:
        return text + (
            f", but an untrained network reaches {number(highest, 2)} there: this finding does not show "
            "what was learnt."
        )
    return text + f", and {number(ratio, 2)} times the highest of the untrained networks."


def _data_headline(summary: Mapping[str, Any]) -> list[str]:
    used, aside = int(summary.get("recordings", 0)), int(summary.get("set_aside", 0))
    if aside == 0:
        return [f"All {count(used, 'recording')} could be used." if used != 1 else "The one recording could be used."]
    return [f"{aside} of {count(used + aside, 'recording')} had to be set aside; the reasons are listed below."]

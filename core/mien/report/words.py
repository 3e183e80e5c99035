"""The report's sentences: what was asked and what was found, with the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.interfaces.analyzer import Remark
    from mien.types import Layout

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
    rounded = float(f"{value:.{digits - 1}e}")  # .9996 is 1.0 with two digits, and not 1.00
    places = max(0, digits - 1 - (math.floor(math.log10(abs(rounded))) if rounded else 0))
    return f"{value:.{places}f}"


def interval(low: Any, high: Any) -> str:
    """Return ``95 % interval a to b``, or that there is none; an end may be infinite."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return "no interval: too few participants"
    return f"95 % interval {_end(low)} to {_end(high)}"


def _end(value: float) -> str:
    return number(value, 2) if math.isfinite(value) else "∞" if value > 0 else "-∞"


def count(many: int, noun: str, plural: str = "") -> str:
    """Return ``1 window``, ``2 windows``."""
    return f"{many:,} {noun if many == 1 else plural or noun + 's'}"


def ordinal(number: int) -> str:
    """Return ``1st``, ``2nd``, ``11th``."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def listed(names: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def asked(config: Mapping[str, Any], layout: Layout = "video") -> list[str]:
    """Return what a run was asked to do, in sentences, from the dump of its configuration; clips are of ``layout``."""
    sentences = []
    name = config.get("objective", {}).get("name", "label")
    if "dataset" in config and "training" not in config:
        sentences.append(
            f"Hold a trained network (“{_use(config.get('backbone'))}”) against the labels “{name}” of the data set "
            f"“{_use(config['dataset'])}”, without training."
        )
    elif "dataset" in config:
        sentences.append(
            f"Learn to predict “{name}” from the videos of the data set “{_use(config['dataset'])}” "
            f"with the network “{_use(config.get('backbone'))}”."
        )
    else:
        sentences.append(f"Explain new videos with a trained network (“{_use(config.get('backbone'))}”).")
    sentences.append(_faces(config, layout))
    sentences.append(_windows(config.get("windows", {})))
    if "training" in config:
        sentences.append(_training(config["training"], config.get("split", {})))
    sentences += _explaining(config.get("explain", {}), config.get("pooling", {}), layout)
    sources = [f"{name} ({_use(part)})" for name, part in config.get("action_units", {}).items()]
    if sources:
        sentences.append(f"Compare with facial Action Units from {listed(sources)}.")
    return sentences


def _use(part: Any) -> str:
    return str(part.get("use", "?")) if isinstance(part, Mapping) else "?"


def _faces(config: Mapping[str, Any], layout: Layout) -> str:
    cropper = config.get("cropper", {})
    if layout == "landmarks":
        return (
            f"Find faces and landmarks with “{_use(config.get('detector'))}”, and make sequences of the landmarks, "
            f"without pixels, with “{_use(cropper)}”."
        )
    size = f"{cropper.get('width', '?')} × {cropper.get('height', '?')} pixels"
    return (
        f"Find faces and landmarks with “{_use(config.get('detector'))}” and cut them out with "
        f"“{_use(cropper)}” at {size}."
    )


def _windows(windows: Mapping[str, Any]) -> str:
    step = int(windows.get("dilation", 1))
    every = "" if step == 1 else f", every {ordinal(step)} frame"
    share = float(windows.get("overlap", 0))
    overlap = f"overlapping by {100 * share:.0f} %" if share else "one after the other"
    rate = f", resampled to {windows['rate']:g} frames a second" if windows.get("rate") else ""
    return f"Cut clips of {windows.get('frames', '?')} frames{every}, {overlap}{rate}."


def _training(training: Mapping[str, Any], split: Mapping[str, Any]) -> str:
    epochs = count(int(training.get("epochs", 0)), "epoch")
    start = " from the weights of another trained network" if training.get("start_from") else ""
    return (
        f"Train for at most {epochs}{start} ({training.get('optimizer', '?')}, learning "
        f"rate {training.get('learning_rate', '?')}, batches of {training.get('batch', '?')}); {_held_out(split)}."
    )


def _held_out(split: Mapping[str, Any]) -> str:
    scheme = split.get("scheme", "holdout")
    if scheme == "k_fold":
        return f"hold out each participant once, in {split.get('folds', '?')} folds with a network each"
    if scheme == "leave_one_out":
        return "hold out one participant at a time, with a network each"
    return (
        f"hold out {100 * float(split.get('test', 0)):.0f} % of the participants where the data set does not say whom"
    )


def division(summary: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return what is to be known of how participants were divided, from ``summary.json`` and the configuration."""
    said = []
    folds = int(summary.get("folds", 1))
    if config.get("split", {}).get("scheme", "holdout") != "holdout" and folds:
        said.append(
            f"Every participant was held out once, in one of {folds} folds. Each prediction and each explanation below "
            "is of the network that did not see the participant; videos out of distribution are judged by that of the "
            "first fold."
        )
    if shared := int(summary.get("shared_persons", 0)):
        said.append(
            f"The data set's own parts share persons: {count(shared, 'participant has', 'participants have')} "
            "recordings on more than one side, and the network has seen them when it is tested on them."
        )
    return said


def _explaining(explain: Mapping[str, Any], pooling: Mapping[str, Any], layout: Layout) -> list[str]:
    methods = [f"{name} ({_use(part)})" for name, part in explain.get("methods", {}).items()]
    if not methods:
        return []
    controls = explain.get("controls", {})
    networks, permuted = int(controls.get("networks", 0)), int(controls.get("permuted", 0))
    others = [count(networks, "untrained network")] if networks else []
    others += [f"{count(permuted, 'network')} trained with permuted labels"] if permuted else []
    beside = f", and beside it {listed(others)}," if others else ""
    side = explain.get("split", "?")
    explained = f"Explain the trained network{beside} with {listed(methods)}, on the {side} recordings."
    if layout == "landmarks":
        return [explained, "Sum the relevance of landmarks over the face regions that they belong to."]
    shape = {"hull": "the grown hull of its landmarks", "box": "the grown box of its landmarks"}
    return [
        explained,
        f"Sum relevance over face regions; a region is {shape.get(str(pooling.get('shape')), 'as configured')}, "
        f"by {100 * float(pooling.get('padding', 0)):.0f} % of its side on each side.",
    ]


def headlines(summary: Mapping[str, Any], verdict: Sequence[str] = ()) -> list[str]:
    """Return the main findings in plain sentences, from ``summary.json`` and the ``verdict`` of tests over people."""
    return [
        *_prediction_headline(summary),
        *verdict,
        *(region_sentence(finding) for finding in densest(summary.get("regions", []))),
        *_data_headline(summary),
    ]


def hypothesis_headlines(hypotheses: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Return each hypothesis with its numbers, or that there is none."""
    if not hypotheses:
        return ["No hypothesis: no effect of the label on relevance passes its test and exceeds all control networks."]
    return [
        f"Hypothesis {row['id']}: {row['statement']} Effect {number(row['effect'], 2)} "
        f"({interval(row['low'], row['high'])}), q = {number(row['q'], 2)}, {count(int(row['n']), 'participant')}."
        for row in hypotheses
    ]


def remark_headline(remarks: Mapping[str, Sequence[Remark]]) -> list[str]:
    """Return in one sentence which methods' heat maps got which verdict; nothing where none was judged."""
    verdicts: dict[str, list[str]] = {}
    for method, own in remarks.items():
        for remark in own:
            verdicts.setdefault(remark.verdict, []).append(method)
    told = [f"{verdict[:1].lower()}{verdict[1:]}: {listed(methods)}" for verdict, methods in verdicts.items()]
    return [f"Remarks on the heat maps – {'; '.join(told)}."] if told else []


def held_out_metrics(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the metrics of the held-out participants at the level of the headline, by name."""
    level = summary.get("level", "participant")
    return {
        m["metric"]: m
        for m in summary.get("metrics", [])
        if m["split"] == "test" and m["level"] == level and m.get("subset", "all") == "all"
    }


def held_out_people(summary: Mapping[str, Any], units: int) -> str:
    """Return of whom a metric is: ``12 held-out participants``, ``24 sessions of 12 held-out participants``."""
    people = count(int(summary.get("held_out", units)), "held-out participant")
    level, folds = summary.get("level", "participant"), int(summary.get("folds", 1))
    people = people if level == "participant" else f"{count(units, str(level))} of {people}"
    return f"{people} in {folds} folds" if folds > 1 else people


def _prediction_headline(summary: Mapping[str, Any]) -> list[str]:
    held_out = held_out_metrics(summary)
    r, error = held_out.get("pearson"), held_out.get("mae")
    if r is None:
        return _accuracy_headline(summary)
    people = held_out_people(summary, int(r["n"]))
    if (
        int(summary.get("folds", 1)) > 1
    ):  # a correlation over folds is biased: whoever is held out pulls the others' mean
        if error is None or error["value"] is None:
            return []
        return [
            f"On {people}, the mean absolute error is {number(error['value'], 2)} "
            f"({interval(error['low'], error['high'])}); what that is worth, the skill over the training mean says."
        ]
    if r["value"] is None or not math.isfinite(r["value"]):
        return [f"With {people} the correlation of predictions with labels is not defined."]
    mae = f" The mean absolute error is {number(error['value'], 2)}." if error and error["value"] is not None else ""
    few = " So few participants show nothing about others." if summary.get("held_out", r["n"]) < FEW else ""
    return [
        f"On {people}, predictions correlate with the labels at r = {number(r['value'], 2)} "
        f"({interval(r['low'], r['high'])}).{mae}{few}"
    ]


def _accuracy_headline(summary: Mapping[str, Any]) -> list[str]:
    """Return how often the class was right, for an objective whose metrics tell it."""
    found = held_out_metrics(summary).get("accuracy")
    if found is None or found["value"] is None or not math.isfinite(found["value"]):
        return []
    few = " So few participants show nothing about others." if summary.get("held_out", found["n"]) < FEW else ""
    return [
        f"On {held_out_people(summary, int(found['n']))}, the predicted class is right in "
        f"{100 * found['value']:.0f} % ({_percent_interval(found['low'], found['high'])}).{few}"
    ]


def _percent_interval(low: Any, high: Any) -> str:
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    return f"95 % interval {100 * low:.0f} % to {100 * high:.0f} %" if known else interval(low, high)


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


_CONTROLS = {
    "untrained_highest": ("an untrained network", "untrained networks"),
    "permuted_highest": ("a network trained with permuted labels", "networks trained with permuted labels"),
}


def region_sentence(finding: Mapping[str, Any]) -> str:
    """Return where a method's relevance is densest, beside the controls; the density has to be a number."""
    density = float(finding["density"])
    text = (
        f"{finding['method']}: relevance is densest in the {region_title(finding['region'])}, "
        f"{number(density, 2)} times what an even spread over the face would give "
        f"({interval(finding.get('low'), finding.get('high'))})"
    )
    known = {key: finding.get(key) for key in _CONTROLS}
    beside = {key: float(value) for key, value in known.items() if value is not None and 0 < value < math.inf}
    if not beside:
        return text + "; there is no untrained network to compare with."
    largest = max(beside, key=lambda key: beside[key])
    ratio = density / beside[largest]
    if ratio <= 1:
        return text + (
            f", but {_CONTROLS[largest][0]} reaches {number(beside[largest], 2)} there: this finding does not show "
            "what was learnt."
        )
    return text + f", and {number(ratio, 2)} times the highest of the {listed([_CONTROLS[key][1] for key in beside])}."


def _data_headline(summary: Mapping[str, Any]) -> list[str]:
    used, aside = int(summary.get("recordings", 0)), int(summary.get("set_aside", 0))
    if aside == 0:
        return [f"All {count(used, 'recording')} could be used." if used != 1 else "The one recording could be used."]
    return [f"{aside} of {count(used + aside, 'recording')} had to be set aside; the reasons are listed below."]

"""Figures with intervals from the single results of ``reduction.py``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien_landmark_emotion.emotions import EMOTIONS
from mien_landmark_emotion.scoring import (
    SCORES,
    Judged,
    area_under_roc,
    bootstrap,
    interval,
    mean_scores,
    rank_correlation,
    scores,
)

RESAMPLES = 1000
MOVED = 0.1  # of the landmark that an emotion moves furthest: from here on, a landmark counts as moved
TIMED = {
    "given": "one classifier, given its landmarks",
    "one": "one classifier, choosing from all",
    "six": "all six, each choosing from all",
}
Found = dict[str, Any]


def summary(about: Mapping[str, Any], parts: Path) -> Found:
    """Return everything that was measured, ready for JSON."""
    seeds, counts = about["seeds"], about["counts"]
    arms = [("all", counts[0]), *((arm, count) for arm in ("relevance", "random") for count in counts[1:])]
    judged = [[_judged(parts, seed, arm, count) for seed in seeds] for arm, count in arms]
    resampled = bootstrap(judged, RESAMPLES, 0)
    curve = [
        {"landmarks": count, "kept_by": arm, **_with_intervals(own, drawn)}
        for (arm, count), own, drawn in zip(arms, judged, resampled, strict=True)
    ]
    return {
        "settings": dict(about),
        "intervals": f"95 %, bootstrap over held-out participants within each seed, {RESAMPLES} resamples; "
        "values are means over seeds",
        "curve": curve,
        "differences": _differences(arms, curve, resampled),
        "emotions": [_by_emotion(arm, count, own) for (arm, count), own in zip(arms, judged, strict=True)],
        "kept": _kept(parts, seeds[0], counts[-1]),
        "truth": _truth(seeds, parts),
        "timing": _timing(counts, parts),
    }


def _kept(parts: Path, seed: int, count: int) -> Found:
    """Return the landmarks of each classifier after the last reduction, as `LandmarkClassifiers.keep` takes them."""
    with np.load(parts / f"seed{seed}_relevance_{count}.npz", allow_pickle=False) as part:
        return {"seed": seed, "landmarks": dict(zip(EMOTIONS, part["keeps"].tolist(), strict=True))}


def written_json(found: Found, path: Path) -> None:
    """Write the summary; numbers that are not defined become null."""

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: known(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [known(one) for one in value]
        if isinstance(value, float):
            return float(f"{value:.5g}") if math.isfinite(value) else None
        return value

    path.write_text(json.dumps(known(found), indent=1) + "\n", encoding="utf-8")


def _judged(parts: Path, seed: int, arm: str, count: int) -> Judged:
    name = f"seed{seed}_all" if arm == "all" else f"seed{seed}_{arm}_{count}"
    with np.load(parts / f"{name}.npz", allow_pickle=False) as part:
        return Judged(part["logits"], part["labels"], tuple(part["participants"].tolist()))


def _with_intervals(judged: Sequence[Judged], drawn: Sequence[Mapping[str, float]]) -> Found:
    means = mean_scores(judged)
    found: Found = {}
    for name in SCORES:
        low, high = interval([one[name] for one in drawn])
        each = [scores(one.logits, one.labels)[name] for one in judged]
        found[name] = {"value": means[name], "low": low, "high": high, "seeds": each}
    return found


def _differences(
    arms: Sequence[tuple[str, int]], curve: Sequence[Found], drawn: Sequence[Sequence[Mapping[str, float]]]
) -> list[Found]:
    """Return relevance less random at each count, and each count less all landmarks; paired."""
    place = {arm: number for number, arm in enumerate(arms)}
    pairs = [(("relevance", count), ("random", count)) for arm, count in arms if arm == "relevance"]
    pairs += [(arm, arms[0]) for arm in arms[1:]]
    found = []
    for one, other in pairs:
        row: Found = {"landmarks": one[1], "kept_by": one[0], "less": f"{other[0]} {other[1]}"}
        for name in SCORES:
            a, b = place[one], place[other]
            change = [x[name] - y[name] for x, y in zip(drawn[a], drawn[b], strict=True)]
            low, high = interval(change)
            row[name] = {"value": curve[a][name]["value"] - curve[b][name]["value"], "low": low, "high": high}
        found.append(row)
    return found


def _by_emotion(arm: str, count: int, judged: Sequence[Judged]) -> Found:
    """Return AUC and balanced accuracy of each binary classifier, mean over seeds."""
    found: Found = {"landmarks": count, "kept_by": arm}
    for place, emotion in enumerate(EMOTIONS):
        each = []
        for one in judged:
            own, values = one.labels == place, one.logits[:, place]
            balanced = float(((values[own] > 0).mean() + (values[~own] <= 0).mean()) / 2)
            each.append((area_under_roc(values, own), balanced))
        auc, balanced = np.mean(each, axis=0).tolist()
        found[emotion] = {"auc": auc, "balanced_accuracy": balanced}
    return found


def _truth(seeds: Sequence[int], parts: Path) -> Found:
    """Return how relevance of an emotion agrees with what its Action Units move, and with other emotions'."""
    rows = [_people(parts, seed) for seed in seeds]
    found: Found = {
        "moved": f"a landmark is moved from {MOVED:.0%} of the displacement of the emotion's furthest on",
        "emotions": {},
    }
    random = np.random.default_rng(41)
    for place, emotion in enumerate(EMOTIONS):
        entry: Found = {"landmarks_moved": int(np.mean([_is_moved(people, place).sum() for people in rows]))}
        for kind in ("trained", "untrained"):
            for name, measure in (("auc", _auc), ("spearman", _spearman)):
                value = float(np.mean([measure(people, place, kind, None) for people in rows]))
                drawn = [
                    float(np.mean([measure(people, place, kind, _again(people, random)) for people in rows]))
                    for _ in range(RESAMPLES if kind == "trained" else 200)
                ]
                low, high = interval(drawn)
                entry[f"{name}_{kind}"] = {"value": value, "low": low, "high": high}
        entry["named_first"] = [_first(people, place) for people in rows]
        found["emotions"][emotion] = entry
    return found


People = dict[str, npt.NDArray[Any]]


def _people(parts: Path, seed: int) -> People:
    """Return shares of relevance and displacements by participant and emotion: ``(P, K, N)``; untrained: the mean."""
    with np.load(parts / f"seed{seed}_truth.npz", allow_pickle=False) as part:
        raw = {name: part[name] for name in part.files}
    names = np.unique(raw["participants"])

    def by_person(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        chosen = [[(raw["participants"] == n) & (raw["labels"] == k) for k in range(len(EMOTIONS))] for n in names]
        return np.array([[values[rows].mean(0) for rows in person] for person in chosen])

    def share(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(values / values.sum(-1, keepdims=True))

    # Each untrained network by itself: their mean would be smoother than any of them.
    untrained = np.stack([by_person(share(one)) for one in raw["untrained"]])
    return {"trained": by_person(share(raw["trained"]))[None], "untrained": untrained, "moved": by_person(raw["moved"])}


def _again(people: People, random: np.random.Generator) -> npt.NDArray[Any]:
    count = len(people["moved"])
    return random.integers(count, size=count)


def _is_moved(people: People, place: int) -> npt.NDArray[np.bool_]:
    moved = people["moved"][:, place].mean(0)
    return np.asarray(moved >= MOVED * moved.max())


def _relevance(people: People, place: int, kind: str, rows: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    """Return the mean share of each landmark for each network, ``(networks, N)``."""
    values = people[kind][:, :, place]
    return np.asarray(values.mean(1) if rows is None else values[:, rows].mean(1))


def _auc(people: People, place: int, kind: str, rows: npt.NDArray[Any] | None) -> float:
    moved = _is_moved(people, place)
    return float(np.mean([area_under_roc(one, moved) for one in _relevance(people, place, kind, rows)]))


def _spearman(people: People, place: int, kind: str, rows: npt.NDArray[Any] | None) -> float:
    moved = people["moved"][:, place].mean(0)
    return float(np.mean([rank_correlation(one, moved) for one in _relevance(people, place, kind, rows)]))


def _first(people: People, place: int) -> str:
    """Return the emotion whose displacements the relevance of one fits best."""
    own = people["trained"][0, :, place].mean(0)
    fits = [float(np.corrcoef(own, people["moved"][:, other].mean(0))[0, 1]) for other in range(len(EMOTIONS))]
    return EMOTIONS[int(np.argmax(fits))]


def _timing(counts: Sequence[int], parts: Path) -> list[Found]:
    """Return median CPU seconds, and how many times as fast as all landmarks: the median ratio within rounds."""
    with np.load(parts / "timing.npz", allow_pickle=False) as part:
        times = {name: part[name] for name in part.files}
    found = []
    for what, classifiers in (("given", 1), ("one", 1), ("six", len(EMOTIONS))):
        for batch in (1, 32):
            slowest = times[f"{what}_{counts[0]}_batch{batch}"]
            for count, multiplied in zip(counts, times["multiplications"].tolist(), strict=True):
                own = times[f"{what}_{count}_batch{batch}"]
                low, middle, high = np.quantile(slowest / own, [0.25, 0.5, 0.75]).tolist()
                found.append(
                    {
                        "what": TIMED[what],
                        "batch": batch,
                        "landmarks": count,
                        "seconds": float(np.median(own)),
                        "speed_up": {"median": middle, "quartiles": [low, high]},
                        "multiplications": multiplied * classifiers,
                    }
                )
    return found

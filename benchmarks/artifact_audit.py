"""How often `artifact_audit` alarms where a badge is the only cue, and where there is nothing but a face to look at.

Run ``python benchmarks/artifact_audit.py``; it writes ``benchmarks/results/artifact_audit.json``.  Every run is a whole
one: a network is trained on planted videos by `mien run` and audited on held-out participants.  Kinds that share their
videos share their faces and crops; with ``--store`` a stopped benchmark goes on where it stopped.

The bounds of the rule were set on other videos and other networks: on two networks with the badge as the only cue and
two without a badge (dataset seed 100, seeds 0 and 1).  In a first report (dataset seed 300, seeds 50 to 54) two of ten
clean networks had learnt nothing in 10 epochs, and alarmed; the epochs were then set on the pilot's videos and seeds,
and what is reported since is of new networks and new people.  A run alarms when any of its methods does.
"""

from __future__ import annotations

import argparse
import importlib.resources
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from _runs import held_out, machine, mien, read, rows, write
from scipy.stats import binomtest

from mien_plugins.analyzers.artifact_audit import ArtifactAudit

KINDS: dict[str, tuple[str, list[str], int]] = {
    "badge_cue": ("alarm", ["dataset.badge=cue"], 6),
    "AU12": ("none", [], 20),
    "AU09": ("none", ["dataset.label={AU09: 1}"], 50),
    "badge_uninformative": ("none", ["dataset.badge=shuffled"], 20),
    "badge_confounded": ("open", ["dataset.badge=confounded"], 20),
}
"""What is expected of each kind of run, what it changes of the recipe, and its epochs."""

RECIPE = [
    "dataset.participants=20",
    "dataset.test_participants=6",
    "dataset.recordings_per_participant=6",
    "explain.methods={ig_blur: {use: integrated_gradients, baseline: blur, tolerance: 0.05, max_steps: 32}, "
    "saliency: saliency, input_x_gradient: input_x_gradient, lrp: lrp}",
    "analyzers={audit: {use: artifact_audit, figures: 0}}",
    "report={videos: 0, faces: none}",
]
FIRST_SEED, FIRST_PEOPLE = 60, 400  # of the networks and of the data set
NETWORKS = 5
"""Networks of a kind that learn from the same people; the next ones have new people."""
LEARNT = 0.5
"""Held-out r above which a network has learnt its label.  One that has not looks anywhere, the face included."""
COLUMNS = [
    "method", "share", "area_share", "ratio", "ratio_low", "untrained_ratio_highest", "place", "place_ratio",
    "place_ratio_low", "place_ratio_high", "stays_with", "background_alarm", "place_alarm", "alarm", "flagged",
]  # fmt: skip


def audited(kind: str, seed: int, folder: Path, store: Path, workers: int) -> dict[str, Any]:
    """Train, explain and audit one network."""
    _, changes, epochs = KINDS[kind]
    out = folder / f"{kind}_{seed}"
    people = FIRST_PEOPLE + (seed - FIRST_SEED) // NETWORKS
    overrides = [*RECIPE, *changes, f"dataset.seed={people}", f"training.epochs={epochs}", f"seed={seed}"]
    sets = [part for override in overrides for part in ("--set", override)]
    config = importlib.resources.files("mien_plugins") / "configs" / "explanations.yaml"
    with importlib.resources.as_file(config) as path:
        seconds = mien(
            "run", str(path), "--out", str(out), "--store", str(store), "--workers", str(workers), "--quiet", *sets
        )
    table = pd.read_parquet(out / "tables" / "artifact_audit.parquet")
    people = pd.read_parquet(out / "tables" / "artifact_audit_participants.parquet")
    summary = read(out / "summary.json")
    return {
        "kind": kind,
        "seed": seed,
        "seconds": seconds,
        "pearson": held_out(summary)["pearson"][0],
        "alarm": bool(table["alarm"].any()),
        "participants": int(people["participant"].nunique()),
        "flagged": int(people.groupby("participant")["flagged"].any().sum()),
        "methods": rows(table[COLUMNS]),
    }


def rate(found: Sequence[bool]) -> dict[str, Any]:
    """Return how many of some runs alarmed, with the exact (Clopper-Pearson) interval of the rate."""
    alarms, runs = sum(found), len(found)
    ends = binomtest(alarms, runs).proportion_ci() if runs else (None, None)
    return {"alarms": alarms, "runs": runs, "interval": [end if end is None else round(float(end), 3) for end in ends]}


def rates(done: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the rates by expectation, by kind, and by method."""
    expected = {kind: what for kind, (what, _, _) in KINDS.items()}
    planted = [one for one in done if expected[one["kind"]] == "alarm"]
    clean = [one for one in done if expected[one["kind"]] == "none"]
    learnt = [one for one in clean if one["pearson"] > LEARNT]
    unlearnt = [one for one in clean if not one["pearson"] > LEARNT]
    methods = sorted({row["method"] for one in done for row in one["methods"]})

    def of(method: str, runs: Sequence[dict[str, Any]]) -> list[bool]:
        return [bool(row["alarm"]) for one in runs for row in one["methods"] if row["method"] == method]

    people = {"planted": planted, "clean": clean}
    return {
        "alarm": rate([one["alarm"] for one in planted]),
        "false_alarm": rate([one["alarm"] for one in clean]),
        "false_alarm_learnt": rate([one["alarm"] for one in learnt]),
        "false_alarm_unlearnt": rate([one["alarm"] for one in unlearnt]),
        "kinds": {kind: rate([one["alarm"] for one in done if one["kind"] == kind]) for kind in KINDS},
        "methods": {m: {"alarm": rate(of(m, planted)), "false_alarm": rate(of(m, clean))} for m in methods},
        "participants_flagged": {
            name: [sum(one["flagged"] for one in runs), sum(one["participants"] for one in runs)]
            for name, runs in people.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each kind")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--store", type=Path, help="keeps what was computed")
    parser.add_argument("--dry", action="store_true", help="print the rates, and leave the result as it is")
    wanted = parser.parse_args()
    analyzer = ArtifactAudit()
    bounds = {"background": analyzer.background_bound, "place": analyzer.place_bound}
    done: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        store = wanted.store or folder / "store"
        for seed in range(FIRST_SEED, FIRST_SEED + wanted.runs):
            for kind in wanted.kinds:
                one = audited(kind, seed, folder, store, wanted.workers)
                done.append(one)
                ratios = {row["method"]: (row["ratio"], row["place_ratio"]) for row in one["methods"]}
                print(kind, seed, "ALARM" if one["alarm"] else "none", f"r = {one['pearson']:.3f}", ratios, flush=True)
            if not wanted.dry:  # after each seed: what is measured stays when the benchmark is stopped
                write("artifact_audit", {"machine": machine(), "bounds": bounds, **rates(done), "each": done})
    if wanted.dry:
        print(rates(done))


if __name__ == "__main__":
    main()

"""HMHN beside mien's own network on single frames, on animated faces, under one protocol.

Each network learns the mean intensity of AU12 of the same videos, with the same crops, windows, epochs and optimiser,
from several seeds; the last twelve participants are held out.  ``hmhn`` learns it from every frame, as in the paper,
``hmhn_clip_loss`` is the same network with the loss of the clip's mean, which is ``frame_cnn``'s.

    python compare.py                 writes results/compare.json after every network; goes on where it was stopped
    python compare.py --tiny          a trial of the script, of a few minutes; its figures mean nothing
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
NETWORKS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "hmhn": ("hmhn.yaml", ()),
    "frame_cnn": ("frame_cnn.yaml", ()),
    "hmhn_clip_loss": ("hmhn.yaml", ("backbone.frame_loss=0",)),
}
PAIRS = (("hmhn", "frame_cnn"), ("hmhn_clip_loss", "frame_cnn"), ("hmhn", "hmhn_clip_loss"))
TINY = (
    "dataset.participants=5",
    "dataset.test_participants=3",
    "dataset.recordings_per_participant=2",
    "training.epochs=1",
)
METRICS = ("pearson", "mae", "rmse")
RESAMPLES = 5000
SHARED = ("dataset", "detector", "cropper", "windows", "objective", "training")
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")

log = logging.getLogger("compare")


@dataclass(frozen=True)
class Run:
    """A trained network and what it says of the held-out recordings.

    Attributes
    ----------
    held_out : DataFrame
        participant, label and prediction by recording: the mean over its windows.
    """

    network: str
    seed: int
    folder: Path
    held_out: pd.DataFrame

    def record(self) -> dict[str, Any]:
        """Return what the run wrote of itself."""
        record: dict[str, Any] = read(self.folder / "run.json")
        return record


def train(network: str, seed: int, work: Path, more: Sequence[str]) -> Run:
    """Return the run of a network, which is not repeated when it has ended before."""
    example, own = NETWORKS[network]
    changes = [f"seed={seed}", "report.videos=0", *own, *more]
    folder, asked = work / f"{network}_{seed}", work / f"{network}_{seed}.asked.json"
    wanted = {"changes": changes, "example": (EXAMPLES / example).read_text(encoding="utf-8")}
    if not (asked.is_file() and read(asked) == wanted and (folder / "summary.json").is_file()):
        began = time.perf_counter()
        command = [sys.executable, "-m", "mien", "run", str(EXAMPLES / example), "--out", str(folder), "--quiet"]
        command += ["--store", str(work / "store"), "--device", "cpu"]
        command += [part for change in changes for part in ("--set", change)]
        subprocess.run(command, check=True)
        asked.write_text(json.dumps(wanted), encoding="utf-8")
        log.info("%s, seed %d: %.0f s", network, seed, time.perf_counter() - began)
    return Run(network, seed, folder, held_out(folder))


def held_out(folder: Path) -> pd.DataFrame:
    """Return the held-out recordings of a run."""
    table = pd.read_parquet(folder / "tables" / "predictions.parquet")
    windows = table[table["split"] == "test"].astype({"recording": str, "participant": str})
    return windows.groupby("recording").agg(
        participant=("participant", "first"), label=("label", "first"), prediction=("prediction", "mean")
    )


def metric(name: str, predictions: FloatArray, labels: FloatArray) -> FloatArray:
    """Return a metric for each row of predictions ``(..., recordings)``."""
    if name == "mae":
        return np.asarray(abs(predictions - labels).mean(-1))
    if name == "rmse":
        return np.asarray(((predictions - labels) ** 2).mean(-1) ** 0.5)
    a, b = predictions - predictions.mean(-1, keepdims=True), labels - labels.mean(-1, keepdims=True)
    return np.asarray((a * b).mean(-1) / np.sqrt((a * a).mean(-1) * (b * b).mean(-1)))


def resampled(participants: Sequence[str], resamples: int, seed: int = 0) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each bootstrap sample of participants, who are drawn with all their recordings."""
    owners = np.asarray(participants)
    people = [np.flatnonzero(owners == person) for person in sorted(set(participants))]
    rng = np.random.default_rng(seed)
    return [np.concatenate([people[i] for i in rng.integers(len(people), size=len(people))]) for _ in range(resamples)]


def summarise(runs: Sequence[Run]) -> dict[str, Any]:
    """Return metrics of each network, their mean over the seeds with a 95 % interval, and paired differences."""
    grouped = {name: [run for run in runs if run.network == name] for name in NETWORKS}
    grouped = {name: own for name, own in grouped.items() if own}
    rows = next(iter(grouped.values()))[0].held_out
    samples = resampled(list(rows["participant"]), RESAMPLES)
    labels = rows["label"].to_numpy(float)
    values, drawn = {}, {}
    for name, own in grouped.items():
        predictions = np.stack([run.held_out.loc[rows.index, "prediction"].to_numpy(float) for run in own])
        values[name] = {each: metric(each, predictions, labels) for each in METRICS}
        drawn[name] = {
            each: np.array([metric(each, predictions[:, s], labels[s]).mean() for s in samples]) for each in METRICS
        }
    networks = {
        name: {
            each: {"mean": values[name][each].mean(), **interval(drawn[name][each]), "seeds": list(values[name][each])}
            for each in METRICS
        }
        for name in grouped
    }
    return {"networks": networks, "differences": differences(grouped, values, drawn)}


def differences(
    grouped: Mapping[str, Sequence[Run]],
    values: Mapping[str, Mapping[str, FloatArray]],
    drawn: Mapping[str, Mapping[str, FloatArray]],
) -> dict[str, Any]:
    """Return the first less the second of each pair that has the same seeds."""
    found: dict[str, Any] = {}
    for first, second in PAIRS:
        seeds = [[run.seed for run in grouped.get(name, ())] for name in (first, second)]
        if seeds[0] and seeds[0] == seeds[1]:
            found[f"{first} - {second}"] = {
                each: {
                    "mean": values[first][each].mean() - values[second][each].mean(),
                    **interval(drawn[first][each] - drawn[second][each]),
                    "seeds": list(values[first][each] - values[second][each]),
                }
                for each in METRICS
            }
    return found


def interval(drawn: FloatArray) -> dict[str, float]:
    """Return the 95 % percentile interval."""
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {"low": float(low), "high": float(high)}


def mouth(run: Run) -> dict[str, Any]:
    """Return how dense the relevance of each method is in the mouth, where AU12 shows; 1 is chance."""
    table = pd.read_parquet(run.folder / "tables" / "region_relevance.parquet")
    rows = table[table["region"].astype(str) == "mouth"]
    columns = ["density", "density_low", "density_high", "untrained_density_lowest", "untrained_density_highest"]
    return {str(row["method"]): {each: row[each] for each in columns} for row in rows.to_dict("records")}


def parameters(run: Run) -> int:
    """Return how many weights a network has."""
    from safetensors import safe_open

    with safe_open(run.folder / "checkpoint" / "model.safetensors", framework="np") as file:
        names = [name for name in file.keys() if not name.endswith(_BUFFERS)]  # noqa: SIM118  it is no mapping
        return sum(int(np.prod(file.get_slice(name).get_shape())) for name in names)


def result(runs: Sequence[Run], wanted: int) -> dict[str, Any]:
    """Return everything that is written."""
    record = runs[0].record()
    one = {run.network: run for run in reversed(runs)}
    about = {
        name: {
            "parameters": parameters(run),
            "backbone": run.record()["config"]["backbone"],
            "training_s": [own.record()["durations_s"].get("train") for own in runs if own.network == name],
            "mouth_density": {str(own.seed): mouth(own) for own in runs if own.network == name},
        }
        for name, run in one.items()
    }
    people = runs[0].held_out["participant"]
    return {
        "complete": len(runs) == wanted,
        "notice": "Animated faces: participants are warps of one portrait. Research use, not a diagnosis.",
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "versions": record["versions"],
        "seeds": sorted({run.seed for run in runs}),
        "held_out": {"participants": int(people.nunique()), "recordings": len(people)},
        "interval": f"95 %, percentile, {RESAMPLES} bootstrap samples of participants; mean over the seeds",
        **summarise(runs),
        "about": about,
        "config": {name: record["config"][name] for name in SHARED},
    }


def tidy(value: Any) -> Any:
    """Return a value for JSON: numbers rounded, None for what is not a number."""
    if isinstance(value, Mapping):
        return {str(key): tidy(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(each) for each in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 4) if np.isfinite(value) else None
    return value


def read(path: Path) -> Any:
    """Return a file of JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Train, compare and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "compare.json")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "mien_hmhn_compare", help="runs and their store"
    )
    parser.add_argument("--tiny", action="store_true", help="a trial of the script")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options.work.mkdir(parents=True, exist_ok=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    todo = [(network, seed) for seed in options.seeds for network in options.networks]
    runs: list[Run] = []
    for network, seed in todo:
        runs.append(train(network, seed, options.work, TINY if options.tiny else ()))
        found = tidy(result(runs, len(todo)))
        options.out.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    log.info("written: %s", options.out)


if __name__ == "__main__":
    main()

"""The demo from nothing: how long it takes, and whether its explanations point where the truth was planted.

Writes ``benchmarks/results/demo.json``.  The store and the results are temporary, so nothing is reused.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).parent / "results" / "demo.json"
PLANTED = "mouth"
BASELINES = ("ig_blur", "ig_mean")
LIMIT_S = 300


def run_demo(folder: Path) -> float:
    """Run the demo into ``folder/out`` and return its seconds."""
    command = [sys.executable, "-m", "mien", "demo", "--out", str(folder / "out"), "--store", str(folder / "store")]
    began = time.perf_counter()
    subprocess.run([*command, "--workers", str(os.cpu_count() or 1), "--quiet"], check=True)
    return time.perf_counter() - began


def regions(summary: dict[str, Any], method: str) -> dict[str, Any]:
    """Return where a method's relevance is densest, and how dense the planted region is beside untrained networks."""
    own = [
        r for r in summary["regions"] if r["method"] == method and r["region"] not in ("background", "elsewhere_face")
    ]
    planted = next(r for r in own if r["region"] == PLANTED)
    first = max(own, key=lambda r: r["density"])
    return {
        "densest": first["region"],
        "density": round(planted["density"], 3),
        "interval": [round(planted["low"], 3), round(planted["high"], 3)],
        "untrained_highest": round(planted["untrained_highest"], 3),
        "over_untrained": round(planted["density"] / planted["untrained_highest"], 3),
        "passes": first["region"] == PLANTED
        and planted["density"] > 2
        and planted["density"] > 1.5 * planted["untrained_highest"],
    }


def conservation(tables: Path) -> float:
    """Return the largest difference between the sum of a frame's cells and its total, relative to the total."""
    keys = ["method", "recording", "window", "frame"]
    cells = pd.read_parquet(tables / "relevance_cells.parquet").groupby(keys)["absolute"].sum()
    relevance = pd.read_parquet(tables / "relevance.parquet")
    total = relevance[relevance["region"] == "total"].set_index(keys)["absolute"].reindex(cells.index)
    return float(((cells - total).abs() / total.abs().clip(lower=1e-12)).max())


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        seconds = run_demo(folder)
        summary = json.loads((folder / "out/summary.json").read_text())
        record = json.loads((folder / "out/run.json").read_text())
        explanations = pd.read_parquet(folder / "out/tables/explanations.parquet")
        difference = conservation(folder / "out/tables")
        report_mb = (folder / "out/report.html").stat().st_size / 1e6
    held_out = {m["metric"]: m for m in summary["metrics"] if m["split"] == "test" and m["level"] == summary["level"]}
    methods = sorted({r["method"] for r in summary["regions"]})
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "seconds": round(seconds, 1),
        "limit_s": LIMIT_S,
        "steps_s": record["durations_s"],
        "held_out_r": {name: held_out["pearson"][name] for name in ("value", "low", "high", "n")},
        "held_out_mae": {name: held_out["mae"][name] for name in ("value", "low", "high", "n")},
        "regions": {method: regions(summary, method) for method in methods},
        "largest_relative_gap": explanations.groupby("method")["relative_gap"].max().round(6).to_dict(),
        "cells_against_total": difference,
        "report_mb": round(report_mb, 2),
        "passes": seconds < LIMIT_S
        and held_out["pearson"]["value"] > 0.9
        and all(regions(summary, method)["passes"] for method in BASELINES),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

"""The paper's pipeline, small: how long it takes, what it holds out, and what holds for faces in another look.

Writes ``benchmarks/results/expresso_ai_small.json``.  The store is temporary, so nothing is reused.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from _runs import EXAMPLES, held_out, machine, mien, read, rows, run, write

LOOKS = ("studio", "evening", "webcam")
LIMIT_S = 900


def validated(folder: Path, look: str) -> dict[str, Any]:
    """Return what the network does on new people in another look."""
    document = (EXAMPLES / "expresso_ai_small_validation.yaml").read_text(encoding="utf-8")
    config = folder / f"{look}.yaml"
    config.write_text(document.replace("look: evening", f"look: {look}"), encoding="utf-8")
    out = folder / f"validated_{look}"
    common = ["--checkpoint", str(folder / "out"), "--out", str(out), "--store", str(folder / "store"), "--quiet"]
    seconds = mien("validate", str(config), *common, "--workers", str(os.cpu_count() or 1))
    kept = ["quantity", "value", "low", "high"]
    figures = pd.read_parquet(out / "tables/validation.parquet")
    return {
        "seconds": seconds,
        "held_out": held_out(read(out / "summary.json")),
        "calibration": rows(figures.loc[figures["topic"] == "calibration", kept]),
    }


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        result = {"machine": machine(), "limit_s": LIMIT_S, **run("expresso_ai_small.yaml", folder, "out")}
        tables = folder / "out/tables"
        evaluation = pd.read_parquet(tables / "evaluation.parquet")
        statistics = pd.read_parquet(tables / "statistics.parquet")
        named = statistics[(statistics["family"] == "confirmatory") & ~statistics["adjusted"].astype(bool)]
        kept = ["method", "region", "effect", "low", "high", "p", "q", "n"]
        result |= {
            "steps_s": read(folder / "out/run.json")["durations_s"],
            "evaluation": rows(evaluation[["statistic", "value", "low", "high", "p", "n"]]),
            "confirmatory": rows(named[kept]),
            "hypotheses": len(pd.read_parquet(tables / "hypotheses.parquet")),
            "regions": [r for r in read(folder / "out/summary.json")["regions"] if (r["density"] or 0) > 1],
            "report_mb": round((folder / "out/report.html").stat().st_size / 1e6, 2),
            "validated": {look: validated(folder, look) for look in LOOKS},
        }
        write("expresso_ai_small", result)


if __name__ == "__main__":
    main()

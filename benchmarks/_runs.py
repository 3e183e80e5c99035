"""Runs of examples through the command line, and what they held out."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

EXAMPLES = Path(__file__).parents[1] / "examples"
METRICS = ("mae", "rmse", "pearson")


def machine() -> str:
    """Return what the figures were measured on."""
    return f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"


def mien(*arguments: str) -> float:
    """Run a command of mien's and return its seconds; an exit code other than 0 is an error."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "mien", *arguments], check=True)
    return round(time.perf_counter() - began, 1)


def run(example: str, folder: Path, out: str, *overrides: str) -> dict[str, Any]:
    """Run an example into ``folder/out`` and return its seconds, and the held-out metrics with their intervals."""
    changes = [part for override in overrides for part in ("--set", override)]
    common = ["--out", str(folder / out), "--store", str(folder / "store"), "--workers", str(os.cpu_count() or 1)]
    seconds = mien("run", str(EXAMPLES / example), *common, "--quiet", *changes)
    summary = read(folder / out / "summary.json")
    return {"seconds": seconds, "level": summary["level"], "held_out": held_out(summary)}


def held_out(summary: dict[str, Any]) -> dict[str, list[float]]:
    """Return value, low and high of the held-out metrics at the run's own level, and n."""
    own = [m for m in summary["metrics"] if m["split"] == "test" and m["level"] == summary["level"]]
    return {m["metric"]: [m["value"], m["low"], m["high"], m["n"]] for m in own if m["metric"] in METRICS}


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table for JSON: rounded, and null for what is absent or infinite."""
    known = table.notna() & ~table.isin([float("inf"), float("-inf")])
    return table.round(4).astype(object).where(known, None).to_dict("records")


def read(path: Path) -> Any:
    """Return a file of JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def write(name: str, result: dict[str, Any]) -> None:
    """Write ``results/<name>.json`` and print it."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
